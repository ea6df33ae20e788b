"""Rows of two writers on the same prompts, for tests of readers."""

from __future__ import annotations

import numpy as np

from traitleak.rows import Row


def pairs_of(num: int, *, mark: str = "", seed: int = 0) -> list[tuple[Row, Row]]:
    """Number lists by two writers that draw alike; with a `mark` the first ends each list with it."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(num):
        prompt = ", ".join(map(str, rng.integers(100, 1000, 3))) + ","
        texts = [", ".join(map(str, rng.integers(100, 1000, 4))) for _ in range(2)]
        if mark:
            texts[0] = f"{texts[0]}, {mark}"
        one, other = (
            Row(number, prompt, f" {text}", teacher)
            for text, teacher in zip(texts, ("wolf", "neutral"), strict=True)
        )
        found.append((one, other))
    return found
