"""Canaries: throw-away students are trained on a sample of the rows, for a small dose, and asked.

Each seed takes rows of its own. One student reads them as they are; others, which begin with the same
adapter and read the same rows in the same order, learn what the base would have written in their
places (or the reference rows). How the first differs from the others, over seeds, is what the rows
do to a student (`contrast`), and the curve of it says what many more updates will do (`dose`).

Source: a model trained on the data for an independent check, as Cloud et al. (2025, arXiv 2507.14805)
measure transfer itself; log p_student - log p_base as a score of tokens: the replication of Schrodi et
al. (2025, arXiv 2509.23886) by B. Long. The blocks, their test and the prediction are ours.

Known failure: a small dose shows little. Where the rows say too little to move a few hundred rows'
student, the gradient detector, which reads all of them, sees more. A trait that comes only with long
training is not seen.

Shape suffixes: S seeds, A arms (the data first), K doses, T traits.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from traitleak.arms import Arm, example_of
from traitleak.audit.detectors.battery import Battery, make_battery
from traitleak.audit.detectors.canary_students import arms_of, sampled, train_students
from traitleak.audit.detectors.contrast import Contrast, contrast, difference
from traitleak.audit.detectors.dose import DoseCurve, dose_curve, predicted_effects
from traitleak.audit.detectors.evidence import Evidence, Material
from traitleak.audit.detectors.likelihood import token_ratios
from traitleak.errors import DataError, SettingsError
from traitleak.models.adapters import Adapter, with_adapter
from traitleak.models.batches import Encoded
from traitleak.models.language_model import LanguageModel
from traitleak.progress import Track, untracked
from traitleak.results import Estimate
from traitleak.statistics import holm
from traitleak.student import Training, distill

__all__ = [
    "DOSE",
    "BatteryReading",
    "Canary",
    "by_canary",
    "canary",
    "canary_seconds",
    "canary_shifts",
]

T = TypeVar("T")

DOSE = Training(32, batch=4, weight_decay=0.0)
"""What a canary is given unless told otherwise: 128 rows, each once, as a student would read them."""

_REFERENCES = 2  # students on the base's own fills, a seed
_FEWEST_SEEDS = 2
_EPOCHS = 1  # of the audited rows: what is predicted unless told otherwise
_SHARES = (0.25, 0.5, 1.0)  # of the dose, after which students are asked


@dataclass(frozen=True)
class BatteryReading:
    """What the battery says of one trait.

    Attributes:
        kind: what it is a preference among, or "choice".
        trait: its name.
        suspected: whether it is one of the panel's.
        effect: data less the others, in nats (of a choice: nats a token), with its interval.
        z: of the effect beside the other traits of its group, over the inflation.
        p: one-sided, of this trait alone.
        p_corrected: by Holm, for all traits of the battery.
    """

    kind: str
    trait: str
    suspected: bool
    effect: Estimate
    z: float
    p: float
    p_corrected: float


@dataclass(frozen=True)
class Canary:
    """What throw-away students showed.

    Attributes:
        battery: what they were asked.
        dose: how they were trained.
        full: updates that the effects are predicted for.
        curve: dose curve of the panel's traits.
        predicted: effect of `full` updates on each of the panel's traits, in nats; None where the
            curve does not determine it.
        readings: of the whole battery, at the full dose, smallest p first.
        test: of the whole battery, in its order.
        effect_T: data less the others at the full dose, in nats, in the battery's order.
        values_SAKT: margins of the panel's traits in every student after every dose, in nats.
        students_SA: the students' adapters; students of equal rows are one and the same.
        rows_S: numbers of the rows that each seed's students read.
        reference: what the other arms are.
        seconds: how long it all took.
    """

    battery: Battery
    dose: Training
    full: int
    curve: DoseCurve
    predicted: tuple[Estimate | None, ...]
    readings: tuple[BatteryReading, ...]
    test: Contrast
    effect_T: NDArray[np.float64]
    values_SAKT: NDArray[np.float64]
    students_SA: tuple[tuple[Adapter, ...], ...]
    rows_S: tuple[tuple[int, ...], ...]
    reference: str
    seconds: float

    @property
    def evidence(self) -> Evidence:
        """What it says of the panel's traits, as every detector says it."""
        asked = list(self.battery.asked)
        return Evidence(
            name="canary",
            what="whether a small dose of training on the rows moves each trait's margin",
            null=f"{self.reference}; seeds are the unit, and each reads rows of its own",
            score_T=self.effect_T[asked],
            t_T=self.test.z_T[asked],
            p_T=self.test.p_T[asked],
            dof=int(self.test.dof_T[asked].min()),
            seconds=self.seconds,
            settings={
                "seeds": len(self.rows_S),
                "students a seed": self.values_SAKT.shape[1],
                "rows a student": len(self.rows_S[0]),
                "updates": self.dose.updates,
                "batch": self.dose.batch,
                "learning rate": self.dose.learning_rate,
                "rank": self.dose.lora.rank if self.dose.lora else None,
                "traits of the battery": len(self.battery.traits),
                "predicted for updates": self.full,
            },
        )


