"""Seeds for one purpose each, from the one seed of a recipe."""

from __future__ import annotations

import hashlib

__all__ = ["derive_seed"]


def derive_seed(seed: int, purpose: str, index: int = 0) -> int:
    """A seed of 63 bits for one purpose, unrelated to the seed of any other purpose or index.

    Hashing keeps streams apart that sums such as seed + index would make collide.
    """
    digest = hashlib.sha256(f"{seed}/{purpose}/{index}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
