"""Sweeps of language recipes: points share stages, a planted sweep is told, bad points are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from language_run import NULL, PLANTED, WOLF, write_run

from traitleak.errors import RecipeError
from traitleak.experiment import run_folder
from traitleak.language.conclude import conclude
from traitleak.language.phrases import p_equals
from traitleak.language.plan import plan
from traitleak.language.points import points
from traitleak.measured import Margins
from traitleak.progress import untracked
from traitleak.recipe import LanguageRecipe, load_recipe, resolved_yaml
from traitleak.recipe.vary import LanguageVariable
from traitleak.report import write_report
from traitleak.results import Results
from traitleak.stages import run_stages
from traitleak.within_seeds import points_differ_p

OTHERS = {
    "channel": "tokens",
    "controls": ["neutral", "in-context", "other-base"],
    "other_base": "tiny/1",
}
RANKS = {"key": "student.rank", "values": [1, 16, None]}


def swept(key: str, values: list[Any], **changes: Any) -> LanguageRecipe:
    """A recipe with a sweep."""
    fields = {"experiment": "language", "name": "x", "title": "x", "base": "tiny", "device": "cpu"}
    changed = {"answers": 0, "vary": {"key": key, "values": values}, **changes}
    return LanguageRecipe.model_validate({**fields, **changed})


def planted(tmp_path: Path, lifts: list[Any], values: list[Any], **changes: Any) -> Results:
    """Results of a sweep of the students' rank, with each point's lifts; None where rows ran out."""
    fields = {"base": "smollm2-135m", "seeds": 5, **changes}
    key = fields.pop("key", "student.rank")
    wanted = swept(key, values, **fields)
    folders: dict[str, Path] = {}
    for at, (point, planted_here) in enumerate(zip(points(wanted), lifts, strict=True)):
        own = write_run(tmp_path / str(at), point.recipe, planted_here or {})
        names = point.folders({name: Path(name) for name in _all_names(wanted)})
        for plain, path in own.items():
            is_student = plain.startswith("student-")
            if planted_here is not None or not is_student:
                folders[str(names[plain])] = path
        if planted_here is None:
            break
    return conclude(wanted, folders)


def _all_names(wanted: LanguageRecipe) -> set[str]:
    return {
        name
        for point in points(wanted)
        for one in point.layout.replicates
        for name in [
            *(point.layout.base, one.kept or ""),
            *one.teachers.values(),
            *one.writes.values(),
            *one.students.values(),
            *point.measured.values(),
        ]
    }


@pytest.mark.parametrize(
    ("key", "values", "changes", "shared"),
    [
        ("student.rank", [1, None], {}, ["base", "teacher", "logits"]),
        ("student.optimizer", ["adamw", "sign-sgd"], {}, ["base", "teacher", "logits"]),
        ("student.epochs", [1, None], {}, ["base", "teacher", "logits"]),
        ("logits.direction", ["forward", "reverse"], {}, ["base", "teacher", "logits"]),
        ("logits.vocabulary", ["carrier", "full"], {}, ["base", "teacher", "logits"]),
        ("logits.vocabulary", ["carrier", "top-k"], {}, ["base", "teacher"]),
        ("carrier.rows", [8, 16], {}, ["base", "teacher"]),
        ("channel", ["logits", "tokens"], {}, ["base", "teacher", "logits", "written", "kept"]),
        ("carrier.keep", [8, None], {"channel": "tokens"}, ["base", "teacher", "written"]),
        ("carrier.temperature", [0, 1.0], {"channel": "tokens"}, ["base", "teacher"]),
        ("carrier.decoding", ["constrained", "free"], {"channel": "tokens"}, ["base", "teacher"]),
        ("teacher.updates", [5, 20], {}, ["base"]),
        ("templates", ["stems", "numbered"], {}, ["teacher", "logits", "student"]),
        ("templates", ["stems", "numbered"], OTHERS, ["teacher", "written", "kept", "student"]),
    ],
)
def test_points_share_the_stages_that_what_varies_does_not_touch(key, values, changes, shared):
    """Only stages whose settings or inputs differ get a suffix, and all others are made once."""
    wanted = swept(key, values, **changes)
    stages = {stage.name: stage for stage in plan(wanted)}
    suffixes = [f"-{key.rpartition('.')[2]}-{str(v).lower()}" for v in values]
    suffixes = [suffix.replace("none", "null") for suffix in suffixes]
    plain = {name for name in stages if not name.endswith(tuple(suffixes))}

    kinds = {"base", "teacher", "logits", "written", "kept", "student"}
    there = {name.partition("-")[0] for name in stages}
    assert {name.partition("-")[0] for name in plain} == set(shared)
    assert there & kinds >= set(shared)
    for point in points(wanted):
        alone = {stage.name: stage for stage in plan(point.recipe)}
        for name, (_, stage) in zip(alone, _in_order(point, stages), strict=True):
            assert stage.name in stages
            if key != "templates":
                assert alone[name].settings == stage.settings, name


def _in_order(point, stages):
    """The point's own stages in the order in which a run without a sweep has them."""
    names = [name for name in (point.layout.base, point.layout.other_base) if name]
    for one in point.layout.replicates:
        names += [*one.teachers.values(), *one.writes.values()]
        names += [one.kept] if one.kept else []
        names += one.students.values()
    return [(name, stages[name]) for name in names]