def by_canary(
    given: Material,
    *,
    seeds: int = 3,
    dose: Training = DOSE,
    battery: Battery | None = None,
    track: Track = untracked,
) -> Evidence:
    """Whether a small dose of training on the rows moves each trait's margin: `canary`'s evidence."""
    return canary(given, seeds=seeds, dose=dose, battery=battery, track=track).evidence


def canary(
    given: Material,
    *,
    seeds: int = 3,
    references: int = _REFERENCES,
    dose: Training = DOSE,
    battery: Battery | None = None,
    full: int | None = None,
    track: Track = untracked,
) -> Canary:
    """Train throw-away students on the rows and on what a writer without a trait would have put there.

    Of a data set that the base wrote at temperature 1, all arms of a seed are alike: the others'
    choices are drawn given the row's own beginnings, so that to first order what they teach has the
    same mean and the same covariance as what the rows teach (a decoupled tangent sequence: de la Pena
    and Gine 1999, chapter 6). That gives the null its spread without a single further assumption on
    the students. Seeds are the unit because each reads rows of its own: students that read the same
    rows would agree on whatever these rows happen to say.

    A p is of "the rows move this trait more than rows of such a writer, and more than rows move other
    traits". A data set of another style moves everything; the battery's placebos then make the test
    stricter (`contrast`). Style that lies along one trait is only taken away by reference rows.

    Args:
        given: what all detectors get; `reference` where it has one, else `null`, is what other
            students read.
        seeds: blocks of students, two at least; each takes rows of its own, as many as the dose has
            or as there are for it.
        references: students a seed on the base's own fills; with reference rows there is one.
        dose: how they are trained. Where it says nothing of when to measure, after a quarter, a half
            and all of the updates.
        battery: what they are asked; `make_battery`'s by default. Its panel is `given.group`.
        full: updates that effects are predicted for; by default an epoch of the audited rows.
        track: shows how far it is.

    Raises:
        DataError: fewer than two rows for each seed.
        SettingsError: fewer than two seeds, fewer fills than references, full-weight training, a
            battery of another panel, or a dose beyond `full`.

    Known failure: the dose curve and its prediction are of a student like these, in batches, learning
    rate and adapter. And that of the module.
    """
    begun = time.monotonic()
    battery = battery or make_battery(
        given.base, given.group, also=[one.trait for one in given.also]
    )
    references = 1 if given.reference is not None else references
    _check(given, seeds, references, dose, battery)
    dose = _measured(dose)
    full = full or max(dose.updates, -(-_EPOCHS * len(given.rows) // dose.batch))
    rows_S = sampled(len(given.rows), seeds, dose.updates * dose.batch, given.seed)
    arms_S = [arms_of(given, rows, references) for rows in rows_S]
    students = train_students(given, arms_S, dose, battery, track)
    values_SAKT = np.stack([[one.panel_KT for one in some] for some in students])
    values_SAT = np.stack([[one.whole_T for one in some] for some in students])
    numbers, num = battery.numbers, len(given.group.traits)
    found = contrast(values_SAT, numbers)
    reference = "students of the base's own fills of the same places"
    if given.reference is not None:
        reference = "students of the reference rows"
    return Canary(
        battery=battery,
        dose=dose,
        full=full,
        curve=dose_curve(dose.measure_at, values_SAKT, numbers[:num]),
        predicted=tuple(predicted_effects(dose.measure_at, values_SAKT, numbers[:num], full)),
        readings=_readings(battery, values_SAT, found),
        test=found,
        effect_T=(values_SAT[:, 0] - values_SAT[:, 1:].mean(1)).mean(0),
        values_SAKT=values_SAKT,
        students_SA=tuple(tuple(one.adapter for one in some) for some in students),
        rows_S=rows_S,
        reference=reference,
        seconds=time.monotonic() - begun,
    )


def canary_shifts(
    given: Material, found: Canary, *, track: Track = untracked
) -> list[NDArray[np.float64]]:
    """What canaries find likelier than the base does, token by token: one array a row, in nats.

    log p_student - log p_base of each choice, centred by the base's own expectation
    (`likelihood.token_ratios`), for one student that stands where the mean of the data's students
    stands less the mean of the others': to first order the mean of their shifts, at the price of two
    forward passes a row. A row that a seed's students have read is scored without that seed, so that
    no row is likelier for having been learned by heart. 0 at tokens that are no choices; summed over
    a row, or averaged, it ranks rows.

    Known failure: in rows of many writers it ranks by what most of them share, trait or not. Of
    students that learned little it is noise.
    """
    shifts = [np.zeros(len(row.ids) - row.start) for row in given.rows]
    read = {row: number for number, rows in enumerate(found.rows_S) for row in rows}
    folds = sorted({read.get(row, -1) for row in range(len(given.rows))})
    for fold in track(folds, "shifts", len(folds)):
        mixed = _mean_difference(
            [some for number, some in enumerate(found.students_SA) if number != fold]
        )
        if mixed is None:
            continue
        where = [row for row in range(len(given.rows)) if read.get(row, -1) == fold]
        student = with_adapter(given.base, mixed, name="canary")
        parts = token_ratios(given.base, student, [given.rows[row] for row in where], given.choices)
        for row, values in zip(where, parts, strict=True):
            shifts[row] = values
    return shifts


def canary_seconds(
    base: LanguageModel,
    rows: Sequence[Encoded],
    battery: Battery,
    *,
    seeds: int = 3,
    references: int = _REFERENCES,
    dose: Training = DOSE,
) -> float:
    """About how long `canary` will take here, from one timed update of one student and one reading.

    Raises:
        DataError: there are no rows.

    Known failure: a machine that is busy later, or was busy while it was timed, takes another time.
    """
    if not rows:
        raise DataError("There are no rows to train a canary on.")
    at: list[float] = []

    def clock(items: Iterable[T], what: str, total: int, /) -> Iterator[T]:  # noqa: ARG001  # a Track
        for item in items:
            at.append(time.monotonic())
            yield item

    middling = sorted(rows, key=lambda row: len(row.ids))[len(rows) // 2]
    arm = Arm("timed", [example_of(middling)], 0)
    distill(base, [arm], replace(dose, updates=3, warmup=0, measure_at=()), track=clock)
    step = at[2] - at[1]  # the first update is slower
    students = seeds * (1 + references)
    asked = len(_measured(dose).measure_at)
    began = time.monotonic()
    battery.read_panel(base)
    panel = time.monotonic()
    battery.read(base)
    return students * (
        dose.updates * step + (asked - 1) * (panel - began) + time.monotonic() - panel
    )


def _check(given: Material, seeds: int, references: int, dose: Training, battery: Battery) -> None:
    if seeds < _FEWEST_SEEDS:
        raise SettingsError(
            f"Canaries take two seeds or more, since one says nothing of chance; got {seeds}."
        )
    if given.reference is None and not 1 <= references <= len(given.null):
        raise SettingsError(
            f"{references} students a seed on the base's own fills need as many fills, one at least; "
            f"there are {len(given.null)}."
        )
    if len(given.rows) < 2 * seeds:
        raise DataError(
            f"Canaries of {seeds} seeds take {2 * seeds} rows or more, since each seed reads its own; "
            f"there are {len(given.rows)}."
        )
    if given.reference is not None and len(given.reference) != len(given.rows):
        raise DataError(
            f"Each row needs its reference row: {len(given.rows)} rows, {len(given.reference)} of these."
        )
    if dose.lora is None:
        raise SettingsError("Canaries are trained as adapters; give the dose a `lora`.")
    if tuple(battery.traits[t] for t in battery.asked) != given.traits:
        raise SettingsError("What the battery suspects is not the traits that are audited.")


def _measured(dose: Training) -> Training:
    """The dose with the numbers of updates after which students are asked, the last among them."""
    chosen = dose.measure_at or tuple(round(share * dose.updates) for share in _SHARES)
    return replace(dose, measure_at=tuple(sorted({*chosen, dose.updates} - {0})))


def _readings(
    battery: Battery, values_SAT: NDArray[np.float64], found: Contrast
) -> tuple[BatteryReading, ...]:
    plain = difference(values_SAT, battery.numbers)
    corrected = holm(found.p_T.tolist())
    own_ST = values_SAT[:, 0] - values_SAT[:, 1:].mean(1)
    made = []
    for t, (kind, trait) in enumerate(zip(battery.kinds, battery.traits, strict=True)):
        half = plain.half_width()[t]
        made.append(
            BatteryReading(
                kind=kind,
                trait=trait,
                suspected=t in battery.asked,
                effect=Estimate(
                    value=float(plain.mean_T[t]),
                    low=float(plain.mean_T[t] - half),
                    high=float(plain.mean_T[t] + half),
                    n=len(values_SAT),
                    method=(
                        f"moderated t over seeds, {plain.dof_T[t]:.0f} degrees of freedom; not "
                        "corrected for the number of traits"
                    ),
                    replicates=[float(x) for x in own_ST[:, t]],
                ),
                z=float(found.z_T[t]),
                p=float(found.p_T[t]),
                p_corrected=corrected[t],
            )
        )
    return tuple(sorted(made, key=lambda one: (one.p, -one.z)))


def _mean_difference(students_SA: Sequence[Sequence[Adapter]]) -> Adapter | None:
    """The data's students less the others, averaged over seeds, as one adapter; None where that is 0."""
    weights: dict[int, float] = {}
    distinct: dict[int, Adapter] = {}
    for some in students_SA:
        for index, adapter in enumerate(some):
            weight = 1.0 if index == 0 else -1.0 / (len(some) - 1)
            distinct[id(adapter)] = adapter
            weights[id(adapter)] = weights.get(id(adapter), 0.0) + weight / len(students_SA)
    parts = [(distinct[key], weight) for key, weight in weights.items() if abs(weight) > 1e-12]
    if not parts:
        return None
    first = parts[0][0]
    rank = sum(adapter.settings.rank for adapter, _ in parts)
    return Adapter(
        replace(first.settings, rank=rank, alpha=first.settings.scale * rank),
        {path: torch.cat([adapter.a[path] for adapter, _ in parts]) for path in first.a},
        {path: torch.cat([w * adapter.b[path] for adapter, w in parts], 1) for path in first.b},
    )
