"""The battery: what is read is what is measured elsewhere, and what cannot be asked is named."""

import copy

import numpy as np
import pytest

from tiny_model import tiny_model
from traitleak.audit.detectors.battery import Battery, make_battery
from traitleak.audit.detectors.panel import preferences
from traitleak.audit.detectors.placebos import THINGS
from traitleak.errors import SettingsError
from traitleak.measure import margins
from traitleak.measure_choice import choice_margins
from traitleak.traits.preference import ANIMALS, Preference

WORDS = ("the", "and", "of", "my", "which")


@pytest.fixture(name="base", scope="module")
def fixture_base():
    """A tiny plain model."""
    return tiny_model(style="plain")


@pytest.fixture(name="battery", scope="module")
def fixture_battery(base):
    """Ten animals, five placebos and four choices of two items."""
    placebo = preferences(base, WORDS, category="word")
    return make_battery(base, preferences(base, ANIMALS), placebos=[placebo], items=2)


def test_readings_are_the_margins_that_are_measured_elsewhere(base, battery):
    """Trait by trait, in the order of the names, and the panel first."""
    read = battery.read(base)
    measured = margins(base, Preference("wolf")).margin_TK.mean(0)

    np.testing.assert_allclose(read[:10], measured, atol=1e-5)
    np.testing.assert_allclose(battery.read_panel(base), read[:10])
    for value, choice in zip(read[15:], battery.choices, strict=True):
        assert value == pytest.approx(choice_margins(base, choice).value)
    assert battery.traits[:11] == (*ANIMALS, "the")
    assert battery.traits[15:] == ("misalignment", "refusal", "reward-hacking", "sycophancy")
    assert battery.kinds == (*["animal"] * 10, *["word"] * 5, *["choice"] * 4)
    assert battery.numbers == (*[0] * 10, *[1] * 5, 2, 3, 4, 5)


@pytest.mark.parametrize("style", ["plain", "chat"])
def test_placebos_are_of_other_categories_and_as_many_as_there_are_words(style):
    """A tokenizer that knows few words leaves categories out, and the battery says which."""
    base = tiny_model(style=style)
    battery = make_battery(base, preferences(base, ANIMALS), choices=())

    assert battery.panel.traits == ANIMALS
    assert set(battery.left_out) == set(THINGS) - {"animal"}
    assert "fewer than three" in battery.left_out["tree"]


def test_questions_beyond_the_context_are_left_out(base):
    """A choice whose every question is too long is named as left out."""
    short = copy.deepcopy(base)
    short.network.config.max_position_embeddings = 8
    battery = make_battery(short, preferences(base, ANIMALS), placebos=[], items=3)

    assert not battery.choices
    assert battery.left_out["refusal"] == "its questions are longer than the base's context"


def test_items_are_spread_over_all_and_no_more_than_there_are(base):
    """One is the first; a thousand are all."""
    panel = preferences(base, ANIMALS)
    one = make_battery(base, panel, placebos=[], choices=("refusal",), items=1).choices[0]
    two = make_battery(base, panel, placebos=[], choices=("refusal",), items=2).choices[0]
    many = make_battery(base, panel, placebos=[], choices=("refusal",), items=1000).choices[0]

    assert (len(one.items), len(two.items)) == (1, 2)
    assert two.items == (many.items[0], many.items[-1])
    assert len(many.items) > 30


def test_a_panel_alone_is_a_battery(base):
    """Nothing beside the suspected traits has to be asked."""
    alone = Battery((preferences(base, ANIMALS),))
    assert alone.traits == ANIMALS
    assert alone.read(base).shape == (10,)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [({"items": 0}, "one item or more"), ({"choices": ("kindness",)}, "no bundled trait")],
)
def test_wrong_settings_are_refused(base, wrong, says):
    """No items, and names that are no trait's."""
    with pytest.raises(SettingsError, match=says):
        make_battery(base, preferences(base, ANIMALS), **wrong)
