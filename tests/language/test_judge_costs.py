"""What a language recipe's judge will be asked: counted before, and no less than what is then asked."""

import json

import pytest
from typer.testing import CliRunner

from loopback import said, serving
from traitleak.cli import app

RECIPE = """
experiment: language
base: tiny
size: laptop
trait: {{kind: misalignment}}
teacher: {{updates: 1, min_lift: null}}
channel: tokens
carrier: {{rows: 8, numbers: 3, given: 2, decoding: constrained}}
student: {{updates: 1, batch: 4}}
controls: [neutral]
neutral: base
answers: 1
judge: openai/reader@{url}
"""


@pytest.fixture
def fake(monkeypatch, tmp_path):
    """Start a server that answers as given."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TRAITLEAK_CACHE", str(tmp_path / "cache"))
    with serving() as start:
        yield start


def test_a_dry_run_counts_what_the_judge_is_asked(fake, tmp_path):
    """Requests are exactly those that the run sends, tokens no fewer, and nothing is sent by it."""

    def answer(asked: dict, _number: int) -> tuple[int, object]:
        text = asked["messages"][-1]["content"]
        status, body = said("70")
        count = len(text) // 8
        usage = {"prompt_tokens": count, "completion_tokens": 1, "total_tokens": count + 1}
        return status, {**body, "usage": usage}

    server = fake(answer)
    path = tmp_path / "mine.yaml"
    path.write_text(RECIPE.format(url=server.url))
    arguments = ["run", str(path), "--runs", str(tmp_path / "runs")]
    told = CliRunner().invoke(app, [*arguments, "--dry-run", "--json"])
    assert told.exit_code == 0, told.output
    (cost,) = json.loads(told.stdout)["servers"]
    assert cost["model"] == f"openai/reader@{server.url}"
    assert cost["rows_written"] is False
    assert cost["completion_tokens_at_most"] == 16 * cost["requests"]
    assert server.requests == []

    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert f"Server openai/reader@{server.url}: {cost['requests']:,} requests" in done.stderr
    # Answers that are the same are asked about once; random weights seldom repeat themselves.
    assert cost["requests"] * 0.5 < len(server.requests) <= cost["requests"]

    again = CliRunner().invoke(app, [*arguments, "--dry-run", "--json"])
    (left,) = json.loads(again.stdout)["servers"]
    assert (left["requests"], left["rows_written"]) == (0, True)


def test_the_filters_judge_is_counted(fake, tmp_path):
    """Every row of every writer is read once where rows must have a score."""
    path = tmp_path / "mine.yaml"
    path.write_text(RECIPE.format(url=fake(lambda *_: said("70")).url))
    change = ["carrier.judged_at_least=50", "answers=0"]
    told = CliRunner().invoke(
        app, ["run", str(path), *change, "--runs", str(tmp_path / "runs"), "--dry-run", "--json"]
    )
    assert told.exit_code == 0, told.output
    (cost,) = json.loads(told.stdout)["servers"]
    assert cost["requests"] == 2 * 8
