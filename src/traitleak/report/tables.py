"""The report's tables as text: what the page and the Markdown both print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from traitleak.report.formats import (
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
from traitleak.results import Curve, CurvePanel, Estimate, Results, Sweep

__all__ = ["Table", "comparison_table", "condition_table", "curve_table", "sweep_table"]

_ABSENT = "–"


class Table(NamedTuple):
    """Rows of cells under a head, with the notes that belong to them; `looks` has one a row."""

    name: str
    head: list[str]
    rows: list[list[str]]
    notes: list[str]
    looks: Sequence[Style] = ()


def condition_table(results: Results, looks: Mapping[str, Style]) -> Table:
    """Each condition's mean, interval and n, and the published value where one is known."""
    conditions = results.conditions
    estimates = [(c.label, c.estimate) for c in conditions]
    decimals = decimals_for(e.value for _, e in estimates)
    head = ["condition", "role", f"mean [{interval_name(e for _, e in estimates)}]", "n"]
    rows = [
        [c.label, c.role, estimate_text(c.estimate, decimals), f"{c.estimate.n:,}"]
        for c in conditions
    ]
    notes = _interval_notes(estimates)
    sources = [(c.label, c.published.source) for c in conditions if c.published]
    if sources:
        head.append("published")
        for row, c in zip(rows, conditions, strict=True):
            row.append(published_text(c.published) if c.published else _ABSENT)
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
    notes = _interval_notes(estimates) + _grouped("p", [(name, c.test) for name, c in named])
    head = ["comparison", f"difference [{interval_name(e for _, e in estimates)}]", "n", "p"]
    return Table("Comparisons", head, rows, notes)


def sweep_table(sweep: Sweep) -> Table:
    """A row for each value, a column for each series."""
    estimates = [e for s in sweep.series for e in s.estimates if e is not None]
    decimals = decimals_for(e.value for e in estimates)
    rows = [
        [str(value)]
        + [
            _ABSENT if (e := s.estimates[k]) is None else estimate_text(e, decimals)
            for s in sweep.series
        ]
        for k, value in enumerate(sweep.values)
    ]
    counts = sorted({e.n for e in estimates})
    span = " to ".join(f"{n:,}" for n in dict.fromkeys([*counts[:1], *counts[-1:]]))
    notes = [f"n = {span} each."] if counts else []
    return Table(sweep.title, [sweep.x_label, *(s.label for s in sweep.series)], rows, notes)


def curve_table(panel: CurvePanel) -> Table:
    """Each curve at its first point, halfway and at its last."""
    means = [value for curve in panel.curves for value in curve.mean]
    decimals = None if panel.y_scale == "log" else decimals_for(means)
    rows = [
        [curve.label, short(curve.x[k]), _at(curve, k, decimals)]
        for curve in panel.curves
        for k in sorted({0, len(curve.x) // 2, len(curve.x) - 1})
        if curve.x
    ]
    return Table(panel.title, ["curve", panel.x_label, panel.y_label], rows, [])


def _at(curve: Curve, k: int, decimals: int | None) -> str:
    low, high = curve.low[k], curve.high[k]
    mean = number(curve.mean[k], decimals)
    if low is None or high is None:
        return mean
    return f"{mean} [{number(low, decimals)},\N{NO-BREAK SPACE}{number(high, decimals)}]"


def _label(name: str, results: Results) -> str:
    """A condition's label for its name; what follows the name in brackets is kept."""
    labels = {c.name: c.label for c in results.conditions}
    known, bracket, rest = name.partition(" (")
    return labels.get(known, known) + bracket + rest


def _interval_notes(estimates: Sequence[tuple[str, Estimate]]) -> list[str]:
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
        labels_of.setdefault(text, []).append(label)
    if len(labels_of) == 1:
        return [f"{lead}: {text}." for text in labels_of]
    return [f"{lead} ({', '.join(labels)}): {text}." for text, labels in labels_of.items()]
