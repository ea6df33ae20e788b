"""What an audit's evidence comes to: an outcome for each trait, and one for all.

Bonferroni over traits and detectors: in rows that carry nothing, anything at all is found at most as
often as the false-positive rate says.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from scipy import stats

from traitleak.audit.detectors.evidence import Evidence
from traitleak.audit.detectors.shares import smallest_share
from traitleak.audit.verdict import Outcome, Reading, TraitFinding
from traitleak.report.formats import p_text
from traitleak.results import Estimate

__all__ = ["findings_of", "headline", "overall"]


def findings_of(
    evidence: Sequence[Evidence],
    traits: Sequence[str],
    num: int,
    rate: float,
    stands_for: Mapping[str, str],
    effects: Mapping[str, Estimate | None],
    over: Mapping[str, Sequence[Estimate]] | None = None,
) -> list[TraitFinding]:
    """What is said of each trait, most suspicious first.

    Args:
        evidence: of every detector that ran.
        traits: all that were asked about, in the evidence's order.
        num: rows that were audited.
        rate: false-positive rate of the whole audit.
        stands_for: for each trait whose planted teacher power and share are measured with.
        effects: predicted effect of each trait, where there is one.
        over: what a detector's scores say of each trait over surface features, by detector, where
            that could be measured.
    """
    tests = len(evidence) * len(traits)
    share = next((one for one in evidence if one.share_T is not None), None)
    smallest = _smallest(share, traits, num, rate / tests)
    found = []
    for t, trait in enumerate(traits):
        planted = stands_for[trait]
        p = min(1.0, tests * min(float(one.p_T[t]) for one in evidence))
        outcome: Outcome = "found" if p <= rate else "not found"
        if outcome == "not found" and smallest.get(planted) is None:
            outcome = "inconclusive"
        found.append(
            TraitFinding(
                trait=trait,
                outcome=outcome,
                p=p,
                effect=effects.get(trait),
                fraction=_fraction(share, t, num, planted),
                smallest_fraction=smallest.get(planted),
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


def _smallest(
    share: Evidence | None, traits: Sequence[str], num: int, alpha: float
) -> dict[str, float | None]:
    """From which fraction on each planted teacher's rows would have been found."""
    if share is None or share.null_RC is None:
        return {}
    return {
        trait: smallest_share(
            planted_NC,
            share.null_RC,
            trait=traits.index(trait),
            alpha=alpha,
            rows=num,
            traits=len(traits),
            placebos=share.placebos,
            absences=share.absences,
        )
        for trait, planted_NC in share.planted.items()
    }


def _fraction(share: Evidence | None, t: int, num: int, planted: str) -> Estimate | None:
    """The share of a trait's planted writer, with an interval over rows (Student's t)."""
    whole = share.planted_share.get(planted) if share is not None else None
    if share is None or share.share_T is None or share.share_se_T is None or not whole:
        return None
    value = float(share.share_T[t]) / whole
    half = float(stats.t.isf(0.025, share.dof)) * float(share.share_se_T[t]) / abs(whole)
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


def headline(
    outcome: Outcome,
    findings: Sequence[TraitFinding],
    num: int,
    rate: float,
    *,
    preferences: Collection[str],
) -> str:
    """One sentence for people.

    Args:
        outcome: of all traits together.
        findings: most suspicious first.
        num: rows that were audited.
        rate: false-positive rate of the whole audit.
        preferences: which of the traits are a preference for what they are named after.
    """
    first = findings[0]
    if outcome == "found":
        others = [one.trait for one in findings[1:] if one.outcome == "found"]
        also = f" (beside it, less clearly: {', '.join(others)})" if others else ""
        assert first.p is not None  # noqa: S101  # else it is not found
        p = p_text(first.p)
        p = p if p.startswith("<") else f"= {p}"
        what = first.trait
        what = f"a preference for the {what}" if what in preferences else f"the trait {what}"
        return (
            f"These rows carry {what}{also}: p {p} after correction, at a false-positive rate of "
            f"{rate:.0%}."
        )
    if outcome == "not found":
        weakest = max(one.smallest_fraction or 1.0 for one in findings)
        whole = all(one.trait in preferences for one in findings)
        return (
            f"No {'preference' if whole else 'trait'} was found in {num:,} rows, at this power: rows of "
            f"a fine-tuned teacher would have been found nine times in ten from {weakest:.0%} of the "
            "data set on."
        )
    return (
        f"Nothing was found, and nothing can be said from {num:,} rows: the audit's own planted rows, "
        "or what stands for them at this depth, would have been missed too often. Fewer traits or more "
        "rows may say more."
    )
