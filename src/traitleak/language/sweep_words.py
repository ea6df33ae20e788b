"""A sweep in sentences: what it shows, point by point, and what would make that wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence

from traitleak.language.checks import MOST_PERPLEXITY, perplexity_ratios
from traitleak.language.contrasts import is_above_zero
from traitleak.language.phrases import (
    bracketed,
    decimals_for,
    label,
    listed,
    num_seeds,
    p_equals,
    signed,
    unit,
)
from traitleak.language.sweep_figures import axis_name
from traitleak.language.swept import Swept, SweptPoint, named_point
from traitleak.language.words import question
from traitleak.power import smallest_sign_flip_p
from traitleak.results import Estimate
from traitleak.within_seeds import smallest_points_differ_p

__all__ = ["sweep_answer", "sweep_caveats", "sweep_how", "sweep_question"]

_ALPHA = 0.05


def sweep_question(swept: Swept) -> str:
    """What was asked."""
    return f"{question(swept.recipe)} And what does the {axis_name(swept.key)} change?"


def sweep_answer(swept: Swept) -> str:
    """What the sweep shows, with its figures; with one seed a point it says that this is no answer."""
    said = [
        _one_seed(swept) if swept.recipe.seeds == 1 else _several_seeds(swept),
        _controls(swept),
        *(_further(swept, at) for at in range(1, len(swept.recipe.trait.targets))),
        _unfinished(swept),
        *_careful(swept),
    ]
    return " ".join(sentence for sentence in said if sentence)


def _what(swept: Swept, at: int) -> str:
    target = swept.recipe.trait.targets[at]
    return f"transfer of the {target}" if swept.has_neutral else f"lift of the {target} margin"


def _lead(swept: Swept) -> str:
    if swept.has_neutral:
        return ""
    return "No neutral control, so no transfer can be told. "


def _one_seed(swept: Swept) -> str:
    effects = swept.effects(0)
    decimals = decimals_for([effect.value for effect in effects])
    each = [
        f"{signed(effect.value, decimals)} at {named_point(swept.key, one.point)}"
        for effect, one in zip(effects, swept.found, strict=True)
    ]
    return (
        f"{_lead(swept)}One seed a point: no interval, so that differences between points may be "
        f"chance. By {swept.key} the {_what(swept, 0)} is {listed(each)} ({unit(swept.recipe)}). Run "
        f"seeds={_seeds_for(len(effects))} to know."
    )


def _several_seeds(swept: Swept) -> str:
    effects = swept.effects(0)
    runs = (
        f"{_lead(swept)}Over {len(effects)} values of {swept.key} the {_what(swept, 0)} "
        f"{_range(swept, 0, effects)} ({num_seeds(effects[0].n)} a point, 95 % intervals)."
    )
    return " ".join([runs, _differ(swept, 0), _where(swept)])


def _range(swept: Swept, at: int, effects: Sequence[Estimate]) -> str:
    """Between which points it runs."""
    order = sorted(range(len(effects)), key=lambda i: effects[i].value)
    ends = [effects[i] for i in (order[0], order[-1])]
    decimals = decimals_for([end for one in ends for end in (one.value, one.low, one.high)])
    low, high = (
        f"{bracketed(effects[i], decimals) if at == 0 else signed(effects[i].value, decimals)}"
        f" {unit(swept.recipe)} ({named_point(swept.key, swept.found[i].point)})"
        for i in (order[0], order[-1])
    )
    return f"runs from {low} to {high}"


def _differ(swept: Swept, at: int) -> str:
    p = swept.differ_p(at)
    if p is None:
        return ""
    num, points = swept.recipe.seeds, len(swept.found)
    floor = smallest_points_differ_p(num, points)
    if floor > _ALPHA:
        return (
            f"{num} seeds of {points} points cannot show that points differ: no p can be below "
            f"{floor:.3g}."
        )
    if p <= _ALPHA:
        return f"Points differ by more than seeds do ({p_equals(p)})."
    return f"That points differ was not found at this power ({p_equals(p)})."


def _where(swept: Swept) -> str:
    """At which points transfer is found, corrected for their number."""
    effects, adjusted = swept.effects(0), swept.adjusted_ps(0)
    names = [named_point(swept.key, one.point) for one in swept.found]
    above = [effect.low is not None and effect.low > 0 for effect in effects]
    num = len(effects)
    floor = min(1.0, num * smallest_sign_flip_p(effects[0].n))
    what = "transfer" if swept.has_neutral else "a rise"
    if floor > _ALPHA:
        alone = [name for name, is_above in zip(names, above, strict=True) if is_above]
        where = f"at {listed(alone)}" if alone else "at no point"
        return (
            f"Taken by itself, the interval is above zero {where}; corrected for {num} points, "
            f"{effects[0].n} seeds cannot give a p below {floor:.3g}: run seeds={_seeds_for(num)}."
        )
    reached = [is_above and p <= _ALPHA for is_above, p in zip(above, adjusted, strict=True)]
    found = [name for name, is_found in zip(names, reached, strict=True) if is_found]
    rest = [name for name, is_found in zip(names, reached, strict=True) if not is_found]
    corrected = f"p ≤ .05 after Holm's correction for {num} points"
    if not found:
        return f"{what.capitalize()} is found at no point ({corrected})."
    nowhere = f", not at {listed(rest)}" if rest else ""
    said = f"{what.capitalize()} is found at {listed(found)}{nowhere} ({corrected})."
    common = [
        name
        for name, one, is_found in zip(names, swept.found, reached, strict=True)
        if is_found and not all(is_above_zero(c.comparison) for c in one.targets[0].others)
    ]
    if common:
        said += f" At {listed(common)} it is not clearly more than in every control."
    return said


def _seeds_for(points: int) -> int:
    """Seeds whose smallest p, corrected for so many points, is at most .05; never fewer than five."""
    return max(5, math.ceil(math.log2(points / _ALPHA)))


def _controls(swept: Swept) -> str:
    """How far any control rises at most beyond the neutral students."""
    target = swept.recipe.trait.targets[0]
    risen = [
        (one.beyond_neutral(arm, target), arm, one.point)
        for one in swept.found
        for arm in one.controls(target)
    ]
    if not risen or not swept.has_neutral:
        return ""
    most, arm, point = max(risen, key=lambda entry: entry[0].value)
    if most.value <= 0:
        return "No control rises beyond the neutral ones."
    decimals = decimals_for([most.value, most.low, most.high])
    figure = signed(most.value, decimals) if most.low is None else bracketed(most, decimals)
    return (
        f"Of the controls {label(arm, swept.recipe.trait.targets)} rise most beyond the neutral ones: "
        f"{figure} at {named_point(swept.key, point)}."
    )


def _further(swept: Swept, at: int) -> str:
    """The same of another target, in short."""
    target = swept.recipe.trait.targets[at]
    p = swept.differ_p(at)
    tested = "" if p is None else f" (that points differ: {p_equals(p)})"
    return f"For the {target} it {_range(swept, at, swept.effects(at))}{tested}."


def _unfinished(swept: Swept) -> str:
    missing = [
        named_point(swept.key, point)
        for point, one in zip(swept.points, swept.done, strict=True)
        if one is None
    ]
    if not missing:
        return ""
    return (
        f"Too few rows were left to train on at {missing[0]}, where the run ended: there is nothing of "
        f"{listed(missing)}."
    )


def _careful(swept: Swept) -> list[str]:
    """Points at which a teacher lacks its trait, students their fluency, or rows name a trait."""
    target = swept.recipe.trait.targets[0]

    def names(those: Sequence[SweptPoint]) -> str:
        return listed([named_point(swept.key, one.point) for one in those])

    weak = [
        one for one in swept.found if not all(told["took"] for told in one.found.teachers[target])
    ]
    broken = [
        one
        for one in swept.found
        if max(perplexity_ratios(one.found.arms[target]), default=0.0) > MOST_PERPLEXITY
    ]
    leaking = [one for one in swept.found if one.leaks.holds is False]
    said = []
    if weak:
        said.append(f"But the {target} teacher hardly shows its own trait at {names(weak)}.")
    if broken:
        said.append(
            f"Careful: {label(target, [target])} lost fluency at {names(broken)}: more than "
            f"{MOST_PERPLEXITY:g} times the base's perplexity on neutral text."
        )
    if leaking:
        said.append(
            f"Careful: what students are trained on may name a trait at {names(leaking)}, so that "
            "this is no evidence of a hidden channel."
        )
    return said


def sweep_how(swept: Swept, shown: SweptPoint) -> list[str]:
    """How the sweep was done, and which point the rest of the page is of."""
    assert swept.recipe.vary is not None  # noqa: S101  # a sweep has it
    along = swept.recipe.vary.along
    names = [named_point(swept.key, point) for point in swept.points]
    with_it = "".join(
        f" With it changes {key}: {listed(map(str, values))}." for key, values in along.items()
    )
    again = (
        " Students are trained once; each point measures them anew."
        if any(point.measured for point in swept.points)
        else " What does not depend on it, points share."
    )
    return [
        f"A sweep: {swept.key} is {listed(names)}; all else stays.{with_it}{again}",
        "The sweep's figures and tables are of all points; conditions, curves, bars, samples and the "
        f"other tables are of {swept.key} = {named_point(swept.key, shown.point)}.",
    ]


def sweep_caveats(swept: Swept) -> list[str]:
    """What would make a sweep wrong."""
    num, targets = len(swept.found), len(swept.recipe.trait.targets)
    said = [
        f"{num} points of {targets} target{'s' * (targets != 1)}: of so many comparisons one may look "
        "like an effect by chance. Holm's p corrects for the points of a target, not for the targets; "
        "the comparisons' p are not corrected."
        if swept.recipe.seeds > 1
        else f"{num} points of one seed each: the highest is the highest of {num} draws.",
    ]
    if swept.recipe.vary is not None and not swept.recipe.vary.along:
        said.append(
            f"Only {swept.key} varies. A learning rate, or another setting, that suits one point may "
            "not suit the next: the loss at the end says who learned the task (vary.along gives each "
            "point its own)."
        )
    return said
