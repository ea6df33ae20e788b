"""A verdict's tables as text, which the page, the Markdown and the terminal all print."""

from __future__ import annotations

from typing import Any

from traitleak.audit.report.words import (
    OUTCOME_WORDS,
    cut,
    effect_text,
    fraction_text,
    percent_decimals,
    power_text,
    values_of,
)
from traitleak.audit.verdict import Outcome, Verdict
from traitleak.report.formats import (
    cell_decimals,
    decimals_for,
    estimate_text,
    interval_name,
    number,
    p_text,
    short,
    time_text,
)
from traitleak.report.looks import Style
from traitleak.report.tables import ABSENT, Table, interval_notes

__all__ = ["LOOKS", "detector_table", "reading_table", "setting_pairs", "trait_table", "z_table"]

LOOKS: dict[Outcome, Style] = {
    "found": Style("found", "triangle", hollow=False, dash=""),
    "not found": Style("not-found", "circle", hollow=True, dash=""),
    "inconclusive": Style("inconclusive", "square", hollow=True, dash=""),
}
"""How an outcome looks beside a trait's name: a shape of its own, never colour alone."""

_NAME = 60  # characters of a trait's or detector's name
_SENTENCE = 400


def trait_table(verdict: Verdict, *, short: bool = False) -> Table:
    """Each trait: what is said of it, corrected p, predicted effect, fraction, and the power.

    Args:
        verdict: what the audit says.
        short: for a terminal: fewer decimals and shorter words, no notes.
    """
    findings = verdict.traits
    effects = [f.effect for f in findings if f.effect is not None]
    fractions = [f.fraction for f in findings if f.fraction is not None]
    places = (cell_decimals if short else decimals_for)(values_of(effects))
    percents = percent_decimals(fractions)
    rows = [
        [
            cut(f.trait, _NAME),
            f.outcome if short else OUTCOME_WORDS[f.outcome],
            ABSENT if f.p is None else p_text(f.p),
            ABSENT if f.effect is None else effect_text(f.effect, places),
            ABSENT if f.fraction is None else fraction_text(f.fraction, percents),
            power_text(f),
        ]
        for f in findings
    ]
    interval_of = ["", ""] if short else [_interval_of(effects), _interval_of(fractions)]
    head = [
        "trait",
        "outcome",
        "corrected p",
        f"predicted effect, nats{interval_of[0]}",
        f"rows that carry it, %{interval_of[1]}",
        f"smallest share {'found' if short else 'it would have found'}",
    ]
    if short:
        return Table("Traits", head, rows, [])
    notes = [
        "Corrected p: the smallest over detectors, corrected for every trait and detector tested.",
        "Smallest share: of planted rows, found in nine of ten data sets of this size.",
    ]
    if effects:
        notes.append("Predicted effect: on the trait's margin in a student trained on these rows.")
    if len(effects) < len(findings):
        notes.append(
            f"{ABSENT}: no detector that ran gives this figure; a share of rows is counted in planted "
            "rows, where these show their trait."
        )
    named = [(f"effect, {f.trait}", f.effect) for f in findings if f.effect is not None]
    named += [(f"share, {f.trait}", f.fraction) for f in findings if f.fraction is not None]
    notes += interval_notes(named)
    looks = [LOOKS[f.outcome] for f in findings]
    return Table("Traits", head, rows, notes, looks, wordy=(1,))


def _interval_of(estimates: list[Any]) -> str:
    with_interval = [e for e in estimates if e.low is not None]
    return f" [{interval_name(with_interval)}]" if with_interval else ""


def reading_table(verdict: Verdict) -> Table:
    """A row for each trait and detector: score, z, p, and the gain over surface features."""
    readings = [(f, r) for f in verdict.traits for r in f.readings]
    rows = [
        [
            cut(f.trait, _NAME),
            cut(r.detector, _NAME),
            number(r.score, None, signed=True),
            ABSENT if r.z is None else number(r.z, 2, signed=True),
            ABSENT if r.p is None else p_text(r.p),
            ABSENT if r.over_surface is None else estimate_text(r.over_surface, 3, signed=True),
        ]
        for f, r in readings
    ]
    notes = [
        "z: the score over its standard error under the null. p: of this trait and detector alone.",
        "Over surface: area under the ROC curve of the row scores, less that of surface features; "
        "settings say what was compared, or why nothing was.",
    ]
    over = [r.over_surface for _, r in readings if r.over_surface is not None]
    head = ["trait", "detector", "score", "z", "p", f"over surface{_interval_of(over)}"]
    looks = [LOOKS[f.outcome] for f, _ in readings]
    return Table("Readings", head, rows, notes, looks, wordy=(1,))


def z_table(verdict: Verdict) -> Table:
    """A row for each trait, a column for each detector: z."""
    detectors = list(dict.fromkeys(r.detector for f in verdict.traits for r in f.readings))
    rows = []
    for finding in verdict.traits:
        z_of = {reading.detector: reading.z for reading in finding.readings}
        cells = [
            ABSENT if (z := z_of.get(detector)) is None else number(z, 1, signed=True)
            for detector in detectors
        ]
        rows.append([cut(finding.trait, _NAME), *cells])
    return Table("z", ["z by detector", *(cut(d, _NAME) for d in detectors)], rows, [])


def detector_table(verdict: Verdict) -> Table:
    """What ran: what it reads, what its p comes from, and how long it took."""
    rows = [
        [
            cut(d.name, _NAME),
            cut(d.what, _SENTENCE),
            cut(d.null, _SENTENCE),
            time_text(d.seconds),
        ]
        for d in verdict.detectors
    ]
    head = ["detector", "what it reads", "its null", "time"]
    return Table("Detectors", head, rows, [], wordy=(1, 2))


def setting_pairs(verdict: Verdict) -> list[tuple[str, str]]:
    """Each detector's settings as one line of text."""
    return [
        (cut(d.name, _NAME), cut(_flat(d.settings), 4 * _SENTENCE))
        for d in verdict.detectors
        if d.settings
    ]


def _flat(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case None:
            return ABSENT
        case float():
            return number(value, None) if value != value else short(value)
        case dict():
            return ", ".join(f"{str(key).replace('_', ' ')} {_flat(v)}" for key, v in value.items())
        case list() | tuple():
            return ", ".join(map(_flat, value)) or "none"
    return str(value)
