"""Many targets at once: which of them come through, in a sentence, a table, a figure and three facts.

From `MANY` targets on these stand where a run of few targets goes through them one by one: ten targets
beside ten controls each are a hundred comparisons, which nobody reads.

Shape suffixes: S replicates, U points of a course.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from traitleak.language.checks import MOST_PERPLEXITY, perplexity_ratios
from traitleak.language.contrasts import MANY, compare
from traitleak.language.layout import NEUTRAL
from traitleak.language.phrases import (
    TAUGHT_ALIKE,
    bracketed,
    decimals_for,
    kind_of,
    label,
    listed,
    num_seeds,
    p_equals,
    plain,
    signed,
    unit,
)
from traitleak.language.read import Found
from traitleak.language.shares import share_naming
from traitleak.power import smallest_sign_flip_p
from traitleak.recipe.language import LanguageRecipe
from traitleak.results import Comparison, Curve, CurvePanel, DataTable, Estimate, Fact
from traitleak.statistics import holm, mean_band, mean_estimate
from traitleak.trait_matrix import Gamma

__all__ = [
    "Travelled",
    "are_many",
    "many_answer",
    "many_curve",
    "many_facts",
    "many_table",
    "travelled",
]

_ALPHA = 0.05


@dataclass(frozen=True)
class Travelled:
    """How far one target came.

    Attributes:
        target: which.
        lift: of its margin in its own teacher's students, over replicates.
        neutral: the same in the neutral control's; None without that control.
        transfer: the first less the second.
        holm_p: its p after Holm's correction for the number of targets.
        highest: the arm in which it rises most, mean over replicates: its own name where it is its own
            teacher's students.
    """

    target: str
    lift: Estimate
    neutral: Estimate | None
    transfer: Comparison | None
    holm_p: float | None
    highest: str

    @property
    def is_own(self) -> bool:
        """Whether it rises most in its own teacher's students."""
        return self.highest == self.target


def are_many(recipe: LanguageRecipe) -> bool:
    """Whether a run has so many targets that they are told together."""
    return len(recipe.trait.targets) >= MANY


def travelled(recipe: LanguageRecipe, found: Found) -> list[Travelled]:
    """Each target beside all arms of the same base, the one with the largest transfer first.

    Known failure: `highest` looks at means alone. Of A arms that do nothing each is the highest for one
    target in A, so that a few targets are always in their own students; and a base that likes a
    target already leaves its students less room to rise.
    """
    targets = recipe.trait.targets
    arms = [name for name in found.arms if kind_of(name, targets)[0] in TAUGHT_ALIKE]
    neutral = found.arms.get(NEUTRAL)
    made = []
    for target in targets:
        own = found.arms[target].lifts(target)
        others = neutral.lifts(target) if neutral else None
        means = {arm: float(np.mean(found.arms[arm].lifts(target))) for arm in arms}
        last_own = [*(arm for arm in arms if arm != target), target]  # a tie is not its own
        made.append(
            Travelled(
                target,
                mean_estimate(own),
                None if others is None else mean_estimate(others),
                None if others is None else compare(target, NEUTRAL, own, others),
                None,
                max(last_own, key=means.__getitem__),
            )
        )
    ps = [one.transfer.p for one in made if one.transfer is not None]
    if ps:
        made = [replace(one, holm_p=p) for one, p in zip(made, holm(ps), strict=True)]
    return sorted(made, key=_size, reverse=True)


def _size(one: Travelled) -> float:
    return (one.transfer.difference if one.transfer else one.lift).value


