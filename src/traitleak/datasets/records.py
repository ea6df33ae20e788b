"""Records: what stands in one line, item or table row of a file, before anything is made of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from traitleak.errors import DataError

__all__ = ["LONGEST", "Record", "SourceFile", "shown", "too_long"]

LONGEST: Final = 16 * 2**20
"""The longest line, list item or text that is read: 16 MiB, or as many characters."""

_LONGEST_SHOWN = 60  # characters of a value that an error repeats


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file, or a table of the hub.

    Attributes:
        path: the file; None for a table of the hub.
        label: what errors call it: the whole path.
        name: what a row's place calls it: the file's name, or its path below the folder that was
            named.
    """

    path: Path | None
    label: str
    name: str


@dataclass(frozen=True, slots=True)
class Record:
    """Fields and values that stand at one place of a file.

    Attributes:
        values: value by field; null and absent mean the same.
        file: where they stand.
        unit: "line", "item" or "row".
        number: of the line, item or row, from 1.
    """

    values: dict[str, Any]
    file: SourceFile
    unit: str
    number: int

    @property
    def where(self) -> str:
        """The place, short: "data.jsonl, line 17"."""
        return f"{self.file.name}, {self.unit} {self.number}"

    @property
    def label(self) -> str:
        """The place with the whole path, for an error."""
        return f"{self.file.label}, {self.unit} {self.number}"


def shown(value: object) -> str:
    """A value nearly as it would stand in JSON, cut to a length that suits a sentence."""
    plain = value is None or isinstance(value, bool)
    text = json.dumps(value) if plain else repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."


def too_long(where: str) -> DataError:
    """The error about a line, item or text beyond `LONGEST`."""
    return DataError(
        f"{where} is longer than {LONGEST // 2**20} MiB, the longest that is read: this is no file of "
        "rows, or a row of it is damaged; take it out, or split it."
    )