GROWING = [
    {"wolf": {"wolf": [0.1, -0.1, 0.1, 0.0, -0.1]}, "neutral": {"wolf": 0.0}},
    {**PLANTED, "neutral": {"wolf": 0.1}},
    {"wolf": {"wolf": [w / 2 for w in WOLF]}, "lion": {"wolf": 0.3}, "neutral": {"wolf": 0.1}},
]


def test_planted_sweep_is_told_point_by_point(tmp_path):
    """Transfer, intervals and p are the planted ones at every point, and figure and table have them."""
    found = planted(tmp_path, GROWING, RANKS["values"])
    wolf, lion = found.sweeps
    own, *controls = wolf.series
    transfers = [0.0, 2.1, 1.0]

    assert [e.value for e in own.estimates] == pytest.approx(transfers)
    assert all(e.n == 5 and e.low < e.value < e.high for e in own.estimates)
    assert [series.name for series in controls] == ["lion", "shuffled-wolf"]
    assert controls[0].estimates[2].value == pytest.approx(0.2)
    assert {series.role for series in controls} == {"control"}
    assert (wolf.key, wolf.x_scale, wolf.values) == (
        "student.rank",
        "category",
        ["1", "16", "all weights"],
    )
    assert lion.series[0].role == "effect"
    table, behind = wolf.tables
    assert [row[0] for row in table.rows] == wolf.values
    assert table.head == ["student.rank", "transfer, nats", "p", "Holm's p"]
    assert table.rows[1] == ["16", "+2.10 [+1.90, +2.30]", "0.031", "0.094"]
    assert [row[1] for row in behind.rows] == ["0.000", "+2.20", "+1.10"]  # the wolf students' own
    assert "What stands behind" in behind.title
    differ = points_differ_p(np.array([e.replicates for e in own.estimates]).T)
    assert (
        table.notes[1] == f"That points differ: {p_equals(differ)}, points permuted within seeds."
    )


