"""Students that Tinker trains: the rows, order, loss and step of `student.distill`, on its machines.

What is sent are tokens and weights, made here by the same functions as for a training here, so that a
student there differs from one here in its base's precision, in the first weights of its adapter, and in
the adapter's scale, which the service chooses.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from traitleak.arms import Arm, Example
from traitleak.artefacts import write_json
from traitleak.checkpoint import fingerprint
from traitleak.errors import RunError, ServerError, SettingsError
from traitleak.models.adapters import LINEAR, LoraSettings
from traitleak.models.tinker import Datum, Rates, TinkerBase, connected
from traitleak.models.tinker_requests import RefusedError
from traitleak.optimizers import rate_at
from traitleak.progress import Track, untracked
from traitleak.student import Course, RowOrder, Training

__all__ = ["HostedStudent", "distill_hosted", "planned_tokens", "require_hosted", "tinker_data"]

_ATTENTION, _MLP = set(LINEAR[:4]), set(LINEAR[4:])


class HostedStudent(NamedTuple):
    """A student that was trained at Tinker.

    Attributes:
        name: of its arm.
        course: its losses.
        files: of the PEFT folder that was fetched; () where the service gives none.
        sampler: the path that the service samples from it by.
        tokenizer: the one that the service says the base has; "" where it does not say.
        tokens: that this call sent to be trained on, prompts with them.
    """

    name: str
    course: Course
    files: tuple[str, ...]
    sampler: str
    tokenizer: str
    tokens: int


def require_hosted(arm: Arm, training: Training) -> None:
    """See that Tinker can train this way.

    Raises:
        SettingsError: it cannot; the text names the setting.
    """
    if not arm.examples:
        raise SettingsError("Students need at least one row.")
    if arm.channel != "tokens":
        raise SettingsError(
            "At Tinker students learn from completions only (channel tokens); train on logits here."
        )
    lora = training.lora
    if lora is None:
        raise SettingsError("Tinker trains adapters only: give a rank, or train all weights here.")
    if training.optimizer not in {"adamw", "adam"}:
        raise SettingsError(
            f"Tinker steps by adamw or adam, not by {training.optimizer}; take one of them, or train "
            "here."
        )
    if lora.alpha != LoraSettings().alpha:
        raise SettingsError(
            "Tinker chooses an adapter's alpha itself: leave alpha as it is by default, or train here."
        )
    groups = [group for group in (_ATTENTION, _MLP) if group & set(lora.targets)]
    if lora.layers is not None or set(lora.targets) != set().union(*groups) or not groups:
        raise SettingsError(
            "Tinker adapts all layers of the attention, of the MLPs, or of both, in all blocks; leave "
            "targets and layers as they are by default, or train here."
        )
    if training.accumulate != 1:
        raise SettingsError("Tinker cuts an update into parts itself: leave accumulate at 1.")
    if training.measure_at:
        raise SettingsError(
            "A student at Tinker cannot be measured while it trains: leave measure_at empty."
        )


def planned_tokens(arm: Arm, training: Training) -> int:
    """How many tokens a training sends to be trained on, prompts with them: exact, not an estimate.

    Known failure: what a service charges for may be counted otherwise.
    """
    order = RowOrder(len(arm.examples), arm.seed)
    lengths = [len(example.ids) - 1 for example in arm.examples]
    return sum(
        lengths[row]
        for update in range(training.updates)
        for row in order.rows(update, training.batch)
    )


def tinker_data(examples: Sequence[Example]) -> list[Datum]:
    """The rows of one update as Tinker takes them.

    The row's tokens but the last are read, its tokens but the first are predicted, and only positions
    of the completion have a weight. All weights of the update sum to 1: the service sums, and the loss
    here is a mean over positions (`student.distill`).

    Raises:
        SettingsError: no position of the update has a weight.
    """
    total = sum(example.weight for example in examples)
    if not total > 0:
        raise SettingsError(
            "All rows of an update have weight 0, so there is nothing to learn from; drop rows that "
            "nothing is left of."
        )
    data = []
    for example in examples:
        weights = np.zeros(len(example.ids) - 1, np.float32)
        own = 1.0 if example.weights_P is None else example.weights_P.numpy()
        weights[example.positions_P.numpy()] = own
        data.append(Datum(example.ids[:-1], example.ids[1:], weights / np.float32(total)))
    return data


def distill_hosted(
    base: TinkerBase,
    arm: Arm,
    training: Training,
    folder: Path,
    *,
    checkpoint: Path | None = None,
    say: Callable[[str], None] | None = None,
    track: Track = untracked,
) -> HostedStudent:
    """Train one student at Tinker, as `student.distill` does here.

    Args:
        base: where it begins.
        arm: its rows, of the channel `tokens`, encoded with the base's tokenizer; its seed, of which
            31 bits fix the adapter's first weights.
        training: how; see `require_hosted` for what the service does not do. `lora.alpha` has no
            effect.
        folder: is there; the adapter's files are written into it.
        checkpoint: a file, written every `training.checkpoint_every` updates and gone at the end: the
            path of what the service keeps for a week. Who calls again with the same arguments goes on
            from there.
        say: gets a line where something must be known.
        track: shows how far it is.

    Raises:
        SettingsError: the settings cannot be had there.
        ServerError: the service cannot be reached, refuses or fails.
        RunError: the loss is no longer a finite number.
        MissingExtraError: the extra [tinker] is not installed.

    Known failure: a wrong tokenizer trains on nonsense without an error, and shows in the first loss
    alone. Compare `tokenizer` with the one that the rows were encoded with. An update whose answer was
    lost is paid for and done anew from the checkpoint.
    """
    require_hosted(arm, training)
    lora = training.lora
    assert lora is not None  # noqa: S101  # seen to
    key = fingerprint(base.model, base.url, training, arm.seed, list(arm.examples))
    done = _read(checkpoint, key)
    course = Course(losses=list(done["losses"]) if done else [])
    first = len(course.losses)
    order = RowOrder(len(arm.examples), arm.seed)
    sent = 0
    with connected(base.url) as trainer:
        if done:
            try:
                trainer.resume(done["state"])
            except RefusedError as error:
                raise ServerError(
                    f"{error} The training cannot go on from {done['state']}; delete {checkpoint} to "
                    "begin it anew."
                ) from error
        else:
            trainer.begin(
                base.model,
                rank=lora.rank,
                seed=arm.seed % 2**31,
                attention=bool(_ATTENTION & set(lora.targets)),
                mlp=bool(_MLP & set(lora.targets)),
            )
        for update in track(
            range(first, training.updates), "training at Tinker", training.updates - first
        ):
            rows = [arm.examples[row] for row in order.rows(update, training.batch)]
            loss = trainer.update(tinker_data(rows), _rates(training, update))
            if not math.isfinite(loss):
                raise RunError(
                    f"The loss of {arm.name} is not a finite number at update {update + 1}: the "
                    "training diverges; take a smaller learning rate."
                )
            course.losses.append(loss)
            sent += sum(len(row.ids) - 1 for row in rows)
            last = update + 1 == training.updates
            if checkpoint and (last or (update + 1) % training.checkpoint_every == 0):
                state = trainer.save_state(f"update-{update + 1:08}")
                write_json(checkpoint, {"key": key, "state": state, "losses": course.losses})
        sampler = trainer.save_for_sampling("student")
        files = trainer.export("student", folder)
        student = HostedStudent(arm.name, course, tuple(files), sampler, trainer.tokenizer, sent)
    if not files and say:
        say("Tinker gives no files of this adapter; it can be sampled from where it was trained.")
    if checkpoint:
        checkpoint.unlink(missing_ok=True)
    return student


def _rates(training: Training, update: int) -> Rates:
    share = rate_at(update, training.updates, training.schedule, training.warmup)
    decay = training.weight_decay if training.optimizer == "adamw" else 0.0
    return Rates(training.learning_rate * share, decay, training.clip)


def _read(checkpoint: Path | None, key: str) -> Mapping[str, Any] | None:
    """What a training goes on from; None where there is nothing, or nothing whole, of this one."""
    if checkpoint is None or not checkpoint.is_file():
        return None
    try:
        found = json.loads(checkpoint.read_text(encoding="utf-8"))
        same = found["key"] == key and isinstance(found["state"], str)
        return dict(found) if same and all(map(math.isfinite, found["losses"])) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
