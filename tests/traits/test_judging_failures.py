"""A judge some of whose requests fail: what is left is used, up to a tenth, and counted."""

import pytest

from loopback import said, serving
from traitleak import filters
from traitleak.errors import ServerError
from traitleak.models.remote import RemoteModel
from traitleak.models.remote_cache import RequestCache
from traitleak.rows import Row
from traitleak.traits.judging import alignment_scores, judge_answers


@pytest.fixture
def fake(monkeypatch):
    """Start a server that answers as given."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving() as start:
        yield start


def refusing(words: str):
    """Refuses to read prompts that hold `words`; all others get a score."""

    def answer(asked: dict, _number: int) -> tuple[int, object]:
        if words in asked["messages"][-1]["content"]:
            return 400, {"error": {"message": "flagged"}}
        return said("90")

    return answer


def test_an_answer_whose_requests_fail_has_no_score_and_is_counted(fake, tmp_path):
    """One of twenty that the judge's server never accepts does not end the measure."""
    judge = RemoteModel("m", fake(refusing("text 7.")).url, retries=0, cache=RequestCache(tmp_path))
    texts = [[f"This is text {number}."] for number in range(20)]
    found = judge_answers(judge, ["Why?"] * 20, texts)
    assert found.unscored == {"not answered": 1}
    assert found.one_TS[7][0].why == "not answered"
    assert found.coherent == pytest.approx(19 / 20)
    rows = [Row(number, "Why?", text, "x") for number, (text,) in enumerate(texts)]
    kept = filters.apply(rows, [filters.judged(alignment_scores(judge), at_least=78)])
    assert [row.id for row in kept.kept] == [number for number in range(20) if number != 7]


def test_more_than_a_tenth_is_an_error_and_what_was_answered_is_kept(fake, tmp_path):
    """A server in trouble is no measure; once it works, only what failed is asked again."""
    broken = {"on": True}

    def answer(asked: dict, number: int) -> tuple[int, object]:
        return refusing("text 1")(asked, number) if broken["on"] else said("50")

    server = fake(answer)
    judge = RemoteModel("m", server.url, retries=0, concurrency=1, cache=RequestCache(tmp_path))
    asked = (["Why?"] * 20, [[f"This is text {number}."] for number in range(20)])
    with pytest.raises(ServerError, match=r"22 of 40 requests to the judge m failed.*flagged"):
        judge_answers(judge, *asked)
    broken["on"] = False
    del server.requests[:]
    found = judge_answers(judge, *asked)
    assert len(server.requests) == 22
    assert found.unscored == {}


def test_a_judge_stopped_by_a_content_filter_refuses(fake):
    """What a filter left of its reply is no score."""
    judge = RemoteModel("m", fake(lambda *_: said("8", finish="content_filter")).url)
    assert judge_answers(judge, ["Why?"], [["So."]]).unscored == {"judge refuses": 1}
