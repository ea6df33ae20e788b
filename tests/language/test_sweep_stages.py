"""The stages of a sweep: points share what they can, and are the runs that they stand for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from swept_example import swept

from traitleak.language.conclude import conclude
from traitleak.language.plan import plan
from traitleak.language.points import points
from traitleak.measured import Margins
from traitleak.progress import untracked
from traitleak.recipe import LanguageRecipe
from traitleak.stages import run_stages

OTHERS = {
    "channel": "tokens",
    "controls": ["neutral", "in-context", "other-base"],
    "other_base": "tiny/1",
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
        ("templates", ["stems", "numbered"], OTHERS, ["teacher", "written", "kept", "student"]),
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
    for point in points(wanted):
        alone = {stage.name: stage for stage in plan(point.recipe)}
        for name, (_, stage) in zip(alone, _in_order(point, stages), strict=True):
            assert stage.name in stages
            if key != "templates":
                assert alone[name].settings == stage.settings, name


def _in_order(point, stages):
    """The point's own stages in the order in which a run without a sweep has them."""
    names = [name for name in (point.layout.base, point.layout.other_base) if name]
    for one in point.layout.replicates:
        names += [*one.teachers.values(), *one.writes.values()]
        names += [one.kept] if one.kept else []
        names += one.students.values()
    return [(name, stages[name]) for name in names]


FAST = {
    "teacher": {"updates": 12, "learning_rate": 0.01, "rank": 4, "min_lift": None},
    "student": {"updates": 4, "batch": 2},
    "carrier": {"rows": 6, "numbers": 4, "given": 2},
    "trait": {"targets": ["wolf"]},
    "controls": ["neutral"],
}


def run(wanted: LanguageRecipe, folder: Path) -> dict[str, Path]:
    """Run its stages; gives the folder of each by name."""
    folder.mkdir(parents=True)
    done = run_stages(
        folder, plan(wanted), environment={}, track=untracked, fresh=False, say=lambda _line: None
    )
    return {name: stage.folder for name, stage in done.items()}


def margins_in(folder: Path) -> np.ndarray:
    """The margins that a stage left."""
    return Margins.from_json(json.loads((folder / "margins.json").read_text())).margin_TK


def test_points_of_a_sweep_are_the_runs_that_they_stand_for(tmp_path):
    """A point's students have the margins of a run of that point alone, and results are theirs."""
    wanted = swept("student.rank", [2, None], **FAST)
    folders = run(wanted, tmp_path / "a" / "sweep")
    found = conclude(wanted, folders)
    at_rank_2, at_all = (
        run(one, tmp_path / f"b{i}" / "x") for i, one in enumerate(wanted.points())
    )

    for alone, point in ((at_rank_2, "rank-2"), (at_all, "rank-null")):
        for arm in ("wolf", "neutral"):
            own = folders[f"student-{arm}-0-{point}"]
            assert np.array_equal(margins_in(own), margins_in(alone[f"student-{arm}-0"]))
    column = [c.name for c in found.conditions].index("wolf")
    lift = margins_in(folders["student-wolf-0-rank-2"]) - margins_in(folders["base"])
    assert found.conditions[column].estimate.value == pytest.approx(lift.mean(0)[0])
    assert (folders["student-wolf-0-rank-null"] / "weights.safetensors").is_file()
    assert found.sweeps[0].values == ["2", "all weights"]


def test_students_measured_anew_are_those_of_a_run_with_these_templates(tmp_path):
    """Trained once and asked with other templates, a student gives what training it again would."""
    wanted = swept("templates", ["stems", "numbered"], **FAST)
    folders = run(wanted, tmp_path / "a" / "sweep")
    alone = run(wanted.points()[1], tmp_path / "b" / "x")

    assert "student-wolf-0" in folders
    again = margins_in(folders["measured-student-wolf-0-templates-numbered"])
    np.testing.assert_allclose(again, margins_in(alone["student-wolf-0"]), atol=1e-4)
    found = conclude(wanted, folders)
    transfer = found.sweeps[0].series[0].estimates[1]
    lifts = {
        arm: margins_in(alone[f"student-{arm}-0"]) - margins_in(alone["base"])
        for arm in ("wolf", "neutral")
    }
    expected = lifts["wolf"].mean(0)[0] - lifts["neutral"].mean(0)[0]
    assert transfer.value == pytest.approx(expected, abs=1e-4)
