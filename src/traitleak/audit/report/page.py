"""A verdict as one self-contained HTML page, in the style of a run's report.

The style sheet, tables and figures are the report's own; only what an audit alone shows is added.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from traitleak.audit.report.suspects import shown_rows
from traitleak.audit.report.tables import (
    LOOKS,
    detector_table,
    reading_table,
    setting_pairs,
    trait_table,
)
from traitleak.audit.report.undecided_words import (
    inversion_sentences,
    inversion_tables,
    judge_sentences,
    judge_table,
)
from traitleak.audit.report.words import (
    OUTCOME_WORDS,
    audited_text,
    cut,
    made_visible,
    outcome_text,
    power_text,
    said_sentences,
    skipped_sentence,
)
from traitleak.audit.verdict import TraitFinding, Verdict
from traitleak.report.axes import Axis, interval_axis
from traitleak.report.formats import number, time_text
from traitleak.report.looks import Style
from traitleak.report.strips import Mark, Placed, Row, Strips
from traitleak.results import Estimate

__all__ = ["html_page"]

_TRAITS = 12  # strips of a figure; the table has all traits
_SUSPECTS = 20
_LANE = 18  # px between two marks of a strip
_TOP = 18  # px above the first mark
_HALF = NormalDist().inv_cdf(0.975)  # of a 95 % interval, in standard errors

_DETECTORS = [
    Style(colour, marker, hollow=hollow, dash="")
    for hollow in (False, True)
    for colour, marker in [
        ("effect-1", "circle"),
        ("control-1", "square"),
        ("effect-3", "diamond"),
        ("effect-2", "triangle"),
    ]
]
_SHARE = Style("effect-1", "circle", hollow=False, dash="")
_SMALLEST = Style("reference-2", "diamond", hollow=True, dash="")

_TEMPLATES = Environment(
    loader=ChoiceLoader(
        [PackageLoader("traitleak.audit.report"), PackageLoader("traitleak.report")]
    ),
    undefined=StrictUndefined,
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_TEMPLATES.filters["score"] = lambda value: number(value, None, signed=True)


class _Panel(NamedTuple):
    """A figure with its words."""

    strips: Strips
    caption: str
    looks: list[tuple[str, Style]]


def html_page(verdict: Verdict) -> str:
    """The verdict as a page that asks for nothing from elsewhere and runs nothing.

    The same verdict gives the same bytes. Up to 12 traits are drawn and up to 20 rows shown; the
    tables have all traits.
    """
    verdict = made_visible(verdict)
    left = len(verdict.suspects) - _SUSPECTS
    return _TEMPLATES.get_template("audit.html.j2").render(
        verdict=verdict,
        source=cut(verdict.rows.source, 200),
        outcome=outcome_text(verdict),
        look=LOOKS[verdict.outcome],
        sentences=said_sentences(verdict),
        audited=audited_text(verdict),
        skipped=skipped_sentence(verdict),
        traits=trait_table(verdict),
        readings=reading_table(verdict),
        zs=_z_panel(verdict),
        shares=_share_panel(verdict),
        inversion=inversion_sentences(verdict),
        inversion_tables=inversion_tables(verdict),
        judge=judge_sentences(verdict),
        judge_table=judge_table(verdict),
        suspects=shown_rows(verdict.suspects, _SUSPECTS),
        more_suspects=f"{left:,} more rows are in the JSON." if left > 0 else "",
        detectors=detector_table(verdict),
        settings=setting_pairs(verdict),
        total=f"{time_text(verdict.seconds)} in all.",
    )


def _z_panel(verdict: Verdict) -> _Panel | None:
    """A strip a trait, a mark a detector: z, and its interval under the null's standard error."""
    shown = verdict.traits[:_TRAITS]
    known = {
        (f.trait, r.detector): r.z
        for f in shown
        for r in f.readings
        if r.z is not None and math.isfinite(r.z)
    }
    if not known:
        return None
    detectors = list(dict.fromkeys(detector for _, detector in known))
    looks = {d: _DETECTORS[k % len(_DETECTORS)] for k, d in enumerate(detectors)}
    # The intervals are all as long as each other: none has to be cut.
    points = [z + end for z in known.values() for end in (-_HALF, _HALF)]
    axis = interval_axis([*points, 0.0], [], tight=True)
    rows = []
    for finding in shown:
        here = [(d, known[finding.trait, d]) for d in detectors if (finding.trait, d) in known]
        marks = [
            Mark(
                style=looks[detector],
                y=_LANE * k + _TOP,
                mean=_placed(axis, z, z - _HALF, z + _HALF),
                dots=[],
            )
            for k, (detector, z) in enumerate(here)
        ]
        said = "; ".join(f"{d} z {number(z, 2, signed=True)}" for d, z in here)
        rows.append(_row(finding, marks, said or "no z"))
    strips = Strips(
        rows,
        axis.labels,
        axis.zero(0),
        axis.mark(0, "rows that carry nothing"),
        "z: score over its standard error under the null; larger is more suspicious",
        "95 % interval",
    )
    caption = "Bars: 95 % interval, from the standard error under the null."
    return _Panel(strips, caption + _more(verdict), [(cut(d, 40), looks[d]) for d in detectors])


