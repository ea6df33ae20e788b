"""What the rules of all carriers say of a completion that breaks them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Reject", "short"]

_Reason = TypeVar("_Reason", bound=str)
_LONGEST = 40  # characters of a detail


@dataclass(frozen=True, slots=True)
class Reject(Generic[_Reason]):
    """A completion that does not keep to its carrier's format.

    Attributes:
        reason: the first that applies, one of the carrier's `Reason`.
        detail: the part at fault, where it can be shown; else empty.
    """

    reason: _Reason
    detail: str = ""


def short(text: str) -> str:
    """A detail on one line, cut to a length that suits a sentence."""
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
