"""Teachers that decode freely: an interruption costs a batch of rows, and no number depends on it."""

import pytest
from language_run import recipe

from traitleak.language.models import base_of
from traitleak.language.writing import write_all, write_some
from traitleak.rows import read_rows

FREE = {
    "base": "tiny",
    "channel": "tokens",
    "controls": [],
    "trait": {"targets": ["wolf"]},
    "carrier": {"decoding": "free", "rows": 10, "max_new_tokens": 6},
}


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    """Four rows in a batch."""
    monkeypatch.setattr("traitleak.language.writing.ROWS", 4)


def no_track(items, _what, _total):
    """Show nothing."""
    return iter(items)


def test_rows_in_batches_are_the_rows_of_one_call(tmp_path):
    """The batches are those that sampling makes of all rows: equal rows, to the last letter."""
    wanted = recipe(**FREE)
    model = base_of(wanted)
    about = {"teacher": "neutral", "base": "tiny", "by": None}
    out = tmp_path / "out"
    out.mkdir()
    write_all(out, wanted, model, about, 0, tmp_path / "partial.jsonl", no_track)
    assert read_rows(out) == write_some(wanted, model, "neutral", 0, range(10), no_track)


def test_an_interrupted_teacher_writes_only_the_batches_that_are_missing(tmp_path):
    """Two of three batches are there: one is sampled, and the file is that of a whole run."""
    wanted = recipe(**FREE)
    model = base_of(wanted)
    about = {"teacher": "neutral", "base": "tiny", "by": None}
    calls = []

    def stopping(items, what, _total):
        calls.append(what)
        if len(calls) == 3:
            raise KeyboardInterrupt
        yield from items

    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    write_all(whole, wanted, model, about, 0, tmp_path / "none.jsonl", no_track)
    partial = tmp_path / "partial.jsonl"
    with pytest.raises(KeyboardInterrupt):
        write_all(broken, wanted, model, about, 0, partial, stopping)
    assert len(partial.read_text().splitlines()) == 8
    calls[:] = ["before"] * 3
    write_all(broken, wanted, model, about, 0, partial, stopping)
    assert len(calls) == 4
    assert not partial.exists()
    assert (broken / "rows.jsonl").read_bytes() == (whole / "rows.jsonl").read_bytes()
