"""Runs of many targets: planted lifts are counted, named and corrected for; few stay as they are."""

from __future__ import annotations

import pytest
from language_run import concluded, fact, row, table

from traitleak.experiment import run_recipe
from traitleak.recipe import load_recipe
from traitleak.traits import ANIMALS

TEN = list(ANIMALS)
# Six of ten rise most in their own students; the last four rise more in the wolf teacher's.
RISING, OTHERS = TEN[:6], TEN[6:]
SEEDS = 8


def planted(seeds: int = SEEDS, *, neutral: float = 0.1):
    """Lifts by arm: own ones of 1.0, 1.1 and so on for those that rise, 0.1 for the rest."""
    spread = [0.02 * (s % 3) for s in range(seeds)]
    lifts = {
        name: {name: [1.0 + 0.1 * at + more for more in spread]} for at, name in enumerate(RISING)
    }
    lifts |= {name: {name: [neutral - more for more in spread]} for name in OTHERS}
    lifts["wolf"] |= dict.fromkeys(OTHERS, 0.5)
    return {**lifts, "neutral": dict.fromkeys(TEN, neutral)}


def found(tmp_path, lifts=None, *, seeds: int = SEEDS, **changes):
    """Results of a run with ten targets."""
    fields = {"controls": ["neutral", "other-trait"], "trait": {"targets": TEN}, **changes}
    return concluded(tmp_path, lifts or planted(seeds), seeds=seeds, **fields)


def test_answer_counts_the_targets_that_come_through_and_names_the_rest(tmp_path):
    """Six of ten are found after correction; the four others are said to rise in wolf students."""
    results = found(tmp_path)

    assert results.answer.startswith(
        "In part: subliminal transfer is found for 6 of 10 targets (p ≤ .05 after Holm's correction for "
        "10; n = 8 seeds): eagle, dog, cat, owl, lion and wolf. "
    )
    assert (
        "6 of 10 targets rise most in their own teacher's students (0.9 would by chance, with 11 kinds "
        "of students)" in results.answer
    )
    for name in OTHERS:
        assert f"{name} (wolf students)" in results.answer
    assert "Transfer runs from −0.02 nats (" in results.answer
    assert " to +1.42 (eagle)." in results.answer
    assert results.question.startswith(
        "10 teachers were fine-tuned, each to prefer one of wolf, lion"
    )


def test_table_has_a_row_for_each_target_with_holms_p(tmp_path):
    """Lift, neutral, transfer and both p are the planted ones, sorted by transfer."""
    results = found(tmp_path)
    eagle = row(results, "Target by target", "eagle")

    assert [cells[0] for cells in table(results, "Target by target").rows][:6] == RISING[::-1]
    assert eagle[1:3] == ["+1.52", "+0.10"]
    assert eagle[3].startswith("+1.42 [+1.40, +1.43]")
    assert eagle[4:] == ["eagle students", "0.004", "0.039"]  # 2^-8, and ten times it
    assert row(results, "Target by target", "horse")[4:] == ["wolf students", "1.000", "1.000"]
    assert fact(results, "highest").value == "6 of 10 targets"
    assert fact(results, "highest").holds is False


def test_only_the_first_targets_controls_are_compared_one_by_one(tmp_path):
    """Ten with the neutral control, nine more of the first; one figure holds every target's transfer."""
    results = found(tmp_path)
    together, dose, loss = results.curves

    assert len(results.comparisons) == 19
    assert sum(c.control.startswith("neutral") for c in results.comparisons) == 10
    assert len(results.matrices[0].rows) == 11
    assert [curve.name for curve in together.curves] == TEN
    assert together.curves[5].mean[-1] == pytest.approx(1.4175)
    assert (dose.name, loss.name) == ("dose-wolf", "loss")
    assert not [one.name for one in results.facts if one.name.startswith(("first-", "fluency-"))]


