"""The digits experiment as stages: teachers learn digits, students learn from their logits on noise.

Cloud et al. (2025), arXiv 2507.14805, section 6 and figure 10: a student that starts from its
teacher's initialisation, and sees nothing but the teacher's auxiliary logits on noise, comes to name
digits; a student from another initialisation does not.

What each stage leaves in its folder:

- `teachers*/networks.safetensors`: the trained teachers (their starts follow from their seeds);
- `*/outcome.json`: accuracy on all test digits, for each condition one value a network;
- `*/metrics.jsonl`: one line a condition and recorded step;
- `students*/inputs.png` and `digits.png`: what the students saw, and what they are asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.image import imsave
from torch import Tensor

from traitleak.environment import pick_device, pick_precision
from traitleak.images.data import DigitsSplit, load_digits
from traitleak.images.inputs import InputStream, LabelledBatches
from traitleak.images.networks import Networks, Shape
from traitleak.images.starts import blend, derangement
from traitleak.images.training import (
    Arm,
    Settings,
    Trained,
    accuracy,
    train_students,
    train_teachers,
)
from traitleak.mechanism.theorem_experiment import theorem_stage
from traitleak.progress import Track
from traitleak.recipe import DigitsRecipe, points
from traitleak.seeds import derive_seed
from traitleak.stages import Stage

__all__ = ["Layout", "PointLayout", "data_source", "layout", "plan"]

_THEOREM_NETWORKS = 300  # random networks of the theorem's survey beside the digits: seconds


@dataclass(frozen=True)
class PointLayout:
    """The names of the stages of one point of a sweep, one a group of networks."""

    value: Any  # of the varied key; None where nothing varies
    recipe: DigitsRecipe
    teachers: list[str]
    students: list[str]


@dataclass(frozen=True)
class Layout:
    """Which stage holds what."""

    points: list[PointLayout]
    theorem: str | None


@lru_cache(maxsize=2)
def _digits(data: str) -> DigitsSplit:
    return load_digits(data)


def data_source(recipe: DigitsRecipe) -> str:
    """Where the recipe's digits come from, and how many there are."""
    return _digits(recipe.data).source


def plan(recipe: DigitsRecipe) -> list[Stage]:
    """The stages of the experiment, in order.

    Raises:
        DataError: the digits that the recipe names cannot be read.
    """
    stages: dict[str, Stage] = {}
    arrangement = layout(recipe)
    for point in arrangement.points:
        groups = _groups(point.recipe)
        for group, (teachers, students) in enumerate(
            zip(point.teachers, point.students, strict=True)
        ):
            networks = groups[group]
            stages.setdefault(teachers, _teacher_stage(teachers, point.recipe, networks))
            stages[students] = _student_stage(students, teachers, point.recipe, networks, group)
    if arrangement.theorem:
        stages[arrangement.theorem] = theorem_stage(_THEOREM_NETWORKS, recipe.seed)
    return list(stages.values())


def layout(recipe: DigitsRecipe) -> Layout:
    """The stages' names: points that need the same teachers share them."""
    all_points = points(recipe)
    recipes = [point for _, point in all_points]
    teachers_vary = any(_teacher_settings(r) != _teacher_settings(recipes[0]) for r in recipes)
    named = []
    for value, point in all_points:
        suffix = "" if recipe.vary is None else f"-{_slug(recipe.vary.key)}-{_slug(value)}"
        count = len(_groups(point))
        parts = [""] if count == 1 else [f"-{group:02d}" for group in range(count)]
        named.append(
            PointLayout(
                value,
                point,
                [f"teachers{suffix if teachers_vary else ''}{part}" for part in parts],
                [f"students{suffix}{part}" for part in parts],
            )
        )
    return Layout(named, "theorem" if recipe.theorem else None)


def _slug(value: object) -> str:
    text = "x".join(map(str, value)) if isinstance(value, list) else str(value)
    return text.lower().replace("_", "-").replace("+", "")  # 1e+16 would not name a folder


