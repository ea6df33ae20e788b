"""Text on a terminal, or in a file or pipe in its place: consoles, lines, tables, progress.

Results go to stdout; progress and errors to stderr, so that stdout can be read by a program.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from traitleak.progress import Track, untracked

__all__ = ["MARKS", "print_line", "print_table", "stderr", "stdout", "track_for"]

T = TypeVar("T")

MARKS = {True: "ok", False: "NOT ok", None: ""}  # None: there was nothing to pass or fail

_WIDTH = 110  # where there is no terminal to fit into


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to the command line what to do; rich would exit with 1."""
        raise BrokenPipeError


def stdout() -> Console:
    """Where results go."""
    return _Console(width=None if sys.stdout.isatty() else _WIDTH)


def stderr(*, quiet: bool = False) -> Console:
    """Where progress goes, or nothing if it is quiet."""
    return _Console(stderr=True, quiet=quiet)


def print_line(console: Console, text: str, *, style: str = "") -> None:
    """Print text as it is: no markup in it; only a terminal breaks its lines, between words."""
    console.print(Text(text, style=style), soft_wrap=not console.is_terminal, highlight=False)


@contextmanager
def track_for(console: Console, *, every: float = 5.0) -> Iterator[Track]:
    """How long work shows how far it is, on this console.

    A bar on a terminal; elsewhere a line now and then, and one at the end of each piece of work;
    nothing on a quiet console. A context, so that an interrupt leaves no bar behind.

    Args:
        console: where to show it.
        every: seconds between two lines of one piece of work; bars do not wait.
    """
    if console.quiet:
        yield untracked
    elif console.is_terminal:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console, transient=True) as progress:
            yield _bars(progress)
    else:
        yield _lines(console, every)


def _bars(progress: Progress) -> Track:
    def track(items: Iterable[T], what: str, total: int, /) -> Iterator[T]:
        task = progress.add_task(what, total=total)
        try:
            for item in items:
                yield item
                progress.advance(task)
        finally:
            progress.remove_task(task)

    return track


def _lines(console: Console, every: float) -> Track:
    def track(items: Iterable[T], what: str, total: int, /) -> Iterator[T]:
        began = said = time.monotonic()
        done = 0
        for item in items:
            yield item
            done += 1
            now = time.monotonic()
            if done < total and now - said >= every:
                print_line(console, f"{what}: {done} of {total} after {now - began:.0f} s")
                said = now
        print_line(console, f"{what}: {done} of {total} in {time.monotonic() - began:.1f} s")

    return track


def print_table(
    console: Console,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    gap: int = 0,
    whole: int = 0,
) -> None:
    """A plain table: words wrap, nothing is cut off.

    Args:
        console: where to print it.
        head: the columns' names.
        rows: as many cells each.
        gap: empty lines between rows.
        whole: how many of the first columns keep their cells in one line.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, gap, 0), header_style="dim")
    for column, name in enumerate(head):
        table.add_column(_cell(name), overflow="fold", no_wrap=column < whole)
    for row in rows:
        table.add_row(*map(_cell, row))
    console.print(table)


def _cell(text: str) -> Text:
    # A no-break space would keep a cell in one line, however narrow the terminal.
    return Text(text.replace("\N{NO-BREAK SPACE}", " "))
