"""Our own server: what it answers is what the model says here, and what it cannot do it refuses."""

import http.client
import json
import signal
import subprocess
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from command import INTERRUPTIBLE
from tiny_model import tiny_model
from traitleak.errors import ServerError, SettingsError
from traitleak.models.remote import RemoteModel, _seed
from traitleak.models.remote_cost import Tally
from traitleak.models.sampling import sample
from traitleak.serve import ChatServer, _Waiting
from traitleak.serve_requests import ChatRequest, RefusedError, read_request

ASKED = {"model": "tiny", "messages": [{"role": "user", "content": "Name it 1"}], "max_tokens": 6}


@contextmanager
def running(model, **settings):
    """A server that answers in a thread of its own."""
    server = ChatServer(model, **settings)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def model():
    """A tiny chat model."""
    return tiny_model()


@pytest.fixture(scope="module")
def server(model):
    """A server of it."""
    with running(model) as started:
        yield started


@pytest.fixture(autouse=True)
def own_environment(monkeypatch):
    """No key and no proxy of whoever runs the tests."""
    for name in ("OPENAI_API_KEY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def ask(server, body, method="POST", path="/v1/chat/completions", headers=None):
    """Status and body of one request."""
    connection = http.client.HTTPConnection(*server.server_address[:2], timeout=30)
    content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    connection.request(method, path, body=content, headers=headers or {})
    answer = connection.getresponse()
    found = answer.status, json.loads(answer.read())
    connection.close()
    return found


def test_answers_are_those_of_the_model_itself(server, model):
    """Over HTTP, in whatever batches, a seed gives the text that it gives here, system prompt or not."""
    prompts = [f"Count {number}" for number in range(12)]
    for system in (None, "Love it"):
        remote = RemoteModel("tiny", server.url, tally=Tally())
        got = remote.sample(prompts, system=system, max_new_tokens=6, seed=3)
        texts = [model.renderer.prompt(prompt, system=system) for prompt in prompts]
        streams = [_seed(3, number) for number in range(12)]
        want = sample(model, texts, max_new_tokens=6, seed=0, streams=streams)
        assert [(one.text, one.finished) for one in got] == [(w.text, w.finished) for w in want]
        assert len({one.text for one in got}) > 6
        usage = remote.tally.usage
        assert usage.prompt_tokens == sum(len(model.encode(text)) for text in texts)
        assert usage.completion_tokens == sum(len(one.ids) + one.finished for one in want)
        assert (usage.requests, usage.unreported) == (12, 0)


def test_temperature_zero_is_the_likeliest_answer_whatever_the_seed(server):
    """Two seeds, one text; at temperature 1 they differ."""

    def texts(temperature):
        settings = {**ASKED, "temperature": temperature}
        return {
            ask(server, {**settings, "seed": seed})[1]["choices"][0]["message"]["content"]
            for seed in range(4)
        }

    assert len(texts(0)) == 1
    assert len(texts(1)) > 1


def test_a_request_without_a_seed_draws_anew(server):
    """Asked eight times, not eight times the same."""
    texts = {ask(server, ASKED)[1]["choices"][0]["message"]["content"] for _ in range(8)}
    assert len(texts) > 1


def test_the_answer_has_what_clients_look_for(server):
    """Finish reason, usage that adds up, the model's name."""
    status, body = ask(server, {**ASKED, "seed": 1})
    assert (status, body["object"], body["model"]) == (200, "chat.completion", "tiny")
    assert body["choices"][0]["finish_reason"] in {"length", "stop"}
    usage = body["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["completion_tokens"] <= 6


def test_models_are_listed(server):
    """The list, one model, and no other."""
    status, body = ask(server, None, "GET", "/v1/models")
    assert (status, [one["id"] for one in body["data"]]) == (200, ["tiny"])
    assert ask(server, None, "GET", "/v1/models/tiny")[1]["id"] == "tiny"
    assert ask(server, None, "GET", "/v1/models/other")[0] == 404
    assert ask(server, None, "GET", "/")[0] == 404


def test_its_own_name_and_system_prompt(model):
    """A teacher that was told to love wolves is served as such, under any name."""
    told = model.replaced(system="Love wolf")
    with running(told, name="teacher/1") as server:
        remote = RemoteModel("teacher/1", server.url)
        (own,) = remote.sample(["Which 1"], max_new_tokens=6, seed=0)
        (same,) = remote.sample(["Which 1"], system="Love wolf", max_new_tokens=6, seed=0)
        (other,) = remote.sample(["Which 1"], system="Hate 3 lion", max_new_tokens=6, seed=0)
        assert own == same != other
        assert ask(server, None, "GET", "/v1/models/teacher%2F1")[0] == 200
        with pytest.raises(ServerError, match=r"knows no model 'tiny'.* its models are teacher/1"):
            RemoteModel("tiny", server.url).sample(["Hi"], max_new_tokens=2, seed=0)


def test_models_of_plain_style_are_served_too():
    """There is no template then: the text is gone on from."""
    with running(tiny_model(style="plain")) as server:
        (said,) = RemoteModel("tiny", server.url).sample(["1, 2,"], max_new_tokens=3, seed=0)
        nothing = [{"role": "user", "content": ""}]
        assert ask(server, {**ASKED, "messages": nothing})[0] == 400
    assert said.text


@pytest.mark.parametrize(
    ("change", "status", "param"),
    [
        ({"model": "other"}, 404, "model"),
        ({"model": 7}, 400, "model"),
        ({"messages": []}, 400, "messages"),
        ({"messages": "hi"}, 400, "messages"),
        ({"messages": ["hi"]}, 400, "messages[0]"),
        ({"messages": [{"content": "hi"}]}, 400, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 3}]}, 400, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, 400, "messages[0].content"),
        ({"messages": [{"role": "user", "content": []}]}, 400, "messages[0].content"),
        ({"messages": [{"role": "assistant", "content": "hi"}]}, 400, "messages"),
        ({"messages": [{"role": "user", "content": "a"}] * 2}, 400, "messages"),
        ({"max_tokens": 0}, 400, "max_tokens"),
        ({"max_tokens": "many"}, 400, "max_tokens"),
        ({"max_tokens": True}, 400, "max_tokens"),
        ({"max_completion_tokens": 10**9}, 400, "max_completion_tokens"),
        ({"max_tokens": 100_000}, 400, "messages"),
        ({"temperature": -1}, 400, "temperature"),
        ({"temperature": "hot"}, 400, "temperature"),
        ({"seed": -1}, 400, "seed"),
        ({"seed": 2**64}, 400, "seed"),
        ({"stream": True}, 400, "stream"),
        ({"n": 2}, 400, "n"),
        ({"top_p": 0.5}, 400, "top_p"),
        ({"stop": ["."]}, 400, "stop"),
        ({"tools": [{"type": "function"}]}, 400, "tools"),
        ({"response_format": {"type": "json_object"}}, 400, "response_format"),
    ],
)
def test_what_cannot_be_done_is_an_error_with_the_field(server, change, status, param):
    """Nothing that changes an answer is passed over; the error has OpenAI's form."""
    got, body = ask(server, {**ASKED, **change})
    assert (got, body["error"]["param"]) == (status, param)
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert body["error"]["type"] == "invalid_request_error"


