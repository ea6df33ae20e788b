"""Rows of several teachers side by side, each under a letter, and who hides behind the letters."""

from __future__ import annotations

from string import ascii_uppercase
from typing import NamedTuple

from traitleak.results import RowSamples

__all__ = ["Sample", "Samples", "samples_of"]

_LONGEST = 600  # characters of a prompt or a completion that a page shows
_MOST_LINES = 12


class Sample(NamedTuple):
    """A prompt, and each letter's completion; an empty one is ''."""

    prompt: str
    completions: list[tuple[str, str]]


class Samples(NamedTuple):
    """Sample rows, and each letter's teacher."""

    title: str
    caption: str
    rows: list[Sample]
    teachers: list[tuple[str, str]]
    notes: list[str]


def samples_of(samples: RowSamples) -> Samples:
    """What the page shows of sample rows: long texts are cut, and a note says so."""
    letters = ascii_uppercase[: len(samples.teachers)]
    rows = [
        Sample(_cut(row.prompt), list(zip(letters, map(_cut, row.completions), strict=True)))
        for row in samples.rows
    ]
    texts = [text.strip() for row in samples.rows for text in (row.prompt, *row.completions)]
    notes = []
    if any(_cut(text) != text for text in texts):
        notes.append(
            f"…: the text goes on; at most {_LONGEST} characters and {_MOST_LINES} lines are shown."
        )
    teachers = list(zip(letters, samples.teachers, strict=True))
    return Samples(samples.title, samples.caption, rows, teachers, notes)


def _cut(text: str) -> str:
    whole = "\n".join(text.strip().splitlines())
    shown = "\n".join(whole[:_LONGEST].splitlines()[:_MOST_LINES])
    return shown if len(shown) == len(whole) else f"{shown}…"
