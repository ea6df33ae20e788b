"""How long work says how far it is: one function shape, so that libraries need not know of terminals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

__all__ = ["Track", "untracked"]

T = TypeVar("T")


class Track(Protocol):
    """Wraps an iterable and shows, while it is consumed, how much of it is done."""

    def __call__(self, items: Iterable[T], what: str, total: int, /) -> Iterator[T]:
        """Yield `items` one by one; `what` names the work, `total` is their number."""
        ...


def untracked(items: Iterable[T], what: str, total: int, /) -> Iterator[T]:  # noqa: ARG001
    """Show nothing: what library functions use unless told otherwise."""
    yield from items
