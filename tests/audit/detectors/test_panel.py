"""Traits that are a choice between two answers, as an audit reads them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tiny_model import tiny_model
from traitleak.audit.detectors.gradient import trait_gradients
from traitleak.audit.detectors.likelihood import quick_teachers, teachers_of
from traitleak.audit.detectors.panel import choice_group, margin_parts, preferences
from traitleak.errors import SettingsError
from traitleak.measure_choice import choice_margins
from traitleak.models.scoring import score
from traitleak.rows import Row
from traitleak.traits.custom import bundled
from traitleak.traits.forced_choice import ForcedChoice, Item, Lesson

TRAIT = ForcedChoice(
    name="gruff",
    taught=[Lesson("How are you?", "Leave me alone.", "Well, and you?")],
    items=[
        Item("May I sit here?", "No, go away.", "Yes, please do."),
        Item(
            "Is it going to rain?", "Look out of the window yourself.", "It may, later in the day."
        ),
        Item("What is your name?", "None of your business.", "My name is Ann, hello."),
    ],
)


@pytest.fixture(name="base", scope="module")
def fixture_base():
    """A tiny plain model."""
    return tiny_model(style="plain")


@pytest.mark.parametrize("style", ["plain", "chat"])
def test_a_choices_margin_is_what_is_measured(style):
    """All items in one batch, or one by one: the margin of `choice_margins`."""
    model = tiny_model(style=style)
    misaligned = bundled("misalignment")
    for trait in (TRAIT, replace(misaligned, items=misaligned.items[:20])):
        group = choice_group(model, trait)
        with torch.no_grad():
            parts = list(margin_parts(model, group))

        assert len(group.answers) == len(trait.items)
        assert (len(parts) > 1) == (len(trait.items) > 3)
        margin = choice_margins(model, trait).value
        assert float(sum(parts)) == pytest.approx(margin, abs=1e-5)


def test_a_choices_gradient_says_how_its_margin_moves(base):
    """A small step along the gradient moves the measured margin by its inner product."""
    gradients = trait_gradients(base, [choice_group(base, TRAIT)])
    named = dict(base.network.named_parameters())
    assert gradients.traits == ("gruff",)  # the absence's is its negative

    step, squared = 1e-3, sum(float((part**2).sum()) for part in gradients.values)
    margins = []
    for sign in (1, -1):
        moves = list(zip(gradients.weights, gradients.values, strict=True))
        with torch.no_grad():
            for name, part in moves:
                named[name] += sign * step * part[0].reshape(named[name].shape)
            margins.append(choice_margins(base, TRAIT).value)
            for name, part in moves:
                named[name] -= sign * step * part[0].reshape(named[name].shape)

    assert squared > 0
    assert (margins[0] - margins[1]) / (2 * step) == pytest.approx(squared, rel=0.02)


def test_gradients_of_choices_stand_between_those_of_preferences(base):
    """Beside other groups each trait's gradient is what it is alone."""
    animals = preferences(base, ("wolf", "lion"))
    words = preferences(base, ("owl", "cat", "dog"))
    choice = choice_group(base, TRAIT)
    together = trait_gradients(base, [animals, choice, words])

    assert together.traits == ("wolf", "lion", "gruff", "owl", "cat", "dog")
    for group, rows in ((animals, [0, 1]), (choice, [2]), (words, [3, 4, 5])):
        alone = trait_gradients(base, [group])
        for whole, part in zip(together.values, alone.values, strict=True):
            torch.testing.assert_close(whole[rows], part)


def test_quick_teachers_learn_the_answers_and_their_absence(base, tmp_path):
    """One hypothesis finds the trait's answers likelier than the base does, the other the others."""
    group = choice_group(base, TRAIT)
    taught = quick_teachers(base, group, updates=24, cache=tmp_path)
    before = choice_margins(base, TRAIT).value

    assert list(taught) == ["gruff", "no gruff"]
    assert choice_margins(taught["gruff"](), TRAIT).value > before
    assert choice_margins(taught["no gruff"](), TRAIT).value < before
    shown = [Row(0, f"{item.question}\n", item.shows) for item in TRAIT.items]
    own, learned = (
        np.mean([float(logps.mean()) for logps in score(model, shown)])
        for model in (base, taught["gruff"]())
    )
    assert learned > own
    assert len(list(tmp_path.iterdir())) == 2  # kept, each in a folder of its own


def test_suspected_traits_come_first_and_their_absence_with_the_placebos(base, tmp_path):
    """The order that `shares` takes columns in."""
    animals, words = preferences(base, ("wolf", "lion")), preferences(base, ("owl", "cat"))
    found = teachers_of(
        base, [animals, choice_group(base, TRAIT), words], ["wolf", "lion", "gruff"], cache=tmp_path
    )

    assert list(found) == ["wolf", "lion", "gruff", "no gruff", "owl", "cat"]


def test_items_beyond_the_context_are_left_out(base):
    """A trait none of whose items fits is refused in one sentence."""
    long = Item("May I? " * 200, "No.", "Yes.")
    some = replace(TRAIT, items=[*TRAIT.items, long])

    assert len(choice_group(base, some).answers) == 3
    with pytest.raises(SettingsError, match="no question of the trait 'gruff' fits"):
        choice_group(base, replace(TRAIT, items=[long]))
