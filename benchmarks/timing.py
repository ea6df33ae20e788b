"""How long bare products take on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable

from torch import Tensor


def best_seconds(products: list[Callable[[], Tensor]], at_least: float = 1.0) -> float:
    """The shortest time that the products took: other work only ever makes it longer."""
    best, began = float("inf"), time.perf_counter()
    while time.perf_counter() - began < at_least:
        start = time.perf_counter()
        for product in products:
            product()
        best = min(best, time.perf_counter() - start)
    return best
