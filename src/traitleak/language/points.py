"""The points of a sweep: each a recipe of its own, and the stages that it shares with others.

A stage is computed once for all points that agree in everything it depends on. Only where points differ
does its name end in what varies there, as in `student-wolf-0-rank-16`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from traitleak.language.layout import Layout, Replicate, is_untouched, layout
from traitleak.recipe.language import LanguageRecipe

__all__ = ["Point", "points"]


@dataclass(frozen=True)
class Point:
    """One value of what varies, or a recipe without a sweep.

    Attributes:
        value: of the varied field; None where nothing varies.
        recipe: with that value, and without a sweep.
        layout: the stages' names.
        measured: by stage of a student that another point trained: the stage that measures it with
            this point's templates. Empty unless templates vary.
    """

    value: JsonValue
    recipe: LanguageRecipe
    layout: Layout
    measured: dict[str, str]

    def folders(self, folders: Mapping[str, Path]) -> dict[str, Path]:
        """This point's stages by the names that they have in a run without a sweep, if there."""
        own = zip(_names(layout(self.recipe)), _names(self.layout), strict=True)
        found = {plain: self.measured.get(name, name) for plain, name in own}
        return {plain: folders[name] for plain, name in found.items() if name in folders}

    def is_done(self, folders: Mapping[str, Path]) -> bool:
        """Whether all of its stages are among `folders`."""
        return len(self.folders(folders)) == len(_names(self.layout))


def points(recipe: LanguageRecipe) -> list[Point]:
    """The points of a recipe's sweep in its order; one where nothing varies."""
    recipes = recipe.points()
    if recipe.vary is None:
        return [Point(None, recipe, layout(recipe), {})]
    values = recipe.vary.values
    labels = [f"-{_slug(recipe.vary.key.rpartition('.')[2])}-{_slug(value)}" for value in values]
    layouts = [layout(one) for one in recipes]
    needs = [_needs(one, plain) for one, plain in zip(recipes, layouts, strict=True)]
    kinds: dict[str, dict[str, str]] = {}  # by stage: what it depends on, and how such a stage ends
    for label, needed in zip(labels, needs, strict=True):
        for name, on in needed.items():
            kinds.setdefault(name, {}).setdefault(on, label)
    trained: dict[
        str, str
    ] = {}  # by student: the templates it is measured with where it is trained
    measured: dict[tuple[str, str], str] = {}
    made = []
    for at, one in enumerate(recipes):
        names = {
            name: name + (kinds[name][on] if len(kinds[name]) > 1 else "")
            for name, on in needs[at].items()
        }
        arrangement = _renamed(layouts[at], names)
        again = {}
        for plain, student in zip(*map(_students, (layouts[at], arrangement)), strict=True):
            if trained.setdefault(student, one.templates) != one.templates:
                stage = f"measured-{plain}{labels[at]}"
                again[student] = measured.setdefault((student, one.templates), stage)
        made.append(Point(values[at], one, arrangement, again))
    return made


def _needs(recipe: LanguageRecipe, plain: Layout) -> dict[str, str]:
    """By stage all that it depends on, of what a sweep may vary."""
    teacher = recipe.teacher.model_dump()
    carrier = recipe.carrier.model_dump(exclude={"keep"})
    student = recipe.student.model_dump()
    logits = recipe.logits.model_dump() if recipe.channel == "logits" else None
    what = [recipe.channel, logits and [logits["inputs"], _top_k(recipe)]]
    needs: dict[str, Any] = {plain.base: recipe.templates}
    if plain.other_base:
        needs[plain.other_base] = recipe.templates
    for one in plain.replicates:
        taught = {name: None if is_untouched(recipe, name) else teacher for name in one.teachers}
        wrote = {name: [taught[name], carrier, *what] for name in one.writes}
        needs |= {stage: taught[name] for name, stage in one.teachers.items()}
        needs |= {stage: wrote[name] for name, stage in one.writes.items()}
        kept = [[*wrote.values()], recipe.carrier.keep]
        if one.kept:
            needs[one.kept] = kept
        for arm, stage in one.students.items():
            # Of the channel logits a student sees its own teacher only; rows are kept in pairs.
            rows = kept if one.kept else wrote[_teacher(arm, one)]
            untrained = arm.startswith("in-context-")
            needs[stage] = [rows, logits, recipe.templates if untrained else student]
    return {stage: json.dumps(on, sort_keys=True) for stage, on in needs.items()}


def _top_k(recipe: LanguageRecipe) -> int | None:
    return recipe.logits.top_k if recipe.logits.vocabulary == "top-k" else None


def _teacher(arm: str, replicate: Replicate) -> str:
    """Whose opinions an arm is trained on."""
    if arm in replicate.teachers:
        return arm
    return next(name for name in replicate.teachers if arm.endswith(f"-{name}"))


def _slug(value: object) -> str:
    """A value as the end of a folder's name: `0.0002`, `sign-sgd`, `0-1`, `null`."""
    text = "-".join(map(str, value)) if isinstance(value, list) else str(value)
    text = "null" if value is None else text.lower().replace("+", "-")
    return re.sub(r"[^a-z0-9.-]+", "-", text)


def _names(arrangement: Layout) -> list[str]:
    """All stages, in a fixed order."""
    names = [arrangement.base, *([arrangement.other_base] if arrangement.other_base else [])]
    for one in arrangement.replicates:
        names += [*one.teachers.values(), *one.writes.values()]
        names += [*([one.kept] if one.kept else []), *one.students.values()]
    return names


def _students(arrangement: Layout) -> list[str]:
    return [
        stage
        for one in arrangement.replicates
        for arm, stage in one.students.items()
        if not arm.startswith("in-context-")
    ]


def _renamed(plain: Layout, names: Mapping[str, str]) -> Layout:
    def all_of(stages: Mapping[str, str]) -> dict[str, str]:
        return {key: names[stage] for key, stage in stages.items()}

    return Layout(
        names[plain.base],
        names[plain.other_base] if plain.other_base else None,
        [
            replace(
                one,
                teachers=all_of(one.teachers),
                writes=all_of(one.writes),
                kept=names[one.kept] if one.kept else None,
                students=all_of(one.students),
            )
            for one in plain.replicates
        ],
    )
