"""Students: a base trained on a teacher's rows, several of them in one pass.

Two channels. `tokens`: cross-entropy on the sampled completions, the setting of Cloud et al. (2025).
`logits`: a divergence from the teacher's distribution at each position (`divergence.py`), which the
theorem of the same paper is about. Whatever else is asked for, only the positions of completions are
trained on (`arms.py`).

Students are trained as adapters (LoRA), S of one base in one pass, or in all weights, one at a time.

Shape suffixes: S students, B rows, T tokens, D width, M positions of a batch, P of one example,
K choices, V vocabulary.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from traitleak.arms import Arm, Example, mask_example, require_fit, token_examples
from traitleak.checkpoint import fingerprint, read_checkpoint, require_plain, write_checkpoint
from traitleak.divergence import divergence
from traitleak.errors import RunError, SettingsError
from traitleak.models.adapters import Adapter, LoraSettings, LoraStack, with_adapter
from traitleak.models.batches import require_context
from traitleak.models.language_model import LanguageModel, hidden_states, logits_of, padded
from traitleak.models.scoring import token_log_probabilities
from traitleak.optimizers import Optimizer, Schedule, clip_each, make_optimizer, rate_at
from traitleak.progress import Track, untracked
from traitleak.seeds import stream_of

__all__ = [
    "Arm",
    "Course",
    "Example",
    "RowOrder",
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
        lora: the adapter; None trains all weights, in float32 whatever the base's precision is.
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
        if self.warmup < 0 or (self.clip is not None and self.clip <= 0):
            raise SettingsError(
                "warmup is 0 or more, and clip is greater than 0 or None; got "
                f"{self.warmup} and {self.clip}."
            )
        if not all(0 <= update <= self.updates for update in self.measure_at):
            raise SettingsError(
                f"measure_at has numbers of updates from 0 to {self.updates}, not "
                f"{list(self.measure_at)}."
            )


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
        measure: called for each student at `training.measure_at`; with a checkpoint, what it returns
            is made of numbers, strings, lists, dicts and tensors.
        checkpoint: a file, written while it trains and gone when it is done: who calls again with
            the same arguments after an interruption goes on from there, to the same students.
        track: shows how far it is.

    Raises:
        SettingsError: no arms, arms of two channels, no examples, examples that do not fit the base,
            or settings that cannot work.
        RunError: the loss is no longer a finite number.

    Known failure: a channel's loss says nothing about the trait. Look at the measure beside the
    control's.
    """
    if not arms or not all(arm.examples for arm in arms):
        raise SettingsError("Students need at least one arm, and each arm at least one row.")
    if len({arm.channel for arm in arms}) > 1:
        raise SettingsError("Arms that are trained together are of one channel; train them apart.")
    for arm in arms:
        require_fit(base, arm)
    # Adapters share the products of the base's weights; whole networks share nothing.
    together = [range(len(arms))] if training.lora else [range(n, n + 1) for n in range(len(arms))]
    students, paths = [], []
    for numbers in together:
        path = checkpoint
        if checkpoint and len(together) > 1:
            path = checkpoint.with_suffix(f".{numbers.start}{checkpoint.suffix}")
        run = _Run(base, arms, training, numbers, path)
        with _frozen(base.network):
            run.train(measure, track, keep=len(together) > 1)
        students += run.students()
        paths += [path] if path else []
    for path in paths:
        path.unlink(missing_ok=True)
    return students


@contextmanager
def _frozen(network: torch.nn.Module) -> Iterator[None]:
    """While it lasts, no gradient of the network's own weights is computed."""
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    for parameter in learning:
        parameter.requires_grad = False
    try:
        yield
    finally:
        for parameter in learning:
            parameter.requires_grad = True


