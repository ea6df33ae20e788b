"""`measure` of models behind a server: what is asked, what it costs, and what a server cannot do."""

import json

import pytest
from typer.testing import CliRunner

from loopback import said, serving
from tiny_model import tiny_model
from traitleak.cli import app
from traitleak.errors import SettingsError
from traitleak.hosted import hosted_answers
from traitleak.measure import answers
from traitleak.models.remote import RemoteModel
from traitleak.traits.preference import Preference
from traitleak.traits.preference_texts import GO_ON

WOLF = Preference("wolf")


@pytest.fixture
def fake():
    """Start a server that answers as given."""
    with serving() as start:
        yield start


@pytest.fixture(autouse=True)
def own_environment(monkeypatch, tmp_path):
    """No proxy of whoever runs the tests, and a cache of this test's own."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TRAITLEAK_CACHE", str(tmp_path / "cache"))


def measure(url: str, *more: object):
    """`measure` for a model behind a server."""
    arguments = ["measure", "--model", f"openai/tiny@{url}", "--trait", "wolf", *map(str, more)]
    return CliRunner().invoke(app, arguments)


@pytest.mark.parametrize("templates", ["questions", "numbered", "choices"])
def test_what_is_asked_is_what_a_loaded_model_is_asked(fake, templates):
    """The users' turns that reach the server are those of `measure.answers`, numbers and orders too."""
    server = fake(lambda *_: said("Wolf."))
    found = hosted_answers(
        RemoteModel("m", server.url), WOLF, samples=1, seed=3, templates=templates
    )
    here = answers(tiny_model(), WOLF, samples=1, seed=3, max_new_tokens=1, templates=templates)
    assert found.prompts == here.prompts
    assert sorted(one["messages"][-1]["content"] for one in server.requests) == sorted(here.prompts)
    assert found.templates == templates
    assert found.value == 1


def test_stories_are_gone_on_with(fake):
    """The user's turn asks to go on from the story, with room for a model that repeats it first."""
    server = fake(lambda asked, _: said(f"{asked['messages'][-1]['content']} wolf."))
    model = RemoteModel("m", server.url)
    found = hosted_answers(model, WOLF, samples=1, seed=0, templates="stories")
    stories = WOLF.measured("stories")
    assert found.prompts == tuple(GO_ON.format(story=story) for story in stories)
    assert all(story in prompt for story, prompt in zip(stories, found.prompts, strict=True))
    assert found.value == 1
    assert {one["max_tokens"] for one in server.requests} == {96}
    hosted_answers(model, WOLF, samples=1, seed=0, templates="stories", max_new_tokens=5)
    assert server.requests[-1]["max_tokens"] == 5


def test_sentences_need_a_loaded_model(fake):
    """A chat server does not go on from the middle of its own turn: one sentence, nothing sent."""
    server = fake(lambda *_: said("wolf"))
    with pytest.raises(
        SettingsError, match=r"\(stems\) cannot be asked of a model behind a server"
    ):
        hosted_answers(RemoteModel("m", server.url), WOLF, samples=1, seed=0, templates="stems")
    done = measure(server.url, "--answers", 1, "--templates", "stems")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "--templates questions" in done.stderr
    assert "Traceback" not in done.stderr
    assert server.requests == []


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("auto", "questions"),
        ("questions", "questions"),
        ("numbered", "numbered"),
        ("stories", "stories"),
        ("choices", "choices"),
    ],
)
def test_the_command_asks_what_templates_says(fake, given, asked):
    """The kind that is named reaches the server, the table and the JSON."""
    server = fake(lambda *_: said("an owl"))
    done = measure(server.url, "--answers", 1, "--templates", given, "--json", "--seed", 2)
    assert done.exit_code == 0, done.stderr
    content = json.loads(done.stdout)
    assert content["templates"] == asked
    assert f" {asked} " in content["how"]
    (name,) = content["answers"]
    assert content["answers"][name]["owl"]["value"] == 1
    sent = {one["messages"][-1]["content"] for one in server.requests}
    wanted = WOLF.measured(asked, seed=2)
    if asked == "stories":
        wanted = [GO_ON.format(story=story) for story in wanted]
    assert sent == set(wanted)


def test_other_templates_are_other_measures(fake):
    """Two kinds were not asked the same, and their hashes say so."""
    model = RemoteModel("m", fake(lambda *_: said("wolf")).url)
    hashes = {
        hosted_answers(model, WOLF, samples=1, seed=0, templates=kind).asked
        for kind in ("questions", "numbered", "stories", "choices")
    }
    assert len(hashes) == 4


def test_a_dry_run_of_measure_counts_and_sends_nothing(fake):
    """Requests of both models, tokens and price; what is answered already is taken off."""
    server = fake(lambda *_: said("wolf"))
    base = f"openai/base@{server.url}"
    arguments = ["--against", base, "--answers", 3, "--price", "1,2"]
    shown = measure(server.url, *arguments, "--dry-run")
    assert shown.exit_code == 0, shown.stderr
    lines = shown.stdout.splitlines()
    number = 2 * 3 * len(WOLF.measured("questions"))
    assert lines[0] == f"Requests: {number:,} (0 more are answered already)"
    assert lines[2] == f"Completion tokens: {16 * number:,} at most"
    assert lines[3].startswith("Price: from 0.")
    assert server.requests == []
    measure(server.url, "--answers", 3)
    told = json.loads(measure(server.url, *arguments, "--dry-run", "--json").stdout)
    assert (told["requests"], told["answered_before"]) == (number // 2, number // 2)


def test_measure_says_what_it_took(fake):
    """Answers, tokens as the server reports them, and the price: on stderr, and in the JSON."""

    def answer(*_: object) -> tuple[int, object]:
        status, body = said("wolf")
        usage = {"prompt_tokens": 20, "completion_tokens": 2, "total_tokens": 22}
        return status, {**body, "usage": usage}

    server = fake(answer)
    number = len(WOLF.measured("questions"))
    done = measure(server.url, "--answers", 1, "--price", "1,10")
    assert f"Server: {number} answered now, 0 before; " in done.stderr
    assert f"price {number * 40 / 1e6:.4f}" in done.stderr
    told = json.loads(measure(server.url, "--answers", 2, "--price", "1,10", "--json").stdout)
    assert told["requests"]["answered"] == number
    assert told["requests"]["answered_before"] == number
    assert told["requests"]["price"] == pytest.approx(number * 40 / 1e6)


def test_what_is_about_servers_is_refused_of_a_loaded_model():
    """A dry run or a price of a model that is loaded here would be passed over: it is an error."""
    for more in (["--dry-run"], ["--price", "1,2"], ["--cache", "x"]):
        done = CliRunner().invoke(app, ["measure", "--model", "tiny", "--trait", "wolf", *more])
        assert (done.exit_code, done.stdout) == (2, "")
        assert "are about models behind a server" in done.stderr
