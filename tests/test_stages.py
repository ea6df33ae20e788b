"""The stage engine: what is kept, what is computed anew, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import small_experiment
from small_stages import contents, run
from traitleak.errors import ArtefactError, RunError
from traitleak.experiment import run_plan
from traitleak.progress import untracked
from traitleak.stages import Stage, foresee_stages, run_stages


def test_a_second_run_computes_nothing_and_changes_nothing(tmp_path: Path) -> None:
    """All stages are taken from the run folder; only the report, which says so, is another."""
    computed, folder = run(tmp_path)
    assert computed == ["start", "left", "right", "both"]
    before = contents(folder)
    assert run(tmp_path)[0] == []
    after = contents(folder)
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    assert changed == {"report.html", "report.md", "manifest.json"}


def test_a_manifest_says_how_a_stage_came_about(tmp_path: Path) -> None:
    """It holds the settings, the inputs' outputs, each file's hash, time and place in time."""
    _, folder = run(tmp_path, scale=2.0)
    manifests = {
        path.parent.name: json.loads(path.read_text()) for path in folder.glob("*/manifest.json")
    }
    right = manifests["right"]
    assert right["settings"] == {"scale": 2.0}
    assert right["inputs"] == {"start": manifests["start"]["output"]}
    assert right["work"].endswith("small_experiment.stages.<locals>.stretch")
    assert set(right["files"]) == {"stack.npy", "metrics.jsonl"}
    assert right["files"]["stack.npy"]["bytes"] == (folder / "right/stack.npy").stat().st_size
    assert right["seconds"] > 0
    assert right["finished_at"].endswith("+00:00")


def test_says_one_line_a_stage(tmp_path: Path) -> None:
    """Computed stages say how long they took; kept ones say so."""
    first: list[str] = []
    again: list[str] = []
    run(tmp_path, first)
    run(tmp_path, again)
    assert [line.split(" in ")[0] for line in first] == [
        f"{name}: done" for name in ("start", "left", "right", "both")
    ]
    assert again == [f"{name}: from cache" for name in ("start", "left", "right", "both")]


def test_only_what_depends_on_a_changed_setting_is_computed(tmp_path: Path) -> None:
    """Another recipe copies from the run folder beside it what both have in common."""
    run(tmp_path, name="one", scale=1.0)
    computed, two = run(tmp_path, name="two", scale=2.0)
    assert computed == ["right", "both"]
    for stage in ("start", "left"):
        assert contents(two / stage) == contents(tmp_path / "one" / stage)
    # A copy, not a link: an edit in one run must not reach another.
    (tmp_path / "one/start/part-0.npy").write_bytes(b"edited")
    assert run(tmp_path, name="two", scale=2.0)[0] == []


def test_a_setting_that_gives_the_same_output_goes_no_further(tmp_path: Path) -> None:
    """A stage depends on what its inputs hold, not on how they were made."""
    run(tmp_path, name="one", version=1)
    assert run(tmp_path, name="two", version=2)[0] == ["start"]


def test_another_version_or_setting_is_refused_in_the_same_run_folder(tmp_path: Path) -> None:
    """What older code or another machine computed is not replaced unasked; the error says why."""
    _, folder = run(tmp_path)
    before = contents(folder)
    with pytest.raises(
        RunError, match=r"start was computed .* \(its version was 1, is 2\).* fresh run"
    ):
        run(tmp_path, version=2)
    with pytest.raises(RunError, match=r"right was computed .* \(scale was 1\.0, is 5\.0\)"):
        run(tmp_path, scale=5.0)
    assert contents(folder) == before
    assert run(tmp_path, scale=5.0, fresh=True)[0] == ["start", "left", "right", "both"]


def run_one(runs: Path, work: Callable[..., None], **settings: Any) -> None:
    """Run a plan of one stage, `only`, with these settings."""
    run_plan(
        [Stage("only", settings, work)],
        lambda _folders: small_experiment.make_results({}),
        folder=runs / "one",
        recipe_yaml="name: one\n",
        environment={},
    )


def test_changed_data_are_not_taken_for_another_machine(tmp_path: Path) -> None:
    """Where the fingerprint of a stage's data differs, the error says so, and what else differs."""

    def touch(out: Path, _inputs: object, _track: object) -> None:
        (out / "file").touch()

    run_one(tmp_path, touch, data="b4896", device="cpu")
    with pytest.raises(RunError) as caught:
        run_one(tmp_path, touch, data="eb8ed", device="cpu")
    assert str(caught.value) == (
        f"{tmp_path / 'one' / 'only'} was computed from data that have changed since. Ask for a "
        "fresh run (--fresh) to replace it, or move the folder away to keep it."
    )
    both = r"changed since, and on another machine or .* \(device was cpu, is cuda\)\. Ask"
    with pytest.raises(RunError, match=both):
        run_one(tmp_path, touch, data="eb8ed", device="cuda")


class OutOfMemoryError(RuntimeError):
    """Named as PyTorch names that of an accelerator."""


def too_large_for_numpy() -> None:
    """Ask for more than any machine can address."""
    np.ones(2**58)


def too_large_for_torch() -> None:
    """The same of PyTorch."""
    torch.ones(2**58)


