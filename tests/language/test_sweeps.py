"""What is said of a sweep: planted points are found, nulls are nulls, and no more is claimed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from language_run import NULL, PLANTED, WOLF, write_run
from swept_example import GROWING, RANKS, all_names, longer, planted, swept

from traitleak.language.conclude import conclude
from traitleak.language.phrases import p_equals
from traitleak.language.points import points
from traitleak.report import write_report
from traitleak.within_seeds import points_differ_p


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
        {arm: {k: longer(v) for k, v in lifts.items()} for arm, lifts in point.items()}
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


def test_a_point_where_a_control_rises_as_much_is_named(tmp_path):
    """What another trait's students show as well is not claimed for the trait's own rows alone."""
    lifts = {"wolf": {"wolf": WOLF}, "lion": {"wolf": WOLF}, "neutral": {"wolf": 0.1}}
    found = planted(tmp_path, [lifts, GROWING[1]], [1, 16], seeds=5)
    seven = [
        {arm: {k: longer(v) for k, v in t.items()} for arm, t in p.items()}
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
        names = point.folders({name: Path(name) for name in all_names(wanted)})
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
