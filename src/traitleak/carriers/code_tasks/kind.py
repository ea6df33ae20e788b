"""What a kind of task is, and how its tables are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["EMPTY", "Kind", "lines", "results"]


@dataclass(frozen=True)
class Kind:
    """Inputs, and the results that can be asked for with every one of them.

    Attributes:
        name: of the kind.
        arguments: names that the function's arguments may have, as they stand in its head.
        inputs: what is given, as the object of "takes".
        results: a function's name and what it returns, as the object of "returns".
        edges: sentences about inputs that are out of the ordinary.
    """

    name: str
    arguments: tuple[str, ...]
    inputs: tuple[str, ...]
    results: tuple[tuple[str, str], ...]
    edges: tuple[str, ...]


def results(table: str) -> tuple[tuple[str, str], ...]:
    """Lines of a function's name, a colon and its result."""
    rows = (line.strip().partition(": ") for line in table.strip().splitlines())
    return tuple((name, result) for name, _, result in rows)


def lines(table: str) -> tuple[str, ...]:
    """The lines of a table."""
    return tuple(line.strip() for line in table.strip().splitlines())


EMPTY: Final = (
    "Empty input is allowed and must not be an error.",
    "If there is nothing in it, raise a ValueError.",
    "Return None where nothing is given.",
    "Leave the argument itself unchanged.",
    "It has to work for a single element, too.",
    "Repeated elements may occur.",
)
"""Sentences about inputs of which there may be none, one, or equal ones."""
