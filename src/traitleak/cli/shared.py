"""What all commands have in common: exit codes, errors, JSON.

Exit codes: 0 fine; 2 wrong use, recipe or input, an output that cannot be written, or (`doctor`)
something needed is missing; 70 a defect of traitleak; 130 interrupted; 141 the reader of the output
went away. 1 and 3 are kept for audits: findings, and inconclusive; 3 is also `run` where too few rows
were left to train on, and `generate` behind a server that left rows unanswered: what is there was
written.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

import typer

from traitleak.errors import TraitleakError

__all__ = [
    "drop_unwritten",
    "exit_codes",
    "print_json",
    "tell",
    "unwritten",
]

_UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}  # EIO: the terminal is gone


def print_json(content: object) -> None:
    """Print plain values as JSON, in UTF-8 whatever the terminal's encoding is."""
    from json import dumps

    typer.echo(dumps(content, indent=1, ensure_ascii=False).encode())


@contextmanager
def exit_codes(*, debug: bool, left: str = "") -> Iterator[None]:
    """Turn what goes wrong into a paragraph on stderr and an exit code.

    Args:
        debug: whether a traceback goes before it.
        left: a sentence about what an interruption leaves.
    """
    interrupts: list[int] = []
    try:
        with _noting_interrupts() as interrupts:
            yield
            sys.stdout.flush()
    except typer.Exit:
        raise
    except TraitleakError as error:
        _fail(f"Error: {error}", 2, debug=debug)
    except KeyboardInterrupt:
        _fail(f"Interrupted. {left}".rstrip(), 130, debug=debug)
    except BrokenPipeError:
        drop_unwritten()
        raise typer.Exit(141) from None
    except Exception as error:  # noqa: BLE001  # the last line of defence
        if interrupts:
            _fail(f"Interrupted. {left}".rstrip(), 130, debug=debug)
        said = unwritten(error)
        if said:
            _fail(said, 2, debug=debug)
        hint = "" if debug else " Run it again with --debug for the traceback."
        _fail(
            f"This is a defect of traitleak, not of what you did: {type(error).__name__}: {error}."
            f"{hint} Please report it with the command and its traceback.",
            70,
            debug=debug,
        )


@contextmanager
def _noting_interrupts() -> Iterator[list[int]]:
    """A list that gets the number of each Ctrl-C, which still raises KeyboardInterrupt.

    Compiled code can swallow that exception and fail with another: `safetensors` then says
    "ValueError: could not determine the shape". The list tells such an error from a defect.
    """
    noted: list[int] = []
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not ours or threading.current_thread() is not threading.main_thread():
        yield noted
        return

    def note(number: int, frame: FrameType | None) -> None:
        noted.append(number)
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _fail(paragraph: str, code: int, *, debug: bool) -> NoReturn:
    tell(paragraph, debug=debug)
    raise typer.Exit(code) from None


def tell(paragraph: str, *, debug: bool) -> None:
    """Say on stderr what went wrong, if anything can be said there."""
    with suppress(OSError):
        if debug:
            traceback.print_exc()
        typer.echo(" ".join(paragraph.split("\n")), err=True)
    drop_unwritten()


def unwritten(error: Exception) -> str | None:
    """The sentence for a stdout or stderr that cannot be written; None for any other error."""
    if not isinstance(error, OSError) or error.errno not in _UNWRITABLE or error.filename:
        return None  # an error about a file names it
    reason = (error.strerror or str(error)).lower()
    said = [f"Error: The output could not be written: {reason}", *getattr(error, "__notes__", [])]
    return f"{'; '.join(said)}."


def drop_unwritten() -> None:
    """What is left in a buffer has nowhere to go, and must not fail again at exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
