"""A run that several tests of the command line look at."""

import subprocess

import pytest
from invoked import COMMAND, ONE_THREAD, TINY


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
