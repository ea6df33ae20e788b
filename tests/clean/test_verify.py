"""Verifying: students of each arm, on a tiny base, with answers known beforehand."""

import pytest
from clean_data import number_rows, plain_base, random_scores

from traitleak.clean.mask import mask
from traitleak.clean.token_scores import flagged
from traitleak.clean.trim import trim
from traitleak.clean.verify import Verified, compare, measure_seed, summarise, verify
from traitleak.errors import SettingsError
from traitleak.measure import margins
from traitleak.models.adapters import LoraSettings
from traitleak.models.scoring import score
from traitleak.student import Arm, Training, distill, token_examples
from traitleak.traits.preference import Preference

BASE = plain_base()
WOLF = Preference("wolf")
LESSONS = WOLF.lessons("plain")  # rows that carry the trait for certain
NEUTRAL = number_rows(BASE, "neutral")
HELD_OUT = number_rows(BASE, "neutral", seed=77)
HOW = Training(6, batch=4, learning_rate=1e-2, lora=LoraSettings(rank=2, alpha=4))
REST = {"neutral": NEUTRAL, "held_out": HELD_OUT}
FLAGS = flagged(random_scores(BASE, LESSONS), share=0.2, only="all")
ARMS = {
    "untouched": LESSONS,
    "same": list(LESSONS),
    "replaced": NEUTRAL,
    "masked": mask(BASE, LESSONS, FLAGS),
}


@pytest.fixture(scope="module")
def verified():
    """Three seeds of each arm."""
    return verify(BASE, WOLF, ARMS, HOW, [0, 1, 2], **REST)


def test_untouched_rows_have_all_left(verified):
    """100 % exactly, and so have rows that are equal to them; every seed and the interval say so."""
    for name in ("untouched", "same"):
        left = verified.arms[name].left
        assert (left.value, left.low, left.high) == (1, 1, 1)
        assert left.replicates == [1, 1, 1]
        assert verified.arms[name].cost.value == 0
    assert verified.arms["untouched"].transfer.value > 0.1
    assert verified.note == ""


def test_neutral_rows_have_nothing_left(verified):
    """0 % exactly where an arm's rows are the neutral rows."""
    for name in ("neutral", "replaced"):
        assert verified.arms[name].transfer.replicates == [0, 0, 0]
        left = verified.arms[name].left
        assert (left.value, left.low, left.high) == (0, 0, 0)


def test_numbers_are_those_of_students_trained_one_by_one(verified):
    """Lift and held-out loss are what `distill`, `margins` and `score` give for the arm and seed."""
    masked = ARMS["masked"]
    examples = token_examples(BASE, masked.rows, masked.weights)
    model = distill(BASE, [Arm("masked", examples, 1)], HOW)[0].model()
    arm = verified.arms["masked"]
    logps = score(model, HELD_OUT)
    loss = -sum(float(some.sum()) for some in logps) / sum(map(len, logps))

    assert verified.base_margin == margins(BASE, WOLF).value
    lift = (margins(model, WOLF) - margins(BASE, WOLF)).value
    assert arm.lift.replicates[1] == pytest.approx(lift, abs=1e-3)
    assert arm.held_out.replicates[1] == pytest.approx(loss, abs=1e-3)
    expected = arm.held_out.value - verified.arms["untouched"].held_out.value
    assert arm.cost.value == pytest.approx(expected)


def test_the_result_survives_json(verified):
    """What was verified can be kept and read again."""
    assert Verified.model_validate_json(verified.model_dump_json()) == verified


def test_arms_are_compared_by_seed(verified):
    """The difference of two arms' transfer, with an exact p over three seeds."""
    found = compare(verified, "untouched", "replaced")
    assert found.difference.replicates == verified.arms["untouched"].transfer.replicates
    assert found.p == pytest.approx(1 / 8)
    with pytest.raises(SettingsError, match="no arm 'random'"):
        compare(verified, "random", "same")


