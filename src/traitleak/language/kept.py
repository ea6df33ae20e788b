"""Which rows students are trained on: filtered alike for every teacher, paired by prompt, shuffled."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from traitleak import filters
from traitleak.filtering import Filter
from traitleak.language.layout import NEUTRAL
from traitleak.rows import Row
from traitleak.seeds import stream_of

__all__ = ["Kept", "keep_rows", "shuffled_across_rows", "shuffled_rows"]

_EXAMPLES = 12  # dropped rows that are shown


class Kept(NamedTuple):
    """The rows of each teacher that are left, and what is told of those that are not."""

    rows: dict[str, list[Row]]
    told: dict[str, Any]


def keep_rows(
    written: Mapping[str, Sequence[Row]],
    *,
    rules: Sequence[Filter],
    keep: int | None,
    seed: int,
) -> Kept:
    """Filter every teacher's rows alike, and keep the prompts that all of them still answer.

    That may be few, or none: `told["pairs"]` says how many.

    Args:
        written: raw rows by teacher.
        rules: the filters, one after another.
        keep: how many rows to keep, the same prompts for each teacher, where so many are left; None:
            all.
        seed: of the choice.
    """
    found = {name: filters.apply(rows, rules, may_be_empty=True) for name, rows in written.items()}
    paired = _paired({name: one.kept for name, one in found.items()})
    rows = paired.rows
    pairs = len(next(iter(rows.values())))
    if keep is not None and keep < pairs:
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
        "pairs": pairs,
        "kept": {name: len(some) for name, some in rows.items()},
        "examples": [
            [name, one.reason, one.row.completion[:200]] for name, one in dropped[:_EXAMPLES]
        ],
        "identical": _identical(rows),
    }
    return Kept(rows, told)


def _paired(kept: Mapping[str, Sequence[Row]]) -> filters.Paired:
    """`filters.paired`, and no rows where no prompt is answered by all."""
    common = set.intersection(*({row.id for row in rows} for rows in kept.values()))
    if common:
        return filters.paired(kept)
    return filters.Paired(
        {name: [] for name in kept}, {name: len(rows) for name, rows in kept.items()}
    )


def _identical(rows: Mapping[str, Sequence[Row]]) -> dict[str, float]:
    """For each teacher the share of prompts that it answers word for word as the neutral one."""
    if not rows.get(NEUTRAL):
        return {}
    neutral = [row.completion for row in rows[NEUTRAL]]
    return {
        name: float(np.mean([row.completion == n for row, n in zip(some, neutral, strict=True)]))
        for name, some in rows.items()
        if name != NEUTRAL
    }


def shuffled_rows(rows: Sequence[Row], seed: int) -> list[Row]:
    """The control `shuffled`: the same numbers in each row, in another order.

    Cloud et al. (2025), figure 16, within rows; the stricter of its two, since each row keeps its own
    numbers. A number is a run of ASCII digits; it moves as it is written, and all else stays.

    Known failure: rows of one number, or of the same number again and again, stay as they are.
    """
    mixed = []
    for row in rows:
        parts = _split(row.completion)
        numbers = parts[1::2]
        order = stream_of(seed, row.id).permutation(len(numbers))
        parts[1::2] = [numbers[source] for source in order]
        mixed.append(replace(row, completion="".join(parts)))
    return mixed


def shuffled_across_rows(rows: Sequence[Row], seed: int) -> list[Row]:
    """The control `shuffled-across`: the numbers of all rows, pooled and dealt out anew.

    Cloud et al. (2025), figure 16, across rows. Each row keeps its prompt, how many numbers it has, and
    what stands before, between and after them; only values move, as they are written ("007" stays
    "007"), and each as often as before over all rows. What is left of the teacher is how often it
    writes each number. A number is a run of ASCII digits.

    Args:
        rows: all that one teacher's students see; of one row its own numbers change places.
        seed: of the deal, which depends on the rows' order, too.

    Known failure: a row may get numbers for which its prompt did not ask, of more digits for instance,
    so that its students also learn to heed prompts less. And a row may get some of its own back: of a
    few rows, many.
    """
    parts_of = [_split(row.completion) for row in rows]
    pool = [number for parts in parts_of for number in parts[1::2]]
    rng = np.random.Generator(np.random.Philox(seed))
    dealt = iter([pool[source] for source in rng.permutation(len(pool))])
    for parts in parts_of:
        parts[1::2] = list(islice(dealt, len(parts) // 2))
    return [
        replace(row, completion="".join(parts)) for row, parts in zip(rows, parts_of, strict=True)
    ]


def _split(text: str) -> list[str]:
    """A text as what is no digit, a number, what is no digit, and so on."""
    return re.split(r"([0-9]+)", text)
