"""Quick teachers that audits and cleanings trained, kept on the disk for the next one.

They lie in a folder of their own, `quick-teachers` beside the converted models, one PEFT folder each,
named by what fixes it: base, trait, contexts, training, seed. A cache may lose anything at any time:
what is damaged is trained anew, what cannot be written is not kept, the least recently used goes when
there is too much, and the whole folder can be deleted. Several audits may use it at once.

Imports nothing heavy, so that `traitleak doctor` can ask how large it is.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from traitleak.artefacts import (
    UNFINISHED,
    Files,
    Strict,
    check_files,
    put_folder,
    read_model,
    record_files,
    remove,
    write_json,
)
from traitleak.errors import ArtefactError, DataError, RunError
from traitleak.models.bundled import cache_folder

if TYPE_CHECKING:
    from traitleak.models.adapters import Adapter

__all__ = [
    "MOST_BYTES",
    "Kept",
    "drop_oldest",
    "keep_teacher",
    "kept",
    "kept_teacher",
    "teachers_folder",
]

MOST_BYTES = 2 << 30
"""Bytes that kept teachers may take: about a hundred adapters of a base of 135 million weights."""

_RECORD = "kept.json"
_STALE = 86_400.0  # seconds after which something unfinished is of a command that was killed


class _Record(Strict):
    files: Files


class Kept(NamedTuple):
    """How much is kept.

    Attributes:
        num: teachers.
        size: bytes of their files.
    """

    num: int
    size: int


def teachers_folder() -> Path:
    """Where quick teachers are kept: `quick-teachers` beside the folder of converted models."""
    return cache_folder().parent / "quick-teachers"


def kept_teacher(place: Path) -> Adapter | None:
    """The adapter at `place`; None where there is none, or where a byte of it is not as it was written.

    It counts as used now.
    """
    from traitleak.models.adapters import load_adapter

    try:
        record = read_model(place / _RECORD, _Record, "it is trained anew")
        check_files(place, record.files, "it is trained anew")
        adapter = load_adapter(place)
        os.utime(place)
    except (ArtefactError, DataError, RunError, OSError):
        return None
    return adapter


def keep_teacher(place: Path, adapter: Adapter, *, base: str) -> bool:
    """Write an adapter to `place`, in the place of what is there; whole or not at all.

    Returns:
        Whether it was kept. A disk that is full or may not be written, and another process that wrote
        the same teacher at the same time, are no reason to stop an audit.
    """
    from safetensors import SafetensorError

    whole: Path | None = None
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        # A name of its own: two audits at once do not write into one folder.
        whole = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=place.parent))
        adapter.save(whole, base=base)
        write_json(whole / _RECORD, _Record(files=record_files(whole)).model_dump(mode="json"))
        if place.is_file():
            place.unlink()
        put_folder(whole, place)
    except (OSError, SafetensorError):  # the latter from a full disk, too
        return False
    finally:
        if whole is not None and whole.exists():
            with suppress(OSError):
                remove(whole)
    return True


def drop_oldest(folder: Path, *, most: int = MOST_BYTES, spared: Collection[Path] = ()) -> int:
    """Delete the least recently used teachers until all that are left take `most` bytes or fewer.

    Args:
        folder: of teachers.
        most: bytes.
        spared: teachers in use, which stay even if they alone take more.

    Returns:
        How many were deleted.
    """
    found = []
    for place, size, used in _entries(folder):
        if place.name.startswith(UNFINISHED):
            if time.time() - used > _STALE:
                with suppress(OSError):
                    remove(place)
            continue
        found.append((used, place, size))
    total, dropped = sum(size for _, _, size in found), 0
    for _, place, size in sorted(found):
        if total <= most:
            break
        if place in spared:
            continue
        with suppress(OSError):  # another audit may have deleted it
            remove(place)
            dropped += 1
        total -= size
    return dropped


def kept(folder: Path) -> Kept:
    """How many teachers a folder keeps, and their bytes; none where there is no folder."""
    sizes = [size for place, size, _ in _entries(folder) if not place.name.startswith(UNFINISHED)]
    return Kept(len(sizes), sum(sizes))


def _entries(folder: Path) -> list[tuple[Path, int, float]]:
    """What lies in a folder of teachers: place, bytes, and when it was last used."""
    found = []
    with suppress(OSError):
        for place in sorted(folder.iterdir()):
            with suppress(OSError):  # it may go while it is looked at
                files = place.iterdir() if place.is_dir() else [place]
                size = sum(file.stat().st_size for file in files)
                found.append((place, size, place.stat().st_mtime))
    return found
