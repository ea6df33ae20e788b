"""Answers of servers that are almost what they should be: none may end a run with a traceback."""

import json

import pytest

from loopback import said, serving
from traitleak.errors import ServerError
from traitleak.models.remote import RemoteModel
from traitleak.models.remote_cache import RequestCache


@pytest.fixture
def ask(monkeypatch, tmp_path):
    """Asks a server that always gives the same answer, once, and once more from the cache."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving() as start:

        def asked(answer, **more):
            server = start(lambda *_: answer)
            cache = RequestCache(tmp_path / "cache")
            model = RemoteModel("m", server.url, retries=1, cache=cache)
            (first,) = model.sample(["q"], max_new_tokens=4, seed=0, **more)
            if not first.failed:
                assert model.sample(["q"], max_new_tokens=4, seed=0, **more) == [first]
                assert len(server.requests) == 1
            return first

        yield asked


def odd(message: object, finish: object = "stop") -> tuple[int, object]:
    """A completion with any message."""
    return 200, {"choices": [{"index": 0, "message": message, "finish_reason": finish}]}


def test_text_in_parts_is_put_together(ask):
    """Some servers give content as a list of parts; parts that are no text are passed over."""
    parts = [{"type": "text", "text": "12, "}, {"type": "image"}, {"type": "text", "text": "13"}]
    assert ask(said(parts)).text == "12, 13"
    assert ask(said([])).text == ""


@pytest.mark.parametrize("refusal", [{"why": "x"}, True, ["no"], "No."])
def test_a_refusal_of_any_kind_is_a_refusal_in_words(ask, refusal):
    """What a server says of it is kept as text."""
    found = ask(said(None, refusal=refusal))
    assert isinstance(found.refusal, str)
    assert found.refusal
    assert (found.text, found.finished) == ("", False)


@pytest.mark.parametrize(
    "answer",
    [
        said(7),
        said({"a": 1}),
        said([{"type": "text", "text": 5}]),
        odd("hi"),
        odd(["hi"]),
        (200, {"choices": {"0": 1}}),
        (200, {"choices": "hi"}),
        (200, {"choices": ["hi"]}),
        (200, {"choices": [None]}),
    ],
)
def test_what_is_no_answer_is_a_failed_request(ask, answer):
    """It costs its own request only, and says what came."""
    with pytest.raises(ServerError, match="not one of an OpenAI-compatible server"):
        ask(answer)


def test_an_error_with_status_200_is_passed_on_in_the_servers_words(ask):
    """Some routers answer 200 with an error inside: the sentence has it, and it is tried again."""
    with pytest.raises(ServerError, match=r"answered with an error: no upstream has room \(503\)"):
        ask((200, {"error": {"message": "no upstream has room.", "code": 503}}))
    with pytest.raises(ServerError, match="answered with an error: busy"):
        ask((200, {"error": "busy"}))


def test_half_a_character_becomes_a_mark(ask):
    """A lone surrogate cannot be written into a file; the rest of the answer is kept."""
    body = json.dumps({"choices": [{"message": {"content": "a\ud800b"}, "finish_reason": "stop"}]})
    assert ask((200, body.encode())).text == "a\ufffdb"
    body = json.dumps({"choices": [{"message": {"content": None, "refusal": "\ud800"}}]})
    assert ask((200, body.encode())).refusal == "\ufffd"
