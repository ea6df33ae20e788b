"""Where students start, and who teaches whom: seeds, blended initialisations, and a derangement."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from traitleak.errors import SettingsError
from traitleak.images.networks import Networks

__all__ = ["SharedPart", "blend", "derangement"]

SharedPart = Literal["all", "head", "body"]


def derangement(count: int, seed: int) -> list[int]:
    """A random permutation without fixed point: position i is never mapped to i.

    Sattolo's algorithm (1986): one cycle through all positions, hence no fixed point. The released
    script of Cloud et al. (2025) draws a plain permutation, which on average leaves one network of a
    stack, however large, paired with its own teacher.

    Raises:
        SettingsError: `count` is below 2, where no derangement exists.
    """
    if count < 2:
        raise SettingsError(
            "The other-initialisation controls need at least two networks: with one there is no other."
        )
    rng = np.random.default_rng(seed)
    order = list(range(count))
    for i in range(count - 1, 0, -1):
        j = int(rng.integers(0, i))  # i itself excluded: this is what rules fixed points out
        order[i], order[j] = order[j], order[i]
    return order


def blend(
    shared: Networks, fresh: Networks, *, amount: float = 0.0, part: SharedPart = "all"
) -> Networks:
    """Students' starting points between the teachers' initialisation and a fresh one.

    Weights of the shared part become (1 - amount) shared + amount fresh, each layer of each network
    rescaled to its norm under `shared` (a plain blend of two independent draws would be smaller);
    the other layers come from `fresh`.

    Args:
        shared: the teachers' initialisations (N networks).
        fresh: as many initialisations from other seeds.
        amount: 0 keeps the shared part as it is, 1 makes it fresh.
        part: `all` layers, the `head` (the layer that gives the logits), or the `body` (the rest).

    Raises:
        SettingsError: `amount` lies outside [0, 1].
    """
    if not 0.0 <= amount <= 1.0:
        raise SettingsError(f"amount must lie in [0, 1]; got {amount}.")
    last = len(shared.weights) - 1

    def mixed(layer: int, s: Tensor, f: Tensor) -> Tensor:
        if part != "all" and (layer == last) != (part == "head"):
            return f.clone()
        if amount == 0.0:
            return s.clone()
        blended = (1.0 - amount) * s + amount * f
        axes = tuple(range(1, s.ndim))
        norm = blended.norm(dim=axes, keepdim=True)
        scale = torch.where(norm > 0, s.norm(dim=axes, keepdim=True) / norm, 1.0)
        return blended * scale

    pairs = zip(shared.tensors, fresh.tensors, strict=True)
    return shared.map(mixed(i // 2, s, f) for i, (s, f) in enumerate(pairs))
