"""A sweep's figures and tables: transfer over what varies, and what stands behind each point."""

from __future__ import annotations

import numpy as np

from traitleak.language.checks import perplexity_ratios
from traitleak.language.phrases import (
    bracketed,
    decimals_for,
    label,
    p_equals,
    plain,
    role,
    signed,
    unit,
)
from traitleak.language.swept import Swept, SweptPoint, named_point
from traitleak.results import DataTable, Estimate, Sweep, SweepSeries
from traitleak.sweep_values import axis_scale, shown_value

__all__ = ["axis_name", "sweep_figures"]

_ABSENT = "–"
_AXES = {
    "carrier.decoding": "decoding of rows",
    "carrier.keep": "number of different rows",
    "carrier.rows": "number of prompts",
    "carrier.temperature": "temperature of decoding (0 is greedy)",
    "channel": "channel",
    "student.epochs": "number of epochs",
    "student.layers": "blocks that are adapted",
    "student.learning_rate": "students' learning rate",
    "student.optimizer": "students' optimizer",
    "student.rank": "rank of the students' adapter",
    "student.updates": "number of the students' updates",
    "teacher.by": "way in which teachers get their trait",
    "teacher.rank": "rank of the teachers' adapter",
    "teacher.updates": "number of the teachers' updates",
    "templates": "kind of question that the margin is measured with",
}


def axis_name(key: str) -> str:
    """What varies, in words that follow an article."""
    return _AXES.get(key, f"setting {key}")


def sweep_figures(swept: Swept) -> list[Sweep]:
    """For each target its transfer over what varies, beside the controls, with the tables of it."""
    return [_figure(swept, at, target) for at, target in enumerate(swept.recipe.trait.targets)]


def _figure(swept: Swept, at: int, target: str) -> Sweep:
    recipe = swept.recipe
    values = [point.value for point in swept.points]
    scale = axis_scale(values)
    arms = [target, *swept.found[0].controls(target)]
    seeds = (
        f"Mean and 95 % interval over {recipe.seeds} seeds at each point"
        if recipe.seeds > 1
        else "One seed at each point: no band, and the next seed may differ"
    )
    less = " less the neutral students'" if swept.has_neutral else ""
    return Sweep(
        key=swept.key,
        title=f"{'Transfer' if swept.has_neutral else 'Lift'} of the {target}, by "
        f"{axis_name(swept.key)}",
        caption=f"How far the {target} margin rises in each kind of student{less}. {seeds}; all else as "
        f"in the recipe{_along(swept)}.",
        x_label=axis_name(swept.key),
        y_label=f"lift of the {target} margin{less}, {unit(recipe)}",
        values=[
            named_point(swept.key, point) if scale == "category" else shown_value(point.value)
            for point in swept.points
        ],
        x_scale=scale,
        chance=0.0,
        chance_name="neutral students" if swept.has_neutral else "the base",
        series=[
            SweepSeries(
                name=arm,
                label=label(arm, recipe.trait.targets),
                role=role(arm, target),
                estimates=[_estimate(one, arm, target, at) for one in swept.done],
            )
            for arm in arms
        ],
        tables=[_transfer(swept, at), *([_behind(swept)] if at == 0 else [])],
    )


def _estimate(one: SweptPoint | None, arm: str, target: str, at: int) -> Estimate | None:
    if one is None:
        return None
    return one.effect(at) if arm == target else one.beyond_neutral(arm, target)


def _along(swept: Swept) -> str:
    """What changes with it, as the end of a sentence."""
    assert swept.recipe.vary is not None  # noqa: S101  # a sweep has it
    along = swept.recipe.vary.along
    if not along:
        return ""
    return ", but " + " and ".join(
        f"{key} is {', '.join(map(str, values))} in turn" for key, values in along.items()
    )