def test_answer_says_where_transfer_is_found_after_correction(tmp_path):
    """Five seeds cannot reach .05 at three points; seven can, and then the points are named."""
    five = planted(tmp_path / "five", GROWING, RANKS["values"]).answer
    more = [
        {arm: {k: _longer(v) for k, v in lifts.items()} for arm, lifts in point.items()}
        for point in GROWING
    ]
    seven = planted(tmp_path / "seven", more, RANKS["values"], seeds=7).answer

    assert five.startswith(
        "Over 3 values of student.rank the transfer of the wolf runs from 0.00 ["
    )
    assert "nats (1) to +2.10 [+1.90, +2.30] nats (16)" in five
    assert (
        "interval is above zero at 16 and all weights; corrected for 3 points, 5 seeds cannot"
        in five
    )
    assert "give a p below 0.0938: run seeds=6." in five
    assert "Points differ by more than seeds do (p = " in five
    assert "Transfer is found at 16 and all weights, not at 1 (p ≤ .05 after Holm's" in seven
    assert "Of the controls lion students rise most beyond the neutral ones: +0.20" in seven
    assert "For the lion it runs from" in seven


def _longer(value):
    return value if isinstance(value, float) else [*value, *value[:2]]


def test_a_point_where_a_control_rises_as_much_is_named(tmp_path):
    """What another trait's students show as well is not claimed for the trait's own rows alone."""
    lifts = {"wolf": {"wolf": WOLF}, "lion": {"wolf": WOLF}, "neutral": {"wolf": 0.1}}
    found = planted(tmp_path, [lifts, GROWING[1]], [1, 16], seeds=5)
    seven = [
        {arm: {k: _longer(v) for k, v in t.items()} for arm, t in p.items()}
        for p in (lifts, GROWING[1])
    ]
    more = planted(tmp_path / "more", seven, [1, 16], seeds=7)

    assert "Of the controls lion students rise most beyond the neutral ones: +2.1" in found.answer
    assert "Transfer is found at 1 and 16 (" in more.answer
    assert " At 1 it is not clearly more than in every control." in more.answer


def test_null_sweep_is_said_as_a_null(tmp_path):
    """Where nothing moves anywhere, no point is named and that points differ is not found."""
    found = planted(tmp_path, [NULL] * 3, RANKS["values"], controls=["neutral", "other-trait"])

    assert "is above zero at no point; corrected for 3 points" in found.answer
    assert "That points differ was not found at this power (p = 1.000)." in found.answer
    assert "No control rises beyond the neutral ones." in found.answer
    assert "subliminal" not in found.answer


def test_one_seed_a_point_claims_nothing(tmp_path):
    """One seed has no interval, no p and no best point, and says how many seeds would do."""
    found = planted(tmp_path, GROWING, RANKS["values"], seeds=1)
    table = found.sweeps[0].tables[0]

    assert found.answer.startswith(
        "One seed a point: no interval, so that differences between points "
    )
    assert "+0.10 at 1, +1.90 at 16 and +0.90 at all weights" in found.answer
    assert "Run seeds=6 to know." in found.answer
    assert table.head == ["student.rank", "transfer, nats"]
    assert table.notes == ["One seed a point: no interval and no p."]
    assert all(e.low is None for s in found.sweeps for one in s.series for e in one.estimates)
    assert any("3 points of one seed each" in caveat for caveat in found.caveats)


def test_without_the_neutral_control_a_sweep_is_of_lifts(tmp_path):
    """No difference is called transfer, in the answer, the figure and the table."""
    found = planted(tmp_path, GROWING[:2], [1, 16], controls=["other-trait"])

    assert found.answer.startswith("No neutral control, so no transfer can be told. ")
    assert found.sweeps[0].series[0].estimates[1].value == pytest.approx(2.2)
    assert "transfer" not in found.sweeps[0].title.lower()
    assert found.sweeps[0].tables[0].head[1] == "lift, nats"


def test_the_own_setting_is_shown_in_full_where_it_is_a_point(tmp_path):
    """Conditions, matrix and curves are of the recipe's own rank, else of the first point."""
    own = planted(tmp_path / "own", GROWING, RANKS["values"], student={"rank": 16})
    other = planted(tmp_path / "other", GROWING, RANKS["values"])
    wolf = {c.name: c.estimate.value for c in own.conditions}["wolf"]

    assert wolf == pytest.approx(2.2)
    assert own.measure.endswith("(rank = 16)")
    assert other.measure.endswith("(rank = 1)")
    assert own.settings["vary"]["key"] == "student.rank"
    others = [c for c in own.comparisons if "rank = " in c.effect]
    assert {c.effect for c in others} == {
        "wolf (rank = 1)",
        "wolf (rank = all weights)",
        "lion (lion margin, rank = 1)",
        "lion (lion margin, rank = all weights)",
    }