def many_answer(
    recipe: LanguageRecipe, found: Found, gamma: Gamma, *, subliminal: bool
) -> list[str]:
    """How many targets come through, which do not, and how surely: a few sentences.

    Args:
        recipe: what was run.
        found: what it left.
        gamma: the matrix's specificity.
        subliminal: whether the leak check held.
    """
    some = travelled(recipe, found)
    own = [one for one in some if one.is_own]
    num, num_arms = len(some), _num_arms(recipe, found)
    beside = "own teacher's students"
    if own:
        count = f"{len(own)} of {num} targets rise most in their {beside}"
    else:
        count = f"None of {num} targets rises most in its {beside}"
    count += f" ({plain(num / num_arms, 1)} would by chance, with {num_arms} kinds of students)"
    named = f": {listed(one.target for one in own)}" if own else ""
    rest = [
        f"{one.target} ({label(one.highest, recipe.trait.targets)})"
        for one in some
        if not one.is_own
    ]
    missed = f" These rise more elsewhere: {listed(rest)}." if rest else ""
    specific = (
        f"Its own teacher adds {_with_interval(gamma.estimate)} nats to a target beyond what its "
        f"students and that target gain anyway (gamma, {num_seeds(gamma.estimate.n)}, "
        f"{p_equals(gamma.p)})."
    )
    return [
        *_found(some, subliminal=subliminal),
        f"{count}{named}.{missed}",
        specific,
        _range(some),
    ]


def _with_interval(estimate: Estimate) -> str:
    decimals = decimals_for([estimate.value])
    if estimate.low is None:
        return signed(estimate.value, decimals)
    return bracketed(estimate, decimals)


def _num_arms(recipe: LanguageRecipe, found: Found) -> int:
    targets = recipe.trait.targets
    return sum(kind_of(name, targets)[0] in TAUGHT_ALIKE for name in found.arms)


def _found(some: list[Travelled], *, subliminal: bool) -> list[str]:
    """For which targets transfer is found after correction; or why that cannot be said."""
    n, num = some[0].lift.n, len(some)
    if some[0].transfer is None:
        return ["No neutral control, so no transfer can be told."]
    enough = math.ceil(math.log2(num / _ALPHA))
    if n == 1:
        return [
            f"One seed: no interval for any one target; seeds={enough} are the fewest that can find one "
            f"after correction for {num}."
        ]
    above = [one for one in some if _low(one) > 0]
    if num * smallest_sign_flip_p(n) > _ALPHA:
        lead = (
            f"Undecided for any one target: corrected for {num}, {n} seeds cannot give a p below "
        )
        lead += f"{min(1.0, num * smallest_sign_flip_p(n)):.3g}; run seeds={enough}."
        names = f": {listed(one.target for one in above)}" if above else ""
        return [
            lead,
            f"The interval of the transfer is above zero for {len(above)} of {num}{names}.",
        ]
    sure = [one for one in above if one.holm_p is not None and one.holm_p <= _ALPHA]
    what = "Subliminal transfer" if subliminal else "Transfer"
    if not sure:
        return [f"No: {what.lower()} was found for none of {num} targets at this power."]
    lead = "Yes" if len(sure) == num else "In part"
    return [
        f"{lead}: {what.lower()} is found for {len(sure)} of {num} targets (p ≤ .05 after Holm's "
        f"correction for {num}; {num_seeds(n)}): {listed(one.target for one in sure)}."
    ]


def _low(one: Travelled) -> float:
    low = one.transfer.difference.low if one.transfer else None
    return -math.inf if low is None else low


def _range(some: list[Travelled]) -> str:
    first, last = some[0], some[-1]
    if first.transfer is None or last.transfer is None:
        return ""
    most, least = first.transfer.difference, last.transfer.difference
    decimals = decimals_for([most.value, least.value])
    return (
        f"Transfer runs from {signed(least.value, decimals)} nats ({last.target}) to "
        f"{signed(most.value, decimals)} ({first.target})."
    )


