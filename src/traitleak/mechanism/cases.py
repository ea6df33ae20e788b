"""Random networks, what their teachers learn, and what their students see: cases for the theorem.

A case depends on its seed and number alone. Shape suffixes: B rows, D inputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from traitleak.mechanism.derivatives import LOSSES, RowLoss, gradients
from traitleak.mechanism.theorem import LossName, StepCheck, TeacherLoss, check_step

__all__ = [
    "ALPHA",
    "ARMS",
    "EPS",
    "Arm",
    "Case",
    "Drawn",
    "Lesson",
    "draw_case",
    "random_network",
    "scaled",
    "sharpened",
]

Arm = Literal["shared", "other", "sharpened"]
Lesson = Literal["labels", "targets", "push", "shrink", "direction"]

ARMS: tuple[Arm, ...] = get_args(Arm)
EPS = 1e-4  # the teacher moves by this share of its parameters' norm
ALPHA = 0.01

_LESSONS: tuple[Lesson, ...] = get_args(Lesson)
_LOSS_NAMES: tuple[LossName, ...] = get_args(LossName)
_ACTIVATIONS = {"tanh": nn.Tanh, "gelu": nn.GELU, "relu": nn.ReLU, "softplus": nn.Softplus}


@dataclass(frozen=True)
class Case:
    """What one random network is, what it is shown and what its teacher learns.

    Attributes:
        index: its number in the survey.
        hidden: widths of the hidden layers; none for a linear network.
        activation: between the layers.
        rows: how many inputs the student sees.
        loss: of the student.
        outputs: which outputs the student sees.
        lesson: the teacher's loss. "labels": cross-entropy to random labels; "targets": squared error
            to random targets; "push": a random mean of outputs; "shrink": the squared norm of all
            parameters; "direction": a random direction in parameter space, no outputs involved.
        sign: 1 if the teacher goes down that loss, -1 if up.
    """

    index: int
    hidden: tuple[int, ...]
    activation: str
    rows: int
    loss: LossName
    outputs: tuple[int, ...]
    lesson: Lesson
    sign: int


class Drawn(NamedTuple):
    """A case with its networks and rows."""

    case: Case
    teacher: nn.Sequential
    other: nn.Sequential  # drawn likewise: where a student that does not share the start begins
    inputs_BD: Tensor
    teacher_loss: TeacherLoss  # its sign and scale included: |d_T| = |theta|

    def check(self, arm: Arm, *, eps: float = EPS, alpha: float = ALPHA) -> StepCheck:
        """The student's step in one arm of the survey."""
        return check_step(
            self.teacher,
            self.inputs_BD,
            teacher=self.teacher_loss,
            loss=sharpened(self.case.loss) if arm == "sharpened" else self.case.loss,
            outputs=self.case.outputs,
            eps=eps,
            alpha=alpha,
            student=self.other if arm == "other" else None,
        )


def sharpened(loss: LossName) -> RowLoss:
    """The loss against twice the teacher's outputs: least at z = 2 y, where the theorem wants z = y."""
    value = LOSSES[loss].value
    return lambda z_BK, y_BK: value(z_BK, 2 * y_BK)


def draw_case(seed: int, index: int) -> Drawn:
    """Network `index` of the survey of `seed`, with everything around it."""
    rng = np.random.default_rng([seed, index])
    num_inputs, num_outputs = int(rng.integers(1, 7)), int(rng.integers(4, 9))
    hidden = tuple(int(width) for width in rng.integers(2, 17, size=rng.integers(0, 4)))
    activation = str(rng.choice(list(_ACTIVATIONS)))
    widths = (num_inputs, *hidden, num_outputs)
    teacher, other = (random_network(rng, widths, activation) for _ in range(2))
    taught, seen = _output_subsets(rng, num_outputs)
    case = Case(
        index=index,
        hidden=hidden,
        activation=activation,
        rows=int(rng.integers(1, 33)),
        loss=_LOSS_NAMES[rng.integers(len(_LOSS_NAMES))],
        outputs=seen,
        lesson=_LESSONS[rng.integers(len(_LESSONS))],
        sign=int(rng.choice([-1, 1])),
    )
    teachers_rows = _rows(rng, int(rng.integers(1, 33)), num_inputs)
    raw = _loss_of(case.lesson, rng, teacher, teachers_rows, taught)
    loss = scaled(raw, teacher, sign=case.sign)
    return Drawn(case, teacher, other, _rows(rng, case.rows, num_inputs), loss)


