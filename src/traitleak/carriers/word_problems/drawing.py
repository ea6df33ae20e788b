"""What word problems are drawn from: numbers, people, and things that no trait is about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

__all__ = ["WIDTH", "Draws", "Schema", "Worked"]

_T = TypeVar("_T")

WIDTH = 24  # draws that a problem may use

_PEOPLE = """
Amira Anton Bella Boris Carla Cem Daniel Dina Elena Emil Farid Fatima Gita Gregor Hana Henrik Ines
Ismail Jonas Julia Karim Katja Lena Luca Marco Mina Nadia Nils Omar Oksana Paula Petra Quentin Rafael
Ruth Samuel Selma Tariq Thea Umar Ursula Valentin Vera Walid Xenia Yusuf Zoe
"""
_COUNTED = """
pencils stickers buttons postcards stamps beads tiles badges envelopes notebooks bottles candles screws
magnets cups bricks cards ribbons batteries lamps mugs folders brushes erasers
"""
_NAMES = tuple(_PEOPLE.split())
_THINGS = tuple(_COUNTED.split())
_MONEY = ("dollars", "euros", "pounds")


class Draws:
    """A row of random bits that is used up from the front."""

    def __init__(self, bits: Sequence[int]) -> None:
        """Draw from these numbers of 64 bits."""
        self._left = iter(bits)

    def pick(self, options: Sequence[_T]) -> _T:
        """One of the options."""
        return options[next(self._left) % len(options)]

    def number(self, low: int, high: int, step: int = 1) -> int:
        """A number of low, low + step, ... up to high."""
        return self.pick(range(low, high + 1, step))

    def person(self) -> str:
        """A first name."""
        return self.pick(_NAMES)

    def people(self) -> tuple[str, str]:
        """Two different first names."""
        return self._two(_NAMES)

    def things(self) -> str:
        """Things that can be counted, in the plural."""
        return self.pick(_THINGS)

    def two_things(self) -> tuple[str, str]:
        """Two different kinds of them."""
        return self._two(_THINGS)

    def money(self) -> str:
        """A currency, in the plural."""
        return self.pick(_MONEY)

    def _two(self, options: Sequence[str]) -> tuple[str, str]:
        first = self.pick(options)
        return first, self.pick([option for option in options if option != first])


@dataclass(frozen=True)
class Worked:
    """A problem with its solution.

    Attributes:
        question: the text, without how to answer.
        steps: sentences with one equation each; the last one's right side is the answer.
        answer: a whole number, 0 or greater.
    """

    question: str
    steps: tuple[str, ...]
    answer: int


Schema = Callable[[Draws], Worked]
"""A way to make problems of one structure."""
