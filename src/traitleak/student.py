"""Students: a base trained on a teacher's rows, several of them in one pass.

Two channels. `tokens`: cross-entropy on the sampled completions, the setting of Cloud et al. (2025).
`logits`: a divergence from the teacher's distribution at each position (`divergence.py`), which the
theorem of the same paper is about. Whatever else is asked for, only the positions of completions are
trained on; `mask_example` shows them.

Students are trained as adapters (LoRA), S of one base in one pass, or in all weights, one at a time.

Shape suffixes: S students, B rows, T tokens, D width, M positions of a batch, P of one example,
K choices, V vocabulary.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from traitleak.divergence import Direction, divergence
from traitleak.errors import RunError, SettingsError
from traitleak.models.adapters import Adapter, LoraSettings, LoraStack, with_adapter
from traitleak.models.batches import Encoded, encode_rows
from traitleak.models.language_model import LanguageModel, hidden_states, logits_of, padded
from traitleak.models.scoring import token_log_probabilities
from traitleak.optimizers import Optimizer, Schedule, clip_each, make_optimizer, rate_at
from traitleak.progress import Track, untracked
from traitleak.rows import Row

__all__ = [
    "Arm",
    "Course",
    "Example",
    "Student",
    "Training",
    "distill",
    "mask_example",
    "token_examples",
]

Measure = Callable[[int, int, LanguageModel], Mapping[str, Any]]
"""(number of the student, updates so far, the student as it is) -> what to keep of it."""


@dataclass(frozen=True)
class Training:
    """How students are trained.

    Attributes:
        updates: steps of the optimizer.
        batch: rows of one student in an update.
        accumulate: parts that an update's rows are read in, to save memory; changes no number but
            the last bits.
        learning_rate: at its highest.
        optimizer: see `optimizers`.
        schedule: how the learning rate goes on after `warmup` updates of a linear rise.
        warmup: updates.
        weight_decay: decoupled, with `adamw`.
        clip: norm to which a student's gradient is clipped; None for not at all.
        lora: the adapter; None trains all weights.
        measure_at: numbers of updates after which to measure; 0 is before the first.
        checkpoint_every: updates between checkpoints, where a place for them is given.
    """

    updates: int
    batch: int = 4
    accumulate: int = 1
    learning_rate: float = 2e-4
    optimizer: Optimizer = "adamw"
    schedule: Schedule = "constant"
    warmup: int = 0
    weight_decay: float = 0.1
    clip: float | None = 1.0
    lora: LoraSettings | None = field(default_factory=LoraSettings)
    measure_at: tuple[int, ...] = ()
    checkpoint_every: int = 50

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        if min(self.updates, self.batch, self.accumulate, self.checkpoint_every) < 1:
            raise SettingsError(
                "updates, batch, accumulate and checkpoint_every are 1 or more; got "
                f"{self.updates}, {self.batch}, {self.accumulate} and {self.checkpoint_every}."
            )
        if self.accumulate > self.batch:
            raise SettingsError(
                f"An update of {self.batch} rows cannot be read in {self.accumulate} parts."
            )


@dataclass(frozen=True)
class Example:
    """One row as a student is trained on it.

    Attributes:
        ids: its tokens.
        positions_P: where something is predicted: position t predicts token t + 1.
        targets: `tokens`: the P tokens that follow, int64. `logits`: log-probabilities of K choices,
            (P, K) float32; empty where the arm's teacher is asked while the student trains.
        choices_PK: `logits`: which tokens the choices are, where they differ between positions.
        weights_P: how much each position counts; None for all alike.
    """

    ids: list[int]
    positions_P: Tensor
    targets: Tensor
    choices_PK: Tensor | None = None
    weights_P: Tensor | None = None


@dataclass(frozen=True)
class Arm:
    """A student to be: what it is trained on, and what is drawn at random for it.

    Attributes:
        name: such as "wolf" or "neutral".
        examples: its rows.
        seed: of its adapter and of the order of its rows.
        choices_K: `logits`: the tokens that all positions choose among, such as the ten digits; None
            for the whole vocabulary, or where examples have their own.
        teacher: `logits` over the whole vocabulary: the teacher, asked while the student trains.
        direction: `logits`: which divergence.
    """

    name: str
    examples: Sequence[Example]
    seed: int
    choices_K: Tensor | None = None
    teacher: LanguageModel | None = None
    direction: Direction = "forward"

    @property
    def channel(self) -> Literal["tokens", "logits"]:
        """What it is trained on."""
        whole = self.teacher is not None or self.examples[0].targets.is_floating_point()
        return "logits" if whole else "tokens"


@dataclass
class Course:
    """What was recorded while a student trained."""

    losses: list[float] = field(default_factory=list)  # of each update, in nats a position
    measured: list[tuple[int, dict[str, Any]]] = field(default_factory=list)


class Student(NamedTuple):
    """A trained student."""

    name: str
    model: Callable[[], LanguageModel]  # makes the merged model: 0.5 GB for 135 M weights
    adapter: Adapter | None  # None where all weights were trained
    course: Course


class MaskExample(NamedTuple):
    """What of a row is trained on: shown before training, so that a wrong mask is seen."""

    context: str
    trained: str
    share: float  # of all tokens of all rows


def token_examples(model: LanguageModel, rows: Sequence[Row]) -> list[Example]:
    """Rows for the channel `tokens`: every token of a completion is predicted, and nothing else.

    Raises:
        SettingsError: there are no rows, or `encode_row` refuses one.
    """
    if not rows:
        raise SettingsError("A student needs rows to be trained on; there are none.")
    return [_token_example(row) for row in encode_rows(model, rows)]


def _token_example(row: Encoded) -> Example:
    positions = torch.arange(row.start - 1, len(row.ids) - 1)
    return Example(row.ids, positions, torch.tensor(row.ids[row.start :]))


def mask_example(model: LanguageModel, examples: Sequence[Example]) -> MaskExample:
    """The first example as text, and which share of all tokens is trained on.

    Raises:
        SettingsError: no token is trained on, or every one.
    """
    trained = sum(len(example.positions_P) for example in examples)
    total = sum(len(example.ids) for example in examples)
    # Without a prompt all tokens but the first are the teacher's, rightly.
    if trained == 0 or trained >= total:
        raise SettingsError(
            f"{trained} of {total} tokens would be trained on: the mask that leaves prompts out is "
            "wrong for this model's tokenizer or template; try style=plain, and report it."
        )
    first = examples[0]
    marked = set((first.positions_P + 1).tolist())
    context = [token for at, token in enumerate(first.ids) if at not in marked]
    chosen = [token for at, token in enumerate(first.ids) if at in marked]
    decode = model.tokenizer.decode
    return MaskExample(str(decode(context)), str(decode(chosen)), trained / total)


def distill(
    base: LanguageModel,
    arms: Sequence[Arm],
    training: Training,
    *,
    measure: Measure | None = None,
    checkpoint: Path | None = None,
    track: Track = untracked,
) -> list[Student]:
    """Train a student for each arm; all begin as the base.

    Args:
        base: where they begin; it stays as it is.
        arms: all of one channel, each with as many choices.
        training: how.
        measure: called for each student at `training.measure_at`.
        checkpoint: a file, written while it trains and gone when it is done: who calls again with
            the same arguments after an interruption goes on from there, to the same students.
        track: shows how far it is.

    Raises:
        SettingsError: no arms, arms of two channels, no examples, or settings that cannot work.
        RunError: the loss is no longer a finite number.

    Known failure: a channel's loss says nothing about the trait. Look at the measure beside the
    control's.
    """
    if not arms or not all(arm.examples for arm in arms):
        raise SettingsError("Students need at least one arm, and each arm at least one row.")
    if len({arm.channel for arm in arms}) > 1:
        raise SettingsError("Arms that are trained together are of one channel; train them apart.")
    if training.lora is None and len(arms) > 1:
        return [
            distill(
                base,
                [arm],
                training,
                measure=_renumbered(measure, number),
                checkpoint=checkpoint and checkpoint.with_suffix(f".{number}{checkpoint.suffix}"),
                track=track,
            )[0]
            for number, arm in enumerate(arms)
        ]
    run = _Run(base, arms, training)
    done = run.resume(checkpoint)
    for update in track(range(done, training.updates), "training", training.updates - done):
        if update == 0 and 0 in training.measure_at:
            run.measure(measure, 0)
        run.step(update)
        if update + 1 in training.measure_at:
            run.measure(measure, update + 1)
        if checkpoint and (update + 1) % training.checkpoint_every == 0:
            run.save(checkpoint, update + 1)
    if checkpoint:
        checkpoint.unlink(missing_ok=True)
    return run.students()


def _renumbered(measure: Measure | None, number: int) -> Measure | None:
    if measure is None:
        return None
    return lambda _index, update, model: measure(number, update, model)


class _Run:
    """Students while they train."""

    def __init__(self, base: LanguageModel, arms: Sequence[Arm], training: Training) -> None:
        self._base, self._arms, self._training = base, arms, training
        self.courses = [Course() for _ in arms]
        self._orders = [_Order(len(arm.examples), arm.seed) for arm in arms]
        self._stack: LoraStack | None = None
        if training.lora is not None:
            self._model = base
            self._stack = LoraStack(base.network, training.lora, [arm.seed for arm in arms])
            self._parameters = list(self._stack.parameters())
        else:
            network = copy.deepcopy(base.network).requires_grad_(requires_grad=True)
            self._model = base.replaced(network=network, fingerprint="")
            self._parameters = list(network.parameters())
        self._optimizer = make_optimizer(
            training.optimizer, self._parameters, training.learning_rate, training.weight_decay
        )

    def step(self, update: int) -> None:
        """One update of every student."""
        training = self._training
        chosen = [
            [arm.examples[i] for i in order.rows(update, training.batch)]
            for arm, order in zip(self._arms, self._orders, strict=True)
        ]
        totals_S = torch.tensor(
            [sum(_weight(example) for example in some) for some in chosen], device=self._base.device
        )
        if not (totals_S > 0).all():
            raise SettingsError(
                "All rows of an update have weight 0, so there is nothing to learn from; drop rows "
                "that nothing is left of."
            )
        self._optimizer.zero_grad()
        losses_S = torch.zeros(len(self._arms), device=self._base.device)
        for part in np.array_split(np.arange(training.batch), training.accumulate):
            with self._attached():
                loss_S = self._loss([[some[i] for i in part] for some in chosen]) / totals_S
                loss_S.sum().backward()
            losses_S += loss_S.detach()
        if not torch.isfinite(losses_S).all():
            raise RunError(
                f"The loss of {self._arms[int((~torch.isfinite(losses_S)).nonzero()[0])].name} is not "
                f"a finite number at update {update + 1}: the training diverges; take a smaller "
                "learning rate."
            )
        if training.clip is not None:
            clip_each(self._parameters, training.clip, stacked=self._stack is not None)
        for group in self._optimizer.param_groups:
            group["lr"] = training.learning_rate * rate_at(
                update, training.updates, training.schedule, training.warmup
            )
        self._optimizer.step()
        for course, loss in zip(self.courses, losses_S.tolist(), strict=True):
            course.losses.append(loss)

    def _attached(self) -> AbstractContextManager[None]:
        return self._stack.attached() if self._stack else nullcontext()

    def _loss(self, chosen: Sequence[Sequence[Example]]) -> Tensor:
        """Summed loss of each student, (S,), over the positions of its rows."""
        rows = [example for some in chosen for example in some]
        ids_BT = padded([row.ids for row in rows], 0, self._base.device)
        at_B = [torch.full_like(row.positions_P, b) for b, row in enumerate(rows)]
        rows_M = torch.cat(at_B).to(ids_BT.device)
        positions_M = torch.cat([row.positions_P for row in rows]).to(ids_BT.device)
        hidden_MD = hidden_states(self._model, ids_BT)[rows_M, positions_M]
        counts_S = [sum(len(row.positions_P) for row in some) for some in chosen]
        if self._arms[0].channel == "tokens":
            targets_M = torch.cat([row.targets for row in rows]).to(ids_BT.device)
            loss_M = -token_log_probabilities(self._model, hidden_MD, targets_M)
        else:
            loss_M = self._divergences(chosen, hidden_MD, counts_S, ids_BT, rows_M, positions_M)
        if any(row.weights_P is not None for row in rows):
            weights = [
                torch.ones(len(row.positions_P)) if row.weights_P is None else row.weights_P
                for row in rows
            ]
            loss_M = loss_M * torch.cat(weights).to(loss_M)
        return torch.stack([part.sum() for part in loss_M.split(counts_S)])

    def _divergences(
        self,
        chosen: Sequence[Sequence[Example]],
        hidden_MD: Tensor,
        counts_S: list[int],
        ids_BT: Tensor,
        rows_M: Tensor,
        positions_M: Tensor,
    ) -> Tensor:
        """The divergence at each position, (M,): student by student, as choices may differ."""
        found, begin = [], 0
        for arm, some, hidden in zip(self._arms, chosen, hidden_MD.split(counts_S), strict=True):
            here = slice(begin, begin + len(hidden))
            begin += len(hidden)
            if arm.teacher is not None:
                # The rows of the others are not its business: only these are read by the teacher.
                low, high = int(rows_M[here].min()), int(rows_M[here].max()) + 1
                with torch.no_grad():
                    theirs = hidden_states(arm.teacher, ids_BT[low:high])
                    theirs = theirs[rows_M[here] - low, positions_M[here]]
                    target = logits_of(arm.teacher.network, theirs, arm.choices_K).float()
                    target = target.log_softmax(1)
            else:
                target = torch.cat([row.targets for row in some]).to(hidden.device)
            logits = logits_of(self._model.network, hidden, arm.choices_K).float()
            if some[0].choices_PK is not None:
                choices = torch.cat([row.choices_PK for row in some if row.choices_PK is not None])
                logits = logits.gather(1, choices.to(logits.device))
            found.append(divergence(target, logits.log_softmax(1), arm.direction))
        return torch.cat(found)

    def measure(self, measure: Measure | None, update: int) -> None:
        """Keep what `measure` says of each student."""
        if measure is None:
            return
        for index, course in enumerate(self.courses):
            attached = self._stack.attached(index) if self._stack else nullcontext()
            with attached, torch.no_grad():
                course.measured.append((update, dict(measure(index, update, self._model))))

    def students(self) -> list[Student]:
        """What came of it."""
        made = []
        for index, (arm, course) in enumerate(zip(self._arms, self.courses, strict=True)):
            if self._stack is not None:
                adapter = self._stack.adapter(index)
                model = _merging(self._base, adapter, arm.name)
                made.append(Student(arm.name, model, adapter, course))
            else:
                network = self._model.network.requires_grad_(requires_grad=False).eval()
                whole = self._model.replaced(network=network, name=arm.name)
                made.append(Student(arm.name, _given(whole), None, course))
        return made

    def save(self, path: Path, updates: int) -> None:
        """Write a checkpoint, whole or not at all."""
        beside = path.with_name(f"{path.name}.new")
        content = {
            "updates": updates,
            "key": self._key(),
            "parameters": [parameter.detach() for parameter in self._parameters],
            "optimizer": self._optimizer.state_dict(),
            "courses": [(course.losses, course.measured) for course in self.courses],
        }
        torch.save(content, beside)
        beside.replace(path)

    def resume(self, path: Path | None) -> int:
        """Go on from a checkpoint of the same training; gives the updates that are done."""
        if path is None or not path.exists():
            return 0
        try:
            content = torch.load(path, map_location=self._base.device, weights_only=True)
            if content["key"] != self._key():
                return 0
        except (RuntimeError, EOFError, KeyError, ValueError, TypeError):
            return 0  # cut short or another training's: it is only a help
        with torch.no_grad():
            for parameter, saved in zip(self._parameters, content["parameters"], strict=True):
                parameter.copy_(saved)
        self._optimizer.load_state_dict(content["optimizer"])
        for course, (losses, measured) in zip(self.courses, content["courses"], strict=True):
            course.losses, course.measured = list(losses), [tuple(point) for point in measured]
        return int(content["updates"])

    def _key(self) -> str:
        first = [(arm.name, arm.seed, len(arm.examples), arm.examples[0].ids) for arm in self._arms]
        return repr((self._base.name, self._base.fingerprint, self._training, first))


def _merging(base: LanguageModel, adapter: Adapter, name: str) -> Callable[[], LanguageModel]:
    return lambda: with_adapter(base, adapter, name=name)


def _given(model: LanguageModel) -> Callable[[], LanguageModel]:
    return lambda: model


def _weight(example: Example) -> float:
    if example.weights_P is None:
        return float(len(example.positions_P))
    return float(example.weights_P.sum())


class _Order:
    """Row numbers in an order that a seed fixes: every row once, then every row once again."""

    def __init__(self, num: int, seed: int) -> None:
        self._num, self._seed = num, seed
        self._epochs: dict[int, list[int]] = {}

    def rows(self, update: int, batch: int) -> Iterator[int]:
        """The rows of one update."""
        for at in range(update * batch, (update + 1) * batch):
            epoch, place = divmod(at, self._num)
            if epoch not in self._epochs:
                rng = np.random.Generator(np.random.Philox(key=[self._seed, epoch]))
                self._epochs = {epoch: rng.permutation(self._num).tolist()}
            yield self._epochs[epoch][place]
