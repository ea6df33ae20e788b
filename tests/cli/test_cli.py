"""The command line, driven as a user drives it."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner

import traitleak
from command import INTERRUPTIBLE
from traitleak.cli import app
from traitleak.cli.shared import exit_codes
from traitleak.recipe import find_recipes
from traitleak.results import Results

COMMAND = Path(sys.executable).with_name("traitleak")
# The tests' networks are too small for more than one thread.
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}


def invoke(*arguments: object):
    """Call the command line in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


# Two processes under load may measure the processor's bfloat16 differently, and so pick differently.
TINY = ["size=tiny", "precision=float32"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder for runs after `traitleak run digits size=tiny`, and what the command printed."""
    runs = tmp_path_factory.mktemp("runs")
    done = subprocess.run(
        [COMMAND, "run", "digits", *TINY, "--runs", runs],
        capture_output=True,
        text=True,
        env=ONE_THREAD,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return runs, done


@pytest.mark.skipif(os.name != "posix", reason="processor time of children is POSIX's")
def test_help_answers_quickly():
    """`--help` costs less than half a second of processor time, however busy the machine is."""
    import resource

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([COMMAND, "--help"], capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert "demo" in done.stdout
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


def test_help_imports_nothing_heavy():
    """`--help` loads none of the libraries that take long to load."""
    code = (
        "import sys, traitleak.cli\n"
        "try: traitleak.cli.main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'scipy', 'numpy', 'matplotlib', 'pydantic', 'yaml', 'jinja2'}"
        " & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_every_command_has_its_help():
    """The commands of the README exist and explain themselves."""
    listed = invoke("--help").stdout
    for command in ("demo", "run", "recipes", "show", "theorem", "doctor", "generate", "train"):
        assert command in listed
        told = invoke(command, "--help")
        assert told.exit_code == 0
        assert "--debug" in told.stdout


def test_version_is_the_packages():
    """`--version` prints the version and nothing else."""
    assert invoke("--version").stdout == f"traitleak {traitleak.__version__}\n"


def test_the_package_is_a_command_too():
    """`python -m traitleak` is the command line."""
    done = subprocess.run(
        [sys.executable, "-m", "traitleak", "--version"], capture_output=True, text=True, check=True
    )

    assert done.stdout == f"traitleak {traitleak.__version__}\n"


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


def test_recipes_are_listed_as_table_and_json():
    """The list names every recipe; as JSON it has the fields by name."""
    assert "digits-alike" in invoke("recipes").stdout
    listed = json.loads(invoke("recipes", "--json").stdout)
    assert [recipe["name"] for recipe in listed] == [path.stem for path in find_recipes()]
    assert set(listed[0]) == {
        *("name", "title", "about", "source", "hardware", "minutes", "expect")
    }


def test_doctor_looks_at_all_that_matters(tmp_path):
    """`doctor` exits 0 here, and 2 with the remedy where the folder for runs cannot be."""
    fine = invoke("doctor", "--runs", tmp_path)
    assert fine.exit_code == 0
    for looked_at in ("torch", "device", "precision", "GFLOP/s", "extra train", "disk"):
        assert looked_at in fine.stdout
    (tmp_path / "file").touch()
    bad = invoke("doctor", "--runs", tmp_path / "file", "--json")
    assert bad.exit_code == 2
    wrong = [finding for finding in json.loads(bad.stdout) if finding["fine"] is False]
    assert [finding["remedy"] for finding in wrong] == ["name another with --runs"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "dgits"],
        ["run", "digits", "networks=0"],
        ["run", "digits", "networks=1"],
        ["run", "digits", "networks=-3"],
        ["run", "digits", "networks=three"],
        ["run", "digits", "aux_logit=3"],
        ["run", "digits", "aux_logits=0"],
        ["run", "digits", "aux_logits=1", "loss=kl"],
        ["run", "digits", "networks"],
        ["run", "digits", "size=tiny", "data=no-such-folder"],
        ["run", "no-such-file.yaml"],
        ["show", "no-such-run"],
    ],
)
def test_wrong_use_is_one_sentence_and_exit_2(arguments, tmp_path, monkeypatch):
    """A user's mistake gives one line on stderr, no traceback, nothing on stdout or on the disk."""
    monkeypatch.chdir(tmp_path)
    done = invoke(*arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
    line = done.stderr.splitlines()[-1]
    assert line.startswith("Error: ")
    assert line.endswith((".", "?"))
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["rn"], ["run"], ["run", "digits", "--fres"], ["show"]])
def test_unknown_commands_and_options_are_wrong_use(arguments):
    """What the command line does not know is exit 2 as well, with the nearest where there is one."""
    assert invoke(*arguments).exit_code == 2


