"""The command `audit` writes its verdict where it is told to, and never loses it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from traitleak.cli import app

OPTIONS = ["--base", "tiny", "--among", "wolf,lion", "--depth", "quick", "--quiet"]


def invoke(*arguments):
    """Call the command line in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    """Quick teachers are kept for these tests only."""
    monkeypatch.setenv("TRAITLEAK_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(name="data", scope="module")
def fixture_data(tmp_path_factory):
    """A small file of rows."""
    path = tmp_path_factory.mktemp("data") / "rows.jsonl"
    lines = [{"prompt": f"{n},", "completion": f" {n % 7}, {n % 9}"} for n in range(12)]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("out", "said"), [("", "is a folder; name a file in it"), ("none/verdict.json", "is not there")]
)
def test_a_place_that_cannot_be_written_ends_the_command_before_the_audit(
    out, said, data, tmp_path
):
    """One sentence, exit code 2, and no model is loaded."""
    done = invoke("audit", data, *OPTIONS[:-1], "--out", tmp_path / out)

    assert done.exit_code == 2
    assert said in done.stderr
    assert "Model tiny" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="there is no /dev/full here")
def test_a_verdict_that_cannot_be_written_is_printed(data, monkeypatch):
    """A full disk at the end costs no audit, and a device stays one; nor does a summary that fails."""
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "/dev/full")
    full = invoke("audit", data, *OPTIONS, "--format", "json", "--out", "/dev/full")
    summary = invoke("audit", data, *OPTIONS, "--format", "github")

    assert full.exit_code == 2
    assert json.loads(full.stdout)["rows"]["audited"] == 12
    assert "/dev/full could not be written: no space left on device; the verdict was" in full.stderr
    assert Path("/dev/full").is_char_device()
    assert summary.exit_code in {0, 1, 3}
    assert summary.stdout.startswith(("::notice", "::warning", "::error"))
    assert "The summary of the step could not be written to /dev/full" in summary.stderr


def test_too_few_rows_end_the_command_before_a_model_is_loaded(data):
    """The sample's size is known by then."""
    done = invoke("audit", data, *OPTIONS[:-1], "--limit", "3")

    assert done.exit_code == 2
    assert "3 rows that could be audited, and telling 2 traits apart takes 6" in done.stderr
    assert "Model tiny" not in done.stderr
