"""The report's tables as text: what the page and the Markdown both print."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from traitleak.report.formats import (
    counts_text,
    decimals_for,
    estimate_text,
    interval_name,
    number,
    p_text,
    percent_text,
    published_text,
    short,
)
from traitleak.report.looks import Style
from traitleak.results import Curve, CurvePanel, DataTable, Estimate, Results, Sweep

__all__ = [
    "ABSENT",
    "Table",
    "comparison_table",
    "condition_table",
    "curve_table",
    "data_table",
    "interval_notes",
    "sweep_table",
]

ABSENT = "–"
_NUMBER = re.compile(r"[-−+±<>≤≥~≈]?\s*[.\d∞]")  # how a cell begins that is not words


class Table(NamedTuple):
    """Rows of cells under a head, with the notes that belong to them.

    `looks` has one a row; `wordy` are the columns of words, which are set to the left and wrap.
    """

    name: str
    head: list[str]
    rows: list[list[str]]
    notes: list[str]
    looks: Sequence[Style] = ()
    wordy: Sequence[int] = ()


def condition_table(results: Results, looks: Mapping[str, Style]) -> Table:
    """Each condition's mean, interval and n, and the published value where one is known."""
    conditions = results.conditions
    estimates = [(c.label, c.estimate) for c in conditions]
    decimals = decimals_for(e.value for _, e in estimates)
    signed = results.chance == 0  # as in the figure
    head = ["condition", "role", f"mean [{interval_name(e for _, e in estimates)}]", "n"]
    rows = [
        [c.label, c.role, estimate_text(c.estimate, decimals, signed=signed), f"{c.estimate.n:,}"]
        for c in conditions
    ]
    notes = interval_notes(estimates)
    sources = [(c.label, c.published.source) for c in conditions if c.published]
    if sources:
        head.append("published")
        for row, c in zip(rows, conditions, strict=True):
            row.append(published_text(c.published) if c.published else ABSENT)
        notes += _grouped("Published values", sources)
    return Table("Conditions", head, rows, notes, [looks[c.name] for c in conditions])


def comparison_table(results: Results) -> Table:
    """Each difference with its interval and p, in the decimals of the conditions."""
    named = [
        (f"{_label(c.effect, results)} minus {_label(c.control, results)}", c)
        for c in results.comparisons
    ]
    estimates = [(name, c.difference) for name, c in named]
    decimals = decimals_for(
        [c.estimate.value for c in results.conditions] or [e.value for _, e in estimates]
    )
    rows = [
        [
            name,
            estimate_text(c.difference, decimals, signed=True),
            f"{c.difference.n:,}",
            p_text(c.p),
        ]
        for name, c in named
    ]
    notes = interval_notes(estimates) + _grouped("p", [(name, c.test) for name, c in named])
    head = ["comparison", f"difference [{interval_name(e for _, e in estimates)}]", "n", "p"]
    return Table("Comparisons", head, rows, notes)


def sweep_table(sweep: Sweep) -> Table:
    """A row for each value, a column for each series."""
    estimates = [e for s in sweep.series for e in s.estimates if e is not None]
    decimals = decimals_for(e.value for e in estimates)
    rows = [
        [str(value)]
        + [
            ABSENT
            if (e := s.estimates[k]) is None
            else estimate_text(e, decimals, signed=sweep.chance == 0)
            for s in sweep.series
        ]
        for k, value in enumerate(sweep.values)
    ]
    notes = [f"{counts_text(estimates)} each."] if estimates else []
    return Table(sweep.title, [sweep.x_label, *(s.label for s in sweep.series)], rows, notes)


def curve_table(panel: CurvePanel) -> Table:
    """Each curve at its first point, halfway and at its last."""
    means = [value for curve in panel.curves for value in curve.mean]
    decimals = None if panel.y_scale == "log" else decimals_for(means)
    rows = [
        [curve.label, short(curve.x[k]), _at(curve, k, decimals, signed=panel.chance == 0)]
        for curve in panel.curves
        for k in sorted({0, len(curve.x) // 2, len(curve.x) - 1})
        if curve.x
    ]
    return Table(panel.title, ["curve", panel.x_label, panel.y_label], rows, [])


def data_table(table: DataTable) -> Table:
    """A table as it was given; columns that hold words are told from columns of numbers."""
    wordy = [
        k
        for k in range(1, len(table.head))
        if not all(_NUMBER.match(row[k]) for row in table.rows if row[k] not in {"", ABSENT})
    ]
    return Table(table.title, table.head, table.rows, table.notes, wordy=wordy)


def _at(curve: Curve, k: int, decimals: int | None, *, signed: bool) -> str:
    low, high = curve.low[k], curve.high[k]
    mean = number(curve.mean[k], decimals, signed=signed)
    if low is None or high is None:
        return mean
    ends = [number(end, decimals, signed=signed) for end in (low, high)]
    return f"{mean} [{ends[0]},\N{NO-BREAK SPACE}{ends[1]}]"


def _label(name: str, results: Results) -> str:
    """A condition's label for its name; what follows the name in brackets is kept."""
    labels = {c.name: c.label for c in results.conditions}
    known, bracket, rest = name.partition(" (")
    return labels.get(known, known) + bracket + rest


def interval_notes(estimates: Sequence[tuple[str, Estimate]]) -> list[str]:
    """How the intervals of labelled estimates were made: a note for each way."""
    methods = [
        (label, f"{percent_text(e.confidence)}, {e.method}")
        for label, e in estimates
        if e.low is not None
    ]
    return _grouped("Intervals", methods)


def _grouped(lead: str, texts: Sequence[tuple[str, str]]) -> list[str]:
    """One note where all labels share a text, else one for each text with the labels it holds for."""
    labels_of: dict[str, list[str]] = {}
    for label, text in texts:
        labels = labels_of.setdefault(text, [])
        if label not in labels:
            labels.append(label)
    if len(labels_of) == 1:
        return [f"{lead}: {text}." for text in labels_of]
    return [f"{lead} ({', '.join(labels)}): {text}." for text, labels in labels_of.items()]
