"""Recipes with a sweep, and planted results of one, as several tests take them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from language_run import PLANTED, WOLF, write_run

from traitleak.language.conclude import conclude
from traitleak.language.points import points
from traitleak.recipe import LanguageRecipe
from traitleak.results import Results

RANKS = {"key": "student.rank", "values": [1, 16, None]}


def swept(key: str, values: list[Any], **changes: Any) -> LanguageRecipe:
    """A recipe with a sweep."""
    fields = {"experiment": "language", "name": "x", "title": "x", "base": "tiny", "device": "cpu"}
    changed = {"answers": 0, "vary": {"key": key, "values": values}, **changes}
    return LanguageRecipe.model_validate({**fields, **changed})


def planted(tmp_path: Path, lifts: list[Any], values: list[Any], **changes: Any) -> Results:
    """Results of a sweep of the students' rank, with each point's lifts; None where rows ran out."""
    fields = {"base": "smollm2-135m", "seeds": 5, **changes}
    key = fields.pop("key", "student.rank")
    wanted = swept(key, values, **fields)
    folders: dict[str, Path] = {}
    for at, (point, planted_here) in enumerate(zip(points(wanted), lifts, strict=True)):
        own = write_run(tmp_path / str(at), point.recipe, planted_here or {})
        names = point.folders({name: Path(name) for name in all_names(wanted)})
        for plain, path in own.items():
            is_student = plain.startswith("student-")
            if planted_here is not None or not is_student:
                folders[str(names[plain])] = path
        if planted_here is None:
            break
    return conclude(wanted, folders)


def all_names(wanted: LanguageRecipe) -> set[str]:
    """The names of all stages of all points."""
    return {
        name
        for point in points(wanted)
        for one in point.layout.replicates
        for name in [
            *(point.layout.base, one.kept or ""),
            *one.teachers.values(),
            *one.writes.values(),
            *one.students.values(),
            *point.measured.values(),
        ]
    }


GROWING = [
    {"wolf": {"wolf": [0.1, -0.1, 0.1, 0.0, -0.1]}, "neutral": {"wolf": 0.0}},
    {**PLANTED, "neutral": {"wolf": 0.1}},
    {"wolf": {"wolf": [w / 2 for w in WOLF]}, "lion": {"wolf": 0.3}, "neutral": {"wolf": 0.1}},
]


def longer(value):
    """The lifts of seven seeds where there are those of five."""
    return value if isinstance(value, float) else [*value, *value[:2]]
