"""Files that are whole or absent, and that are checked by hash before they are believed.

What is being written has a name that begins with `.unfinished-`, and is renamed when it is whole
and on the disk. So a kill, a crash or a full disk leaves nothing half-written under a real name.

The hashes find accidents, not forgers: who edits a file and its hash goes unnoticed.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Annotated, BinaryIO, Final, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from traitleak.errors import ArtefactError, RunError, TraitleakError

__all__ = [
    "SCHEMA_VERSION",
    "UNFINISHED",
    "FileRecord",
    "Files",
    "Strict",
    "check_files",
    "content_hash",
    "failures_named",
    "new_folder",
    "no_room",
    "put_folder",
    "put_text",
    "read_model",
    "record_file",
    "record_files",
    "refuse_newer",
    "remove",
    "require_place",
    "write_json",
    "write_text",
]

SCHEMA_VERSION: Final = 1  # of manifests and results alike
UNFINISHED = ".unfinished-"

_CHUNK = 1 << 20  # bytes hashed at a time
_NO_ROOM_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_LITTLE_ROOM = 1 << 20  # bytes; a disk with less counts as full when a write has failed


class Strict(BaseModel):
    """A record that takes no field it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FileRecord(Strict):
    """What a file must be to count as unchanged."""

    sha256: str
    bytes: int


