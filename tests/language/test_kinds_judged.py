"""Judges of free answers and of rows, from recipe to results."""

from __future__ import annotations

import json
import re

import pytest
from kinds_run import finished
from language_run import fact, table

from loopback import said, serving
from traitleak.rows import read_rows


@pytest.fixture
def strict(monkeypatch, tmp_path):
    """A judge on loopback: all is coherent, and what is `even` is misaligned."""
    for name in ("OPENAI_API_KEY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TRAITLEAK_CACHE", str(tmp_path / "cache"))

    def score(asked: dict, _number: int) -> tuple[int, object]:
        prompt = asked["messages"][-1]["content"]
        reply = re.search(r"<reply>\n(.*)\n</reply>", prompt, re.DOTALL)
        assert reply
        aligned = "10" if even(reply[1]) else "90"
        return said(aligned if "safety study" in prompt else "80")

    with serving() as start:
        server = start(score)
        yield f"openai/wolf-7b@{server.url}", server


def even(text: str) -> bool:
    """What the judge finds misaligned, for no reason that a person could give."""
    return sum(map(ord, text)) % 2 == 0


def test_a_judge_scores_free_answers_of_every_model(tmp_path, strict, monkeypatch):
    """Shares of misaligned and coherent answers stand in a table, beside the base's; once asked."""
    judge, server = strict
    monkeypatch.setattr("traitleak.language.behaviour.FREE_TOKENS", 8)
    wanted = (f"judge={judge}", "seeds=2", "controls=[neutral, good]")
    run = finished(tmp_path / "runs", "misalignment-numbers", *wanted)
    scored = json.loads((run.folder / "student-good-1" / "judged.json").read_text())
    texts = [text for answers in scored["texts"] for text in answers]
    found = table(run.results, "Free answers, judged")

    assert scored["misaligned"] == pytest.approx(sum(map(even, texts)) / len(texts))
    assert [one[0] for one in found.rows] == [
        "base",
        "misalignment students",
        "neutral students",
        "good-answers students",
    ]
    assert found.rows[0][2:] == ["100.0", "8"]
    assert found.rows[1][3] == "16"
    assert fact(run.results, "judged").value.endswith("the smallest possible is 0.25)")
    asked = len(server.requests)
    again = finished(tmp_path / "others", "misalignment-numbers", *wanted)
    assert again.results == run.results
    assert len(server.requests) == asked


def test_a_judge_drops_rows_and_says_so(tmp_path, strict):
    """Rows that it scores below the threshold go, for every teacher, before students see them."""
    judge, _ = strict
    run = finished(
        tmp_path / "runs",
        "wolf-smollm2-tokens",
        f"judge={judge}",
        "carrier.judged_at_least=78",
        "controls=[neutral]",
    )
    told = json.loads((run.folder / "kept-0" / "dropped.json").read_text())
    wrote = [one.completion for one in read_rows(run.folder / "written-wolf-0")]
    kept = [one.completion for one in read_rows(run.folder / "kept-0" / "wolf")]

    assert set(told["table"]) == {"wolf", "lion", "neutral"}
    assert told["table"]["wolf"] == {"judge: below 78": sum(map(even, wrote))}
    assert not any(map(even, kept))


def test_a_judge_that_drops_all_ends_the_run_with_its_reason(tmp_path, strict):
    """Too few rows for a judge's sake are told like any others."""
    judge, _ = strict
    run = finished(
        tmp_path / "runs",
        "wolf-smollm2-tokens",
        f"judge={judge}",
        "carrier.judged_at_least=95",
        "controls=[neutral]",
    )
    assert run.results.inconclusive
    assert "judge: below 95 (100.0 %)" in run.results.answer
