"""What is printed of recipes, and of a run when it is finished; the report tells the rest."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from traitleak.recipe import Recipe
from traitleak.report.looks import styles
from traitleak.report.matrix import matrix_table
from traitleak.report.tables import comparison_table, condition_table, data_table, sweep_table
from traitleak.runs import FinishedRun
from traitleak.terminal import MARKS, print_line, print_table

__all__ = ["duration", "print_recipes", "print_run"]


def print_run(console: Console, run: FinishedRun) -> None:
    """The answer, sweeps, conditions with their controls, comparisons, matrices, facts, the report."""
    results = run.results
    print_line(console, results.title, style="bold")
    print_line(console, results.answer)
    for sweep in results.sweeps:
        table = data_table(sweep.tables[0]) if sweep.tables else sweep_table(sweep)
        console.print()
        print_line(console, sweep.title)
        print_table(console, table.head, table.rows)
        for note in table.notes:
            print_line(console, note, style="dim")
    tables = [condition_table(results, styles(results))] if results.conditions else []
    tables += [comparison_table(results)] if results.comparisons else []
    for table in tables:
        console.print()
        print_table(console, table.head, table.rows)
    for matrix in results.matrices:
        table = matrix_table(matrix, short=True)
        console.print()
        print_line(console, table.name)
        print_table(console, table.head, table.rows)
        for note in table.notes:
            print_line(console, note, style="dim")
    if results.facts:
        console.print()
        facts = [[fact.statement, MARKS[fact.holds], fact.value] for fact in results.facts]
        print_table(console, ["checked", "", "value"], facts)
    console.print()
    print_line(console, f"Report: {run.report}")


def print_recipes(console: Console, recipes: Sequence[Recipe]) -> None:
    """One row a recipe: for how long on which hardware, what it asks, and what to expect."""
    head = ["recipe", "time", "what it asks, and the effect to expect"]
    rows = [
        [
            recipe.name,
            f"{duration(recipe.minutes)}\n{recipe.hardware}",
            f"{recipe.title}\n{recipe.expect}",
        ]
        for recipe in recipes
    ]
    print_table(console, head, rows, gap=1, whole=2)


def duration(minutes: float | None) -> str:
    """A recipe's time, in words."""
    if minutes is None:
        return "not known"
    if minutes < 1:
        return f"{60 * minutes:.0f} s"
    return f"{minutes:g} min" if minutes < 90 else f"{minutes / 60:.1f} h"
