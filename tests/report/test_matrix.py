"""The trait x trait matrix: its cells, their colours, and its table."""

import math
import re

import pytest
from language_example import language_results, large_results, matrix
from report_example import REST

from traitleak.report import write_report
from traitleak.report.looks import styles
from traitleak.report.matrix import heat_map, matrix_table
from traitleak.results import Estimate, Matrix, MatrixRow, Results
from traitleak.statistics import mean_estimate


def figure_of(found: Matrix):
    """The matrix's figure."""
    return heat_map(found, styles(language_results().model_copy(update={"matrices": [found]})))


def with_cells(found: Matrix, cells: list[list[Estimate | None]]) -> Matrix:
    """The same rows with other cells."""
    rows = [
        row.model_copy(update={"cells": own}) for row, own in zip(found.rows, cells, strict=True)
    ]
    return found.model_copy(update={"rows": rows})


def known() -> Matrix:
    """Four rows of three traits, whose largest value is +0.8."""
    values = [[0.8, -0.4, 0.0], [-0.2, 0.6, 0.1], [0.02, 0.0, -0.01], [0.2, None, 0.3]]
    cells = [
        [None if v is None else mean_estimate([v - 0.05, v, v + 0.05]) for v in row]
        for row in values
    ]
    return with_cells(matrix(), cells)


def test_colour_says_sign_and_share_of_the_largest():
    """Strength is per cent of the largest value of the matrix, whatever its sign."""
    first, second, *_ = figure_of(known()).rows

    assert [cell.strength for cell in first.cells] == [100, 50, 0]
    assert [cell.sign for cell in first.cells[:2]] == ["plus", "minus"]
    assert [cell.strength for cell in second.cells] == [25, 75, 12.5]


def test_the_diagonal_is_where_a_teachers_own_trait_was_measured():
    """Wolf under the wolf teacher, lion under the lion teacher; a control's row has none."""
    figure = figure_of(known())
    own = [
        (i, k)
        for i, row in enumerate(figure.rows)
        for k, c in enumerate(row.cells)
        if c and c.is_own
    ]

    assert own == [(0, 0), (1, 1)]
    assert figure.has_own


def test_a_diagonal_in_another_order_is_found():
    """The traits' order need not be the teachers'."""
    found = known()
    rows = [row.model_copy(update={"cells": row.cells[::-1]}) for row in found.rows]
    turned = found.model_copy(update={"traits": found.traits[::-1], "rows": rows})

    assert [cell.is_own for cell in figure_of(turned).rows[0].cells] == [False, False, True]
    assert matrix_table(turned).rows[0][3].startswith("+0.800*")


def test_cells_say_value_interval_and_whether_0_is_left_out():
    """Mean and interval stand in every cell; what leaves 0 out is marked."""
    figure = figure_of(known())
    wolf = figure.rows[0].cells

    assert (wolf[0].value, wolf[0].interval) == ("+0.80", "[+0.68, +0.92]")
    assert (wolf[1].value, wolf[1].interval) == ("−0.40", "[−0.52, −0.28]")
    assert [cell.is_clear for cell in wolf] == [True, True, False]
    assert figure.rows[3].cells[1] is None
    assert figure.count == "n = 3 each"


def test_n_stands_in_the_cells_where_it_differs():
    """Cells of unequal n each say their own."""
    found = known()
    cells = [list(row.cells) for row in found.rows]
    cells[0][0] = mean_estimate([0.7, 0.9])
    mixed = with_cells(found, cells)

    assert figure_of(mixed).rows[0].cells[0].count == "n = 2"
    assert figure_of(mixed).rows[0].cells[1].count == "n = 3"
    assert figure_of(mixed).count == ""
    assert matrix_table(mixed).rows[0][1].endswith(", n = 2")


def test_one_seed_has_values_and_says_why_no_intervals():
    """With one seed no cell has an interval, and figure and table say so."""
    figure = figure_of(matrix(seeds=1))

    assert not any(cell.interval for row in figure.rows for cell in row.cells if cell)
    assert figure.interval_name.replace("\N{NO-BREAK SPACE}", " ") == "one seed: no interval"
    assert not figure.has_clear
    assert "no\N{NO-BREAK SPACE}interval" in matrix_table(matrix(seeds=1)).rows[0][1]
    assert any(
        "no\N{NO-BREAK SPACE}interval" in n for n in matrix_table(matrix(1), short=True).notes
    )


@pytest.mark.parametrize("value", [0.0, math.nan, math.inf, -1e-300, 1e300])
def test_values_without_a_share_have_no_colour_of_their_own(value):
    """Nothing but zeros, not a number and infinity break nothing; strengths stay in 0 to 100."""
    odd = Estimate(value=value, low=None, high=None, n=1, method="", replicates=[value])
    zero = odd.model_copy(update={"value": 0.0})
    figure = figure_of(with_cells(known(), [[odd, zero, zero]] + [[None] * 3] * 3))

    assert all(0 <= c.strength <= 100 for row in figure.rows for c in row.cells if c)


