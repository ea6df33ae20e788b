"""Answers of servers, kept on disk by what was asked: a request that was answered is not sent again.

An entry is one file, named by the SHA-256 of its request: address, model, messages and every sampling
setting with the seed. So a run that was killed sends only what is missing, and a run that is repeated
costs nothing. Files are written beside their place and renamed: threads and processes may share a
folder, and a killed one leaves nothing half-written under a real name. An entry that is cut short,
edited or unreadable counts as absent, and is written anew.

Keys are no part of a request, and so of no file. Prompts and answers are, as plain text.

Known failure: an entry does not know whether the server still has the same weights behind the same
model name. Clear the folder, or name another, after a server's model changed.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from traitleak.artefacts import UNFINISHED, content_hash
from traitleak.errors import RunError
from traitleak.models.bundled import cache_folder

__all__ = ["CacheSize", "RequestCache", "requests_folder"]

_ENTRY: Final = re.compile(r"[0-9a-f]{64}\.json")
_SHELF: Final = re.compile(r"[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class CacheSize:
    """How much a cache holds.

    Attributes:
        entries: answered requests.
        bytes: of their files.
    """

    entries: int
    bytes: int


@dataclass(frozen=True)
class RequestCache:
    """A folder of answered requests; see the module.

    Attributes:
        folder: made when the first answer is written.
    """

    folder: Path

    def get(self, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """The answer to a request; None where there is none, or none that is whole.

        Args:
            request: what was asked; values that JSON can hold.
        """
        try:
            entry = json.loads(self._place(request).read_bytes())
        except (OSError, ValueError, RecursionError):
            return None
        if not isinstance(entry, dict):
            return None
        answer = entry.get("answer")
        if entry.get("request") != request or not isinstance(answer, dict):
            return None
        if entry.get("sha256") != content_hash([dict(request), answer]):
            return None
        return answer

    def put(self, request: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        """Keep an answer, in the place of an older one.

        Args:
            request: what was asked.
            answer: what came back; both hold values that JSON can hold.

        Raises:
            RunError: it cannot be written.
        """
        place = self._place(request)
        content = {
            "request": dict(request),
            "answer": dict(answer),
            "sha256": content_hash([dict(request), dict(answer)]),
        }
        beside = None
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            # A name of its own: two threads may write the same entry. Not brought to the disk one by
            # one, which would take longer than many an answer: a torn entry is told by its hash.
            with tempfile.NamedTemporaryFile(
                "w", encoding="utf-8", dir=place.parent, prefix=UNFINISHED, delete=False
            ) as file:
                beside = Path(file.name)
                json.dump(content, file, ensure_ascii=False, allow_nan=False)
            beside.replace(place)
        except OSError as error:
            if beside is not None:
                beside.unlink(missing_ok=True)
            raise RunError(
                f"The answers of servers cannot be kept in {self.folder}: "
                f"{(error.strerror or str(error)).lower()}; make room, or name another folder."
            ) from error
        except BaseException:
            if beside is not None:
                beside.unlink(missing_ok=True)
            raise

    def size(self) -> CacheSize:
        """How many answers are kept, and the bytes of their files."""
        sizes = [path.stat().st_size for path in self._files() if _ENTRY.fullmatch(path.name)]
        return CacheSize(len(sizes), sum(sizes))

    def clear(self) -> int:
        """Delete every entry, and what killed runs left unfinished; gives the number of entries.

        Files that are no entries stay: a folder named by mistake loses nothing.
        """
        count = 0
        for path in list(self._files()):
            path.unlink(missing_ok=True)
            count += bool(_ENTRY.fullmatch(path.name))
        return count

    def _place(self, request: Mapping[str, Any]) -> Path:
        key = content_hash(dict(request))
        return self.folder / key[:2] / f"{key}.json"

    def _files(self) -> Iterator[Path]:
        """Entries and unfinished ones, on their shelves."""
        if not self.folder.is_dir():
            return
        for shelf in sorted(self.folder.iterdir()):
            if not _SHELF.fullmatch(shelf.name) or not shelf.is_dir():
                continue
            for name in sorted(os.listdir(shelf)):  # noqa: PTH208  # names, not paths
                if _ENTRY.fullmatch(name) or name.startswith(UNFINISHED):
                    yield shelf / name


def requests_folder() -> Path:
    """Where commands keep answers: in `TRAITLEAK_CACHE`, or the system's place for caches."""
    return cache_folder().parent / "requests"
