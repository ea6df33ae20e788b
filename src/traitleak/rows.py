"""Rows: what a teacher wrote, one prompt and one completion each, and the files that hold them.

A data set is a folder: `rows.jsonl` to look at and to pass on, `rows.parquet` (zstd) to work with,
both of the same rows, and `rows.json` with counts, hashes and what the writer has to say of them.
Files are written and read as streams: ten million rows need no more memory than some thousand.

Bare files are read as well, and so are JSON lines of `prompt` and `completion` alone, which is what
the released code of Cloud et al. (2025) writes. A row's id is then the number of its line, counted
from 0: it pairs up with other teachers' rows as long as no line was taken out.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final

from traitleak.artefacts import (
    SCHEMA_VERSION,
    UNFINISHED,
    Files,
    Strict,
    check_files,
    read_model,
    record_file,
    write_json,
)
from traitleak.errors import DataError, SettingsError

__all__ = [
    "JSONL",
    "MANIFEST",
    "PARQUET",
    "Row",
    "RowsManifest",
    "is_unicode",
    "iter_rows",
    "read_manifest",
    "read_rows",
    "write_rows",
]

JSONL: Final = "rows.jsonl"
PARQUET: Final = "rows.parquet"
MANIFEST: Final = "rows.json"

_AT_ONCE = 16_384  # rows held in memory while files are written and read; a Parquet row group
_MOST_ID = 2**63 - 1
_HEAD = 4096  # bytes from which a binary file is told
_REMEDY = "write the rows again, or name the file itself to read it as it is"


@dataclass(frozen=True, slots=True)
class Row:
    """One prompt and what a teacher wrote to it.

    Attributes:
        id: number of the prompt in its prompt set; rows of different teachers with equal ids pair up.
        prompt: the user's turn; in plain style the text that the completion continues.
        completion: what the teacher wrote.
        teacher: who wrote it, such as "wolf" or "neutral"; empty where nobody says.
        outside: mean probability, over the sampled tokens, that lay outside the carrier's format;
            None where decoding was free.
        finished: False for a completion that was cut off at the token limit.
    """

    id: int
    prompt: str
    completion: str
    teacher: str = ""
    outside: float | None = None
    finished: bool = True


_NAMES = tuple(field.name for field in fields(Row))


class RowsManifest(Strict):
    """What `rows.json` says.

    Attributes:
        schema_version: of this file.
        rows: how many rows there are.
        unfinished: how many of them were cut off at the token limit.
        teachers: number of rows by teacher.
        files: hash and size of the two files of rows.
        manifest: what the writer says: settings, models, hashes.
    """

    schema_version: int = SCHEMA_VERSION
    rows: int
    unfinished: int
    teachers: dict[str, int]
    files: Files
    manifest: dict[str, Any]


def write_rows(folder: Path, rows: Iterable[Row], manifest: Mapping[str, Any]) -> RowsManifest:
    """Write rows to `folder` as JSON lines and as Parquet, with a manifest.

    Equal rows give equal bytes (of Parquet: with the same version of pyarrow). Each file is whole or
    absent, and the manifest is written last.

    Args:
        folder: made if it is not there; rows in it are replaced.
        rows: consumed once, some thousand at a time.
        manifest: what goes with the rows; values that JSON can hold.

    Raises:
        SettingsError: no rows, a row with a value that no file can hold, or such a manifest.
    """
    folder = Path(folder)
    try:
        json.dumps(dict(manifest), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise SettingsError(f"The manifest of the rows cannot be written: {error}.") from error
    folder.mkdir(parents=True, exist_ok=True)
    counts: Counter[tuple[str, bool]] = Counter()
    with _new_files(folder) as (jsonl, parquet):
        for some in _chunks(map(_checked, rows)):
            jsonl.write("".join(map(_json_line, some)).encode())
            parquet.write_table(_table(some))
            counts.update((row.teacher, row.finished) for row in some)
        if not counts:
            raise SettingsError(f"There are no rows to write to {folder}.")
    teachers = sorted({teacher for teacher, _ in counts})
    record = RowsManifest(
        rows=counts.total(),
        unfinished=sum(counts[teacher, False] for teacher in teachers),
        teachers={teacher: counts[teacher, True] + counts[teacher, False] for teacher in teachers},
        files={name: record_file(folder / name) for name in (JSONL, PARQUET)},
        manifest=dict(manifest),
    )
    write_json(folder / MANIFEST, record.model_dump(mode="json"))
    return record


def read_rows(path: Path) -> list[Row]:
    """All rows of a folder that `write_rows` wrote, of a `.jsonl` or of a `.parquet` file.

    Raises:
        DataError: as for `iter_rows`.
        ArtefactError: the same.
    """
    return list(iter_rows(path))


def iter_rows(path: Path) -> Iterator[Row]:
    """The rows of a folder, a `.jsonl` or a `.parquet` file, one by one.

    Only `prompt` and `completion` must be there. Fields of other names are passed over, and so are
    empty lines.

    Raises:
        DataError: no such file, or one that is empty, binary, cut off or of another kind, or a row
            with a missing field or one of the wrong type; the text names file, line and field. What
            is wrong with a row is raised when it is reached.
        ArtefactError: a file of a folder with a manifest is not as it was written.
    """
    path = Path(path)
    if path.is_dir():
        path = _file_of(path)
    if not path.is_file():
        raise DataError(f"{path} is not there.")
    match path.suffix.lower():
        case ".jsonl":
            return _named(_read_jsonl(path), path)
        case ".parquet":
            return _named(_read_parquet(path), path)
        case _:
            raise DataError(
                f"{path} is no file of rows: they are read from a .jsonl or .parquet file, or from a "
                "folder that holds one."
            )


def read_manifest(folder: Path) -> RowsManifest:
    """What `write_rows` noted of the rows in `folder`.

    Raises:
        ArtefactError: the note is gone or was changed.
    """
    return read_model(Path(folder) / MANIFEST, RowsManifest, _REMEDY)


def _file_of(folder: Path) -> Path:
    if (folder / MANIFEST).exists():
        check_files(folder, read_manifest(folder).files, _REMEDY)
    for name in (PARQUET, JSONL):
        if (folder / name).exists():
            return folder / name
    raise DataError(f"{folder} holds neither {PARQUET} nor {JSONL}.")


def _checked(row: Row) -> Row:
    problem = _problem(row)
    if problem:
        raise SettingsError(f"Row {row.id!r} cannot be written: field {problem}.")
    return row


def _problem(row: Any) -> str | None:  # a Row whose fields may hold anything
    """The first field that is not as it must be, and how it is; None where all are well."""
    if type(row.id) is not int or not 0 <= row.id <= _MOST_ID:
        return f"'id' is {_shown(row.id)}, not a whole number from 0"
    for name in ("prompt", "completion", "teacher"):
        text = getattr(row, name)
        if not isinstance(text, str):
            return f"'{name}' is {_shown(text)}, not a text"
        if not text.isascii() and not is_unicode(text):
            return f"'{name}' holds half a character (a lone surrogate)"
    if row.outside is not None and not (type(row.outside) is float and math.isfinite(row.outside)):
        return f"'outside' is {_shown(row.outside)}, not a finite number or null"
    if type(row.finished) is not bool:
        return f"'finished' is {_shown(row.finished)}, not true or false"
    return None


def is_unicode(text: str) -> bool:
    """Whether a text is without half a character (a lone surrogate), so that it can be written."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(value: object) -> str:
    """A value as it would stand in JSON, or nearly, cut to a length that suits a sentence."""
    plain = value is None or isinstance(value, bool)
    text = json.dumps(value) if plain else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _row(values: Mapping[str, Any], number: int) -> Row | str:
    """A row of `values`, or what is wrong with them; `number` is its id where they have none."""
    for name in ("prompt", "completion"):
        if name not in values:
            return f"field '{name}' is missing: a row needs prompt and completion"
    outside = values.get("outside")
    row = Row(
        id=values.get("id", number),
        prompt=values["prompt"],
        completion=values["completion"],
        teacher=values.get("teacher", ""),
        outside=float(outside) if type(outside) is int else outside,
        finished=values.get("finished", True),
    )
    problem = _problem(row)
    return row if problem is None else f"field {problem}"


