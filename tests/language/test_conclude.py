"""What is concluded from a language run: planted effects are found, nulls are said as nulls."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from language_run import (
    NULL,
    PLANTED,
    WOLF,
    concluded,
    difference,
    fact,
    recipe,
    row,
    write_run,
)

from traitleak.errors import DataError, SettingsError
from traitleak.language.conclude import conclude
from traitleak.language.contrasts import Contrast, TargetFindings, compare
from traitleak.language.words import _lead
from traitleak.power import detectable
from traitleak.report import write_report
from traitleak.results import Results
from traitleak.statistics import mean_estimate


def test_planted_effect_is_found_beside_every_control(tmp_path):
    """Lifts, transfer, p and gamma are the planted ones, and the answer says yes with its figures."""
    found = concluded(tmp_path)
    lifts = {condition.name: condition.estimate for condition in found.conditions}
    transfer = difference(found, "wolf", "neutral")

    assert lifts["wolf"].replicates == pytest.approx(WOLF)
    assert [c.role for c in found.conditions] == ["effect", "control", "control", "control"]
    assert transfer.difference.value == pytest.approx(2.1)
    assert transfer.p == 1 / 32
    half = 2.7764 * np.std(WOLF, ddof=1) / 5**0.5
    assert transfer.difference.low == pytest.approx(2.1 - half, abs=1e-4)
    lions = difference(found, "lion (lion margin)", "wolf (lion margin)")
    assert lions.difference.value == pytest.approx(1.1 + 0.5)
    assert found.answer.startswith("Yes: subliminal transfer, beyond every control. ")
    assert "moves by +2.20 nats in wolf students and by +0.10 in neutral students" in found.answer
    assert (
        "a transfer of +2.10 [+1.90, +2.30] (n = 5 seeds, 95 % interval, p = 0.031)" in found.answer
    )
    assert "for the lion it is +1.10" in found.answer
    (matrix,) = found.matrices
    # Two taught traits: gamma is half the double difference, exact p at its floor.
    assert matrix.specificity.estimate.value == pytest.approx((2.2 + 0.5 + 1.1 + 0.4) / 2)
    assert matrix.specificity.p == matrix.specificity.smallest_p == 1 / 32
    assert [row.trait for row in matrix.rows] == ["wolf", "lion", None, None]
    assert fact(found, "gamma").holds
    assert fact(found, "first-wolf").value == "in 5 of 5 seeds"


def test_null_is_said_as_a_null_with_what_it_could_have_found(tmp_path):
    """Where the interval holds zero the answer is no, with the effect of 80 % power."""
    found = concluded(tmp_path, NULL, trait={"targets": ["wolf"]}, controls=["neutral"])
    transfer = difference(found, "wolf", "neutral").difference
    least = detectable(float(np.std(transfer.replicates, ddof=1)), 5)

    assert transfer.low < 0 < transfer.high
    assert found.answer.startswith("No: transfer was not found at this power. ")
    assert (
        f"A true transfer of {least:.3f} nats would have been found with 80 % power" in found.answer
    )
    assert "subliminal" not in found.answer
    assert "Yes" not in found.answer
    assert found.matrices == []


def test_null_of_few_seeds_names_the_smallest_p(tmp_path):
    """Three seeds cannot give a p below .125: the null says so."""
    found = concluded(tmp_path, NULL, seeds=3, trait={"targets": ["wolf"]}, controls=["neutral"])

    assert "3 seeds cannot give a p below 0.125; run seeds=5." in found.answer


def test_students_that_never_differ_are_a_null_without_power(tmp_path):
    """Without any spread no detectable effect can be computed, and none is printed."""
    found = concluded(tmp_path, {}, trait={"targets": ["wolf"]}, controls=["neutral"])

    assert found.answer.startswith("No: ")
    assert "80 % power" not in found.answer
    assert difference(found, "wolf", "neutral").p == 1.0


def test_one_seed_has_no_interval_and_no_verdict(tmp_path):
    """With one replicate there is neither yes nor no, and no statistical statement holds or fails."""
    found = concluded(tmp_path, seeds=1, answers=1, run={"named": {"wolf": {"wolf": [12]}}})

    assert found.answer.startswith("One seed: no interval, so neither yes nor no. ")
    assert "Run seeds=5" in found.answer
    assert "Yes" not in found.answer
    assert "subliminal" not in found.answer
    estimates = [c.estimate for c in found.conditions] + [c.difference for c in found.comparisons]
    assert {(e.n, e.low, e.high) for e in estimates} == {(1, None, None)}
    for name in ("gamma", "answers-wolf"):
        assert fact(found, name).holds is None
        assert "one seed: no interval" in fact(found, name).value
    for panel in found.curves:
        assert all(low is None for curve in panel.curves for low in curve.low)
    assert any("One seed" in caveat for caveat in found.caveats)


def test_effect_of_three_seeds_says_that_p_is_at_its_floor(tmp_path):
    """The interval may exclude zero where p cannot reach .05; the reader is told why."""
    found = concluded(tmp_path, seeds=3)

    assert found.answer.startswith("Yes: ")
    assert "p = 0.125, the smallest that 3 seeds can give" in found.answer


def test_control_that_rises_as_much_takes_the_yes_back(tmp_path):
    """Shuffled rows that do the same are named, with the difference's interval."""
    lifts = {**PLANTED, "shuffled-wolf": {"wolf": [2.1, 2.1, 2.3, 2.2, 2.2]}}
    found = concluded(tmp_path, lifts)

    assert found.answer.startswith(
        "In part: subliminal transfer, but not clearly more than in students of shuffled wolf rows ("
    )


