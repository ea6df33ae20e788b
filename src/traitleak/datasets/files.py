"""One file: what it is, by its first bytes, and its records."""

from __future__ import annotations

import csv
import gzip
import io
import os
import stat
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal, cast

from traitleak.datasets.records import Record, SourceFile
from traitleak.datasets.tables import read_arrow, read_parquet
from traitleak.datasets.text import (
    BOM,
    DELIMITERS,
    Bytes,
    read_json_lines,
    read_json_list,
    read_table,
)
from traitleak.errors import DataError

__all__ = ["ENDINGS", "is_data_file", "read_file", "status"]

ENDINGS: Final = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".arrow")
"""How the names of data files end, before .gz or .zst; for the files of a folder."""

_PACKED = (".gz", ".zst")
_HEAD = 4096  # bytes by which a file's kind is told
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_PARQUET, _ARROW = b"PAR1", (b"ARROW1", b"\xff\xff\xff\xff")
_OTHERS = {
    b"PK\x03\x04": "a ZIP archive or a spreadsheet; unpack it, or save the sheet as CSV",
    b"BZh": "packed with bzip2; unpack it, or pack it with gzip or zstd",
    b"\xfd7zXZ": "packed with xz; unpack it, or pack it with gzip or zstd",
    b"7z\xbc\xaf": "a 7z archive; unpack it",
    b"%PDF": "a PDF document",
    b"\xff\xfe": "UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "UTF-16 text; save it as UTF-8",
}

Kind = Literal["lines", "list", "table", "parquet", "arrow"]


def status(path: Path) -> os.stat_result:
    """What the file system says of `path`.

    Raises:
        DataError: it is not there, is a link to nowhere, or may not be looked at.
    """
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        if path.is_symlink():
            raise DataError(
                f"{path} is a link to {path.readlink()}, which is not there."
            ) from error
        raise DataError(f"{path} is not there.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise DataError(f"{str(path)!r} is no path: {error}.") from error


def is_data_file(name: str) -> bool:
    """Whether a folder's file of this name is one of its data files."""
    plain = name.lower()
    for ending in _PACKED:
        plain = plain.removesuffix(ending)
    return plain.endswith(ENDINGS) and not name.startswith((".", "_"))


def read_file(file: SourceFile, known: Collection[str]) -> Iterator[Record]:
    """The records of a file, one by one.

    Args:
        file: its path must be set.
        known: fields that formats know; of tables with a schema only these are read.

    Raises:
        DataError: it is not there, empty, binary, of another kind, cut off or damaged, may not be
            read, or holds something that is no record. What is wrong with a record is raised when it
            is reached.
    """
    path = cast("Path", file.path)
    mode = status(path).st_mode
    if not stat.S_ISREG(mode):
        raise DataError(
            f"{path} is {_irregular(mode)}, and a data set is read more than once: write the rows to a "
            "file, and name that."
        )
    count = 0
    try:
        for record in _records(path, file, known):
            yield record
            count += 1
    except (EOFError, zlib.error) as error:
        raise _damaged(file, count, error) from error
    except OSError as error:
        if error.errno is None:  # what unpacks raises these
            raise _damaged(file, count, error) from error
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error


def _irregular(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a folder"
    return "a pipe" if stat.S_ISFIFO(mode) else "no regular file"


def _damaged(file: SourceFile, count: int, error: Exception) -> DataError:
    return DataError(
        f"{file.label} was cut off or damaged after row {count} ({error}): get or pack it again."
    )


def _records(path: Path, file: SourceFile, known: Collection[str]) -> Iterator[Record]:
    with _unpacked(path) as (stream, packed):
        head = stream.read(_HEAD)
        kind, delimiter = _kind(head, path, file, known)
        if packed and kind in {"parquet", "arrow"}:
            raise DataError(
                f"{file.label} is a packed {kind.capitalize()} file: unpack it; it is compressed inside."
            )
    if kind == "parquet":
        yield from read_parquet(path, file, known)
    elif kind == "arrow":
        yield from read_arrow(path, file, known)
    else:
        with _unpacked(path) as (stream, _):
            if kind == "lines":
                yield from read_json_lines(stream, file)
            elif kind == "list":
                yield from read_json_list(stream, file)
            else:
                yield from read_table(stream, file, delimiter)


@contextmanager
def _unpacked(path: Path) -> Iterator[tuple[Bytes, bool]]:
    """A file's bytes, unpacked by what it begins with, and whether it was packed."""
    with path.open("rb") as raw:
        head = raw.peek(4)[:4]
        if head.startswith(_GZIP):
            with gzip.GzipFile(fileobj=raw, mode="rb") as stream:
                yield stream, True
        elif head.startswith(_ZSTD):
            import pyarrow as pa

            # pyarrow brings its own zstd, with which our rows are written: no package to add.
            with io.BufferedReader(pa.CompressedInputStream(raw, "zstd")) as unpacked:
                yield unpacked, True
        else:
            yield raw, False


def _kind(head: bytes, path: Path, file: SourceFile, known: Collection[str]) -> tuple[Kind, str]:
    """What a file is, and the delimiter of a table."""
    text = head.removeprefix(BOM).lstrip()
    name = path.name.lower()
    for ending in _PACKED:
        name = name.removesuffix(ending)
    if head.startswith(_PARQUET):
        return "parquet", ""
    if head.startswith(_ARROW):
        return "arrow", ""
    if not text and len(head) < _HEAD:
        raise DataError(f"{file.label} is empty.")
    for magic, what in _OTHERS.items():
        if head.startswith(magic):
            raise DataError(f"{file.label} is {what}.")
    if b"\0" in head:
        raise DataError(f"{file.label} is a binary file of a kind that is not read.")
    if name.endswith((".parquet", ".arrow")):
        raise DataError(f"{file.label} is no {name.rpartition('.')[2].capitalize()} file.")
    if text.startswith(b"["):
        return "list", ""
    if text.startswith(b"{") or name.endswith((".jsonl", ".ndjson", ".json")):
        return "lines", ""
    delimiter = _delimiter(text, known)
    if delimiter is None:
        raise DataError(
            f"{file.label} is neither lines of JSON, nor a JSON list, nor a table whose first line "
            "names columns such as prompt and completion; it begins with "
            f"{text[:30].decode(errors='replace')!r}."
        )
    return "table", delimiter


def _delimiter(text: bytes, known: Collection[str]) -> str | None:
    """The delimiter that makes most known columns of the first line; None if none makes any."""
    first = text.splitlines()[:1] or [b""]
    header = first[0].decode(errors="replace")
    best, most = None, 0
    for delimiter in DELIMITERS:
        names = next(csv.reader([header], delimiter=delimiter), [])
        count = sum(name.strip() in known for name in names)
        if count > most:
            best, most = delimiter, count
    return best
