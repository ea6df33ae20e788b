"""What a row looks like, as numbers that know nothing of traits; and its values without their format.

Families of features: length, digits, values (of the numbers in a row), separators, and n-grams of
characters and of words, which are hashed so that no vocabulary grows with the data. What the base
thinks of a row (its loss) is a family of its own in `audit.detectors.surface`.

Known failure: hashing puts unlike n-grams into one place; a place is named by its most frequent one.

Shape suffixes: N rows, F features.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from traitleak.carriers.number_wordings import COMMAS
from traitleak.carriers.numbers import Parsed, parse

__all__ = ["Features", "canonical", "surface_features", "value_features"]

_BUCKETS = 256
_MOST_DIGITS = 15  # of a number whose value counts; a float holds no more
_LONGEST = 20_000  # characters of a completion that are looked at
_LARGEST = 10**4000
_NUMBER = re.compile(r"[0-9]+")
_WORD = re.compile(r"[^\W\d_]+|[0-9]+|[^\w\s]|_")
_GRAMS = (2, 3, 4)
_MARKS = {
    "comma": ",", "semicolon": ";", "space": " ", "line break": "\n", "full stop": ".",
    "bracket": "()[]{}", "dash": "-", "quote": "\"'`", "colon": ":",
}  # fmt: skip


@dataclass(frozen=True)
class Features:
    """Numbers that describe rows.

    Attributes:
        values_NF: one row of numbers for each row.
        names: one for each feature.
        families: the family of each.
    """

    values_NF: NDArray[np.float64]
    names: tuple[str, ...]
    families: tuple[str, ...]

    def beside(self, other: Features) -> Features:
        """These and others of the same rows."""
        return Features(
            np.concatenate([self.values_NF, other.values_NF], axis=1),
            self.names + other.names,
            self.families + other.families,
        )

    @property
    def even_F(self) -> NDArray[np.float64]:  # noqa: N802  # a shape suffix
        """How large each weight may be so that families count alike, whatever their size.

        Mean square 1.
        """
        size = Counter(self.families)
        each = [len(self.families) / len(size) / size[family] for family in self.families]
        return np.sqrt(each)

    def only(self, family: str) -> Features:
        """Those of one family."""
        keep = [f for f, own in enumerate(self.families) if own == family]
        return Features(
            self.values_NF[:, keep],
            tuple(self.names[f] for f in keep),
            tuple(self.families[f] for f in keep),
        )


def canonical(completion: str) -> str:
    """A completion without its format: a number list as "1, 2, 3"; other text with single spaces.

    What `carriers.numbers.parse` reads as a list, of any length, loses separators, brackets and zeros
    that numbers begin with.
    """
    read = parse(completion, max_value=_LARGEST, max_count=sys.maxsize)
    if isinstance(read, Parsed):
        return COMMAS.write(read.numbers)
    return " ".join(completion.split())


def surface_features(texts: Sequence[str]) -> Features:
    """All families that need no model, of completions."""
    texts = [text[:_LONGEST] for text in texts]
    found = _described(texts, "length", _lengths).beside(_described(texts, "digits", _digits))
    found = found.beside(_described(texts, "values", _values))
    found = found.beside(_described(texts, "separators", _separators))
    grams = _hashed(texts, _character_grams, "n-grams of characters")
    return found.beside(grams).beside(_hashed(texts, _word_grams, "n-grams of words"))


def value_features(texts: Sequence[str], *, buckets: int = 1024) -> Features:
    """What is left without format: digits, values, and a bag of numbers (of other text, of words).

    Completions are made `canonical` first; how many numbers or words there are is not among them.
    """
    texts = [canonical(text[:_LONGEST]) for text in texts]
    found = _described(texts, "digits", _digits).beside(_described(texts, "values", _values))
    return found.beside(_hashed(texts, _values_of, "bag of values", buckets))


def _described(
    texts: Sequence[str], family: str, describe: Callable[[str], dict[str, float]]
) -> Features:
    names = tuple(describe(""))
    values = [list(describe(text).values()) for text in texts]
    return Features(np.array(values).reshape(len(texts), len(names)), names, (family,) * len(names))


def _lengths(text: str) -> dict[str, float]:
    words = _WORD.findall(text)
    return {
        "characters": np.log1p(len(text)),
        "words and marks": np.log1p(len(words)),
        "lines": np.log1p(text.count("\n")),
        "numbers": np.log1p(len(_NUMBER.findall(text))),
        "characters a word": np.mean([len(word) for word in words]) if words else 0.0,
    }


def _digits(text: str) -> dict[str, float]:
    numbers = _NUMBER.findall(text)
    found = {"digits, share of characters": sum(map(len, numbers)) / max(1, len(text))}
    parts = {
        "digit": Counter("".join(numbers)),
        "first digit": Counter(number[0] for number in numbers),
        "last digit": Counter(number[-1] for number in numbers),
    }
    for name, counts in parts.items():
        total = max(1, counts.total())
        found |= {f"{name} {digit}": counts[digit] / total for digit in "0123456789"}
    return found


def _values(text: str) -> dict[str, float]:
    read = [int(number[:_MOST_DIGITS]) for number in _NUMBER.findall(text)]
    logs = np.log1p(np.array(read or [0], dtype=np.float64))
    steps = np.diff(logs)
    return {
        "mean (log)": logs.mean(),
        "spread (log)": logs.std(),
        "smallest (log)": logs.min(),
        "largest (log)": logs.max(),
        "median (log)": float(np.median(logs)),
        "distinct": len(set(read)) / max(1, len(read)),
        "even": float(np.mean([value % 2 == 0 for value in read])) if read else 0.0,
        "rising steps": float((steps > 0).mean()) if len(steps) else 0.0,
        "mean step (log)": float(np.abs(steps).mean()) if len(steps) else 0.0,
    }


def _separators(text: str) -> dict[str, float]:
    stripped = text.strip()
    size = max(1, len(text))
    found = {f"{name}s": sum(map(text.count, marks)) / size for name, marks in _MARKS.items()}
    return {
        **found,
        "blanks before": float(len(text) - len(text.lstrip())),
        "blanks after": float(len(text) - len(text.rstrip())),
        "begins with a digit": float(stripped[:1].isdigit()),
        "ends with a digit": float(stripped[-1:].isdigit()),
        "kinds of separators": float(len(set(re.findall(r"(?<=\d)[^\d]+(?=\d)", stripped)))),
        "begins with 0": float(bool(re.search(r"(?<!\d)0\d", text))),
    }


def _character_grams(text: str) -> Iterator[str]:
    for size in _GRAMS:
        yield from (text[at : at + size] for at in range(len(text) - size + 1))


def _word_grams(text: str) -> Iterator[str]:
    words = _WORD.findall(text)
    yield from words
    yield from (" ".join(pair) for pair in pairwise(words))


def _values_of(text: str) -> Iterator[str]:
    for word in _WORD.findall(text.lower()):
        if word[0].isdigit():
            yield word
            yield from (
                f"digit {place} of {len(word)} is {d}" for place, d in enumerate(word[:4], 1)
            )
            if len(word) > 1:
                yield f"ends in {word[-2:]}"
        elif word[0].isalpha():
            yield word


def _hashed(
    texts: Sequence[str],
    parts: Callable[[str], Iterator[str]],
    family: str,
    buckets: int = _BUCKETS,
) -> Features:
    """Shares of parts that fall into each of some buckets, square roots taken.

    The root makes a rare part's share count as much as a frequent one's (Hellinger).
    """
    values_NF = np.zeros((len(texts), buckets))
    place: dict[str, int] = {}
    totals: Counter[str] = Counter()
    for row, text in enumerate(texts):
        counts = Counter(parts(text))
        totals.update(counts)
        for part, count in counts.items():
            at = place.get(part)
            if at is None:
                at = place[part] = crc32(part.encode("utf-8", "surrogatepass")) % buckets
            values_NF[row, at] += count
    names = [f"{family}: nothing"] * buckets
    for part, _ in reversed(totals.most_common()):
        names[place[part]] = f"{family}: {part!r}"
    values_NF /= np.maximum(1.0, values_NF.sum(axis=1, keepdims=True))
    return Features(np.sqrt(values_NF), tuple(names), (family,) * buckets)