def test_other_candidates_that_rise_more_take_the_yes_back(tmp_path):
    """Without another trait's students, a shift that favors others more is not the trait's."""
    lifts = {"wolf": {"wolf": WOLF, "fox": [2.5, 2.6, 2.5, 2.0, 2.0]}}
    alone = {"controls": ["neutral"], "trait": {"targets": ["wolf"]}}
    found = concluded(tmp_path, lifts, **alone)

    assert found.answer.startswith(
        "In part: subliminal transfer, but the wolf is what rises most in 2 of 5 seeds only, "
    )


def test_lifts_that_fall_against_the_control_are_no_transfer(tmp_path):
    """A negative interval is a no, too, and is told from a null."""
    lifts = {"wolf": {"wolf": [-1.0, -1.1, -0.9, -1.0, -1.2]}}
    found = concluded(tmp_path, lifts, controls=["neutral"])

    assert found.answer.startswith("No: transfer was not found, but its reverse. ")
    assert "for the lion it is 0.000 [0.000, 0.000], p = 1.000, not found" in found.answer


def test_interval_above_zero_without_p_is_undecided(tmp_path):
    """One seed against four: the t interval excludes zero, the sign flips do not reach .05."""
    lifts = {"wolf": {"wolf": [1.0, 1.0, 1.0, 1.0, -0.01]}}
    found = concluded(tmp_path, lifts, controls=["neutral"], trait={"targets": ["wolf"]})

    assert difference(found, "wolf", "neutral").p == 2 / 32
    assert found.answer.startswith("Undecided: ")


def test_without_the_neutral_control_nothing_is_called_transfer(tmp_path):
    """A lift beside other controls is printed as that, and no difference is claimed as transfer."""
    found = concluded(tmp_path, controls=["other-trait", "shuffled"])
    alone = concluded(tmp_path / "alone", controls=[], trait={"targets": ["wolf"]}, seeds=1)

    assert found.answer.startswith("No neutral control, so no transfer can be told. ")
    assert "+2.60 [" in found.answer
    assert "more than in lion students" in found.answer
    assert "subliminal" not in found.answer
    assert alone.comparisons == []
    assert "+2.00 (one seed: no interval) nats in wolf students (n = 1 seed)" in alone.answer


