"""Locks on files: what several processes want to do is done by one at a time.

A lock vanishes with the process that holds it, so that a kill leaves nobody waiting.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

__all__ = ["acquire"]

_EVERY = 0.2  # seconds between two tries


def acquire(path: Path, waiting: str, say: Callable[[str], None]) -> FileLock:
    """Take a lock, after a wait where another process holds it; its `release` gives it back.

    Args:
        path: the lock's file.
        waiting: what is said if there is a wait.
        say: gets that line.

    Raises:
        OSError: the file cannot be made.
    """
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(waiting)
        lock.acquire(poll_interval=_EVERY)
    return lock