def _share_panel(verdict: Verdict) -> _Panel | None:
    """A strip a trait: the estimated share of rows, and the smallest that would have been found."""
    shown = verdict.traits[:_TRAITS]
    shares = [f.fraction for f in shown if f.fraction is not None]
    if not shares:
        return None
    smallest = [f.smallest_fraction for f in shown if f.smallest_fraction is not None]
    axis = interval_axis(
        [0.0, *(100 * e.value for e in shares), *(100 * s for s in smallest)],
        [100 * end for e in shares for end in (e.low, e.high) if end is not None],
        tight=True,
    )
    rows = []
    for finding in shown:
        marks = []
        said = []
        if finding.fraction is not None:
            marks.append(Mark(_SHARE, _TOP, _placed_share(axis, finding.fraction), []))
            said.append(f"estimated {number(100 * finding.fraction.value, 1)} %")
        if finding.smallest_fraction is not None:
            place = axis.place(100 * finding.smallest_fraction)
            marks.append(Mark(_SMALLEST, _TOP + _LANE * len(marks), Placed(place, None, None), []))
        said.append(f"smallest share found: {power_text(finding)}")
        if marks:
            rows.append(_row(finding, marks, "; ".join(said)))
    label = "share of rows, %"
    strips = Strips(rows, axis.labels, axis.zero(None), None, label, "interval")
    looks = [("estimated share", _SHARE)]
    looks += [("smallest share that would have been found", _SMALLEST)] if smallest else []
    caption = "Found: in nine of ten data sets of this size."
    if len(smallest) < len(shown):
        caption += " No diamond: not even all rows would have been found."
    return _Panel(strips, caption + _more(verdict), looks)


def _row(finding: TraitFinding, marks: list[Mark], said: str) -> Row:
    outcome = OUTCOME_WORDS[finding.outcome]
    name = cut(finding.trait, 60)
    return Row(
        label=name,
        description="" if finding.outcome == "not found" else outcome,
        style=LOOKS[finding.outcome],
        values=[],
        height=_LANE * max(0, len(marks) - 1) + 2 * _TOP,
        marks=marks,
        text=f"{name}, {outcome}: {said}",
    )


def _placed(axis: Axis, value: float, low: float, high: float) -> Placed:
    return Placed(
        axis.place(value), axis.place(low), axis.place(high), low < axis.low, high > axis.high
    )


def _placed_share(axis: Axis, share: Estimate) -> Placed:
    if share.low is None or share.high is None:
        return Placed(axis.place(100 * share.value), None, None)
    return _placed(axis, *(100 * value for value in (share.value, share.low, share.high)))


def _more(verdict: Verdict) -> str:
    left = len(verdict.traits) - _TRAITS
    return f" The {left} least suspicious traits are in the table only." if left > 0 else ""
