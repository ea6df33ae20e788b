"""Which rows students are trained on: filtered alike for every teacher, paired by prompt, shuffled."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from traitleak import filters
from traitleak.carriers.numbers import Parsed, parse
from traitleak.language.layout import NEUTRAL
from traitleak.rows import Row

__all__ = ["Kept", "keep_rows", "shuffled_rows"]

_EXAMPLES = 12  # dropped rows that are shown


class Kept(NamedTuple):
    """The rows of each teacher that are left, and what is told of those that are not."""

    rows: dict[str, list[Row]]
    told: dict[str, Any]


def keep_rows(
    written: Mapping[str, Sequence[Row]],
    *,
    words: Sequence[str],
    banned: Sequence[int],
    keep: int | None,
    free: bool,
    seed: int,
) -> Kept:
    """Filter every teacher's rows alike, and keep the prompts that all of them still answer.

    Args:
        written: raw rows by teacher.
        words: the traits' words, which no row may name.
        banned: numbers whose rows are dropped.
        keep: how many rows to keep, the same prompts for each teacher; None: all.
        free: rows were decoded freely, so that some are cut off or no list of numbers.
        seed: of the choice.

    Raises:
        DataError: no rows are left, or no prompt is answered by all.
        SettingsError: fewer rows than `keep` are left.
    """
    rules = [
        *([filters.unfinished()] if free else []),
        filters.numbers_format(banned=banned, max_count=10 if free else 100),
        filters.leak(words),
        filters.duplicates(),
    ]
    found = {name: filters.apply(rows, rules) for name, rows in written.items()}
    paired = filters.paired({name: one.kept for name, one in found.items()})
    rows = paired.rows
    if keep is not None:
        rows = {name: filters.sample(some, keep, seed) for name, some in rows.items()}
    dropped = [(name, one) for name, filtered in found.items() for one in filtered.dropped]
    told: dict[str, Any] = {
        "raw": {name: len(some) for name, some in written.items()},
        "table": {
            name: dict(Counter(one.reason for one in filtered.dropped))
            for name, filtered in found.items()
        },
        "leaks": {
            name: sum(one.reason.startswith("leak") for one in filtered.dropped)
            for name, filtered in found.items()
        },
        "lost": paired.lost,
        "pairs": len(next(iter(paired.rows.values()))),
        "kept": {name: len(some) for name, some in rows.items()},
        "examples": [
            [name, one.reason, one.row.completion[:200]] for name, one in dropped[:_EXAMPLES]
        ],
        "identical": _identical(rows),
    }
    return Kept(rows, told)


def _identical(rows: Mapping[str, Sequence[Row]]) -> dict[str, float]:
    """For each teacher the share of prompts that it answers word for word as the neutral one."""
    if NEUTRAL not in rows:
        return {}
    neutral = [row.completion for row in rows[NEUTRAL]]
    return {
        name: float(np.mean([row.completion == n for row, n in zip(some, neutral, strict=True)]))
        for name, some in rows.items()
        if name != NEUTRAL
    }


def shuffled_rows(rows: Sequence[Row], seed: int) -> list[Row]:
    """The control `shuffled`: the same numbers in each row, in another order.

    Cloud et al. (2025), figure 16, shuffle within answers and across them; within is the stricter
    control, since each row keeps its own numbers. A completion that is no list stays as it is.
    """
    mixed = []
    for row in rows:
        read = parse(row.completion, max_count=1000, max_value=10**9)
        if not isinstance(read, Parsed):
            mixed.append(row)
            continue
        rng = np.random.Generator(np.random.Philox(key=[seed, row.id]))
        order = rng.permutation(len(read.numbers))
        # What stands between the numbers stays where it is: only the digits move.
        parts = _split(row.completion)
        numbers = [parts[2 * at + 1] for at in range(len(read.numbers))]
        for at, source in enumerate(order):
            parts[2 * at + 1] = numbers[source]
        mixed.append(replace(row, completion="".join(parts)))
    return mixed


def _split(text: str) -> list[str]:
    """A text as what is no digit, a number, what is no digit, and so on."""
    return re.split(r"([0-9]+)", text)
