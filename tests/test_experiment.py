"""Recipes run end to end: what is computed, what is kept, and that a killed run ends the same."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from command import INTERRUPTIBLE
from traitleak.errors import DataError
from traitleak.experiment import run_folder, run_recipe
from traitleak.recipe import Recipe, load_recipe
from traitleak.runs import FinishedRun, open_run

# Three stages: teachers, and students at two points of a sweep.
SMALL = [
    *("size=tiny", "theorem=false", "device=cpu", "vary={key: fresh, values: [0.0, 0.5]}"),
    *("teacher_steps=200", "steps=200"),  # half a second each: time enough to be killed in
]


def small_digits(*overrides: str) -> Recipe:
    """The demo's recipe, made small."""
    return load_recipe("demo", [*SMALL, *overrides])


def run(recipe: Recipe, runs: Path, *, fresh: bool = False) -> tuple[FinishedRun, list[str]]:
    """Run a recipe; which stages were computed."""
    said: list[str] = []
    finished = run_recipe(recipe, runs=runs, fresh=fresh, say=said.append)
    return finished, [line.split(":")[0] for line in said if ": done in " in line]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the small recipe has run undisturbed."""
    folder = tmp_path_factory.mktemp("runs")
    run(small_digits(), folder)
    return folder


def test_a_run_leaves_what_the_documentation_says(runs: Path) -> None:
    """Recipe, environment, a folder a stage, results and report; `open_run` reads them back."""
    recipe = small_digits()
    folder = run_folder(recipe, runs)
    assert {path.name for path in folder.iterdir()} == {
        ".lock", "recipe.yaml", "environment.json", "manifest.json", "results.json", "report.html",
        "report.md", "teachers", "students-fresh-0.0", "students-fresh-0.5",
    }  # fmt: skip
    assert open_run(folder).results.recipe == "demo"


def test_the_resolved_recipe_leads_to_the_same_run_folder(runs: Path) -> None:
    """What an unfinished run advises, running its recipe.yaml, finds that run again."""
    recipe = small_digits()
    folder = run_folder(recipe, runs)
    assert run_folder(load_recipe(str(folder / "recipe.yaml")), runs) == folder


def test_only_what_depends_on_a_changed_key_is_computed(runs: Path) -> None:
    """A title computes nothing, the students' steps the students, another point that point."""
    assert run(small_digits("title=Another"), runs)[1] == []
    students = ["students-fresh-0.0", "students-fresh-0.5"]
    assert run(small_digits("steps=10"), runs)[1] == students
    assert run(small_digits("vary.values=[0.0, 0.9]"), runs)[1] == ["students-fresh-0.9"]
    assert run(small_digits("seed=1"), runs)[1] == ["teachers", *students]


def test_computed_anew_the_results_are_the_same_to_the_byte(runs: Path, tmp_path: Path) -> None:
    """Same recipe, same machine, same numbers; nothing in the results depends on time or place."""
    expected = (run_folder(small_digits(), runs) / "results.json").read_bytes()
    for fresh in (False, True):
        finished, computed = run(small_digits(), tmp_path, fresh=fresh)
        assert len(computed) == 3
        assert (finished.folder / "results.json").read_bytes() == expected


@pytest.mark.parametrize(
    ("stage", "how", "status"),
    [
        ("teachers", signal.SIGKILL, -signal.SIGKILL),
        ("students-fresh-0.5", signal.SIGKILL, -signal.SIGKILL),
        # Not in the first stage: Python loses a Ctrl-C that comes while it clears up an import.
        ("students-fresh-0.5", signal.SIGINT, 130),
    ],
)
def test_a_killed_digits_run_ends_as_if_undisturbed(
    stage: str, how: signal.Signals, status: int, runs: Path, tmp_path: Path
) -> None:
    """Killed or interrupted while networks train, and run again: the same results to the byte."""
    process = subprocess.Popen(
        [*INTERRUPTIBLE, "run", "demo", "--runs", tmp_path, *SMALL],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    recipe = small_digits()
    folder = run_folder(recipe, tmp_path)
    while not (folder / f".unfinished-{stage}").exists():
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(how)
    assert process.wait() == status
    whole = (folder / stage).exists()  # on a busy machine it may have ended just before
    finished, computed = run(recipe, tmp_path)
    assert (stage in computed) is not whole
    expected = (run_folder(recipe, runs) / "results.json").read_bytes()
    assert (finished.folder / "results.json").read_bytes() == expected


def test_a_theorem_recipe_runs_and_its_stage_is_shared(tmp_path: Path) -> None:
    """The other experiment runs the same way; under another name it takes what is there."""
    recipe = tmp_path / "small-theorem.yaml"
    recipe.write_text("experiment: theorem\nnetworks: 10\n")
    finished, computed = run(load_recipe(str(recipe)), tmp_path / "runs")
    assert computed == ["theorem"]
    assert finished.report.read_text().startswith("<!DOCTYPE html>")
    renamed = recipe.rename(tmp_path / "another-name.yaml")
    again, computed = run(load_recipe(str(renamed)), tmp_path / "runs")
    assert again.folder != finished.folder
    assert computed == []


def test_missing_data_leave_no_run_folder(tmp_path: Path) -> None:
    """Data that are not there are said before anything is made."""
    with pytest.raises(DataError):
        run(small_digits(f"data={tmp_path / 'absent'}"), tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
