"""The geometry of line figures: means with bands over a numeric axis.

The paths live in a box of 1000 x 1000 that the page stretches; everything else is in per cent, and
only heights are pixels. Each line's name stands beside its end. The templates draw it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from textwrap import wrap
from typing import NamedTuple

from traitleak.report.axes import Axis, interval_axis, linear_axis, log_axis
from traitleak.report.formats import decimals_for, number, short
from traitleak.report.looks import Style
from traitleak.results import CurvePanel, Scale, Sweep

__all__ = ["Line", "Lines", "curve_lines", "is_numeric", "sweep_lines"]

_LOWEST = 300  # px: a plot's height, unless its labels need more
_MOST_POINTS = 300  # a longer curve is drawn through every k-th point and its last
_MOST_MARKERS = 15  # a curve with more points carries six markers
_REACHES = 97  # per cent of the width: a line that comes so far is led to its label
_LABEL_LINE = 17  # px
_LABEL_CHARACTERS = 24  # that fit one line beside a plot


class _Point(NamedTuple):
    x: float
    mean: float
    low: float | None
    high: float | None


class _Track(NamedTuple):
    style: Style
    label: str
    points: list[_Point]


class _Frame(NamedTuple):
    """What the lines are drawn over; `ticks` are the x that deserve one."""

    x_label: str
    y_label: str
    x_scale: Scale
    y_scale: Scale
    chance: float | None
    chance_name: str
    ticks: Sequence[float] = ()


@dataclass(frozen=True)
class Line:
    """One line: its paths, its markers, its label at `top` (px), and `end`, the line's own (px).

    `end` is None where the line stops before the right edge.
    """

    style: Style
    label: str
    value: str
    mean: str
    band: str
    markers: list[tuple[float, float]]
    end: float | None
    top: float
    middle: float


@dataclass(frozen=True)
class Lines:
    """Lines over two axes, from the highest end to the lowest.

    `drawn` has them as they lie on each other, the lowest first; `text` says where they end to
    readers who cannot see them.
    """

    lines: list[Line]
    drawn: list[Line]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    zero: float | None
    chance: tuple[float, str] | None
    x_label: str
    y_label: str
    height: int
    text: str


def curve_lines(panel: CurvePanel, looks: Mapping[str, Style]) -> Lines:
    """One panel of curves."""
    tracks = [
        _Track(
            looks[c.name],
            c.label,
            [_Point(*values) for values in zip(c.x, c.mean, c.low, c.high, strict=True)],
        )
        for c in panel.curves
    ]
    labels, scales = (panel.x_label, panel.y_label), (panel.x_scale, panel.y_scale)
    return _lines(tracks, _Frame(*labels, *scales, panel.chance, panel.chance_name))


def is_numeric(sweep: Sweep) -> bool:
    """Whether the sweep's axis can carry its values: numbers, and no 0 where it is logarithmic."""
    numbers = [v for v in sweep.values if isinstance(v, int | float) and not isinstance(v, bool)]
    if sweep.x_scale == "category" or len(numbers) != len(sweep.values) or len(numbers) < 2:
        return False
    return sweep.x_scale == "linear" or min(numbers) > 0


def sweep_lines(sweep: Sweep, looks: Mapping[str, Style]) -> Lines:
    """A sweep over numbers: `is_numeric` holds for it."""
    xs = [float(value) for value in sweep.values]
    tracks = []
    for series in sweep.series:
        points = [
            _Point(x, math.nan, None, None) if e is None else _Point(x, e.value, e.low, e.high)
            for x, e in zip(xs, series.estimates, strict=True)
        ]
        tracks.append(_Track(looks[series.name], series.label, sorted(points, key=lambda p: p.x)))
    scale: Scale = "log" if sweep.x_scale == "log" else "linear"
    labels, level = (sweep.x_label, sweep.y_label), (sweep.chance, sweep.chance_name)
    return _lines(tracks, _Frame(*labels, scale, "linear", *level, xs))


def _lines(tracks: Sequence[_Track], frame: _Frame) -> Lines:
    drawn = [track._replace(points=_blanked(track.points, frame)) for track in tracks]
    drawn = [track for track in drawn if _there(track.points)]
    points = [p for track in drawn for p in _there(track.points)]
    x_axis, y_axis = _x_axis(points, frame), _y_axis(points, frame)
    lasts = [_there(track.points)[-1] for track in drawn]
    decimals = None if frame.y_scale == "log" else decimals_for(last.mean for last in lasts)
    values = [number(last.mean, decimals, signed=frame.chance == 0) for last in lasts]
    shown = values if len(set(values)) > 1 else [""] * len(values)  # all alike: not worth a word
    label_heights = [
        _LABEL_LINE * len(wrap(f"{t.label} {v}", _LABEL_CHARACTERS)) + 5
        for t, v in zip(drawn, shown, strict=True)
    ]
    height = max(_LOWEST, sum(label_heights))
    ends = [round(height * (100 - y_axis.place(last.mean)) / 100, 1) for last in lasts]
    tops = _spread(ends, label_heights, height)
    lines = [
        Line(
            style=track.style,
            label=track.label,
            value=shown[k],
            mean=_mean_path(track.points, x_axis, y_axis),
            band=_band_path(track.points, x_axis, y_axis),
            markers=_markers(_there(track.points), k, x_axis, y_axis),
            end=ends[k] if x_axis.place(lasts[k].x) > _REACHES else None,
            top=tops[k],
            middle=tops[k] + label_heights[k] / 2,
        )
        for k, track in enumerate(drawn)
    ]
    said = "; ".join(
        f"{track.label} {value} at {short(last.x)}"
        for track, value, last in zip(drawn, values, lasts, strict=True)
    )
    level, zero = y_axis.mark(frame.chance, frame.chance_name), y_axis.zero(frame.chance)
    return Lines(
        lines=sorted(lines, key=lambda line: line.top),
        # Dashed references on top: what they lie upon shows through.
        drawn=sorted(lines, key=lambda line: line.style.colour.startswith("reference")),
        x_ticks=x_axis.labels,
        y_ticks=[(round(100 - place, 2), text) for place, text in y_axis.labels],
        zero=None if zero is None else round(100 - zero, 2),
        chance=None if level is None else (round(100 - level[0], 2), level[1]),
        x_label=frame.x_label,
        y_label=frame.y_label,
        height=height,
        text=f"{frame.y_label} over {frame.x_label}. Last values: {said or 'none'}.",
    )


