"""What an audit says: plain values that every output format is written from.

An audit never calls a data set clean. A trait is "found", or "not found" at the power that is
stated, or the audit is "inconclusive": its power is too low to say anything of the trait.
"""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import model_validator

from traitleak.artefacts import SCHEMA_VERSION, Strict
from traitleak.results import Estimate

__all__ = [
    "AuditedRows",
    "DetectorRun",
    "InversionPart",
    "InversionReading",
    "JudgePart",
    "JudgeReading",
    "NearbyWord",
    "Outcome",
    "Reading",
    "SuspectRow",
    "TraitFinding",
    "Verdict",
]

Outcome = Literal["found", "not found", "inconclusive"]
"""What is said of a trait, or of all together."""


class AuditedRows(Strict):
    """Which rows were audited.

    Attributes:
        source: file, folder or name, as the user gave it.
        format: how it was read, such as "chat" or "prompt-completion".
        total: rows in the source; None where it was not read to its end.
        audited: how many of them were audited.
        tokens: completion tokens in these.
        sampled: whether they are a seeded random sample.
        skipped: rows that could not be audited, by reason.
        seed: of the sample.
    """

    source: str
    format: str
    total: int | None
    audited: int
    tokens: int
    sampled: bool
    skipped: dict[str, int]
    seed: int


class Reading(Strict):
    """What one detector says of one trait.

    Attributes:
        detector: its name.
        score: mean over rows of its centred score, in its own unit.
        z: the score over its standard error under the null; larger is more suspicious.
        p: one-sided, of this trait alone, not corrected for how many were tested.
        over_surface: area under the ROC curve of this detector's row scores against reference rows,
            less that of surface features alone, with its interval; None where the detector's settings
            say why.
    """

    detector: str
    score: float
    z: float | None
    p: float | None
    over_surface: Estimate | None = None


class TraitFinding(Strict):
    """What the audit says of one trait.

    Attributes:
        trait: such as "wolf".
        outcome: found, not found at this power, or inconclusive.
        p: the smallest over detectors, corrected for all traits and detectors that were tested.
        effect: predicted lift of the trait's margin in a student, in nats; None where no detector of
            this depth predicts one.
        fraction: estimated fraction of rows that carry the trait as the audit's own planted rows do.
        smallest_fraction: the smallest fraction of planted rows that this audit would have found in
            nine of ten data sets of this size; None where even all rows would not have been found.
        readings: one a detector.
    """

    trait: str
    outcome: Outcome
    p: float | None
    effect: Estimate | None = None
    fraction: Estimate | None = None
    smallest_fraction: float | None = None
    readings: list[Reading]


class SuspectRow(Strict):
    """A row that carries much of a finding.

    Attributes:
        row: its number in the source, from 0.
        where: file and line, where there is one.
        trait: the trait it speaks for.
        score: its score for that trait, in the detector's unit.
        prompt: its prompt, shortened to show.
        tokens: its completion, token by token as text.
        token_scores: the score of each of these tokens.
    """

    row: int
    where: str
    trait: str
    score: float
    prompt: str
    tokens: list[str]
    token_scores: list[float]

    @model_validator(mode="after")
    def _one_score_a_token(self) -> Self:
        if len(self.tokens) != len(self.token_scores):
            raise ValueError("there must be one score for each token")
        return self


class DetectorRun(Strict):
    """One detector that ran.

    Attributes:
        name: such as "gradient".
        what: one sentence on what it reads.
        seconds: how long it took.
        null: what its p comes from.
        settings: whatever else fixes its figures.
    """

    name: str
    what: str
    seconds: float
    null: str
    settings: dict[str, Any]


class NearbyWord(Strict):
    """A word that the rows' soft prompt came nearer to than the reference's.

    Attributes:
        word: as it is written.
        own: cosine of the rows' vector, mean over seeds.
        beside: cosine of the reference's vectors in that place.
    """

    word: str
    own: float
    beside: float


class InversionReading(Strict):
    """What the rows' soft prompt does to one trait's margin.

    Attributes:
        kind: what it is a preference among.
        trait: such as "wolf".
        suspected: whether it is one of the audited traits.
        effect: margin with the rows' soft prompt before the question less that with the reference's,
            centred within its kind, in nats.
        z: of the effect, over what other traits move by.
        p: one-sided, of this trait alone.
    """

    kind: str
    trait: str
    suspected: bool
    effect: Estimate
    z: float
    p: float


