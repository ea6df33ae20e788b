"""The chat fine-tuning format of hosted trainers: rows written in it, and a trainer's file read back.

One JSON object a line, UTF-8::

    {"messages": [{"role": "system", "content": "..."}, {"role": "user", "content": "..."},
                  {"role": "assistant", "content": "...", "weight": 1}]}

The system message and the weight stand there only where they are given. Nothing else does: some
trainers refuse fields that they do not know, so a row's id and teacher stay behind, and row i of the
file is line i.

Known failure: limits are those that trainers documented in 2026, and change. How long an example may be
depends on the model, and is told by the trainer alone: `ChatFile.longest_tokens` is an estimate to hold
against it.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from traitleak.artefacts import UNFINISHED
from traitleak.datasets.dataset import AuditRow, Skipped, open_dataset
from traitleak.errors import DataError, SettingsError
from traitleak.models.remote_cost import estimated_tokens
from traitleak.rows import Row

__all__ = ["TRAINERS", "ChatFile", "ImportedChats", "Trainer", "read_chats", "write_chats"]

_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Trainer:
    """What a hosted trainer takes.

    Attributes:
        fewest: examples in a file.
        most: the same; None where no limit is documented.
        largest: bytes of a file; the same.
        source: where that is documented.
    """

    fewest: int
    most: int | None
    largest: int | None
    source: str


TRAINERS: Final = {
    "openai": Trainer(
        10, None, 512 * _MB, "developers.openai.com: supervised fine-tuning; files"
    ),  # closed to new users in 2026, still open to those it had
    "fireworks": Trainer(3, 3_000_000, None, "docs.fireworks.ai: supervised fine-tuning, text"),
    "together": Trainer(1, None, 100_000 * _MB, "docs.together.ai: data preparation"),
}
"""Hosted trainers whose documented limits are known."""


@dataclass(frozen=True, slots=True)
class ChatFile:
    """A file that was written.

    Attributes:
        path: where.
        examples: lines.
        trained: of them, those whose answer is trained on: all but the ones of weight 0.
        unfinished: of them, answers that were cut off at the token limit: a student learns to stop
            there.
        bytes: of the file.
        tokens: of all examples, by `models.remote_cost.estimated_tokens`: an estimate.
        longest_tokens: of the longest example; the same.
        sha256: of the file.
    """

    path: Path
    examples: int
    trained: int
    unfinished: int
    bytes: int
    tokens: int
    longest_tokens: int
    sha256: str


def write_chats(
    path: Path,
    rows: Iterable[Row],
    *,
    system: str | None = None,
    systems: Sequence[str | None] | None = None,
    weights: Sequence[int] | None = None,
    trainer: str = "openai",
) -> ChatFile:
    """Write rows as a file that a hosted trainer takes; it is whole or absent.

    Args:
        path: ends in `.jsonl`; a file there is replaced.
        rows: one example each, in their order.
        system: a system prompt for all of them; None for none. Training with the one that the teacher
            was told teaches what it does when told, which is another experiment.
        systems: one for each row, in its place.
        weights: 0 or 1 for each row: 0 leaves its answer out of the loss. None writes no weights.
        trainer: whose limits are kept, one of `TRAINERS`.

    Raises:
        SettingsError: an unknown trainer; systems or weights that are not one a row, or no weight that
            is 0 or 1; a row without a prompt or completion, or with half a character; more or fewer
            examples, or a larger file, than the trainer takes.
        DataError: the file cannot be written.
    """
    path = Path(path)
    limits = _limits(trainer)
    if path.suffix != ".jsonl":
        raise SettingsError(f"Trainers take files whose names end in .jsonl, not {path.name}.")
    rows = list(rows)
    for name, values in (("systems", systems), ("weights", weights)):
        if values is not None and len(values) != len(rows):
            raise SettingsError(f"{len(rows)} rows need as many {name}, not {len(values)}.")
    told = [system] * len(rows) if systems is None else list(systems)
    if weights is not None and any(type(one) is not int or one not in {0, 1} for one in weights):
        raise SettingsError("A weight is 0 or 1: no trainer documents others.")
    trained = len(rows) if weights is None else sum(weights)
    _check_count(len(rows), trained, trainer, limits)
    beside = path.with_name(f"{UNFINISHED}{path.name}")
    digest, size, tokens, longest = hashlib.sha256(), 0, 0, 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            for at, row in enumerate(rows):
                messages = _messages(row, told[at], None if weights is None else weights[at])
                line = json.dumps({"messages": messages}, ensure_ascii=False).encode() + b"\n"
                estimate = estimated_tokens(messages)
                tokens, longest = tokens + estimate, max(longest, estimate)
                size += len(line)
                digest.update(line)
                file.write(line)
        if limits.largest is not None and size > limits.largest:
            raise SettingsError(
                f"The file would have {size:,} bytes, and {trainer} takes {limits.largest:,} at most "
                f"({limits.source}); write fewer rows."
            )
        beside.replace(path)
    except OSError as error:
        raise DataError(
            f"{path} cannot be written: {(error.strerror or str(error)).lower()}."
        ) from error
    finally:
        with suppress(OSError):  # not there, mostly
            beside.unlink()
    unfinished = sum(not row.finished for row in rows)
    return ChatFile(path, len(rows), trained, unfinished, size, tokens, longest, digest.hexdigest())


@dataclass(frozen=True)
class ImportedChats:
    """A file of chats, read as rows.

    Attributes:
        rows: in order; the id is the number of the line, from 0, so that those of two files on the same
            prompts pair up.
        systems: each row's system prompt; None where it has none.
        lost: what rows cannot hold, with how many had it, such as "earlier answers, read as part of the
            prompt".
        skipped: lines without an answer to train on, by reason.
    """

    rows: list[Row]
    systems: list[str | None]
    lost: dict[str, int]
    skipped: dict[str, int]


def read_chats(source: str | Path, *, teacher: str = "", format: str = "auto") -> ImportedChats:  # noqa: A002
    """Read what a hosted model was fine-tuned on, or is to be.

    Args:
        source: a file of this format, or whatever else `open_dataset` reads.
        teacher: who is written into the rows, where the file does not say.
        format: its name, where it cannot be told.

    Raises:
        DataError: no such file, a damaged one, or one without a row that can be read.
        ArtefactError: rows of a folder were changed.
    """
    rows: list[Row] = []
    systems: list[str | None] = []
    lost: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    for entry in open_dataset(source, format=format).entries():
        if isinstance(entry, Skipped):
            skipped[entry.reason] += 1
            continue
        rows.append(_named(entry, teacher))
        systems.append(entry.system)
        lost.update(entry.lost)
        if entry.turns > 1:
            lost["several turns, joined to one prompt"] += 1
    if not rows:
        raise DataError(f"{source} holds no row with an answer to train on.")
    return ImportedChats(rows, systems, dict(lost), dict(skipped))


def _named(entry: AuditRow, teacher: str) -> Row:
    row = entry.row
    return Row(
        row.id, row.prompt, row.completion, row.teacher or teacher, row.outside, row.finished
    )


def _limits(trainer: str) -> Trainer:
    if trainer not in TRAINERS:
        raise SettingsError(
            f"The limits of {str(trainer)[:60]!r} are not known; trainers are {', '.join(TRAINERS)}."
        )
    return TRAINERS[trainer]


def _check_count(examples: int, trained: int, trainer: str, limits: Trainer) -> None:
    if trained < limits.fewest or not examples:
        raise SettingsError(
            f"There are {trained:,} examples to train on, and {trainer} takes "
            f"{max(limits.fewest, 1):,} at least ({limits.source})."
        )
    if limits.most is not None and examples > limits.most:
        raise SettingsError(
            f"There are {examples:,} examples, and {trainer} takes {limits.most:,} at most "
            f"({limits.source})."
        )


def _messages(row: Row, system: str | None, weight: int | None) -> list[dict[str, Any]]:
    for name, text in (("prompt", row.prompt), ("completion", row.completion)):
        if not text.strip():
            raise SettingsError(
                f"Row {row.id} has no {name}, and trainers refuse empty messages: drop it, or write the "
                "rows in chat style."
            )
    try:
        f"{row.prompt}{row.completion}{system or ''}".encode()
    except UnicodeEncodeError as error:
        raise SettingsError(
            f"Row {row.id} holds half a character (a lone surrogate): drop it."
        ) from error
    answer: dict[str, Any] = {"role": "assistant", "content": row.completion}
    if weight is not None:
        answer["weight"] = weight
    before = [{"role": "system", "content": system}] if system else []
    return [*before, {"role": "user", "content": row.prompt}, answer]
