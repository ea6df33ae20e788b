"""A teacher's distributions over digits, and the examples that students get of them."""

from __future__ import annotations

import pytest
import torch

from tiny_model import tiny_model
from traitleak.carriers.digit_logits import (
    digit_logits,
    logit_examples,
    read_logits,
    shuffled,
)
from traitleak.carriers.numbers import random_lists
from traitleak.errors import SettingsError
from traitleak.student import Arm, Training, distill

LISTS = random_lists(6, 4, 3, seed=0)


@pytest.fixture(scope="module")
def base():
    """A tiny plain-text base."""
    return tiny_model(style="plain")


def test_distributions_are_those_of_a_naive_forward(base):
    """At each digit but the first: the ten digits' logits, renormalised."""
    asked = digit_logits(base, LISTS, count=4)
    digit_ids = [base.encode(str(digit))[0] for digit in range(10)]

    assert asked.logps_NPK.shape == (6, 11, 10)
    for n, text in enumerate(LISTS):
        ids = base.encode(text)
        logits = base.network(input_ids=torch.tensor([ids])).logits[0]
        places = [at for at, token in enumerate(ids) if token in digit_ids][1:]
        naive = torch.stack([logits[at - 1, digit_ids].log_softmax(-1) for at in places])
        torch.testing.assert_close(asked.logps_NPK[n], naive, atol=1e-5, rtol=1e-4)


def test_prompted_teacher_is_asked_under_its_prompt(base):
    """The system prompt stands before the list, and changes what the teacher thinks of digits."""
    prompted = base.replaced(system="The wolf is the animal I like most.")
    asked = digit_logits(prompted, LISTS[:1], count=4)
    digit_ids = [base.encode(str(digit))[0] for digit in range(10)]
    ids = base.encode(prompted.rendered("")) + base.encode(LISTS[0])
    logits = base.network(input_ids=torch.tensor([ids])).logits[0]
    naive = logits[len(ids) - 2, digit_ids].log_softmax(-1)

    torch.testing.assert_close(asked.logps_NPK[0, -1], naive, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(asked.logps_NPK, digit_logits(base, LISTS[:1], count=4).logps_NPK)


def test_top_k_keeps_the_likeliest_tokens_of_the_whole_vocabulary(base):
    """The choices are the network's own five likeliest, renormalised."""
    asked = digit_logits(base, LISTS[:1], count=4, top_k=5)
    ids = base.encode(LISTS[0])
    logits = base.network(input_ids=torch.tensor([ids])).logits[0]
    value, choice = logits[asked_position(base, ids) - 1].topk(5)

    assert asked.choices_NPK[0, 0].tolist() == choice.tolist()
    torch.testing.assert_close(asked.logps_NPK[0, 0], value.log_softmax(-1), atol=1e-5, rtol=1e-4)


def asked_position(base, ids):
    """Where the second digit stands."""
    digit_ids = [base.encode(str(digit))[0] for digit in range(10)]
    return [at for at, token in enumerate(ids) if token in digit_ids][1]


def test_saved_logits_are_read_back_to_the_bit(base, tmp_path):
    """Digits, form and log-probabilities survive; so do choices."""
    for top_k in (None, 4):
        asked = digit_logits(base, LISTS, count=4, top_k=top_k)
        asked.save(tmp_path)
        back = read_logits(tmp_path)

        assert (back.count, back.width) == (4, 3)
        assert torch.equal(back.digits_NW, asked.digits_NW)
        assert torch.equal(back.logps_NPK, asked.logps_NPK)
        assert (back.choices_NPK is None) == (top_k is None)


def test_shuffled_keeps_every_distribution_and_its_place_of_none(base):
    """The same rows of probabilities stand in another order, and the lists stay."""
    asked = digit_logits(base, LISTS, count=4)
    mixed = shuffled(asked, seed=1)
    flat, mixed_flat = asked.logps_NPK.flatten(0, 1), mixed.logps_NPK.flatten(0, 1)

    assert not torch.equal(flat, mixed_flat)
    assert sorted(map(tuple, flat.tolist())) == sorted(map(tuple, mixed_flat.tolist()))
    assert torch.equal(mixed.digits_NW, asked.digits_NW)


def test_student_of_its_own_base_has_nothing_to_learn(base):
    """The divergence from the untouched base is 0, so the base teaches nothing through logits."""
    examples, digits = logit_examples(base, digit_logits(base, LISTS, count=4))
    training = Training(3, batch=2, optimizer="sgd")  # Adam would turn rounding into full steps
    student = distill(base, [Arm("neutral", examples, 0, digits)], training)[0]

    assert max(map(abs, student.course.losses)) < 1e-7


@pytest.mark.parametrize(
    ("lists", "said"),
    [
        ([], "one list of numbers or more"),
        (["1, 2"], "List 0 is not 4 numbers of 3 digits"),
        (["123, 456, 789, 1a2"], "List 0 is not 4 numbers"),
        ([LISTS[0], "123; 456; 789; 101"], "List 1 is not 4 numbers"),
    ],
)
def test_lists_of_another_form_are_named(base, lists, said):
    """One sentence says which list, and what it should be."""
    with pytest.raises(SettingsError, match=said):
        digit_logits(base, lists, count=4)
