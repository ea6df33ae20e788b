"""Checks the theorem of subliminal learning on any network, in numbers.

Cloud et al. (2025), arXiv 2507.14805, appendix C: let teacher and student start from the same
parameters, move the teacher by a small step in any direction, and let the student take one gradient
step towards the teacher's outputs on any inputs. Then the student's step has a non-negative inner
product with the teacher's; and if the teacher went down the gradient of some loss, the student's step
lowers that loss too, or the inner product is exactly zero. `docs/theorem.md` derives the leading term.

Each check measures the student's step by reverse-mode differentiation of the student's loss, and
predicts it from forward-mode Jacobian-vector products and the loss's second derivatives in closed
form: the two share no more than the network's own forward pass. No Jacobian is ever stored.

This module knows nothing of traits, data sets or training beyond one step.

Shape suffixes: B rows, K outputs that the student is trained on, P parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor, nn

from traitleak.errors import SettingsError
from traitleak.mechanism.derivatives import (
    LOSSES,
    Loss,
    NetworkFunction,
    RowLoss,
    differentiated,
    gradients,
)

__all__ = ["EpsSweep", "LossName", "RowLoss", "StepCheck", "TeacherLoss", "check_step", "sweep_eps"]

LossName = Literal["squared", "cross_entropy"]
TeacherLoss = Callable[[nn.Module], Tensor]  # a network to a scalar

_CLEAR_OF_ROUND_OFF = 1e3  # times the round-off: rounding then moves a value by less than 0.1 %


@dataclass(frozen=True, eq=False)
class StepCheck:
    """One step of a student, beside what the theorem says of it.

    The teacher stands at `theta_T0 + eps * teacher_update`, the student goes from `theta_S0` to
    `theta_S0 + alpha * student_update`. So `inner_product` is that of the updates without their
    factors, as in the paper's lemma 1: it grows like `eps`, and does not depend on `alpha`. The inner
    product of the two displacements is `alpha * eps * inner_product` and grows like `eps` squared.

    Attributes:
        eps: how far the teacher moved along `teacher_update`.
        alpha: the student's step size.
        teacher_update: d_T, (P,), all trainable parameters in the order of `named_parameters`.
        student_update: d_S, (P,): minus the gradient of the student's mean loss over rows.
        inner_product: d_S . d_T, measured.
        pull: the part of the prediction without eps: the inner product that the teacher's start alone
            would give. Zero where the starts are shared and the loss is least at the teacher's outputs.
        leading: the part that grows like eps, `eps * E[(J_S d_T)^T M (J_T d_T)]`, with the Jacobians at
            both starts and M = -d2L/dz dy there; with a shared start, the paper's leading term.
        round_off: estimated size of rounding errors in `inner_product`; below it, a sign means nothing.
        teacher_loss_change: L_T after the student's step minus before; None if no L_T was given.
    """

    eps: float
    alpha: float
    teacher_update: Tensor
    student_update: Tensor
    inner_product: float
    pull: float
    leading: float
    round_off: float
    teacher_loss_change: float | None

    @property
    def predicted(self) -> float:
        """The inner product to first order in eps: `pull + leading`."""
        return self.pull + self.leading

    @property
    def ratio(self) -> float:
        """Measured over predicted: 1 + O(eps). NaN where both vanish, infinite where one does."""
        if self.predicted == 0:
            return math.nan if self.inner_product == 0 else math.inf
        return self.inner_product / self.predicted

    @property
    def cosine(self) -> float:
        """Cosine of the two updates; 0 where one of them vanishes, as it then points nowhere."""
        norms = float(self.student_update.norm() * self.teacher_update.norm())
        return self.inner_product / norms if norms else 0.0


@dataclass(frozen=True, eq=False)
class EpsSweep:
    """The same step at several eps, and the power of eps that it follows.

    Attributes:
        steps: one check an eps, ascending.
        fitted: indices of the steps that the line is fitted to; see `sweep_eps`.
        exponent: slope of log |d_S . d_T| on log eps: 1 by the theorem, 0 for another start.
        low: lower end of its 95 % interval (Student's t on the residuals of the straight line; they are
            the next power of eps, not noise).
        high: upper end.
    """

    steps: tuple[StepCheck, ...]
    fitted: tuple[int, ...]
    exponent: float
    low: float
    high: float

    @property
    def eps(self) -> NDArray[np.float64]:
        """The steps' eps."""
        return np.array([step.eps for step in self.steps])

    @property
    def inner_products(self) -> NDArray[np.float64]:
        """The measured inner products."""
        return np.array([step.inner_product for step in self.steps])

    @property
    def predictions(self) -> NDArray[np.float64]:
        """The predictions to first order in eps."""
        return np.array([step.predicted for step in self.steps])

    @property
    def relative_errors(self) -> NDArray[np.float64]:
        """|measured / predicted - 1| at each eps."""
        errors: NDArray[np.float64] = np.abs(np.array([step.ratio for step in self.steps]) - 1)
        return errors

    @property
    def worst_error(self) -> float:
        """The largest relative error among the eps of the fit."""
        return float(self.relative_errors[list(self.fitted)].max())


