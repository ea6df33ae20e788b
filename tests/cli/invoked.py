"""The command line in this process and in one of its own, as tests start it."""

import os
import sys
from pathlib import Path

from typer.testing import CliRunner

from traitleak.cli import app

COMMAND = Path(sys.executable).with_name("traitleak")
# The tests' networks are too small for more than one thread.
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}


def invoke(*arguments: object):
    """Call the command line in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


# Two processes under load may measure the processor's bfloat16 differently, and so pick differently.
TINY = ["size=tiny", "precision=float32"]
