"""What models behind a server have answered is kept and counted: it is asked, and paid for, once."""

import pytest
from asked_server import sample

from loopback import said
from traitleak.errors import ServerError, SettingsError
from traitleak.models.remote import RemoteModel
from traitleak.models.remote_cache import RequestCache
from traitleak.models.remote_cost import Estimate, Tally, Usage

pytestmark = pytest.mark.usefixtures("own_environment")


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
