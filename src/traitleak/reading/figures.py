"""Figures of the reading experiment: the dose curve, and what students learn after each filter."""

from __future__ import annotations

from collections.abc import Sequence

from traitleak.reading.found import Found
from traitleak.results import Bars, BarSeries, Curve, CurvePanel, Estimate, Role
from traitleak.statistics import mean_estimate, paired_difference

__all__ = ["dose_panel", "filter_bars"]


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
    if found.trained and found.trained.transfer:
        same = [found.trained.transfer] * len(x)
        curves.append(_curve("trained", "the same difference after training", "reference", x, same))
        caption += " The level line is what training on rows did, with a band from two students on."
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


def filter_bars(found: Found, unit: str) -> Bars | None:
    """What students learn of what each rule leaves; None where no student was trained.

    Before is what students of the first rule's rows learned.
    """
    trained = {rule: one for rule, one in found.retrained.items() if one.trait}
    if not trained:
        return None
    first = next(iter(trained))
    sides: list[tuple[str, str, Role, list[Estimate]]] = [
        (
            "filtered-trait",
            f"students of {found.target} rows",
            "effect",
            [mean_estimate(one.trait) for one in trained.values()],
        ),
        (
            "filtered-neutral",
            "students of neutral rows",
            "control",
            [mean_estimate(one.neutral) for one in trained.values()],
        ),
    ]
    return Bars(
        name="filters",
        title="What filters leave of the transfer",
        caption="Each rule is applied after those above it. All students are trained on "
        f"{found.per_student:,} rows, whatever the rule left.",
        value_name=f"lift of the {found.target} margin, {unit}",
        candidates=list(trained),
        chance=0.0,
        chance_name="the base",
        series=[
            BarSeries(
                name=name,
                label=label,
                role=role,
                before_name="no filter" if first == "none" else f"the rule {first}",
                before=[estimates[0]] * len(estimates),
                after=estimates,
            )
            for name, label, role, estimates in sides
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
