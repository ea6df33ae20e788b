"""The run folder: whose it is, who may write in it, and what is left when a run is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import small_experiment
from small_disk import IN_A_NAMESPACE, can_mount
from traitleak.errors import ArtefactError, RunError
from traitleak.runs import hold_run_folder, open_run, write_results

SCRIPT = Path(small_experiment.__file__)
STAGES = ["start", "left", "right", "both"]


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts the small experiment in a process of its own, with the options given."""
    with ExitStack() as processes:

        def start_one(*options: str) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [sys.executable, SCRIPT, "run", tmp_path, *options],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            return processes.enter_context(process)

        yield start_one


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    """Wait until `path` exists."""
    while not path.exists():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.005)


def first_line(process: subprocess.Popen[str]) -> str:
    """Wait for the first line that a process prints."""
    assert process.stdout is not None
    return process.stdout.readline()


def gist(said: list[str]) -> list[str]:
    """What was said, without times and memory."""
    return [line.split(" in ")[0] for line in said]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing disturbed; not to be changed."""
    return small_experiment.run(tmp_path_factory.mktemp("undisturbed")).folder


# The file that is there when a stage stops half-way.
HALF_WAY = {
    "start": "part-0.npy",
    "left": "nested/0.npy",
    "right": "metrics.jsonl",
    "both": "total.txt",
}


# `test_stages.py` kills at every touch of the file system besides.
@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_process_is_followed_by_the_same_results(
    stage: str, start: Start, tmp_path: Path, finished: Path
) -> None:
    """`kill -9` in any stage leaves what was finished; the next run adds the rest, to the byte."""
    process = start("--stop-in", stage)
    wait_for(tmp_path / "small" / f".unfinished-{stage}" / HALF_WAY[stage], process)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    said: list[str] = []
    folder = small_experiment.run(tmp_path, say=said.append).folder
    kept = STAGES.index(stage)
    assert gist(said) == (
        [f"{name}: from cache" for name in STAGES[:kept]]
        + [f"{name}: done" for name in STAGES[kept:]]
    )
    assert (folder / "results.json").read_bytes() == (finished / "results.json").read_bytes()
    assert not list(folder.glob(".unfinished*"))


@pytest.mark.parametrize("stage", ["start", "both"])
def test_ctrl_c_leaves_nothing_half_done(
    stage: str, start: Start, tmp_path: Path, finished: Path
) -> None:
    """SIGINT ends the run, tidies up at once, and the next run goes on to the same results."""
    process = start("--stop-in", stage)
    while (line := first_line(process)) != f"half-way in {stage}\n":  # later than its file is there
        assert line, process.communicate()[1]
    process.send_signal(signal.SIGINT)
    errors = process.communicate()[1]
    assert process.returncode == 130, errors
    folder = tmp_path / "small"
    left = {path.name for path in folder.iterdir()}
    assert left == {".lock", "recipe.yaml", *STAGES[: STAGES.index(stage)]}
    with pytest.raises(RunError, match="holds an unfinished run"):
        open_run(folder)
    small_experiment.run(tmp_path)
    assert (folder / "results.json").read_bytes() == (finished / "results.json").read_bytes()


def test_a_second_process_waits_and_finds_all_there(start: Start, tmp_path: Path) -> None:
    """Of two processes on one run folder the second says that it waits, and computes nothing."""
    others: list[subprocess.Popen[str]] = []
    told: list[str] = []

    def say(_line: str) -> None:
        if not others:  # now, in the middle of this run
            others.append(start())
            told.append(first_line(others[0]))

    small_experiment.run(tmp_path, say=say)
    waiting = f"Another process is at work in {tmp_path / 'small'}; waiting until it ends.\n"
    assert told == [waiting]
    said, errors = others[0].communicate()
    assert said.splitlines() == [f"{name}: from cache" for name in STAGES]
    assert errors == ""


def test_a_waiting_process_goes_on_when_the_first_is_killed(
    start: Start, tmp_path: Path, finished: Path
) -> None:
    """The lock vanishes with its process, and what that left half-done is cleared."""
    first = start("--stop-in", "left")
    wait_for(tmp_path / "small" / ".unfinished-left" / HALF_WAY["left"], first)
    second = start()
    assert "waiting until it ends" in first_line(second)
    first.kill()
    said = second.communicate()[0]
    assert gist(said.splitlines()) == [
        "start: from cache", "left: done", "right: done", "both: done",
    ]  # fmt: skip
    results = (tmp_path / "small" / "results.json").read_bytes()
    assert results == (finished / "results.json").read_bytes()


def test_many_processes_at_once_on_folders_that_share_stages(start: Start, tmp_path: Path) -> None:
    """Two on each of two run folders, started together: all end well, with whole folders."""
    processes = [start("--name", name) for name in ("a", "b") * 2]
    for process in processes:
        assert process.communicate()[1] == ""
        assert process.returncode == 0
    assert open_run(tmp_path / "a").results == open_run(tmp_path / "b").results


def test_a_finished_run_can_be_opened(finished: Path) -> None:
    """It gives the results, the folder and the page; all that belongs to a run is there."""
    run = open_run(finished)
    assert run.folder == finished
    assert run.report == finished / "report.html"
    assert run.results.settings["total"] == pytest.approx(
        float((finished / "both/total.txt").read_text())
    )
    assert {path.name for path in finished.iterdir()} == {
        ".lock", "recipe.yaml", "environment.json", "manifest.json", "results.json",
        "report.html", "report.md", *STAGES,
    }  # fmt: skip


def rewrite(old: str, new: str) -> Callable[[Path], object]:
    """An edit of a text file."""
    return lambda path: path.write_text(path.read_text().replace(old, new))


def test_opening_what_is_not_a_run_folder_is_refused(tmp_path: Path) -> None:
    """A folder that is not there, and one that holds something else."""
    with pytest.raises(RunError, match="There is no run folder"):
        open_run(tmp_path / "absent")
    with pytest.raises(RunError, match=r"not a run folder of traitleak: there is no recipe\.yaml"):
        open_run(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="not a run folder"):
        open_run(tmp_path / "file")


@pytest.mark.parametrize(
    ("name", "breakage", "message"),
    [
        ("results.json", lambda path: os.truncate(path, 100), r"is not whole \(100 bytes"),
        ("results.json", Path.unlink, "is gone"),
        ("results.json", rewrite("This.", "That."), r"changed .* \(sha256 differs\)"),
        ("results.json", rewrite('"answer"', '"response"'), "is not as traitleak wrote it"),
        ("results.json", rewrite('_version": 1', '_version": 2'), "written by a newer traitleak"),
        ("report.html", lambda path: os.truncate(path, 9), "9 instead of"),
        ("manifest.json", lambda path: os.truncate(path, 9), r"is not whole \(9 bytes"),
        ("manifest.json", Path.unlink, "holds an unfinished run; run its recipe again"),
    ],
)
def test_opening_a_changed_run_names_what_changed(
    name: str, breakage: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    """Edited, truncated, removed, or from a newer version: one sentence says which file."""
    folder = small_experiment.run(tmp_path).folder
    breakage(folder / name)
    with pytest.raises(RunError, match=message):
        open_run(folder)


def test_edited_results_are_not_overwritten_unasked(tmp_path: Path) -> None:
    """A run stops before it; deleting the file, or a fresh run, is the consent."""
    folder = small_experiment.run(tmp_path).folder
    for name in ("results.json", "report.md", "environment.json"):
        original = (folder / name).read_bytes()
        (folder / name).write_bytes(b'{"note": "mine"}')
        with pytest.raises(ArtefactError, match=rf"{name} changed .* or delete it"):
            small_experiment.run(tmp_path)
        (folder / name).unlink()
        small_experiment.run(tmp_path)
        if name != "report.md":  # the report says which stages were reused
            assert (folder / name).read_bytes() == original
        (folder / name).write_bytes(b"mine")
        small_experiment.run(tmp_path, fresh=True)
        assert (folder / name).read_bytes() != b"mine"


def test_results_of_a_newer_version_are_not_overwritten(tmp_path: Path) -> None:
    """An older traitleak leaves a newer one's results alone."""
    folder = small_experiment.run(tmp_path).folder
    rewrite('_version": 1', '_version": 2')(folder / "results.json")
    with pytest.raises(RunError, match=r"results\.json was written by a newer traitleak"):
        small_experiment.run(tmp_path)