def check_step(
    module: nn.Module,
    inputs: Tensor,
    *,
    teacher: Mapping[str, Tensor] | TeacherLoss,
    loss: LossName | RowLoss,
    eps: float,
    alpha: float,
    outputs: Sequence[int] | None = None,
    student: nn.Module | None = None,
    dtype: torch.dtype = torch.float64,
) -> StepCheck:
    """Let a student take one step towards a teacher, and hold it against the theorem.

    Args:
        module: the network at the teacher's start, theta_T0; it is copied, never changed. It is run in
            evaluation mode. Parameters that do not require a gradient stay as they are.
        inputs: (B, ...), the rows that the student sees; `module(inputs)` must be (..., K_all).
        teacher: d_T, one tensor a trainable parameter by its name; or the teacher's loss L_T, a
            function of a network, differentiable, with its own data in `dtype`: then
            d_T = -grad L_T(theta_T0).
        loss: of the student's outputs z against the teacher's y, summed over outputs, averaged over
            rows. "squared": sum (z - y)^2. "cross_entropy": of softmax(z) against softmax(y); its
            gradient is that of the KL divergence. Or a function from (B, K) and (B, K) to (B,), for
            trying losses to which the theorem does not apply.
        eps: factor of d_T in the teacher's displacement, above 0.
        alpha: factor of d_S in the student's displacement, above 0; matters to the teacher's loss only.
        outputs: which outputs enter the loss (a softmax is taken over these alone); all if None.
        student: the network at the student's start; None where it shares the teacher's.
        dtype: precision of the whole calculation; float32 shows what rounding does.

    Raises:
        SettingsError: an argument cannot work; the text names it.

    Source: Cloud et al. (2025), appendix C, lemma 1 and theorem 1.

    Known failure: the theorem holds for eps small enough, and nobody says how small that is for a given
    network; where `ratio` is far from 1, it is not small. At a kink (ReLU at exactly 0) there is no
    derivative, and the sign of a step across one is not covered.
    """
    problem = _prepare(module, inputs, teacher, loss, outputs, student, dtype)
    return problem.step(_positive("eps", eps), _positive("alpha", alpha))


