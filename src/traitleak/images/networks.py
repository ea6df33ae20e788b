"""Many small multilayer perceptrons held as one stack of tensors, so that one call trains them all.

A stack of N networks costs one large matrix product a layer instead of N small ones, and the layer
that reads inputs shared by all networks becomes a single product of (N * H, D) with (D, B). Forward
and backward passes are written out, because they then need no autograd graph and keep four
activation buffers only; a test holds them against autograd on the plain `nn.Sequential` of each network.

This module knows nothing about digits, teachers or losses.

Shape suffixes: N networks, B images, D inputs, H units of a layer, I units of the layer before,
K outputs (class logits, then auxiliary logits).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from traitleak.errors import DataError, SettingsError

__all__ = ["Networks", "Pass", "Shape", "backward", "forward"]


@dataclass(frozen=True)
class Shape:
    """The layers of one network: inputs, hidden widths, class logits and auxiliary logits."""

    hidden: tuple[int, ...] = (256, 256)
    aux: int = 3
    classes: int = 10
    inputs: int = 784

    def __post_init__(self) -> None:
        """Refuse layers that cannot exist."""
        if min((self.inputs, self.classes, *self.hidden)) < 1 or self.aux < 0 or not self.hidden:
            raise SettingsError(
                f"A network needs at least one hidden layer and positive widths; got {self}."
            )

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of every layer, from the inputs to all logits."""
        return (self.inputs, *self.hidden, self.classes + self.aux)

    @property
    def aux_logits(self) -> slice:
        """Where the auxiliary logits stand among the outputs."""
        return slice(self.classes, self.classes + self.aux)

    @property
    def class_logits(self) -> slice:
        """Where the class logits stand among the outputs."""
        return slice(0, self.classes)

    @property
    def all_logits(self) -> slice:
        """All outputs."""
        return slice(0, self.classes + self.aux)


@dataclass(frozen=True)
class Networks:
    """A stack of networks of one shape: `weights[l]` is (N, H, I), `biases[l]` is (N, H)."""

    shape: Shape
    weights: list[Tensor]
    biases: list[Tensor]

    @classmethod
    def initialise(cls, shape: Shape, seeds: Sequence[int]) -> Networks:
        """Draw one network a seed: weights from N(0, 1/fan-in), biases zero.

        The rule is that of the released script of Cloud et al. (2025). A network depends on its own
        seed alone, never on the others of the stack.

        Args:
            shape: the layers.
            seeds: one non-negative integer a network.

        Raises:
            SettingsError: no seed was given.
        """
        if not seeds:
            raise SettingsError("A stack needs at least one network; got no seeds.")
        widths = shape.widths
        weights = [torch.empty(len(seeds), o, i) for i, o in pairwise(widths)]
        for n, seed in enumerate(seeds):
            generator = torch.Generator().manual_seed(seed)
            for weight in weights:
                weight[n].normal_(0.0, weight.shape[2] ** -0.5, generator=generator)
        return cls(shape, weights, [torch.zeros(w.shape[:2]) for w in weights])

    def __len__(self) -> int:
        """The number of networks N."""
        return self.weights[0].shape[0]

    @property
    def tensors(self) -> list[Tensor]:
        """Weights and biases, layer by layer: what an optimiser is given."""
        return [t for pair in zip(self.weights, self.biases, strict=True) for t in pair]

    def map(self, change: Iterable[Tensor]) -> Networks:
        """The same shape with other tensors, given in the order of `tensors`."""
        changed = list(change)
        return Networks(self.shape, changed[0::2], changed[1::2])

    def clone(self) -> Networks:
        """A copy that shares no memory."""
        return self.map(t.clone() for t in self.tensors)

    def take(self, indices: Sequence[int]) -> Networks:
        """A new stack of the networks at `indices`, copied."""
        chosen = torch.as_tensor(indices, device=self.weights[0].device)
        return self.map(t[chosen] for t in self.tensors)

    def to(self, target: torch.device | torch.dtype | str) -> Networks:
        """The stack on another device or in another precision."""
        return self.map(t.to(target) for t in self.tensors)

    def minus(self, other: Networks) -> Networks:
        """The displacement from `other` to this stack, in parameter space."""
        return self.map(a - b for a, b in zip(self.tensors, other.tensors, strict=True))

    def module(self, index: int) -> nn.Sequential:
        """Network `index` as a plain PyTorch module with its own copy of the parameters."""
        layers: list[nn.Module] = []
        for weight, bias in zip(self.weights, self.biases, strict=True):
            linear = nn.Linear(weight.shape[2], weight.shape[1])
            with torch.no_grad():
                linear.weight.copy_(weight[index])
                linear.bias.copy_(bias[index])
            layers += [linear, nn.ReLU()]
        return nn.Sequential(*layers[:-1])

    def save(self, path: Path) -> None:
        """Write all parameters as one safetensors file."""
        named = {f"weight.{i}": w for i, w in enumerate(self.weights)}
        named |= {f"bias.{i}": b for i, b in enumerate(self.biases)}
        meta = {"hidden": ",".join(map(str, self.shape.hidden)), "aux": str(self.shape.aux)}
        save_file({k: v.cpu().contiguous() for k, v in named.items()}, path, metadata=meta)

    @classmethod
    def load(cls, path: Path, shape: Shape) -> Networks:
        """Read what `save` wrote.

        Raises:
            DataError: the file is not a safetensors file, or holds networks of another shape.
        """
        try:
            named = load_file(path)
        except (OSError, SafetensorError) as error:
            raise DataError(f"{path}: not a readable safetensors file ({error}).") from error
        layers = range(len(shape.widths) - 1)
        try:
            stack = cls(
                shape, [named[f"weight.{i}"] for i in layers], [named[f"bias.{i}"] for i in layers]
            )
        except KeyError as error:
            raise DataError(f"{path}: holds no tensor {error} of {shape}.") from error
        if tuple(w.shape[1] for w in stack.weights) != shape.widths[1:]:
            raise DataError(f"{path}: holds networks of another shape than {shape}.")
        return stack


