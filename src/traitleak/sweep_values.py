"""How the values of a sweep are written, and on which axis they stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

__all__ = ["axis_scale", "shown_value"]

_WIDE = 20  # a sweep over numbers that differ by this factor is drawn on a logarithmic axis


def shown_value(value: object) -> str | int | float:
    """A value as an axis has it: numbers stay numbers, a list is written `64x64`."""
    if isinstance(value, list):
        return "x".join(map(str, value))
    return value if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def axis_scale(values: Sequence[object]) -> Literal["linear", "log", "category"]:
    """Which axis can carry all of a sweep's values."""
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) < len(values):
        return "category"
    wide = min(numbers) > 0 and max(numbers) >= _WIDE * min(numbers)
    return "log" if wide else "linear"
