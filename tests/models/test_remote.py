"""Models behind a server: sampled over HTTP from a small real server (`loopback`)."""

import time
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import ThreadingHTTPServer
from itertools import pairwise

import pytest

from loopback import Handler, Server, said, serving
from traitleak.errors import MissingExtraError, ServerError, SettingsError
from traitleak.models.remote import RemoteModel, RemoteSampled, remote_model
from traitleak.models.remote_cache import RequestCache
from traitleak.models.remote_cost import Estimate, Tally, Usage


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
    names = ("retries", "timeout", "cache", "tally", "concurrency")
    fields = {key: settings.pop(key) for key in names if key in settings}
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


def test_an_answer_that_was_kept_is_not_asked_for_again(serve, tmp_path):
    """The same requests: none is sent, all is equal; what differs in any setting is sent."""
    server = serve(lambda asked, _: said(asked["messages"][-1]["content"], finish="length"))
    cache, tally = RequestCache(tmp_path), Tally()
    first = sample(server, "a", "b", cache=cache)
    again = sample(server, "a", "b", cache=cache, tally=tally)
    assert (again, len(server.requests)) == (first, 2)
    assert tally.usage == Usage(kept=2)
    sample(server, "a", "b", cache=cache, seed=1)
    sample(server, "a", "b", cache=cache, temperature=0.5)
    sample(server, "a", "b", cache=cache, system="s")
    sample(server, "a", "b", cache=cache, max_new_tokens=6)
    assert len(server.requests) == 10
    sample(server, "b", cache=cache, streams=[1])
    assert len(server.requests) == 10


@pytest.mark.parametrize(
    "answer",
    [said(None, refusal="No."), said("x", finish="content_filter"), said(None, finish="length")],
)
def test_refusals_and_filtered_answers_are_kept_as_what_they_are(serve, tmp_path, answer):
    """They are answers, too: a second run does not ask again, and tells them apart as the first did."""
    server = serve(lambda *_: answer)
    first = sample(server, "Hi", cache=RequestCache(tmp_path))
    assert sample(server, "Hi", cache=RequestCache(tmp_path)) == first
    assert len(server.requests) == 1


def test_a_broken_entry_is_asked_for_again(serve, tmp_path):
    """A truncated file costs one request, and is then whole."""
    server = serve(lambda *_: said("7"))
    sample(server, "Hi", cache=RequestCache(tmp_path))
    (path,) = tmp_path.rglob("*.json")
    path.write_bytes(path.read_bytes()[:-20])
    for _ in range(2):
        assert sample(server, "Hi", cache=RequestCache(tmp_path))[0].text == "7"
    assert len(server.requests) == 2


def test_what_was_answered_before_a_failure_is_kept(serve, tmp_path):
    """A run that an error ends goes on where it was: only what is missing is sent."""
    server = serve(lambda _, n: said("7") if n <= 6 else (401, {"error": {"message": "no"}}))
    prompts = list(map(str, range(10)))
    with pytest.raises(ServerError):
        sample(server, *prompts, cache=RequestCache(tmp_path), concurrency=1)
    server.answer = lambda *_: said("7")
    del server.requests[:]
    assert len(sample(server, *prompts, cache=RequestCache(tmp_path))) == 10
    assert sorted(one["messages"][0]["content"] for one in server.requests) == ["6", "7", "8", "9"]


def test_usage_is_what_the_server_reports(serve):
    """Summed; an answer without a report, or with a strange one, is counted apart."""
    reports = [
        {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8},
        {"prompt_tokens": 7, "completion_tokens": 1, "total_tokens": 8},
        None,
        {"prompt_tokens": None, "completion_tokens": 1},
        {"prompt_tokens": -5, "completion_tokens": 1, "total_tokens": 1},
    ]

    def answer(asked: dict, _number: int) -> tuple[int, object]:
        status, body = said("7")
        return status, {**body, "usage": reports[int(asked["messages"][0]["content"])]}

    tally = Tally()
    sample(serve(answer), *map(str, range(5)), tally=tally)
    assert tally.usage == Usage(5, 0, 12, 4, unreported=3)


def test_an_estimate_sends_nothing_and_knows_what_is_kept(serve, tmp_path):
    """Requests, those that are answered already, and the most that completions may take."""
    server = serve(lambda *_: said("7"))
    model = RemoteModel("wolf-7b", server.url, cache=RequestCache(tmp_path))
    settings = {"system": "Be short.", "max_new_tokens": 9, "seed": 4}
    model.sample(["a", "b"], **settings)
    found = model.estimate(["a", "b", "count to ten", "d"], **settings)
    assert found == Estimate(requests=2, kept=2, prompt_tokens=26, completion_tokens=18)
    assert len(server.requests) == 2
    away = RemoteModel("m", "http://127.0.0.1:1/v1")
    assert away.estimate(["a"], max_new_tokens=1, seed=0).requests == 1
    with pytest.raises(SettingsError):
        away.estimate(["a"], max_new_tokens=0, seed=0)