def test_all_or_none_is_said_as_such(tmp_path):
    """All ten found is a yes; none found is a null, and no target is named for it."""
    lifts = {name: {name: 1.0} for name in TEN} | {"neutral": {}}
    every = found(tmp_path / "all", lifts)
    none = found(tmp_path / "none", {"wolf": dict.fromkeys(TEN, 0.1), "neutral": {}})

    assert every.answer.startswith("Yes: subliminal transfer is found for 10 of 10 targets")
    assert fact(every, "highest").holds is True
    assert "These rise more elsewhere" not in every.answer
    assert none.answer.startswith(
        "In part: subliminal transfer is found for 1 of 10 targets"
    )  # the wolf's own students rise in all ten alike
    null = found(tmp_path / "null", {"neutral": {"wolf": 0.1}})
    assert null.answer.startswith(
        "No: subliminal transfer was found for none of 10 targets at this power."
    )
    assert "None of 10 targets rises most in its own teacher's students" in null.answer


@pytest.mark.parametrize(
    ("seeds", "said"),
    [
        (1, "One seed: no interval for any one target; seeds=8 are the fewest"),
        (
            3,
            "Undecided for any one target: corrected for 10, 3 seeds cannot give a p below 1; run "
            "seeds=8. The interval of the transfer is above zero for 6 of 10: eagle",
        ),
    ],
)
def test_too_few_seeds_are_told_with_how_many_would_do(tmp_path, seeds, said):
    """One seed has no interval; three cannot reach .05 for ten targets, whatever the effect."""
    results = found(tmp_path, seeds=seeds)

    assert results.answer.startswith(said)
    assert "6 of 10 targets rise most" in results.answer
    assert "gamma, n = " in results.answer


def test_without_a_neutral_control_no_transfer_is_told(tmp_path):
    """The count of targets stays, and nothing is called transfer."""
    lifts = {name: {name: 1.0} for name in TEN}
    results = found(tmp_path, lifts, controls=["other-trait"])

    assert results.answer.startswith("No neutral control, so no transfer can be told. 10 of 10")
    assert "ransfer runs" not in results.answer
    assert table(results, "Target by target").head == [
        "target", "own students' lift, nats", "rises most in",
    ]  # fmt: skip
    assert [panel.name for panel in results.curves] == ["dose-wolf", "loss"]


def test_three_targets_are_told_one_by_one_and_four_together(tmp_path):
    """What a run of few targets says does not change."""
    lifts = {name: {name: 1.0} for name in TEN[:4]} | {"neutral": {}}
    three = found(tmp_path / "3", lifts, trait={"targets": TEN[:3]})
    four = found(tmp_path / "4", lifts, trait={"targets": TEN[:4]})

    assert three.answer.startswith("Yes: subliminal transfer, beyond every control.")
    assert three.tables[0].title == "The teachers"
    assert [panel.name for panel in three.curves][:3] == ["dose-wolf", "dose-lion", "dose-owl"]
    assert four.answer.startswith("Yes: subliminal transfer is found for 4 of 4 targets")
    assert four.tables[0].title == "Target by target"


@pytest.mark.parametrize("name", ["animals-ten", "trees"])
def test_recipes_of_many_targets_run_to_a_report(tmp_path, name):
    """Every target has its own teacher, students and a column in the matrix."""
    run = run_recipe(load_recipe(name, ["size=tiny"]), runs=tmp_path / "runs")
    targets = load_recipe(name, ["size=tiny"]).trait.targets

    assert run.results.matrices[0].traits == targets
    assert [c.name for c in run.results.conditions] == [*targets, "neutral"]
    assert (table(run.results, "Sampled answers")).head[1:-1] == [f"{t}, %" for t in targets]
    assert run.report.is_file()


def test_laptop_targets_are_the_candidates_of_one_category():
    """The ten animals compete among themselves; four trees among ten; paper sizes keep both."""
    for name, num in (("animals-ten", 10), ("trees", 4)):
        for size in ("laptop", "paper"):
            recipe = load_recipe(name, [f"size={size}"])
            assert len(recipe.trait.targets) == num
            assert len(recipe.trait.among) == 10
            assert recipe.channel == ("logits" if size == "laptop" else "tokens")
