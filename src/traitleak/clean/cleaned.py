"""A cleaned data set: its rows, how much each token counts, and every change that was made.

The output of one cleaning is the input of the next; what each did is kept. On the disk::

    <folder>/
    ├── rows.jsonl, rows.parquet, rows.json    the rows, as every data set of ours
    ├── weights.parquet     one list of floats a row, in the order of the rows; only after `mask`
    ├── tokens.parquet      input_ids and labels for TRL; where a base was given
    ├── changes.jsonl       one line a change
    └── cleaning.json       methods, settings, counts, the input's hash, and each file's

Weights stand in a file of their own: they belong to one tokenizer, which rows do not, and a reader of
rows that knows nothing of weights is not to be given a column that it would drop without a word.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from traitleak.artefacts import (
    SCHEMA_VERSION,
    Files,
    Strict,
    check_files,
    new_folder,
    read_model,
    record_files,
    write_json,
    write_text,
)
from traitleak.clean.trl import trl_examples
from traitleak.errors import DataError, SettingsError
from traitleak.models.language_model import LanguageModel
from traitleak.rows import Row, read_rows, write_rows

__all__ = [
    "CHANGES",
    "CLEANING",
    "TOKENS",
    "WEIGHTS",
    "Change",
    "Cleaned",
    "CleaningManifest",
    "Kind",
    "Step",
    "Weights",
    "read_cleaned",
    "rows_hash",
    "start",
    "write_cleaned",
]

WEIGHTS: Final = "weights.parquet"
TOKENS: Final = "tokens.parquet"
CHANGES: Final = "changes.jsonl"
CLEANING: Final = "cleaning.json"

_REMEDY = "clean the data set again"

Kind = Literal["token", "masked", "rewritten", "dropped", "added"]
"""What happened: to one token (`token`, `masked`), or to a whole completion."""

Weights = Sequence[NDArray[np.float32] | None]
"""For each row, how much each completion token counts; None for all alike."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one row.

    Attributes:
        row: the row's id.
        kind: what happened.
        position: of the token in the completion, from 0; None where all of it changed.
        before: the token's text, or the completion; None for a row that was not there.
        after: what stands there now; None for a row that is gone, and for a masked token, which
            stands there still and is not learned.
    """

    row: int
    kind: Kind
    position: int | None
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Step:
    """What one cleaning did.

    Attributes:
        method: its name.
        settings: what it was told, its seed among it.
        counts: such as how many tokens were flagged and how many changed.
        changes: in the order of the rows.
    """

    method: str
    settings: Mapping[str, JsonValue]
    counts: Mapping[str, int]
    changes: tuple[Change, ...]


@dataclass(frozen=True, eq=False)
class Cleaned:
    """Rows after some cleanings.

    Attributes:
        rows: what is left and what was added.
        weights: see `Weights`; None where every token of every row counts.
        steps: what was done, in order.
        source: hash of the rows that the first cleaning was given.
    """

    rows: tuple[Row, ...]
    weights: tuple[NDArray[np.float32] | None, ...] | None
    steps: tuple[Step, ...]
    source: str

    @property
    def method(self) -> str:
        """The methods in order, such as "trim+relabel"; "untouched" where there were none."""
        return "+".join(step.method for step in self.steps) or "untouched"

    @property
    def changes(self) -> tuple[Change, ...]:
        """All changes, those of the first cleaning first."""
        return tuple(change for step in self.steps for change in step.changes)

    @property
    def settings(self) -> Mapping[str, JsonValue]:
        """What the last cleaning was told."""
        return self.steps[-1].settings if self.steps else {}

    @property
    def counts(self) -> Mapping[str, int]:
        """What the last cleaning counted."""
        return self.steps[-1].counts if self.steps else {}

    def then(
        self,
        rows: Sequence[Row],
        weights: Weights | None,
        step: Step,
    ) -> Cleaned:
        """The data set after one more cleaning.

        Raises:
            SettingsError: no row is left.
        """
        if not rows:
            raise SettingsError(f"The cleaning {step.method!r} leaves no row; make it change less.")
        kept = tuple(weights) if weights and any(w is not None for w in weights) else None
        return replace(self, rows=tuple(rows), weights=kept, steps=(*self.steps, step))

    def weights_of_rows(self) -> tuple[NDArray[np.float32] | None, ...]:
        """The weights, None for each row where there are none at all."""
        return self.weights or (None,) * len(self.rows)


class _StepRecord(Strict):
    method: str
    settings: dict[str, JsonValue]
    counts: dict[str, int]
    changes: int


class CleaningManifest(Strict):
    """What `cleaning.json` says.

    Attributes:
        schema_version: of this file.
        source: hash of the rows before the first cleaning.
        rows: how many there are now.
        base: whose tokens the weights and `tokens.parquet` are of; empty where neither is there.
        steps: the cleanings.
        files: hash and size of each other file.
        manifest: what the writer says.
    """

    schema_version: int = SCHEMA_VERSION
    source: str
    rows: int
    base: str
    steps: list[_StepRecord]
    files: Files
    manifest: dict[str, JsonValue]


def rows_hash(rows: Sequence[Row]) -> str:
    """SHA-256 over the rows, every field of each, in their order."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps(list(asdict(row).values())).encode() + b"\n")
    return digest.hexdigest()