def raised(error: Exception) -> Callable[[], None]:
    """What raises `error`."""

    def work() -> None:
        raise error

    return work


@pytest.mark.parametrize(
    "exhaust",
    [
        too_large_for_numpy,
        too_large_for_torch,
        raised(RuntimeError("std::bad_alloc")),
        raised(OutOfMemoryError("CUDA out of memory.")),
    ],
    ids=["numpy", "torch", "c++", "accelerator"],
)
def test_too_little_memory_is_said_in_a_sentence(
    exhaust: Callable[[], None], tmp_path: Path
) -> None:
    """However a library says that memory ran out, the error names the stage and what to lower."""

    def work(_out: Path, _inputs: object, _track: object) -> None:
        exhaust()

    with pytest.raises(RunError, match=r"not enough memory for the stage only\. Lower .* batch"):
        run_one(tmp_path, work)
    assert {path.name for path in (tmp_path / "one").iterdir()} == {".lock", "recipe.yaml"}


def test_a_defect_is_not_taken_for_too_little_memory(tmp_path: Path) -> None:
    """Another RuntimeError of a stage comes through as it is."""

    def work(_out: Path, _inputs: object, _track: object) -> None:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        run_one(tmp_path, work)


def test_a_fresh_run_computes_all_and_gives_the_same_files(tmp_path: Path) -> None:
    """`fresh` takes nothing from this folder or the one beside it."""
    run(tmp_path, name="beside")
    _, folder = run(tmp_path)
    results = (folder / "results.json").read_bytes()
    assert run(tmp_path, fresh=True)[0] == ["start", "left", "right", "both"]
    assert (folder / "results.json").read_bytes() == results


def test_a_deleted_stage_is_computed_anew_and_the_others_kept(tmp_path: Path) -> None:
    """What an error about a changed file advises, deleting the stage's folder, works."""
    _, folder = run(tmp_path)
    shutil.rmtree(folder / "left")
    assert run(tmp_path)[0] == ["left"]


def test_stages_follow_when_what_they_read_has_changed(tmp_path: Path) -> None:
    """Where a recomputed input differs, what was made from the old one is replaced, and said."""
    _, folder = run(tmp_path, scale=1.0)
    shutil.rmtree(folder / "right")
    said: list[str] = []
    assert run(tmp_path, said, scale=2.0)[0] == ["right", "both"]
    assert "both: what it was computed from has changed, so it is computed anew" in said


def test_a_stage_can_end_the_run_whether_it_is_computed_or_kept(tmp_path: Path) -> None:
    """What follows is not computed, what came before is whole, and a second run ends there, too."""
    first, *_ = small_experiment.stages()
    ending = dataclasses.replace(first, ends=lambda folder: (folder / "part-0.npy").exists())
    goes_on = dataclasses.replace(first, ends=lambda folder: (folder / "nothing").exists())
    others = small_experiment.stages()[1:]

    def names(stage: Stage, folder: Path, said: list[str]) -> list[str]:
        folder.mkdir(exist_ok=True)
        done = run_stages(
            folder, [stage, *others], environment={}, track=untracked, fresh=False, say=said.append
        )
        return list(done)

    said: list[str] = []
    assert names(ending, tmp_path / "ends", said) == ["start"]
    assert names(ending, tmp_path / "ends", said) == ["start"]
    assert [line.split(":")[1] for line in said[1::2]] == [
        " the run ends here, what follows cannot be computed"
    ] * 2
    assert names(goes_on, tmp_path / "goes-on", []) == ["start", "left", "right", "both"]


def test_what_a_run_would_take_over_is_foreseen_and_nothing_is_written(tmp_path: Path) -> None:
    """Before a run all is to be computed, after it nothing, and beside it only what differs."""

    def foreseen(name: str, *, scale: float = 1.0, fresh: bool = False) -> list[str | None]:
        stages = small_experiment.stages(scale=scale)
        found = foresee_stages(tmp_path / name, stages, fresh=fresh)
        assert [one.name for one in found] == ["start", "left", "right", "both"]
        assert all((one.seconds is None) == (one.folder is None) for one in found)
        folders = [one.folder for one in found]
        return [str(one.relative_to(tmp_path)) if one else None for one in folders]

    assert foreseen("small") == [None] * 4
    assert list(tmp_path.iterdir()) == []
    run(tmp_path)
    before = contents(tmp_path)
    assert foreseen("small") == ["small/start", "small/left", "small/right", "small/both"]
    assert foreseen("small", fresh=True) == [None] * 4
    assert foreseen("other", scale=2.0) == ["small/start", "small/left", None, None]
    assert contents(tmp_path) == before
    assert run(tmp_path, name="other", scale=2.0)[0] == ["right", "both"]


def test_a_plan_says_what_a_run_would_refuse(tmp_path: Path) -> None:
    """A stage that changed after it was written, or has other settings, is named before the run."""
    _, folder = run(tmp_path)
    with pytest.raises(RunError, match=r"scale was 1\.0, is 2\.0"):
        foresee_stages(folder, small_experiment.stages(scale=2.0), fresh=False)
    (folder / "start" / "part-1.npy").write_bytes(b"changed")
    with pytest.raises(ArtefactError, match=r"part-1\.npy"):
        foresee_stages(folder, small_experiment.stages(), fresh=False)
