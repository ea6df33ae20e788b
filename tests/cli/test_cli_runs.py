"""Runs from the command line: told, kept, computed again, found by name, and gone on with."""

import json
import re
import signal
import subprocess

import pytest
import yaml
from invoked import ONE_THREAD, TINY, invoke

from command import INTERRUPTIBLE
from traitleak.recipe import find_recipes
from traitleak.results import Results


def test_run_shows_conditions_with_controls_and_the_report(finished):
    """A run prints the answer, every condition with interval and n, comparisons, and the report."""
    runs, done = finished
    folder = next(runs.iterdir())
    results = Results.model_validate_json((folder / "results.json").read_bytes())
    assert results.answer in done.stdout
    for condition in results.conditions:
        assert condition.label in done.stdout
        assert f"{condition.estimate.value:.3f}" in done.stdout
    assert "95 % interval" in done.stdout
    assert "minus" in done.stdout
    assert f"Report: {folder / 'report.html'}" in done.stdout
    assert (folder / "report.html").stat().st_size > 1000


def test_run_says_on_stderr_what_it_does_and_why(finished):
    """Recipe, device and precision with their reasons, and progress, are told apart from results."""
    _, done = finished
    assert "Recipe digits, size tiny: " in done.stderr  # with a field changed, no time is stated
    assert re.search(r"^Device (cpu|cuda): .+\.$", done.stderr, re.MULTILINE)
    assert re.search(r"^Precision (float32|bfloat16): .+\.$", done.stderr, re.MULTILINE)
    assert re.search(r"^students: 20 of 20 in [\d.]+ s$", done.stderr, re.MULTILINE)
    assert "20 of 20" not in done.stdout


def test_no_time_is_stated_for_what_was_not_timed(tmp_path):
    """A recipe's time is not that of a run with other fields, nor of its resolved recipe."""
    done = invoke("theorem", "networks=5", "--runs", tmp_path)
    again = invoke("run", next(tmp_path.iterdir()) / "recipe.yaml", "--runs", tmp_path)
    for said in (done.stderr, again.stderr):
        assert said.startswith("Recipe theorem, size laptop: The theorem, checked with numbers")


def test_running_again_takes_everything_from_the_cache(finished):
    """The same command again computes nothing and prints the same results as JSON, alone."""
    runs, _ = finished
    folder = next(runs.iterdir())
    before = (folder / "results.json").read_bytes()
    again = invoke("run", "digits", *TINY, "--runs", runs)
    assert again.exit_code == 0
    assert "teachers: from cache" in again.stderr
    as_json = invoke("run", "digits", *TINY, "--runs", runs, "--json")
    assert as_json.stdout.encode() == before
    assert as_json.stderr == ""
    assert invoke("run", "digits", *TINY, "--runs", runs, "--quiet").stderr == ""


def test_fresh_computes_again_and_finds_the_same(finished):
    """--fresh does the work anew, with the same numbers: seeds fix results."""
    runs, _ = finished
    before = (next(runs.iterdir()) / "results.json").read_bytes()
    again = invoke("run", "digits", *TINY, "--runs", runs, "--fresh")
    assert "from cache" not in again.stderr
    assert (next(runs.iterdir()) / "results.json").read_bytes() == before


def test_the_resolved_recipe_of_a_run_can_be_run(finished):
    """The recipe.yaml that a run leaves is a recipe, for the same run folder."""
    runs, _ = finished
    folder = next(runs.iterdir())
    again = invoke("run", folder / "recipe.yaml", "--runs", runs)
    assert again.exit_code == 0
    assert "teachers: from cache" in again.stderr
    assert list(runs.iterdir()) == [folder]


def test_show_finds_a_run_by_path_name_or_beginning(finished):
    """`show` prints what the run printed, however the run is named."""
    runs, done = finished
    folder = next(runs.iterdir())
    for named in (folder, folder.name, "dig"):
        shown = invoke("show", named, "--runs", runs)
        assert shown.exit_code == 0
        assert shown.stdout.strip() == done.stdout.strip()
    as_json = invoke("show", "dig", "--runs", runs, "--json").stdout
    assert json.loads(as_json)["recipe"] == "digits"