def many_table(recipe: LanguageRecipe, found: Found) -> DataTable:
    """A row for each target: lift, the neutral students', transfer, where it rises most."""
    some = travelled(recipe, found)
    several = recipe.seeds > 1 and some[0].transfer is not None
    decimals = decimals_for([value for one in some for value in (one.lift.value, _size(one))])
    rows = []
    for one in some:
        cells = [one.target, signed(one.lift.value, decimals)]
        if one.neutral is not None and one.transfer is not None:
            difference = one.transfer.difference
            cells += [
                signed(one.neutral.value, decimals),
                bracketed(difference, decimals)
                if difference.low is not None
                else signed(difference.value, decimals),
            ]
        cells.append(label(one.highest, recipe.trait.targets))
        if several and one.transfer is not None and one.holm_p is not None:
            cells += [f"{one.transfer.p:.3f}", f"{one.holm_p:.3f}"]
        rows.append(cells)
    beside = ["neutral students", f"transfer, {unit(recipe)}"] if some[0].transfer else []
    over = "mean and 95 % interval over seeds" if recipe.seeds > 1 else "one seed: no intervals"
    return DataTable(
        title="Target by target",
        caption="What each target's own teacher did to its students' margin of it, beside the neutral "
        f"teacher; {over}. Sorted by it.",
        head=[
            "target",
            f"own students' lift, {unit(recipe)}",
            *beside,
            "rises most in",
            *(["p", "Holm's p"] if several else []),
        ],
        rows=rows,
        notes=[
            "Rises most in: of all arms of the same base, the one with the highest mean lift of this "
            "target's margin. The matrix has all of them.",
            *(
                [
                    "p: one-sided sign flips of paired seeds; Holm's: corrected for "
                    f"{len(some)} targets."
                ]
                if several
                else []
            ),
        ],
    )


def many_curve(recipe: LanguageRecipe, found: Found) -> CurvePanel | None:
    """Every target's transfer while students train; None without neutral students or a course."""
    neutral = found.arms.get(NEUTRAL)
    if neutral is None or neutral.course is None:
        return None
    drawn = []
    for target in recipe.trait.targets:
        own = found.arms[target].course
        if own is None or own.updates[:-1] != neutral.course.updates[:-1]:
            return None
        column = found.candidates.index(target)
        band = mean_band((own.lift_SUK - neutral.course.lift_SUK)[:, :, column].T)
        drawn.append(
            Curve(
                name=target,
                label=target,
                role="effect",
                x=own.updates,
                mean=band.mean.tolist(),
                low=[None] * len(own.updates),
                high=[None] * len(own.updates),
            )
        )
    return CurvePanel(
        name="transfer-by-target",
        title="Transfer of every target, update by update",
        caption="Each target's margin in its own teacher's students less that in the neutral students; "
        "mean over seeds. Intervals at the end stand in the table of targets.",
        x_label="updates",
        y_label=f"transfer, {unit(recipe)}",
        x_scale="log",
        chance=0.0,
        chance_name="the neutral students",
        curves=drawn,
    )


def many_facts(recipe: LanguageRecipe, found: Found) -> list[Fact]:
    """What holds for each target, counted: rises most, is said more often, fluency is kept."""
    some = travelled(recipe, found)
    num = len(some)
    times = sum(one.is_own for one in some)
    facts = [
        Fact(
            name="highest",
            statement="Each target rises most in its own teacher's students.",
            value=f"{times} of {num} targets",
            holds=times == num,
        )
    ]
    neutral = found.arms.get(NEUTRAL)
    if (
        neutral is not None
        and neutral.answers
        and all(found.arms[one.target].answers for one in some)
    ):
        more = sum(
            share_naming(found.arms[one.target].answers, one.target).value
            > share_naming(neutral.answers, one.target).value
            for one in some
        )
        facts.append(
            Fact(
                name="answers",
                statement="Sampled answers name each target more often in its own teacher's students "
                "than in neutral students.",
                value=f"{more} of {num} targets",
                holds=None,
            )
        )
    ratios = [ratio for one in some for ratio in perplexity_ratios(found.arms[one.target])]
    if ratios:
        facts.append(
            Fact(
                name="fluency",
                statement="Students keep their fluency: perplexity of neutral text at most "
                f"{MOST_PERPLEXITY:g} times the base's.",
                value=f"{plain(float(np.mean(ratios)), 2)} times, at most {plain(max(ratios), 2)}",
                holds=max(ratios) <= MOST_PERPLEXITY,
            )
        )
    return facts