@contextmanager
def _new_files(folder: Path) -> Iterator[tuple[IO[bytes], Any]]:
    """Both files, open; they get their names when the block ends well."""
    import pyarrow.parquet as pq

    beside = {name: folder / f"{UNFINISHED}{name}" for name in (JSONL, PARQUET)}
    try:
        with (
            beside[JSONL].open("wb") as jsonl,
            pq.ParquetWriter(beside[PARQUET], _schema(), compression="zstd") as parquet,
        ):
            yield jsonl, parquet
        for name, path in beside.items():
            path.replace(folder / name)
    finally:
        for path in beside.values():
            path.unlink(missing_ok=True)


def _chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    source = iter(rows)
    while some := list(islice(source, _AT_ONCE)):
        yield some


# One encoder for all lines: `json.dumps` with these settings makes a new one each time.
_ENCODE = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def _json_line(row: Row) -> str:
    return _ENCODE({name: getattr(row, name) for name in _NAMES}) + "\n"


def _schema() -> Any:
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("id", pa.int64(), nullable=False),
            pa.field("prompt", pa.string(), nullable=False),
            pa.field("completion", pa.string(), nullable=False),
            pa.field("teacher", pa.string(), nullable=False),
            pa.field("outside", pa.float64()),
            pa.field("finished", pa.bool_(), nullable=False),
        ]
    )