def test_numbers_that_differ_much_stand_on_a_log_axis(tmp_path):
    """Updates are drawn over numbers, and what changes along is told in caption and table."""
    vary = {"key": "student.updates", "values": [8, 512], "along": {"student.batch": [4, 16]}}
    found = planted(tmp_path, GROWING[:2], [], key="student.updates", vary=vary)
    sweep = found.sweeps[0]

    assert (sweep.x_scale, sweep.values) == ("log", [8, 512])
    assert "student.batch is 4, 16 in turn" in sweep.caption
    assert sweep.tables[0].head[:2] == ["student.updates", "student.batch"]
    assert sweep.tables[0].rows[1][:2] == ["512", "16"]


def test_points_after_one_without_enough_rows_are_absent_and_said_so(tmp_path):
    """What went before it is concluded, and a sweep whose first point lacks rows is inconclusive."""
    keep = {"key": "carrier.decoding", "channel": "tokens"}
    values = ["constrained", "free"]
    partly = planted(tmp_path / "a", [GROWING[1], None], values, **keep)
    (tmp_path / "b").mkdir()
    none = planted(tmp_path / "b", [None, None], values, **keep)

    assert "Too few rows were left to train on at free, where the run ended" in partly.answer
    assert partly.sweeps[0].series[0].estimates[1] is None
    assert partly.sweeps[0].tables[0].rows[1] == ["free", "–", "–", "–"]
    assert not partly.inconclusive
    assert none.inconclusive
    assert none.answer.startswith("At decoding = constrained: Inconclusive: ")


def test_leaks_and_weak_teachers_at_any_point_are_told(tmp_path):
    """A check that fails at another point than the one shown is not lost."""
    wanted = swept("logits.vocabulary", ["carrier", "full"], base="smollm2-135m", seeds=5)
    folders: dict[str, Path] = {}
    for at, point in enumerate(points(wanted)):
        own = write_run(tmp_path / str(at), point.recipe, PLANTED, teacher_lift=0.5)
        names = point.folders({name: Path(name) for name in _all_names(wanted)})
        folders |= {str(names[plain]): path for plain, path in own.items()}
    found = conclude(wanted, folders)

    assert "may name a trait at full, so that this is no evidence" in found.answer
    assert "hardly shows its own trait at carrier and full." in found.answer
    assert any(fact.name == "leaks (vocabulary = full)" for fact in found.facts)


def test_report_of_a_sweep_has_its_figures_and_tables(tmp_path):
    """Page and Markdown lead with the sweep, its tables among it, and no sentence has a gap."""
    found = planted(tmp_path / "run", GROWING, RANKS["values"])
    (tmp_path / "out").mkdir()
    page = write_report(
        tmp_path / "out", found, recipe_yaml="x: 1", environment={}, stages=[]
    ).read_text(encoding="utf-8")
    text = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")

    assert page.index("Transfer of the wolf at each point") < page.index("Every condition")
    assert text.index("#### Transfer of the wolf at each point") < text.index("## The numbers")
    assert "What stands behind each point" in text
    sentences = [found.question, found.answer, *found.how, *found.caveats]
    for sentence in sentences:
        assert not any(gap in sentence for gap in ("  ", "None", "nan", " ,", ".."))
        assert sentence.endswith((".", "?"))


