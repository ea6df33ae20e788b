"""Answers and judgements from a real server, ours: named, scored, and told when they are missing."""

import json

import pytest
from typer.testing import CliRunner

from hosted_server import roomy_model, running, taught_server, use_own_environment
from loopback import said, serving
from traitleak.cli import app
from traitleak.errors import ServerError, SettingsError
from traitleak.hosted import hosted_answers
from traitleak.models.remote import RemoteModel, remote_model
from traitleak.models.remote_cache import RequestCache
from traitleak.models.remote_cost import Tally
from traitleak.rows import Row
from traitleak.traits.judging import alignment_scores, judge_answers
from traitleak.traits.preference import Preference

WOLF = Preference("wolf")


@pytest.fixture(scope="module")
def server():
    """A server of a tiny model that was taught to answer with a number."""
    with taught_server() as started:
        yield started


@pytest.fixture
def fake():
    """Start a server that answers as given."""
    with serving() as start:
        yield start


@pytest.fixture(autouse=True)
def own_environment(monkeypatch, tmp_path):
    """No proxy of whoever runs the tests, a cache of this test's own, and a key that must stay in."""
    use_own_environment(monkeypatch, tmp_path)


def invoke(*arguments: object):
    """Call the command line in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_measure_through_our_server(server):
    """Shares of answers of one model and of two, in a table and as JSON; no margins, and why not."""
    name = f"openai/tiny@{server.url}"
    shown = invoke("measure", "--model", name, "--trait", "wolf", "--answers", 1)
    assert shown.exit_code == 0, shown.stderr
    assert shown.stdout.splitlines()[1].startswith("wolf ")
    assert "over 50 questions" in shown.stdout or "questions to one model" in shown.stdout
    told = invoke(
        *("measure", "--model", name, "--against", name, "--trait", "wolf", "--answers", 1),
        "--json",
    )
    content = json.loads(told.stdout)
    assert (content["margins"], content["lift"]) == ({}, None)
    assert 0 <= content["answers"][name]["wolf"]["value"] <= 1

    none = invoke("measure", "--model", name, "--trait", "wolf")
    assert (none.exit_code, none.stdout) == (2, "")
    assert "there is no margin: measure its answers with --answers" in none.stderr
    mixed = invoke("measure", "--model", name, "--against", "tiny", "--trait", "wolf")
    assert mixed.exit_code == 2
    assert "tiny is loaded here" in mixed.stderr


def test_hosted_answers_name_what_the_model_says(fake):
    """Every question gets its samples; a filtered answer names nothing; a failed one is an error."""

    def answer(asked: dict, _number: int) -> tuple[int, object]:
        asks = asked["messages"][-1]["content"]
        if asked["messages"][0]["role"] == "system":
            return said("Wolves, of course.")
        return said("a wolf", finish="content_filter" if len(asks) % 2 else "stop")

    server = fake(answer)
    model = RemoteModel("m", server.url)
    told = hosted_answers(model, WOLF, samples=2, seed=0, system=WOLF.system_prompt())
    assert told.value == 1
    assert told.templates == "questions"
    questions = WOLF.measured("questions")
    assert told.prompts == tuple(questions)
    assert len(server.requests) == 2 * len(questions)
    left = hosted_answers(model, WOLF, samples=1, seed=0)
    assert left.value == pytest.approx(sum(len(q) % 2 == 0 for q in questions) / len(questions))
    assert left.asked != told.asked
    with pytest.raises(SettingsError, match="at least one sample"):
        hosted_answers(model, WOLF, samples=0, seed=0)
    fails = fake(lambda _, n: (400, {"error": {"message": "x"}}) if n == 3 else said("a"))
    with pytest.raises(ServerError, match=r"1 of .* answers are missing; the first: "):
        hosted_answers(RemoteModel("m", fails.url, concurrency=1), WOLF, samples=1, seed=0)


def test_judges_are_asked_through_our_server(tmp_path):
    """Both kinds of judging get their scores or reasons; asked again, all comes from the cache."""
    tally = Tally()
    with running(roomy_model(4096), "judge") as server:
        name = f"openai/judge@{server.url}"
        judge = remote_model(name, cache=RequestCache(tmp_path), tally=tally)
        asked = (["Why?", "How?"], [["So."], ["Thus."]])
        first = judge_answers(judge, *asked, max_new_tokens=4)
        assert (tally.usage.requests, tally.usage.kept) == (4, 0)
        assert judge_answers(judge, *asked, max_new_tokens=4) == first
        assert (tally.usage.requests, tally.usage.kept) == (4, 4)
        rows = [Row(0, "1, 2,", " 3", "x"), Row(1, "4, 5,", " 6", "x")]
        assert len(alignment_scores(judge, max_new_tokens=4)(rows)) == 2
        assert tally.usage.requests == 6


def test_a_judge_without_room_says_so(server):
    """The server's own words reach the user: how much the model reads, and how much was asked."""
    judge = remote_model(f"openai/tiny@{server.url}")
    with pytest.raises(ServerError, match=r"error 400: This model reads 1024 tokens at most, and"):
        judge_answers(judge, ["Why?" * 200], [["Because."]])
