"""The trait x trait matrix: a heat map of coloured cells, and its table.

A cell's colour says its sign and its share of the largest value; its text says the same in numbers,
so that nothing rests on the colour alone. The templates draw it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from traitleak.report.formats import (
    NO_INTERVAL,
    cell_decimals,
    counts_text,
    decimals_for,
    estimate_text,
    interval_name,
    interval_text,
    number,
    p_text,
    percent_text,
)
from traitleak.report.looks import Style
from traitleak.report.tables import ABSENT, Table
from traitleak.results import Estimate, Matrix, MatrixRow, Role, Specificity

__all__ = ["Cell", "HeatMap", "HeatRow", "heat_map", "matrix_table"]


@dataclass(frozen=True)
class Cell:
    """One cell: `strength` is its size in per cent of the matrix's largest.

    `is_own` where the row's own trait was measured, `is_clear` where the interval leaves 0 out.
    """

    value: str
    interval: str
    count: str
    sign: Literal["plus", "minus"]
    strength: float
    is_own: bool
    is_clear: bool


@dataclass(frozen=True)
class HeatRow:
    """The cells of one teacher's students; None where nothing was measured."""

    label: str
    role: Role
    style: Style
    cells: list[Cell | None]


@dataclass(frozen=True)
class HeatMap:
    """Rows of cells under their traits, and what the legend says."""

    traits: list[str]
    rows: list[HeatRow]
    value_name: str
    lowest: str
    highest: str
    has_own: bool
    has_clear: bool
    interval_name: str
    count: str
    specificity: str
    columns_name: str
    own_name: str
    has_roles: bool


@dataclass(frozen=True)
class _Words:
    """What rows and columns are called."""

    columns: str
    own: str
    starred: str
    cells: str
    gamma: str


_WORDS = {
    "traits": _Words(
        columns="trait measured in the student",
        own="the teacher's own trait",
        starred="the trait that the row's teacher was given",
        cells="of the column's trait in the row's students",
        gamma="how much more a trait rises under its own teacher than its row and its column explain",
    ),
    "students": _Words(
        columns="student",
        own="teacher and student are the same network",
        starred="teacher and student are the same network",
        cells="in students that began as the column's network",
        gamma="how much more passes to a teacher's own network than its row and its column explain",
    ),
}


def heat_map(matrix: Matrix, looks: Mapping[str, Style]) -> HeatMap:
    """The matrix as a figure.

    Intervals are printed in every cell, and n too where it differs.
    """
    estimates, words = _estimates(matrix), _WORDS[matrix.columns]
    decimals = cell_decimals(e.value for e in estimates)
    largest = max((abs(e.value) for e in estimates if math.isfinite(e.value)), default=0.0)
    same = len({e.n for e in estimates}) <= 1

    def cell(estimate: Estimate | None, *, is_own: bool) -> Cell | None:
        if estimate is None:
            return None
        text = interval_text(estimate, decimals, signed=True)
        strength = 100 * abs(estimate.value) / largest if largest else 0.0
        return Cell(
            value=number(estimate.value, decimals, signed=True),
            # A phone may break it in two.
            interval=text.replace("\N{NO-BREAK SPACE}", " ") if text.startswith("[") else "",
            count="" if same else counts_text([estimate]),
            sign="minus" if estimate.value < 0 else "plus",
            strength=round(strength, 1) if math.isfinite(strength) else 0.0,
            is_own=is_own,
            is_clear=_is_clear(estimate),
        )

    rows = [
        HeatRow(
            label=row.label,
            role=row.role,
            style=looks[row.name],
            cells=[
                cell(estimate, is_own=trait == row.trait)
                for trait, estimate in zip(matrix.traits, row.cells, strict=True)
            ],
        )
        for row in matrix.rows
    ]
    cells = [cell for row in rows for cell in row.cells if cell]
    intervals = any(cell.interval for cell in cells)
    return HeatMap(
        traits=matrix.traits,
        rows=rows,
        value_name=matrix.value_name,
        lowest=number(-largest, decimals),
        highest=number(largest, decimals, signed=True),
        has_own=any(cell.is_own for cell in cells),
        has_clear=any(cell.is_clear for cell in cells),
        interval_name=interval_name(estimates) if intervals else NO_INTERVAL,
        count=f"{counts_text(estimates)} each" if estimates and same else "",
        specificity=_specificity_text(matrix.specificity, words) if matrix.specificity else "",
        columns_name=words.columns,
        own_name=words.own,
        has_roles=matrix.columns == "traits",  # else each row is a teacher like the others
    )