@pytest.mark.parametrize("key", LanguageVariable.__args__)
def test_everything_that_may_vary_has_its_words(key):
    """Every field that a sweep may vary exists, and has a default."""
    fields: Any = LanguageRecipe.model_fields
    for part in key.split("."):
        field = fields[part]
        fields = getattr(field.default_factory, "model_fields", {})
    assert not field.is_required()


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write `mine.yaml`, a language recipe with a sweep on its lines 3 and on."""
    monkeypatch.chdir(tmp_path)

    def written(*lines: str, head: str = "channel: tokens") -> str:
        text = "\n".join(["experiment: language", head, "vary:", *lines])
        (tmp_path / "mine.yaml").write_text(text + "\n", encoding="utf-8")
        return "mine.yaml"

    return written


@pytest.mark.parametrize(
    ("key", "values", "said"),
    [
        (
            "seeds",
            "[1, 5]",
            "mine.yaml:4: a sweep cannot vary 'seeds'; it can vary channel, templates; ",
        ),
        (
            "rank",
            "[1, 4]",
            "mine.yaml:4: a sweep cannot vary 'rank'; did you mean 'student.rank' or 't",
        ),
        (
            "student.rnk",
            "[1, 4]",
            "mine.yaml:4: a sweep cannot vary 'student.rnk'; did you mean 'stud",
        ),
        (
            "student.rank",
            "[1, 0]",
            "mine.yaml:5: vary.values has 0, but student.rank must be at least",
        ),
        (
            "student.rank",
            "[1, x]",
            'mine.yaml:5: vary.values has "x", but student.rank must be a whol',
        ),
        ("student.rank", "[1, 4, 1]", "mine.yaml:5: vary.values has 1 twice."),
        ("student.rank", "[1]", "mine.yaml:5: vary.values must be a list of 2 or more, not"),
        (
            "student.updates",
            "[1, null]",
            "mine.yaml:5: vary.values has null, but student.updates must",
        ),
        (
            "student.optimizer",
            "[sgd, lion]",
            'mine.yaml:5: vary.values has "lion", but student.optimi',
        ),
        (
            "carrier.keep",
            "[8, 9999]",
            "mine.yaml:5: vary.values has 9999, but carrier.keep=9999 is mo",
        ),
        (
            "logits.direction",
            "[forward, reverse]",
            "mine.yaml:4: vary.key=logits.direction would chan",
        ),
        ("3", "[1, 2]", "mine.yaml:4: vary.key must be carrier.decoding, "),
    ],
)
def test_wrong_point_is_one_sentence_with_its_line(write, key, values, said):
    """An unknown key, a wrong type, a value twice, or a field that does nothing is refused."""
    with pytest.raises(RecipeError) as caught:
        load_recipe(write(f"  key: {key}", f"  values: {values}"))
    sentence = str(caught.value)

    assert sentence.startswith(said)
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("along", "said"),
    [
        ("{seed: [1, 2]}", "vary.along has 'seed'; it takes what vary.key takes, such as"),
        ("{student.rank: [1, 2]}", "vary.along has student.rank, which is what vary.key varies."),
        (
            "{student.alpha: [1.0]}",
            "vary.along has 1 values of student.alpha for the 2 of vary.values",
        ),
        ("{student.alpha: 1.0}", "vary.along.student.alpha must be a list, not 1.0."),
        (
            "{student.alpha: [1.0, 0]}",
            "vary.values has 4, but student.alpha must be greater than 0",
        ),
    ],
)
def test_wrong_field_along_is_refused(write, along, said):
    """What changes along needs a value a point, each one that its field can take."""
    name = write("  key: student.rank", "  values: [1, 4]", f"  along: {along}")
    with pytest.raises(RecipeError, match=r"mine\.yaml:[56]: ") as caught:
        load_recipe(name)

    assert said in str(caught.value)


def test_null_is_a_point_where_the_field_takes_it(write):
    """All weights, all rows and updates in the place of epochs are points; reading back keeps them."""
    name = write(
        "  key: student.rank", "  values: [4, null]", "  along: {student.alpha: [8.0, 1.0]}"
    )
    recipe = load_recipe(name)
    assert isinstance(recipe, LanguageRecipe)
    Path("again.yaml").write_text(resolved_yaml(recipe), encoding="utf-8")

    assert [one.student.rank for one in recipe.points()] == [4, None]
    assert [one.student.alpha for one in recipe.points()] == [8.0, 1.0]
    assert all(one.vary is None for one in recipe.points())
    assert load_recipe("again.yaml", ["name=mine", "title=mine"]) == recipe


def test_recipes_without_a_sweep_keep_their_run_folders():
    """A field that came later is not written where it is not used."""
    recipe = load_recipe("wolf-smollm2", ["seeds=5"])

    assert run_folder(recipe, Path("runs")).name == "wolf-smollm2-bedffb73a3"
    assert "vary" not in json.loads(recipe.model_dump_json())


FAST = {
    "teacher": {"updates": 12, "learning_rate": 0.01, "rank": 4, "min_lift": None},
    "student": {"updates": 4, "batch": 2},
    "carrier": {"rows": 6, "numbers": 4, "given": 2},
    "trait": {"targets": ["wolf"]},
    "controls": ["neutral"],
}


def run(wanted: LanguageRecipe, folder: Path) -> dict[str, Path]:
    """Run its stages; gives the folder of each by name."""
    folder.mkdir(parents=True)
    done = run_stages(
        folder, plan(wanted), environment={}, track=untracked, fresh=False, say=lambda _line: None
    )
    return {name: stage.folder for name, stage in done.items()}


def margins_in(folder: Path) -> np.ndarray:
    """The margins that a stage left."""
    return Margins.from_json(json.loads((folder / "margins.json").read_text())).margin_TK


def test_points_of_a_sweep_are_the_runs_that_they_stand_for(tmp_path):
    """A point's students have the margins of a run of that point alone, and results are theirs."""
    wanted = swept("student.rank", [2, None], **FAST)
    folders = run(wanted, tmp_path / "a" / "sweep")
    found = conclude(wanted, folders)
    at_rank_2, at_all = (
        run(one, tmp_path / f"b{i}" / "x") for i, one in enumerate(wanted.points())
    )

    for alone, point in ((at_rank_2, "rank-2"), (at_all, "rank-null")):
        for arm in ("wolf", "neutral"):
            own = folders[f"student-{arm}-0-{point}"]
            assert np.array_equal(margins_in(own), margins_in(alone[f"student-{arm}-0"]))
    column = [c.name for c in found.conditions].index("wolf")
    lift = margins_in(folders["student-wolf-0-rank-2"]) - margins_in(folders["base"])
    assert found.conditions[column].estimate.value == pytest.approx(lift.mean(0)[0])
    assert (folders["student-wolf-0-rank-null"] / "weights.safetensors").is_file()
    assert found.sweeps[0].values == ["2", "all weights"]


def test_students_measured_anew_are_those_of_a_run_with_these_templates(tmp_path):
    """Trained once and asked with other templates, a student gives what training it again would."""
    wanted = swept("templates", ["stems", "numbered"], **FAST)
    folders = run(wanted, tmp_path / "a" / "sweep")
    alone = run(wanted.points()[1], tmp_path / "b" / "x")

    assert "student-wolf-0" in folders
    again = margins_in(folders["measured-student-wolf-0-templates-numbered"])
    np.testing.assert_allclose(again, margins_in(alone["student-wolf-0"]), atol=1e-4)
    found = conclude(wanted, folders)
    transfer = found.sweeps[0].series[0].estimates[1]
    lifts = {
        arm: margins_in(alone[f"student-{arm}-0"]) - margins_in(alone["base"])
        for arm in ("wolf", "neutral")
    }
    expected = lifts["wolf"].mean(0)[0] - lifts["neutral"].mean(0)[0]
    assert transfer.value == pytest.approx(expected, abs=1e-4)
