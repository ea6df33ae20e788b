"""From the digits experiment's stage folders to `Results`: pure reading, arithmetic and sentences."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from traitleak.environment import pick_device, pick_precision
from traitleak.images.digits import PointLayout, layout
from traitleak.mechanism.theorem_experiment import theorem_findings
from traitleak.recipe import DigitsRecipe
from traitleak.results import (
    Comparison,
    Condition,
    Curve,
    CurvePanel,
    Estimate,
    Picture,
    PublishedValue,
    Results,
    Role,
    Sweep,
    SweepSeries,
)
from traitleak.statistics import mean_band, mean_estimate, paired_difference, sign_flip_p

__all__ = ["conclude"]

CHANCE = 0.1
_ALPHA = 0.05
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
        "Starts as its teacher did; trained on the teacher's auxiliary logits only.",
        (0.5284, 0.0221),
    ),
    "cross-aux": _Kind(
        "control, other initialisation: auxiliary logits",
        "control",
        "The same rows of another network's teacher: only the initialisation differs.",
        (0.1061, 0.0104),
    ),
    "student-all": _Kind(
        "student: all logits",
        "effect",
        "Starts as its teacher did; trained on all of the teacher's logits.",
        (0.9126, 0.0019),
    ),
    "cross-all": _Kind(
        "control, other initialisation: all logits",
        "control",
        "All logits of another network's teacher: only the initialisation differs.",
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
        question=_question(point.recipe),
        answer=_answer(recipe, arrangement.points, outcomes, shown),
        measure="share of unseen digits named right",
        chance=CHANCE,
        conditions=_conditions(point.recipe, accuracies),
        comparisons=_comparisons(recipe, arrangement.points, outcomes, shown),
        curves=curves,
        sweeps=_sweeps(recipe, outcomes),
        facts=facts,
        pictures=pictures,
        how=_how(point.recipe),
        caveats=_caveats(point.recipe),
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
            description=kind.description,
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
        *("batch", "inputs", "fresh", "shared"),
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
    numeric = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    return [
        Sweep(
            key=recipe.vary.key,
            title=recipe.title,
            caption=f"Mean and 95 % interval over {recipe.networks} networks at each value; all else "
            "as in the recipe.",
            x_label=_axis_name(recipe.vary.key),
            y_label="share of unseen digits named right",
            values=[v if not isinstance(v, list) else "x".join(map(str, v)) for v in values],
            x_scale="linear" if numeric else "category",
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


def _verdict(*comparisons: Comparison) -> str:
    """Yes only where every comparison has an interval above zero and a p of .05 or less."""
    num = comparisons[0].difference.n
    if 0.5**num > _ALPHA:
        return f"Too few networks to say ({num} pairs cannot give a p below {0.5**num:.2g})"
    found = all(c.difference.low is not None and c.difference.low > 0 for c in comparisons)
    return "Yes" if found and all(c.p <= _ALPHA for c in comparisons) else "Not found at this size"


def _axis_name(key: str) -> str:
    names = {
        "aux_logits": "number of auxiliary logits",
        "fresh": "how much of the student's start is fresh (0: as its teacher, 1: unrelated)",
        "hidden": "hidden layers",
        "inputs": "what the student is trained on",
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
        for line in (folders[stage] / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            if key in entry:
                by_step = found.setdefault(entry["condition"], {})
                by_step.setdefault(entry["step"], []).extend(entry[key])
    return {
        condition: _Course(list(by_step), np.array(list(by_step.values())))
        for condition, by_step in found.items()
    }


def _curves(point: PointLayout, folders: Mapping[str, Path]) -> list[CurvePanel]:
    accuracy = _courses([*point.teachers, *point.students], folders, "accuracy")
    update = _courses(point.students, folders, "update_alignment")
    way = _courses(point.students, folders, "displacement_alignment")
    return [
        CurvePanel(
            name="accuracy",
            title="Learning, step by step",
            caption="Accuracy on unseen digits after each step of training, mean and pointwise 95 % "
            "interval over networks. The teacher sees labelled digits, the students never do.",
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


def _percent(estimate: Estimate) -> str:
    text = f"{100 * estimate.value:.1f} %"
    if estimate.low is None or estimate.high is None:
        return f"{text} (one seed: no interval)"
    return f"{text} [{100 * estimate.low:.1f}, {100 * estimate.high:.1f}]"


def _question(recipe: DigitsRecipe) -> str:
    inputs = {
        "noise": "noise",
        "gaussian": "Gaussian noise",
        "binary": "black-and-white noise",
        "digits": "digits without labels",
        "shuffled-digits": "digits with shuffled pixels",
    }[recipe.inputs]
    return (
        f"Does a network learn to name digits from its teacher's {recipe.aux_logits} auxiliary logits "
        f"on {inputs}, although no label ever touched those logits and it never sees a digit's name?"
    )


def _answer(
    recipe: DigitsRecipe, points: Sequence[PointLayout], outcomes: list[Accuracies], shown: int
) -> str:
    accuracies = outcomes[shown]
    student = mean_estimate(accuracies["student-aux"])
    cross = mean_estimate(accuracies["cross-aux"])
    against_cross = _compare("student-aux", "cross-aux", accuracies)
    figures = (
        f"students that start as their teacher did name {_percent(student)} of unseen digits right, "
        f"students that start elsewhere {_percent(cross)} "
        f"(n = {student.n} networks each, 95 % intervals, p = {against_cross.p:.2g}; chance is 10 %)"
    )
    verdict = _verdict(against_cross, _compare("student-aux", "reference", accuracies))
    where = "" if recipe.vary is None else f" at {recipe.vary.key} = {points[shown].value}"
    sentence = f"{verdict}{where}: {figures}."
    if recipe.vary is not None:
        means = [float(np.mean(o["student-aux"])) for o in outcomes]
        low, high = int(np.argmin(means)), int(np.argmax(means))
        sentence += (
            f" Over the sweep the students' mean runs from {100 * means[low]:.1f} % "
            f"({recipe.vary.key} = {points[low].value}) to {100 * means[high]:.1f} % "
            f"({recipe.vary.key} = {points[high].value})."
        )
    return sentence


def _how(recipe: DigitsRecipe) -> list[str]:
    device = pick_device(recipe.device)
    precision = pick_precision(recipe.precision, device.value)
    layers = "-".join(map(str, (784, *recipe.hidden, f"(10+{recipe.aux_logits})")))
    revisits = (
        "every image new"
        if recipe.num_inputs is None
        else f"{recipe.num_inputs:,} distinct images, revisited in passes"
    )
    return [
        f"{recipe.networks} networks {layers} with ReLU, weights from N(0, 1/fan-in), zero biases; "
        "one seed a network.",
        f"Teachers: {recipe.teacher_steps} steps of Adam at 3e-4, batches of {recipe.batch} labelled "
        "digits, cross-entropy over the ten class logits.",
        f"Students: {recipe.steps} steps of {recipe.optimizer} at {recipe.learning_rate:g}, batches of "
        f"{recipe.batch} inputs of kind '{recipe.inputs}' ({revisits}), "
        + ("KL divergence" if recipe.loss == "kl" else "squared error")
        + " to the teacher's logits.",
        "Control students get the logits of another network's teacher, by a permutation without "
        "fixed point; inputs, steps and optimiser are the same.",
        "Intervals: Student's t over networks; p: exact one-sided sign flips of paired networks up "
        "to 20 networks, 100,000 random ones beyond.",
        f"Matrix products in {precision.value} on {device.value}: {precision.reason} Parameters, "
        "optimiser state and losses in float32.",
    ]


def _caveats(recipe: DigitsRecipe) -> list[str]:
    caveats = [
        "The unit of replication is the network: single networks spread widely (the dots), so a "
        "single run proves little.",
    ]
    if recipe.shared_inputs:
        caveats.append(
            "All networks see the same inputs and batches: the intervals cover the draw of the "
            "initialisation, not that of the noise (shared_inputs=false draws both)."
        )
    if recipe.data == "bundled":
        caveats.append(
            "8,000 training digits and 2,000 test digits instead of the paper's 60,000 and 10,000: "
            "teachers see each digit more often. data=full takes the whole of MNIST."
        )
    caveats.append(
        "Small image classifiers are not language models: the mechanism is the theorem's, the size of "
        "the effect says nothing about other models."
    )
    return caveats
