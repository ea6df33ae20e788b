"""The theorem in a picture: two inputs, eight parameters, one output, and the angle of two updates.

The network is that of Welch Labs' video on subliminal learning (2025): g(x) = w . tanh(W x + b) with
W of 2 x 2, b and w of 2. The teacher learns to answer 1 at one point. Each student sees the teacher's
answer at a single point of its own, and takes one step. With squared error and a shared start,
d_S = 2 eps (grad g . d_T) grad g to leading order, so d_S . d_T = 2 eps (grad g . d_T)^2: whatever the
point, the angle is at most 90 degrees.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Arc, FancyArrowPatch, Wedge
from torch import Tensor, nn

from traitleak.errors import SettingsError
from traitleak.mechanism.theorem import StepCheck, check_step
from traitleak.mechanism.threads import one_thread

__all__ = ["Angles", "draw_angles", "eight_parameters", "measure_angles"]

_EPS = 1e-3
# Colours with enough contrast on white and on near-black alike; the picture has no ground of its own.
_GREY, _BLUE, _ORANGE = "#7d848c", "#2f86d6", "#d9681d"


@dataclass(frozen=True)
class Angles:
    """Degrees between each student's update and its teacher's: below 90 is the teacher's way."""

    shared: tuple[float, ...]
    other: tuple[float, ...]


def eight_parameters(rng: np.random.Generator) -> nn.Sequential:
    """A network of two inputs, two tanh units and one output: eight parameters from N(0, 1)."""
    network = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1, bias=False)).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.from_numpy(rng.standard_normal(tuple(parameter.shape))))
    return network


@one_thread()
def measure_angles(students: int = 60, *, seed: int = 0) -> Angles:
    """One teacher, and `students` students of either kind, each shown one random point.

    Raises:
        SettingsError: fewer than one student.
    """
    if students < 1:
        raise SettingsError(f"The picture needs at least one student; got {students}.")
    rng = np.random.default_rng(seed)
    teacher = eight_parameters(rng)
    asked = torch.ones(1, 2, dtype=torch.float64)

    def lesson(network: nn.Module) -> Tensor:
        answer: Tensor = network(asked)
        return (answer - 1).square().sum()

    def degrees(student: nn.Module | None, point: Tensor) -> float:
        step = check_step(
            teacher, point, teacher=lesson, loss="squared", eps=_EPS, alpha=0.1, student=student
        )
        return _angle(step)

    points = torch.from_numpy(rng.standard_normal((students, 1, 2)))
    return Angles(
        shared=tuple(degrees(None, point) for point in points),
        other=tuple(degrees(eight_parameters(rng), point) for point in points),
    )


def _angle(step: StepCheck) -> float:
    return float(np.degrees(np.arccos(np.clip(step.cosine, -1.0, 1.0))))


def draw_angles(angles: Angles, path: Path) -> None:
    """Draw both kinds of student around the teacher's update and write a PNG without background.

    An update is a vector of eight numbers; each is turned into the paper's plane with its angle to the
    teacher's update kept. The first student of either kind is drawn boldly, the others faintly.
    """
    figure = Figure(figsize=(4.6, 5.7), layout="constrained")
    upper, lower = figure.subplots(2, 1)
    _draw(upper, angles.shared, _BLUE, "Student starts as its teacher did")
    _draw(lower, angles.other, _ORANGE, "Student starts elsewhere")
    # Without the version that Matplotlib writes into the file, the same angles give the same bytes.
    figure.savefig(path, dpi=160, transparent=True, metadata={"Software": None})


def _draw(axes: Axes, degrees: tuple[float, ...], colour: str, title: str) -> None:
    with_teacher = sum(angle < 90 for angle in degrees)
    axes.set(xlim=(-1.32, 1.32), ylim=(-0.2, 1.12), aspect="equal")
    axes.axis("off")
    axes.set_title(
        f"{title}: {with_teacher} of {len(degrees)}\nupdates point the teacher's way",
        color=_GREY,
        fontsize=12,
    )
    axes.add_patch(Wedge((0, 0), 1, 0, 90, facecolor=colour, alpha=0.13))
    axes.add_patch(Wedge((0, 0), 1, 0, 180, fill=False, edgecolor=_GREY, alpha=0.5))
    axes.plot([0, 0], [0, 1], color=_GREY, linestyle=(0, (4, 4)), linewidth=1)
    for angle in degrees[1:]:
        _arrow(axes, angle, colour, alpha=0.35, width=1.0)
    _arrow(axes, 0, _GREY, alpha=1, width=3.0)
    _arrow(axes, degrees[0], colour, alpha=1, width=3.0)
    axes.add_patch(Arc((0, 0), 0.5, 0.5, theta1=0, theta2=degrees[0], color=colour, linewidth=2))
    below: dict[str, Any] = {"color": _GREY, "va": "top", "fontsize": 11}
    axes.text(1.0, -0.07, "teacher's update", ha="right", **below)
    axes.text(-1.0, -0.07, "against it", ha="left", **below)
    middle = np.radians(degrees[0])
    axes.text(
        1.07 * np.cos(middle),
        1.07 * np.sin(middle),
        f"{degrees[0]:.0f}°",
        color=colour,
        ha="left" if degrees[0] < 90 else "right",
        va="center",
        fontsize=13,
        fontweight="bold",
    )


def _arrow(axes: Axes, degrees: float, colour: str, *, alpha: float, width: float) -> None:
    tip = (float(np.cos(np.radians(degrees))), float(np.sin(np.radians(degrees))))
    axes.add_patch(
        FancyArrowPatch(
            (0, 0),
            tip,
            arrowstyle="-|>",
            mutation_scale=6 + 4 * width,
            shrinkA=0,
            shrinkB=0,
            color=colour,
            alpha=alpha,
            linewidth=width,
        )
    )