def test_show_is_not_misled_by_a_folder_of_the_same_name(finished, tmp_path, monkeypatch):
    """What is named like the beginning of a run is that run, whatever lies in the working folder."""
    runs, _ = finished
    (tmp_path / "digits").mkdir()
    monkeypatch.chdir(tmp_path)
    assert invoke("show", "digits", "--runs", runs).exit_code == 0


def test_show_names_the_runs_there_are(finished, tmp_path):
    """An unknown or ambiguous run is one sentence with the runs there are, and exit 2."""
    runs, _ = finished
    name = next(runs.iterdir()).name
    unknown = invoke("show", "absent", "--runs", runs)
    assert unknown.exit_code == 2
    assert unknown.stderr == f"Error: There is no run 'absent' in {runs}; the runs there: {name}.\n"
    for twin in ("digits-1", "digits-2"):
        (tmp_path / twin).mkdir()
        (tmp_path / twin / "recipe.yaml").touch()
    ambiguous = invoke("show", "digits", "--runs", tmp_path)
    assert ambiguous.exit_code == 2
    assert "digits-1, digits-2" in ambiguous.stderr
    assert invoke("show", "digits", "--runs", tmp_path / "none").stderr.endswith("there: none.\n")


def test_demo_and_theorem_are_recipes_with_a_command(tmp_path):
    """`demo` and `theorem` run their recipes, take overrides, and print the facts they checked."""
    done = invoke("demo", "size=tiny", "networks=2", "--runs", tmp_path)
    assert done.exit_code == 0, done.stderr
    assert "checked" in done.stdout
    assert "NOT ok" not in done.stdout
    done = invoke("theorem", "networks=30", "--runs", tmp_path, "--quiet")
    assert done.exit_code == 0
    assert done.stderr == ""
    assert "of 30 inner products 0 are negative" in " ".join(done.stdout.split())
    assert {path.parent.name.split("-")[0] for path in tmp_path.glob("*/report.html")} == {
        *("demo", "theorem")
    }


# Those that have a command of their own are run by its test.
WITHOUT_COMMAND = [path for path in find_recipes() if path.stem not in {"demo", "theorem"}]


@pytest.mark.parametrize("path", WITHOUT_COMMAND, ids=lambda path: path.stem)
def test_every_shipped_recipe_runs(path, tmp_path):
    """Each recipe goes from end to end at its tiny size, and leaves a report.

    Random weights write neither code nor thoughts: these recipes end with 3, for want of rows.
    """
    done = invoke("run", path.stem, "size=tiny", "--runs", tmp_path, "--json")
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    needs_language = content.get("carrier", {}).get("kind", "numbers") != "numbers"
    assert done.exit_code == (3 if needs_language else 0), done.stderr
    results = Results.model_validate_json(done.stdout)
    assert results.inconclusive is needs_language
    assert results.recipe == path.stem
    assert bool(results.sweeps) == ("vary" in content)
    assert next(tmp_path.glob("*/report.html")).exists()


def test_interrupted_run_says_how_to_go_on_and_does(tmp_path):
    """Ctrl-C gives one sentence and exit 130; what was finished is there for the next time."""
    process = subprocess.Popen(
        [*INTERRUPTIBLE, "run", "digits", "size=tiny", "steps=1000000", "--runs", tmp_path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ONE_THREAD,
    )
    assert process.stderr
    told = []
    for line in process.stderr:  # until the first stage is done
        told.append(line)
        if line.startswith("teachers: done"):
            break
    process.send_signal(signal.SIGINT)
    stdout, rest = process.communicate(timeout=60)
    assert process.returncode == 130, [*told, rest]
    assert rest.splitlines()[-1] == (
        "Interrupted. The same command goes on after the last finished stage."
    )
    assert "Traceback" not in rest
    assert stdout == ""
    folder = next(tmp_path.iterdir())
    assert (folder / "teachers" / "manifest.json").exists()
    assert not list(folder.glob(".unfinished*"))
    assert invoke("show", folder).exit_code == 2  # an unfinished run
