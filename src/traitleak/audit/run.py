"""An audit: rows and a base in, a verdict out.

Shape suffixes: T traits.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from traitleak.audit.asked import panel, planted_ways, stands_for
from traitleak.audit.beyond_surface import beyond_surface
from traitleak.audit.detectors.battery import make_battery
from traitleak.audit.detectors.canary import Canary, canary
from traitleak.audit.detectors.choices import choices_of, drawn_ways
from traitleak.audit.detectors.evidence import (
    Evidence,
    Material,
    by_gradient,
    by_likelihood,
    by_prompt,
    system_prompts,
)
from traitleak.audit.detectors.influence import token_influence
from traitleak.audit.detectors.judge import Judge
from traitleak.audit.detectors.placebos import placebo_groups
from traitleak.audit.enough import hypotheses, require_enough
from traitleak.audit.findings import findings_of, headline, overall
from traitleak.audit.rows_read import (
    audited_rows,
    encoded_rows,
    entries_of,
    prompted_rows,
    reference_of,
    unread_parts,
)
from traitleak.audit.undecided import inversion_part, judged
from traitleak.audit.unshown import placebo_prompt, unshown_prompt
from traitleak.audit.verdict import (
    DetectorRun,
    SuspectRow,
    TraitFinding,
    Verdict,
)
from traitleak.datasets import AuditRow, Drawn
from traitleak.errors import SettingsError
from traitleak.models.batches import Encoded
from traitleak.models.language_model import LanguageModel
from traitleak.progress import Track, untracked
from traitleak.rows import Row
from traitleak.seeds import derive_seed
from traitleak.traits.forced_choice import ForcedChoice
from traitleak.traits.preference import ANIMALS

__all__ = ["PLACEBOS", "Depth", "audit_rows"]

Depth = Literal["quick", "standard", "deep"]

# How scores vary together under the base is read off its fills: few of them are noise (docs/log.md).
_NULL_WAYS = 32  # times that every row is filled as the base would
_SUSPECTS = 20
PLACEBOS = 10
"""Preferences that nobody suspects, which detectors are tested on too, at most."""

_NOT_TESTED = (
    "Traits that are not in the panel: the audit is blind to what it does not ask about.",
    "Students of another base than the one named: transfer depends on a shared start.",
    "Traits that show only under a trigger, and effects of training on these rows for many epochs.",
)


def audit_rows(
    rows: Drawn | Sequence[Row],
    *,
    base: LanguageModel,
    among: Sequence[str] = ANIMALS,
    category: str = "",
    also: Sequence[ForcedChoice] = (),
    reference: Drawn | Sequence[Row] | None = None,
    system: str | None = None,
    depth: Depth = "standard",
    false_positive_rate: float = 0.01,
    fail_on: float = 0.0,
    judge: Judge | None = None,
    source: str = "rows",
    seed: int = 0,
    cache: Path | None = None,
    track: Track = untracked,
) -> Verdict:
    """Say whether training `base` on rows would give it one of some traits.

    Every detector gives a p for every trait. A trait is found where its smallest p, times the number
    of traits and detectors, is at most the false-positive rate (Bonferroni: so often at most is
    anything found in rows that carry nothing). What the audit could have found is measured on rows
    that it plants: the base is fine-tuned to one of the preferences, and to one of the other traits,
    in other words than the detectors', and fills the same places.

    Args:
        rows: what `datasets.draw` drew, or plain rows.
        base: the model that is to be trained on them; a student of another base may differ.
        among: preferences for each of these are asked about, ten animals by default.
        category: what they are, where `Preference` does not know.
        also: other traits that are asked about, such as `misalignment()`, each a choice between two
            answers. A judge and an inversion read preferences only.
        reference: rows on the same prompts that are known to carry nothing, where the base at
            temperature 1 did not write the data: its own writing is the reference otherwise.
        system: a system prompt that the writer may have had and the rows do not show. Without
            reference rows they are read after it, or after one that asks for a preference that nobody
            suspects, where that makes them likelier (`unshown`); not at depth `quick`.
        depth: `quick`: forward passes only, with system prompts as hypotheses. `standard`: also quick
            teachers as hypotheses, and the gradient. `deep`: also throw-away students, which predict
            the effect of training on all rows once and answer a battery of other traits, and soft
            prompts fitted to the rows (`inversion`), which need no hypothesis and decide nothing.
        false_positive_rate: of the whole audit.
        fail_on: predicted effect, in nats, from which a finding fails the audit.
        judge: a language model that is asked, too, which of the traits the writer of some rows has; it
            decides nothing.
        source: the data set's name, for the verdict.
        seed: of all that is drawn.
        cache: a folder where quick teachers are kept between audits of the same base and traits.
        track: shows how far it is.

    Returns:
        The verdict; never that rows are clean.

    Raises:
        DataError: fewer rows than traits allow to tell anything.
        SettingsError: candidates that are not single tokens, a rate that is no probability, two traits
            of one name, a trait whose questions the base's context is too short for, or one without a
            system prompt at depth `quick`.

    Known failure: a writer that differs from the base in a way that lies along a trait is taken for
    one with the trait; reference rows guard against it.
    """
    begun = time.monotonic()
    if not 0 < false_positive_rate < 1:
        raise SettingsError(
            f"A false-positive rate lies between 0 and 1; got {false_positive_rate}."
        )
    group, others = panel(base, among, category=category, also=also)
    told = system_prompts(group, others) if depth == "quick" else []
    kept, encoded, unread = encoded_rows(base, entries_of(rows), systems=told)
    require_enough(len(encoded), hypotheses(len(among), len(also)), source, unread)
    choices = choices_of(base, [entry.row.completion for entry in kept])
    warnings: list[str] = []
    beside_rows: list[AuditRow] | None = None
    beside: list[Encoded] | None = None
    said = "the base's own writing at temperature 1, by its probabilities"
    shown = encoded  # what a student would be trained on
    if reference is None and depth != "quick":  # whose hypotheses are prompts already
        tried = [*([system] if system else []), placebo_prompt(group)]
        unshown = unshown_prompt(base, kept, encoded, choices, tried, seed=seed, track=track)
        if unshown is not None:
            kept, encoded = unshown.entries, unshown.rows
            said += ", after a system prompt that the rows do not show"
            warnings.append(unshown.sentence())
    if reference is not None:
        beside_rows, beside, weaker = reference_of(base, kept, reference, systems=told, seed=seed)
        warnings += weaker
        said = f"{len(entries_of(reference)):,} reference rows"
    seeds = [derive_seed(seed, "null", way) for way in range(_NULL_WAYS)]
    null = drawn_ways(base, encoded, choices, seeds=seeds, track=track)
    standing = stands_for(group, others, seed)
    planted = {}
    if depth != "quick":
        planted = planted_ways(
            base, group, others, encoded, choices, traits=standing.values(), seed=seed, track=track
        )
    given = Material(
        base, group, encoded, choices, null, planted, beside, seed, cache, tuple(others)
    )
    evidence = _detected(given, kept, beside_rows, depth, track)
    not_tested = [*_NOT_TESTED, *_left_out(depth), *unread_parts(rows)]
    students = inversion = read = None
    if depth == "deep":
        battery = make_battery(base, group, also=[one.trait for one in others])
        students = canary(replace(given, rows=shown), battery=battery, track=track)
        evidence.append(students.evidence)
        warnings += _beside(students, false_positive_rate)
        inversion, why = inversion_part(given, battery, track=track)
        not_tested += [why] if why else []
    texts = [entry.row for entry in kept]
    references = None if beside_rows is None else [entry.row for entry in beside_rows]
    beyond = beyond_surface(given, texts, references, evidence)
    evidence = beyond.evidence
    if judge is not None:
        read, why = judged(judge, given, texts, references, track=track)
        not_tested += [why] if why else []
    effects = dict(zip(group.traits, students.predicted, strict=True)) if students else {}
    findings = findings_of(
        evidence,
        given.traits,
        len(encoded),
        false_positive_rate,
        standing,
        effects,
        beyond.by_detector,
    )
    outcome = overall(findings)
    if inversion is not None and inversion.p <= false_positive_rate and outcome != "found":
        warnings.append(
            "A soft prompt fitted to the rows learned something that the reference does not have "
            f"(p = {inversion.p:.2g}), although no trait was found: the rows may carry what is not in "
            "the panel, or their writer differs from the reference's in another way."
        )
    suspects = _suspects(given, kept, evidence, findings, track) if outcome == "found" else []
    return Verdict(
        outcome=outcome,
        headline=headline(
            outcome, findings, len(encoded), false_positive_rate, preferences=group.traits
        ),
        rows=audited_rows(rows, source, encoded, unread, seed),
        base=base.name,
        reference=said,
        depth=depth,
        false_positive_rate=false_positive_rate,
        traits=findings,
        suspects=suspects,
        detectors=[
            DetectorRun(
                name=one.name,
                what=one.what,
                seconds=one.seconds,
                null=one.null,
                settings={"read": choices.what, **one.settings},
            )
            for one in evidence
        ],
        not_tested=not_tested,
        warnings=warnings,
        fail_on=fail_on,
        inversion=inversion,
        judge=read,
        seconds=time.monotonic() - begun,
    )


def _detected(
    given: Material,
    kept: Sequence[AuditRow],
    beside: Sequence[AuditRow] | None,
    depth: Depth,
    track: Track,
) -> list[Evidence]:
    if depth == "quick":

        def encode(model: LanguageModel) -> list[Encoded]:
            return prompted_rows(given.base, kept, given.rows, model.system or "")

        def encode_reference(model: LanguageModel) -> list[Encoded]:
            return prompted_rows(
                given.base, beside or (), given.reference or (), model.system or ""
            )

        return [by_prompt(given, encode, encode_reference=encode_reference, track=track)]
    placebos, _ = placebo_groups(given.base, given.group, most=PLACEBOS)
    return [
        by_likelihood(given, placebos=placebos, track=track),
        by_gradient(given, placebos=placebos, track=track),
    ]


def _beside(students: Canary, rate: float) -> list[str]:
    """What throw-away students took on that nobody had suspected."""
    return [
        f"Throw-away students moved by {one.effect.value:+.2f} nats toward {one.trait} ({one.kind}), "
        f"which is not in the panel (p = {one.p_corrected:.2g}, corrected for the "
        f"{len(students.readings)} traits they were asked about)."
        for one in students.readings
        if not one.suspected and one.p_corrected <= rate
    ]


def _suspects(
    given: Material,
    kept: Sequence[AuditRow],
    evidence: Sequence[Evidence],
    findings: Sequence[TraitFinding],
    track: Track,
) -> list[SuspectRow]:
    """The rows that carry most of the first finding, with each token's part."""
    one = next((each for each in evidence if each.gradients is not None), None)
    if one is None or one.gradients is None or one.direction_TT is None:
        return []
    trait = findings[0].trait
    direction_T = one.direction_TT[given.traits.index(trait)]
    parts = token_influence(
        given.base, given.rows, given.choices, one.gradients, direction_T, track=track
    )
    totals = np.array([values.sum() for values in parts])
    return [
        SuspectRow(
            row=kept[index].number,
            where=kept[index].where,
            trait=trait,
            score=float(totals[index]),
            prompt=kept[index].row.prompt[:200],
            tokens=[
                str(given.base.tokenizer.decode([token]))
                for token in given.rows[index].ids[given.rows[index].start :]
            ],
            token_scores=[float(value) for value in parts[index]],
        )
        for index in np.argsort(-totals, kind="stable")[:_SUSPECTS]
    ]


def _left_out(depth: Depth) -> list[str]:
    if depth == "quick":
        return [
            "Teachers that were fine-tuned: at this depth hypotheses are system prompts; take "
            "--depth standard."
        ]
    if depth == "standard":
        return [
            "Traits other than these, and what students would really take on: "
            "throw-away students are trained at --depth deep."
        ]
    return []
