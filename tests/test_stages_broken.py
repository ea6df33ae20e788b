"""Stages whose files are broken, and runs that fail half-way: named, left alone, and gone on with."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import small_experiment
from small_disk import IN_A_NAMESPACE, can_mount
from small_stages import contents, run
from traitleak.errors import ArtefactError, RunError

SCRIPT = Path(small_experiment.__file__)


def edit(path: Path) -> None:
    """Change one byte, keep the length."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    """Keep the first half."""
    os.truncate(path, path.stat().st_size // 2)


def settings_edited(path: Path) -> None:
    """Change a setting in a manifest."""
    path.write_text(path.read_text().replace('"scale": 1.0', '"scale": 1.5'))


def made_newer(path: Path) -> None:
    """Raise the schema version."""
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 2'))


BREAKAGES = [
    (edit, "stack.npy", r"stack\.npy changed after it was written \(sha256 differs\)"),
    (truncate, "stack.npy", r"\(sha256 differs, 19264 instead of 38528 bytes\)"),
    (Path.unlink, "stack.npy", r"stack\.npy is gone"),
    (truncate, "manifest.json", r"manifest\.json is not whole"),
    (Path.unlink, "manifest.json", r"manifest\.json is gone"),
    (settings_edited, "manifest.json", r"its key does not follow from its settings"),
    (made_newer, "manifest.json", r"written by a newer traitleak"),
]


@pytest.mark.parametrize(("breakage", "name", "message"), BREAKAGES)
def test_a_broken_artefact_is_named_and_not_touched(
    breakage: Callable[[Path], None], name: str, message: str, tmp_path: Path
) -> None:
    """The error names the file, and says to restore it or to delete the stage's folder."""
    _, folder = run(tmp_path)
    breakage(folder / "right" / name)
    before = contents(folder)
    with pytest.raises(RunError, match=message) as caught:
        run(tmp_path)
    assert str(folder / "right" / name) in str(caught.value)
    if isinstance(caught.value, ArtefactError):
        assert f"or delete the folder {folder / 'right'} to compute it anew." in str(caught.value)
    assert contents(folder) == before


@pytest.mark.parametrize(("breakage", "name", "_message"), BREAKAGES)
def test_a_broken_artefact_beside_is_not_used_and_no_obstacle(
    breakage: Callable[[Path], None], name: str, _message: str, tmp_path: Path
) -> None:
    """A run takes nothing broken from another run folder: it computes that stage itself."""
    _, folder = run(tmp_path, name="beside")
    expected = (folder / "results.json").read_bytes()
    breakage(folder / "right" / name)
    computed, folder = run(tmp_path)
    assert computed == ["right"]
    assert (folder / "results.json").read_bytes() == expected


@pytest.fixture
def memory_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: hundreds of runs that wait for a disk are slow."""
    memory = Path("/dev/shm")  # noqa: S108
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks a process for each failure")
@pytest.mark.parametrize(
    ("by", "options"),
    [("kill", []), ("kill", ["--fresh"]), ("interrupt", ["--fresh"]), ("full-disk", [])],
    ids=["killed", "killed-replacing", "interrupted-replacing", "full-disk"],
)
def test_failing_at_any_point_loses_nothing(by: str, options: list[str], memory_disk: Path) -> None:
    """Killed, interrupted or out of disk at each touch of the file system, a run goes on after it.

    A stage is whole or absent after each failure, and the results are those of a run that never
    failed, to the byte.
    """
    done = subprocess.run(
        [sys.executable, SCRIPT, "fail-everywhere", memory_disk, "--by", by, *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 30  # so many points were tried


_ON_SMALL_DISK = """
mount -t tmpfs -o size=128k tmpfs "$1"
"$2" "$3" run "$1/runs" || echo "exit $?"
ls -A "$1/runs/small"
mount -o remount,size=1m "$1"
"$2" "$3" run "$1/runs" && cat "$1/runs/small/results.json"
"""


@pytest.mark.skipif(not can_mount(), reason="needs a user namespace in which to mount a small disk")
def test_a_run_on_a_full_disk_goes_on_when_there_is_room(tmp_path: Path) -> None:
    """On a real disk with room for two stages the third says so; with more room it all ends well."""
    _, never_full = run(tmp_path / "never-full")
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(
        [*IN_A_NAMESPACE, "sh", "-c", _ON_SMALL_DISK, "sh", disk, sys.executable, SCRIPT],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.startswith(f"Error: {disk}/runs/small/right could not be written: no room")
    assert done.stderr.count("\n") == 1
    lines = done.stdout.splitlines(keepends=True)
    assert [line.split(":")[0].strip() for line in lines[:3]] == ["start", "left", "exit 2"]
    assert "".join(lines[3:7]).split() == [".lock", "left", "recipe.yaml", "start"]
    assert lines[7:9] == ["start: from cache\n", "left: from cache\n"]
    assert "".join(lines[11:]) == (never_full / "results.json").read_text()
