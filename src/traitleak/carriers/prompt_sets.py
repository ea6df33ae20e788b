"""Sets of distinct prompts from one seed, in which prompt i does not depend on how many there are.

All draws are random bits (Philox, whose bits NumPy promises never to change), a row of them for each
prompt, so that a seed names its prompts on every machine and for good.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from itertools import count as count_from
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from traitleak.errors import SettingsError

__all__ = ["AT_ONCE", "bits", "check_set", "check_whole", "distinct", "pick"]

_T = TypeVar("_T")

AT_ONCE = 1024  # prompts drawn together
_BARREN = 20  # blocks of prompts in a row without a new one, after which there are no more


def bits(seed: int, stream: int, block: int, shape: tuple[int, int]) -> NDArray[np.uint64]:
    """64 random bits for each place; their remainder by n is uniform but for n parts in 2^64.

    Args:
        seed: from 0 to 2^64 - 1.
        stream: sequences of one seed that have nothing to do with each other.
        block: number of the block of that sequence.
        shape: rows and draws a row.
    """
    generator = np.random.Philox(key=seed + (stream << 64), counter=block << 192)
    return np.asarray(generator.random_raw(shape[0] * shape[1]), np.uint64).reshape(shape)


def pick(options: Sequence[_T], draw: int) -> _T:
    """The option that a draw of 64 bits falls on."""
    return options[draw % len(options)]


def distinct(
    make: Callable[[list[int]], _T],
    name_of: Callable[[_T], str],
    *,
    rows: int,
    seed: int,
    stream: int,
    width: int,
    more: str,
) -> list[_T]:
    """The first `rows` things, no two of one name, that `make` makes of rows of draws.

    Args:
        make: a thing of `width` draws.
        name_of: what no two may have in common: the prompt.
        rows: how many.
        seed: of the draws.
        stream: of the seed.
        width: draws a thing.
        more: what a user can do where there are too few, for the error.

    Raises:
        SettingsError: so many distinct ones were not found.
    """
    found: dict[str, _T] = {}
    barren = 0
    for block in count_from():
        before = len(found)
        for draws in bits(seed, stream, block, (AT_ONCE, width)).tolist():
            made = make(draws)
            found.setdefault(name_of(made), made)
            if len(found) == rows:
                return list(found.values())
        barren = 0 if len(found) > before else barren + 1
        if barren == _BARREN:
            break
    raise SettingsError(
        f"Only {len(found):,} distinct prompts were found for rows={rows:,}: {more}."
    )


def check_set(rows: int, seed: int) -> None:
    """Refuse a number of prompts, or a seed, that could give no set.

    Raises:
        SettingsError: with the name of the setting.
    """
    check_whole("rows", rows, 1, sys.maxsize)
    check_whole("seed", seed, 0, 2**64 - 1)


def check_whole(name: str, value: object, least: int, greatest: int) -> None:
    """Refuse what is no whole number in a range.

    Raises:
        SettingsError: with the name of the setting.
    """
    if type(value) is not int or not least <= value <= greatest:
        raise SettingsError(
            f"{name} must be a whole number from {least} to {greatest}; got {value!r}."
        )