def test_one_seed_has_no_interval():
    """A share, and a note that there is no verdict."""
    found = verify(BASE, WOLF, {"untouched": LESSONS}, HOW, [4], **REST)
    assert found.arms["untouched"].left.low is None
    assert found.note == "One seed: no interval, and no verdict."


def test_rows_that_carry_nothing_have_no_shares():
    """Neutral rows in the place of the untouched ones: no share of nothing, and the note says so."""
    found = verify(BASE, WOLF, {"untouched": NEUTRAL, "lessons": LESSONS}, HOW, [0], **REST)
    assert found.arms["lessons"].left is None
    assert "carried nothing" in found.note


def test_epochs_keep_how_often_a_row_is_seen():
    """Half of the rows, half of the updates; with `updates` as many for all."""
    half = trim(LESSONS, random_scores(BASE, LESSONS), share=0.5, only="all")
    arms = {"untouched": LESSONS, "half": half}
    epochs = measure_seed(BASE, WOLF, arms, HOW, 0, keep="epochs", **REST)
    updates = measure_seed(BASE, WOLF, arms, HOW, 0, **REST)

    assert (epochs.updates["untouched"], epochs.updates["half"]) == (6, 3)
    assert set(updates.updates.values()) == {6}
    assert epochs.lift["untouched"] == pytest.approx(updates.lift["untouched"], abs=1e-3)
    assert epochs.lift["half"] != pytest.approx(updates.lift["half"], abs=1e-3)


def test_a_task_is_scored_for_every_arm():
    """The function is asked for the base and each different student; its answers are averaged."""
    asked = []

    def task(model):
        asked.append(model.name)
        return float(len(asked))

    arms = {"untouched": LESSONS, "same": LESSONS}
    found = verify(BASE, WOLF, arms, HOW, [0, 1], task=task, **REST)

    assert asked == ["tiny", "untouched", "neutral"] * 2
    assert found.base_task == 1
    assert found.arms["untouched"].task.replicates == [2, 5]
    assert found.arms["same"].task == found.arms["untouched"].task
    assert found.arms["neutral"].task.replicates == [3, 6]


def test_an_interrupted_verification_leaves_no_checkpoint_when_done(tmp_path):
    """With a folder for checkpoints the numbers are the same, and the folder is empty at the end."""
    arms = {"untouched": LESSONS}
    one = measure_seed(BASE, WOLF, arms, HOW, 0, **REST)
    two = measure_seed(BASE, WOLF, arms, HOW, 0, checkpoints=tmp_path, **REST)

    assert one == two
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"arms": {"cleaned": LESSONS}}, "need one named 'untouched'"),
        ({"arms": {"untouched": LESSONS, "neutral": NEUTRAL}}, "none named 'neutral' or 'base'"),
        ({"arms": {"untouched": []}}, "no rows"),
        ({"seeds": []}, "one seed or more"),
        ({"seeds": [1, 1]}, "each once"),
        ({"held_out": []}, "there are none"),
        ({"held_out": NEUTRAL[3:4]}, "Held-out row 3 stands in the arm 'neutral'"),
        ({"keep": "rows"}, "updates or epochs"),
        ({"neutral": []}, "no rows"),
    ],
)
def test_verifications_that_cannot_be(change, says):
    """Each wrong argument is named, before anything is trained."""
    how = {"arms": {"untouched": LESSONS}, "seeds": [0], **REST, **change}
    arms, seeds = how.pop("arms"), how.pop("seeds")
    with pytest.raises(SettingsError, match=says):
        verify(BASE, WOLF, arms, HOW, seeds, **how)


def test_seeds_of_other_designs_are_not_taken_together():
    """Other arms, or a seed twice, are refused."""
    one = measure_seed(BASE, WOLF, {"untouched": LESSONS}, HOW, 0, **REST)
    other = one.model_copy(update={"seed": 1, "rows": {**one.rows, "untouched": 3}})
    with pytest.raises(SettingsError, match="Seeds 0 and 1"):
        summarise([one, other])
    with pytest.raises(SettingsError, match="each once"):
        summarise([one, one])
