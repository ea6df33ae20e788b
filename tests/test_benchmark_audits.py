"""The benchmarks of audits and cleanings run to their end; what they find on random weights is noise."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def run(name: str, work: Path, *arguments: str) -> str:
    """Start a benchmark on the tiny model, and give what it printed."""
    command = [sys.executable, str(BENCHMARKS / name), "--base", "tiny", "--work", str(work)]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    return done.stdout


def test_detectors_are_scored_on_every_writer(tmp_path):
    """The table has the teachers of each seed, the base, and the writers that carry nothing."""
    out = tmp_path / "out.json"
    run("detectors.py", tmp_path, "--rows", "40", "--seeds", "1", "--sets", "2", "--out", str(out))

    writers = json.loads(out.read_text(encoding="utf-8"))["writers"]
    assert {"wolf-0", "lion-0", "base-0", "uniform digits-0"} <= set(writers)


def test_other_traits_are_scored_beside_their_controls(tmp_path):
    """The table has each trait's teacher, its control, a wolf teacher and the base."""
    out = tmp_path / "out.json"
    few = ("--rows", "48", "--seeds", "1", "--also", "refusal")
    run("other_traits.py", tmp_path, *few, "--out", str(out))

    found = json.loads(out.read_text(encoding="utf-8"))
    assert set(found["writers"]) == {"base-0", "wolf-0", "refusal-0", "no refusal-0"}
    assert found["traits"][-1] == "refusal"
    assert found["neutral sets apart that are found"][1] == 54


def test_mixtures_are_kept_where_they_were_measured(tmp_path):
    """A second start trains nothing again, and says the same."""
    few = ("--rows", "40", "--audited", "40", "--updates", "2")
    first = run("mixtures.py", tmp_path, *few)
    (kept,) = tmp_path.glob("mixtures-*.json")
    before = kept.stat().st_mtime_ns
    second = run("mixtures.py", tmp_path, *few)

    assert kept.stat().st_mtime_ns == before
    assert json.loads(first[first.index("{") :]) == json.loads(second[second.index("{") :])
    assert len(json.loads(second[second.index("{") :])["sets"]) == 8


def test_cleanings_and_classifiers_end(tmp_path):
    """Both print a line for each arm, or each pair of writers."""
    cleaned = run("cleaning.py", tmp_path, "--rows", "16", "--updates", "2", "--seeds", "1")
    told = run("classifiers.py", tmp_path, "--rows", "80", "--seeds", "2")

    assert "relabelled" in cleaned
    assert "surface, base and base" in told