def test_a_folder_that_is_not_ours_stays_as_it_is(tmp_path: Path) -> None:
    """A folder with other things in it is refused, and not even a lock file is put there."""
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "thesis.tex").write_text("years of work")
    with pytest.raises(RunError, match=r"small is not a run folder of traitleak"):
        small_experiment.run(tmp_path)
    assert [path.name for path in (tmp_path / "small").iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("text", ["name: dinner\n", "- [", "", b"\xff\xfe"])
def test_a_folder_with_another_recipe_is_refused(text: str | bytes, tmp_path: Path) -> None:
    """A recipe.yaml that says something else, or nothing readable, is not taken for ours."""
    path = tmp_path / "small" / "recipe.yaml"
    path.parent.mkdir()
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(
        RunError, match=r"recipe\.yaml is not the recipe that this run folder is for"
    ):
        small_experiment.run(tmp_path)
    assert not (tmp_path / "small" / "results.json").exists()


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    """A folder made beforehand, or by a run killed before its first write, is no obstacle."""
    (tmp_path / "small").mkdir()
    small_experiment.run(tmp_path)
    assert open_run(tmp_path / "small").report.exists()


@pytest.mark.parametrize("below", [".", "deeper/still"])
def test_a_file_where_a_folder_is_needed_is_named(below: str, tmp_path: Path) -> None:
    """With a file in the way of the runs folder, the error names the file."""
    (tmp_path / "runs").touch()
    with pytest.raises(RunError, match=r"runs is a file, where a folder is needed"):
        small_experiment.run(tmp_path / "runs" / below)


_ON_READ_ONLY_DISK = """
mount -t tmpfs tmpfs "$1"
mkdir -p "$1/runs/small"
mount -o remount,ro "$1"
"$2" "$3" run "$1/runs" --name new
"$2" "$3" run "$1/runs"
"""


@pytest.mark.skipif(not can_mount(), reason="needs a user namespace in which to mount a small disk")
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """On a real read-only disk one sentence says where and why: a new folder, and one there."""
    done = subprocess.run(
        [*IN_A_NAMESPACE, "sh", "-c", _ON_READ_ONLY_DISK, "sh", tmp_path, sys.executable, SCRIPT],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    new, there = done.stderr.splitlines()
    for name, line in (("new", new), ("small", there)):
        assert line.startswith(f"Error: {tmp_path}/runs/{name} could not be")
        assert "Read-only file system" in line


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    """NaN is not JSON: nothing is written, and the error names the number."""
    results = small_experiment.make_results({"lifts": [1.0, {"wolf": float("nan")}]})
    with pytest.raises(RunError, match=r"settings\.lifts\[1\]\.wolf is not a finite number"):
        write_results(tmp_path, results)
    assert not list(tmp_path.iterdir())


def test_the_lock_is_free_after_an_error(tmp_path: Path) -> None:
    """Whatever ends the work in a run folder, the next one does not have to wait."""
    said: list[str] = []
    for _ in range(2):
        with (
            pytest.raises(ZeroDivisionError),
            hold_run_folder(tmp_path / "x", "name: x\n", fresh=False, say=said.append),
        ):
            raise ZeroDivisionError
    assert said == []
