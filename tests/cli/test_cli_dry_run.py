"""`run --dry-run`: what would be computed, taken over and asked, and that nothing of it is done."""

import json

import pytest
from typer.testing import CliRunner

from traitleak.cli import app
from traitleak.rows import Row, write_rows

JUDGE = "openai/reader@http://localhost:1/v1"


def invoke(*arguments: object):
    """Call the command line in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def hosted(tmp_path, monkeypatch):
    """The arguments of a run with a judge behind a server that is not there."""
    monkeypatch.setenv("TRAITLEAK_CACHE", str(tmp_path / "cache"))
    for name in ("trait", "neutral"):
        rows = [Row(i, f"{i}, 5,", f" {i + 100}, {i + 200}", name) for i in range(6)]
        write_rows(tmp_path / name, rows, {})
    path = tmp_path / "mine.yaml"
    path.write_text(
        "experiment: reading\nbase: tiny\nreaders: [judge, inspection]\n"
        f"rows: {{trait: '{tmp_path / 'trait'}', neutral: '{tmp_path / 'neutral'}', target: wolf}}\n"
        f"judge: {{models: ['{JUDGE}'], pairs: 4, price: [1.0, 10.0]}}\n"
    )
    return [path, "--runs", tmp_path / "runs"]


def test_a_plan_is_printed_and_nothing_is_done(tmp_path):
    """Stages are listed in order, and after the run each says where it would be taken from."""
    arguments = ["run", "theorem", "size=tiny", "--runs", tmp_path / "runs"]
    before = invoke(*arguments, "--dry-run")
    assert before.exit_code == 0, before.output
    assert "to be computed" in before.output
    assert "0 taken over" in before.output
    assert "Nothing was computed, written or sent." in before.output
    assert not (tmp_path / "runs").exists()
    assert invoke(*arguments).exit_code == 0
    after = invoke(*arguments, "--dry-run")
    assert "Stages: 0 to compute" in after.output
    fresh = invoke(*arguments, "--dry-run", "--fresh")
    assert "0 taken over" in fresh.output


def test_requests_and_their_price_are_told_before_any_is_sent(hosted):
    """No server is there, and what it would be asked is counted all the same."""
    done = invoke("run", *hosted, "--dry-run")
    text = " ".join(done.output.split())
    assert done.exit_code == 0, done.output
    assert f"Server {JUDGE}: 8 requests (0 more are answered already), about" in text
    assert "128 completion tokens at most; price from 0.00" in text
    content = json.loads(invoke("run", *hosted, "--dry-run", "--json").stdout)
    assert content["stages"][0]["name"] == "rows"
    assert all(one["taken_from"] is None for one in content["stages"])
    (server,) = content["servers"]
    assert (server["requests"], server["answered_before"], server["rows_written"]) == (8, 0, True)
    assert server["completion_tokens_at_most"] == 8 * 16
    assert server["price_most"] == pytest.approx(server["price_least"] + 128 * 10 / 1e6)


def test_a_recipe_that_cannot_work_is_refused_as_by_a_run(hosted):
    """A plan checks the recipe and what it names: one sentence, exit code 2."""
    wrong = invoke("run", *hosted, "--dry-run", "judge.pars=4")
    assert wrong.exit_code == 2
    assert "judge.pairs" in wrong.output
    missing = invoke("run", *hosted, "--dry-run", "rows.neutral=nowhere")
    assert missing.exit_code == 2
    assert "nowhere" in missing.output
