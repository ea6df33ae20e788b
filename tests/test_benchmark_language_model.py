"""The language-model benchmark compares equal work: what it says of both sides, not their times."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("trl", reason="TRL is one side of the comparison")

pytestmark = pytest.mark.timeout(900)  # PyTorch and TRL are imported anew, maybe on a busy machine
BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "language_model.py"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Start the benchmark with few rows on the tiny model."""
    command = [sys.executable, str(BENCHMARK), "--base", "tiny", "--repeats", "1", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """All stages, once: what was printed, and the JSON file."""
    file = tmp_path_factory.mktemp("benchmark") / "figures" / "all.json"
    # Seven updates of four rows are more than an epoch of twelve, so that a second order is read too.
    finished = run("--updates", "5", "--rows", "12", "--json", str(file))

    assert finished.returncode == 0, finished.stderr
    return finished.stdout, json.loads(file.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_both_sides_do_the_same_work(done):
    """Losses of every update, greedy lists and log-probabilities agree to rounding."""
    stages = done[1]["stages"]

    assert stages["distill"]["agreement"]["largest_difference"] < 1e-4
    assert stages["score"]["agreement"]["largest_difference"] < 1e-4
    assert stages["audit"]["agreement"]["largest_difference"] < 1e-3
    assert stages["generate"]["agreement"]["equal_greedy"] >= 0.9
    shares = stages["generate"]["agreement"]["of_the_form"]
    assert shares == {"traitleak": 1.0, "model.generate": 1.0}


@pytest.mark.slow
def test_every_stage_has_its_ratio_and_its_bound(done):
    """The ratio to the rival, the most that could be had, and the aim stand in the file."""
    for stage, aim in (("distill", 1.5), ("generate", 3.0), ("score", 5.0), ("audit", 5.0)):
        found = done[1]["stages"][stage]
        ours, rival = found["variants"][:2]
        assert found["aim"] == aim
        assert found["ratio"] == pytest.approx(rival["seconds"] / ours["seconds"])
        assert found["bound"] == pytest.approx(rival["seconds"] / ours["bare_seconds"])
        assert ours["gflop"] == rival["gflop"] > 0
        assert rival["times_as_fast"] == 1.0


@pytest.mark.slow
def test_the_table_has_a_row_for_each_variant(done):
    """Ten variants of four stages, each with as many cells as the heading."""
    rows = [line for line in done[0].splitlines() if line.startswith("| ")]

    assert len(rows) == 1 + 10
    assert len({row.count("|") for row in rows}) == 1


def test_an_unknown_stage_is_refused():
    """There is no stage e."""
    refused = run("--only", "a,e")

    assert refused.returncode == 2
    assert "--only takes a, b, c and d" in refused.stderr
