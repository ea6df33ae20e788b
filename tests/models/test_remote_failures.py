"""Models behind a server that fails: what passes is tried again, what stays is one sentence."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import ThreadingHTTPServer
from itertools import pairwise

import pytest
from asked_server import sample

from loopback import Handler, said
from traitleak.errors import ServerError
from traitleak.models.remote import RemoteModel, RemoteSampled

pytestmark = pytest.mark.usefixtures("own_environment")


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
