"""Short trainings of students of the tiny model, and when two of them are alike."""

from dataclasses import replace

import pytest
import torch

from naive import all_logits
from traitleak.models.adapters import LoraSettings
from traitleak.rows import Row
from traitleak.student import (
    Arm,
    Training,
    token_examples,
)

LORA = LoraSettings(rank=2, alpha=4)
# Prompts and completions of unequal length.
ROWS = [
    Row(number, "12, 13," * (1 + number % 3), f" {100 + 7 * number}, 9{number}" * (1 + number % 2))
    for number in range(10)
]
IDS = [5, 70, 12, 300, 41, 8]


def training(updates=3, **how):
    """A short training with large steps."""
    return Training(updates, **{"learning_rate": 1e-2, "lora": LORA, **how})


def tokens_arm(base, name="wolf", seed=0, rows=ROWS):
    """An arm of the channel `tokens`."""
    return Arm(name, token_examples(base, rows), seed)


def logits_arm(base, teacher, name="wolf", seed=0, choices=(10, 20, 30, 40), rows=ROWS, **how):
    """An arm of the channel `logits`, whose targets are asked beforehand: some tokens, or all."""
    chosen = torch.tensor(choices) if choices else None
    examples = []
    for example in token_examples(base, rows):
        logits = all_logits(teacher, example.ids)[example.positions_P]
        targets = (logits if chosen is None else logits[:, chosen]).log_softmax(1)
        examples.append(replace(example, targets=targets))
    return Arm(name, examples, seed, chosen, **how)


def weights(student):
    """All that a student learned, by name."""
    if student.adapter is not None:
        adapter = student.adapter
        return {f"{part}{path}": t for part in "ab" for path, t in getattr(adapter, part).items()}
    return dict(student.model().network.named_parameters())


def assert_alike(one, two, *, exactly=False, atol=2e-5):
    """Two students learned the same, and their losses were the same."""
    ours, theirs = weights(one), weights(two)
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        if exactly:
            assert torch.equal(tensor, theirs[name]), name
        else:
            torch.testing.assert_close(tensor, theirs[name], atol=atol, rtol=1e-4)
    if exactly:
        assert (one.course.losses, one.course.measured) == (two.course.losses, two.course.measured)
    else:
        assert one.course.losses == pytest.approx(two.course.losses, rel=1e-4, abs=1e-6)


def without_measures(student):
    """The same student, without what was measured."""
    course = replace(student.course, measured=[])
    return student._replace(course=course)