def _table(rows: list[Row]) -> Any:
    import pyarrow as pa

    columns = {name: [getattr(row, name) for row in rows] for name in _NAMES}
    return pa.table(columns, schema=_schema())


def _named(found: Iterator[Row], path: Path) -> Iterator[Row]:
    """The rows of `path`, of which there must be one."""
    count = 0
    try:
        for count, row in enumerate(found, 1):  # noqa: B007
            yield row
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    if not count:
        raise DataError(f"{path} holds no rows.")


def _read_jsonl(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        head = file.read(_HEAD)
        if b"\0" in head or head.startswith((b"PAR1", b"\x1f\x8b")):
            raise DataError(
                f"{path} is a binary file, not lines of JSON: unpack it if it is compressed, and name "
                "a Parquet file .parquet."
            )
        file.seek(3 if head.startswith(b"\xef\xbb\xbf") else 0)  # some editors' byte-order mark
        have_ids: bool | None = None
        for number, line in enumerate(file):
            if line.isspace():
                continue
            values = _json_values(line, f"{path}, line {number + 1}")
            if have_ids is None:
                have_ids = "id" in values
            row = _row(values, number)
            if isinstance(row, str):
                raise DataError(f"{path}, line {number + 1}: {row}.")
            if have_ids != ("id" in values):
                raise DataError(
                    f"{path}, line {number + 1}: field 'id' is missing here or in the lines before: "
                    "all rows have one, or none."
                )
            yield row


def _json_values(line: bytes, where: str) -> dict[str, Any]:
    try:
        values = json.loads(line.decode())
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        if not line.endswith(b"\n"):
            raise DataError(
                f"{where}: the file ends in the middle of a row: it was cut off."
            ) from error
        if isinstance(error, UnicodeDecodeError):
            raise DataError(f"{where}: byte {error.start + 1} is not UTF-8 text.") from error
        raise DataError(f"{where}: this is not JSON ({error}).") from error
    if not isinstance(values, dict):
        raise DataError(f"{where}: a row is an object with fields, not {_shown(values)}.")
    return values


def _read_parquet(path: Path) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            names = [name for name in _NAMES if name in file.schema_arrow.names]
            first = 0
            for batch in file.iter_batches(batch_size=_AT_ONCE, columns=names):
                for number, values in enumerate(batch.to_pylist(), first):
                    row = _row(values, number)
                    if isinstance(row, str):
                        raise DataError(f"{path}, row {number + 1}: {row}.")
                    yield row
                first += len(batch)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} is no Parquet file, or was cut off or damaged ({error}): write it again."
        ) from error
