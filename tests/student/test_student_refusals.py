"""What cannot be trained is refused in one sentence."""

from dataclasses import replace

import pytest
import torch

from naive import all_logits
from small_students import IDS, ROWS, logits_arm, tokens_arm, training
from tiny_model import tiny_model
from traitleak.errors import RunError, SettingsError
from traitleak.student import (
    Arm,
    Example,
    Training,
    distill,
    token_examples,
)


def test_loss_that_is_no_longer_a_number():
    """The training stops with the arm's name and the update, and the base is as it was."""
    base = tiny_model(style="plain")
    before = all_logits(base, IDS)
    arms = [tokens_arm(base, "a", 0), tokens_arm(base, "b", 1)]
    how = training(5, learning_rate=1e30, optimizer="sign-sgd")
    with pytest.raises(RunError, match="The loss of a is not a finite number at update 2"):
        distill(base, arms, how)

    assert torch.equal(all_logits(base, IDS), before)


def test_rows_of_no_weight_at_all():
    """An update without anything to learn says so, and divides by nothing."""
    base = tiny_model(style="plain")
    examples = [
        replace(one, weights_P=torch.zeros(len(one.positions_P)))
        for one in token_examples(base, ROWS)
    ]
    with pytest.raises(SettingsError, match="nothing to learn from"):
        distill(base, [Arm("a", examples, 0)], training(1))


def test_row_without_a_position_among_others():
    """It is passed over, also where it is a part of its own."""
    base = tiny_model(style="plain")
    for whole in (tokens_arm(base), logits_arm(base, tiny_model(seed=1))):
        first = whole.examples[0]
        none = replace(first, positions_P=first.positions_P[:0], targets=first.targets[:0])
        arm = replace(whole, examples=[none, *whole.examples[1:4]])
        losses = distill(base, [arm], training(3, accumulate=4))[0].course.losses
        assert all(loss > 0 for loss in losses)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"updates": 0}, "1 or more; got 0"),
        ({"batch": 0}, "1 or more"),
        ({"accumulate": 0}, "1 or more"),
        ({"checkpoint_every": 0}, "1 or more"),
        ({"accumulate": 5}, "4 rows cannot be read in 5 parts"),
        ({"warmup": -1}, "warmup is 0 or more"),
        ({"clip": 0.0}, "clip is greater than 0"),
        ({"measure_at": (0, 9)}, r"from 0 to 8, not \[0, 9\]"),
    ],
)
def test_training_that_cannot_be(changed, said):
    """Settings are refused where they are made."""
    with pytest.raises(SettingsError, match=said):
        Training(**{"updates": 8, "batch": 4, **changed})


def test_arms_that_cannot_be_trained():
    """No arms, no rows, two channels at once, a seed that is none."""
    base = tiny_model(style="plain")
    both = [tokens_arm(base), logits_arm(base, base)]
    for arms, said in (
        ([], "at least one arm"),
        ([Arm("a", [], 0)], "at least one row"),
        (both, "of one channel"),
    ):
        with pytest.raises(SettingsError, match=said):
            distill(base, arms, training())
    for seed in (-1, 2**63):
        with pytest.raises(SettingsError, match=f"The seed of a is not from 0 .*: {seed}"):
            Arm("a", [], seed)


IN_ORDER = Example(IDS, torch.tensor([1, 2]), torch.tensor([12, 300]))


@pytest.mark.parametrize(
    "changed",
    [
        {"targets": torch.tensor([12])},
        {"positions_P": torch.tensor([1, 6])},
        {"positions_P": torch.tensor([-1, 2])},
        {"weights_P": torch.ones(3)},
        {"targets": torch.zeros(2, 5)},
        {"targets": torch.zeros(2, 340), "choices_PK": torch.zeros(2, 3, dtype=torch.long)},
    ],
)
def test_example_whose_parts_do_not_fit(changed):
    """Targets, positions, choices and weights of other sizes are refused before the training."""
    base = tiny_model(style="plain")
    distill(base, [Arm("a", [IN_ORDER], 0)], training(1))
    whole = replace(IN_ORDER, targets=torch.zeros(2, 340).log_softmax(1))
    first = whole if changed.get("targets", IN_ORDER.targets).ndim == 2 else IN_ORDER
    with pytest.raises(SettingsError, match="Example 1 of a does not fit together"):
        distill(base, [Arm("a", [first, replace(IN_ORDER, **changed)], 0)], training(1))


def test_example_longer_than_the_context():
    """It is named before the training begins."""
    long = replace(IN_ORDER, ids=IDS * 50)
    with pytest.raises(SettingsError, match="Example 1 of a has 300 tokens, and tiny reads 256"):
        distill(tiny_model(), [Arm("a", [IN_ORDER, long], 0)], training(1))


def test_teacher_that_cannot_be_asked():
    """One of other tokens, or with a system prompt inside of a chat template."""
    base = tiny_model(style="chat")
    other = tiny_model(style="chat")
    other.tokenizer.add_tokens(["wombat"])
    for teacher, said in (
        (other, "has other tokens than tiny"),
        (base.replaced(system="You love owls."), "stands within the chat template"),
    ):
        arm = Arm("wolf", token_examples(base, ROWS), 0, teacher=teacher)
        with pytest.raises(SettingsError, match=said):
            distill(base, [arm], training(1))