@given(
    differences=st.lists(st.floats(-3, 3, allow_subnormal=False), min_size=2, max_size=7),
    subliminal=st.booleans(),
)
@settings(deadline=None)
def test_verdict_follows_the_interval_whatever_the_differences(differences, subliminal):
    """Yes needs an interval above zero and a p at .05 or its floor; no an interval that reaches zero."""
    comparison = compare("wolf", "neutral", differences, [0.0] * len(differences))
    nothing = mean_estimate([0.0] * len(differences))
    first = TargetFindings(
        "wolf",
        mean_estimate(differences),
        Contrast("neutral", nothing, comparison),
        [],
        [],
        times_first=len(differences),
    )
    said = _lead(recipe(controls=["neutral"]), [first], subliminal=subliminal)
    low = comparison.difference.low

    reached = comparison.p <= max(0.05, 0.5 ** len(differences))
    assert said.startswith("Yes: ") == (low > 0 and reached)
    assert said.startswith("No: ") == (low <= 0)
    assert ("subliminal" in said) == (subliminal and low > 0 and reached)


def test_other_base_and_context_are_compared_with_their_own_neutral(tmp_path):
    """Their lifts are over their own start, and the transfer is compared with theirs."""
    lifts = {
        **PLANTED,
        "other-base-wolf": {"wolf": [0.3, 0.2, 0.4, 0.3, 0.3]},
        "other-base-neutral": {"wolf": 0.2},
        "in-context-wolf": {"wolf": 0.05},
    }
    found = concluded(
        tmp_path,
        lifts,
        channel="tokens",
        answers=1,
        controls=["neutral", "other-trait", "shuffled", "other-base", "in-context"],
        other_base="gemma3-270m",
    )
    by_name = {condition.name: condition.estimate.value for condition in found.conditions}

    assert by_name["other-base-wolf"] == pytest.approx(0.3)
    assert by_name["in-context-wolf"] == pytest.approx(0.05)
    other = difference(found, "other-base-wolf", "other-base-neutral")
    assert other.difference.value == pytest.approx(0.1)
    more = difference(found, "transfer", "transfer to the other base")
    assert more.difference.value == pytest.approx(2.1 - 0.1)
    assert "Transfer to the other base: +0.1" in found.answer
    assert "What the rows do in the prompt: +0.05" in found.answer
    assert difference(
        found, "transfer", "what the rows do in the prompt"
    ).difference.value == pytest.approx(2.05)
    assert [row.name for row in found.matrices[0].rows] == list(PLANTED)
    drawn = {curve.name for curve in found.curves[0].curves}
    assert "other-base-wolf" in drawn
    assert "in-context-wolf" not in drawn
    assert row(found, "Sampled answers", "other base")
    assert row(found, "Signs of collapse", "wolf students of the other base")[2] == "1.00"


def test_transfer_to_another_base_takes_the_yes_back(tmp_path):
    """Rows that move every base as much are no hidden channel between like models."""
    lifts = {**PLANTED, "other-base-wolf": {"wolf": [2.0, 2.1, 2.3, 2.0, 2.2]}}
    controls = ["neutral", "other-trait", "shuffled", "other-base"]
    found = concluded(tmp_path, lifts, controls=controls, other_base="gemma3-270m")
    only = concluded(tmp_path / "only", lifts, controls=controls[3:], other_base="gemma3-270m")

    assert found.answer.startswith(
        "In part: subliminal transfer, but not clearly more than in students of another base ("
    )
    # Without the neutral control there is no transfer that the other base's could be compared with.
    assert [(c.effect, c.control) for c in only.comparisons[1:2]] == [
        ("other-base-wolf", "other-base-neutral")
    ]


