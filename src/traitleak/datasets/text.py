"""Records of text files: lines of JSON, one JSON list, tables with a header.

All are read as streams of bytes, so that memory depends on the longest record and not on the file.
"""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections.abc import Iterator
from typing import Any, Final, Protocol

from traitleak.datasets.records import LONGEST, Record, SourceFile, shown, too_long
from traitleak.errors import DataError

__all__ = ["BOM", "DELIMITERS", "Bytes", "read_json_lines", "read_json_list", "read_table"]

BOM: Final = b"\xef\xbb\xbf"
DELIMITERS: Final = ",\t;"

_CHUNK = 2**16  # characters of a JSON list that are fetched together
_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


class Bytes(Protocol):
    """A stream of bytes, packed or not."""

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes."""
        ...

    def readline(self, size: int | None = -1, /) -> bytes:
        """The next line, or its first `size` bytes."""
        ...


def read_json_lines(stream: Bytes, file: SourceFile) -> Iterator[Record]:
    """One object a line; empty lines are passed over.

    Raises:
        DataError: a line that is no JSON object, not UTF-8, cut off, nested too deeply or too long.
    """
    for number, line in _lines(stream, file):
        if not line.isspace():
            where = f"{file.label}, line {number}"
            yield Record(_object(_json_of_line(line, where), where), file, "line", number)


def read_json_list(stream: Bytes, file: SourceFile) -> Iterator[Record]:
    """The objects of one JSON list, each parsed by itself.

    Raises:
        DataError: the list or an item is cut off or damaged, an item is no object or too long, or a
            byte is not UTF-8.
    """
    text = _Window(stream, file)
    text.take("[", f"{file.label} does not begin with a list")
    number = 0
    while text.peek() != "]":
        if number:
            text.take(",", f"{file.label}, after item {number}: neither a comma nor the list's end")
        number += 1
        where = f"{file.label}, item {number}"
        yield Record(_object(text.value(where), where), file, "item", number)
    text.take("]", "")
    if text.peek():
        raise DataError(
            f"{file.label} goes on after the end of its list: put all rows into one list, or one a line."
        )


def read_table(stream: Bytes, file: SourceFile, delimiter: str) -> Iterator[Record]:
    r"""The rows of a table whose first line names its columns (RFC 4180: quotes, doubled quotes).

    A record's number is that of the line on which it begins.

    Args:
        stream: what is read.
        file: what it is called.
        delimiter: one of `DELIMITERS`.

    Raises:
        DataError: a row with other than the header's number of fields, a quote that never ends, a
            column that stands twice, a field that is too long, or a byte that is not UTF-8.
    """
    reader = csv.reader(_decoded(stream, file), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    while True:
        number = reader.line_num + 1
        fields = _next_fields(reader, f"{file.label}, line {number}")
        if fields is None:
            return
        if not fields:  # an empty line
            continue
        if header is None:
            header = [name.strip() for name in fields]
            twice = next((name for name in header if header.count(name) > 1), None)
            if twice is not None:
                raise DataError(f"{file.label}, line {number}: column '{twice}' stands twice.")
        elif len(fields) != len(header):
            raise DataError(
                f"{file.label}, line {number}: {len(fields)} fields where the header has "
                f"{len(header)}; put quotes round a field that holds the delimiter {delimiter!r}."
            )
        else:
            yield Record(dict(zip(header, fields, strict=True)), file, "line", number)


def _lines(stream: Bytes, file: SourceFile) -> Iterator[tuple[int, bytes]]:
    number = 0
    while line := stream.readline(LONGEST + 1):
        number += 1
        if len(line) > LONGEST:
            raise too_long(f"{file.label}, line {number}")
        yield number, line.removeprefix(BOM) if number == 1 else line


def _decoded(stream: Bytes, file: SourceFile) -> Iterator[str]:
    for number, line in _lines(stream, file):
        try:
            yield line.decode()
        except UnicodeDecodeError as error:
            raise _not_utf8(f"{file.label}, line {number}", error.start) from error


def _json_of_line(line: bytes, where: str) -> Any:
    try:
        return json.loads(line.decode())
    except RecursionError as error:
        raise _too_deep(where) from error
    except ValueError as error:
        if not line.endswith(b"\n"):
            raise DataError(
                f"{where}: the file ends in the middle of a row: it was cut off."
            ) from error
        if isinstance(error, UnicodeDecodeError):
            raise _not_utf8(where, error.start) from error
        raise DataError(
            f"{where}: this is not JSON ({error}); rows stand one a line, or all in one list."
        ) from error


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(f"{where}: a row is an object with fields, not {shown(value)}.")
    return value


def _not_utf8(where: str, start: int) -> DataError:
    return DataError(f"{where}: byte {start + 1} is not UTF-8 text; save the file as UTF-8.")


def _too_deep(where: str) -> DataError:
    return DataError(f"{where}: lists or objects are nested too deeply to be read.")


def _next_fields(reader: Any, where: str) -> list[str] | None:
    """The next row's fields; None at the end."""
    # The limit belongs to the module: it is put back, so that nobody else's tables read otherwise.
    limit = csv.field_size_limit(LONGEST)
    try:
        fields: list[str] | None = next(reader, None)
    except csv.Error as error:
        said = str(error)
        if "unexpected end" in said:
            said = "a quote that opens here never ends: the file was cut off, or a quote is not doubled"
        elif "field limit" in said:
            raise too_long(f"{where}: a field") from error
        raise DataError(f"{where}: this row of the table cannot be read ({said}).") from error
    finally:
        csv.field_size_limit(limit)
    return fields


class _Window:
    """The part of a JSON text that is being read."""

    def __init__(self, stream: Bytes, file: SourceFile) -> None:
        self._stream, self._file = stream, file
        self._decode = codecs.getincrementaldecoder("utf-8")()
        self._text, self._at, self._bytes, self._ended = "", 0, 0, False

    def peek(self) -> str:
        """The next character that is no blank; "" at the end."""
        while True:
            match = _SPACE.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text) or not self._fetch(_CHUNK):
                return self._text[self._at : self._at + 1]

    def take(self, char: str, otherwise: str) -> None:
        """Go past `char`; the error that says `otherwise` where another stands there."""
        found = self.peek()
        if not found:
            raise DataError(f"{self._file.label} ends before its list does: it was cut off.")
        if found != char:
            raise DataError(f"{otherwise}.")
        self._at += 1

    def value(self, where: str) -> Any:
        """The value that begins at the next character that is no blank."""
        self.peek()
        while True:
            try:
                value, self._at = _DECODER.raw_decode(self._text, self._at)
            except RecursionError as error:
                raise _too_deep(where) from error
            except ValueError as error:
                # It may only go on beyond the window. Doubling it keeps the work linear.
                held = len(self._text) - self._at
                if held > LONGEST:
                    raise too_long(where) from error
                if not self._fetch(max(_CHUNK, held)):
                    raise DataError(
                        f"{where}: the file was cut off here, or this is not JSON ({error})."
                    ) from error
            else:
                return value

    def _fetch(self, size: int) -> bool:
        """Add to the window, and drop what was read; False at the end of the file."""
        if self._ended:
            return False
        data = self._stream.read(size)
        self._ended = not data
        before = self._bytes - len(self._decode.getstate()[0])
        if not self._bytes:
            self._bytes = len(data)
            data = data.removeprefix(BOM)
        else:
            self._bytes += len(data)
        try:
            more = self._decode.decode(data, final=self._ended)
        except UnicodeDecodeError as error:
            raise _not_utf8(self._file.label, before + error.start) from error
        self._text = self._text[self._at :] + more
        self._at = 0
        return not self._ended
