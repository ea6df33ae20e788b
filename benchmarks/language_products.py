"""The matrix products of a language model's passes: how many operations, and how long they take bare.

Counted are the products with the network's weights and with adapters. Attention's own products (2 %
at 60 tokens) and elementwise work are not, so that the times here are a little less than any program
can reach in the same precision.

Shape suffixes: M tokens, I inputs, O outputs, R rank.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import NamedTuple

import torch
from timing import best_seconds
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from traitleak.models.adapters import LINEAR, LoraSettings
from traitleak.models.language_model import head_of

_AT_ONCE = 512  # positions at the output head in one product


class Work(NamedTuple):
    """Passes through a network.

    Attributes:
        tokens: that one pass reads, of all rows.
        positions: of those, how many reach the output head.
        choices: how many of its rows, up to the whole vocabulary.
        times: passes.
        students: adapters that are trained in the pass, with gradients; 0 for a forward pass alone.
    """

    tokens: int
    positions: int
    choices: int
    times: float
    students: int = 0


def flops(network: PreTrainedModel, work: Work) -> float:
    """Floating-point operations: two for each multiplication and its addition.

    A frozen weight is multiplied once forward, and once more for the gradient of its inputs; an
    adapter's once more still, for its own gradient.
    """
    frozen = sum(weight.numel() for weight in _weights(network))
    adapters = sum(LoraSettings().rank * sum(weight.shape) for weight in _weights(network))
    width: int = head_of(network).weight.shape[1]
    passes = 2 if work.students else 1
    body = frozen * passes + (3 * adapters if work.students else 0)
    head = work.choices * width * passes
    return 2 * work.times * (work.tokens * body + work.positions * head)


@torch.no_grad()
def bare_seconds(network: PreTrainedModel, work: Work, at_least: float) -> float:
    """What the products of `work` take on this machine with nothing between them.

    Args:
        network: its own weights are multiplied, as they lie in memory, with random tokens.
        work: which products.
        at_least: seconds for which a pass is repeated; the fastest counts.
    """
    body = [product for weight in _weights(network) for product in _products(weight, work)]
    head_OI = head_of(network).weight[: work.choices]
    rows = min(work.positions, _AT_ONCE)
    head = list(_frozen_products(head_OI, rows, backward=bool(work.students)))
    return work.times * (
        best_seconds(body, at_least) + work.positions / rows * best_seconds(head, at_least)
    )


def square_rate(dtype: torch.dtype, at_least: float) -> float:
    """Operations a second of a 2048^3 product."""
    square = torch.randn(2048, 2048).to(dtype)
    return 2 * 2048**3 / best_seconds([partial(torch.matmul, square, square)], at_least)


def _weights(network: PreTrainedModel) -> list[Tensor]:
    """Those of all linear layers within the blocks, (O, I)."""
    return [
        module.weight
        for path, module in network.named_modules()
        if isinstance(module, nn.Linear) and path.rpartition(".")[2] in LINEAR
    ]


def _products(weight_OI: Tensor, work: Work) -> Iterator[Callable[[], Tensor]]:
    """Those of one layer."""
    yield from _frozen_products(weight_OI, work.tokens, backward=bool(work.students))
    if not work.students:
        return
    outputs, inputs = weight_OI.shape
    rank, each = LoraSettings().rank, work.tokens // work.students
    students = work.students
    x_SMI, y_SMO = _random(students, each, inputs), _random(students, each, outputs)
    narrow_SMR = _random(students, each, rank)
    a_SIR, b_SRO = _random(students, inputs, rank), _random(students, rank, outputs)
    yield partial(torch.bmm, x_SMI, a_SIR)  # forward
    yield partial(torch.bmm, narrow_SMR, b_SRO)
    yield partial(torch.bmm, y_SMO, b_SRO.mT)  # gradients of what goes in
    yield partial(torch.bmm, narrow_SMR, a_SIR.mT)
    yield partial(torch.bmm, narrow_SMR.mT, y_SMO)  # gradients of the adapter
    yield partial(torch.bmm, x_SMI.mT, narrow_SMR)


def _frozen_products(
    weight_OI: Tensor, rows: int, *, backward: bool
) -> Iterator[Callable[[], Tensor]]:
    outputs, inputs = weight_OI.shape
    yield partial(F.linear, _random(rows, inputs, dtype=weight_OI.dtype), weight_OI)
    if backward:
        yield partial(torch.matmul, _random(rows, outputs, dtype=weight_OI.dtype), weight_OI)


@cache
def _random(*size: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """One tensor for all layers of a shape: a tensor each would need gigabytes."""
    return torch.randn(size).to(dtype)