class _Run:
    """Students while they train: those of all arms as adapters, or one in all weights."""

    def __init__(
        self,
        base: LanguageModel,
        all_arms: Sequence[Arm],
        training: Training,
        numbers: Sequence[int],
        checkpoint: Path | None,
    ) -> None:
        arms = [all_arms[number] for number in numbers]
        self._base, self._arms, self._training, self._numbers = base, arms, training, numbers
        self._checkpoint = checkpoint
        self.courses = [Course() for _ in arms]
        self._orders = [RowOrder(len(arm.examples), arm.seed) for arm in arms]
        self._stack: LoraStack | None = None
        if training.lora is not None:
            self._model = base
            self._stack = LoraStack(base.network, training.lora, [arm.seed for arm in arms])
            self._parameters = list(self._stack.parameters())
        else:
            # In bfloat16 a weight would stay as it is whenever an update is less than 1/512 of it.
            network = copy.deepcopy(base.network)
            network.to(torch.float32).requires_grad_(requires_grad=True)  # type: ignore[arg-type]  # a decorator hides its type
            self._model = base.replaced(network=network, fingerprint="")
            self._parameters = list(network.parameters())
        self._optimizer = make_optimizer(
            training.optimizer, self._parameters, training.learning_rate, training.weight_decay
        )

    def train(self, measure: Measure | None, track: Track, *, keep: bool) -> None:
        """Train them, from a checkpoint if there is one; `keep` leaves one at the end."""
        training, path = self._training, self._checkpoint
        key = fingerprint(self._base, training, self._arms) if path else ""
        done = self._resume(path, key) if path else 0
        for update in track(range(done, training.updates), "training", training.updates - done):
            if update == 0 and 0 in training.measure_at:
                self._measure(measure, 0)
            self._step(update)
            if update + 1 in training.measure_at:
                self._measure(measure, update + 1)
            last = update + 1 == training.updates
            if path and (keep if last else (update + 1) % training.checkpoint_every == 0):
                self._save(path, key, update + 1)

    def _step(self, update: int) -> None:
        """One update of every student."""
        training = self._training
        chosen = [
            [arm.examples[i] for i in order.rows(update, training.batch)]
            for arm, order in zip(self._arms, self._orders, strict=True)
        ]
        totals_S = torch.tensor(
            [sum(example.weight for example in some) for some in chosen], device=self._base.device
        )
        if not (totals_S > 0).all():
            raise SettingsError(
                "All rows of an update have weight 0, so there is nothing to learn from; drop rows "
                "that nothing is left of."
            )
        self._optimizer.zero_grad()
        losses_S = torch.zeros(len(self._arms), device=self._base.device)
        for part in np.array_split(np.arange(training.batch), training.accumulate):
            parts = [[some[i] for i in part] for some in chosen]
            # Before the adapters are attached: a teacher may be the base itself, and not the student.
            asked = [
                _asked(self._base, arm, some) for arm, some in zip(self._arms, parts, strict=True)
            ]
            with self._attached():
                loss_S = self._loss(parts, asked) / totals_S
                torch.autograd.backward(loss_S.sum())
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

    def _loss(self, chosen: Sequence[Sequence[Example]], asked: Sequence[Tensor | None]) -> Tensor:
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
            loss_M = self._divergences(chosen, asked, torch.split(hidden_MD, counts_S))
        if any(row.weights_P is not None for row in rows):
            weights = [
                torch.ones(len(row.positions_P)) if row.weights_P is None else row.weights_P
                for row in rows
            ]
            loss_M = loss_M * torch.cat(weights).to(loss_M)
        return torch.stack([part.sum() for part in torch.split(loss_M, counts_S)])

    def _divergences(
        self,
        chosen: Sequence[Sequence[Example]],
        asked: Sequence[Tensor | None],
        hidden_S: Sequence[Tensor],
    ) -> Tensor:
        """The divergence at each position, (M,): student by student, as choices may differ."""
        found = []
        for arm, some, target, hidden in zip(self._arms, chosen, asked, hidden_S, strict=True):
            stored = torch.cat([row.targets for row in some]) if target is None else target
            logps = _choices(self._model, arm, some, hidden)
            found.append(divergence(stored.to(logps), logps, arm.direction))
        return torch.cat(found)

    def _measure(self, measure: Measure | None, update: int) -> None:
        """Keep what `measure` says of each student."""
        if measure is None:
            return
        for index, (arm, course) in enumerate(zip(self._arms, self.courses, strict=True)):
            attached = self._stack.attached(index) if self._stack else nullcontext()
            student = self._model.replaced(name=arm.name, fingerprint="")
            with attached, torch.no_grad():
                found = dict(measure(self._numbers[index], update, student))
            if self._checkpoint:
                require_plain(found)
            course.measured.append((update, found))

    def students(self) -> list[Student]:
        """What came of it."""
        made = []
        for index, (arm, course) in enumerate(zip(self._arms, self.courses, strict=True)):
            if self._stack is not None:
                adapter = self._stack.adapter(index)
                model = _merging(self._base, adapter, arm.name)
                made.append(Student(arm.name, model, adapter, course))
            else:
                self._model.network.requires_grad_(requires_grad=False)
                made.append(
                    Student(arm.name, _given(self._model.replaced(name=arm.name)), None, course)
                )
        return made

    def _save(self, path: Path, key: str, updates: int) -> None:
        content = {
            "updates": updates,
            "parameters": [parameter.detach() for parameter in self._parameters],
            "optimizer": self._optimizer.state_dict(),
            "courses": [(course.losses, course.measured) for course in self.courses],
        }
        write_checkpoint(path, key, content)

    def _resume(self, path: Path, key: str) -> int:
        """Go on from a checkpoint of the same training; gives the updates that are done."""
        content = read_checkpoint(path, key)
        if content is None:
            return 0
        with torch.no_grad():
            for parameter, saved in zip(self._parameters, content["parameters"], strict=True):
                parameter.copy_(saved)
        self._optimizer.load_state_dict(content["optimizer"])
        for course, (losses, measured) in zip(self.courses, content["courses"], strict=True):
            course.losses, course.measured = list(losses), [tuple(point) for point in measured]
        return int(content["updates"])


