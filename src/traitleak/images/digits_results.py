"""From the digits experiment's stage folders to `Results`: reading and arithmetic."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from traitleak.images.digits import PointLayout, data_source, layout
from traitleak.images.digits_words import answer, caveats, how, question, start, sweep_range
from traitleak.mechanism.theorem_experiment import theorem_findings
from traitleak.recipe import DigitsRecipe
from traitleak.results import (
    Comparison,
    Condition,
    Curve,
    CurvePanel,
    Picture,
    PublishedValue,
    Results,
    Role,
    Sweep,
    SweepSeries,
)
from traitleak.statistics import mean_band, mean_estimate, paired_difference, sign_flip_p
from traitleak.sweep_values import axis_scale, shown_value

__all__ = ["conclude"]

CHANCE = 0.1
_MAX_POINTS = 600  # of a curve in the results
_PAPER = "Cloud et al. 2025, figure 10b, 100 networks, 60,000 training digits"


class _Kind(NamedTuple):
    label: str
    role: Role
    description: str
    published: tuple[float, float]  # mean and half-width of the 95 % interval


_KINDS = {
    "reference": _Kind(
        "untrained network", "reference", "The initialisation itself.", (0.0998, 0.0047)
    ),
    "teacher": _Kind(
        "teacher",
        "reference",
        "Trained on digits with labels; no label touches its auxiliary logits.",
        (0.9434, 0.0004),
    ),
    "student-aux": _Kind(
        "student: auxiliary logits",
        "effect",
        "Students that {start}; taught by its auxiliary logits only.",
        (0.5284, 0.0221),
    ),
    "cross-aux": _Kind(
        "control, other initialisation: auxiliary logits",
        "control",
        "The same students, taught by another network's teacher on the same inputs.",
        (0.1061, 0.0104),
    ),
    "student-all": _Kind(
        "student: all logits",
        "effect",
        "The same, taught by all of its logits.",
        (0.9126, 0.0019),
    ),
    "cross-all": _Kind(
        "control, other initialisation: all logits",
        "control",
        "The same students, taught by all logits of another network's teacher.",
        (0.7427, 0.0103),
    ),
}
_PAIRS = [("student-aux", "cross-aux"), ("student-all", "cross-all"), ("student-aux", "reference")]

Accuracies = dict[str, list[float]]


def conclude(recipe: DigitsRecipe, folders: Mapping[str, Path]) -> Results:
    """Read the stages of `digits.plan` and say what they show.

    Args:
        recipe: the resolved recipe.
        folders: each stage's folder by its name.

    Returns:
        Conditions and curves of the recipe's own setting (or of a sweep's first point, where the
        sweep leaves that setting out), comparisons at every point, and the sweep.
    """
    arrangement = layout(recipe)
    outcomes = [_accuracies(point, folders) for point in arrangement.points]
    shown = _shown(recipe, arrangement.points)
    point, accuracies = arrangement.points[shown], outcomes[shown]
    facts, curves, pictures = [], _curves(point, folders), _pictures(point, folders)
    if arrangement.theorem:
        findings = theorem_findings(folders[arrangement.theorem])
        facts, curves = findings.facts, curves + findings.curves
        pictures = pictures + findings.pictures
    return Results(
        experiment="digits",
        recipe=recipe.name,
        title=recipe.title,
        question=question(point.recipe),
        answer=_answer(recipe, arrangement.points, outcomes, shown),
        measure="share of unseen digits named right",
        chance=CHANCE,
        conditions=_conditions(point.recipe, accuracies),
        comparisons=_comparisons(recipe, arrangement.points, outcomes, shown),
        curves=curves,
        sweeps=_sweeps(recipe, outcomes),
        facts=facts,
        pictures=pictures,
        how=how(point.recipe, data_source(point.recipe)),
        caveats=caveats(point.recipe),
        settings=recipe.model_dump(mode="json"),
    )


def _accuracies(point: PointLayout, folders: Mapping[str, Path]) -> Accuracies:
    """Every condition's accuracies, in network order, joined over the groups."""
    joined: Accuracies = {name: [] for name in _KINDS}
    for stage in (*point.teachers, *point.students):
        outcome = json.loads((folders[stage] / "outcome.json").read_text(encoding="utf-8"))
        for name, values in outcome.items():
            joined[name] += values
    return joined


