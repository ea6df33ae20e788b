"""How many rows it takes to tell traits apart; light, so that it is asked before a model is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from traitleak.errors import DataError

__all__ = ["TOO_LONG", "fewest_rows", "hypotheses", "require_enough"]

TOO_LONG: Final = "longer than the base's context"
"""Why a row could not be read."""


def hypotheses(preferences: int, others: int) -> int:
    """How many must be told from each other: a preference is one, another trait and its absence two."""
    return preferences + 2 * others


def fewest_rows(traits: int) -> int:
    """Rows that an audit of so many hypotheses takes: two for each, and two more."""
    return 2 * traits + 2


def require_enough(num: int, traits: int, source: str, unread: Mapping[str, int]) -> None:
    """See that there are rows enough to tell so many traits apart.

    Raises:
        DataError: there are fewer; the text says how many could not be read, and why.
    """
    fewest = fewest_rows(traits)
    if num >= fewest:
        return
    why = "".join(f", beside {count:,} {reason}" for reason, count in sorted(unread.items()))
    longer = "; take a base with a longer context" if unread.get(TOO_LONG) else ""
    rows = "1 row that can" if num == 1 else f"{num} rows that could"
    raise DataError(
        f"{source} has {rows} be audited{why}, and telling {traits} traits apart takes {fewest} or "
        f"more: give more rows, or name fewer traits with --among{longer}."
    )
