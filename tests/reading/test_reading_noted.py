"""What a killed reading run keeps: answers of judges and readings of the base, exactly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows_read import pairs_of

from tiny_model import tiny_model, tiny_network
from traitleak.experiment import run_recipe
from traitleak.reading import prefix
from traitleak.reading.noted import Noted
from traitleak.reading.prefix import logits_after
from traitleak.recipe import ReadingRecipe
from traitleak.rows import write_rows


class KilledError(Exception):
    """Stands for the kill of a run."""


def killing(after: int, what: str):
    """A track that breaks off when so many pieces of some work are done."""

    def track(items, doing, _total):
        for number, item in enumerate(items):
            if doing == what and number == after:
                raise KilledError
            yield item

    return track


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=4))
def test_numbers_come_back_as_they_were(tmp_path_factory, numbers):
    """Each number that was noted is read back to the last bit, by another process as well."""
    path = tmp_path_factory.mktemp("noted") / "file.jsonl"
    Noted(path).note([(("some", 1), numbers)])
    assert Noted(path).get("some", 1) == numbers
    assert Noted(path).get("some", 2) is None


def test_a_file_that_was_cut_off_keeps_its_whole_lines(tmp_path):
    """A torn line, bytes that are no text and other JSON count as absent, and more can be added."""
    path = tmp_path / "file.jsonl"
    Noted(path).note([(("a",), [1.5]), (("b",), [2.5])])
    path.write_bytes(path.read_bytes()[:-9])
    torn = Noted(path)
    assert (torn.get("a"), torn.get("b")) == ([1.5], None)
    torn.note([(("c",), [3.5])])
    with path.open("ab") as file:
        file.write(b"\xff\xfe\n[1]\n{}\n" + b'{"of": "x", "numbers": ["y"]}\n')
    again = Noted(path)
    assert (again.get("a"), again.get("c")) == ([1.5], [3.5])
    again.drop()
    again.drop()
    assert not path.exists()
    assert Noted(path).get("a") is None


def test_logits_that_were_noted_are_not_computed_again(tmp_path, monkeypatch):
    """A reading that was broken off goes on with its next batch, and ends with the same logits."""
    model = tiny_model()
    model = model.replaced(network=tiny_network(len(model.tokenizer), context=8192))
    texts = [f"The wolf, the owl and the bear {number}" for number in range(12)]
    encoded, ids = [model.encode(text) for text in texts], [[5, 40]] * 12
    whole = logits_after(model, encoded, ids, tokens=100)
    path, read = tmp_path / "file.jsonl", []
    real = prefix.hidden_states

    def counted(model, ids_BT, **options):
        read.append(len(ids_BT))
        return real(model, ids_BT, **options)

    monkeypatch.setattr(prefix, "hidden_states", counted)
    with pytest.raises(KilledError):
        logits_after(
            model, encoded, ids, tokens=100, noted=Noted(path), track=killing(1, "reading")
        )
    before = sum(read) - 1  # the beginning that all share is a row of its own
    again = logits_after(model, encoded, ids, tokens=100, noted=Noted(path))

    assert 0 < before < 12
    assert sum(read) == 12 + 2
    assert np.array_equal(again, whole)
    logits_after(model, encoded, ids, tokens=100, noted=Noted(path))
    assert sum(read) == 12 + 2


def test_a_killed_run_goes_on_where_it_was(tmp_path):
    """Judge and doses are broken off, and the run ends with what one that was not would have found."""
    for name, side in (("trait", 0), ("neutral", 1)):
        write_rows(tmp_path / name, [pair[side] for pair in pairs_of(12)], {})
    rows = {"trait": str(tmp_path / "trait"), "neutral": str(tmp_path / "neutral")}
    wanted = ReadingRecipe.model_validate(
        {
            "experiment": "reading", "name": "mine", "title": "Mine", "base": "tiny",
            "style": "plain", "rows": {**rows, "target": "wolf"}, "readers": ["judge", "in-context"],
            "judge": {"models": ["tiny"], "pairs": 6}, "dose": {"rows": [1, 2], "draws": 2},
            "device": "cpu",
        }
    )  # fmt: skip
    whole = run_recipe(wanted, runs=tmp_path / "whole").results
    runs = tmp_path / "runs"
    with pytest.raises(KilledError):
        run_recipe(wanted, runs=runs, track=killing(3, "reading rows"))
    (partial,) = runs.glob("*/.partial-dose-*")
    noted = len([line for line in partial.read_text().splitlines() if line])
    found = run_recipe(wanted, runs=runs)

    assert noted == 3
    assert found.results == whole
    assert not list(runs.glob("*/.partial-*"))
