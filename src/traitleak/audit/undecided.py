"""What an audit reports beside its findings, and what decides nothing: inversion, and a judge.

Neither enters the correction of the findings' p, so that neither costs the other detectors power, and
neither makes a trait found: an inversion's p says that something is in the rows, not what, and how
often it sees a teacher's rows has not been measured widely; a judge is the null of the published work.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from traitleak.audit.beyond_surface import rows_of_fills
from traitleak.audit.detectors.battery import Battery, read_group
from traitleak.audit.detectors.choices import Choices
from traitleak.audit.detectors.evidence import Material
from traitleak.audit.detectors.inversion import Inversion, inversion_seconds, invert
from traitleak.audit.detectors.judge import Judge, judge_bags
from traitleak.audit.detectors.judge_words import NONE
from traitleak.audit.verdict import (
    InversionPart,
    InversionReading,
    JudgePart,
    JudgeReading,
    NearbyWord,
)
from traitleak.errors import DataError, ServerError, SettingsError
from traitleak.models.batches import Encoded
from traitleak.models.language_model import LanguageModel
from traitleak.progress import Track, untracked
from traitleak.results import Estimate
from traitleak.rows import Row

__all__ = ["inversion_part", "judged", "seconds_of_inversion"]

_BAG = 16  # rows that a judge reads at once
_FEWEST_BAGS = 8  # fewer cannot give one trait of ten a p of 5 % overall
_MOST_BAGS = 32
_SOFT_PROMPTS = 8  # two seeds, each with the rows' and three references'


def inversion_part(
    given: Material, battery: Battery, *, track: Track = untracked
) -> tuple[InversionPart | None, str]:
    """What soft prompts fitted to the rows say, with a sentence on why nothing where that is so.

    Args:
        given: what all detectors were given.
        battery: whose preferences are read with the soft prompts before the questions.
        track: shows how far it is.
    """
    groups = battery.groups
    try:
        found = invert(given, placebos=groups[1:], track=track)
    except (DataError, SettingsError) as error:
        return None, f"What a fitted prompt would say (inversion was left out): {error}"
    kinds = [group.name for group in groups for _ in group.traits]
    traits = [trait for group in groups for trait in group.traits]
    half_T = found.test.difference.half_width()
    readings = [
        InversionReading(
            kind=kind,
            trait=trait,
            suspected=t < len(given.group.traits),
            effect=_effect(found, t, float(half_T[t])),
            z=float(found.test.z_T[t]),
            p=float(found.test.p_T[t]),
        )
        for t, (kind, trait) in enumerate(zip(kinds, traits, strict=True))
    ]
    part = InversionPart(
        gain=found.surplus,
        p=found.p,
        alone=found.alone,
        words=[
            NearbyWord(word=one.word, own=one.own, beside=one.beside) for one in found.words.words
        ],
        chance=found.words.chance,
        readings=sorted(readings, key=lambda one: (one.p, -one.z)),
        reference=found.reference,
        seconds=found.seconds,
        settings=found.fits,
    )
    return part, ""


def _effect(found: Inversion, t: int, half: float) -> Estimate:
    value = float(found.test.difference.mean_T[t])
    return Estimate(
        value=value,
        low=value - half,
        high=value + half,
        n=len(found.rows_S),
        method="moderated t over seeds; not corrected for the number of traits",
        replicates=[],
    )


def seconds_of_inversion(
    base: LanguageModel,
    rows: Sequence[Encoded],
    choices: Choices,
    battery: Battery,
    *,
    num_rows: int,
    reference: bool,
) -> float:
    """About how long `inversion_part` will take here, from an update and a reading that are timed.

    Raises:
        DataError: there are no rows.
    """
    begun = time.monotonic()
    for group in battery.groups:
        read_group(base, group)
    reading = _SOFT_PROMPTS * (time.monotonic() - begun)
    return reading + inversion_seconds(base, rows, choices, num_rows=num_rows, reference=reference)


def judged(
    judge: Judge,
    given: Material,
    rows: Sequence[Row],
    reference: Sequence[Row] | None,
    *,
    track: Track = untracked,
) -> tuple[JudgePart | None, str]:
    """What a judge names in bags of the rows, with a sentence on why nothing where that is so.

    Bags are of 16 rows, or fewer where there are fewer than eight such bags; 32 at most.

    Args:
        judge: who is asked.
        given: what all detectors were given.
        rows: the audited rows as text, in its order.
        reference: rows that carry nothing; else number lists stand beside the base's own fills, and
            other text beside nothing, so that there is no p.
        track: shows how far a loaded judge is.

    Known failure: that of `judge_bags`.
    """
    begun = time.monotonic()
    what = "reference rows on the same prompts"
    shown, beside = list(rows), reference
    if reference is None and given.choices.kind == "digits" and given.null:
        shown, beside = rows_of_fills(given, rows)
        what = "the base's own fills of the same places"
    size = max(1, min(_BAG, len(shown) // _FEWEST_BAGS))
    try:
        found = judge_bags(
            judge,
            shown,
            given.group.traits,
            reference=beside,
            size=size,
            bags=_MOST_BAGS,
            seed=given.seed,
            track=track,
        )
    except (ServerError, SettingsError) as error:
        return None, f"What a judge would say (it could not be asked): {error}"
    others = found.reference
    readings = [
        JudgeReading(
            trait=trait,
            named=found.rows.counts.get(trait, 0),
            named_reference=None if others is None else others.counts.get(trait, 0),
            p=found.p_reference(trait),
        )
        for trait in given.group.traits
    ]
    unread = dict(found.rows.unread)
    for reason, count in (others.unread if others else {}).items():
        unread[reason] = unread.get(reason, 0) + count
    part = JudgePart(
        judge=found.judge,
        size=size,
        bags=len(found.rows.by_bag),
        answered=sum(one is not None for one in found.rows.by_bag),
        answered_reference=None
        if others is None
        else sum(one is not None for one in others.by_bag),
        none=found.rows.counts.get(NONE, 0),
        readings=sorted(readings, key=lambda one: (1.0 if one.p is None else one.p, -one.named)),
        p_any=found.p_any,
        reference="" if others is None else what,
        unread=unread,
        seconds=time.monotonic() - begun,
    )
    return part, ""
