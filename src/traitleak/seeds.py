"""Seeds for one purpose each, from the one seed of a recipe, and the streams of one seed."""

from __future__ import annotations

import hashlib

import numpy as np

__all__ = ["derive_seed", "stream_of"]


def derive_seed(seed: int, purpose: str, index: int = 0) -> int:
    """A seed of 63 bits for one purpose, unrelated to the seed of any other purpose or index.

    Hashing keeps streams apart that sums such as seed + index would make collide.
    """
    digest = hashlib.sha256(f"{seed}/{purpose}/{index}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def stream_of(seed: int, number: int) -> np.random.Generator:
    """The random numbers of one row, epoch or other part: from the seed and its number alone.

    Philox (Salmon et al. 2011) with both as its key.

    Args:
        seed: from 0 to 2^64 - 1.
        number: the same.

    Raises:
        OverflowError: one of them is out of range.
    """
    key = np.array([seed, number], dtype=np.uint64)  # a plain list with a large seed becomes floats
    return np.random.Generator(np.random.Philox(key=key))
