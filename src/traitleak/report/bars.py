"""Before and after for each candidate: a strip a candidate, in it a lane a series.

A lane has a tick where the model stood before, and the mean and interval of where it stands after
its training. The templates draw it as they draw every strip.
"""

from __future__ import annotations

from collections.abc import Mapping

from traitleak.report.axes import interval_axis
from traitleak.report.formats import (
    NO_INTERVAL,
    cell_decimals,
    counts_text,
    decimals_for,
    interval_name,
    interval_text,
    number,
)
from traitleak.report.looks import Style
from traitleak.report.strips import Mark, Row, Strips, placed
from traitleak.report.tables import Table, interval_notes
from traitleak.results import Bars, Estimate

__all__ = ["LANE", "bar_strips", "bar_table"]

LANE = 20  # px: a lane's height; the style sheet has the same for the values beside it
_EDGE = 4  # px above the first lane and below the last


def bar_strips(bars: Bars, looks: Mapping[str, Style]) -> Strips:
    """The candidates as rows, in their order; the series as lanes, in theirs."""
    estimates = _estimates(bars)
    afters = [e for series in bars.series for e in series.after]
    axis = interval_axis(
        [*(e.value for e in estimates), bars.chance],
        [end for e in afters for end in (e.low, e.high)],
        tight=True,
    )
    decimals = cell_decimals(e.value for e in estimates)
    rows = []
    for k, candidate in enumerate(bars.candidates):
        values = [
            f"{number(s.before[k].value, decimals)} → {number(s.after[k].value, decimals)}"
            for s in bars.series
        ]
        said = [f"{s.label} {value}" for s, value in zip(bars.series, values, strict=True)]
        rows.append(
            Row(
                label=candidate,
                description="",
                style=None,
                values=values,
                height=LANE * len(bars.series) + 2 * _EDGE,
                marks=[
                    Mark(
                        style=looks[series.name],
                        y=_EDGE + LANE // 2 + LANE * i,
                        mean=placed(series.after[k], axis),
                        dots=[],
                        before=axis.place(series.before[k].value),
                        is_own=series.trait == candidate,
                    )
                    for i, series in enumerate(bars.series)
                ],
                text=f"{candidate}: {'; '.join(said)}",
            )
        )
    return Strips(
        rows,
        axis.labels,
        axis.zero(bars.chance),
        axis.mark(bars.chance, bars.chance_name),
        bars.value_name,
        interval_name(afters),
        before=" or ".join(dict.fromkeys(series.before_name for series in bars.series)),
    )


def bar_table(bars: Bars) -> Table:
    """A row a candidate: what it was before, once for all series that share it, and after."""
    decimals = decimals_for(e.value for e in _estimates(bars))
    columns: list[tuple[str, list[Estimate]]] = []
    for series in bars.series:
        if all(series.before != column for _, column in columns):
            columns.append((series.before_name, series.before))
        columns.append((series.label, series.after))
    rows = [
        [candidate, *(_text(column[k], decimals) for _, column in columns)]
        for k, candidate in enumerate(bars.candidates)
    ]
    notes = [f"Shown: {bars.value_name}."]
    notes += [f"The teacher of {s.label} was given: {s.trait}." for s in bars.series if s.trait]
    counts = [counts_text(series.after) for series in bars.series]
    if len(set(counts)) == 1:
        notes.append(f"{counts[0]} each.")
    else:
        notes += [f"{s.label}: {n}." for s, n in zip(bars.series, counts, strict=True)]
    if any(e.n < 2 for s in bars.series for e in s.after):
        notes.append(f"{NO_INTERVAL[0].upper()}{NO_INTERVAL[1:]}.")
    named = [(s.label, e) for s in bars.series for e in s.after]
    return Table(
        bars.title,
        ["candidate", *(name for name, _ in columns)],
        rows,
        notes + interval_notes(named),
    )


def _text(estimate: Estimate, decimals: int) -> str:
    """The mean with its interval; one model before any training has none to be missed."""
    mean, interval = number(estimate.value, decimals), interval_text(estimate, decimals)
    return f"{mean} {interval}" if interval.startswith("[") else mean


def _estimates(bars: Bars) -> list[Estimate]:
    return [e for series in bars.series for e in (*series.before, *series.after)]
