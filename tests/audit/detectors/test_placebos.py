"""Placebos: of other categories than the panel's, none of its words, and no more than are asked for."""

import pytest

from tiny_model import tiny_model
from traitleak.audit.detectors import placebos
from traitleak.audit.detectors.panel import Group


@pytest.fixture(name="sizes")
def fixture_sizes(monkeypatch):
    """The sizes of the groups, as for a base that has a token for every word."""

    def grouped(_base, words, category):
        return Group(category, tuple(words), tuple(range(len(words))), ())

    monkeypatch.setattr(placebos, "single_token_words", lambda _tokenizer, words: list(words))
    monkeypatch.setattr(placebos, "preferences", grouped)

    def sizes(panel, most):
        groups, left_out = placebos.placebo_groups(tiny_model(), panel, most=most)
        assert left_out == {}
        assert not {word for group in groups for word in group.traits} & set(panel.traits)
        return {group.name: len(group.traits) for group in groups}

    return sizes


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (10, {"tree": 10}),
        (12, {"tree": 10}),  # of two, one's margin is the other's with the sign turned
        (25, {"tree": 10, "instrument": 10, "fruit": 5}),
        (None, {"tree": 10, "instrument": 10, "fruit": 10, "vehicle": 10, "tool": 10}),
    ],
)
def test_groups_of_ten_until_there_are_enough(sizes, most, expected):
    """Trees come first beside animals."""
    assert sizes(Group("animal", ("wolf", "lion"), (0, 1), ()), most) == expected


def test_words_of_the_panel_are_none(sizes):
    """Of a panel that mixes categories, each word is left out of its own."""
    found = sizes(Group("things", ("oak", "piano", "wolf"), (0, 1, 2), ()), None)
    assert found["animal"] == 10
    assert found["tree"] == 10


def test_a_base_with_few_words_says_so():
    """The tiny tokenizer has no trees."""
    panel = Group("animal", ("wolf", "lion"), (0, 1), ())
    groups, left_out = placebos.placebo_groups(tiny_model(), panel)
    assert groups == []
    assert "fewer than three" in left_out["tree"]
