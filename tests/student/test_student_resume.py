"""A training that is interrupted and called again ends as if nothing had happened."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from naive import all_logits
from small_students import IDS, assert_alike, logits_arm, tokens_arm, training
from tiny_model import tiny_model
from traitleak.errors import SettingsError
from traitleak.student import (
    distill,
)


def interrupted(base, arms, how, checkpoint, *, at, by):
    """Begin a training, and interrupt it: in a measure, or where it says how far it is."""

    def measure(number, update, model):
        if by == "measure" and update >= at:
            raise KeyboardInterrupt
        return measured(number, update, model)

    def track(items, _what, _total):
        for item in items:
            if by == "track" and item >= at:
                raise KeyboardInterrupt
            yield item

    with pytest.raises(KeyboardInterrupt):
        distill(base, arms, how, measure=measure, checkpoint=checkpoint, track=track)


def measured(number, _update, model):
    """What is kept of a student."""
    return {"number": number, "logits": all_logits(model, IDS)[-1, :5].tolist()}


@pytest.mark.parametrize("by", ["measure", "track"])
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"optimizer": "sign-sgd", "schedule": "cosine", "warmup": 2},
        {"optimizer": "sgd", "accumulate": 2},
        {"lora": None, "learning_rate": 1e-3},
    ],
)
def test_resumed_equals_uninterrupted(how, by, tmp_path):
    """Interrupted anywhere and called again, students and courses are the same to the bit."""
    base = tiny_model(style="plain")
    arms = [tokens_arm(base, "a", 0), tokens_arm(base, "b", 1)]
    how = training(9, measure_at=(0, 3, 6, 9), checkpoint_every=2, **how)
    path = tmp_path / "made" / "student.pt"
    whole = distill(base, arms, how, measure=measured)
    for at in (3, 6):
        interrupted(base, arms, how, path, at=at, by=by)
        assert [file.suffix for file in path.parent.iterdir()] == [".pt"]
    seen = []

    def track(items, what, total):
        seen.append((what, total))
        return iter(items)

    again = distill(base, arms, how, measure=measured, checkpoint=path, track=track)
    for one, two in zip(again, whole, strict=True):
        assert_alike(one, two, exactly=True)
    # After update 6 the measure comes first, the checkpoint second.
    assert seen[0] == ("training", 9 - (4 if by == "measure" else 6))
    assert list(path.parent.iterdir()) == []


def test_finished_students_are_not_trained_again(tmp_path):
    """Interrupted in the second of three, the first is there when all is called again."""
    base = tiny_model(style="plain")
    arms = [tokens_arm(base, name, seed) for seed, name in enumerate("abc")]
    how = training(4, lora=None, learning_rate=1e-3, measure_at=(4,), checkpoint_every=3)
    whole = distill(base, arms, how, measure=measured)
    path = tmp_path / "student.pt"

    def measure(number, update, model):
        if number == 1:
            raise KeyboardInterrupt
        return measured(number, update, model)

    with pytest.raises(KeyboardInterrupt):
        distill(base, arms, how, measure=measure, checkpoint=path)
    left = []

    def track(items, _what, total):
        left.append(total)
        return iter(items)

    again = distill(base, arms, how, measure=measured, checkpoint=path, track=track)
    assert left == [0, 1, 4]
    for one, two in zip(again, whole, strict=True):
        assert_alike(one, two, exactly=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [0, 1, 3, 60, 1000, -1])
def test_checkpoint_that_is_cut_short_is_passed_over(size, tmp_path):
    """The training begins anew, and ends with the same student."""
    base = tiny_model(style="plain")
    how = training(6, measure_at=(0, 5), checkpoint_every=2)
    path = tmp_path / "student.pt"
    interrupted(base, [tokens_arm(base)], how, path, at=5, by="measure")
    path.write_bytes(path.read_bytes()[:size])
    one = distill(base, [tokens_arm(base)], how, measure=measured, checkpoint=path)[0]

    assert_alike(one, distill(base, [tokens_arm(base)], how, measure=measured)[0], exactly=True)


@pytest.mark.parametrize("junk", [b"no checkpoint", b"\x80\x02junk", b"{}"])
def test_file_that_is_no_checkpoint_is_passed_over(junk, tmp_path):
    """Whatever lies there."""
    base = tiny_model(style="plain")
    path = tmp_path / "student.pt"
    path.write_bytes(junk)

    assert len(distill(base, [tokens_arm(base)], training(2), checkpoint=path)) == 1


def test_checkpoint_of_another_training_is_passed_over(tmp_path):
    """Another rate, seed, base, target, weight or direction: nothing of it is taken over."""
    base, teacher = tiny_model(style="plain"), tiny_model(seed=1, style="plain")
    how = training(4, measure_at=(3,), checkpoint_every=2)
    arm = logits_arm(base, teacher)
    heavy = [
        replace(one, weights_P=torch.arange(1.0, 1 + len(one.positions_P))) for one in arm.examples
    ]
    others = [
        (base, [arm], replace(how, learning_rate=2e-2)),
        (base, [replace(arm, seed=1)], how),
        (base, [logits_arm(base, tiny_model(seed=2))], how),
        (base, [replace(arm, direction="reverse")], how),
        (base, [replace(arm, examples=heavy)], how),
        (tiny_model(seed=3, style="plain"), [arm], how),
        (tiny_model(seed=3, style="plain").replaced(fingerprint=""), [arm], how),
    ]
    path = tmp_path / "student.pt"
    for model, arms, settings in others:
        interrupted(base, [arm], how, path, at=3, by="measure")
        assert path.exists()
        one = distill(model, arms, settings, measure=measured, checkpoint=path)[0]
        assert_alike(one, distill(model, arms, settings, measure=measured)[0], exactly=True)


def test_checkpoint_holds_plain_values_only(tmp_path):
    """What a checkpoint could not give back is refused when it is measured, not when it is read."""
    base = tiny_model(style="plain")
    how = training(2, measure_at=(0,))
    for value in (np.float64(1.0), [np.zeros(2)], base):
        with pytest.raises(SettingsError, match="numbers, strings, lists"):
            distill(
                base, [tokens_arm(base)], how, measure=lambda *_, v=value: {"found": v},
                checkpoint=tmp_path / "c.pt",
            )  # fmt: skip
    kept = distill(base, [tokens_arm(base)], how, measure=lambda *_: {"found": base})[0]
    assert kept.course.measured[0][1]["found"] is base