def _transfer(swept: Swept, at: int) -> DataTable:
    recipe = swept.recipe
    assert recipe.vary is not None  # noqa: S101  # a sweep has it
    along, several = recipe.vary.along, recipe.seeds > 1
    target, what = recipe.trait.targets[at], "transfer" if swept.has_neutral else "lift"
    effects = swept.effects(at)
    decimals = decimals_for([effect.value for effect in effects])
    told = [
        [
            bracketed(effect, decimals) if several else signed(effect.value, decimals),
            *([_p(p), _p(holms)] if several else []),
        ]
        for effect, p, holms in zip(effects, swept.ps(at), swept.adjusted_ps(at), strict=True)
    ]
    cells = iter(told)
    return DataTable(
        title=f"{what.capitalize()} of the {target} at each point",
        caption=f"The {target} margin in {target} students less the neutral ones', paired by seed."
        if swept.has_neutral
        else f"No neutral control: the lift of the {target} margin in {target} students.",
        head=[
            swept.key,
            *along,
            f"{what}, {unit(recipe)}",
            *(["p", "Holm's p"] if several else []),
        ],
        rows=[
            [
                named_point(swept.key, point),
                *(str(values[number]) for values in along.values()),
                *([_ABSENT] * len(told[0]) if one is None else next(cells)),
            ]
            for number, (point, one) in enumerate(zip(swept.points, swept.done, strict=True))
        ],
        notes=_notes(swept, at),
    )


def _p(p: float) -> str:
    return p_equals(p).removeprefix("p = ").removeprefix("p ")


def _notes(swept: Swept, at: int) -> list[str]:
    seeds, differ = swept.recipe.seeds, swept.differ_p(at)
    if seeds == 1:
        return ["One seed a point: no interval and no p."]
    notes = [
        f"n = {seeds} seeds a point; 95 % intervals, Student's t; p: one-sided sign flips; Holm's p is "
        f"corrected for {len(swept.found)} points."
    ]
    if differ is not None:
        notes.append(f"That points differ: {p_equals(differ)}, points permuted within seeds.")
    return notes


def _behind(swept: Swept) -> DataTable:
    recipe = swept.recipe
    target = recipe.trait.targets[0]
    arms = list(swept.found[0].found.arms)
    lifts = [
        [None if one is None else _lift(one, arm, target) for arm in arms] for one in swept.done
    ]
    rows = [
        [
            named_point(swept.key, point),
            *(_ABSENT if lift is None else lift for lift in arm_lifts),
            *(_course(one, target) if one else [_ABSENT] * 5),
        ]
        for point, arm_lifts, one in zip(swept.points, lifts, swept.done, strict=True)
    ]
    shared = any(one.point.measured for one in swept.found)
    return DataTable(
        title="What stands behind each point",
        caption=f"Lift of the {target} margin in every arm, {unit(recipe)}, and how the {target} "
        "students were trained. Means over seeds.",
        head=[
            swept.key,
            *(label(arm, recipe.trait.targets) for arm in arms),
            f"{target} teacher itself",
            "rows",
            "updates",
            "loss at the end",
            "perplexity, times the base's",
        ],
        rows=rows,
        notes=[
            "A student that did not learn its task, as its loss tells, says nothing of the trait.",
            *(
                ["Where updates are absent the students are those of the first point."]
                if shared
                else []
            ),
        ],
    )


def _lift(one: SweptPoint, arm: str, target: str) -> str:
    """An arm's mean lift of a margin."""
    value = float(np.mean(one.found.arms[arm].lifts(target)))
    return signed(value, decimals_for([value]))


def _course(one: SweptPoint, target: str) -> list[str]:
    """The teacher's own lift; rows, updates, last loss and perplexity of a target's students."""
    found, arm = one.found, one.found.arms[target]
    teacher = float(np.mean([told["lift"] for told in found.teachers[target]]))
    rows = [told["kept"][target] for told in found.dropped] or [
        told["rows"] for told in found.written[target]
    ]
    told = [signed(teacher, 2), f"{float(np.mean(rows)):,.0f}"]
    ratios = perplexity_ratios(arm)
    if arm.course is None:
        return [*told, *[_ABSENT] * 3]
    loss = float(arm.course.loss_SU[:, -1].mean())
    return [
        *told,
        f"{arm.course.updates[-1]:,.0f}",
        plain(loss, decimals_for([loss])),
        plain(float(np.mean(ratios)), 2) if ratios else _ABSENT,
    ]
