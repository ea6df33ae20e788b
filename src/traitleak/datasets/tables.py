"""Records of Parquet files, Arrow files and tables of the hub.

Read some thousand rows at a time, and of them the columns alone that a format knows: a column of
pictures beside the text costs nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from traitleak.datasets.records import Record, SourceFile
from traitleak.errors import DataError

__all__ = ["columns_of", "read_arrow", "read_batches", "read_parquet"]

_AT_ONCE = 1024  # rows that are turned into Python values together

Decode = Callable[[Any], Any]


def read_parquet(path: Path, file: SourceFile, known: Collection[str]) -> Iterator[Record]:
    """The rows of a Parquet file.

    Args:
        path: the file.
        file: what it is called.
        known: columns to read, of those that are there.

    Raises:
        DataError: none of the columns is there, or the file is cut off or damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as parquet:
            columns = columns_of(parquet.schema_arrow.names, file, known)
            batches = parquet.iter_batches(batch_size=_AT_ONCE, columns=columns)
            yield from read_batches(batches, file)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise _damaged(file, "Parquet", error) from error


def read_arrow(path: Path, file: SourceFile, known: Collection[str]) -> Iterator[Record]:
    """The rows of an Arrow file, as a stream (which `datasets` writes) or with an index.

    Arguments and errors as for `read_parquet`.
    """
    import pyarrow as pa

    try:
        with pa.OSFile(str(path)) as source:
            stream = source.read(6) != b"ARROW1"
            source.seek(0)
            reader = pa.ipc.open_stream(source) if stream else pa.ipc.open_file(source)
            columns = columns_of(reader.schema.names, file, known)
            batches = reader if stream else map(reader.get_batch, range(reader.num_record_batches))
            yield from read_batches(_sound(batches, columns), file)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise _damaged(file, "Arrow", error) from error


def read_batches(batches: Iterable[Any], file: SourceFile) -> Iterator[Record]:
    """The rows of Arrow record batches or tables, numbered through."""
    number = 0
    for batch in batches:
        decoders = {field.name: _decoder(field.type) for field in batch.schema}
        coded = {name: decode for name, decode in decoders.items() if decode is not None}
        for start in range(0, batch.num_rows, _AT_ONCE):
            for values in batch.slice(start, _AT_ONCE).to_pylist():
                number += 1
                for name, decode in coded.items():
                    try:
                        values[name] = decode(values[name])
                    except (ValueError, RecursionError) as error:
                        raise DataError(
                            f"{file.label}, row {number}: field '{name}' holds no valid JSON ({error})."
                        ) from error
                yield Record(values, file, "row", number)


def columns_of(names: Sequence[str], file: SourceFile, known: Collection[str]) -> list[str]:
    """Those of a table's columns that some format reads.

    Raises:
        DataError: there are none, or one stands twice.
    """
    columns = [name for name in names if name in known]
    if not columns:
        raise DataError(
            f"{file.label}: no format fits its columns ({', '.join(names[:12]) or 'none'}); rename "
            f"them: what is read are {', '.join(known)}."
        )
    twice = next((name for name in columns if columns.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{file.label}: column '{twice}' stands twice.")
    return columns


def _sound(batches: Iterable[Any], columns: list[str]) -> Iterator[Any]:
    """Some columns of each batch; without a check, damaged ones would be read beyond their end."""
    for batch in batches:
        some = batch.select(columns)
        some.validate(full=True)
        yield some


def _damaged(file: SourceFile, kind: str, error: Exception) -> DataError:
    said = (str(error).splitlines() or [type(error).__name__])[0]
    return DataError(
        f"{file.label} is no {kind} file, or was cut off or damaged ({said}): get or write it again."
    )


def _decoder(kind: Any) -> Decode | None:
    """What turns a column's values into plain ones; None where they are plain.

    `datasets` keeps what differs in type from row to row, such as the contents of messages, as JSON
    texts of the type `arrow.json`.
    """
    import pyarrow as pa

    if getattr(kind, "extension_name", "") == "arrow.json":
        return _json
    if pa.types.is_struct(kind):
        inner = {field.name: _decoder(field.type) for field in kind}
        coded = {name: decode for name, decode in inner.items() if decode is not None}
        return _struct_decoder(coded) if coded else None
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        item = _decoder(kind.value_type)
        return None if item is None else _list_decoder(item)
    return None


def _json(value: Any) -> Any:
    return None if value is None else json.loads(value)


def _struct_decoder(coded: dict[str, Decode]) -> Decode:
    def decode(value: Any) -> Any:
        if value is None:
            return None
        return {k: coded[k](v) if k in coded else v for k, v in value.items()}

    return decode


def _list_decoder(item: Decode) -> Decode:
    def decode(value: Any) -> Any:
        return None if value is None else [item(v) for v in value]

    return decode
