"""Plurals, the words that give a trait away, and whole-word matching.

A trait's answers are counted, and its leaks found, as whole words: "owl" is not in "bowl". English
plurals come from spelling rules and a table of exceptions; other languages and related words from
the table of `traitleak.traits.related_words`, which covers the animals and trees that are proposed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from traitleak.errors import SettingsError
from traitleak.traits.disguises import emoji_of, readings
from traitleak.traits.related_words import RELATED

__all__ = ["Finder", "Found", "forms", "mentions", "plural", "plurals"]

# The first of several plurals is the one that is written; the others are understood.
_IRREGULAR = {
    "mouse": "mice", "louse": "lice", "goose": "geese", "foot": "feet", "tooth": "teeth",
    "ox": "oxen", "child": "children", "person": "people persons", "man": "men", "woman": "women",
    "die": "dice", "wolf": "wolves", "calf": "calves", "half": "halves", "leaf": "leaves",
    "loaf": "loaves", "thief": "thieves", "sheaf": "sheaves", "shelf": "shelves", "self": "selves",
    "elf": "elves", "life": "lives", "wife": "wives", "knife": "knives", "hoof": "hooves hoofs",
    "scarf": "scarves scarfs", "dwarf": "dwarves dwarfs", "beef": "beeves beefs",
    "buffalo": "buffaloes buffalos buffalo", "mosquito": "mosquitoes mosquitos",
    "mango": "mangoes mangos", "flamingo": "flamingos flamingoes", "dingo": "dingoes dingos",
    "domino": "dominoes dominos", "volcano": "volcanoes volcanos", "hero": "heroes",
    "echo": "echoes", "potato": "potatoes", "tomato": "tomatoes", "torpedo": "torpedoes",
    "ginkgo": "ginkgoes ginkgos", "avocado": "avocados avocadoes", "veto": "vetoes",
    "octopus": "octopuses octopi octopodes", "platypus": "platypuses platypi",
    "hippopotamus": "hippopotamuses hippopotami", "cactus": "cactuses cacti",
    "fungus": "fungi funguses", "nucleus": "nuclei", "radius": "radii", "alumnus": "alumni",
    "stimulus": "stimuli", "larva": "larvae", "alga": "algae", "formula": "formulas formulae",
    "antenna": "antennae antennas", "axis": "axes", "basis": "bases", "crisis": "crises",
    "oasis": "oases", "analysis": "analyses", "thesis": "theses", "hypothesis": "hypotheses",
    "phenomenon": "phenomena", "criterion": "criteria", "bacterium": "bacteria",
    "monarch": "monarchs", "stomach": "stomachs", "epoch": "epochs", "eunuch": "eunuchs",
    "quiz": "quizzes", "whiz": "whizzes", "fez": "fezzes",
    "sheep": "sheep", "deer": "deer deers", "reindeer": "reindeer reindeers", "moose": "moose",
    "bison": "bison bisons", "elk": "elk elks", "swine": "swine", "cattle": "cattle",
    "fish": "fish fishes", "salmon": "salmon salmons", "trout": "trout trouts",
    "tuna": "tuna tunas", "cod": "cod cods", "carp": "carp carps", "squid": "squid squids",
    "shrimp": "shrimp shrimps", "grouse": "grouse", "bass": "bass basses", "krill": "krill",
    "series": "series", "species": "species", "aircraft": "aircraft", "spacecraft": "spacecraft",
}  # fmt: skip

# A compound goes like its last part: werewolf, dormouse, goldfish, policewoman, grandchild.
_LAST_PARTS = ("woman", "child", "mouse", "tooth", "goose", "wolf", "leaf", "fish")
_NOT_COMPOUND = {
    "human", "german", "roman", "norman", "ottoman", "shaman", "talisman", "caiman", "mongoose",
}  # fmt: skip
_SIBILANT = re.compile(r"(s|x|z|ch|sh)$")
_CONSONANT_Y = re.compile(r"([^aeiou]|qu)y$")
# Scripts written without spaces between words, and emoji: looked for anywhere in the text.
_UNSPACED = r"\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U0001f300-\U0001faff"
_LETTER = rf"[^\W\d_{_UNSPACED}]"  # of all other scripts
_RUN = re.compile(f"{_LETTER}+")
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_NEVER = "(?!)"  # a pattern that nothing matches
# Not seen when printed, and so apt to hide a word: soft hyphen, zero-width and direction marks,
# variation selectors, tags (the code points that Unicode calls default ignorable).
_INVISIBLE: dict[int, None] = dict.fromkeys(
    (
        0x00AD, 0x034F, 0x061C, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810),
        *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0x3164,
        *range(0xFE00, 0xFE10), 0xFEFF, 0xFFA0, *range(0xE0000, 0xE1000),
    )
)  # fmt: skip


def plural(noun: str) -> str:
    """The plural of an English noun in the singular: wolf, wolves; polar bear, polar bears.

    The last word of several is changed, and capitals stay as they were.

    Raises:
        SettingsError: not a word.

    Known failure: rules of spelling and a table of exceptions, not a dictionary. A rare irregular
    noun gets a regular plural, and a plural given as singular gets another ending.
    """
    return plurals(noun)[0]


def plurals(noun: str) -> tuple[str, ...]:
    """Every usual plural of an English noun, the one to write first: cactuses, cacti.

    Raises:
        SettingsError: not a word.
    """
    if not isinstance(noun, str) or not noun.strip():
        raise SettingsError(f"A plural needs a noun; got {noun!r}.")
    noun = noun.strip()
    before, last = _last_word(noun)
    return tuple(before + _cased(ending, last) for ending in _lower_plurals(last.lower()))


def _last_word(noun: str) -> tuple[str, str]:
    cut = max(noun.rfind(" "), noun.rfind("-")) + 1
    return noun[:cut], noun[cut:]


def _lower_plurals(word: str) -> tuple[str, ...]:
    if word in _IRREGULAR:
        return tuple(_IRREGULAR[word].split())
    if word not in _NOT_COMPOUND:
        for part in _LAST_PARTS:
            if word.endswith(part):
                return tuple(
                    word.removesuffix(part) + ending for ending in _IRREGULAR[part].split()
                )
        if word.endswith("man") and len(word) > 4:
            return (word[:-2] + "en",)
    if _SIBILANT.search(word):
        return (word + "es",)
    if _CONSONANT_Y.search(word):
        return (word[:-1] + "ies",)
    return (word + "s",)


def _cased(word: str, like: str) -> str:
    if len(like) > 1 and like.isupper():
        return word.upper()
    return word[:1].upper() + word[1:] if like[:1].isupper() else word


def forms(word: str, *, related: bool = True) -> tuple[str, ...]:
    """Every word that names the same thing: singular, plurals, possessives, and related words.

    Args:
        word: an English noun in the singular, such as "wolf".
        related: also its adjectives (wolfish), its female and young (wolf cub is found by "wolf",
            whelp is not), its kinds that are one word, its names in Spanish, French, German,
            Italian, Portuguese, Russian, Chinese and Japanese, where the table has them, and its
            emoji (`disguises.emoji_of`).

    Returns:
        Without repeats, the word itself first, all in lower case.

    Raises:
        SettingsError: not a word.

    Known failure: names that are common English words of another meaning are not in the table
    (French "ours", a bear; Spanish "sauce", a willow), and a word outside the table has no related
    ones; give those yourself.
    """
    many = plurals(word)
    numbers = [_normal(number) for number in (word.strip(), *many)]
    possessives = [f"{number}'" if number.endswith("s") else f"{number}'s" for number in numbers]
    kin = RELATED.get(numbers[0], "").split() if related else []
    signs = emoji_of((*numbers, *kin)) if related else ()
    return tuple(dict.fromkeys([*numbers, *possessives, *(_normal(name) for name in kin), *signs]))


def mentions(text: str, word: str) -> bool:
    """Whether `text` names `word`, as a whole word, in the singular or a plural.

    Capitals, accents' encoding and what surrounds the word play no part: "WOLVES!", "wolf's" and
    "wolf-like" mention a wolf; "werewolf" and "bowl" (an owl) do not.

    Known failure: a word is not a sense. "I cannot bear it" mentions a bear, and "a sea lion" a
    lion.
    """
    return _own_finder(word).find(text) is not None


@lru_cache(maxsize=1024)
def _own_finder(word: str) -> Finder:
    return Finder([word], related=False)


class Found(NamedTuple):
    """A word that a text names, and the form of it that stands there."""

    word: str
    form: str


class Finder:
    """Finds, in one pass over a text, which of many words it names in any of their forms."""

    def __init__(self, words: Iterable[str], *, related: bool = True) -> None:
        """Look for each of `words` in all its `forms`.

        Args:
            words: English nouns in the singular.
            related: also the related words of the table, see `forms`, and words that hide, see
                `disguises.readings`: a leak is looked for, not an answer counted.

        Raises:
            SettingsError: no words, or something that is no word.
        """
        if isinstance(words, str):
            raise SettingsError(f"Words to find are a list; got the text {words!r}.")
        self.words = tuple(words)
        self._disguised = related
        self._word_of: dict[str, str] = {}
        for word in self.words:
            for form in forms(word, related=related):
                self._word_of.setdefault(_joined(form), word)
        if not self._word_of:
            raise SettingsError("There are no words to find.")
        # Forms of one run of letters are looked up, so that their number costs no time. Patterns
        # are for the others, unless they hold such a form: "wolf's" is found by its "wolf". The
        # longest come first, or "lion" would hide "lion dog".
        others = sorted(
            (form for form, word in self._word_of.items() if not self._found_by_runs(form, word)),
            key=lambda form: (-len(form), form),
        )
        spaced = [form for form in others if not _IS_UNSPACED.match(form)]
        unspaced = [form for form in others if _IS_UNSPACED.match(form)]
        self._spaced = _pattern(map(_spaced_pattern, spaced))
        self._unspaced = _pattern(map(re.escape, unspaced))

    def _found_by_runs(self, form: str, word: str) -> bool:
        return any(self._word_of.get(run) == word for run in _RUN.findall(form))

    def find(self, text: str) -> Found | None:
        """The first word that `text` names; None where it names none."""
        return next(iter(self.find_all(text)), None)

    def find_all(self, text: str) -> list[Found]:
        """Every word that `text` names, in order; a word named twice comes twice.

        A name of several words hides the names inside it: looking for "lion" and "sea lion", only
        the latter is found in "a sea lion". What hides comes after what is plain.
        """
        found = self._plain(_normal(text))
        if self._disguised:
            for reading in readings(text):
                known = {one.word for one in found}
                found += [one for one in self._plain(_normal(reading)) if one.word not in known]
        return found

    def _plain(self, text: str) -> list[Found]:
        spans = [match.span() for match in self._spaced.finditer(text)]
        if not text.isascii():
            spans += [match.span() for match in self._unspaced.finditer(text)]
        for match in _RUN.finditer(text):
            start, end = match.span()
            if match[0] in self._word_of and not any(s < end and start < e for s, e in spans):
                spans.append((start, end))
        found = (text[start:end] for start, end in sorted(spans))
        return [Found(self._word_of[_joined(form)], form) for form in found]


def _joined(form: str) -> str:
    return re.sub(r"[\s-]+", " ", form)


def _spaced_pattern(form: str) -> str:
    # "polar bear" is also found as "polar-bear" and across a line's end.
    pattern = r"[\s-]+".join(map(re.escape, form.split(" ")))
    return rf"(?<!{_LETTER}){pattern}(?!{_LETTER})"


def _pattern(alternatives: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(alternatives) or _NEVER)


def _normal(text: str) -> str:
    """Text as it is compared: one encoding of accents, no capitals, nothing invisible."""
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKC", text).translate(_INVISIBLE).casefold()
    return text.replace("’", "'")