def test_a_matrix_without_any_cell_is_still_a_table():
    """All cells may be absent."""
    empty = with_cells(known(), [[None] * 3] * 4)

    assert matrix_table(empty).rows[0] == ["wolf teacher", "–", "–", "–"]
    assert figure_of(empty).count == ""


def test_table_has_every_number():
    """Value and interval with all decimals, the own trait starred, gamma with its p below."""
    found = known()
    table = matrix_table(found)
    cell = table.rows[0][1].replace("\N{NO-BREAK SPACE}", " ")

    assert table.head == ["taught by", "wolf", "lion", "owl"]
    assert cell == "+0.800* [+0.676, +0.924]"
    assert table.rows[3][2] == "–"
    gamma = found.specificity.estimate
    (said,) = [note for note in table.notes if note.startswith("Specificity")]
    assert f"gamma = +{gamma.value:.3f}" in said
    assert "p = 0.00031" in said
    assert "the smallest possible: 0.00031" in said


def test_table_says_in_one_sentence_how_intervals_were_made():
    """The way of most cells without their names, other ways with the names of those that have them."""
    found = known()
    gamma = found.specificity.estimate.model_copy(update={"method": "least squares, then t"})
    cells = [list(row.cells) for row in found.rows]
    cells[1][1] = cells[1][1].model_copy(update={"method": "Wilson", "confidence": 0.9})
    specificity = found.specificity.model_copy(update={"estimate": gamma})
    alike = found.model_copy(update={"specificity": specificity})
    mixed = with_cells(alike, cells)

    def said(of: Matrix) -> list[str]:
        notes = [note for note in matrix_table(of).notes if note.startswith("Interval")]
        return [note.replace("\N{NO-BREAK SPACE}", " ") for note in notes]

    usual = found.rows[0].cells[0].method
    assert said(alike) == [f"Intervals: 95 %, {usual}; of gamma: 95 %, least squares, then t."]
    assert said(mixed) == [
        f"Intervals: 95 %, {usual}; of lion teacher: lion: 90 %, Wilson; "
        "of gamma: 95 %, least squares, then t."
    ]
    assert said(found.model_copy(update={"specificity": None})) == [f"Intervals: 95 %, {usual}."]
    bare = [[cell and cell.model_copy(update={"low": None, "high": None}) for cell in row]
            for row in cells]  # fmt: skip
    assert said(with_cells(found.model_copy(update={"specificity": None}), bare)) == []


def test_short_table_leaves_intervals_of_many_traits_out():
    """On a terminal three traits have intervals, ten have none, and both say n."""
    few, many = (
        matrix_table(known(), short=True),
        matrix_table(large_results().matrices[0], short=True),
    )

    assert few.rows[0][1].replace("\N{NO-BREAK SPACE}", " ") == "+0.80* [+0.68, +0.92]"
    assert not any("[" in cell for row in many.rows for cell in row)
    assert "n = 3 each." in few.notes
    assert "n = 2 to 4 each." in many.notes


def test_page_shows_the_matrix_as_a_table_of_cells(tmp_path):
    """The heat map is a table: heads for traits and teachers, a value in every cell, roles named."""
    results = language_results().model_copy(update={"matrices": [known()]})
    page = write_report(tmp_path, results, **REST).read_text(encoding="utf-8")
    heat = re.search('(?s)<figure class="heat">.*?</figure>', page)[0]

    assert re.findall('<th scope="col">(.*?)</th>', heat) == ["taught by", "wolf", "lion", "owl"]
    assert heat.count('<th scope="row"') == 4
    assert heat.count("[+0.68, +0.92]") == 1
    assert len(re.findall('class="(?:plus|minus) own', heat)) == 2
    assert 'class="minus clear" style="--strength:50.0%"' in heat
    assert [heat.count(f"<span>{role}</span>") for role in ("effect", "control")] == [2, 2]


def test_results_with_a_matrix_survive_json():
    """`results.json` gives back what was written, the new figures included."""
    results = language_results()

    assert Results.model_validate_json(results.model_dump_json()) == results


def test_a_matrix_of_students_says_so():
    """Columns that are students are named as such, and no row is called an effect or a control."""
    found = Matrix(
        name="m",
        title="Who",
        caption="",
        value_name="transfer, nats",
        traits=["a", "b"],
        rows=[
            MatrixRow(
                name=f"by-{name}",
                label=name,
                role="effect",
                trait=name,
                cells=[mean_estimate([1.0, 2.0]), mean_estimate([0.0, 0.1])],
            )
            for name in "ab"
        ],
        columns="students",
    )
    heat = figure_of(found)
    notes = " ".join(matrix_table(found).notes)

    assert heat.columns_name == "student"
    assert not heat.has_roles
    assert "in students that began as the column's network" in notes
    assert "*: teacher and student are the same network." in notes
    assert "columns" not in found.model_copy(update={"columns": "traits"}).model_dump()
