"""A language recipe from start to results: what is printed is what the stages left."""

from __future__ import annotations

import json

import pytest

from traitleak.experiment import run_recipe
from traitleak.measured import Margins
from traitleak.recipe import load_recipe


def finished(tmp_path, name="wolf-smollm2", *overrides):
    """A run of a shipped recipe on random weights."""
    return run_recipe(load_recipe(name, ["size=tiny", *overrides]), runs=tmp_path / "runs")


def lift(folder, student: str, candidate: str) -> float:
    """A student's lift of one candidate's margin, from the stages' files."""

    def mean(stage: str) -> float:
        found = Margins.from_json(json.loads((folder / stage / "margins.json").read_text()))
        return float(found.margin_TK[:, found.candidates.index(candidate)].mean())

    return mean(student) - mean("base")


def test_conditions_and_comparisons_follow_from_the_stages_files(tmp_path):
    """Lifts, transfer and matrix are differences of the margins that lie in the stages."""
    run = finished(tmp_path, "wolf-smollm2", "seeds=2", "answers=0")
    found = {condition.name: condition.estimate for condition in run.results.conditions}
    wolf = [lift(run.folder, f"student-wolf-{s}", "wolf") for s in range(2)]
    neutral = [lift(run.folder, f"student-neutral-{s}", "wolf") for s in range(2)]
    transfer = run.results.comparisons[0]
    matrix = run.results.matrices[0]

    assert found["wolf"].replicates == pytest.approx(wolf)
    assert found["neutral"].replicates == pytest.approx(neutral)
    assert transfer.difference.value == pytest.approx(
        sum(w - n for w, n in zip(wolf, neutral, strict=True)) / 2
    )
    lion = matrix.rows[0].cells[matrix.traits.index("lion")]
    assert lion.replicates == pytest.approx(
        [lift(run.folder, f"student-wolf-{s}", "lion") for s in range(2)]
    )
    assert run.report.is_file()


def test_one_seed_gives_neither_interval_nor_verdict(tmp_path):
    """With one replicate the answer says so, and no estimate has an interval over seeds."""
    run = finished(tmp_path)

    assert "no interval" in run.results.answer.lower()
    assert not run.results.answer.startswith(("Yes", "No:"))
    assert all(condition.estimate.low is None for condition in run.results.conditions)


def test_tokens_run_shows_rows_side_by_side_and_what_was_dropped(tmp_path):
    """The report's rows are those that were kept, and the leak check has its line."""
    run = finished(tmp_path, "wolf-smollm2-tokens", "answers=0")
    samples = run.results.samples[0]
    kept = (run.folder / "kept-0" / "wolf" / "rows.jsonl").read_text()

    assert sorted(samples.teachers) != samples.teachers or len(samples.teachers) == 3
    assert all(json.dumps(row.prompt)[1:-1] in kept for row in samples.rows)
    assert any("drop" in table.title.lower() for table in run.results.tables)


def test_same_recipe_gives_the_same_results_to_the_byte(tmp_path):
    """No time and no path is in `results.json`."""
    one = finished(tmp_path / "a", "wolf-smollm2-prompted")
    two = finished(tmp_path / "b", "wolf-smollm2-prompted")

    assert (one.folder / "results.json").read_bytes() == (two.folder / "results.json").read_bytes()
