"""Optimizers and schedules of students, and clipping student by student.

Why a choice at all: Blank et al. (2026, arXiv 2606.00995) find that transfer needs an optimizer that
rescales each coordinate; plain SGD blocks it, the sign of the gradient does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, overload

import torch
from torch import Tensor

from traitleak.errors import SettingsError

__all__ = ["Optimizer", "Schedule", "clip_each", "make_optimizer", "rate_at"]

Optimizer = Literal["adamw", "adam", "sgd", "sign-sgd"]
Schedule = Literal["constant", "linear", "cosine"]

_BETAS = (0.9, 0.95)


class SignSGD(torch.optim.Optimizer):
    """Each coordinate moves by the learning rate, against the sign of its gradient (Bernstein 2018)."""

    def __init__(self, parameters: Sequence[Tensor], lr: float) -> None:
        """Move `parameters` by `lr` a step."""
        super().__init__(parameters, {"lr": lr})

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One step; a closure is not used."""
        del closure
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.sub_(parameter.grad.sign(), alpha=group["lr"])
        return None


def make_optimizer(
    name: Optimizer, parameters: Sequence[Tensor], learning_rate: float, weight_decay: float
) -> torch.optim.Optimizer:
    """The optimizer by its name; betas .9 and .95 for the two of Adam's kind.

    Raises:
        SettingsError: there is no such optimizer, or the rate is not greater than 0.
    """
    if not 0 < learning_rate < math.inf:
        raise SettingsError(f"A learning rate is greater than 0, not {learning_rate}.")
    options: dict[str, Any] = {"lr": learning_rate}
    if name == "adamw":
        return torch.optim.AdamW(parameters, betas=_BETAS, weight_decay=weight_decay, **options)
    if name == "adam":
        return torch.optim.Adam(parameters, betas=_BETAS, **options)
    if name == "sgd":
        return torch.optim.SGD(parameters, **options)
    if name == "sign-sgd":
        return SignSGD(parameters, learning_rate)
    raise SettingsError(f"The optimizers are adamw, adam, sgd and sign-sgd, not {name!r}.")


def rate_at(update: int, updates: int, schedule: Schedule, warmup: int) -> float:
    """The share of the learning rate at an update, from 0, of so many."""
    if update < warmup:
        return (update + 1) / (warmup + 1)
    done = (update - warmup) / max(1, updates - warmup)
    if schedule == "linear":
        return 1 - done
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * done))
    return 1.0


def clip_each(parameters: Sequence[Tensor], norm: float, *, stacked: bool) -> None:
    """Scale gradients down to a norm: each student's by itself where parameters are (S, ...) stacks."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not stacked:
        gradients = [gradient[None] for gradient in gradients]
    square_S = torch.stack([gradient.flatten(1).square().sum(1) for gradient in gradients]).sum(0)
    factor_S = (norm / (square_S.sqrt() + 1e-6)).clamp_(max=1.0)
    for gradient in gradients:
        gradient.mul_(factor_S.view(-1, *[1] * (gradient.ndim - 1)))