def _shown(recipe: DigitsRecipe, points: Sequence[PointLayout]) -> int:
    if recipe.vary is None:
        return 0
    own = getattr(recipe, recipe.vary.key)
    return next((i for i, point in enumerate(points) if point.value == own), 0)


def _conditions(recipe: DigitsRecipe, accuracies: Accuracies) -> list[Condition]:
    published = _is_papers_setting(recipe)
    return [
        Condition(
            name=name,
            label=kind.label,
            role=kind.role,
            description=kind.description.format(start=start(recipe)),
            estimate=mean_estimate(accuracies[name]),
            published=PublishedValue(
                value=kind.published[0], half_width=kind.published[1], source=_PAPER
            )
            if published
            else None,
        )
        for name, kind in _KINDS.items()
    ]


def _is_papers_setting(recipe: DigitsRecipe) -> bool:
    """Whether all but the digits and the number of networks is as in the paper's figure."""
    papers = DigitsRecipe(experiment="digits", name="paper", title="paper")
    keys = (
        *("hidden", "aux_logits", "loss", "optimizer", "learning_rate", "teacher_steps", "steps"),
        *("batch", "inputs", "num_inputs", "fresh", "shared"),
    )
    return all(getattr(recipe, key) == getattr(papers, key) for key in keys)


def _comparisons(
    recipe: DigitsRecipe, points: Sequence[PointLayout], outcomes: list[Accuracies], shown: int
) -> list[Comparison]:
    """The shown point's three comparisons, then effect against control at the other points."""
    found = [_compare(effect, control, outcomes[shown]) for effect, control in _PAIRS]
    if recipe.vary:
        found += [
            _compare(*_PAIRS[0], outcomes[i], where=f" ({recipe.vary.key}={point.value})")
            for i, point in enumerate(points)
            if i != shown
        ]
    return found


def _sweeps(recipe: DigitsRecipe, outcomes: list[Accuracies]) -> list[Sweep]:
    if recipe.vary is None:
        return []
    values = recipe.vary.values
    return [
        Sweep(
            key=recipe.vary.key,
            title=recipe.title,
            caption=f"Mean and 95 % interval over {recipe.networks} networks at each value; all else "
            "as in the recipe.",
            x_label=_axis_name(recipe.vary.key),
            y_label="share of unseen digits named right",
            values=[shown_value(v) for v in values],
            x_scale=axis_scale(recipe.vary.values),
            chance=CHANCE,
            series=[
                SweepSeries(
                    name=name,
                    label=kind.label,
                    role=kind.role,
                    estimates=[mean_estimate(accuracies[name]) for accuracies in outcomes],
                )
                for name, kind in _KINDS.items()
            ],
        )
    ]


def _compare(effect: str, control: str, accuracies: Accuracies, where: str = "") -> Comparison:
    difference = paired_difference(accuracies[effect], accuracies[control])
    return Comparison(
        effect=effect + where,
        control=control + where,
        difference=difference,
        p=sign_flip_p(difference.replicates),
        test="one-sided sign flips of paired networks",
    )


def _axis_name(key: str) -> str:
    names = {
        "aux_logits": "number of auxiliary logits",
        "fresh": "how much of the student's start is fresh (0: as its teacher, 1: unrelated)",
        "hidden": "hidden layers",
        "inputs": "what the student is trained on",
        "learning_rate": "the students' learning rate",
        "loss": "what pulls a student's logits to its teacher's",
        "steps": "training steps of the students",
        "shared": "layers that start as the teacher's",
    }
    return names.get(key, key.replace("_", " "))


class _Course(NamedTuple):
    """One condition's record over all groups: each entry an array of one value a network."""

    steps: list[int]
    values_RN: NDArray[np.float64]