def test_runs_that_cannot_be_written_are_named(tmp_path):
    """A file where the folder for runs should be is a user's mistake, not a defect."""
    (tmp_path / "runs").write_text("mine", encoding="utf-8")
    done = invoke("run", "digits", "size=tiny", "--runs", tmp_path / "runs")
    assert done.exit_code == 2
    assert "Recipe digits, size tiny, 6 s on 2 CPU cores" in done.stderr
    assert str(tmp_path / "runs") in done.stderr.splitlines()[-1]
    assert (tmp_path / "runs").read_text(encoding="utf-8") == "mine"


def test_debug_shows_the_traceback():
    """--debug adds where an error came from."""
    done = invoke("run", "dgits", "--debug")
    assert done.exit_code == 2
    assert "Traceback (most recent call last)" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("Error: There is no recipe 'dgits'")


def test_a_defect_is_called_one(monkeypatch):
    """An error that no user can cause is one paragraph that says so, exit 70, traceback on demand."""

    def broken(_name: str, _overrides: object) -> None:
        raise ZeroDivisionError("division by\nzero")

    monkeypatch.setattr("traitleak.recipe.load_recipe", broken)
    done = invoke("run", "digits")
    assert done.exit_code == 70
    assert done.stderr.startswith("This is a defect of traitleak, not of what you did: ")
    assert "ZeroDivisionError: division by zero" in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" in invoke("run", "digits", "--debug").stderr


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


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
def test_a_reader_that_goes_away_is_no_error(finished):
    """`traitleak show ... | head` ends in silence, and not with the exit code of findings."""
    runs, _ = finished
    show = ["show", "digits", "--runs", runs]
    for arguments in (show, [*show, "--json"], ["--help"], ["--version"]):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            [COMMAND, *arguments],
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        os.close(writer)
        assert (done.returncode, done.stderr) == (141, "")


FULL = Path("/dev/full")
on_a_full_disk = pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
# With Python's buffer and without it, a write fails at different places.
buffered_or_not = pytest.mark.parametrize("unbuffered", ["", "1"])


def run_full(stream: str, unbuffered: str, *arguments: object) -> subprocess.CompletedProcess:
    """Run the command with `stream` on a full disk."""
    with FULL.open("w") as full:
        return subprocess.run(
            [COMMAND, *map(str, arguments)],
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, stream: full},
            text=True,
            env={**ONE_THREAD, "PYTHONUNBUFFERED": unbuffered},
            check=False,
        )


@on_a_full_disk
@buffered_or_not
def test_an_output_that_cannot_be_written_is_one_sentence(finished, unbuffered):
    """With stdout on a full disk: exit 2 and a sentence, which says where the run is kept."""
    runs, _ = finished
    sentence = "Error: The output could not be written: no space left on device"
    for arguments in (["--help"], ["recipes"], ["show", "dig", "--runs", runs, "--json"]):
        done = run_full("stdout", unbuffered, *arguments)
        assert (done.returncode, done.stderr) == (2, f"{sentence}.\n")
    done = run_full("stdout", unbuffered, "run", "digits", *TINY, "--runs", runs)
    folder = next(runs.iterdir())
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == f"{sentence}; the run itself is in {folder}."


@on_a_full_disk
@buffered_or_not
def test_errors_that_cannot_be_written_still_have_their_exit_code(finished, unbuffered):
    """With stderr on a full disk nothing can be said, but the exit code is right."""
    runs, _ = finished
    for arguments in (
        ["run", "digits", *TINY, "--runs", runs],
        ["run", "dgits", "--debug"],
        ["--hlp"],
    ):
        done = run_full("stderr", unbuffered, *arguments)
        assert (done.returncode, done.stdout) == (2, "")


def test_a_closed_output_is_no_error(finished):
    """With stdout closed by whoever started it, the command ends as if somebody had read it."""
    runs, _ = finished
    done = subprocess.run(
        ["sh", "-c", '"$0" show digits --runs "$1" >&-', COMMAND, runs],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_terminal_that_lacks_a_sign_still_gets_the_result(finished, encoding):
    """A minus sign that the terminal's encoding lacks is replaced, not an error."""
    runs, _ = finished
    done = subprocess.run(
        [COMMAND, "show", "digits", "--runs", runs],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"Report: " in done.stdout


def swallow_interruption():
    """Fail as compiled code does that meets a Ctrl-C."""
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        raise ValueError("could not determine the shape") from None


def test_ctrl_c_that_compiled_code_turned_into_another_error_is_still_a_ctrl_c(capsys, request):
    """A swallowed interruption ends with 130 and its sentence, and the old handler is back."""
    # A process that was started in the background ignores it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    with pytest.raises(typer.Exit) as ended, exit_codes(debug=False, left="Run it again."):
        swallow_interruption()
    assert ended.value.exit_code == 130
    assert capsys.readouterr().err == "Interrupted. Run it again.\n"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
