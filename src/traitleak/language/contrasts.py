"""What is compared with what: each target's students beside every control, paired by replicate."""

from __future__ import annotations

from dataclasses import dataclass

from traitleak.language.layout import NEUTRAL
from traitleak.language.phrases import TAUGHT_ALIKE, kind_of
from traitleak.language.read import Found
from traitleak.recipe.language import LanguageRecipe
from traitleak.results import Comparison, Estimate
from traitleak.statistics import mean_estimate, paired_difference, sign_flip_p

__all__ = [
    "IN_CONTEXT",
    "MANY",
    "TO_OTHER_BASE",
    "Contrast",
    "TargetFindings",
    "all_comparisons",
    "compare",
    "findings",
    "is_above_zero",
    "times_first",
]

MANY = 4  # targets: from here on their comparisons are more than anybody reads
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


@dataclass(frozen=True)
class TargetFindings:
    """What one target's rows did to its own margin.

    Attributes:
        target: which.
        lift: of its margin in its own teacher's students, over replicates.
        neutral: against the neutral control: the transfer. None without that control.
        others: against the other teachers' students and, for the first target, the shuffled ones.
        pairs: of the first target: each control that is a pair of arms (another base, rows in the
            prompt) against its own neutral arm, then the transfer less that difference.
        times_first: in how many replicates its students raise it more than any other candidate.
    """

    target: str
    lift: Estimate
    neutral: Contrast | None
    others: list[Contrast]
    pairs: list[tuple[Comparison, Comparison | None]]
    times_first: int


def findings(recipe: LanguageRecipe, found: Found) -> list[TargetFindings]:
    """For each target, what its students' margin of it did beside each control of the same base."""
    return [_of_target(recipe, found, target) for target in recipe.trait.targets]


def all_comparisons(recipe: LanguageRecipe, found: Found) -> list[Comparison]:
    """The first target's contrasts, then those of other bases and of rows in a prompt, then the rest.

    Of four targets or more the others' are those with the neutral control: the matrix has the rest.
    """
    made = []
    targets = recipe.trait.targets
    for one in findings(recipe, found):
        told = one.target == targets[0] or len(targets) < MANY
        contrasts = ([one.neutral] if one.neutral else []) + (one.others if told else [])
        made += [contrast.comparison for contrast in contrasts]
        made += [side for pair in one.pairs for side in pair if side is not None]
    return made


def _of_target(recipe: LanguageRecipe, found: Found, target: str) -> TargetFindings:
    targets = recipe.trait.targets
    where = "" if target == targets[0] else f" ({target} margin)"
    own = found.arms[target].lifts(target)
    contrasts = []
    for arm, taught in found.arms.items():
        kind, teacher = kind_of(arm, targets)
        if arm == target or kind not in TAUGHT_ALIKE:
            continue
        if kind != "own" and teacher != target:
            continue
        lifts = taught.lifts(target)
        contrasts.append(
            Contrast(arm, mean_estimate(lifts), compare(target + where, arm + where, own, lifts))
        )
    neutral = next((one for one in contrasts if one.control == NEUTRAL), None)
    others = [one for one in contrasts if one.control != NEUTRAL]
    transfer = neutral.comparison.difference.replicates if neutral else None
    pairs = []
    if target == targets[0]:
        for kind, name in (("other-base", TO_OTHER_BASE), ("in-context", IN_CONTEXT)):
            if f"{kind}-{target}" in found.arms:
                pairs.append(_pair(found, target, kind, name, transfer))
    times = times_first(found, target)
    return TargetFindings(target, mean_estimate(own), neutral, others, pairs, times)


def times_first(found: Found, target: str) -> int:
    """In how many replicates the target's students raise it more than any other candidate."""
    lift_SK = found.arms[target].lift_SK
    return int((lift_SK.argmax(axis=1) == found.candidates.index(target)).sum())


def _pair(
    found: Found, target: str, kind: str, name: str, transfer: list[float] | None
) -> tuple[Comparison, Comparison | None]:
    """A pair of arms against each other, and the transfer less their difference."""
    effect, control = f"{kind}-{target}", f"{kind}-{NEUTRAL}"
    own = compare(effect, control, *(found.arms[arm].lifts(target) for arm in (effect, control)))
    if transfer is None:
        return own, None
    return own, compare(TRANSFER, name, transfer, own.difference.replicates)


def is_above_zero(comparison: Comparison) -> bool:
    """Whether the interval of the difference lies above zero; without one it does not."""
    low = comparison.difference.low
    return low is not None and low > 0


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