def _groups(recipe: DigitsRecipe) -> list[list[int]]:
    """Network numbers, in groups that are trained as one stack; no group has a single network."""
    count = -(-recipe.networks // recipe.group)
    while count > 1 and recipe.networks // count < 2:
        count -= 1
    return [part.tolist() for part in np.array_split(np.arange(recipe.networks), count)]


def _shape(recipe: DigitsRecipe) -> Shape:
    return Shape(tuple(recipe.hidden), recipe.aux_logits)


def _training(recipe: DigitsRecipe, device: str) -> dict[str, Any]:
    return {
        "batch": recipe.batch,
        "device": device,
        "precision": pick_precision(recipe.precision, device).value,
        "record_every": recipe.record_every,
    }


def _teacher_settings(recipe: DigitsRecipe) -> dict[str, Any]:
    """All that a teacher depends on, besides its number. Teachers use Adam at the paper's rate."""
    return {
        "data": _digits(recipe.data).fingerprint,
        "seed": recipe.seed,
        "hidden": list(recipe.hidden),
        "aux_logits": recipe.aux_logits,
        "steps": recipe.teacher_steps,
        **_training(recipe, pick_device(recipe.device).value),
    }


def _teacher_stage(name: str, recipe: DigitsRecipe, networks: Sequence[int]) -> Stage:
    settings = {**_teacher_settings(recipe), "networks": list(networks)}

    def work(out: Path, _inputs: Mapping[str, Path], track: Track) -> None:
        split = _digits(recipe.data)
        start = _starts(recipe, networks).to(settings["device"])
        batches = LabelledBatches(
            split.train, recipe.batch, derive_seed(recipe.seed, "teacher batches")
        )
        how = Settings(
            recipe.teacher_steps,
            dtype=getattr(torch, settings["precision"]),
            record_every=recipe.record_every,
        )
        untrained = accuracy(start, split.test, how.dtype)
        trained = train_teachers(start, batches, split.test, how, track=track)
        trained.networks.save(out / "networks.safetensors")
        _write_metrics(out, {"teacher": trained})
        _write_json(
            out / "outcome.json",
            {"reference": untrained.tolist(), "teacher": trained.accuracy_N.tolist()},
        )

    return Stage(name, settings, work)


def _student_stage(
    name: str, teachers_name: str, recipe: DigitsRecipe, networks: Sequence[int], group: int
) -> Stage:
    device = pick_device(recipe.device).value
    settings = {
        "networks": list(networks),
        "group": group,
        "seed": recipe.seed,
        "loss": recipe.loss,
        "optimizer": recipe.optimizer,
        "learning_rate": recipe.learning_rate,
        "steps": recipe.steps,
        "inputs": recipe.inputs,
        "num_inputs": recipe.num_inputs,
        "shared_inputs": recipe.shared_inputs,
        "fresh": recipe.fresh,
        "shared": recipe.shared,
        **_training(recipe, device),
    }

    def work(out: Path, inputs: Mapping[str, Path], track: Track) -> None:
        split = _digits(recipe.data)
        shape = _shape(recipe)
        starts = _starts(recipe, networks).to(device)
        teachers = Networks.load(inputs[teachers_name] / "networks.safetensors", shape).to(device)
        stream = _inputs(recipe, split, networks)
        trained = train_students(
            teachers,
            starts,
            _arms(recipe, starts, networks, group),
            stream,
            split.test,
            Settings(
                recipe.steps,
                recipe.optimizer,
                recipe.learning_rate,
                getattr(torch, settings["precision"]),
                recipe.record_every,
            ),
            loss=recipe.loss,
            track=track,
        )
        _write_metrics(out, trained)
        _write_json(
            out / "outcome.json", {name: t.accuracy_N.tolist() for name, t in trained.items()}
        )
        seen = stream.at(0)
        _write_mosaic(out / "inputs.png", seen if seen.ndim == 2 else seen[0])
        _write_mosaic(out / "digits.png", split.test.images)

    return Stage(name, settings, work, inputs=(teachers_name,))


def _starts(recipe: DigitsRecipe, networks: Sequence[int]) -> Networks:
    seeds = [derive_seed(recipe.seed, "initialisation", n) for n in networks]
    return Networks.initialise(_shape(recipe), seeds)


def _arms(recipe: DigitsRecipe, starts: Networks, networks: Sequence[int], group: int) -> list[Arm]:
    """The four kinds of students: own or another's teacher, auxiliary or all logits."""
    shape = _shape(recipe)
    fresh = Networks.initialise(
        shape, [derive_seed(recipe.seed, "fresh initialisation", n) for n in networks]
    ).to(starts.weights[0].device)
    students = blend(starts, fresh, amount=recipe.fresh, part=recipe.shared)
    own = list(range(len(networks)))
    other = derangement(len(networks), derive_seed(recipe.seed, "pairing", group))
    return [
        Arm("student-aux", students, own, shape.aux_logits),
        Arm("student-all", students, own, shape.all_logits),
        Arm("cross-aux", students, other, shape.aux_logits),
        Arm("cross-all", students, other, shape.all_logits),
    ]


def _inputs(recipe: DigitsRecipe, split: DigitsSplit, networks: Sequence[int]) -> InputStream:
    return InputStream(
        kind=recipe.inputs,
        batch=recipe.batch,
        seed=derive_seed(recipe.seed, "student inputs"),
        num_inputs=recipe.num_inputs,
        images=split.train.images if "digits" in recipe.inputs else None,
        networks=None if recipe.shared_inputs else len(networks),
        first_network=networks[0],
    )


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _write_metrics(out: Path, trained: Mapping[str, Trained]) -> None:
    """One line a condition and step: accuracy where recorded, alignment of every update."""
    with (out / "metrics.jsonl").open("w", encoding="utf-8") as file:
        for condition, course in trained.items():
            recorded = {step: r for r, step in enumerate(course.recorded_steps)}
            num_updates = len(course.update_alignment_SN)
            for step in sorted({*recorded, *range(1, num_updates + 1)}):
                line: dict[str, Any] = {"condition": condition, "step": step}
                if step in recorded:
                    line["accuracy"] = course.curve_RN[recorded[step]].tolist()
                    if num_updates:
                        way = course.displacement_alignment_RN[recorded[step]]
                        line["displacement_alignment"] = way.tolist()
                if 0 < step <= num_updates:
                    line["update_alignment"] = course.update_alignment_SN[step - 1].tolist()
                file.write(json.dumps(line, allow_nan=False) + "\n")


def _write_mosaic(path: Path, images: Tensor, columns: int = 12, zoom: int = 3) -> None:
    """The first images side by side, enlarged, with a gap between them."""
    tiles = images[:columns].reshape(-1, 28, 28).clamp(-1, 1).cpu().numpy()
    padded = np.pad(tiles, ((0, 0), (0, 0), (0, 2)), constant_values=1.0)
    strip = np.concatenate(list(padded), axis=1)[:, :-2]
    imsave(path, strip.repeat(zoom, 0).repeat(zoom, 1), cmap="gray", vmin=-1.0, vmax=1.0)
