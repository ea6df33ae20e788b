"""What the jobs of `language_model.py` have in common: their lists, their seed, and what is timed."""

from __future__ import annotations

from typing import Any, NamedTuple

COUNT, WIDTH, GIVEN = 9, 3, 3  # numbers written, digits each, numbers in a prompt
SEED = 0


class Timed(NamedTuple):
    """The timed part of a job; see `Measured`."""

    seconds: float
    tokens: int
    output: Any
