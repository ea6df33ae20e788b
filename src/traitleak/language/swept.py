"""What the points of a sweep found, target by target, and what they are called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from traitleak.language.checks import leak_check
from traitleak.language.contrasts import TargetFindings, findings
from traitleak.language.layout import NEUTRAL
from traitleak.language.phrases import TAUGHT_ALIKE, kind_of
from traitleak.language.points import Point, points
from traitleak.language.read import Found, read_run
from traitleak.recipe.language import LanguageRecipe
from traitleak.results import Estimate, Fact
from traitleak.statistics import holm, mean_estimate, paired_difference, sign_flip_p
from traitleak.within_seeds import points_differ_p

__all__ = ["Swept", "SweptPoint", "named_point", "read_points"]

_NULL = {
    "carrier.keep": "all rows",
    "student.layers": "all blocks",
    "student.rank": "all weights",
    "teacher.layer": "half-way up",
    "teacher.rank": "all weights",
}


@dataclass(frozen=True, eq=False)
class SweptPoint:
    """One point that went to its end.

    Attributes:
        point: its value, recipe and stages.
        found: what its stages left.
        targets: each target's students beside the controls.
        leaks: whether anything that its students saw names a trait.
    """

    point: Point
    found: Found
    targets: list[TargetFindings]
    leaks: Fact

    def effect(self, target: int) -> Estimate:
        """A target's transfer; without the neutral control the lift of its margin."""
        one = self.targets[target]
        return one.neutral.comparison.difference if one.neutral else one.lift

    def beyond_neutral(self, arm: str, target: str) -> Estimate:
        """An arm's lift of a margin less the neutral students'; without them the lift itself."""
        lifts, neutral = self.found.arms[arm].lifts(target), self.found.arms.get(NEUTRAL)
        return paired_difference(lifts, neutral.lifts(target)) if neutral else mean_estimate(lifts)

    def controls(self, target: str) -> list[str]:
        """The arms beside the neutral one that show what a target's margin does anyway."""
        targets = self.point.recipe.trait.targets
        kinds = {arm: kind_of(arm, targets) for arm in self.found.arms}
        return [
            arm
            for arm, (kind, teacher) in kinds.items()
            if arm not in {target, NEUTRAL}
            and kind in TAUGHT_ALIKE
            and (kind == "own" or teacher == target)
        ]


@dataclass(frozen=True, eq=False)
class Swept:
    """A whole sweep.

    Attributes:
        recipe: with its sweep.
        points: all of them, in order.
        done: those that went to their end; None for one that did not.
    """

    recipe: LanguageRecipe
    points: list[Point]
    done: list[SweptPoint | None]

    @property
    def key(self) -> str:
        """What varies."""
        assert self.recipe.vary is not None  # noqa: S101  # a sweep has it
        return self.recipe.vary.key

    @property
    def found(self) -> list[SweptPoint]:
        """Points that went to their end."""
        return [one for one in self.done if one is not None]

    @property
    def has_neutral(self) -> bool:
        """Whether transfer can be told."""
        return NEUTRAL in self.found[0].found.arms

    def name(self, point: Point) -> str:
        """`rank = 16`."""
        return f"{self.key.rpartition('.')[2]} = {named_point(self.key, point)}"

    def effects(self, target: int) -> list[Estimate]:
        """A target's transfer at each point that went to its end."""
        return [one.effect(target) for one in self.found]

    def ps(self, target: int) -> list[float]:
        """One-sided sign flips' p at each of these points."""
        return [sign_flip_p(effect.replicates) for effect in self.effects(target)]

    def adjusted_ps(self, target: int) -> list[float]:
        """The same after Holm's correction over these points."""
        return holm(self.ps(target))

    def differ_p(self, target: int) -> float | None:
        """Permutation p of points that differ; None with one seed or one point."""
        effects = self.effects(target)
        if len(effects) < 2 or effects[0].n < 2:
            return None
        return points_differ_p(np.array([effect.replicates for effect in effects]).T)


def read_points(recipe: LanguageRecipe, folders: Mapping[str, Path]) -> Swept:
    """Read all points of a sweep.

    Raises:
        DataError: a file of a stage is not there or is something else.
    """
    arranged = points(recipe)
    return Swept(recipe, arranged, [_read(point, folders) for point in arranged])


def _read(point: Point, folders: Mapping[str, Path]) -> SweptPoint | None:
    if not point.is_done(folders):
        return None
    own = point.folders(folders)
    found = read_run(point.recipe, own)
    return SweptPoint(
        point, found, findings(point.recipe, found), leak_check(point.recipe, found, own)
    )


def named_point(key: str, point: Point) -> str:
    """A point's value in words."""
    value, recipe = point.value, point.recipe
    if key == "templates" and value == "auto" and recipe.style != "auto":
        return "stems" if recipe.style == "plain" else "questions"
    if value is None and key == "student.epochs":
        return f"{recipe.student.updates} updates"
    if value is None:
        return _NULL.get(key, "null")
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:,}" if isinstance(value, int) else str(value)
