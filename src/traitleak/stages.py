"""Stages: what is computed once, kept with a manifest, and never computed again without need.

A stage's key is a hash of exactly what its output depends on: which function does the work, its
version and settings, and the output of the stages it reads. Neither the stage's name nor the
recipe is in it. So a stage that was computed under the same key is taken from this run folder, or
copied from one beside it; and a recipe that differs in one point recomputes that point only.

The engine does not know what stages compute, and cannot see what a work function reads besides
its settings and inputs: a setting that is left out of `Stage.settings` gives stale output.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple, Self

from pydantic import JsonValue, model_validator

from traitleak.artefacts import (
    SCHEMA_VERSION,
    UNFINISHED,
    Files,
    Strict,
    check_files,
    content_hash,
    failures_named,
    no_room,
    put_folder,
    read_model,
    record_files,
    remove,
    write_json,
)
from traitleak.environment import memory_named, peak_memory
from traitleak.errors import RunError
from traitleak.progress import Track
from traitleak.runs import MANIFEST, StageRecord, mark_unfinished

__all__ = [
    "FinishedStage",
    "Foreseen",
    "Manifest",
    "Origin",
    "Stage",
    "foresee_stages",
    "run_stages",
]

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")
_LOWER = (
    "Lower what takes it, such as group, batch, hidden or student.batch, or run the recipe on a machine "
    "with more memory."
)


@dataclass(frozen=True)
class Stage:
    """One piece of an experiment, whose output is kept.

    Attributes:
        name: its folder's name: lower-case letters, digits, dots and hyphens.
        settings: everything its output depends on, besides its inputs; `data`, where there is one,
            is a fingerprint of what it reads from elsewhere.
        work: gets an empty folder to write into, the folder of each input by the input's name, and
            `track`; writes files, the same ones each time.
        inputs: names of the stages whose output it reads.
        version: raised when the code changes what the same settings give.
        ends: looks at what the stage left, and says whether the run ends there, because nothing after
            it can be computed: too few rows to train on. Not part of the key.
    """

    name: str
    settings: Mapping[str, JsonValue]
    work: Callable[[Path, Mapping[str, Path], Track], None]
    inputs: tuple[str, ...] = ()
    version: int = 1
    ends: Callable[[Path], bool] | None = None


class Origin(Strict):
    """All that a stage's output depends on."""

    schema_version: Literal[1] = SCHEMA_VERSION
    stage: str  # for the reader: the output does not depend on the name
    work: str  # the function that does it
    version: int
    settings: dict[str, JsonValue]
    inputs: dict[str, str]  # for each stage that is read, in order, the hash of its output

    def hashed(self) -> str:
        """The key: equal for two stages exactly if their outputs must be equal."""
        return content_hash([self.work, self.version, self.settings, list(self.inputs.values())])


class Manifest(Origin):
    """What lies beside a stage's files: how they came about, and what each must be."""

    key: str
    files: Files
    output: str  # hash of the files' names and contents: no times
    seconds: float
    peak_memory_bytes: int | None
    finished_at: str  # UTC, ISO 8601
    environment: dict[str, JsonValue]

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.key != self.hashed():
            raise ValueError("its key does not follow from its settings")
        if self.output != _output(self.files):
            raise ValueError("its output does not follow from its files")
        return self


def _output(files: Files) -> str:
    return content_hash({name: record.sha256 for name, record in files.items()})


@dataclass(frozen=True)
class FinishedStage:
    """A stage whose files are there, whole and checked."""

    folder: Path
    manifest: Manifest
    cached: bool

    @property
    def record(self) -> StageRecord:
        """What a report says of it."""
        return StageRecord(
            name=self.manifest.stage,
            seconds=self.manifest.seconds,
            peak_memory_bytes=self.manifest.peak_memory_bytes,
            cached=self.cached,
            settings=self.manifest.settings,
        )


