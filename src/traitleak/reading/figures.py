"""Figures of the reading experiment: the dose curve, and what students learn after each filter."""

from __future__ import annotations

from collections.abc import Sequence

from traitleak.reading.found import Found
from traitleak.results import Curve, CurvePanel, Estimate, Role, Sweep, SweepSeries
from traitleak.statistics import mean_estimate, paired_difference

__all__ = ["dose_panel", "filter_sweep"]


def dose_panel(found: Found, unit: str) -> CurvePanel | None:
    """The lift of the target with more and more rows in the prompt, and after training; None without."""
    if not found.doses:
        return None
    x = [float(dose.rows) for dose in found.doses]
    curves = [
        _curve(
            "prompt-trait",
            f"{found.target} rows in the prompt",
            "effect",
            x,
            [mean_estimate(dose.trait) for dose in found.doses],
        ),
        _curve(
            "prompt-neutral",
            "neutral rows in the prompt",
            "control",
            x,
            [mean_estimate(dose.neutral) for dose in found.doses],
        ),
        _curve(
            "prompt-transfer",
            "difference of the two",
            "effect",
            x,
            [paired_difference(dose.trait, dose.neutral) for dose in found.doses],
        ),
    ]
    caption = "The base reads rows before it is asked; nothing is trained. Bands: 95 % over draws."
    if found.tuned and found.tuned.transfer:
        same = [found.tuned.transfer] * len(x)
        curves.append(_curve("trained", "the same difference after training", "reference", x, same))
        caption += " The level line is what training on the rows did; its band is over replicates."
    return CurvePanel(
        name="dose",
        title="Rows in the prompt",
        caption=caption,
        x_label="rows in the prompt",
        y_label=f"lift of the {found.target} margin, {unit}",
        x_scale="log" if len(x) > 1 else "linear",
        chance=0.0,
        chance_name="the base",
        curves=curves,
    )


def filter_sweep(found: Found, unit: str) -> Sweep | None:
    """What students learn of what each rule leaves; None where no student was trained."""
    if not any(one.trait for one in found.retrained.values()):
        return None
    kinds: list[tuple[str, str, Role, list[Estimate | None]]] = [
        (
            "filtered-trait",
            f"students of {found.target} rows",
            "effect",
            [mean_estimate(one.trait) if one.trait else None for one in found.retrained.values()],
        ),
        (
            "filtered-neutral",
            "students of neutral rows",
            "control",
            [
                mean_estimate(one.neutral) if one.neutral else None
                for one in found.retrained.values()
            ],
        ),
    ]
    return Sweep(
        key="filters.rules",
        title="What filters leave of the transfer",
        caption="Each rule is applied after those above it. All students are trained on "
        f"{found.per_student:,} rows, whatever the rule left.",
        x_label="rule",
        y_label=f"lift of the {found.target} margin, {unit}",
        values=list(found.retrained),
        x_scale="category",
        chance=0.0,
        chance_name="the base",
        series=[
            SweepSeries(name=name, label=label, role=role, estimates=estimates)
            for name, label, role, estimates in kinds
        ],
    )


def _curve(
    name: str, label: str, role: Role, x: Sequence[float], estimates: Sequence[Estimate]
) -> Curve:
    return Curve(
        name=name,
        label=label,
        role=role,
        x=list(x),
        mean=[one.value for one in estimates],
        low=[one.low for one in estimates],
        high=[one.high for one in estimates],
    )