def _blanked(points: Sequence[_Point], frame: _Frame) -> list[_Point]:
    """At most `_MOST_POINTS` points, their mean not a number where the axes have no place for it."""
    stride = math.ceil(len(points) / _MOST_POINTS) or 1
    kept = [*points[:-1:stride], *points[-1:]]
    return [
        p
        if math.isfinite(p.mean)
        and (frame.x_scale == "linear" or p.x > 0)
        and (frame.y_scale == "linear" or p.mean > 0)
        else p._replace(mean=math.nan, low=None, high=None)
        for p in kept
    ]


def _there(points: Sequence[_Point]) -> list[_Point]:
    return [p for p in points if not math.isnan(p.mean)]


def _x_axis(points: Sequence[_Point], frame: _Frame) -> Axis:
    xs = [p.x for p in points] or [0.1, 1.0]
    if frame.x_scale == "log":  # doses are powers of two as often as of ten: ticks where they are
        return log_axis(xs, at=frame.ticks or xs)
    return linear_axis(xs, tight=True, at=frame.ticks)


def _y_axis(points: Sequence[_Point], frame: _Frame) -> Axis:
    means = [p.mean for p in points]
    ends = [end for p in points for end in (p.low, p.high)]
    if frame.y_scale == "linear":
        return interval_axis([*means, frame.chance], ends)
    # A band may reach 0 or below, where a log axis has no place: it ends under the lowest mean.
    lowest = min(means, default=0.1) / 2
    shown = [v for v in (*means, *ends, frame.chance) if v is not None and math.isfinite(v)]
    return log_axis([max(v, lowest) for v in shown] or [0.1, 1.0])


def _path(points: Sequence[tuple[float, float]], x_axis: Axis, y_axis: Axis) -> str:
    """Places in the 1000 x 1000 box, whose y runs downwards."""
    return "L".join(
        f"{10 * x_axis.place(x):.4g} {10 * (100 - y_axis.place(y)):.4g}" for x, y in points
    )


def _mean_path(points: Sequence[_Point], x_axis: Axis, y_axis: Axis) -> str:
    """One stroke for each unbroken run of points."""
    strokes = [
        _path([(p.x, p.mean) for p in run], x_axis, y_axis)
        for is_gap, run in groupby(points, key=lambda p: math.isnan(p.mean))
        if not is_gap
    ]
    return "".join(f"M{stroke}" for stroke in strokes)


def _band_path(points: Sequence[_Point], x_axis: Axis, y_axis: Axis) -> str:
    """One closed outline for each unbroken run of points that have an interval."""
    outlines = []
    for has_interval, run in groupby(
        points, key=lambda p: p.low is not None and p.high is not None
    ):
        if has_interval:
            ahead = list(run)
            there = [(p.x, p.low) for p in ahead if p.low is not None]
            back = [(p.x, p.high) for p in reversed(ahead) if p.high is not None]
            outlines.append(_path(there + back, x_axis, y_axis))
    return "".join(f"M{outline}Z" for outline in outlines)


def _markers(
    points: Sequence[_Point], nth: int, x_axis: Axis, y_axis: Axis
) -> list[tuple[float, float]]:
    """Every point of a short curve, six of a long one; shifted so that equal curves both show."""
    shown = points
    if len(points) > _MOST_MARKERS:
        step = len(points) / 6
        shown = [points[int((k + 0.1 + nth % 5 / 6) * step)] for k in range(6)]
    return [(x_axis.place(p.x), round(100 - y_axis.place(p.mean), 2)) for p in shown]


def _spread(wanted: Sequence[float], heights: Sequence[float], bottom: float) -> list[float]:
    """Tops of labels, each near the height wanted for its middle, none over another."""
    order = sorted(range(len(wanted)), key=lambda k: wanted[k])
    tops = [0.0] * len(wanted)
    reach = 0.0
    for k in order:
        tops[k] = max(reach, wanted[k] - heights[k] / 2)
        reach = tops[k] + heights[k]
    limit = bottom
    for k in reversed(order):
        tops[k] = round(min(tops[k], limit - heights[k]), 1)
        limit = tops[k]
    return tops
