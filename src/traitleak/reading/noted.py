"""What a stage has worked out so far, a line each in a file, so that a killed run goes on from there.

A line is written when its numbers are there, and holds them exactly. A line that was cut off by a
kill, or is something else, counts as absent.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from traitleak.artefacts import content_hash

__all__ = ["Noted"]


class Noted:
    """Numbers by what they are of.

    Attributes:
        path: the file; None to keep nothing.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Read what is there."""
        self.path = path
        self._known = {} if path is None else _read(path)

    def get(self, *of: object) -> list[float] | None:
        """The numbers of something, as it was noted; None where they are not.

        Args:
            of: values that JSON can hold.
        """
        return self._known.get(content_hash(list(of)))

    def note(self, found: Sequence[tuple[Sequence[object], Sequence[float]]]) -> None:
        """Keep numbers of several things at once.

        Args:
            found: each thing, as `get` would be asked for it, and its numbers.

        Raises:
            OSError: the file cannot be written.
        """
        new = {content_hash(list(of)): [float(one) for one in numbers] for of, numbers in found}
        self._known.update(new)
        if self.path is not None and new:
            # Begins with a line's end: whatever a killed run left unfinished is ended by it.
            lines = [json.dumps({"of": key, "numbers": value}) for key, value in new.items()]
            with self.path.open("a", encoding="utf-8") as file:
                file.write("\n" + "\n".join(lines) + "\n")

    def drop(self) -> None:
        """Delete the file: all is done."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, list[float]]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return {}
    known = {}
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if not isinstance(entry, Mapping) or not isinstance(entry.get("of"), str):
            continue
        numbers = entry.get("numbers")
        if isinstance(numbers, list) and all(
            type(n) is float and math.isfinite(n) for n in numbers
        ):
            known[entry["of"]] = numbers
    return known
