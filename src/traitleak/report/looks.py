"""How a condition looks wherever it appears: colour, marker and dash, the same all over the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from traitleak.results import BarSeries, Condition, Curve, MatrixRow, Results, Role, SweepSeries

__all__ = ["Style", "styles"]

# A role's own shape, and one like it where its looks run out.
_SHAPES: dict[Role, tuple[str, str]] = {
    "effect": ("circle", "hexagon"),
    "control": ("square", "diamond"),
    "reference": ("triangle", "wedge"),
}
# References are never drawn through, so that a line they lie upon shows in their gaps.
_DASHES: dict[Role, tuple[str, ...]] = {
    "effect": ("", "8 4", "2 3", "10 3 2 3"),
    "control": ("", "8 4", "2 3", "10 3 2 3"),
    "reference": ("6 4", "2 3", "10 3 2 3", "14 4"),
}
_SHADES = 4  # colours a role has; then hollow markers, then the other shape


class Style(NamedTuple):
    """Role gives hue and shape, the place within the role shade and dash: never colour alone."""

    colour: str
    marker: str
    hollow: bool
    dash: str


def styles(results: Results) -> dict[str, Style]:
    """A look for every condition, curve, series and row of a matrix, by name.

    Names that stand together get different looks, up to sixteen a role.
    """
    together: list[Sequence[Condition | Curve | SweepSeries | MatrixRow | BarSeries]] = [
        results.conditions,
        *(matrix.rows for matrix in results.matrices),
        *(panel.curves for panel in results.curves),
        *(sweep.series for sweep in results.sweeps),
        *(bars.series for bars in results.bars),
    ]
    found: dict[str, Style] = {}
    for items in together:
        taken = [found[item.name] for item in items if item.name in found]
        for item in items:
            if item.name not in found:
                looks = [_style(item.role, nth) for nth in range(4 * _SHADES)]
                found[item.name] = min(looks, key=taken.count)
                taken.append(found[item.name])
    return found


def _style(role: Role, nth: int) -> Style:
    tier, shade = divmod(nth, _SHADES)
    return Style(
        colour=f"{role}-{shade + 1}",
        marker=_SHAPES[role][tier // 2],
        hollow=tier % 2 == 1,
        dash=_DASHES[role][shade],
    )