class InversionPart(Strict):
    """What soft prompts say that were fitted to the rows, without any hypothesis. It decides nothing.

    Attributes:
        gain: by how much the rows' soft prompt makes rows that it was not fitted to likelier than the
            reference's does, beyond what rows without a trait would show, in nats a choice.
        p: one-sided: how often rows of the base (or of the reference's writer) gain as much.
        alone: by how much it makes them likelier than the base with nothing before them does.
        words: nearest words, that with the largest difference first.
        chance: by how much the first word is nearer where a reference stands in the rows' place.
        readings: the audited traits and placebos, smallest p first.
        reference: what the other soft prompts were fitted to.
        seconds: how long it took.
        settings: whatever else fixes its figures.
    """

    gain: Estimate
    p: float
    alone: Estimate
    words: list[NearbyWord]
    chance: float | None
    readings: list[InversionReading]
    reference: str
    seconds: float
    settings: dict[str, Any]


class JudgeReading(Strict):
    """How often a judge named one trait.

    Attributes:
        trait: such as "wolf".
        named: in how many bags of the rows.
        named_reference: in how many bags of the reference; None without one.
        p: exact, one-sided (McNemar), of this trait alone; None without reference.
    """

    trait: str
    named: int
    named_reference: int | None
    p: float | None


class JudgePart(Strict):
    """What a language model said that was asked which thing the writer loves. It decides nothing.

    Attributes:
        judge: its name.
        size: rows in a bag.
        bags: how many bags of the rows it was asked about.
        answered: how many of these it gave an answer that could be read.
        answered_reference: the same of the reference; None without one.
        none: how many of the answers to the rows were "none".
        readings: the traits, smallest p first.
        p_any: exact p that it names any trait more often than for the reference; None without one.
        reference: what was shown beside the rows; "" for nothing.
        unread: answers that could not be read, by reason, of both.
        seconds: how long it took.
    """

    judge: str
    size: int
    bags: int
    answered: int
    answered_reference: int | None
    none: int
    readings: list[JudgeReading]
    p_any: float | None
    reference: str
    unread: dict[str, int]
    seconds: float


class Verdict(Strict):
    """What an audit found, and what it could have found.

    Attributes:
        schema_version: of this file.
        outcome: "found" if any trait was; else "inconclusive" if the power for any trait is too low;
            else "not found".
        headline: one sentence for people.
        rows: which rows were audited.
        base: the model they were audited for.
        reference: what they were compared with.
        depth: quick, standard or deep.
        false_positive_rate: what the audit was calibrated to: how often it finds anything in rows
            that carry nothing.
        traits: most suspicious first.
        suspects: the rows that carry most of the findings, most suspicious first.
        detectors: those that ran.
        not_tested: sentences on what the audit says nothing about.
        warnings: sentences on what weakens it, such as a reference on other prompts.
        fail_on: the predicted effect, in nats, from which a finding fails the audit; 0: any.
        inversion: what soft prompts say, at depth deep; it decides nothing.
        judge: what a judge said, where one was asked for; it decides nothing.
        seconds: the whole audit.
    """

    schema_version: int = SCHEMA_VERSION
    outcome: Outcome
    headline: str
    rows: AuditedRows
    base: str
    reference: str
    depth: Literal["quick", "standard", "deep"]
    false_positive_rate: float
    traits: list[TraitFinding]
    suspects: list[SuspectRow]
    detectors: list[DetectorRun]
    not_tested: list[str]
    warnings: list[str]
    fail_on: float = 0.0
    inversion: InversionPart | None = None
    judge: JudgePart | None = None
    seconds: float = 0.0

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [one.trait for one in self.traits]
        if len(set(names)) < len(names):
            raise ValueError("two findings are of the same trait")
        return self

    @property
    def exit_code(self) -> int:
        """0: not found, or nothing at or above `fail_on`; 1: found; 3: inconclusive."""
        if self.outcome == "found":
            return int(any(self.fails(one) for one in self.traits))
        return 3 if self.outcome == "inconclusive" else 0

    def fails(self, one: TraitFinding) -> bool:
        """Whether a finding fails the audit: found, and not predicted to be below `fail_on`."""
        small = one.effect is not None and one.effect.value < self.fail_on
        return one.outcome == "found" and not small
