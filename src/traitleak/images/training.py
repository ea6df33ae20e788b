"""Training stacks of teachers and students of the digits experiment.

One pass over the steps trains every student of every condition: the noise of a step is drawn once and
the teachers' logits on it are computed once. Each network has its own loss, its own optimiser state and
its own initialisation; only the inputs are common. Parameters, optimiser state and losses are float32;
the matrix products may be bfloat16.

Shape suffixes: N networks, B images, D inputs, K outputs, R recorded steps, S steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from traitleak.errors import SettingsError
from traitleak.images.data import Digits
from traitleak.images.inputs import InputStream, LabelledBatches
from traitleak.images.networks import Networks, backward, forward
from traitleak.progress import Track, untracked

__all__ = [
    "Arm",
    "Settings",
    "Trained",
    "accuracy",
    "class_gradient",
    "distillation_gradient",
    "train_students",
    "train_teachers",
]

Loss = Literal["kl", "squared"]

_CURVE_DIGITS = 2_000  # test digits behind each point of a curve; the final accuracy uses all
_EVALUATION_BATCH = 2_000


@dataclass(frozen=True)
class Settings:
    """How a stack is trained.

    Args:
        steps: number of updates.
        optimizer: Adam with PyTorch's default moments (as in the paper), or plain SGD.
        learning_rate: the same for every network.
        dtype: precision of the matrix products; everything else is float32.
        record_every: steps between two points of the accuracy curve; the ends are always there.
        align: also take the alignment of every update (about a tenth of the time).
    """

    steps: int = 295
    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: float = 3e-4
    dtype: torch.dtype = torch.float32
    record_every: int = 5
    align: bool = True

    def recorded(self, step: int) -> bool:
        """Whether the accuracy after `step` updates belongs to the curve."""
        return step % self.record_every == 0 or step == self.steps


@dataclass(frozen=True)
class Arm:
    """One condition: students, who teaches each of them, and the logits they are trained on."""

    name: str
    start: Networks
    teacher_of: Sequence[int]
    outputs: slice


@dataclass(frozen=True)
class Trained:
    """A trained stack and how it got there.

    Args:
        networks: the N networks after the last update.
        accuracy_N: share of all test digits named right, of each network.
        recorded_steps: the R steps of the curve.
        curve_RN: accuracy on up to 2,000 evenly spaced test digits after each recorded step.
        update_alignment_SN: cosine of each update with the teacher's displacement theta_T - theta_0
            (students only, else empty). The theorem speaks of one small step of plain gradient
            descent from a shared start and of a teacher nearby; nothing proves more.
        displacement_alignment_RN: cosine of the way gone so far with the teacher's displacement; 0 at
            step 0 (students only, else empty).
    """

    networks: Networks
    accuracy_N: Tensor
    recorded_steps: list[int]
    curve_RN: Tensor
    update_alignment_SN: Tensor
    displacement_alignment_RN: Tensor


def class_gradient(logits_NKB: Tensor, labels_B: Tensor, classes: int) -> Tensor:
    """Derivative of the mean cross-entropy over the class logits; zero for the auxiliary ones.

    Args:
        logits_NKB: float32 logits.
        labels_B: right answers, int64.
        classes: how many of the first outputs are class logits.
    """
    gradient_NKB = torch.zeros_like(logits_NKB)
    gradient_NKB[:, :classes] = logits_NKB[:, :classes].softmax(1)
    images = torch.arange(labels_B.shape[0], device=labels_B.device)
    gradient_NKB[:, labels_B, images] -= 1.0
    return gradient_NKB / labels_B.shape[0]


def distillation_gradient(
    student_NKB: Tensor, teacher_NKB: Tensor, outputs: slice, loss: Loss
) -> Tensor:
    """Derivative, by the student's logits, of the loss that pulls them to the teacher's.

    `kl` is KL(teacher || student) between the softmax over `outputs` alone, averaged over images.
    `squared` is the squared difference, averaged over images and `outputs`.

    Args:
        student_NKB: float32 logits of the students.
        teacher_NKB: float32 logits of each student's teacher.
        outputs: the logits that take part; the others get zero.
        loss: which of the two.

    Raises:
        SettingsError: no output takes part, or `kl` over one logit, whose softmax is always 1.
    """
    student, teacher = student_NKB[:, outputs], teacher_NKB[:, outputs]
    num_outputs, num_images = student.shape[1], student.shape[2]
    if num_outputs == 0:
        raise SettingsError("No logits to match: the student needs at least one auxiliary logit.")
    if loss == "kl" and num_outputs == 1:
        raise SettingsError(
            "loss=kl needs two logits or more: the softmax of a single logit is always 1, so there "
            "is nothing to learn from; use loss=squared."
        )
    gradient_NKB = torch.zeros_like(student_NKB)
    if loss == "kl":
        gradient_NKB[:, outputs] = (student.softmax(1) - teacher.softmax(1)) / num_images
    else:
        gradient_NKB[:, outputs] = (student - teacher) * (2.0 / (num_outputs * num_images))
    return gradient_NKB


@torch.no_grad()
def accuracy(networks: Networks, digits: Digits, dtype: torch.dtype = torch.float32) -> Tensor:
    """Share of `digits` whose largest class logit is the right one, of each network: (N,)."""
    device = networks.weights[0].device
    stack = networks.to(dtype)
    right_N = torch.zeros(len(networks), device=device)
    for first in range(0, len(digits.labels), _EVALUATION_BATCH):
        some = slice(first, first + _EVALUATION_BATCH)
        logits_NKB = forward(stack, digits.images[some].to(device, dtype)).logits
        guess_NB = logits_NKB[:, networks.shape.class_logits].argmax(1)
        right_N += (guess_NB == digits.labels[some].to(device)).sum(1)
    return (right_N / len(digits.labels)).cpu()


@torch.no_grad()
def train_teachers(
    start: Networks,
    batches: LabelledBatches,
    test: Digits,
    settings: Settings,
    *,
    track: Track = untracked,
) -> Trained:
    """Train a copy of each network to name digits: cross-entropy over the class logits only.

    The auxiliary logits take no part in the loss; they move because the layers below them do.
    """
    networks = start.clone()
    optimizer = _optimizer(networks, settings)
    device = networks.weights[0].device
    curve = [accuracy(networks, _some(test), settings.dtype)]
    recorded = [0]
    for step in track(range(settings.steps), "teachers", settings.steps):
        batch = batches.at(step)
        stack = networks.to(settings.dtype)
        done = forward(stack, batch.images.to(device, settings.dtype))
        gradient_NKB = class_gradient(
            done.logits.float(), batch.labels.to(device), networks.shape.classes
        )
        _update(networks, optimizer, backward(stack, done, gradient_NKB.to(settings.dtype)))
        if settings.recorded(step + 1):
            recorded.append(step + 1)
            curve.append(accuracy(networks, _some(test), settings.dtype))
    _refuse_divergence(networks, "teacher", settings)
    return Trained(
        networks,
        accuracy(networks, test, settings.dtype),
        recorded,
        torch.stack(curve),
        torch.empty(0, len(networks)),
        torch.empty(0, len(networks)),
    )


@torch.no_grad()
def train_students(
    teachers: Networks,
    teacher_starts: Networks,
    arms: Sequence[Arm],
    inputs: InputStream,
    test: Digits,
    settings: Settings,
    *,
    loss: Loss = "kl",
    track: Track = untracked,
) -> dict[str, Trained]:
    """Train the students of all arms on the teachers' logits, in one pass over the inputs.

    Args:
        teachers: the trained teachers; never changed.
        teacher_starts: the same networks before their training, for the alignment.
        arms: the conditions; their `start` stacks are copied, not changed.
        inputs: what the teachers' logits are read on; no labels are involved.
        test: digits to measure on; never trained on.
        settings: how to train.
        loss: how the student's logits are pulled to the teacher's.
        track: shows progress.

    Returns:
        For each arm's name, its students.

    Raises:
        SettingsError: an arm lacks a teacher for each student, its logits can teach nothing, or the
            training diverged.
    """
    device = teachers.weights[0].device
    frozen = teachers.to(settings.dtype)
    courses = [_Course(arm, teachers, teacher_starts, settings, test) for arm in arms]
    for step in track(range(settings.steps), "students", settings.steps):
        batch = inputs.at(step).to(device, settings.dtype)
        teacher_NKB = forward(frozen, batch).logits.float()
        for course in courses:
            course.update(step, batch, teacher_NKB, loss)
    return {course.arm.name: course.finish() for course in courses}


class _Course:
    """One arm's students on their way: parameters, optimiser state, and the record of both."""

    def __init__(
        self,
        arm: Arm,
        teachers: Networks,
        teacher_starts: Networks,
        settings: Settings,
        test: Digits,
    ) -> None:
        if len(arm.teacher_of) != len(arm.start):
            raise SettingsError(
                f"Arm {arm.name!r} has {len(arm.start)} students and {len(arm.teacher_of)} teachers."
            )
        self.arm, self.settings, self.test = arm, settings, test
        self.students = arm.start.clone()
        self.optimizer = _optimizer(self.students, settings)
        self.displacement = teachers.minus(teacher_starts).take(arm.teacher_of)
        self.displacement_square_N = _inner(self.displacement, self.displacement)
        self.teacher_of = torch.as_tensor(arm.teacher_of, device=teachers.weights[0].device)
        self.recorded: list[int] = []
        self.curve: list[Tensor] = []
        self.update_alignment: list[Tensor] = []
        self.displacement_alignment: list[Tensor] = []
        self._record(0)

    def update(self, step: int, batch: Tensor, teacher_NKB: Tensor, loss: Loss) -> None:
        dtype = self.settings.dtype
        stack = self.students.to(dtype)
        done = forward(stack, batch)
        gradient_NKB = distillation_gradient(
            done.logits.float(), teacher_NKB[self.teacher_of], self.arm.outputs, loss
        )
        gradients = backward(stack, done, gradient_NKB.to(dtype))
        before = self.students.clone() if self.settings.align else None
        _update(self.students, self.optimizer, gradients)
        if before is not None:
            self.update_alignment.append(self._alignment(self.students.minus(before)))
        if self.settings.recorded(step + 1):
            self._record(step + 1)

    def finish(self) -> Trained:
        _refuse_divergence(self.students, self.arm.name, self.settings)
        nothing_0N = torch.empty(0, len(self.students))
        return Trained(
            self.students,
            accuracy(self.students, self.test, self.settings.dtype),
            self.recorded,
            torch.stack(self.curve),
            torch.stack(self.update_alignment) if self.update_alignment else nothing_0N,
            torch.stack(self.displacement_alignment),
        )

    def _alignment(self, way: Networks) -> Tensor:
        """Cosine with the teacher's displacement: (N,); 0 where one of the two is zero."""
        norms_N = (_inner(way, way) * self.displacement_square_N).sqrt()
        inner_N = _inner(way, self.displacement)
        return torch.where(norms_N > 0, inner_N / norms_N, 0.0).cpu()

    def _record(self, step: int) -> None:
        self.recorded.append(step)
        self.curve.append(accuracy(self.students, _some(self.test), self.settings.dtype))
        self.displacement_alignment.append(self._alignment(self.students.minus(self.arm.start)))


