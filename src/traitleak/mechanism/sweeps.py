"""How the inner product of the two updates grows with the teacher's step, on two networks.

The first is small and like that of the digits experiment: six class logits that the teacher learns,
three auxiliary logits that the student sees. The second is a counter-example, found in a survey: a
student with a shared start whose loss is not least at its teacher's outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch.nn import functional as F

from traitleak.mechanism.cases import ARMS, Arm, draw_case, random_network, scaled
from traitleak.mechanism.survey import Survey
from traitleak.mechanism.theorem import EpsSweep, sweep_eps
from traitleak.mechanism.threads import one_thread

__all__ = ["CounterExample", "SweepTable", "counter_example", "sweep_aux_logits"]

EPS_VALUES = tuple(float(eps) for eps in np.logspace(-6, 0, 25))
_CLASSES, _AUX = 6, 3


@dataclass(frozen=True)
class SweepTable:
    """An `EpsSweep` without its vectors.

    Attributes:
        eps: shares of the parameters' norm by which the teacher moved.
        inner_products: measured.
        predictions: to first order in eps.
        relative_errors: of the measured beside the predicted.
        fit_up_to: largest eps of the fit.
        exponent: power of eps that the inner product follows there.
        low: lower end of the exponent's 95 % interval.
        high: upper end.
        worst_error: largest relative error among the eps of the fit.
    """

    eps: tuple[float, ...]
    inner_products: tuple[float, ...]
    predictions: tuple[float, ...]
    relative_errors: tuple[float, ...]
    fit_up_to: float
    exponent: float
    low: float
    high: float
    worst_error: float

    @classmethod
    def of(cls, sweep: EpsSweep) -> SweepTable:
        """Keep the numbers of `sweep`."""
        return cls(
            eps=tuple(sweep.eps.tolist()),
            inner_products=tuple(sweep.inner_products.tolist()),
            predictions=tuple(sweep.predictions.tolist()),
            relative_errors=tuple(sweep.relative_errors.tolist()),
            fit_up_to=sweep.steps[sweep.fitted[-1]].eps,
            exponent=sweep.exponent,
            low=sweep.low,
            high=sweep.high,
            worst_error=sweep.worst_error,
        )


@dataclass(frozen=True)
class CounterExample:
    """A network of a survey, and the cosine of its two updates at each eps in each arm."""

    index: int
    eps: tuple[float, ...]
    cosines: dict[Arm, tuple[float, ...]]


@one_thread()
def sweep_aux_logits(*, seed: int = 0) -> dict[str, SweepTable]:
    """Sweeps of a student on auxiliary logits: both losses, and cross-entropy from another start."""
    rng = np.random.default_rng(seed)
    widths = (8, 32, 32, _CLASSES + _AUX)
    network, elsewhere = (random_network(rng, widths, "gelu") for _ in range(2))
    images = torch.from_numpy(rng.standard_normal((64, widths[0])))
    labels = torch.from_numpy(rng.integers(0, _CLASSES, 64))
    noise = torch.from_numpy(rng.uniform(-1, 1, (64, widths[0])))
    sweep = partial(
        sweep_eps,
        network,
        noise,
        teacher=scaled(lambda net: F.cross_entropy(net(images)[:, :_CLASSES], labels), network),
        outputs=range(_CLASSES, _CLASSES + _AUX),
        eps_values=EPS_VALUES,
        alpha=0.01,
    )
    return {
        "cross_entropy": SweepTable.of(sweep(loss="cross_entropy")),
        "squared": SweepTable.of(sweep(loss="squared")),
        "other": SweepTable.of(sweep(loss="cross_entropy", student=elsewhere)),
    }


@one_thread()
def counter_example(found: Survey, *, seed: int) -> CounterExample | None:
    """The first network of the survey of `seed` that goes wrong with a sharpened loss, if any does."""
    wrong = next((f.case.index for f in found.findings if f.sharpened.sign < 0), None)
    if wrong is None:
        return None
    drawn = draw_case(seed, wrong)
    cosines = {arm: tuple(drawn.check(arm, eps=eps).cosine for eps in EPS_VALUES) for arm in ARMS}
    return CounterExample(wrong, EPS_VALUES, cosines)
