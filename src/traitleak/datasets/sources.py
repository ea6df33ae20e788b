"""Sources: which files a user's words mean, or which table of the hub.

::

    data.jsonl, data.csv.gz, ...     a file; its kind is told by its content
    folder/                          all data files in it and below it, in the order of their names
    folder/ with rows.json           rows that `traitleak.write_rows` wrote
    runs/<run>/ or a stage's folder  the one such folder in it; several are named, to choose from
    a folder of save_to_disk         its Arrow files; of several splits `train`
    hf/<id>[/<configuration>][:<split>]  a data set of the Hugging Face hub or its cache
    hf/<folder>[:<split>]            a folder, as above
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final

from traitleak.datasets.files import ENDINGS, is_data_file, read_file, status
from traitleak.datasets.records import Record, SourceFile
from traitleak.datasets.tables import columns_of, read_batches
from traitleak.errors import DataError, MissingExtraError, SettingsError
from traitleak.rows import JSONL, MANIFEST, PARQUET

__all__ = ["Source", "find_source"]

_HUB: Final = "hf/"
_TRAIN: Final = "train"
_STATE, _SPLITS = "state.json", "dataset_dict.json"  # of a folder that `datasets` saved
_MOST_NAMED = 12  # data sets that an error lists
_AT_ONCE = 1000  # rows of the hub's table that are fetched together


@dataclass(frozen=True)
class Source:
    """What is read.

    Attributes:
        name: as the user gave it.
        files: names of what is read, in order.
        rows: the folder of our rows; None where it is something else.
        records: reads all records, anew at each call; not for our rows.
    """

    name: str
    files: tuple[str, ...]
    rows: Path | None
    records: Callable[[], Iterator[Record]]


def find_source(source: str | Path, known: Collection[str]) -> Source:
    """What `source` means; see the module.

    Args:
        source: a file, a folder, or hf/ and the name of a data set.
        known: fields that formats read; see `traitleak.datasets.files.read_file`.

    Raises:
        SettingsError: `source` is neither text nor a path, or is empty.
        DataError: nothing is there, or nothing that can be read as one data set.
        MissingExtraError: a data set of the hub, without the `datasets` library.
    """
    if not isinstance(source, str | Path) or not str(source).strip():
        raise SettingsError(f"A data set is named by a file, a folder or hf/<id>, not {source!r}.")
    name = str(source)
    if isinstance(source, str) and name.startswith(_HUB) and not os.path.lexists(name):
        target, split = _split_off(name.removeprefix(_HUB))
        path = _expanded(target)
        if not os.path.lexists(path):
            return _of_hub(name, target, split, known)
        path = path / split if split else path
    else:
        path = _expanded(source)
    try:
        mode = status(path).st_mode
    except DataError as error:
        if (
            not isinstance(source, Path)
            and name.count("/") == 1
            and not name.startswith((".", "/"))
        ):
            raise DataError(f"{error} A data set of the hub is named {_HUB}{name}.") from error
        raise
    if not stat.S_ISDIR(mode):
        return _of_files(name, [SourceFile(path, str(path), path.name)], known)
    return _of_folder(name, path, known)


def _expanded(source: str | Path) -> Path:
    try:
        return Path(source).expanduser()
    except RuntimeError:  # a `~` that means no user
        return Path(source)


def _split_off(target: str) -> tuple[str, str]:
    """A name and its split; "" where it has none."""
    head, colon, split = target.rpartition(":")
    return (head, split) if colon and split and "/" not in split else (target, "")


def _of_files(name: str, files: Sequence[SourceFile], known: Collection[str]) -> Source:
    def records() -> Iterator[Record]:
        return chain.from_iterable(read_file(file, known) for file in files)

    return Source(name, tuple(file.label for file in files), None, records)


def _of_folder(name: str, folder: Path, known: Collection[str]) -> Source:
    if _SPLITS in _listed(folder):
        folder = _split_of(folder)
    if _STATE in _listed(folder):
        return _of_files(name, _saved(folder), known)
    found: list[Path] = []
    data: list[Path] = []
    for place, files in _below(folder):
        if _is_ours(files):
            found.append(place)
        data += [place / file for file in files if is_data_file(file)]
    if len(found) == 1 or folder in found:
        rows = folder if folder in found else found[0]
        return Source(name, (str(rows),), rows, lambda: iter(()))
    if found:
        names = [str(path.relative_to(folder)) for path in found]
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        raise DataError(
            f"{folder} holds {len(names)} data sets ({', '.join(names[:_MOST_NAMED])}{more}): name one, "
            f"such as {found[0]}."
        )
    if not data:
        raise DataError(
            f"{folder} holds no data files: they end in {', '.join(ENDINGS)}, or in one of these and "
            ".gz or .zst."
        )
    named = [SourceFile(path, str(path), path.relative_to(folder).as_posix()) for path in data]
    return _of_files(name, named, known)


def _is_ours(files: Collection[str]) -> bool:
    """Whether these files of a folder are rows that `write_rows` wrote."""
    return MANIFEST in files and (PARQUET in files or JSONL in files)


def _listed(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}.") from error


def _below(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Each folder from here on and its files, sorted; hidden folders and linked ones are left out."""

    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}.") from error

    for place, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield Path(place), sorted(files)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read ({error}); save the data set again.") from error


def _split_of(folder: Path) -> Path:
    """The folder of the split to read, of several that `datasets` saved together."""
    told = _json(folder / _SPLITS)
    splits = told.get("splits") if isinstance(told, dict) else None
    if not isinstance(splits, list) or not all(isinstance(split, str) for split in splits):
        raise DataError(f"{folder / _SPLITS} names no splits; save the data set again.")
    return folder / _chosen(splits, str(folder), "/")


def _chosen(splits: Iterable[str], name: str, separator: str) -> str:
    splits = list(splits)
    if _TRAIN in splits or len(splits) == 1:
        return _TRAIN if _TRAIN in splits else splits[0]
    raise DataError(
        f"{name} has the splits {', '.join(splits) or 'none'}: name one"
        + (f", such as {name}{separator}{splits[0]}." if splits else ".")
    )


def _saved(folder: Path) -> list[SourceFile]:
    """The Arrow files of one split that `datasets` saved."""
    told = _json(folder / _STATE)
    try:
        names = [str(file["filename"]) for file in told["_data_files"]]
    except (KeyError, TypeError) as error:
        raise DataError(
            f"{folder / _STATE} names no data files; save the data set again."
        ) from error
    return [SourceFile(folder / name, str(folder / name), name) for name in names]


def _of_hub(name: str, target: str, split: str, known: Collection[str]) -> Source:
    table = _hub_table(name, target, split)
    file = SourceFile(None, name, target)
    columns = columns_of(table.column_names, file, known)
    table = table.select_columns(columns).with_format("arrow")

    def records() -> Iterator[Record]:
        return read_batches(table.iter(batch_size=_AT_ONCE), file)

    return Source(name, (name,), None, records)


def _hub_table(name: str, target: str, split: str) -> Any:
    # Both libraries read these when they are imported; whoever set them otherwise keeps that.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_UPDATE_DOWNLOAD_COUNTS", "0")
    try:
        import datasets
    except ImportError as error:
        raise MissingExtraError(f"The data set {name}", "train") from error
    parts = target.split("/")
    configuration = "/".join(parts[2:]) or None
    try:
        tables = datasets.load_dataset("/".join(parts[:2]), configuration, split=split or None)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"{name} is no file or folder here, and neither in the Hugging Face cache nor to be had "
            f"from the hub ({said})."
        ) from error
    return tables if split else tables[_chosen(tables, name, ":")]
