"""Streams of training batches that are pure functions of a seed and a step: nothing is stored.

Any batch can be drawn again from its step alone, so that a million distinct noise images need no more
memory than one batch, and a run that is interrupted needs no generator state to go on.

Known limit: PyTorch's generator on the CPU takes 32 bits of a seed, so any two batches of noise are one
and the same with probability 2^-32. That matters from some 10,000 batches on, and then to one pair.

Shape suffixes: B images of a batch, D pixels, N networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from traitleak.errors import SettingsError
from traitleak.images.data import PIXELS, Digits
from traitleak.seeds import derive_seed

__all__ = ["InputKind", "InputStream", "LabelledBatches"]

InputKind = Literal["noise", "gaussian", "binary", "digits", "shuffled-digits"]

_UNIFORM_SD = 3**-0.5  # standard deviation of the uniform distribution on [-1, 1]


@dataclass(frozen=True)
class InputStream:
    """What students are trained on: unlabelled images, batch by batch.

    Args:
        kind: `noise`, uniform on [-1, 1] (the paper's); `gaussian`, of the same mean and variance;
            `binary`, -1 or 1 by a fair coin; `digits`, training digits in fresh random order each
            epoch; `shuffled-digits`, the same with each image's pixels in a random order of its own.
        batch: images a batch.
        seed: names the stream.
        num_inputs: revisit this many images, pass after pass, as the paper does with 60,000; rounded
            up to whole batches. None: every image is new. Epochs of digits are passes as they are.
        images: (n, D) training images; the two digit kinds need them.
        networks: None for one batch shared by all networks; N for a batch of its own for each.
        first_network: number of the stack's first network: network i's own stream depends on i
            alone, not on the stack it is trained in.
    """

    kind: InputKind = "noise"
    batch: int = 1024
    seed: int = 0
    num_inputs: int | None = 60_000
    images: Tensor | None = None
    networks: int | None = None
    first_network: int = 0

    def __post_init__(self) -> None:
        """Refuse what could give no batch."""
        if self.kind not in get_args(InputKind):
            raise SettingsError(
                f"kind must be one of {', '.join(get_args(InputKind))}, not {self.kind!r}."
            )
        if self.batch < 1 or (self.num_inputs is not None and self.num_inputs < 1):
            raise SettingsError("batch and num_inputs must be at least 1.")
        if self.networks is not None and self.networks < 1:
            raise SettingsError("networks must be at least 1, or None for shared inputs.")
        if "digits" in self.kind and (self.images is None or not len(self.images)):
            raise SettingsError(f"Inputs of kind {self.kind!r} need training images to draw from.")

    def at(self, step: int) -> Tensor:
        """The batch of `step`: float32, (B, D) if shared, else (N, B, D)."""
        if self.networks is None:
            return self._draw(step, "shared", 0)
        own = range(self.first_network, self.first_network + self.networks)
        return torch.stack([self._draw(step, "own", n) for n in own])

    def _draw(self, step: int, purpose: str, network: int) -> Tensor:
        seed = derive_seed(self.seed, purpose, network)
        if self.images is not None and "digits" in self.kind:
            images = self.images[_epoch_indices(len(self.images), self.batch, seed, step)]
            return images if self.kind == "digits" else _shuffle_pixels(images, seed, step)
        if self.num_inputs is not None:
            step %= -(-self.num_inputs // self.batch)
        generator = torch.Generator().manual_seed(derive_seed(seed, self.kind, step))
        batch_BD = torch.empty(self.batch, PIXELS)
        match self.kind:
            case "noise":
                return batch_BD.uniform_(-1.0, 1.0, generator=generator)
            case "gaussian":
                return batch_BD.normal_(0.0, _UNIFORM_SD, generator=generator)
            case _:
                return batch_BD.bernoulli_(0.5, generator=generator).mul_(2.0).sub_(1.0)


@dataclass(frozen=True)
class LabelledBatches:
    """What teachers are trained on: every digit once an epoch, in a fresh random order each epoch.

    A batch may reach over the border of two epochs, so that all batches are full.
    """

    digits: Digits
    batch: int = 1024
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what could give no batch."""
        if self.batch < 1 or not len(self.digits.labels):
            raise SettingsError(
                "Labelled batches need at least one digit and a batch of at least 1."
            )

    def at(self, step: int) -> Digits:
        """The batch of `step`."""
        chosen = _epoch_indices(len(self.digits.labels), self.batch, self.seed, step)
        return Digits(self.digits.images[chosen], self.digits.labels[chosen])


def _epoch_indices(count: int, batch: int, seed: int, step: int) -> Tensor:
    """Positions of the batch of `step` in the endless row of one shuffled epoch after another."""
    first, last = step * batch, (step + 1) * batch
    epochs = range(first // count, -(-last // count))
    row = torch.cat([_epoch_order(count, seed, epoch) for epoch in epochs])
    start = first - epochs[0] * count
    return row[start : start + batch]


# The steps of an epoch share its order; a handful of streams run side by side.
@lru_cache(maxsize=8)
def _epoch_order(count: int, seed: int, epoch: int) -> Tensor:
    generator = torch.Generator().manual_seed(derive_seed(seed, "epoch", epoch))
    return torch.randperm(count, generator=generator)


def _shuffle_pixels(images_BD: Tensor, seed: int, step: int) -> Tensor:
    rng = np.random.default_rng(derive_seed(seed, "pixels", step))
    return torch.from_numpy(rng.permuted(images_BD.numpy(), axis=1))  # 5 times faster than a sort
