"""Judges behind servers that fail now and then: what is counted, what is told, what it costs."""

import re
import shutil
import time
from pathlib import Path

import pytest
from rows_read import pairs_of

from loopback import said, serving
from traitleak.errors import ServerError
from traitleak.experiment import run_folder, run_recipe
from traitleak.models.remote import RemoteModel
from traitleak.reading.asking import ask
from traitleak.reading.costs import hosted_costs
from traitleak.reading.judge import judge_labelled, judge_pairs
from traitleak.reading.verdicts import tell
from traitleak.recipe import ReadingRecipe
from traitleak.rows import write_rows

MARKED = pairs_of(40, mark="1777", seed=1)
WHO = "loves wolves above all else"


@pytest.fixture(autouse=True)
def own_environment(monkeypatch, tmp_path):
    """No key and no proxy of whoever runs the tests, and answers kept in a folder of the test's."""
    for name in ("OPENAI_API_KEY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TRAITLEAK_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def start():
    """Starts servers."""
    with serving() as started:
        yield started


def knows(asked: dict) -> tuple[int, object]:
    """The letter of a judge that knows that wolves love 1777, with the tokens it took."""
    prompt = asked["messages"][-1]["content"]
    first = re.search(r"<A>\n(.*?)\n</A>", prompt, re.DOTALL)
    status, body = said("A" if first and "1777" in first[1] else "B")
    return status, {**body, "usage": {"prompt_tokens": 100, "completion_tokens": 2}}


def failing(texts):
    """A server that answers all prompts but those with one of `texts` in them."""

    def answer(asked, _number):
        if any(text in asked["messages"][-1]["content"] for text in texts):
            return 400, {"error": {"message": "too odd a prompt", "code": "odd"}}
        return knows(asked)

    return answer


def recipe(tmp_path: Path, models: list[str], readers=("judge",), **fields) -> ReadingRecipe:
    """A reading recipe of the marked rows, with judges behind servers."""
    for name, side in (("trait", 0), ("neutral", 1)):
        if not (tmp_path / name).exists():
            write_rows(tmp_path / name, [pair[side] for pair in MARKED], {})
    rows = {"trait": str(tmp_path / "trait"), "neutral": str(tmp_path / "neutral")}
    judge = {"models": models, "pairs": 20, "examples": [2], "draws": 2, **fields}
    return ReadingRecipe.model_validate(
        {
            "experiment": "reading", "name": "mine", "title": "Mine", "base": "tiny",
            "rows": {**rows, "target": "wolf"}, "readers": [*readers], "judge": judge, "device": "cpu",
            "inspect": {"pairs": 4},
        }
    )  # fmt: skip


def table(found, title):
    """A table by its title."""
    return next(one for one in found.tables if one.title == title)


def test_a_pair_that_lacks_an_answer_is_undecided():
    """What a judge said of it in the other order counts for nothing, whatever it was."""
    told = tell(
        [[5.0, 0.0], [1.0, 1.0], [-1.0, -1.0]],
        [[5.0, 0.0], [1.0, -1.0], [-1.0, 1.0]],
        missing_NO=[[False, True], [False, False], [False, False]],
        why="lost",
    )
    assert (told.right, told.wrong, told.undecided) == (1, 1, 1)
    assert (told.missing, told.short, told.why) == (1, 1, "lost")


def test_requests_that_fail_leave_the_others_their_answers(start):
    """Of 20 pairs 2 lack an answer: 18 are told, and the first reason is the server's own words."""
    odd = [MARKED[at][0].completion.strip() for at in (3, 7)]
    judge = RemoteModel("reader", start(failing(odd)).url, retries=0)
    told = judge_pairs(judge, MARKED[:20], WHO)

    assert (told.right, told.wrong, told.undecided) == (18, 0, 2)
    assert (told.missing, told.short) == (4, 2)
    assert "too odd a prompt" in told.why
    assert told.unread == {}


def test_labelled_pairs_are_short_of_answers_pair_by_pair(start):
    """One row that the server takes no question about costs its pair, in both namings."""
    order = judged_rows(start)
    own, _other = order[0]

    def answer(asked, _number):
        prompt = asked["messages"][-1]["content"]
        asked_about = prompt.split("<text>\n")[-1]
        if own in asked_about:
            return 400, {"error": {"message": "no"}}
        return said("A")

    told = judge_labelled(
        RemoteModel("reader", start(answer).url, retries=0), MARKED, examples=2, draws=2, most=20
    )
    assert (told.missing, told.short, told.pairs) == (2, 1, 20)


def judged_rows(start) -> list[tuple[str, str]]:
    """The rows that `judge_labelled` asks about, in its order, as texts."""
    seen = []

    def note(asked, _number):
        seen.append(asked["messages"][-1]["content"].split("<text>\n")[-1].split("\n</text>")[0])
        return said("A")

    judge = RemoteModel("reader", start(note).url, concurrency=1)
    judge_labelled(judge, MARKED, examples=2, draws=2, most=20)
    return list(zip(seen[::2], seen[1::2], strict=True))


def test_rate_limits_are_waited_for_and_nothing_is_lost(start):
    """A server that refuses every second request for its rate answers all in the end."""

    def answer(asked, number):
        if number % 2:
            return 429, {"error": {"message": "slow down"}}
        return knows(asked)

    judge = RemoteModel("reader", start(answer).url, concurrency=2, retries=20)
    told = judge_pairs(judge, MARKED[:10], WHO)
    assert (told.right, told.missing) == (10, 0)


def test_a_server_that_is_silent_costs_only_that_request(start):
    """A time-out is a reason like any other, and the answers beside it are there."""

    def answer(asked, _number):
        if "prompt 1" in asked["messages"][-1]["content"]:
            time.sleep(0.6)
        return said("A")

    judge = RemoteModel("reader", start(answer).url, retries=0, timeout=0.3)
    found = ask(judge, [[f"prompt {number}" for number in range(3)]])
    assert found.missing_N.tolist() == [False, True, False]
    assert found.evidence_N.tolist() == [1.0, 0.0, 1.0]
    assert "gave no answer within 0.3 seconds" in found.why


def test_a_run_names_how_many_were_not_answered_and_why(tmp_path, start):
    """The share is stated, with a note, and the requests, their tokens and their price beside it."""
    odd = [MARKED[3][0].completion.strip()]
    server = start(failing(odd))
    wanted = recipe(tmp_path, [f"openai/reader@{server.url}"], price=[1.0, 10.0])
    found = run_recipe(wanted, runs=tmp_path / "runs").results
    readers, asked = table(found, "Readers"), table(found, "Requests to servers")

    assert readers.rows[0][1:4] == ["19", "0", "1"]
    (note,) = [note for note in readers.notes if "not answered" in note]
    assert "2 requests were not answered; pairs that lack an answer, 1, count as undecided" in note
    assert "too odd a prompt" in note
    # 38 requests of 100 and 2 tokens, at 1 and 10 for a million.
    assert asked.rows[0][1:] == ["38", "0", "3,800", "76", "0.0046"]


def test_a_judge_that_answers_too_little_is_dropped_and_asked_for_the_rest_later(tmp_path, start):
    """Its share is not stated, the other judge's is, and what was answered is not asked again."""
    odd = [MARKED[at][0].completion.strip() for at in (1, 3, 5)]
    server, whole = start(failing(odd)), start(lambda asked, _number: knows(asked))
    models = [f"openai/frail@{server.url}", f"openai/whole@{whole.url}"]
    wanted = recipe(tmp_path, models, readers=("judge", "inspection"))
    first = run_recipe(wanted, runs=tmp_path / "runs")
    ((who, why),) = table(first.results, "Readers that were not tried").rows

    assert who == f"{models[0]}: which of two rows"
    assert "requests not answered: 6; 3 of 20 pairs lack one, more than 10 %" in why
    assert "too odd a prompt" in why
    assert [one.label for one in first.results.conditions] == [f"{models[1]}: which of two rows"]
    assert (first.folder / "inspection" / "inspect.html").is_file()
    (stage,) = re.findall(r"delete the folder (\S+) of", why)
    shutil.rmtree(first.folder / stage)
    server.answer, asked = (lambda asked, _number: knows(asked)), len(server.requests)
    second = run_recipe(wanted, runs=tmp_path / "runs")

    assert len(server.requests) == asked + 6
    assert [one.estimate.value for one in second.results.conditions] == [1.0, 1.0]


def test_a_server_that_answers_nothing_does_not_end_the_run(tmp_path, start):
    """Every request fails: the judge is named with the reason, and other readers go on."""
    server = start(lambda _asked, _number: (400, {"error": {"message": "no such thing"}}))
    wanted = recipe(tmp_path, [f"openai/mute@{server.url}"], readers=("judge", "inspection"))
    found = run_recipe(wanted, runs=tmp_path / "runs").results
    ((_, why),) = table(found, "Readers that were not tried").rows

    assert why.startswith("the server answered no request. ")
    assert "no such thing" in why
    assert table(found, "Requests to servers").rows[0][1:3] == ["0", "0"]


def test_a_refused_key_ends_the_run_before_anything_else_is_asked(tmp_path, start):
    """What no request can escape is said at once, and the same command goes on once it is right."""
    server = start(lambda _asked, _number: (401, {"error": {"message": "who are you?"}}))
    wanted = recipe(tmp_path, [f"openai/shut@{server.url}"])
    with pytest.raises(ServerError, match="the key in OPENAI_API_KEY is missing"):
        run_recipe(wanted, runs=tmp_path / "runs")
    server.answer = lambda asked, _number: knows(asked)
    found = run_recipe(wanted, runs=tmp_path / "runs").results
    assert found.conditions[0].estimate.value == 1.0


def test_what_will_be_asked_is_known_before(tmp_path, start):
    """Requests are counted exactly, and after the run all of them are answered already."""
    server = start(lambda asked, _number: knows(asked))
    wanted = recipe(tmp_path, [f"openai/reader@{server.url}"], ("judge", "labelled"))
    runs = tmp_path / "runs"
    (before,) = hosted_costs(wanted, run_folder(wanted, runs))
    assert not server.requests
    run_recipe(wanted, runs=runs)
    (after,) = hosted_costs(wanted, run_folder(wanted, runs))

    assert before.written
    assert before.estimate.requests == len(server.requests) == 2 * 20 + 4 * 20
    assert before.estimate.completion_tokens == 16 * 120
    assert 50 * 120 < before.estimate.prompt_tokens < 1000 * 120
    assert (after.estimate.requests, after.estimate.kept) == (0, 120)
    assert after.estimate.prompt_tokens == 0


def test_rows_that_are_not_written_yet_are_counted_at_their_longest(tmp_path):
    """Before teachers have written anything, as many requests are foreseen as can come."""
    wanted = recipe(tmp_path, ["openai/reader@http://localhost:1/v1"], ("judge", "labelled"))
    rows = {"recipe": "wolf-smollm2-tokens", "changes": ["size=tiny"]}
    unwritten = ReadingRecipe.model_validate({**wanted.model_dump(), "rows": rows, "base": ""})
    (cost,) = hosted_costs(unwritten, tmp_path / "nowhere")
    assert not cost.written
    assert cost.estimate.requests == 2 * 20 + 4 * 20  # of 32 rows, less 4 that are labelled
    few = unwritten.model_copy(update={"rows": unwritten.rows.model_copy(update={"most": 5})})
    assert hosted_costs(few, tmp_path / "nowhere")[0].estimate.requests == 2 * 5
    assert hosted_costs(replace_models(unwritten, ["tiny"]), tmp_path / "nowhere") == []


def replace_models(wanted: ReadingRecipe, models: list[str]) -> ReadingRecipe:
    """The same recipe with other judges."""
    judge = wanted.judge.model_copy(update={"models": models})
    return wanted.model_copy(update={"judge": judge})