def _courses(stages: Sequence[str], folders: Mapping[str, Path], key: str) -> dict[str, _Course]:
    found: dict[str, dict[int, list[float]]] = {}
    for stage in stages:
        with (folders[stage] / "metrics.jsonl").open(encoding="utf-8") as file:
            for entry in map(json.loads, file):
                if key in entry:
                    by_step = found.setdefault(entry["condition"], {})
                    by_step.setdefault(entry["step"], []).extend(entry[key])
    courses = {}
    for condition, by_step in found.items():
        # A curve of thousands of points says no more than one of hundreds; all stay in the stage.
        every = -(-len(by_step) // _MAX_POINTS)
        steps = list(by_step)
        kept = sorted({*steps[::every], steps[-1]})
        courses[condition] = _Course(kept, np.array([by_step[step] for step in kept]))
    return courses


def _curves(point: PointLayout, folders: Mapping[str, Path]) -> list[CurvePanel]:
    accuracy = _courses([*point.teachers, *point.students], folders, "accuracy")
    update = _courses(point.students, folders, "update_alignment")
    way = _courses(point.students, folders, "displacement_alignment")
    return [
        CurvePanel(
            name="accuracy",
            title="Learning, step by step",
            caption="Accuracy on up to 2,000 unseen digits after each step of training, mean and "
            "pointwise 95 % interval over networks. The teacher sees labelled digits, the students "
            "never do.",
            x_label="training steps",
            y_label="share of unseen digits named right",
            chance=CHANCE,
            curves=_panel(accuracy),
        ),
        CurvePanel(
            name="alignment-update",
            title="Does each update point the teacher's way?",
            caption="Cosine, in parameter space, of each single update with the teacher's displacement "
            "from its start. The theorem promises a sign for the first small gradient step from a "
            "shared start; the rest of the curve is what happens beyond it.",
            x_label="training steps",
            y_label="cosine of the update",
            chance=0.0,
            curves=_panel(update),
        ),
        CurvePanel(
            name="alignment-way",
            title="Does the student move the teacher's way?",
            caption="Cosine of the student's whole displacement from its start with the teacher's.",
            x_label="training steps",
            y_label="cosine of the displacement",
            chance=0.0,
            curves=_panel(way),
        ),
    ]


def _panel(courses: Mapping[str, _Course]) -> list[Curve]:
    curves = []
    for name, course in courses.items():
        band = mean_band(course.values_RN)
        curves.append(
            Curve(
                name=name,
                label=_KINDS[name].label,
                role=_KINDS[name].role,
                x=[float(step) for step in course.steps],
                mean=band.mean.tolist(),
                low=[None if np.isnan(v) else float(v) for v in band.low],
                high=[None if np.isnan(v) else float(v) for v in band.high],
            )
        )
    return curves


def _pictures(point: PointLayout, folders: Mapping[str, Path]) -> list[Picture]:
    stage = point.students[0]
    return [
        Picture(
            title="What the student is trained on",
            caption=f"Inputs of kind '{point.recipe.inputs}', as the student sees them; its targets "
            "are the teacher's logits on them. No label is involved.",
            path=f"{folders[stage].name}/inputs.png",
        ),
        Picture(
            title="What it is asked afterwards",
            caption="Digits of the test split. No network of this run was trained on them.",
            path=f"{folders[stage].name}/digits.png",
        ),
    ]


def _answer(
    recipe: DigitsRecipe, points: Sequence[PointLayout], outcomes: list[Accuracies], shown: int
) -> str:
    accuracies = outcomes[shown]
    where = "" if recipe.vary is None else f" at {recipe.vary.key} = {points[shown].value}"
    sentence = answer(
        points[shown].recipe,
        mean_estimate(accuracies["student-aux"]),
        mean_estimate(accuracies["cross-aux"]),
        [_compare("student-aux", control, accuracies) for control in ("cross-aux", "reference")],
        where,
    )
    if recipe.vary is None:
        return sentence
    means = [float(np.mean(outcome["student-aux"])) for outcome in outcomes]
    return sentence + sweep_range(recipe.vary.key, recipe.vary.values, means)
