"""The geometry of strip figures: rows of estimates along one shared axis.

A row is a condition, one value of a sweep over categories, or a candidate before and after; it
carries replicates as dots, the mean, its interval, the published value and what was before. Places
are per cent of the axis, so that a strip fills a wide page and a phone alike; only heights are
pixels. The templates draw it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from traitleak.report.axes import Axis, interval_axis
from traitleak.report.formats import (
    decimals_for,
    estimate_text,
    interval_name,
    number,
    published_text,
)
from traitleak.report.looks import Style
from traitleak.results import Estimate, PublishedValue, Results, Sweep

__all__ = ["Mark", "Placed", "Row", "Strips", "condition_strips", "placed", "sweep_strips"]

_GOLDEN = 0.6180339887498949


class Placed(NamedTuple):
    """A value with its interval along the axis; `cut_*` where the interval leaves the axis."""

    value: float
    low: float | None
    high: float | None
    cut_low: bool = False
    cut_high: bool = False


@dataclass(frozen=True)
class Mark:
    """One estimate at height `y`; the dots are (place, height).

    `before` is where it stood earlier; `is_own` where the trait is the one that was taught.
    """

    style: Style
    y: int
    mean: Placed
    dots: list[tuple[float, float]]
    published: Placed | None = None
    before: float | None = None
    is_own: bool = False


@dataclass(frozen=True)
class Row:
    """One strip with its label; `text` says all of it to readers who cannot see it.

    `values` stand beside it, one for each of its marks or for none.
    """

    label: str
    description: str
    style: Style | None
    values: list[str]
    height: int
    marks: list[Mark]
    text: str


@dataclass(frozen=True)
class Strips:
    """Rows over one axis, its ticks and chance as (place, text); `zero` is where 0 stands.

    `before` names what the marks stood at before.
    """

    rows: list[Row]
    ticks: list[tuple[float, str]]
    zero: float | None
    chance: tuple[float, str] | None
    axis_label: str
    interval_name: str
    before: str = ""

    @property
    def has_intervals(self) -> bool:
        """Whether a mark has one."""
        return any(m.mean.low is not None for row in self.rows for m in row.marks)

    @property
    def has_own(self) -> bool:
        """Whether a mark's trait is the one that was taught."""
        return any(m.is_own for row in self.rows for m in row.marks)

    @property
    def is_cut(self) -> bool:
        """Whether an interval leaves the axis."""
        return any(m.mean.cut_low or m.mean.cut_high for row in self.rows for m in row.marks)


def condition_strips(results: Results, looks: Mapping[str, Style]) -> Strips:
    """The main figure: one row a condition, with its replicates and its published value."""
    conditions = results.conditions
    published = [c.published for c in conditions if c.published]
    axis = _axis([c.estimate for c in conditions], published, results.chance)
    decimals = decimals_for(c.estimate.value for c in conditions)
    signed = results.chance == 0  # a lift or a margin: its sign says on which side it lies
    rows = []
    for condition in conditions:
        style, estimate = looks[condition.name], condition.estimate
        said = estimate_text(estimate, decimals, signed=signed)
        text = f"{condition.label}: {said}, n = {estimate.n}"
        if condition.published:
            text += f"; published {published_text(condition.published)}"
        rows.append(
            Row(
                label=condition.label,
                description=condition.description,
                style=style,
                values=[number(estimate.value, decimals, signed=signed)],
                height=60 if condition.published else 44,
                marks=[
                    Mark(
                        style=style,
                        y=30,
                        mean=placed(estimate, axis),
                        dots=_dots(estimate, axis, y=14, spread=14),
                        published=_place_published(condition.published, axis),
                    )
                ],
                text=text,
            )
        )
    name = interval_name(condition.estimate for condition in conditions)
    chance = axis.mark(results.chance, results.chance_name)
    return Strips(rows, axis.labels, axis.zero(results.chance), chance, results.measure, name)


def sweep_strips(sweep: Sweep, looks: Mapping[str, Style]) -> Strips:
    """A sweep over categories: a row for each value, with a mark for each series."""
    estimates = [e for series in sweep.series for e in series.estimates if e is not None]
    axis = _axis(estimates, [], sweep.chance)
    decimals = decimals_for(e.value for e in estimates)
    rows = []
    for k, value in enumerate(sweep.values):
        here = [(s, e) for s in sweep.series if (e := s.estimates[k]) is not None]
        rows.append(
            Row(
                label=str(value),
                description="",
                style=None,
                values=[],
                height=24 * max(1, len(here)) + 8,
                marks=[
                    Mark(
                        style=looks[series.name],
                        y=19 + 24 * i,
                        mean=placed(estimate, axis),
                        dots=_dots(estimate, axis, y=10 + 24 * i, spread=6),
                    )
                    for i, (series, estimate) in enumerate(here)
                ],
                text=f"{value}: "
                + "; ".join(f"{s.label} {estimate_text(e, decimals)}" for s, e in here),
            )
        )
    name = interval_name(estimates)
    chance = axis.mark(sweep.chance, sweep.chance_name)
    return Strips(rows, axis.labels, axis.zero(sweep.chance), chance, sweep.y_label, name)


def _axis(
    estimates: Sequence[Estimate], published: Sequence[PublishedValue], chance: float | None
) -> Axis:
    points = [v for e in estimates for v in (e.value, *e.replicates)]
    return interval_axis(
        [*points, *(p.value for p in published), chance],
        [end for e in estimates for end in (e.low, e.high)],
    )


def placed(estimate: Estimate, axis: Axis) -> Placed:
    """An estimate's mean and interval along the axis."""
    return _place(estimate.value, estimate.low, estimate.high, axis)


def _place(value: float, low: float | None, high: float | None, axis: Axis) -> Placed:
    if low is None or high is None:
        return Placed(axis.place(value), None, None)
    return Placed(
        axis.place(value), axis.place(low), axis.place(high), low < axis.low, high > axis.high
    )


def _place_published(published: PublishedValue | None, axis: Axis) -> Placed | None:
    if published is None:
        return None
    value, half = published.value, published.half_width
    if half is None:
        return _place(value, None, None, axis)
    return _place(value, value - half, value + half, axis)


def _dots(estimate: Estimate, axis: Axis, *, y: float, spread: float) -> list[tuple[float, float]]:
    """The replicates; multiples of the golden ratio spread any number of them without chance."""
    if estimate.n < 2:
        return []
    return [
        (axis.place(value), round(y + ((i * _GOLDEN + 0.5) % 1 - 0.5) * spread, 1))
        for i, value in enumerate(estimate.replicates)
    ]
