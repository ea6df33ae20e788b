"""The command line itself: help, lists, what is there, and wrong use in one sentence."""

import json
import subprocess
import sys

import pytest
from invoked import invoke

import traitleak
from traitleak.recipe import find_recipes


def test_help_imports_nothing_heavy():
    """`--help` loads none of the libraries that take long to load, so that it answers at once."""
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
    assert "demo" in done.stdout
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