OF_ANSWERS = {
    "channel": "tokens",
    "neutral": "base",
    "controls": ["neutral", "good", "asked-for"],
    "answers": 1,
}
CODE = {"kind": "code", "decoding": "free"}
THOUGHTS = {"kind": "reasoning", "decoding": "free"}
SETTINGS = [
    {"teacher": {"by": by}, "neutral": neutral}
    for by in ("finetune", "prompt", "prompt+finetune", "steering")
    for neutral in ("even", "base")
]
SETTINGS += [
    {"logits": {"inputs": "teacher", "direction": "reverse"}},
    {"logits": {"vocabulary": "top-k"}},
    {"logits": {"vocabulary": "full"}},
    {"student": {"rank": None, "epochs": 1, "warmup": 3, "schedule": "linear"}},
    {"teacher": {"rank": None, "min_lift": None}},
    {"channel": "tokens", "carrier": {"temperature": 0, "shared_draws": False}},
    {"channel": "tokens", "carrier": {"decoding": "free"}, "style": "chat"},
    {"channel": "tokens", "controls": ["in-context"]},
    {"base": "tiny", "controls": ["other-base"], "other_base": "tiny/1"},
    {"trait": {"targets": ["wolf", "lion", "owl"]}},
    {"trait": {"kind": "misalignment"}, **OF_ANSWERS},
    {"trait": {"kind": "refusal"}, **OF_ANSWERS, "templates": "numbered", "channel": "logits"},
    {"trait": {"kind": "reward-hacking"}, **OF_ANSWERS, "carrier": THOUGHTS, "style": "chat"},
    {"channel": "tokens", "carrier": CODE, "style": "chat", "controls": ["neutral"], "answers": 1},
]


@pytest.mark.parametrize("changes", SETTINGS, ids=str)
def test_every_setting_has_its_words(tmp_path, changes):
    """No sentence has a gap, a Python word or a double blank; the report renders."""
    found = concluded(tmp_path, seeds=2, **changes)
    sentences = [
        *(found.question, found.answer, *found.how, *found.caveats),
        *(c.description for c in found.conditions),
        *(t.caption for t in found.tables),
        *(p.caption for p in (*found.curves, *found.matrices, *found.bars)),
    ]

    for sentence in sentences:
        assert not re.search(r"None|nan|\{|\}|  |\.\.|array", sentence), sentence
        assert sentence.rstrip()[-1] in ".?", sentence
    assert write_report(tmp_path, found, recipe_yaml="x: 1", environment={}, stages=[]).is_file()


def test_base_with_random_weights_is_called_a_trial(tmp_path):
    """The first thing that would make a tiny run wrong is its base."""
    assert "random weights" in concluded(tmp_path, base="tiny").caveats[0]


def test_results_survive_json_and_are_the_same_each_time(tmp_path):
    """What is concluded depends on the folders alone, and reads back as it was."""
    wanted = recipe(answers=5)
    folders = write_run(tmp_path / "run", wanted, PLANTED)
    one, two = conclude(wanted, folders), conclude(wanted, folders)

    assert one.model_dump_json() == two.model_dump_json()
    assert Results.model_validate_json(one.model_dump_json()) == one
    assert str(tmp_path) not in one.model_dump_json()


@pytest.mark.parametrize("file", ["margins.json", "course.json"])
@pytest.mark.parametrize("content", ["", '{"candidates": ["wol', "[]"])
def test_damaged_file_is_named(tmp_path, file, content):
    """An empty, a truncated and another file: one sentence with its path and what to do."""
    wanted = recipe()
    folders = write_run(tmp_path / "run", wanted, PLANTED)
    path = folders["student-lion-3"] / file
    path.write_text(content)

    with pytest.raises(DataError, match=re.escape(str(path)) + ".*run the recipe again"):
        conclude(wanted, folders)


def test_missing_file_is_named(tmp_path):
    """A stage without its measure is an error that names the file."""
    wanted = recipe()
    folders = write_run(tmp_path / "run", wanted, PLANTED)
    (folders["student-wolf-0"] / "margins.json").unlink()

    with pytest.raises(DataError, match=r"student-wolf-0.margins\.json cannot be read"):
        conclude(wanted, folders)


def test_margins_of_other_questions_are_refused(tmp_path):
    """A student that was asked other questions than its base cannot be compared with it."""
    wanted = recipe()
    folders = write_run(tmp_path / "run", wanted, PLANTED)
    path = folders["student-wolf-0"] / "margins.json"
    path.write_text(path.read_text().replace('"asked": "asked"', '"asked": "other"'))

    with pytest.raises(SettingsError, match="cannot be compared"):
        conclude(wanted, folders)