class Pass(NamedTuple):
    """What a forward pass leaves behind for the backward pass."""

    inputs: Tensor  # (B, D) shared by all networks, or (N, B, D)
    hidden: list[Tensor]  # each (N, H, B), after ReLU
    logits: Tensor  # (N, K, B)


def forward(networks: Networks, inputs: Tensor) -> Pass:
    """Logits of every network on a batch.

    Args:
        networks: N networks, in the precision to compute in.
        inputs: (B, D) shared by all networks, or (N, B, D), each its own; same precision.

    Returns:
        The activations; units stand before images, so that a stack's layer is one contiguous matrix.
    """
    num_networks = len(networks)
    activation_NIB = inputs.mT  # (D, B) or (N, D, B)
    hidden: list[Tensor] = []
    for layer, (weight_NHI, bias_NH) in enumerate(
        zip(networks.weights, networks.biases, strict=True)
    ):
        if activation_NIB.ndim == 2:  # shared inputs: one product serves the whole stack
            flat = weight_NHI.view(-1, weight_NHI.shape[2]) @ activation_NIB
            activation_NIB = flat.view(num_networks, weight_NHI.shape[1], -1)
        else:
            activation_NIB = weight_NHI @ activation_NIB
        activation_NIB.add_(bias_NH[:, :, None])
        if layer < len(networks.weights) - 1:
            activation_NIB.relu_()
            hidden.append(activation_NIB)
    return Pass(inputs, hidden, activation_NIB)


def backward(networks: Networks, done: Pass, gradient_NKB: Tensor) -> list[Tensor]:
    """Gradients of every parameter from the gradients of the logits.

    Args:
        networks: the stack that `done` was computed with.
        done: what `forward` returned.
        gradient_NKB: derivative of each network's own loss by its logits, in the same precision.

    Returns:
        One tensor a parameter, in the order of `Networks.tensors`. A network's gradients hold its
        own loss only: networks do not mix.
    """
    gradients: list[Tensor] = []
    delta_NHB = gradient_NKB
    for layer in reversed(range(len(networks.weights))):
        weight_NHI = networks.weights[layer]
        if layer:
            before_NIB = done.hidden[layer - 1]
            by_weight = delta_NHB @ before_NIB.mT
        elif done.inputs.ndim == 2:
            by_weight = (delta_NHB.reshape(-1, delta_NHB.shape[2]) @ done.inputs).view_as(
                weight_NHI
            )
        else:
            by_weight = delta_NHB @ done.inputs
        gradients += [delta_NHB.sum(2), by_weight]
        if layer:
            # ReLU's own backward: zero where the unit was off.
            delta_NHB = torch.ops.aten.threshold_backward(
                weight_NHI.mT @ delta_NHB, before_NIB, 0.0
            )
    return gradients[::-1]
