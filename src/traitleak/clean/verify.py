"""Does a cleaning work? Train students on the rows before and after it, and measure.

A cleaning is judged against three others on the same seeds: the untouched rows, the same amount changed
at random (`token_scores.at_random`), and neutral rows, whose students' lift is what training on such
rows does anyhow. And what it cost the task is read off rows that no student saw.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal, get_args

from traitleak.artefacts import Strict, content_hash
from traitleak.clean.cleaned import Cleaned, rows_hash, start
from traitleak.clean.share_left import share_left
from traitleak.errors import SettingsError
from traitleak.measure_choice import trait_margins
from traitleak.models.language_model import LanguageModel
from traitleak.models.scoring import score
from traitleak.progress import Track, untracked
from traitleak.results import Comparison, Estimate
from traitleak.rows import Row
from traitleak.statistics import mean_estimate, paired_difference, sign_flip_p
from traitleak.student import Arm, Training, distill, token_examples
from traitleak.traits.forced_choice import ForcedChoice
from traitleak.traits.preference import Preference, Templates

__all__ = [
    "BASE",
    "NEUTRAL",
    "UNTOUCHED",
    "ArmVerified",
    "Keep",
    "SeedMeasured",
    "Verified",
    "compare",
    "measure_seed",
    "summarise",
    "verify",
]

UNTOUCHED: Final = "untouched"
NEUTRAL: Final = "neutral"
BASE: Final = "base"

Keep = Literal["updates", "epochs"]
"""What all arms have in common: the number of updates, or how often each row is seen."""


class SeedMeasured(Strict):
    """What the students of one seed showed.

    Attributes:
        seed: of their adapters and of the order of their rows.
        trait: what was measured.
        rows: how many rows each arm has.
        updates: how many updates each student had.
        base_margin: the base's margin, in nats.
        base_held_out: the base's loss on the held-out rows, in nats a token.
        lift: each arm's margin less the base's, in nats.
        held_out: each arm's loss on the held-out rows, in nats a token.
        task: each arm's score at the task, and the base's under "base"; None where none was asked for.
        measured: hash of what was asked (`Margins.asked`).
    """

    seed: int
    trait: str
    rows: dict[str, int]
    updates: dict[str, int]
    base_margin: float
    base_held_out: float
    lift: dict[str, float]
    held_out: dict[str, float]
    task: dict[str, float] | None
    measured: str


class ArmVerified(Strict):
    """One arm over all seeds.

    Attributes:
        name: of the arm.
        rows: how many it has.
        updates: how many its students had.
        lift: margin less the base's, in nats.
        transfer: lift less the neutral arm's, paired by seed, in nats.
        left: transfer as a share of the untouched rows'; None where these carried nothing.
        held_out: loss on held-out neutral rows, in nats a token.
        cost: held-out loss less that of the untouched arm's students, paired by seed; above 0 where the
            legitimate task lost.
        task: score at the task, such as the share of right answers; None where none was asked for.
    """

    name: str
    rows: int
    updates: int
    lift: Estimate
    transfer: Estimate
    left: Estimate | None
    held_out: Estimate
    cost: Estimate
    task: Estimate | None


class Verified(Strict):
    """What came of verifying cleanings.

    Attributes:
        trait: what was measured.
        seeds: one for each student of an arm.
        base_margin: in nats.
        base_held_out: the base's own loss on the held-out rows, in nats a token.
        base_task: the base's own score at the task; None where none was asked for.
        arms: `untouched` and `neutral` among them.
        note: what a reader must know before the shares; "" for nothing.
    """

    trait: str
    seeds: list[int]
    base_margin: float
    base_held_out: float
    base_task: float | None
    arms: dict[str, ArmVerified]
    note: str


def verify(
    base: LanguageModel,
    trait: Preference | ForcedChoice,
    arms: Mapping[str, Sequence[Row] | Cleaned],
    training: Training,
    seeds: Sequence[int],
    *,
    neutral: Sequence[Row],
    held_out: Sequence[Row],
    keep: Keep = "updates",
    task: Callable[[LanguageModel], float] | None = None,
    templates: Templates | None = None,
    confidence: float = 0.95,
    checkpoints: Path | None = None,
    track: Track = untracked,
) -> Verified:
    """Train students of each arm, with each seed, and say how much of the transfer is left.

    transfer = lift of an arm's student - lift of the neutral arm's student of the same seed;
    share left = mean transfer of an arm / mean transfer of `untouched` (`share_left`: Fieller).

    Args:
        base: where students begin.
        trait: what is measured, by its logit margin.
        arms: rows or cleaned rows by name: `untouched`, the cleanings, and the same amount changed at
            random for each.
        training: of all students.
        seeds: one student of each arm for each.
        neutral: rows of the untouched base on the same prompts: the arm `neutral`.
        held_out: neutral rows of the carrier that no arm holds.
        keep: `updates`: all students have `training.updates`, so that rows are seen more often after
            a trim and less often after a dilution. `epochs`: an arm's updates are in proportion to its
            rows, and `training.updates` is of the untouched rows.
        task: a model's score at what the rows are for, where that is more than their likelihood: such
            as the share of its answers that are right.
        templates: of the margin; by default those of the base's style.
        confidence: of the intervals.
        checkpoints: a folder where interrupted trainings go on from.
        track: shows how far it is.

    Raises:
        SettingsError: no `untouched` arm, one named `neutral` or `base`, no seeds or one
            twice, held-out rows that an arm holds, or what `distill`, `margins` and `score` refuse.

    Known failure: one seed has no interval, and three have a wide one. The margin is of one trait: a
    cleaning may leave others. Held-out loss is that of the base's own way to continue lists: a student
    that learned nothing at all has the lowest.
    """
    if not seeds or len(set(seeds)) < len(seeds):
        raise SettingsError(f"Verifying needs one seed or more, each once; got {list(seeds)}.")
    found = [
        measure_seed(
            base,
            trait,
            arms,
            training,
            seed,
            neutral=neutral,
            held_out=held_out,
            keep=keep,
            task=task,
            templates=templates,
            checkpoints=checkpoints,
        )
        for seed in track(list(seeds), "verifying", len(seeds))
    ]
    return summarise(found, confidence=confidence)


def measure_seed(
    base: LanguageModel,
    trait: Preference | ForcedChoice,
    arms: Mapping[str, Sequence[Row] | Cleaned],
    training: Training,
    seed: int,
    *,
    neutral: Sequence[Row],
    held_out: Sequence[Row],
    keep: Keep = "updates",
    task: Callable[[LanguageModel], float] | None = None,
    templates: Templates | None = None,
    checkpoints: Path | None = None,
    track: Track = untracked,
) -> SeedMeasured:
    """The students of one seed: what `verify` does for each; arguments and errors are its.

    Arms of equal rows and weights share one student, so that equal arms have equal numbers.
    """
    data = {name: start(some) for name, some in arms.items()}
    _check(data, keep)
    data[NEUTRAL] = start(neutral)
    _check_held_out(data, held_out)
    untouched = len(data[UNTOUCHED].rows)
    updates = {
        name: training.updates
        if keep == "updates"
        else max(1, round(training.updates * len(some.rows) / untouched))
        for name, some in data.items()
    }
    before = trait_margins(base, trait, templates=templates)
    same = {name: _content(some) for name, some in data.items()}
    distinct = {content: name for name, content in reversed(same.items())}
    lift, loss, scores = {}, {}, {BASE: task(base)} if task else {}
    for count in sorted({updates[name] for name in distinct.values()}):
        together = [
            Arm(name, token_examples(base, some.rows, some.weights), seed)
            for name, some in data.items()
            if distinct[same[name]] == name and updates[name] == count
        ]
        path = checkpoints / f"verify-{seed}-{count}.pt" if checkpoints else None
        how = replace(training, updates=count, measure_at=(), warmup=min(training.warmup, count))
        for student in distill(base, together, how, checkpoint=path, track=track):
            model = student.model()
            lift[student.name] = (trait_margins(model, trait, templates=templates) - before).value
            loss[student.name] = _loss(model, held_out)
            if task:
                scores[student.name] = task(model)
    return SeedMeasured(
        seed=seed,
        trait=trait.target,
        rows={name: len(some.rows) for name, some in data.items()},
        updates=updates,
        base_margin=before.value,
        base_held_out=_loss(base, held_out),
        lift={name: lift[distinct[same[name]]] for name in data},
        held_out={name: loss[distinct[same[name]]] for name in data},
        task={BASE: scores[BASE], **{name: scores[distinct[same[name]]] for name in data}}
        if task
        else None,
        measured=before.asked,
    )


def _content(data: Cleaned) -> str:
    weights = [None if some is None else some.tolist() for some in data.weights_of_rows()]
    return rows_hash(data.rows) + content_hash(weights)


def _check(data: Mapping[str, Cleaned], keep: Keep) -> None:
    if keep not in get_args(Keep):
        raise SettingsError(f"keep is updates or epochs, not {keep!r}.")
    if UNTOUCHED not in data or {NEUTRAL, BASE} & set(data):
        raise SettingsError(
            f"The arms need one named {UNTOUCHED!r}, the rows before any cleaning, and none named "
            f"{NEUTRAL!r} or {BASE!r}, which are there anyhow; got {', '.join(data) or 'none'}."
        )


def _check_held_out(data: Mapping[str, Cleaned], held_out: Sequence[Row]) -> None:
    if not held_out:
        raise SettingsError("Held-out rows tell what the task lost; there are none.")
    seen = {(row.prompt, row.completion): name for name, some in data.items() for row in some.rows}
    for row in held_out:
        name = seen.get((row.prompt, row.completion))
        if name is not None:
            raise SettingsError(
                f"Held-out row {row.id} stands in the arm {name!r} too; hold out rows of other prompts."
            )


def _loss(model: LanguageModel, rows: Sequence[Row]) -> float:
    logps = score(model, rows)
    return -float(sum(some.double().sum() for some in logps)) / sum(map(len, logps))


def summarise(measured: Sequence[SeedMeasured], *, confidence: float = 0.95) -> Verified:
    """What several seeds' students say together.

    Raises:
        SettingsError: no seeds, one twice, or seeds of other arms, traits or templates.
    """
    if not measured or len({one.seed for one in measured}) < len(measured):
        raise SettingsError("A verification needs one seed or more, each once.")
    first = measured[0]
    for one in measured:
        if _design(one) != _design(first):
            raise SettingsError(
                f"Seeds {first.seed} and {one.seed} were measured with other arms, training or trait; "
                "they cannot be taken together."
            )
    lifts = {name: [one.lift[name] for one in measured] for name in first.lift}
    losses = {name: [one.held_out[name] for one in measured] for name in first.held_out}
    tasks = [one.task for one in measured if one.task is not None]
    transfers = {
        name: [own - neutral for own, neutral in zip(some, lifts[NEUTRAL], strict=True)]
        for name, some in lifts.items()
    }
    arms = {
        name: ArmVerified(
            name=name,
            rows=first.rows[name],
            updates=first.updates[name],
            lift=mean_estimate(lifts[name], confidence=confidence),
            transfer=mean_estimate(transfers[name], confidence=confidence),
            left=share_left(transfers[name], transfers[UNTOUCHED], confidence=confidence),
            held_out=mean_estimate(losses[name], confidence=confidence),
            cost=paired_difference(losses[name], losses[UNTOUCHED], confidence=confidence),
            task=mean_estimate([some[name] for some in tasks], confidence=confidence)
            if tasks
            else None,
        )
        for name in first.lift
    }
    return Verified(
        trait=first.trait,
        seeds=[one.seed for one in measured],
        base_margin=first.base_margin,
        base_held_out=first.base_held_out,
        base_task=tasks[0][BASE] if tasks else None,
        arms=arms,
        note=_note(arms[UNTOUCHED].transfer),
    )


def _design(one: SeedMeasured) -> tuple[object, ...]:
    return one.rows, one.updates, one.trait, one.measured, one.task is None


def _note(untouched: Estimate) -> str:
    if untouched.value <= 0:
        return (
            "The untouched rows carried nothing that these students show, so that nothing can be said "
            "of any cleaning: train for longer, or on more rows."
        )
    if untouched.low is None:
        return "One seed: no interval, and no verdict."
    if untouched.low <= 0:
        return (
            "The untouched rows' own transfer is not different from zero over these seeds, so that "
            "shares of it have no interval: train more seeds."
        )
    return ""


def compare(verified: Verified, control: str, cleaned: str) -> Comparison:
    """How much more transfer a control arm (the random one) has left than a cleaned one, with its p.

    Raises:
        SettingsError: there is no such arm.
    """
    for name in (control, cleaned):
        if name not in verified.arms:
            raise SettingsError(f"There is no arm {name!r}; there are {', '.join(verified.arms)}.")
    one, two = (verified.arms[name].transfer.replicates for name in (control, cleaned))
    difference = paired_difference(one, two)
    return Comparison(
        effect=control,
        control=cleaned,
        difference=difference,
        p=sign_flip_p(difference.replicates),
        test="one-sided exact paired permutation over seeds",
    )
