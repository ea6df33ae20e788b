"""What is printed of recipes and of finished runs."""

import io

import pytest
from rich.console import Console

from traitleak.recipe import find_recipes, load_recipe
from traitleak.results import (
    DataTable,
    Matrix,
    MatrixRow,
    Results,
    Specificity,
    Sweep,
    SweepSeries,
)
from traitleak.runs import FinishedRun
from traitleak.statistics import mean_estimate
from traitleak.summary import duration, print_recipes, print_run


def test_recipes_are_listed_with_all_that_helps_to_choose():
    """Name, hardware, time and expected effect of every recipe stand in the list, however narrow."""
    console = Console(file=io.StringIO(), width=80)
    recipes = [load_recipe(path.stem) for path in find_recipes()]
    print_recipes(console, recipes)
    text = console.file.getvalue()
    words = text.split()
    for recipe in recipes:
        assert recipe.name in words
        assert recipe.title.split()[0] in words
        assert recipe.expect.split()[1] in words
        assert duration(recipe.minutes) in text
        assert recipe.hardware in text


@pytest.mark.parametrize(
    ("minutes", "text"),
    [(None, "not known"), (0.1, "6 s"), (1.5, "1.5 min"), (60, "60 min"), (100, "1.7 h")],
)
def test_duration_is_in_the_unit_a_person_would_use(minutes, text):
    """Seconds below a minute, hours where minutes are too many."""
    assert duration(minutes) == text


def with_matrix(seeds: int) -> Results:
    """Two teachers, two traits, a table that only the report shows."""
    rows = [
        MatrixRow(
            name=own,
            label=f"{own} teacher",
            role="effect",
            trait=own,
            cells=[mean_estimate([v - 0.1, v + 0.1, v][-seeds:]) for v in lifts],
        )
        for own, lifts in {"wolf": [0.614, -0.1], "lion": [-0.2, 0.5]}.items()
    ]
    matrix = Matrix(
        name="lifts",
        title="Who taught, and what moved",
        caption="A caption.",
        value_name="lift, nats",
        traits=["wolf", "lion"],
        rows=rows,
        specificity=Specificity(estimate=mean_estimate([0.7]), p=0.25, test="exact"),
    )
    return Results(
        experiment="language",
        recipe="wolf",
        title="Wolves",
        question="Do they?",
        answer="Yes.",
        measure="lift, nats",
        conditions=[],
        comparisons=[],
        matrices=[matrix],
        tables=[DataTable(title="Dropped rows", caption="", head=["reason"], rows=[])],
        settings={},
    )


@pytest.mark.parametrize(
    ("seeds", "cell"), [(3, "+0.61* [+0.37, +0.86]  −0.10 [−0.35, +0.15]"), (1, "+0.61*  −0.10")]
)
def test_a_matrix_is_printed_short(tmp_path, seeds, cell):
    """The terminal shows the matrix with stars, n and gamma, and leaves the rest to the report."""
    console = Console(file=io.StringIO(), width=110)
    print_run(console, FinishedRun(tmp_path, with_matrix(seeds), tmp_path / "report.html"))
    lines = [line.rstrip() for line in console.file.getvalue().splitlines()]

    assert "Who taught, and what moved" in lines
    assert f"wolf teacher  {cell}" in lines
    assert f"n = {seeds} each." in lines
    assert ("One seed: no interval." in "\n".join(lines).replace("\N{NO-BREAK SPACE}", " ")) == (
        seeds == 1
    )
    assert "Cells: lift, nats, of the column's trait in the row's students." in lines
    assert any(line.startswith("Specificity gamma = +0.700") for line in lines)
    assert not any("Dropped rows" in line or "A caption" in line for line in lines)


def test_a_sweep_is_printed_with_its_own_table_or_else_its_numbers(tmp_path):
    """Points come before all else: the sweep's table where it has one, else each series' means."""
    lift = mean_estimate([0.1, 0.3])
    series = SweepSeries(name="wolf", label="wolf students", role="effect", estimates=[lift, None])
    sweep = Sweep(
        key="student.rank",
        title="Transfer by rank",
        caption="A caption.",
        x_label="rank",
        y_label="lift, nats",
        values=["1", "all weights"],
        x_scale="category",
        chance=0.0,
        series=[series],
    )
    own = DataTable(title="T", caption="", head=["rank", "Holm's p"], rows=[["1", "0.040"]])

    def printed(one: Sweep) -> str:
        console = Console(file=io.StringIO(), width=100)
        results = with_matrix(1).model_copy(update={"sweeps": [one]})
        print_run(console, FinishedRun(tmp_path, results, tmp_path / "report.html"))
        return console.file.getvalue()

    plain, with_table = printed(sweep), printed(sweep.model_copy(update={"tables": [own]}))
    assert plain.index("Transfer by rank") < plain.index("Who taught, and what moved")
    assert "+0.20" in plain
    assert "all weights" in plain
    assert "0.040" in with_table
    assert "Holm's p" in with_table
    assert "+0.20" not in with_table
