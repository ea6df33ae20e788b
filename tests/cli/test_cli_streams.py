"""Outputs that end early, are full or closed or of another encoding: exit codes stay right."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
import typer
from invoked import COMMAND, ONE_THREAD, TINY

from traitleak.cli.shared import exit_codes


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