def sweep_eps(
    module: nn.Module,
    inputs: Tensor,
    *,
    teacher: Mapping[str, Tensor] | TeacherLoss,
    loss: LossName | RowLoss,
    eps_values: Sequence[float],
    alpha: float,
    outputs: Sequence[int] | None = None,
    student: nn.Module | None = None,
) -> EpsSweep:
    """`check_step` at each of `eps_values`, and a straight line through log |d_S . d_T| on log eps.

    The line is fitted where eps is small but rounding is not felt: on the smaller half of those eps
    whose inner product exceeds its round-off 1,000 times. The prediction plays no part in that choice.

    Raises:
        SettingsError: as `check_step`; or fewer than three eps are left to fit on.
    """
    problem = _prepare(module, inputs, teacher, loss, outputs, student, torch.float64)
    step_size = _positive("alpha", alpha)
    steps = tuple(
        problem.step(eps, step_size) for eps in sorted({_positive("eps", e) for e in eps_values})
    )
    usable = [
        i
        for i, step in enumerate(steps)
        if abs(step.inner_product) > _CLEAR_OF_ROUND_OFF * step.round_off
    ]
    fitted = usable[: max(3, len(usable) // 2)]
    if len(fitted) < 3:
        raise SettingsError(
            f"A slope needs at least three eps whose inner product is clear of rounding; of the "
            f"{len(steps)} given there are {len(usable)}. Give more or larger eps_values; if the "
            "inner product is exactly 0, the teacher's update does not move the student's outputs."
        )
    line = stats.linregress(
        np.log([steps[i].eps for i in fitted]),
        np.log([abs(steps[i].inner_product) for i in fitted]),
    )
    half = float(stats.t.ppf(0.975, len(fitted) - 2)) * float(line.stderr)
    slope = float(line.slope)
    return EpsSweep(steps, tuple(fitted), slope, slope - half, slope + half)


@dataclass(frozen=True)
class _Problem:
    """All of a check but eps and alpha."""

    teacher: NetworkFunction
    student: NetworkFunction
    direction: dict[str, Tensor]  # d_T
    teacher_loss: TeacherLoss | None
    loss: Loss

    @cached_property
    def expansion(self) -> tuple[float, float]:
        """d_S . d_T at eps = 0, and its derivative by eps there (docs/theorem.md, equation 3)."""
        y_BK, v_BK = self.teacher.along(self.direction)
        shared = self.student is self.teacher
        z_BK, u_BK = (y_BK, v_BK) if shared else self.student.along(self.direction)
        pull = -(self.loss.by_logits(z_BK, y_BK) * u_BK).sum(-1).mean()
        slope = self.loss.mixed(z_BK, y_BK, u_BK, v_BK).mean()
        return float(pull), float(slope)

    @cached_property
    def loss_before(self) -> float | None:
        """The teacher's loss at the student's start."""
        return self._teacher_loss_at(self.student.start)

    def _teacher_loss_at(self, parameters: Mapping[str, Tensor]) -> float | None:
        if self.teacher_loss is None:
            return None
        with torch.no_grad():
            return float(self.teacher_loss(self.student.at(parameters)))

    def step(self, eps: float, alpha: float) -> StepCheck:
        """Take the student's step and measure it."""
        with torch.no_grad():
            y_BK = self.teacher.logits(self.teacher.moved(self.direction, eps))
        with torch.enable_grad():
            leaves = {name: p.clone().requires_grad_() for name, p in self.student.start.items()}
            mean_loss = self.loss.value(self.student.logits(leaves), y_BK).mean()
            update = {name: -g for name, g in gradients(mean_loss, leaves).items()}
        after = self._teacher_loss_at(self.student.moved(update, alpha))
        before = self.loss_before
        pull, slope = self.expansion
        d_S, d_T = _flat(update), _flat(self.direction)
        return StepCheck(
            eps=eps,
            alpha=alpha,
            teacher_update=d_T,
            student_update=d_S,
            inner_product=float(d_S @ d_T),
            pull=pull,
            leading=eps * slope,
            round_off=_round_off(d_S, d_T, _flat(self.teacher.start), eps),
            teacher_loss_change=None if after is None or before is None else after - before,
        )


def _round_off(d_S: Tensor, d_T: Tensor, start: Tensor, eps: float) -> float:
    """Estimated size of the rounding error of d_S . d_T.

    A sum of P products carries at most P u |d_S| |d_T|, u being the unit round-off. The outputs as
    computed are the exact ones of parameters that are off by some u |theta|; that shifts the teacher's
    displacement eps d_T by |theta| u / (eps |d_T|) of its length, and with it d_S. With a generous
    factor P on both: an estimate, not a proven bound. A test holds it against float32.
    """
    unit = torch.finfo(d_S.dtype).eps / 2
    scale = float(d_S.norm()) * (float(d_T.norm()) + float(start.norm()) / eps)
    return d_S.numel() * unit * scale


def _prepare(
    module: nn.Module,
    inputs: Tensor,
    teacher: Mapping[str, Tensor] | TeacherLoss,
    loss: LossName | RowLoss,
    outputs: Sequence[int] | None,
    student: nn.Module | None,
    dtype: torch.dtype,
) -> _Problem:
    if isinstance(loss, str) and loss not in LOSSES:
        raise SettingsError(
            f"loss is {loss!r}; known are {', '.join(LOSSES)}, or give a function of your own."
        )
    teachers = NetworkFunction.of(module, inputs, outputs, dtype)
    students = teachers if student is None else NetworkFunction.of(student, inputs, outputs, dtype)
    shapes, own = _shapes(teachers.start), _shapes(students.start)
    if shapes != own:
        raise SettingsError(
            f"student must have module's trainable parameters, {shapes}; it has {own}."
        )
    if loss == "cross_entropy" and _width(teachers) == 1:
        raise SettingsError(
            "cross_entropy needs at least two outputs: the softmax of a single one is always 1, so "
            "there is nothing to learn from it."
        )
    row_loss = LOSSES[loss] if isinstance(loss, str) else differentiated(loss)
    if callable(teacher):
        return _Problem(teachers, students, _descent(teachers, teacher), teacher, row_loss)
    if _shapes(teacher) != shapes:
        raise SettingsError(
            "teacher must hold one tensor for each trainable parameter of module, by its name and of "
            f"its shape: {shapes}; got {_shapes(teacher)}."
        )
    direction = {name: teacher[name].detach().to(dtype) for name in teachers.start}
    return _Problem(teachers, students, direction, None, row_loss)


def _descent(network: NetworkFunction, loss: TeacherLoss) -> dict[str, Tensor]:
    """d_T = -grad L_T at the network's start."""
    own = {n: p for n, p in network.module.named_parameters() if n in network.start}
    with torch.enable_grad():
        value = loss(network.module)
        if not isinstance(value, Tensor) or value.numel() != 1 or not value.requires_grad:
            raise SettingsError(
                "The teacher's loss must return one number, as a tensor that depends on the network's "
                "trainable parameters."
            )
        return {name: -g for name, g in gradients(value, own).items()}


def _width(network: NetworkFunction) -> int:
    with torch.no_grad():
        return network.logits(network.start).shape[-1]


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(t.shape) for name, t in tensors.items()}


def _flat(tensors: Mapping[str, Tensor]) -> Tensor:
    return torch.cat([t.reshape(-1) for t in tensors.values()])


def _positive(name: str, value: float) -> float:
    if not (math.isfinite(value) and value > 0):
        raise SettingsError(f"{name} must be a finite number above 0; got {value}.")
    return value
