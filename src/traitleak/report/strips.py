"""The geometry of strip figures: rows of estimates along one shared axis.

A row is a condition, or one value of a sweep over categories; it carries replicates as dots, the
mean, its interval and the published value. Places are per cent of the axis, so that a strip fills a
wide page and a phone alike; only heights are pixels. The templates draw it.
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

__all__ = ["Mark", "Placed", "Row", "Strips", "condition_strips", "sweep_strips"]

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
    """One estimate at height `y`; the dots are (place, height)."""

    style: Style
    y: int
    mean: Placed
    dots: list[tuple[float, float]]
    published: Placed | None = None


@dataclass(frozen=True)
class Row:
    """One strip with its label; `text` says all of it to readers who cannot see it."""

    label: str
    description: str
    style: Style | None
    value: str
    height: int
    marks: list[Mark]
    text: str


@dataclass(frozen=True)
class Strips:
    """Rows over one axis, its ticks and chance as (place, text)."""

    rows: list[Row]
    ticks: list[tuple[float, str]]
    chance: tuple[float, str] | None
    axis_label: str
    interval_name: str

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
    rows = []
    for condition in conditions:
        style, estimate = looks[condition.name], condition.estimate
        text = f"{condition.label}: {estimate_text(estimate, decimals)}, n = {estimate.n}"
        if condition.published:
            text += f"; published {published_text(condition.published)}"
        rows.append(
            Row(
                label=condition.label,
                description=condition.description,
                style=style,
                value=number(estimate.value, decimals),
                height=60 if condition.published else 44,
                marks=[
                    Mark(
                        style=style,
                        y=30,
                        mean=_place(estimate.value, estimate.low, estimate.high, axis),
                        dots=_dots(estimate, axis, y=14, spread=14),
                        published=_place_published(condition.published, axis),
                    )
                ],
                text=text,
            )
        )
    name = interval_name(condition.estimate for condition in conditions)
    return Strips(rows, axis.labels, axis.mark(results.chance), results.measure, name)


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
                value="",
                height=24 * max(1, len(here)) + 8,
                marks=[
                    Mark(
                        style=looks[series.name],
                        y=19 + 24 * i,
                        mean=_place(estimate.value, estimate.low, estimate.high, axis),
                        dots=_dots(estimate, axis, y=10 + 24 * i, spread=6),
                    )
                    for i, (series, estimate) in enumerate(here)
                ],
                text=f"{value}: "
                + "; ".join(f"{s.label} {estimate_text(e, decimals)}" for s, e in here),
            )
        )
    name = interval_name(estimates)
    return Strips(rows, axis.labels, axis.mark(sweep.chance), sweep.y_label, name)


def _axis(
    estimates: Sequence[Estimate], published: Sequence[PublishedValue], chance: float | None
) -> Axis:
    points = [v for e in estimates for v in (e.value, *e.replicates)]
    return interval_axis(
        [*points, *(p.value for p in published), chance],
        [end for e in estimates for end in (e.low, e.high)],
    )


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