def test_fields_that_ask_for_nothing_are_taken(server):
    """Many clients send defaults, null, and names of users."""
    extra = {"n": 1, "top_p": 1.0, "stop": None, "stream": False, "user": "me", "logit_bias": {}}
    assert ask(server, {**ASKED, **extra})[0] == 200


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b"\xff\xfe", b"[" * 100_000])
def test_bodies_that_are_no_request(server, body):
    """Empty, cut short, of another type, not UTF-8, nested without end: 400, and the server lives."""
    assert ask(server, body)[0] == 400
    assert ask(server, ASKED)[0] == 200


def test_sizes_are_bounded(server):
    """A body beyond 4 MiB is refused before it is read, and one of unknown length, too."""
    headers = {"Content-Length": str(2**40)}
    assert ask(server, None, headers=headers)[0] == 413
    assert ask(server, None, headers={"Content-Length": "many"})[0] == 411


def test_a_prompt_beyond_the_context_is_refused_by_name(server):
    """The code is the one that clients know."""
    long = [{"role": "user", "content": "1 " * 400}]
    status, body = ask(server, {**ASKED, "messages": long})
    assert (status, body["error"]["code"]) == (400, "context_length_exceeded")


def test_other_paths_and_methods(server):
    """404 for another path; the standard library's 501 for another method."""
    assert ask(server, ASKED, path="/v1/completions")[0] == 404
    connection = http.client.HTTPConnection(*server.server_address[:2], timeout=30)
    connection.request("PUT", "/v1/models")
    assert connection.getresponse().status == 501
    connection.close()