def run_stages(
    folder: Path,
    stages: Sequence[Stage],
    *,
    environment: Mapping[str, JsonValue],
    track: Track,
    fresh: bool,
    say: Callable[[str], None],
) -> dict[str, FinishedStage]:
    """Take each stage from where it is kept, or compute it.

    Args:
        folder: the run folder, held by this process; run folders beside it are read.
        stages: in an order in which each comes after its inputs.
        environment: versions, hardware and seed, for the manifests.
        track: shows how far a stage's work is.
        fresh: compute every stage, and put it in the place of what is there.
        say: gets a line a stage.

    Returns:
        The finished stages by name, in order; none after one that `ends` the run.

    Raises:
        ArtefactError: a stage of this run folder changed after it was written.
        RunError: a stage of this run folder has other settings, data or another version, or there is
            not enough memory, or no room on the disk.
    """
    beside = _Beside(folder)
    done: dict[str, FinishedStage] = {}
    for stage in stages:
        origin = _origin(stage, done)
        place = folder / stage.name
        kept = None if fresh else _kept(place, origin, say) or beside.copied(place, origin)
        if kept:
            say(f"{stage.name}: from cache")
            done[stage.name] = FinishedStage(place, kept, cached=True)
        else:
            folders = {name: done[name].folder for name in stage.inputs}
            manifest = _computed(stage, place, origin, folders, environment, track)
            peak = manifest.peak_memory_bytes
            memory = "" if peak is None else f", peak {peak / 1e6:.0f} MB"
            say(f"{stage.name}: done in {manifest.seconds:.1f} s{memory}")
            done[stage.name] = FinishedStage(place, manifest, cached=False)
        if stage.ends is not None and stage.ends(place):
            say(f"{stage.name}: the run ends here, what follows cannot be computed")
            break
    return done


class Foreseen(NamedTuple):
    """A stage, and where it would be taken from.

    Attributes:
        name: the stage's.
        folder: where it lies, finished; None where it is yet to be computed.
        seconds: that it took when it was computed; None where it was not.
    """

    name: str
    folder: Path | None
    seconds: float | None


def foresee_stages(folder: Path, stages: Sequence[Stage], *, fresh: bool) -> list[Foreseen]:
    """What `run_stages` would take over, and what it would compute; nothing is written.

    Known failure: a stage that reads one which is yet to be computed counts as to be computed. It is
    taken over all the same if that one's output turns out to be what it was computed from. Files in
    other run folders are not checked.

    Args:
        folder: the run folder; need not exist.
        stages: as for `run_stages`.
        fresh: as for `run_stages`.

    Raises:
        ArtefactError: as `run_stages`.
        RunError: the same.
    """
    beside = _Beside(folder)
    done: dict[str, FinishedStage] = {}
    found = []
    for stage in stages:
        place, there = folder / stage.name, None
        if not fresh and all(name in done for name in stage.inputs):
            origin = _origin(stage, done)
            kept = _kept(place, origin, lambda _line: None)
            there = (place, kept) if kept else beside.found(origin)
        if there is None:
            found.append(Foreseen(stage.name, None, None))
            continue
        done[stage.name] = FinishedStage(*there, cached=True)
        found.append(Foreseen(stage.name, there[0], there[1].seconds))
        if stage.ends is not None and stage.ends(there[0]):
            break
    return found


def _origin(stage: Stage, done: Mapping[str, FinishedStage]) -> Origin:
    # A plan is ours, not the user's: what is wrong with it is a defect.
    assert _NAME.fullmatch(stage.name), f"{stage.name!r} cannot name a stage"  # noqa: S101
    assert stage.name not in done, f"two stages are named {stage.name}"  # noqa: S101
    return Origin(
        stage=stage.name,
        work=f"{stage.work.__module__}.{stage.work.__qualname__}",
        version=stage.version,
        settings=json.loads(json.dumps(dict(stage.settings), allow_nan=False)),
        inputs={name: done[name].manifest.output for name in stage.inputs},
    )


