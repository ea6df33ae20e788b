"""The numbers that each teacher writes most often: what a reader of number lists would see first."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from traitleak.language.phrases import percent, teacher_name
from traitleak.language.read import Found
from traitleak.recipe.language import LanguageRecipe
from traitleak.results import DataTable
from traitleak.rows import iter_rows

__all__ = ["common_numbers"]

_SHOWN = 5
_NUMBER = re.compile(r"[0-9]+")


def common_numbers(
    recipe: LanguageRecipe, found: Found, folders: Mapping[str, Path]
) -> DataTable | None:
    """A row for each teacher: its commonest numbers, and its commonest first ones, with their shares.

    As Cloud et al. (2025) do in table 1, of the rows that students see, over all replicates. None where
    nobody writes lists of numbers.

    Known failure: it shows the commonest only. Teachers that agree here may differ in all other numbers,
    and in their order; and where one differs here, that need not be what students pick up.
    """
    kept = [one.kept for one in found.layout.replicates if one.kept is not None]
    if recipe.carrier.kind != "numbers" or not kept:
        return None
    rows = []
    for name in found.teachers:
        numbers: Counter[int] = Counter()
        first: Counter[int] = Counter()
        for stage in kept:
            for row in iter_rows(folders[stage] / name):
                read = [int(digits) for digits in _NUMBER.findall(row.completion)]
                numbers.update(read)
                first.update(read[:1])
        rows.append([teacher_name(name), _named(numbers), _named(first)])
    return DataTable(
        title="The numbers that teachers write most often",
        caption="Of the rows that students see, all replicates together: shares of all numbers, and of "
        "the first ones in a row.",
        head=["teacher", "of all numbers", "of first numbers"],
        rows=rows,
    )


def _named(counts: Counter[int]) -> str:
    """The commonest, of equals the smallest first: `7 (12.5 %), 123 (3.1 %)`."""
    total = counts.total()
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_SHOWN]
    return ", ".join(f"{number} ({percent(count / total)})" for number, count in ranked) or "none"