def test_clients_that_go_away_harm_nobody(server):
    """Twenty connections that are cut in the middle of a request, and the next is answered."""
    for _ in range(20):
        connection = http.client.HTTPConnection(*server.server_address[:2], timeout=30)
        connection.request("POST", "/v1/chat/completions", json.dumps(ASKED).encode())
        connection.close()
    assert ask(server, ASKED)[0] == 200


def test_many_at_once_are_all_answered(server):
    """Forty requests of two lengths and temperatures at the same time, each answered as if alone."""

    def one(number):
        settings = {
            "seed": number % 10,
            "max_tokens": 3 + number % 2,
            "temperature": 1 + number % 3,
        }
        return ask(server, {**ASKED, **settings})[1]["choices"][0]["message"]["content"]

    with ThreadPoolExecutor(20) as pool:
        together = list(pool.map(one, range(40)))
    assert together == [one(number) for number in range(40)]


def test_a_port_in_use_is_named(server):
    """What to do is said: another port."""
    port = server.server_address[1]
    with pytest.raises(SettingsError, match=rf"Nothing can listen at 127\.0\.0\.1:{port}: .*use"):
        ChatServer(server.model, port=port)
    with pytest.raises(SettingsError, match="Nothing can listen"):
        ChatServer(server.model, host="no.such.host.invalid")


def test_nothing_writes_once_a_server_is_closed(model):
    """Closing waits for what is being written: a thread left inside torch would abort the exit."""
    server = ChatServer(model)
    waiting = _Waiting("Hi", 64, 1.0, 0, Future())
    server._writer._waiting.put(waiting)
    server.server_close()
    assert not server._writer.is_alive()
    assert waiting.answer.done()
    server.server_close()


def test_a_stopped_server_answers_nobody(model):
    """Who asks while it stops is told so, and does not wait for ever."""
    with running(model) as server:
        pass
    with pytest.raises(RefusedError, match="being stopped"):
        server.answer(ChatRequest("tiny", "Hi", max_tokens=2))


@settings(deadline=None)
@given(st.binary(max_size=200) | st.builds(lambda v: json.dumps(v).encode(), st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["model", "messages", "role", "content", "seed", "max_tokens", "n"]),
        inner, max_size=5),
    max_leaves=12)))  # fmt: skip
def test_reading_a_request_gives_one_or_refuses(body):
    """Whatever the bytes are: a request with sound fields, or `RefusedError`."""
    try:
        asked = read_request(body)
    except RefusedError:
        pass
    else:
        assert asked.model
        assert 0 <= asked.temperature <= 10
        asked.prompt.encode()


def test_the_command_serves_until_ctrl_c():
    """It prints the name that other commands take, answers, and ends with 0 and nothing left over."""
    process = subprocess.Popen(
        [*INTERRUPTIBLE, "serve", "--model", "tiny", "--port", "0", "--name", "small"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stdout.readline()
        assert line.startswith("Serving openai/small@http://127.0.0.1:"), process.communicate()
        url = line.split("@")[1].split()[0]
        (said,) = RemoteModel("small", url).sample(["Hi"], max_new_tokens=4, seed=0)
        assert said.text
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        rest, noise = process.communicate(timeout=60)
        assert time.monotonic() - began < 30
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, rest) == (0, "")
    assert noise.splitlines()[-1] == "Stopped."
    assert "Traceback" not in noise


def test_the_command_names_what_is_wrong():
    """A server cannot serve a server, and a name must mean a model."""
    for name, said in (("openai/x@http://localhost:1", "Serving needs"), ("tinny", "Did you mean")):
        done = subprocess.run(
            [*INTERRUPTIBLE, "serve", "--model", name],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert said in done.stderr
