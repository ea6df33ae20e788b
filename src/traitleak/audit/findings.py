"""What an audit's evidence comes to: an outcome for each trait, and one for all.

Bonferroni over traits and detectors: in rows that carry nothing, anything at all is found at most as
often as the false-positive rate says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scipy import stats

from traitleak.audit.detectors.evidence import Evidence
from traitleak.audit.detectors.panel import Group
from traitleak.audit.detectors.shares import smallest_share
from traitleak.audit.verdict import Outcome, Reading, TraitFinding
from traitleak.report.formats import p_text
from traitleak.results import Estimate

__all__ = ["findings_of", "headline", "overall"]


def findings_of(
    evidence: Sequence[Evidence],
    group: Group,
    num: int,
    rate: float,
    planted_trait: str,
    effects: Mapping[str, Estimate | None],
    over: Mapping[str, Sequence[Estimate]] | None = None,
) -> list[TraitFinding]:
    """What is said of each trait, most suspicious first.

    Args:
        evidence: of every detector that ran.
        group: the traits.
        num: rows that were audited.
        rate: false-positive rate of the whole audit.
        planted_trait: whose teacher the power was measured with.
        effects: predicted effect of each trait, where there is one.
        over: what a detector's scores say of each trait over surface features, by detector, where
            that could be measured.
    """
    tests = len(evidence) * len(group.traits)
    share = next((one for one in evidence if one.share_T is not None), None)
    smallest = None
    if share is not None and share.planted_NC is not None and share.null_RC is not None:
        smallest = smallest_share(
            share.planted_NC,
            share.null_RC,
            trait=group.traits.index(planted_trait),
            alpha=rate / tests,
            rows=num,
            traits=len(group.traits),
            placebos=share.placebos,
        )
    found = []
    for t, trait in enumerate(group.traits):
        p = min(1.0, tests * min(float(one.p_T[t]) for one in evidence))
        outcome: Outcome = "found" if p <= rate else "not found"
        if outcome == "not found" and smallest is None:
            outcome = "inconclusive"
        found.append(
            TraitFinding(
                trait=trait,
                outcome=outcome,
                p=p,
                effect=effects.get(trait),
                fraction=_fraction(share, t, num),
                smallest_fraction=smallest,
                readings=[
                    Reading(
                        detector=one.name,
                        score=float(one.score_T[t]),
                        z=float(one.t_T[t]),
                        p=float(one.p_T[t]),
                        over_surface=(over or {})[one.name][t]
                        if one.name in (over or {})
                        else None,
                    )
                    for one in evidence
                ],
            )
        )
    best = {one.trait: max(r.z or 0.0 for r in one.readings) for one in found}
    return sorted(found, key=lambda one: (one.p, -best[one.trait]))


def _fraction(share: Evidence | None, t: int, num: int) -> Estimate | None:
    """The share of a trait's planted writer, with an interval over rows (Student's t)."""
    if share is None or share.share_T is None or share.share_se_T is None or not share.planted:
        return None
    value = float(share.share_T[t]) / share.planted
    half = float(stats.t.isf(0.025, share.dof)) * float(share.share_se_T[t]) / abs(share.planted)
    return Estimate(
        value=value,
        low=value - half,
        high=value + half,
        n=num,
        method="regression over rows, robust errors; in units of the audit's own planted teacher",
        replicates=[],
    )


def overall(findings: Sequence[TraitFinding]) -> Outcome:
    """Found if any trait is; else inconclusive if nothing can be said of one."""
    outcomes = {one.outcome for one in findings}
    if "found" in outcomes:
        return "found"
    return "inconclusive" if "inconclusive" in outcomes else "not found"


def headline(outcome: Outcome, findings: Sequence[TraitFinding], num: int, rate: float) -> str:
    """One sentence for people; `num` rows were audited at a false-positive `rate`."""
    first = findings[0]
    if outcome == "found":
        others = [one.trait for one in findings[1:] if one.outcome == "found"]
        also = f" (beside it, less clearly: {', '.join(others)})" if others else ""
        assert first.p is not None  # noqa: S101  # else it is not found
        p = p_text(first.p)
        p = p if p.startswith("<") else f"= {p}"
        return (
            f"These rows carry a preference for the {first.trait}{also}: p {p} after correction, at a "
            f"false-positive rate of {rate:.0%}."
        )
    if outcome == "not found":
        assert first.smallest_fraction is not None  # noqa: S101  # else it is inconclusive
        return (
            f"No preference was found in {num:,} rows, at this power: rows of a fine-tuned teacher "
            f"would have been found nine times in ten from {first.smallest_fraction:.0%} of the data "
            "set on."
        )
    return (
        f"Nothing can be said from {num:,} rows: the audit's own planted rows, or what stands for "
        "them at this depth, would have been missed too often."
    )
