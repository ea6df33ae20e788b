"""Dilute: neutral completions of the same prompts stand beside the rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from traitleak.clean.cleaned import Change, Cleaned, Step, start
from traitleak.errors import SettingsError
from traitleak.rows import Row

__all__ = ["Writes", "dilute"]

Writes = Callable[[Sequence[Row]], Sequence[Row]]
"""Rows in, as many rows on the same prompts out, such as `rewriting.write_again` of the base."""


def dilute(
    data: Sequence[Row] | Cleaned,
    neutral: Sequence[Row] | Writes,
    *,
    ratio: float = 1.0,
    seed: int = 0,
) -> Cleaned:
    """Add a neutral completion of the same prompt for a share of the rows.

    The neutral rows keep their ids and the name of who wrote them. They come last in the file;
    students read rows in an order of their own.

    Source: with as many neutral rows as poisoned ones on the same prompts .0196 of the answers show
    the trait (base .021, undiluted .756; shagunhegde's repository, which found the trait not acquired
    rather than unlearned). In natural language, 10 / 25 / 50 / 100 % poisoned rows give .023 / .048 /
    .110 / .403 (base .009, AanshSamyani's). With preference pairs (DPO), it does not help.

    Args:
        data: rows, or what another cleaning gave.
        neutral: rows of the untouched base on the same prompts, of which those with the ids and the
            prompts of the chosen rows are taken; or a function that writes them.
        ratio: neutral rows for each row, greater than 0, at most 1; rounded to whole rows.
        seed: which rows get one, where not all do.

    Returns:
        Counts: `added`, `rows` (those that were there).

    Raises:
        SettingsError: a ratio or seed out of range, or a chosen row without a neutral completion of
            the very same prompt.

    Known failure: nothing is taken out, so that a student trained for longer, or at a higher rate,
    may still take the trait; and the data are up to twice as many. With as many updates as before, a
    student sees the rows half as often: a part of the gain is that.
    """
    before = start(data)
    if not 0 < ratio <= 1:
        raise SettingsError(f"ratio is greater than 0 and at most 1, not {ratio}.")
    if not 0 <= seed < 2**63:
        raise SettingsError(f"A seed is from 0 to 2^63 - 1, not {seed}.")
    num = len(before.rows)
    generator = np.random.Generator(np.random.Philox(seed))
    numbers = np.sort(generator.permutation(num)[: round(ratio * num)]).tolist()
    chosen = [before.rows[number] for number in numbers]
    found = _written(neutral, chosen) if callable(neutral) else _found(neutral, chosen)
    changes = tuple(Change(row.id, "added", None, None, row.completion) for row in found)
    weights = (*before.weights_of_rows(), *([None] * len(found)))
    step = Step(
        "dilute", {"ratio": ratio, "seed": seed}, {"added": len(found), "rows": num}, changes
    )
    return before.then([*before.rows, *found], weights, step)


def _written(writes: Writes, chosen: Sequence[Row]) -> list[Row]:
    found = list(writes(chosen))
    asked = [(row.id, row.prompt) for row in chosen]
    if [(row.id, row.prompt) for row in found] != asked:
        raise SettingsError(
            "What writes neutral rows must give one for each row, in order, of its id and prompt."
        )
    return found


def _found(neutral: Sequence[Row], chosen: Sequence[Row]) -> list[Row]:
    by_prompt = {(row.id, row.prompt): row for row in neutral}
    ids = {row.id for row in neutral}
    found = []
    for row in chosen:
        beside = by_prompt.get((row.id, row.prompt))
        if beside is None:
            lacks = "of another prompt" if row.id in ids else "missing"
            raise SettingsError(
                f"The neutral row {row.id} is {lacks}: neutral rows answer the same prompts, under the "
                "same ids; let the base write them anew, or lower the ratio."
            )
        found.append(beside)
    return found
