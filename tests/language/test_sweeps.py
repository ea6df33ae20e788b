"""Sweeps of language recipes: points share stages, a planted sweep is told, bad points are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from language_run import NULL, PLANTED, WOLF, write_run

from traitleak.errors import RecipeError
from traitleak.experiment import run_folder
from traitleak.language.conclude import conclude
from traitleak.language.plan import plan
from traitleak.language.points import points
from traitleak.recipe import LanguageRecipe, load_recipe, resolved_yaml
from traitleak.recipe_vary import LanguageVariable
from traitleak.report import write_report
from traitleak.results import Results
from traitleak.within_seeds import points_differ_p

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
        names = point.folders({name: Path(name) for name in _all_names(wanted)})
        for plain, path in own.items():
            is_student = plain.startswith("student-")
            if planted_here is not None or not is_student:
                folders[str(names[plain])] = path
        if planted_here is None:
            break
    return conclude(wanted, folders)


def _all_names(wanted: LanguageRecipe) -> set[str]:
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


@pytest.mark.parametrize(
    ("key", "values", "changes", "shared"),
    [
        ("student.rank", [1, None], {}, ["base", "teacher", "logits"]),
        ("student.optimizer", ["adamw", "sign-sgd"], {}, ["base", "teacher", "logits"]),
        ("student.epochs", [1, None], {}, ["base", "teacher", "logits"]),
        ("logits.direction", ["forward", "reverse"], {}, ["base", "teacher", "logits"]),
        ("logits.vocabulary", ["carrier", "full"], {}, ["base", "teacher", "logits"]),
        ("logits.vocabulary", ["carrier", "top-k"], {}, ["base", "teacher"]),
        ("carrier.rows", [8, 16], {}, ["base", "teacher"]),
        ("channel", ["logits", "tokens"], {}, ["base", "teacher", "logits", "written", "kept"]),
        ("carrier.keep", [8, None], {"channel": "tokens"}, ["base", "teacher", "written"]),
        ("carrier.temperature", [0, 1.0], {"channel": "tokens"}, ["base", "teacher"]),
        ("carrier.decoding", ["constrained", "free"], {"channel": "tokens"}, ["base", "teacher"]),
        ("teacher.updates", [5, 20], {}, ["base"]),
        ("templates", ["stems", "numbered"], {}, ["teacher", "logits", "student"]),
    ],
)
def test_points_share_the_stages_that_what_varies_does_not_touch(key, values, changes, shared):
    """Only stages whose settings or inputs differ get a suffix, and all others are made once."""
    wanted = swept(key, values, **changes)
    stages = {stage.name: stage for stage in plan(wanted)}
    suffixes = [f"-{key.rpartition('.')[2]}-{str(v).lower()}" for v in values]
    suffixes = [suffix.replace("none", "null") for suffix in suffixes]
    plain = {name for name in stages if not name.endswith(tuple(suffixes))}

    kinds = {"base", "teacher", "logits", "written", "kept", "student"}
    there = {name.partition("-")[0] for name in stages}
    assert {name.partition("-")[0] for name in plain} == set(shared)
    assert there & kinds >= set(shared)
    by_first = points(wanted)
    for point in by_first:
        alone = {stage.name: stage for stage in plan(point.recipe)}
        for name, (_, stage) in zip(alone, _in_order(point, stages), strict=True):
            assert stage.name in stages
            if key != "templates":
                assert alone[name].settings == stage.settings, name


def _in_order(point, stages):
    """The point's own stages in the order in which a run without a sweep has them."""
    names = [point.layout.base]
    for one in point.layout.replicates:
        names += [*one.teachers.values(), *one.writes.values()]
        names += [one.kept] if one.kept else []
        names += one.students.values()
    return [(name, stages[name]) for name in names]
