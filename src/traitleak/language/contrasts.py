"""What is compared with what: each target's students beside every control, paired by replicate."""

from __future__ import annotations

from dataclasses import dataclass

from traitleak.language.layout import NEUTRAL
from traitleak.language.phrases import kind_of
from traitleak.language.read import Found
from traitleak.recipe_language import LanguageRecipe
from traitleak.results import Comparison, Estimate
from traitleak.statistics import mean_estimate, paired_difference, sign_flip_p

__all__ = ["Contrast", "TargetFindings", "all_comparisons", "compare", "findings"]

TRANSFER, TO_OTHER_BASE = "transfer", "transfer to the other base"
IN_CONTEXT = "what the rows do in the prompt"
_TEST = "one-sided sign flips of paired seeds"


@dataclass(frozen=True)
class Contrast:
    """A target's students against one control.

    Attributes:
        control: the control's arm.
        lift: of the target's margin in the control, over replicates.
        comparison: the students' lift less the control's.
    """

    control: str
    lift: Estimate
    comparison: Comparison

    @property
    def is_above(self) -> bool:
        """Whether the interval of the difference lies above zero."""
        low = self.comparison.difference.low
        return low is not None and low > 0


@dataclass(frozen=True)
class TargetFindings:
    """What one target's rows did to its own margin.

    Attributes:
        target: which.
        lift: of its margin in its own teacher's students, over replicates.
        neutral: against the neutral control: the transfer. None without that control.
        others: against the other teachers' students and, for the first target, the shuffled ones.
    """

    target: str
    lift: Estimate
    neutral: Contrast | None
    others: list[Contrast]


def findings(recipe: LanguageRecipe, found: Found) -> list[TargetFindings]:
    """For each target, what its students' margin of it did beside each control of the same base."""
    return [_of_target(recipe, found, target) for target in recipe.trait.targets]


def all_comparisons(recipe: LanguageRecipe, found: Found) -> list[Comparison]:
    """The first target's contrasts, then those of other bases and of rows in a prompt, then the rest."""
    first, *rest = findings(recipe, found)
    made = _comparisons(first)
    for kind, name in (("other-base", TO_OTHER_BASE), ("in-context", IN_CONTEXT)):
        made += _beside(found, first, kind, name)
    for one in rest:
        made += _comparisons(one)
    return made


def _comparisons(one: TargetFindings) -> list[Comparison]:
    contrasts = ([one.neutral] if one.neutral else []) + one.others
    return [contrast.comparison for contrast in contrasts]


def _of_target(recipe: LanguageRecipe, found: Found, target: str) -> TargetFindings:
    targets = recipe.trait.targets
    where = "" if target == targets[0] else f" ({target} margin)"
    own = found.arms[target].lifts(target)
    contrasts = []
    for arm, taught in found.arms.items():
        kind, teacher = kind_of(arm, targets)
        if arm == target or kind not in {"own", "shuffled"}:
            continue
        if kind == "shuffled" and teacher != target:
            continue
        lifts = taught.lifts(target)
        contrasts.append(
            Contrast(arm, mean_estimate(lifts), compare(target + where, arm + where, own, lifts))
        )
    neutral = next((one for one in contrasts if one.control == NEUTRAL), None)
    others = [one for one in contrasts if one.control != NEUTRAL]
    return TargetFindings(target, mean_estimate(own), neutral, others)


def _beside(found: Found, first: TargetFindings, kind: str, name: str) -> list[Comparison]:
    """A pair of arms against each other, and the transfer less their difference."""
    effect, control = f"{kind}-{first.target}", f"{kind}-{NEUTRAL}"
    if effect not in found.arms:
        return []
    lifts = [found.arms[arm].lifts(first.target) for arm in (effect, control)]
    made = [compare(effect, control, *lifts)]
    if first.neutral is not None:
        transfer = first.neutral.comparison.difference.replicates
        made.append(compare(TRANSFER, name, transfer, made[0].difference.replicates))
    return made


def compare(effect: str, control: str, more: list[float], less: list[float]) -> Comparison:
    """Mean of the paired differences with Student's t over replicates, and the sign flips' p."""
    difference = paired_difference(more, less)
    return Comparison(
        effect=effect,
        control=control,
        difference=difference,
        p=sign_flip_p(difference.replicates),
        test=_TEST,
    )
