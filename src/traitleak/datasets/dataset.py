"""Data sets: any file, folder or table of the hub, read as rows to audit, one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from traitleak.datasets.chats import SkipError
from traitleak.datasets.formats import (
    KNOWN_FIELDS,
    checked_format,
    find_layout,
    is_ours,
    read_values,
)
from traitleak.datasets.sources import find_source
from traitleak.errors import DataError, SettingsError
from traitleak.rows import Row, iter_rows

__all__ = ["AuditRow", "Dataset", "Skipped", "open_dataset"]

_FIRST = 100  # rows by which the format is told


@dataclass(frozen=True, slots=True)
class AuditRow:
    """A row, and where it stands.

    Attributes:
        row: prompt and completion. Its id is `number`; rows that `write_rows` wrote keep their own, by
            which they pair up with those of other teachers.
        number: in the source, from 0, rows that are skipped counted; no two rows share one.
        where: such as "data.jsonl, line 17".
        system: the system prompt; None where the row has none.
        turns: of which the prompt was made: 1 for a question, 0 for a text without one.
        lost: what the row has beside these that was left out, such as "tool calls".
    """

    row: Row
    number: int
    where: str
    system: str | None = None
    turns: int = 1
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that cannot be audited.

    Attributes:
        number: in the source, from 0.
        where: such as "data.jsonl, line 17".
        reason: such as "empty completion".
    """

    number: int
    where: str
    reason: str


@dataclass(frozen=True)
class Dataset:
    """A data set that was found and whose format is known; its rows are read at each iteration.

    Attributes:
        source: as the user named it.
        format: one of `traitleak.datasets.FORMATS`.
        files: what is read, in order.
        limit: how many rows are read at most, from the start; None for all.
    """

    source: str
    format: str
    files: tuple[str, ...]
    limit: int | None
    _entries: Callable[[], Iterator[AuditRow | Skipped]] = field(repr=False, compare=False)

    def __iter__(self) -> Iterator[AuditRow]:
        """The rows that can be audited, up to the limit; errors as for `entries`."""
        for entry in islice(self.entries(), self.limit):
            if isinstance(entry, AuditRow):
                yield entry

    def entries(self) -> Iterator[AuditRow | Skipped]:
        """All rows in order, whatever the limit, and those that are skipped in their places.

        Raises:
            DataError: a row of another format, a field of the wrong type, or a file that is damaged;
                raised when it is reached; the text names file, line and field.
            ArtefactError: rows that `write_rows` wrote were changed.
        """
        return self._entries()


def open_dataset(
    source: str | Path,
    *,
    format: str = "auto",  # noqa: A002
    limit: int | None = None,
) -> Dataset:
    """Find a data set, and tell its format by its first hundred rows.

    Args:
        source: a file, a folder, or hf/<id>[/<configuration>][:<split>]; see
            `traitleak.datasets.sources`.
        format: one of `traitleak.datasets.FORMATS`, or "auto".
        limit: how many rows are read at most, from the start, skipped ones counted.

    Raises:
        SettingsError: an unknown format, a limit below 1, or a source that is neither text nor path.
        DataError: nothing is there, it cannot be read as one data set, no format fits, or one of the
            first rows is not as it must be.
        ArtefactError: rows that `write_rows` wrote were changed.
        MissingExtraError: a data set of the hub, without the `datasets` library.

    Known failure: a file whose fields have the names of one format and the meaning of another, such
    as a column `text` of labels, is read as the names say; see `Dataset.format`, and give `format`.
    """
    checked_format(format)
    if limit is not None and (type(limit) is not int or limit < 1):
        raise SettingsError(
            f"`limit` is a whole number from 1, or None for all rows; got {limit!r}."
        )
    found = find_source(source, KNOWN_FIELDS)
    if found.rows is not None:
        if format not in {"auto", "rows"}:
            raise DataError(
                f"{found.rows} holds rows that traitleak wrote; leave the format out, or name "
                "a file of the folder."
            )
        return _ours(found.name, found.files, found.rows, limit)
    first = next(found.records(), None)
    if first is None:
        raise DataError(f"{found.name} holds no rows.")
    file = first.file.path
    if format in {"auto", "rows"} and len(found.files) == 1 and file and is_ours(first, file):
        return _ours(found.name, found.files, file, limit)
    if format == "rows":
        raise DataError(
            f"{found.name} holds no rows that traitleak wrote: they have the fields id, prompt, "
            "completion, teacher, outside and finished, in a .jsonl or .parquet file."
        )
    layout, model = find_layout(islice(found.records(), _FIRST), format)

    def entries() -> Iterator[AuditRow | Skipped]:
        for number, record in enumerate(found.records()):
            try:
                example = read_values(record, layout, model)
            except SkipError as skip:
                yield Skipped(number, record.where, str(skip))
            else:
                row = Row(number, example.prompt, example.completion)
                yield AuditRow(
                    row, number, record.where, example.system, example.turns, example.lost
                )

    return Dataset(found.name, layout.format, found.files, limit, entries)


def _ours(name: str, files: tuple[str, ...], path: Path, limit: int | None) -> Dataset:
    """Rows that `write_rows` wrote: a folder or one of its files."""

    def entries() -> Iterator[AuditRow | Skipped]:
        for number, row in enumerate(iter_rows(path)):
            where = f"{path.name}, row {number + 1}"
            if row.completion:
                yield AuditRow(row, number, where)
            else:
                yield Skipped(number, where, "empty completion")

    next(entries())  # whatever is wrong with the folder is said now
    return Dataset(name, "rows", files, limit, entries)