def start(data: Sequence[Row] | Cleaned) -> Cleaned:
    """A data set that a cleaning can begin with, or go on from.

    Raises:
        SettingsError: there are no rows, or something else stands in their place.
    """
    if isinstance(data, Cleaned):
        return data
    if not all(isinstance(row, Row) for row in data):
        raise SettingsError("A cleaning takes rows; read them with `traitleak.read_rows` first.")
    if not data:
        raise SettingsError("There are no rows to clean.")
    return Cleaned(tuple(data), None, (), rows_hash(data))


def write_cleaned(
    folder: Path,
    cleaned: Cleaned,
    *,
    base: LanguageModel | None = None,
    manifest: Mapping[str, JsonValue] | None = None,
) -> CleaningManifest:
    """Write a cleaned data set to a new folder, whole or not at all.

    Args:
        folder: where; it must not be there, or be empty.
        cleaned: what to write.
        base: the model that students begin as: writes `tokens.parquet` for TRL. Weights must be its.
        manifest: what else to note; values that JSON can hold.

    Raises:
        RunError: there is something in the folder, or it cannot be written.
        SettingsError: weights without the base whose tokens they are of; a row that cannot be
            written; weights that TRL cannot follow.
    """
    if cleaned.weights is not None and base is None:
        raise SettingsError("Weights are of one tokenizer's tokens: give the base they are of.")
    steps = [
        _StepRecord(
            method=step.method,
            settings=dict(step.settings),
            counts=dict(step.counts),
            changes=len(step.changes),
        )
        for step in cleaned.steps
    ]
    extra = dict(manifest or {})
    with new_folder(Path(folder)) as place:
        said = [step.model_dump(mode="json") for step in steps]
        write_rows(place, cleaned.rows, {"cleaning": said, "source": cleaned.source, **extra})
        write_text(place / CHANGES, "".join(_lines(cleaned)))
        if cleaned.weights is not None:
            _write_table(
                place / WEIGHTS,
                {
                    "id": [row.id for row in cleaned.rows],
                    "weights": [None if w is None else w.tolist() for w in cleaned.weights],
                },
            )
        if base is not None:
            examples = trl_examples(base, cleaned.rows, cleaned.weights)
            _write_table(
                place / TOKENS,
                {name: [one[name] for one in examples] for name in ("input_ids", "labels")},
            )
        record = CleaningManifest(
            source=cleaned.source,
            rows=len(cleaned.rows),
            base=base.name if base is not None else "",
            steps=steps,
            files=record_files(place),
            manifest=extra,
        )
        write_json(place / CLEANING, record.model_dump(mode="json"))
    return record


def read_cleaned(folder: Path) -> Cleaned:
    """What `write_cleaned` wrote.

    Raises:
        ArtefactError: a file changed after it was written, or is gone.
        DataError: the folder is not there, or holds no cleaned data set.
    """
    folder = Path(folder)
    if not (folder / CLEANING).is_file():
        raise DataError(f"{folder} holds no cleaned data set: {CLEANING} is not there.")
    record = read_model(folder / CLEANING, CleaningManifest, _REMEDY)
    check_files(folder, record.files, _REMEDY)
    by_step: list[list[Change]] = [[] for _ in record.steps]
    with (folder / CHANGES).open(encoding="utf-8") as lines:
        for line in lines:
            values = json.loads(line)
            values.pop("method", None)
            by_step[values.pop("step")].append(Change(**values))
    weights = None
    if WEIGHTS in record.files:
        import pyarrow.parquet as pq

        found = pq.read_table(folder / WEIGHTS)["weights"].to_pylist()
        weights = tuple(None if some is None else np.array(some, np.float32) for some in found)
    steps = tuple(
        Step(step.method, step.settings, step.counts, tuple(changes))
        for step, changes in zip(record.steps, by_step, strict=True)
    )
    return Cleaned(tuple(read_rows(folder)), weights, steps, record.source)


def _lines(cleaned: Cleaned) -> Iterator[str]:
    for number, step in enumerate(cleaned.steps):
        for change in step.changes:
            told = {"step": number, "method": step.method, **asdict(change)}
            yield json.dumps(told, ensure_ascii=False) + "\n"


def _write_table(path: Path, columns: Mapping[str, list[Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {
        "id": pa.int64(),
        "weights": pa.list_(pa.float32()),
        "input_ids": pa.list_(pa.int64()),
        "labels": pa.list_(pa.int64()),
    }
    schema = pa.schema([(name, types[name]) for name in columns])
    pq.write_table(pa.table(dict(columns), schema=schema), path, compression="zstd")
