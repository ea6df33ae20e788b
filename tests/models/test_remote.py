"""Models behind a server: sampled over HTTP from a small real server (`loopback`)."""

import time
import traceback

import pytest
from asked_server import sample

from loopback import said
from traitleak.errors import MissingExtraError, ServerError, SettingsError
from traitleak.models.remote import RemoteModel, RemoteSampled, remote_model

pytestmark = pytest.mark.usefixtures("own_environment")


def test_answers_come_in_the_order_of_the_prompts(serve):
    """However long each takes, and several at once, answer i belongs to prompt i."""

    def answer(asked: dict, _number: int) -> tuple[int, object]:
        prompt = asked["messages"][-1]["content"]
        time.sleep(0.05 if int(prompt) % 2 else 0)
        return said(f"answer {prompt}")

    server = serve(answer)
    found = sample(server, *map(str, range(20)))
    assert [one.text for one in found] == [f"answer {number}" for number in range(20)]
    assert all(one.finished for one in found)


def test_settings_are_sent(serve):
    """System prompt, model, length, temperature and a seed for each prompt reach the server."""
    server = serve(lambda *_: said("7"))
    sample(server, "a", "b", system="Be short.", temperature=0.5, max_new_tokens=9, seed=4)
    by_prompt = {asked["messages"][-1]["content"]: asked for asked in server.requests}
    assert by_prompt["a"]["messages"] == [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "a"},
    ]
    for asked in by_prompt.values():
        assert (asked["model"], asked["max_tokens"], asked["temperature"]) == ("wolf-7b", 9, 0.5)
        assert 0 <= asked["seed"] < 2**31
    assert by_prompt["a"]["seed"] != by_prompt["b"]["seed"]


def test_seeds_belong_to_streams(serve):
    """The seed sent depends on seed and stream alone: not on place, batch or the other prompts."""
    server = serve(lambda *_: said("7"))
    sample(server, "first", "second", streams=[5, 8])
    sample(server, "second", "first", streams=[8, 5])
    sample(server, "other seed", streams=[5], seed=1)
    seeds = {(asked["messages"][0]["content"], asked["seed"]) for asked in server.requests}
    assert len(seeds) == 3
    assert len({seed for _, seed in seeds}) == 3


def test_no_prompt_is_no_request(serve):
    """Nothing asked, nothing answered."""
    server = serve(lambda *_: said("7"))
    assert sample(server) == []
    assert server.requests == []


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (said("1, 2, 3", finish="length"), RemoteSampled("1, 2, 3", finished=False)),
        (said(""), RemoteSampled("", finished=True)),
        (said(None), RemoteSampled("", finished=True)),
        (said(None, refusal="I cannot."), RemoteSampled("", finished=False, refusal="I cannot.")),
        (
            said(None, finish="content_filter"),
            RemoteSampled("", finished=False, filtered=True),
        ),
        (said("7", finish=None), RemoteSampled("7", finished=True)),
    ],
)
def test_cut_off_empty_and_refused_answers_are_told_apart(serve, answer, expected):
    """A cut, an empty answer and a refusal are results, not errors."""
    assert sample(serve(lambda *_: answer), "Hi") == [expected]


def test_key_comes_from_the_environment(serve, monkeypatch):
    """The key is sent as it stands there, and a refused one is not repeated in the error."""
    server = serve(lambda *_: said("7"))
    sample(server, "Hi")
    monkeypatch.setenv("OPENAI_API_KEY", "sesame")
    sample(server, "Hi")
    assert server.keys == ["Bearer none", "Bearer sesame"]

    refusing = serve(lambda *_: (401, {"error": {"message": "bad key sesame"}}))
    with pytest.raises(ServerError, match="OPENAI_API_KEY is not accepted") as error:
        sample(refusing, "Hi")
    assert "sesame" not in str(error.value)


@pytest.mark.parametrize(
    "wrong",
    [{"max_new_tokens": 0}, {"temperature": -1.0}, {"streams": [1, 2]}],
)
def test_settings_that_cannot_work_are_refused(serve, wrong):
    """Before anything is sent."""
    server = serve(lambda *_: said("7"))
    with pytest.raises(SettingsError):
        sample(server, "Hi", **wrong)
    assert server.requests == []


def test_name_gives_the_model():
    """`openai/<model>@<base url>` names it; other names are refused."""
    model = remote_model("openai/wolf-7b@http://localhost:8000/v1/")
    assert (model.name, model.base_url) == ("wolf-7b", "http://localhost:8000/v1")
    with pytest.raises(SettingsError, match="is not behind a server"):
        remote_model("smollm2-135m")


def test_missing_library_is_named_with_its_extra(monkeypatch):
    """Without `openai` the pip line of the extra is given."""
    import sys

    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'traitleak\[api\]'"):
        RemoteModel("m", "http://localhost/v1").sample(["Hi"], max_new_tokens=1, seed=0)


def test_models_that_know_the_limit_by_its_newer_name(serve):
    """`max_tokens` refused: sent as `max_completion_tokens`, and so from then on."""

    def answer(asked: dict, _number: int) -> tuple[int, object]:
        if "max_tokens" in asked:
            message = "Unsupported parameter: use 'max_completion_tokens'."
            error = {"message": message, "param": "max_tokens", "code": "unsupported_parameter"}
            return 400, {"error": error}
        return said(str(asked["max_completion_tokens"]))

    server = serve(answer)
    found = sample(server, "a", "b", "c", concurrency=1)
    assert [one.text for one in found] == ["5", "5", "5"]
    assert len(server.requests) == 4


def test_a_prompt_that_a_filter_stops_is_a_result(serve):
    """Azure answers 400 with this code."""
    error = {"message": "filtered", "code": "content_filter", "param": "prompt"}
    found = sample(serve(lambda *_: (400, {"error": error})), "Hi")
    assert found == [RemoteSampled("", finished=False, filtered=True)]


@pytest.mark.parametrize("words", [401, 400, 403, 404, 402, 429, 500, 200])
def test_a_server_that_repeats_the_key_does_not_spread_it(serve, monkeypatch, words):
    """Neither an error nor what caused it holds the key, whatever the server writes into it."""
    monkeypatch.setenv("OPENAI_API_KEY", "sesame-sentinel")
    body = {"error": {"message": "your key sesame-sentinel is odd", "code": "sesame-sentinel"}}
    server = serve(lambda *_: (words, body))
    with pytest.raises(ServerError) as raised:
        sample(server, "Hi", retries=0)
    shown = "".join(traceback.format_exception(raised.value))
    assert "sesame-sentinel" not in shown
    found = sample(serve(lambda _, n: said("7") if n == 1 else (words, body)), "a", "b",
                   retries=0, keep_going=True, concurrency=1)  # fmt: skip
    assert "sesame-sentinel" not in repr(found)


@pytest.mark.parametrize(
    "url",
    [
        "http://me:sesame-sentinel@host/v1",
        "http://sesame-sentinel@host/v1",
        "http://host/v1?api-key=sesame-sentinel",
    ],
)
def test_addresses_with_secrets_are_refused(url):
    """They would go into files; the error does not repeat them."""
    for make in (lambda: RemoteModel("m", url), lambda: remote_model(f"openai/m@{url}")):
        with pytest.raises(SettingsError) as raised:
            make()
        assert "sesame-sentinel" not in str(raised.value)
