"""The run folder: what a run leaves behind.

::

    runs/<recipe>-<hash of the resolved recipe>/
    ├── recipe.yaml         the resolved recipe: what makes the folder ours
    ├── <stage>/            the stage's files, and manifest.json with their hashes
    ├── environment.json    versions and hardware that computed the last stage
    ├── results.json        what was found; no times in it: the same run gives the same bytes
    ├── report.html, report.md
    └── manifest.json       hashes of the four above; written last: without it a run is unfinished

One process at a time writes in a run folder, under a lock that vanishes with the process.
This module knows nothing of experiments, nor of how stages are computed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from traitleak.artefacts import (
    SCHEMA_VERSION,
    UNFINISHED,
    Files,
    Strict,
    check_files,
    failures_named,
    read_model,
    record_file,
    refuse_newer,
    remove,
    write_json,
    write_text,
)
from traitleak.errors import RunError
from traitleak.locks import acquire
from traitleak.results import Results

__all__ = [
    "ENVIRONMENT",
    "MANIFEST",
    "REPORT",
    "REPORT_MARKDOWN",
    "FinishedRun",
    "RunManifest",
    "StageRecord",
    "hold_run_folder",
    "mark_finished",
    "mark_unfinished",
    "open_run",
    "write_results",
]

RECIPE = "recipe.yaml"
ENVIRONMENT = "environment.json"
RESULTS = "results.json"
REPORT = "report.html"
REPORT_MARKDOWN = "report.md"
MANIFEST = "manifest.json"
LOCK = ".lock"


@dataclass(frozen=True)
class StageRecord:
    """What a report says of a stage."""

    name: str
    seconds: float  # when it was computed, be it now or before
    peak_memory_bytes: int | None  # of the process meanwhile; None where the system does not tell
    cached: bool  # whether it was there already
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class FinishedRun:
    """A run that went to its end."""

    folder: Path
    results: Results
    report: Path  # the HTML page


class RunManifest(Strict):
    """The mark of a finished run."""

    schema_version: Literal[1] = SCHEMA_VERSION
    stages: dict[str, str]  # for each stage, the hash of its output
    files: Files  # results and reports


def open_run(path: Path) -> FinishedRun:
    """Read a finished run from its folder.

    Raises:
        RunError: it is not a run folder, is unfinished, or was written by a newer traitleak.
        ArtefactError: its results or report changed after they were written.
    """
    if not path.exists():
        raise RunError(f"There is no run folder {path}.")
    if not (path / RECIPE).is_file():
        raise RunError(f"{path} is not a run folder of traitleak: there is no {RECIPE} in it.")
    with failures_named(path, path):
        if not (path / MANIFEST).is_file():
            raise RunError(
                f"{path} holds an unfinished run; run its recipe again to finish it: "
                f"traitleak run {path / RECIPE}"
            )
        remedy = "restore it, or delete it and run the recipe again to have it written anew"
        results = read_model(path / RESULTS, Results, remedy)
        check_files(path, read_model(path / MANIFEST, RunManifest, remedy).files, remedy)
    return FinishedRun(path, results, path / REPORT)


@contextmanager
def hold_run_folder(
    folder: Path, recipe_yaml: str, *, fresh: bool, say: Callable[[str], None]
) -> Iterator[None]:
    """Make `folder` this recipe's run folder, and keep other processes out of it meanwhile.

    While another process is at work there, it waits. Then it clears what killed runs left.

    Args:
        folder: the run folder; need not exist.
        recipe_yaml: the resolved recipe.
        fresh: everything is to be computed anew, so that changed results are no obstacle.
        say: gets a line if there is a wait.

    Raises:
        RunError: the folder is not ours, holds another recipe or a newer traitleak's results, or
            cannot be written.
        ArtefactError: its results or report changed after they were written.
    """
    with failures_named(folder, folder):
        _refuse_foreign(folder)  # before there is a lock, so that what is not ours stays as it is
        folder.mkdir(parents=True, exist_ok=True)
        waiting = f"Another process is at work in {folder}; waiting until it ends."
        lock = acquire(folder / LOCK, waiting, say)
    try:
        with failures_named(folder, folder):
            for leftover in folder.glob(f"{UNFINISHED}*"):
                remove(leftover)
            _claim(folder, recipe_yaml)
            if not fresh:
                _refuse_changed_results(folder)
        yield
    finally:
        lock.release()


def _refuse_foreign(folder: Path) -> None:
    for place in (folder, *folder.parents):
        if place.exists():
            if not place.is_dir():
                raise RunError(
                    f"{place} is a file, where a folder is needed for the run {folder.name}. "
                    "Move it away, or name another folder for runs."
                )
            break
    names = {path.name for path in folder.iterdir()} if folder.exists() else set()
    if names and not names & {RECIPE, LOCK}:
        raise RunError(
            f"{folder} is not a run folder of traitleak: there is no {RECIPE} in it. "
            "Move it away, or name another folder for runs."
        )


def _claim(folder: Path, recipe_yaml: str) -> None:
    path = folder / RECIPE
    if not path.exists():
        write_text(path, recipe_yaml)
        return
    try:
        same = yaml.safe_load(path.read_text(encoding="utf-8")) == yaml.safe_load(recipe_yaml)
    except (yaml.YAMLError, UnicodeDecodeError):
        same = False
    if not same:
        raise RunError(
            f"{path} is not the recipe that this run folder is for. "
            "Restore it, move the folder away, or name another folder for runs."
        )


def _refuse_changed_results(folder: Path) -> None:
    """What somebody edited is theirs: by deleting it they say that it may be written anew."""
    remedy = "restore it, or delete it to have it written anew"
    if (folder / RESULTS).exists():
        refuse_newer(folder / RESULTS, remedy)
    if (folder / MANIFEST).exists():
        files = read_model(folder / MANIFEST, RunManifest, remedy).files
        present = {name: record for name, record in files.items() if (folder / name).exists()}
        check_files(folder, present, remedy)


def mark_unfinished(folder: Path) -> None:
    """Withdraw the run's manifest, before something is written that its results are made from."""
    (folder / MANIFEST).unlink(missing_ok=True)


def mark_finished(folder: Path, stages: Mapping[str, str]) -> None:
    """Write the run's manifest, over its results and reports; `stages` are their outputs' hashes."""
    names = (ENVIRONMENT, RESULTS, REPORT, REPORT_MARKDOWN)
    files = {name: record_file(folder / name) for name in names}
    manifest = RunManifest(stages=dict(stages), files=files)
    write_json(folder / MANIFEST, manifest.model_dump(mode="json"))


def write_results(folder: Path, results: Results) -> None:
    """Write `results.json`.

    Raises:
        RunError: a number in it is NaN or infinite; the text names it.
    """
    # Looked for in the Python values: on its way to JSON, pydantic turns NaN into null.
    wrong = next(_not_finite(results.model_dump(), ""), None)
    if wrong:
        raise RunError(
            f"{folder / RESULTS} was not written: {wrong} is not a finite number. "
            "A training that diverges does this; try a smaller learning rate."
        )
    write_json(folder / RESULTS, results.model_dump(mode="json"))


def _not_finite(value: object, where: str) -> Iterator[str]:
    if isinstance(value, float) and not math.isfinite(value):
        yield where
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _not_finite(item, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _not_finite(item, f"{where}[{index}]")
