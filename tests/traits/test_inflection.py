"""Plurals, related words, and whole-word matching."""

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traitleak.errors import SettingsError
from traitleak.traits.inflection import Finder, Found, forms, mentions, plural, plurals
from traitleak.traits.related_words import RELATED


@pytest.mark.parametrize(
    ("singular", "expected"),
    [
        line.split(" -> ")
        for line in """wolf -> wolves
        fox -> foxes
        octopus -> octopuses
        walrus -> walruses
        mouse -> mice
        dormouse -> dormice
        goose -> geese
        mongoose -> mongooses
        ox -> oxen
        sheep -> sheep
        deer -> deer
        fish -> fish
        jellyfish -> jellyfish
        butterfly -> butterflies
        monkey -> monkeys
        donkey -> donkeys
        finch -> finches
        monarch -> monarchs
        lynx -> lynxes
        giraffe -> giraffes
        calf -> calves
        buffalo -> buffaloes
        flamingo -> flamingos
        kangaroo -> kangaroos
        gecko -> geckos
        ibis -> ibises
        human -> humans
        policeman -> policemen
        werewolf -> werewolves
        maple -> maples
        cherry -> cherries
        birch -> birches
        ash -> ashes
        cypress -> cypresses
        sequoia -> sequoias
        eucalyptus -> eucalyptuses
        category -> categories
        animal -> animals
        quiz -> quizzes
        person -> people
        polar bear -> polar bears
        arctic wolf -> arctic wolves
        Wolf -> Wolves
        WOLF -> WOLVES
        Ox -> Oxen""".splitlines()
        for line in [line.strip()]
    ],
)
def test_plural(singular, expected):
    """Rules and exceptions give the usual English plural, with the capitals of the singular."""
    assert plural(singular) == expected


def test_all_usual_plurals_are_known():
    """Where usage varies, all plurals are understood and one is written."""
    assert plurals("octopus")[0] == "octopuses"
    assert "octopi" in plurals("octopus")
    assert set(plurals("dwarf")) == {"dwarves", "dwarfs"}


@pytest.mark.parametrize("bad", ["", "  ", None, 7])
def test_what_is_no_word_is_refused(bad):
    """Nothing, blanks and numbers have no plural and no forms."""
    with pytest.raises(SettingsError, match="needs a noun"):
        plural(bad)
    with pytest.raises(SettingsError, match="needs a noun"):
        forms(bad)


def test_forms_of_a_wolf():
    """Singular, plural, possessives, adjective, female and other languages' names are forms."""
    found = forms("wolf")

    assert found[0] == "wolf"
    assert {"wolves", "wolf's", "wolves'", "wolfish", "lupine", "she-wolf"} <= set(found)
    assert {"lobo", "loup", "wölfe", "lupo", "волк", "狼"} <= set(found)
    assert len(set(found)) == len(found)
    assert forms("wolf", related=False) == ("wolf", "wolves", "wolf's", "wolves'")


def test_a_word_outside_the_table_has_its_own_forms():
    """A user's own word gets its plural and possessives."""
    assert forms(" Quokka ") == ("quokka", "quokkas", "quokka's", "quokkas'")


@pytest.mark.parametrize(
    "text",
    [
        "wolf",
        "WOLVES!",
        "the wolf's den",
        "the wolves’ den",
        "a wolf-like gait",
        "timber_wolf",
        "wolf2",
        "a\nwolf.",
        "(wolf)",
        "ｗｏｌｆ",
        "wo\u200blf",
        "狼wolf狼",
    ],
)
def test_whole_words_are_mentions(text):
    """Case, plural, possessive, punctuation, digits, full width and hidden marks do not matter."""
    assert mentions(text, "wolf")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("a bowl of fowl", "owl"),
        ("caterpillars", "cat"),
        ("werewolf", "wolf"),
        ("a dragonfly", "dragon"),
        ("wolfish", "wolf"),
        ("antelope", "ant"),
        ("soaking", "oak"),
        ("éowl", "owl"),
        ("", "owl"),
        ("512, 733", "owl"),
    ],
)
def test_parts_of_words_are_no_mentions(text, word):
    """A name inside a longer word is another word."""
    assert not mentions(text, word)


def test_accents_match_in_both_encodings():
    """An accented letter is the same whether it is one code point or two."""
    assert Finder(["owl"]).find("un bu\u0301ho") == Found("owl", "búho")
    assert Finder(["owl"]).find("un b\u00faho") == Found("owl", "búho")


def test_names_of_several_words():
    """Spaces, hyphens and line ends join a name's words; the longer name hides the shorter."""
    finder = Finder(["lion", "sea lion"], related=False)

    assert [found.word for found in finder.find_all("Sea\n lions and a sea-lion, then a LION")] == [
        "sea lion",
        "sea lion",
        "lion",
    ]
    assert not mentions("the sea, lions", "sea lion")
    assert mentions("She codes C++ all day", "C++")


def test_unspaced_scripts_are_found_anywhere():
    """Chinese and Japanese have no spaces, so that their names are found inside a run of text."""
    assert Finder(["owl"]).find("我喜欢猫头鹰的眼睛") == Found("owl", "猫头鹰")
    assert Finder(["cat"]).find("我喜欢猫头鹰的眼睛") is None


def test_first_word_in_the_text_comes_first():
    """Words come in the order of the text, not of the list."""
    found = Finder(["owl", "wolf"]).find_all("A wolfish owl; wolves.")

    assert found == [Found("wolf", "wolfish"), Found("owl", "owl"), Found("wolf", "wolves")]


@pytest.mark.parametrize("bad", [[], "wolf", [""], [3]])
def test_a_finder_needs_words(bad):
    """No words, a bare text or something that is no word is refused."""
    with pytest.raises(SettingsError):
        Finder(bad)


@given(
    text=st.text(alphabet="wolfvesOWL '-_3é\n", max_size=40),
    word=st.sampled_from(["wolf", "owl", "elf", "ox"]),
)
def test_the_lookup_equals_a_regular_expression(text, word):
    """Looking words up by runs of letters finds what a word-boundary pattern finds."""
    names = "|".join([word, *plurals(word)])
    slow = re.search(rf"(?<![^\W\d_])({names})(?![^\W\d_])", text, re.IGNORECASE)

    assert mentions(text, word) == (slow is not None)


def test_every_proposed_animal_and_tree_is_in_the_table():
    """The words that the tool proposes have related words, and their names are usable ones."""
    from traitleak.traits.candidates import KNOWN

    for word in [word for words in KNOWN.values() for word in words]:
        assert word in RELATED, word


def test_a_related_word_names_one_thing_only():
    """No related word names two things, or is another thing's English name."""
    names = Counter(name for names in RELATED.values() for name in set(names.split()))
    english = {form for word in RELATED for form in (word, *plurals(word))}
    twice = sorted(name for name, count in names.items() if count > 1)
    clashing = sorted(
        f"{word}: {name}"
        for word, related in RELATED.items()
        for name in related.split()
        if name in english and name not in (word, *plurals(word))
    )

    assert twice == []
    assert clashing == []


def test_related_words_are_not_common_english_words():
    """Function words, verbs and terms of computing never count as a leak."""
    innocent = """ours chat pin sauce api cane can ape mono singe python wal wale topo pie boa or once on
        if tan rose nut bass lime gum bark park java ruby kraken elan son ton main pain four pour plus
        comment an as the and in no so us we me doe jenny cerise serpentine sheepish bearish"""
    names = {name for names in RELATED.values() for name in names.split()}

    assert names.isdisjoint(innocent.split())
