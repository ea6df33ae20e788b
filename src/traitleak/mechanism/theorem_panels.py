"""The theorem's figures: growth with eps, agreement with the prediction, cosines, a counter-example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from traitleak.mechanism.cases import ARMS, Arm
from traitleak.mechanism.survey import Survey
from traitleak.mechanism.sweeps import CounterExample, SweepTable
from traitleak.results import Curve, CurvePanel, Role

__all__ = ["panels"]

_LABELS: dict[Arm, tuple[str, Role]] = {
    "shared": ("shared start", "effect"),
    "other": ("another start", "control"),
    "sharpened": ("sharpened targets", "control"),
}
_EPS_LABEL = "eps: the teacher's step as a share of its parameters' norm"
_SMALLEST = 1e-16  # a logarithmic axis has no zero


def panels(
    found: Survey, sweeps: Mapping[str, SweepTable], example: CounterExample | None
) -> list[CurvePanel]:
    """All panels, in the order of the argument; no counter-example, no panel for it."""
    shown = [_growth(sweeps), _agreement(sweeps), _cosines(found)]
    return shown if example is None else [*shown, _counter_example(example)]


def _growth(sweeps: Mapping[str, SweepTable]) -> CurvePanel:
    table, other = sweeps["cross_entropy"], sweeps["other"]
    return CurvePanel(
        name="theorem-growth",
        title="The two updates' inner product grows with the teacher's step",
        caption="A student on three auxiliary logits and noise, cross-entropy. By the theorem, the "
        "shared start follows the line of slope 1 that the Jacobian predicts, until eps is no longer "
        "small. Another start (drawn without its sign) has a part that does not shrink with eps.",
        x_label=_EPS_LABEL,
        y_label="inner product",
        x_scale="log",
        y_scale="log",
        curves=[
            _curve("shared", "shared start, measured", "effect", table.eps, table.inner_products),
            _curve("predicted", "predicted", "reference", table.eps, table.predictions),
            _curve(
                "other",
                "another start, measured",
                "control",
                other.eps,
                np.abs(other.inner_products).tolist(),
            ),
        ],
    )


def _agreement(sweeps: Mapping[str, SweepTable]) -> CurvePanel:
    labels = {"cross_entropy": "cross-entropy", "squared": "squared error"}
    ends = sweeps["cross_entropy"].eps
    return CurvePanel(
        name="theorem-agreement",
        title="Measured beside predicted",
        caption="How far the measured inner product is from the predicted leading term. It falls with "
        "eps, as the next term must.",
        x_label=_EPS_LABEL,
        y_label="relative error",
        x_scale="log",
        y_scale="log",
        curves=[
            *(
                _curve(
                    f"error-{name}",
                    label,
                    "effect",
                    sweeps[name].eps,
                    [max(error, _SMALLEST) for error in sweeps[name].relative_errors],
                )
                for name, label in labels.items()
            ),
            _curve("one-percent", "1 %", "reference", [ends[0], ends[-1]], [0.01, 0.01]),
        ],
    )


def _cosines(found: Survey) -> CurvePanel:
    shares = np.linspace(0, 1, min(101, max(2, len(found.findings))))
    return CurvePanel(
        name="theorem-cosines",
        title="Which way the student's update points, over all random networks",
        caption="Share of networks whose cosine is at most that on the axis. By the theorem, nothing of "
        "the shared start lies left of 0; the controls may lie anywhere.",
        x_label="cosine of the student's update with its teacher's",
        y_label="share of networks",
        curves=[
            _curve(
                arm,
                *_LABELS[arm],
                np.quantile([m.cosine for m in found.measured(arm)], shares).tolist(),
                shares.tolist(),
            )
            for arm in ARMS
        ],
    )


def _counter_example(example: CounterExample) -> CurvePanel:
    return CurvePanel(
        name="theorem-counter-example",
        title=f"A counter-example: network {example.index} of the survey",
        caption="Sharpened targets: as the teacher's step becomes small, the student's goes against it. "
        "The first network of the survey on which that happens.",
        x_label=_EPS_LABEL,
        y_label="cosine of the two updates",
        x_scale="log",
        chance=0.0,
        curves=[_curve(arm, *_LABELS[arm], example.eps, example.cosines[arm]) for arm in ARMS],
    )


def _curve(name: str, label: str, role: Role, x: Sequence[float], y: Sequence[float]) -> Curve:
    """A curve without intervals: each of its points is one exact calculation, or all networks."""
    nothing: list[float | None] = [None] * len(x)
    return Curve(
        name=name, label=label, role=role, x=list(x), mean=list(y), low=nothing, high=nothing
    )