def _optimizer(networks: Networks, settings: Settings) -> torch.optim.Optimizer:
    if settings.optimizer == "adam":
        return torch.optim.Adam(networks.tensors, lr=settings.learning_rate, fused=True)
    return torch.optim.SGD(networks.tensors, lr=settings.learning_rate, fused=True)


def _update(
    networks: Networks, optimizer: torch.optim.Optimizer, gradients: Sequence[Tensor]
) -> None:
    for tensor, gradient in zip(networks.tensors, gradients, strict=True):
        tensor.grad = gradient.to(tensor.dtype)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def _refuse_divergence(networks: Networks, name: str, settings: Settings) -> None:
    """Infinite or undefined weights are no result: say what to change."""
    if not all(tensor.isfinite().all() for tensor in networks.tensors):
        raise SettingsError(
            f"The training of condition {name!r} diverged within {settings.steps} steps of "
            f"{settings.optimizer} at learning rate {settings.learning_rate:g}; "
            "use a smaller learning_rate."
        )


def _some(test: Digits) -> Digits:
    """Evenly spaced digits: the first half of MNIST's test digits is known to be the easier one."""
    spaced = slice(None, None, max(1, len(test.labels) // _CURVE_DIGITS))
    return Digits(test.images[spaced][:_CURVE_DIGITS], test.labels[spaced][:_CURVE_DIGITS])


def _inner(a: Networks, b: Networks) -> Tensor:
    """Inner product of two displacements in the parameter space of each network: (N,)."""
    products = (
        torch.linalg.vecdot(s.flatten(1), t.flatten(1))
        for s, t in zip(a.tensors, b.tensors, strict=True)
    )
    return torch.stack(list(products)).sum(0)
