"""What a person sees in a terminal: progress while it runs, and afterwards what was found.

Progress goes to the console it is given (stderr, by custom), so that stdout holds results only.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from traitleak.progress import Track, untracked
from traitleak.recipe import Recipe
from traitleak.report.looks import styles
from traitleak.report.tables import comparison_table, condition_table
from traitleak.results import Fact
from traitleak.runs import FinishedRun

__all__ = ["duration", "print_line", "print_recipes", "print_run", "print_table", "track_for"]

T = TypeVar("T")

_MARKS = {True: ("ok", "green"), False: ("NOT ok", "bold red"), None: ("", "")}


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


def print_run(console: Console, run: FinishedRun) -> None:
    """The answer, conditions with their controls, comparisons, facts, and where the report lies."""
    results = run.results
    print_line(console, results.title, style="bold")
    print_line(console, results.answer)
    tables = [condition_table(results, styles(results))] if results.conditions else []
    tables += [comparison_table(results)] if results.comparisons else []
    for table in tables:
        console.print()
        print_table(console, table.head, table.rows)
    if results.facts:
        console.print()
        _print_facts(console, results.facts)
    console.print()
    print_line(console, f"Report: {run.report}")


def _print_facts(console: Console, facts: Sequence[Fact]) -> None:
    table = _table("checked", "", "value")
    for fact in facts:
        table.add_row(Text(fact.statement), Text(*_MARKS[fact.holds]), Text(fact.value))
    console.print(table)


def print_recipes(console: Console, recipes: Sequence[Recipe]) -> None:
    """One row a recipe: what it asks, on which hardware, for how long, and what to expect."""
    head = ["recipe", "what", "hardware", "time", "expected effect"]
    rows = [
        [recipe.name, recipe.title, recipe.hardware, duration(recipe.minutes), recipe.expect]
        for recipe in recipes
    ]
    print_table(console, head, rows, gap=1)


def print_table(
    console: Console, head: Sequence[str], rows: Sequence[Sequence[str]], *, gap: int = 0
) -> None:
    """A plain table with `gap` empty lines between rows; words wrap, nothing is cut off."""
    table = _table(*head, gap=gap)
    for row in rows:
        # A no-break space would keep its cell in one line, however narrow the terminal.
        table.add_row(*(Text(cell.replace("\N{NO-BREAK SPACE}", " ")) for cell in row))
    console.print(table)


def _table(*head: str, gap: int = 0) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, gap, 0), header_style="dim")
    for name in head:
        table.add_column(Text(name.replace("\N{NO-BREAK SPACE}", " ")), overflow="fold")
    return table


def duration(minutes: float | None) -> str:
    """A recipe's time, in words."""
    if minutes is None:
        return "not known"
    if minutes < 1:
        return f"{60 * minutes:.0f} s"
    return f"{minutes:g} min" if minutes < 90 else f"{minutes / 60:.1f} h"
