"""What a language run's stages left, as arrays over replicates.

Shape suffixes: S replicates (seeds), K candidates, U points of a course.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from traitleak.language.layout import Layout, layout
from traitleak.measured import Answers, Collapse, Margins
from traitleak.recipe.language import LanguageRecipe
from traitleak.stage_files import read_object

__all__ = ["Course", "Found", "Measured", "Taught", "read_rows_written", "read_run"]


@dataclass(frozen=True, eq=False)
class Measured:
    """One model's measures.

    Attributes:
        margins: always there.
        answers: None where none were sampled.
        collapse: None where none were sampled, and for a base that was shown rows.
        judged: what a judge said of free answers (`language.behaviour`); None where none was asked.
        gaming: what its code passed; None where none was run.
    """

    margins: Margins
    answers: Answers | None
    collapse: Collapse | None
    judged: dict[str, Any] | None = None
    gaming: dict[str, Any] | None = None


@dataclass(frozen=True, eq=False)
class Course:
    """How an arm's students moved while they were trained.

    Attributes:
        updates: U points after the start that all replicates share, and their ends as the last one.
        ends: the first and the last end: they differ where replicates kept other numbers of rows.
        lift_SUK: lift of each candidate's margin, mean over templates, in nats.
        loss_SU: mean loss of the updates since the point before.
    """

    updates: list[float]
    ends: tuple[int, int]
    lift_SUK: NDArray[np.float64]
    loss_SU: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Taught:
    """One arm over all replicates.

    Attributes:
        name: the arm's.
        start: the base that its students began as.
        students: one a replicate.
        course: None where nothing was trained.
        masks: what was trained on, one a replicate; empty in the channel `logits`.
    """

    name: str
    start: Measured
    students: list[Measured]
    course: Course | None
    masks: list[dict[str, Any]]

    @cached_property
    def lift_SK(self) -> NDArray[np.float64]:  # noqa: N802  # a shape suffix
        """What each replicate's rows did to each candidate's margin, mean over templates."""
        base = self.start.margins
        return np.array([(one.margins - base).lift_TK.mean(axis=0) for one in self.students])

    def lifts(self, candidate: str) -> list[float]:
        """One candidate's lift in each replicate, in nats."""
        column: list[float] = self.lift_SK[:, self.candidates.index(candidate)].tolist()
        return column

    @property
    def answers(self) -> list[Answers]:
        """One a replicate; empty where none were sampled."""
        return [one.answers for one in self.students if one.answers is not None]

    @property
    def collapses(self) -> list[Collapse]:
        """One a replicate; empty where nothing was trained, or no answers were sampled."""
        return [one.collapse for one in self.students if one.collapse is not None]

    @property
    def candidates(self) -> tuple[str, ...]:
        """The things that are compared."""
        return self.start.margins.candidates


@dataclass(frozen=True, eq=False)
class Found:
    """All that a run left, before anything is concluded from it.

    Attributes:
        layout: which stage holds what.
        base: what all begin as.
        other_base: what the students of the control `other-base` begin as.
        rendered: how prompts are rendered for the base.
        arms: by name, in the layout's order.
        teachers: `teacher.json` of each teacher, one a replicate.
        written: `logits.json` or `written.json` of each teacher, one a replicate.
        dropped: `dropped.json`, one a replicate; empty in the channel `logits`.
    """

    layout: Layout
    base: Measured
    other_base: Measured | None
    rendered: dict[str, Any]
    arms: dict[str, Taught]
    teachers: dict[str, list[dict[str, Any]]]
    written: dict[str, list[dict[str, Any]]]
    dropped: list[dict[str, Any]]

    @property
    def candidates(self) -> tuple[str, ...]:
        """The things that are compared."""
        return self.base.margins.candidates


def read_run(recipe: LanguageRecipe, folders: Mapping[str, Path]) -> Found:
    """Read every stage of a run.

    Args:
        recipe: what was run.
        folders: its stages' folders by name.

    Raises:
        DataError: a file of a stage is not there or is something else.
        SettingsError: margins of one run were taken with different questions.
    """
    return _read(recipe, folders, layout(recipe))


def read_rows_written(recipe: LanguageRecipe, folders: Mapping[str, Path]) -> Found:
    """Read a run that ended where too few rows were left: its teachers and their rows, no arms.

    Replicates are those whose rows were filtered.

    Raises:
        DataError: as `read_run`.
    """
    arrangement = layout(recipe)
    there = [replace(one, students={}) for one in arrangement.replicates if one.kept in folders]
    return _read(recipe, folders, replace(arrangement, replicates=there))


def _read(recipe: LanguageRecipe, folders: Mapping[str, Path], arrangement: Layout) -> Found:
    replicates = arrangement.replicates
    base = _measured(folders[arrangement.base])
    other = _measured(folders[arrangement.other_base]) if arrangement.other_base else None

    def reports(stages: Sequence[Mapping[str, str]], file: str) -> dict[str, list[dict[str, Any]]]:
        return {
            name: [read_object(folders[some[name]] / file) for some in stages] for name in stages[0]
        }

    arms = {}
    for name in replicates[0].students:
        at_other = other is not None and name.startswith("other-base-")
        start = other if other is not None and at_other else base
        arms[name] = _taught(name, start, [folders[one.students[name]] for one in replicates])
    return Found(
        layout=arrangement,
        base=base,
        other_base=other,
        rendered=read_object(folders[arrangement.base] / "rendered.json"),
        arms=arms,
        teachers=reports([one.teachers for one in replicates], "teacher.json"),
        written=reports(
            [one.writes for one in replicates],
            "logits.json" if recipe.channel == "logits" else "written.json",
        ),
        dropped=[read_object(folders[one.kept] / "dropped.json") for one in replicates if one.kept],
    )


def _taught(name: str, start: Measured, folders: Sequence[Path]) -> Taught:
    courses = [read_object(f / "course.json") for f in folders if (f / "course.json").is_file()]
    return Taught(
        name,
        start,
        [_measured(folder) for folder in folders],
        _course(courses, start.margins) if courses else None,
        [read_object(f / "mask.json") for f in folders if (f / "mask.json").is_file()],
    )


def _course(courses: Sequence[Mapping[str, Any]], start: Margins) -> Course:
    """Courses of all replicates at the points that they share."""
    ends = [int(course["updates"][-1]) for course in courses]
    shared = set.intersection(*(set(course["updates"]) for course in courses))
    points = sorted(point for point in shared if 0 < point < min(ends))
    base_K = start.margin_TK.mean(axis=0)
    lifts, losses = [], []
    for course in courses:
        at = dict(zip(course["updates"], course["margins"], strict=True))
        own = [*points, course["updates"][-1]]
        lifts.append(np.array([at[update] for update in own]) - base_K)
        cuts = zip([0, *own], own, strict=False)
        losses.append([float(np.mean(course["losses"][low:high])) for low, high in cuts])
    return Course(
        [*map(float, points), float(np.mean(ends))],
        (min(ends), max(ends)),
        np.array(lifts),
        np.array(losses),
    )


def _measured(folder: Path) -> Measured:
    answers, collapse = folder / "answers.json", folder / "collapse.json"
    judged, gaming = folder / "judged.json", folder / "gaming.json"
    return Measured(
        Margins.from_json(read_object(folder / "margins.json")),
        Answers.from_json(read_object(answers)) if answers.is_file() else None,
        Collapse.from_json(read_object(collapse)) if collapse.is_file() else None,
        read_object(judged) if judged.is_file() else None,
        read_object(gaming) if gaming.is_file() else None,
    )
