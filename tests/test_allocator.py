"""What is freed is kept."""

import os
import platform
import subprocess
import sys

import pytest

from traitleak.allocator import keep_freed_memory

_WORK = """
import resource, sys
import numpy as np
from traitleak.allocator import keep_freed_memory
done = keep_freed_memory() if sys.argv[1] == "keep" else None
def update():
    return [np.ones(2**20 * size) for size in (1, 8)]  # 8 and 64 MB, and both freed
update()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    update()
print(done, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
GLIBC = platform.libc_ver()[0] == "glibc"


def _faults(mode, **variables):
    kept = {name: text for name, text in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-c", _WORK, mode],
        capture_output=True,
        text=True,
        check=True,
        env={**kept, **variables},
    )
    said, faults = done.stdout.split()
    return said, int(faults)


@pytest.mark.skipif(not GLIBC, reason="glibc's allocator is meant")
def test_memory_is_not_fetched_anew_by_every_update():
    """Twenty updates that free all they took fault in a tenth of the pages that they do by default."""
    _, by_default = _faults("leave")
    said, kept = _faults("keep")
    assert said == "True"
    assert by_default > 10_000
    assert kept < by_default / 10


@pytest.mark.skipif(not GLIBC, reason="glibc's allocator is meant")
def test_what_the_environment_says_is_not_overruled():
    """A MALLOC_ variable is somebody's own choice."""
    assert _faults("keep", MALLOC_ARENA_MAX="2")[0] == "False"


def test_another_c_library_is_left_alone(monkeypatch):
    """Where there is no mallopt, nothing is done and nothing fails."""
    monkeypatch.setattr("ctypes.CDLL", lambda _name: object())
    assert keep_freed_memory() is False