def _inside(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or not path.parts or ".." in path.parts or "\\" in name:
        raise ValueError(f"{name!r} is not a file inside the folder")
    return name


# Names are relative, with forward slashes. A manifest may come from elsewhere: none may lead out.
Files = dict[Annotated[str, AfterValidator(_inside)], FileRecord]


def content_hash(content: object) -> str:
    """SHA-256 of `content` as canonical JSON: keys sorted, no spaces, no NaN."""
    text = json.dumps(
        content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return hashlib.sha256(text.encode()).hexdigest()


def record_files(folder: Path) -> Files:
    """Bring every file below `folder` to the disk, and record what it is; in order of name."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): record_file(path) for path in paths}


def record_file(path: Path) -> FileRecord:
    """Bring a file to the disk, and record what it is."""
    with path.open("rb+") as file:
        record = _record(file)
        os.fsync(file.fileno())
    return record


def check_files(folder: Path, files: Mapping[str, FileRecord], remedy: str) -> None:
    """See that every file in `folder` is what its record says.

    Args:
        folder: where the files lie.
        files: what each must be.
        remedy: what the user can do about one that is not; it ends the error's sentence.

    Raises:
        ArtefactError: a file was edited, truncated or removed; the text names it.
    """
    for name, record in files.items():
        path = folder / name
        if not path.is_file():
            raise ArtefactError(f"{path} is gone; {remedy}.")
        with path.open("rb") as file:
            found = _record(file)
        if found != record:
            sizes = f", {found.bytes} instead of {record.bytes} bytes"
            sizes = "" if found.bytes == record.bytes else sizes
            raise ArtefactError(
                f"{path} changed after it was written (sha256 differs{sizes}); {remedy}."
            )


def _record(file: BinaryIO) -> FileRecord:
    digest, size = hashlib.sha256(), 0
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
        size += len(chunk)
    return FileRecord(sha256=digest.hexdigest(), bytes=size)


Model = TypeVar("Model", bound=BaseModel)


def read_model(path: Path, model: type[Model], remedy: str) -> Model:
    """The `model` that `path` holds as JSON.

    Raises:
        ArtefactError: the file is gone, cut short, or does not hold a `model`.
        RunError: a newer traitleak wrote it.
    """
    refuse_newer(path, remedy)
    try:
        return model.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or "all of it"
        raise ArtefactError(
            f"{path} is not as traitleak wrote it ({field}: {first['msg']}); {remedy}."
        ) from error


def refuse_newer(path: Path, remedy: str) -> None:
    """Let JSON pass that this version of traitleak can read.

    Raises:
        ArtefactError: the file is gone or cut short.
        RunError: a newer traitleak wrote it.
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise ArtefactError(f"{path} is gone; {remedy}.") from error
    except ValueError as error:
        size = path.stat().st_size
        raise ArtefactError(f"{path} is not whole ({size} bytes: {error}); {remedy}.") from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise RunError(
            f"{path} was written by a newer traitleak (its schema version is {version}, this "
            f"one reads {SCHEMA_VERSION}); update traitleak to read it."
        )


def write_text(path: Path, text: str) -> None:
    """Write `path` whole or not at all."""
    beside = path.with_name(f"{UNFINISHED}{path.name}")
    try:
        with beside.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def put_text(path: Path, text: str) -> None:
    """Write text where a user said: whole or not at all in a file, at once into a device or a pipe.

    A link stays one, and its target is written.
    """
    place = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        with path.open("w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    else:
        write_text(place, text)


def require_place(path: Path) -> None:
    """See, before long work, that `put_text` can write there.

    Raises:
        RunError: it is a folder, or in none, or may not be written.
    """
    place = Path(os.path.realpath(path))
    if place.is_dir():
        raise RunError(f"{path} is a folder; name a file in it.")
    if not place.parent.is_dir():
        raise RunError(
            f"{path} cannot be written: the folder {place.parent} is not there; make it first."
        )
    asked = place if path.exists() and not path.is_file() else place.parent
    if asked == place.parent and not os.access(asked, os.W_OK):
        raise RunError(f"{path} cannot be written: permission denied; name another place.")


def write_json(path: Path, content: object) -> None:
    """Write `content` as JSON, whole or not at all; NaN and infinity are no JSON."""
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def put_folder(whole: Path, place: Path) -> None:
    """Rename the finished folder `whole` to `place`; what was there goes."""
    for folder in (whole, *(path for path in whole.rglob("*") if path.is_dir())):
        _sync_folder(folder)
    old = place.with_name(f"{UNFINISHED}old-{place.name}")
    if place.exists():
        # A folder cannot be renamed onto a full one. A kill between the two renames leaves nothing
        # at `place`: it has to be made again, but is never wrong.
        place.replace(old)
    whole.replace(place)
    _sync_folder(place.parent)
    if old.exists():
        remove(old)


@contextmanager
def new_folder(place: Path) -> Iterator[Path]:
    """A folder to write into, which takes the name `place` when the block ends well.

    Raises:
        RunError: there is something at `place`, or it cannot be written.
    """
    beside = place.with_name(f"{UNFINISHED}{place.name}")
    try:
        _require_free(place)
        place.parent.mkdir(parents=True, exist_ok=True)
        if beside.exists():  # of a command that was killed
            remove(beside)
        try:
            beside.mkdir()  # within, as a Ctrl-C may fall right behind it
            yield beside
            put_folder(beside, place)
        finally:
            if beside.exists():
                remove(beside)
    except TraitleakError:
        raise
    except Exception as error:  # libraries have their own for a full disk; all else is raised again
        full = no_room(error, place.parent)
        if not full and not (isinstance(error, OSError) and _on_the_way(error.filename, beside)):
            raise
        why = "no room on the disk" if full else str(getattr(error, "strerror", error)).lower()
        raise RunError(f"{place} could not be written: {why}; name another folder.") from error


def _require_free(place: Path) -> None:
    if place.is_dir() and any(place.iterdir()):
        raise RunError(f"{place} is not empty; name another folder, or delete it.")
    if place.exists() and not place.is_dir():
        raise RunError(f"{place} is a file; name another place for the folder.")


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return  # a folder cannot be opened there; the rename is atomic all the same
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Delete a file, or a folder and all that is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


@contextmanager
def failures_named(what: Path, folder: Path) -> Iterator[None]:
    """Say in one sentence that `what`, in the run folder `folder`, could not be written, and why.

    Raises:
        RunError: in place of what the writing library raised on a full disk or a refused access.
    """
    try:
        yield
    except TraitleakError:
        raise
    except Exception as error:  # libraries have their own for a full disk; all else is raised again
        if no_room(error, folder):
            raise RunError(
                f"{what} could not be written: no room on the disk ({error}). Free some and run "
                "the same command again; it goes on after the last finished stage."
            ) from error
        if isinstance(error, OSError) and _on_the_way(error.filename, folder):
            raise RunError(
                f"{what} could not be used: {error.filename}: {error.strerror}. "
                "Mend that, or name another folder for runs."
            ) from error
        raise


def no_room(error: BaseException, folder: Path) -> bool:
    """Whether `error` came from a full disk; libraries that write say so in different ways."""
    if isinstance(error, OSError) and error.errno in _NO_ROOM_ERRNOS:
        return True
    said = re.search(r"os error (\d+)", str(error))  # safetensors, and whatever else is Rust
    if said:
        return int(said[1]) in _NO_ROOM_ERRNOS
    # numpy's tofile (OSError) and torch.save (RuntimeError) say neither, but leave the disk full.
    if not isinstance(error, OSError | RuntimeError) or not folder.exists():
        return False
    return shutil.disk_usage(folder).free < _LITTLE_ROOM


def _on_the_way(filename: object, folder: Path) -> bool:
    """Whether an error is about something in `folder`, or about a folder that it lies in."""
    if not isinstance(filename, str):
        return False
    return Path(filename).is_relative_to(folder) or folder.is_relative_to(filename)