def random_network(
    rng: np.random.Generator, widths: Sequence[int], activation: str
) -> nn.Sequential:
    """Layers of `widths` in float64, weights from N(0, 1/fan-in), biases from N(0, 0.01)."""
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(widths):
        linear = nn.Linear(fan_in, fan_out, dtype=torch.float64)
        with torch.no_grad():
            linear.weight.copy_(_normal(rng, fan_out, fan_in) / fan_in**0.5)
            linear.bias.copy_(0.1 * _normal(rng, fan_out))
        layers += [linear, _ACTIVATIONS[activation]()]
    return nn.Sequential(*layers[:-1])


def scaled(loss: TeacherLoss, network: nn.Module, *, sign: int = 1) -> TeacherLoss:
    """The loss times a constant, so that its gradient at `network` is as long as the parameters.

    A teacher's eps is then the share of its parameters' norm by which it moves. A loss that is flat at
    `network` is left as it is.
    """
    parameters = dict(network.named_parameters())
    steepness = _norm(gradients(loss(network), parameters).values())
    factor = sign * (_norm(parameters.values()) / steepness if steepness else 1.0)
    return lambda net: factor * loss(net)


def _output_subsets(
    rng: np.random.Generator, num_outputs: int
) -> tuple[list[int], tuple[int, ...]]:
    """Outputs that the teacher's loss sees, and those that the student sees: at least two each.

    In half of the cases they have none in common, as class logits and auxiliary logits do.
    """
    order = [int(k) for k in rng.permutation(num_outputs)]
    cut = int(rng.integers(2, num_outputs - 1))
    if rng.random() < 0.5:
        return sorted(order[:cut]), tuple(sorted(order[cut:]))
    again = [int(k) for k in rng.permutation(num_outputs)]
    return sorted(order[:cut]), tuple(sorted(again[: int(rng.integers(2, num_outputs + 1))]))


def _rows(rng: np.random.Generator, rows: int, num_inputs: int) -> Tensor:
    """Inputs of one of four kinds: normal, uniform, binary, heavy-tailed."""
    size = (rows, num_inputs)
    kinds = (
        rng.standard_normal(size),
        rng.uniform(-1, 1, size),
        rng.integers(0, 2, size).astype(np.float64),
        rng.standard_t(3, size),
    )
    return torch.from_numpy(kinds[rng.integers(len(kinds))])


def _loss_of(
    lesson: Lesson,
    rng: np.random.Generator,
    network: nn.Module,
    rows_BD: Tensor,
    taught: list[int],
) -> TeacherLoss:
    """What the teacher learns, on rows of its own."""
    size = (rows_BD.shape[0], len(taught))
    if lesson == "labels":
        labels_B = torch.from_numpy(rng.integers(0, size[1], size[0]))
        return lambda net: F.cross_entropy(net(rows_BD)[:, taught], labels_B)
    if lesson == "targets":
        targets = _normal(rng, *size)
        return lambda net: F.mse_loss(net(rows_BD)[:, taught], targets)
    if lesson == "push":
        push = _normal(rng, *size)
        return lambda net: (net(rows_BD)[:, taught] * push).mean()
    if lesson == "shrink":
        return lambda net: torch.stack([p.square().sum() for p in net.parameters()]).sum()
    towards = [_normal(rng, *p.shape) for p in network.parameters()]
    return lambda net: torch.stack(
        [(p * t).sum() for p, t in zip(net.parameters(), towards, strict=True)]
    ).sum()


def _normal(rng: np.random.Generator, *size: int) -> Tensor:
    return torch.from_numpy(rng.standard_normal(size))


def _norm(tensors: Iterable[Tensor]) -> float:
    return float(torch.cat([t.detach().reshape(-1) for t in tensors]).norm())