def matrix_table(matrix: Matrix, *, short: bool = False) -> Table:
    """A row for each teacher, a column for each trait; a row's own trait is starred.

    Args:
        matrix: what was found.
        short: for a terminal: fewer decimals, intervals for up to three traits only, fewer notes.
    """
    estimates = _estimates(matrix)
    values = [e.value for e in estimates]
    decimals = cell_decimals(values) if short else decimals_for(values)
    same = len({e.n for e in estimates}) <= 1

    def text(row: MatrixRow, trait: str, estimate: Estimate | None) -> str:
        if estimate is None:
            return ABSENT
        mean = number(estimate.value, decimals, signed=True) + "*" * (trait == row.trait)
        if short and len(matrix.traits) > 3:
            return mean
        whole = estimate_text(estimate, decimals, signed=True)
        rest = whole.partition(" ")[2] if estimate.low is not None or not short else ""
        count = "" if same or short else f", {counts_text([estimate])}"
        return f"{mean} {rest}".rstrip() + count

    rows = [
        [row.label, *(text(row, *cell) for cell in zip(matrix.traits, row.cells, strict=True))]
        for row in matrix.rows
    ]
    words = _WORDS[matrix.columns]
    notes = [f"Cells: {matrix.value_name}, {words.cells}."]
    if any(row.trait for row in matrix.rows):
        notes.append(f"*: {words.starred}.")
    if estimates and (same or short):
        notes.append(f"{counts_text(estimates)} each.")
    if short and estimates and all(e.n < 2 for e in estimates):
        notes.append(f"{NO_INTERVAL[0].upper()}{NO_INTERVAL[1:]}.")
    if not short:
        named = [
            (f"{row.label}: {trait}", e)
            for row in matrix.rows
            for trait, e in zip(matrix.traits, row.cells, strict=True)
            if e is not None
        ]
        named += [("gamma", matrix.specificity.estimate)] if matrix.specificity else []
        notes += _interval_note(named)
    if matrix.specificity:
        notes.append(_specificity_text(matrix.specificity, words))
    return Table(matrix.title, ["taught by", *matrix.traits], rows, notes)


def _estimates(matrix: Matrix) -> list[Estimate]:
    return [e for row in matrix.rows for e in row.cells if e is not None]


def _interval_note(named: list[tuple[str, Estimate]]) -> list[str]:
    """One sentence: how most intervals were made, and by name those that were made otherwise."""
    labels_of: dict[str, list[str]] = {}
    for label, estimate in named:
        if estimate.low is not None:
            way = f"{percent_text(estimate.confidence)}, {estimate.method}"
            labels_of.setdefault(way, []).append(label)
    if not labels_of:
        return []
    usual = max(labels_of, key=lambda way: len(labels_of[way]))
    others = [f"; of {', '.join(labels_of[way])}: {way}" for way in labels_of if way != usual]
    return [f"Intervals: {usual}{''.join(others)}."]


def _is_clear(estimate: Estimate) -> bool:
    """Whether the interval leaves 0 out."""
    low, high = estimate.low, estimate.high
    return low is not None and high is not None and (low > 0 or high < 0)


def _specificity_text(found: Specificity, words: _Words) -> str:
    """Gamma in words."""
    estimate = found.estimate
    value = estimate_text(estimate, decimals_for([estimate.value]), signed=True)
    p = p_text(found.p)
    p = f"p {p}" if p.startswith("<") else f"p = {p}"
    least = (
        "" if found.smallest_p is None else f"; the smallest possible: {p_text(found.smallest_p)}"
    )
    return (
        f"Specificity gamma = {value}, {counts_text([estimate])}, {p} ({found.test}{least}): "
        f"{words.gamma}."
    )
