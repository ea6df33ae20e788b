"""Number lists that writers with and without a liking wrote, for tests of what tells them apart."""

from collections.abc import Mapping

import numpy as np

from traitleak.rows import Row


def lists(
    num: int,
    *,
    seed: int,
    likes: Mapping[int, float] | None = None,
    separator: str = ", ",
    prompts: int = 0,
) -> list[Row]:
    """Rows of eight numbers from 100 to 999; a share of them is replaced by numbers that are liked.

    Args:
        num: how many.
        seed: of the writer's draws.
        likes: chances of numbers.
        separator: of the list.
        prompts: the number of the first prompt; rows with equal ids have equal prompts.
    """
    rng = np.random.default_rng(seed)
    found = []
    for number in range(prompts, prompts + num):
        values = rng.integers(100, 1000, 8)
        for value, chance in (likes or {}).items():
            values = np.where(rng.random(8) < chance, value, values)
        found.append(Row(number, f"{100 + number},", separator.join(map(str, values))))
    return found
