"""Models behind a server: sampled over HTTP from a small real server (`loopback`)."""

import time
from http.server import ThreadingHTTPServer

import pytest

from loopback import Handler, Server, said, serving
from traitleak.errors import MissingExtraError, ServerError, SettingsError
from traitleak.models.remote import RemoteModel, RemoteSampled, remote_model


@pytest.fixture
def serve():
    """Start a server that answers as given."""
    with serving() as start:
        yield start


@pytest.fixture(autouse=True)
def own_environment(monkeypatch):
    """No key and no proxy of whoever runs the tests."""
    for name in ("OPENAI_API_KEY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def sample(server: Server, *prompts: str, **settings: object) -> list[RemoteSampled]:
    """Answers to prompts."""
    fields = {key: settings.pop(key) for key in ("retries", "timeout") if key in settings}
    model = RemoteModel("wolf-7b", server.url, **fields)
    return model.sample(prompts, **{"max_new_tokens": 5, "seed": 0, **settings})


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


@pytest.mark.parametrize("status", [429, 500, 503])
def test_failures_that_pass_are_tried_again(serve, status):
    """Two failures, then an answer: it is the answer that counts."""
    server = serve(lambda _, number: said("7") if number > 2 else (status, {"error": {}}))
    assert sample(server, "Hi") == [RemoteSampled("7", finished=True)]
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (
            429,
            r"still limits the rate of requests after 2 retries \(Slow down\); lower concurrency",
        ),
        (500, r"answered with error 500 after 2 retries: Slow down\."),
        (400, r"answered with error 400: Slow down\."),
        (401, r"refuses access: the key in OPENAI_API_KEY is missing"),
        (403, r"answered with error 403: Slow down\."),
        (404, r"knows no model 'wolf-7b', .* its models are wolf-7b\."),
    ],
)
def test_failures_that_stay_are_one_sentence(serve, status, sentence):
    """What the server says is passed on, with what to do; only what may pass is tried again."""
    server = serve(lambda *_: (status, {"error": {"message": "Slow down."}}))
    with pytest.raises(ServerError, match=sentence):
        sample(server, "Hi", retries=2)
    assert len(server.requests) == (3 if status in {429, 500} else 1)


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


def test_server_that_is_not_there_is_named():
    """An address at which nobody listens: is it running, is the address right?"""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as gone:
        port = gone.server_address[1]
    model = RemoteModel("m", f"http://127.0.0.1:{port}/v1", retries=0)
    with pytest.raises(ServerError, match=rf"127.0.0.1:{port}/v1 cannot be reached .* running"):
        model.sample(["Hi"], max_new_tokens=5, seed=0)


def test_server_that_does_not_answer_in_time(serve):
    """A time-out says how long was waited, and what to change."""

    def slow(*_: object) -> tuple[int, object]:
        time.sleep(0.5)
        return said("7")

    with pytest.raises(ServerError, match=r"no answer within 0\.1 seconds.* raise timeout"):
        sample(serve(slow), "Hi", timeout=0.1, retries=0)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>a web page</html>",
        b'{"id": "1", "choices": [{"index": 0, "mess',
        b"",
        {"choices": []},
        {"choices": [{"index": 0, "finish_reason": "stop"}]},
        {"choices": None},
        {},
        [],
    ],
)
def test_answer_of_another_kind_is_named(serve, body):
    """A web page, half an answer, or JSON of another shape is no answer of such a server."""
    with pytest.raises(ServerError, match=r"not one of an OpenAI-compatible server .* ends in /v1"):
        sample(serve(lambda *_: (200, body)), "Hi", retries=0)


def test_first_error_stops_the_rest(serve):
    """After an error nothing that has not begun is sent: no thousand requests with a wrong key."""
    server = serve(lambda *_: (401, {"error": {"message": "no"}}))
    with pytest.raises(ServerError):
        sample(server, *map(str, range(500)))
    assert len(server.requests) < 100


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
