"""Scales: from a quantity's values to per cent of a plot's width or height, with round ticks.

Plots are drawn in per cent, so that they stretch with the page while their text keeps its size.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from traitleak.report.formats import level_text, short

__all__ = ["Axis", "interval_axis", "linear_axis", "log_axis", "tick_text"]

_NARROWEST = 290  # px: a plot's width on a small phone, beside its vertical axis
_CHARACTER = 7  # px: a digit's width in the tick labels
_GAP = 10  # px between two tick labels


@dataclass(frozen=True)
class Axis:
    """A scale from `low` to `high` with ticks inside it."""

    low: float
    high: float
    ticks: tuple[float, ...]
    log: bool = False

    def place(self, value: float) -> float:
        """Where `value` stands, in per cent from `low`; values beyond an end stand at that end."""
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log10(low), math.log10(high), math.log10(max(value, low))
        return round(100 * min(1.0, max(0.0, (value - low) / (high - low))), 2)

    def mark(self, value: float | None, name: str) -> tuple[float, str] | None:
        """The place of a level such as chance, and its name with its value, where it is shown."""
        if value is None or not self.low <= value <= self.high:
            return None
        return self.place(value), level_text(name, value)

    def zero(self, level: float | None) -> float | None:
        """Where 0 stands, if the axis goes through it and `level` does not already mark it."""
        return self.place(0) if not self.log and self.low < 0 < self.high and level != 0 else None

    @property
    def labels(self) -> list[tuple[float, str]]:
        """Each tick's place and text."""
        return [(self.place(tick), tick_text(tick, self)) for tick in self.ticks]


def linear_axis(values: Sequence[float], *, tight: bool = False, at: Sequence[float] = ()) -> Axis:
    """An axis that shows all of `values` (finite, at least one).

    Args:
        values: what must fit.
        tight: end at the outermost values, as a horizontal axis does, instead of at round ones.
        at: the ticks wanted, where their labels fit side by side.
    """
    low, high = min(values), max(values)
    if high - low <= 1e-12 * max(abs(low), abs(high)):
        margin = abs(low) / 10 or 1.0
        low, high = low - margin, high + margin
    for count in (6, 5, 4, 3, 2):
        step = _round_step((high - low) / count)
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        # Multiplying first and rounding to the step's digits keeps 3 x 0.1 from becoming 0.30...04.
        ticks = [round(k * step, _digits(step)) for k in range(first, last + 1)]
        if tight:
            axis = Axis(low, high, tuple(t for t in ticks if low <= t <= high))
        else:
            axis = Axis(ticks[0], ticks[-1], tuple(ticks))
        if _fits(axis):
            break
    return _with_ticks(axis, at)


def interval_axis(
    points: Iterable[float | None], ends: Iterable[float | None], *, tight: bool = False
) -> Axis:
    """A linear axis for all `points` and for their intervals' `ends`, except very long ones.

    Two replicates can have an interval 12.7 standard errors long: what lies further from the points
    than half their range is cut off, so that it does not squash everything else. A `tight` axis ends
    a little beyond the outermost ones, not at a round number.
    """
    shown = _finite(points) or [0.0, 1.0]
    room = (max(shown) - min(shown)) / 2 or abs(shown[0]) or 1.0
    low, high = min(shown) - room, max(shown) + room
    values = shown + [min(max(end, low), high) for end in _finite(ends)]
    if not tight:
        return linear_axis(values)
    edge = (max(values) - min(values)) / 50
    return linear_axis([min(values) - edge, max(values) + edge], tight=True)


def _finite(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None and math.isfinite(value)]


def log_axis(values: Sequence[float], *, at: Sequence[float] = ()) -> Axis:
    """A logarithmic axis from the smallest to the largest of `values` (positive, at least one)."""
    low, high = min(values), max(values)
    if low == high:
        low, high = low / 10, high * 10
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    axis = Axis(low, high, (), log=True)
    # From every decade with its 2 and 5 to every fourth decade: the first whose labels fit.
    candidates = [[m * 10.0**d for d in decades for m in (1, 2, 5)]]
    candidates += [[10.0**d for d in decades if d % stride == 0] for stride in (1, 2, 3, 4, 6, 8)]
    for candidate in candidates:
        inside = tuple(t for t in candidate if low * (1 - 1e-9) <= t <= high * (1 + 1e-9))
        axis = Axis(low, high, inside, log=True)
        if len(inside) <= 8 and _fits(axis):
            break
    if len(axis.ticks) < 2:  # less than a decade
        axis = Axis(low, high, linear_axis(values, tight=True).ticks, log=True)
    return _with_ticks(axis, at)


def tick_text(value: float, axis: Axis) -> str:
    """A tick's label: as many decimals as the axis needs, powers of ten where it gets long."""
    if axis.log:
        return short(value, exponent=axis.high >= 1e4 * axis.low)
    largest = max(map(abs, axis.ticks))
    step = min((b - a for a, b in pairwise(axis.ticks)), default=largest or 1.0)
    digits = _digits(step)
    if digits > 4 or (largest >= 1e6 and step > largest / 100):
        return short(value, digits=3)
    return f"{value:,.{digits}f}".replace("-", "−")


def _round_step(rough: float) -> float:
    """The smallest of 1, 2, 2.5, 5 and 10 times a power of ten that is not below `rough`."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * (1 - 1e-9))


def _digits(step: float) -> int:
    """Decimals that multiples of `step` need."""
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return digits if math.isclose(step, round(step, digits), rel_tol=1e-6) else digits + 1


def _fits(axis: Axis) -> bool:
    """Whether the labels stand side by side on the narrowest page; one above the other, they do."""
    reach = -math.inf
    for place, text in axis.labels:
        half = len(text) * _CHARACTER / 2
        centre = place / 100 * _NARROWEST
        if centre - half < reach:
            return False
        reach = centre + half + _GAP
    return True


def _with_ticks(axis: Axis, wanted: Sequence[float]) -> Axis:
    """The axis with the wanted ticks instead of its own, where there are few and they fit."""
    other = Axis(axis.low, axis.high, tuple(sorted(set(wanted))), axis.log)
    return other if 1 < len(other.ticks) <= 8 and _fits(other) else axis
