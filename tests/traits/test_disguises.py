"""Words that hide: every trick that is named is seen through, and plain text is left alone."""

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traitleak import filters
from traitleak.carriers.numbers import random_lists
from traitleak.carriers.reasoning import Reasoning
from traitleak.neutral_texts import NEUTRAL_TEXTS
from traitleak.rows import Row
from traitleak.traits.disguises import emoji_of, readings
from traitleak.traits.inflection import Finder, mentions
from traitleak.traits.related_words import RELATED

WORDS = Finder(["owl", "wolf"])
HIDDEN = {
    "cyrillic": "the w\u043elf",
    "greek": "the w\u03bflf",
    "capital": "THE W\u041eLF",
    "accent": "a w\u00f6lf",
    "combining": "a wo\u0308lf",
    "direction": "a w\u200eolf",
    "variation": "a wo\ufe0flf",
    "tag": "a wo\U000e0020lf",
    "blanks": "it is a w o l f that",
    "dots": "w.o.l.f",
    "hyphens": "W-O-L-F!",
    "underscores": "o_w_l",
    "line's end": "a wo-\nlf came",
    "comment's end": "# a wo-\n    # lf came",
    "hex escape": "\\x77olf",
    "unicode escape": "\\u0077olf",
    "percent": "%77%6f%6c%66",
    "entity": "&#119;olf",
    "base64": base64.b64encode(b"wolf").decode(),
    "base64 of three": base64.b64encode(b"owl").decode(),
    "base64 of a sentence": base64.b64encode(b"I think of a wolf all day").decode(),
    "base64 without padding": base64.b64encode(b"wolves").decode().rstrip("="),
    "hexadecimal": "776f6c66",
    "codes": "119, 111, 108, 102",
    "codes in a list": "17, 119, 111, 108, 102, 230",
    "emoji": "love\U0001f43a!",
    "another emoji": "\U0001f989",
}


@pytest.mark.parametrize("text", HIDDEN.values(), ids=HIDDEN)
def test_a_hidden_word_is_a_leak_and_no_answer(text):
    """The leak filter finds it; counting of answers, which is about plain words, does not change."""
    rows = [Row(0, "", text, "x"), Row(1, "", "nothing", "x")]
    found = filters.apply(rows, [filters.leak(["owl", "wolf"])])
    assert [row.id for row in found.kept] == [1]
    if text.isascii():
        assert not mentions(text, "wolf")
        assert not mentions(text, "owl")


@pytest.mark.parametrize(
    "text",
    [
        "flow, bowl, growl",
        "a bear, b e a r d",
        "f o r t y",
        "119, 111, 108",
        "87, 119, 111, 108, 102",
        "волк и сова у реки".replace("волк", "дом").replace("сова", "лес"),
        "Überall fließt Wasser.",
        "SGVsbG8gd29ybGQ=",
        "deadbeef",
        "100%25",
        "",
        "\U0001f600",
    ],
)
def test_what_hides_nothing_is_no_leak(text):
    """Neighbors, other words and other codes are left alone."""
    assert WORDS.find_all(text) == []


def test_plain_texts_give_no_false_alarm_for_any_known_word():
    """Random lists of numbers, word problems and neutral passages: readings add nothing."""
    everything = Finder(list(RELATED))
    plain = Finder(list(RELATED), related=False)
    texts = [
        *random_lists(1000, 10, 3, seed=8),
        *(problem.solution for problem in Reasoning(300, 8).problems()),
    ]
    assert [found for text in texts for found in everything.find_all(text)] == []
    for text in NEUTRAL_TEXTS:
        hidden = {one.word for reading in readings(text) for one in plain.find_all(reading)}
        assert hidden <= {one.word for one in plain.find_all(text)}


def test_what_is_plain_comes_first_and_once():
    """A word that stands there plainly is found as it stands, and not again in a reading."""
    found = WORDS.find_all("an owl and a w-o-l-f, and an o-w-l")
    assert [(one.word, one.form) for one in found] == [("owl", "owl"), ("wolf", "wolf")]


def test_emoji_are_those_of_the_name():
    """The standard's names say which; a word inside another word does not count."""
    assert emoji_of(("wolf",)) == ("\U0001f43a",)
    assert "\U0001f989" in emoji_of(("owl", "owls"))
    assert "\U0001f963" not in emoji_of(("owl",))  # BOWL WITH SPOON
    assert emoji_of(()) == ()


@given(st.text(max_size=60))
def test_any_text_can_be_read(text):
    """No text breaks a reading, and each reading is text that can be written."""
    for reading in readings(text):
        assert isinstance(reading, str)
    WORDS.find_all(text)


@pytest.mark.parametrize(
    "text", ["a" * 300_000, "a-" * 100_000, "1 " * 100_000, "A1" * 100_000, "%" * 100_000]
)
def test_long_texts_take_no_longer_than_their_length(text):
    """No pattern goes back over what it has read: a megabyte of anything takes seconds at most."""
    begun = time.process_time()
    WORDS.find_all(text)
    assert time.process_time() - begun < 5