@pytest.mark.parametrize(
    "broken",
    [
        (200, b'{"id": "1", "choices": [{"ind'),
        (200, b'{"id": "1", "choices": [{"ind', {"Content-Length": "900"}),  # and then silence
        (200, b""),
        (200, {"choices": []}),
        (200, {"error": {"message": "overloaded", "code": 502}}),
        (200, {"choices": [{"index": 0, "finish_reason": "stop"}]}),
        (408, {"error": {}}),
        (409, {"error": {}}),
        (502, b"<html>bad gateway</html>"),
        (503, b"", {"retry-after-ms": "", "Retry-After": "0.01"}),
        (429, {"error": {}}, {"retry-after-ms": "", "Retry-After": "0"}),
        (429, {"error": {}}, {"retry-after-ms": "nan", "Retry-After": "soon"}),
        (429, {"error": {}}, {"retry-after-ms": "-5"}),
        (529, {"error": {}}),
    ],
)
def test_broken_answers_and_busy_servers_are_asked_again(serve, broken):
    """Half an answer, none, an error in its place, a gateway's page: the second try counts."""
    server = serve(lambda _, number: said("7") if number > 1 else broken)
    assert sample(server, "Hi")[0] == RemoteSampled("7", finished=True)
    assert len(server.requests) == 2


def test_the_wait_that_a_server_asks_for_is_kept(serve):
    """In seconds and as a date; and without one, each wait is about twice as long as the last."""

    def date() -> str:
        return format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)

    for header, least in ((lambda: "0.4", 0.4), (date, 0.9)):
        moments = []

        def answer(_asked, number, header=header, moments=moments):
            moments.append(time.monotonic())
            wait = {"retry-after-ms": "", "Retry-After": header()}
            return said("7") if number > 1 else (429, {"error": {}}, wait)

        sample(serve(answer), "Hi")
        assert least <= moments[1] - moments[0] < least + 5
    moments = []

    def never(_asked, _number):
        moments.append(time.monotonic())
        return 500, {"error": {}}, {"retry-after-ms": ""}

    with pytest.raises(ServerError):
        sample(serve(never), "Hi", retries=2)
    waits = [later - sooner for sooner, later in pairwise(moments)]
    assert 0.375 <= waits[0] < waits[1]
    assert waits[1] >= 0.75


def test_a_wait_that_is_too_long_is_not_waited(serve):
    """A server that wants an hour is taken at its word, which the error repeats."""
    wait = {"retry-after-ms": "", "Retry-After": "3600"}
    server = serve(lambda *_: (429, {"error": {"message": "Later"}}, wait))
    with pytest.raises(ServerError, match=r"\(Later\); it asks to wait 3,600 seconds"):
        sample(server, "Hi")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "error", "sentence"),
    [
        (402, {"message": "Pay"}, "no credit left: Pay"),
        (429, {"message": "Pay", "code": "insufficient_quota"}, "no credit left: Pay"),
    ],
)
def test_no_credit_is_not_tried_again(serve, status, error, sentence):
    """Waiting does not fill an account."""
    server = serve(lambda *_: (status, {"error": error}))
    with pytest.raises(ServerError, match=sentence):
        sample(server, "Hi")
    assert len(server.requests) == 1


def test_a_server_that_asks_not_to_retry_is_heeded(serve):
    """`x-should-retry: false` ends it."""
    server = serve(lambda *_: (500, {"error": {}}, {"x-should-retry": "false"}))
    with pytest.raises(ServerError, match="error 500"):
        sample(server, "Hi")
    assert len(server.requests) == 1


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


def test_failures_cost_only_their_own_answer(serve):
    """With `keep_going` what is answered is there, and what is not says why."""

    def answer(asked: dict, _number: int) -> tuple[int, object]:
        bad = asked["messages"][0]["content"] in {"3", "7"}
        return (400, {"error": {"message": "too long"}}) if bad else said("7")

    found = sample(serve(answer), *map(str, range(10)), keep_going=True)
    assert [number for number, one in enumerate(found) if one.failed] == [3, 7]
    assert "answered with error 400: too long." in found[3].failed
    assert [one.text for one in found if not one.failed] == ["7"] * 8


def test_the_rest_is_not_sent_where_no_request_can_be_answered(serve):
    """Credit that ends half-way: what is there is kept, and nobody asks four hundred times more."""
    none = (402, {"error": {"message": "Pay"}})
    server = serve(lambda _, number: said("7") if number <= 30 else none)
    found = sample(server, *map(str, range(500)), keep_going=True)
    assert sum(not one.failed for one in found) == 30
    assert len(server.requests) < 60
    assert any(one.failed.startswith("not sent, since before it: ") for one in found)


def test_twenty_failures_in_a_row_end_the_sending(serve):
    """A server that has begun to fail is left alone, and the reason is said."""
    broken = (500, {"error": {"message": "boom"}})
    server = serve(lambda _, number: said("7") if number <= 30 else broken)
    found = sample(server, *map(str, range(500)), keep_going=True, retries=0)
    assert sum(not one.failed for one in found) == 30
    assert len(server.requests) < 70
    assert any(one.failed.startswith("not sent, since 20 failed in a row") for one in found)


def test_nothing_answered_is_an_error(serve):
    """With `keep_going`, too: there is nothing to keep."""
    server = serve(lambda *_: (500, {"error": {"message": "boom"}}))
    with pytest.raises(ServerError, match="error 500: boom"):
        sample(server, "a", "b", keep_going=True, retries=0)


def test_an_interrupt_ends_the_waiting(serve):
    """Ctrl-C while requests wait to be tried again: no minute is waited out."""
    wait = {"retry-after-ms": "", "Retry-After": "100"}
    server = serve(lambda *_: (429, {"error": {}}, wait))

    def interrupted(waiting, *_):
        for _one in waiting:
            while len(server.requests) < 4:
                time.sleep(0.01)
            raise KeyboardInterrupt
        yield

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        sample(server, *map(str, range(50)), concurrency=4, track=interrupted)
    assert time.monotonic() - began < 20
    assert len(server.requests) < 10


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