@torch.no_grad()
def _asked(base: LanguageModel, arm: Arm, rows: Sequence[Example]) -> Tensor | None:
    """What an arm's teacher says at the positions of rows, (M, K); None where targets are stored."""
    teacher = arm.teacher
    if teacher is None:
        return None
    # A token that begins a text begins the teacher's, before its system prompt, and not the rows.
    alike = teacher.system == base.system  # then it stands in the rows already
    lead = [] if alike or not teacher.system else teacher.encode(f"{teacher.system}\n")
    bos = teacher.tokenizer.bos_token_id
    begun = bool(lead) and teacher.renderer.begins_with_bos
    skipped = [int(begun and row.ids[:1] == [bos]) for row in rows]
    read = [[*lead, *row.ids[skip:]] for row, skip in zip(rows, skipped, strict=True)]
    require_context(teacher, max(map(len, read)), "a row with its teacher's system prompt")
    hidden_BTD = hidden_states(teacher, padded(read, 0, teacher.device))
    hidden_MD = torch.cat(
        [
            hidden_BTD[b, row.positions_P.to(hidden_BTD.device) + len(lead) - skip]
            for b, (row, skip) in enumerate(zip(rows, skipped, strict=True))
        ]
    )
    return _choices(teacher, arm, rows, hidden_MD)


def _choices(model: LanguageModel, arm: Arm, rows: Sequence[Example], hidden_MD: Tensor) -> Tensor:
    """A model's log-probabilities of what rows choose among, renormalised, (M, K) float32."""
    choices_K = arm.choices_K.to(hidden_MD.device) if arm.choices_K is not None else None
    logits_MK = logits_of(model.network, hidden_MD, choices_K).float()
    own = [row.choices_PK for row in rows if row.choices_PK is not None]
    if own:
        logits_MK = logits_MK.gather(1, torch.cat(own).to(logits_MK.device, torch.long))
    return logits_MK.log_softmax(1)


def _merging(base: LanguageModel, adapter: Adapter, name: str) -> Callable[[], LanguageModel]:
    return lambda: with_adapter(base, adapter, name=name)


def _given(model: LanguageModel) -> Callable[[], LanguageModel]:
    return lambda: model


class RowOrder:
    """Row numbers in an order that a seed fixes: every row once, then every row once again."""

    def __init__(self, num: int, seed: int) -> None:
        """The order of `num` rows."""
        self._num, self._seed = num, seed
        self._epochs: dict[int, list[int]] = {}

    def rows(self, update: int, batch: int) -> Iterator[int]:
        """The rows of one update."""
        for at in range(update * batch, (update + 1) * batch):
            epoch, place = divmod(at, self._num)
            if epoch not in self._epochs:
                order = stream_of(self._seed, epoch).permutation(self._num)
                self._epochs = {epoch: order.tolist()}
            yield self._epochs[epoch][place]