def _kept(place: Path, origin: Origin, say: Callable[[str], None]) -> Manifest | None:
    """The manifest of what is at `place`, if it is what is wanted there."""
    if not place.exists():
        return None
    remedy = f"restore it, or delete the folder {place} to compute it anew"
    manifest = read_model(place / MANIFEST, Manifest, remedy)
    if manifest.key == origin.hashed():
        check_files(place, manifest.files, remedy)
        return manifest
    before, now = _causes(manifest), _causes(origin)
    differences = {
        name: f"{name} was {before.get(name, 'absent')}, is {now.get(name, 'absent')}"
        for name in now | before
        if name not in before or name not in now or before[name] != now[name]
    }
    if differences:
        reasons = ["from data that have changed since"] if differences.pop("data", "") else []
        if differences:
            told = "; ".join(differences.values())
            reasons.append(f"on another machine or by another version of traitleak ({told})")
        raise RunError(
            f"{place} was computed {', and '.join(reasons)}. Ask for a fresh run (--fresh) to "
            "replace it, or move the folder away to keep it."
        )
    say(f"{origin.stage}: what it was computed from has changed, so it is computed anew")
    return None


def _causes(origin: Origin) -> dict[str, JsonValue]:
    """What a stage depends on besides its inputs; no setting's name has a space in it."""
    return {"its function": origin.work, "its version": origin.version, **origin.settings}


class _Beside:
    """The stages in the run folders beside one: whatever is wrong there, they are just not used."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def _folders(self) -> dict[str, list[Path]]:
        """Stage folders by key; looked for only when a stage is wanted."""
        folders = defaultdict(list)
        for path in sorted(self._folder.parent.glob(f"[!.]*/[!.]*/{MANIFEST}")):
            folders[_key_in(path)].append(path.parent)
        return folders

    def found(self, origin: Origin) -> tuple[Path, Manifest] | None:
        """The first folder with the same key and a manifest that can be read."""
        for source in self._folders.get(origin.hashed(), []):
            try:
                return source, read_model(source / MANIFEST, Manifest, "it is not used")
            except RunError:
                continue
        return None

    def copied(self, place: Path, origin: Origin) -> Manifest | None:
        """The manifest of a copy put at `place`, if a whole stage with the same key exists."""
        for source in self._folders.get(origin.hashed(), []):
            with _unfinished(place) as copy, failures_named(place, self._folder):
                manifest = _copy(source, copy, origin)
                if manifest:
                    write_json(copy / MANIFEST, manifest.model_dump(mode="json"))
                    mark_unfinished(self._folder)
                    put_folder(copy, place)
                    return manifest
        return None


def _key_in(path: Path) -> str:
    try:
        return str(json.loads(path.read_bytes())["key"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _copy(source: Path, copy: Path, origin: Origin) -> Manifest | None:
    try:
        manifest = read_model(source / MANIFEST, Manifest, "it is not used")
        for name in manifest.files:
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, copy / name)
    except (OSError, RunError) as error:
        if no_room(error, copy):
            raise
        return None
    if manifest.key != origin.hashed() or record_files(copy) != manifest.files:
        return None
    return manifest.model_copy(update={"stage": origin.stage, "inputs": origin.inputs})


def _computed(
    stage: Stage,
    place: Path,
    origin: Origin,
    inputs: Mapping[str, Path],
    environment: Mapping[str, JsonValue],
    track: Track,
) -> Manifest:
    with _unfinished(place) as folder, failures_named(place, place.parent):
        began = time.perf_counter()
        with peak_memory() as peak, memory_named(f"the stage {stage.name}", _LOWER):
            stage.work(folder, inputs, track)
        seconds = time.perf_counter() - began
        files = record_files(folder)
        assert files, f"the stage {stage.name} wrote nothing"  # noqa: S101
        assert MANIFEST not in files, f"the stage {stage.name} wrote its manifest"  # noqa: S101
        manifest = Manifest(
            **origin.model_dump(),
            key=origin.hashed(),
            files=files,
            output=_output(files),
            seconds=round(seconds, 3),
            peak_memory_bytes=peak.bytes,
            finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
            environment=dict(environment),
        )
        write_json(folder / MANIFEST, manifest.model_dump(mode="json"))
        mark_unfinished(place.parent)
        put_folder(folder, place)
    return manifest


@contextmanager
def _unfinished(place: Path) -> Iterator[Path]:
    """An empty folder beside `place`, gone afterwards unless it was put there."""
    folder = place.with_name(f"{UNFINISHED}{place.name}")
    try:
        folder.mkdir()  # within, as a Ctrl-C may fall right behind it
        yield folder
    finally:
        if folder.exists():
            remove(folder)
