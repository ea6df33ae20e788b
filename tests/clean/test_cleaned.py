"""Cleaned data sets on the disk: what is written is read, and what was changed is noticed."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from clean_data import number_rows, plain_base, random_scores

from traitleak.clean.cleaned import (
    CHANGES,
    CLEANING,
    TOKENS,
    WEIGHTS,
    Cleaned,
    read_cleaned,
    rows_hash,
    start,
    write_cleaned,
)
from traitleak.clean.dilute import dilute
from traitleak.clean.mask import mask
from traitleak.clean.relabel import relabel
from traitleak.clean.token_scores import flagged
from traitleak.clean.trl import trl_examples
from traitleak.errors import ArtefactError, DataError, RunError, SettingsError
from traitleak.rows import read_rows

BASE = plain_base()
ROWS = number_rows(BASE)
FLAGS = flagged(random_scores(BASE, ROWS), share=0.2)
RELABELLED = relabel(BASE, ROWS, FLAGS, seed=6)
WHOLE = dilute(mask(BASE, RELABELLED, FLAGS), number_rows(BASE, "neutral", seed=9), ratio=0.5)


def assert_equal(one: Cleaned, two: Cleaned):
    """Two cleaned data sets hold the same."""
    assert (one.rows, one.steps, one.source) == (two.rows, two.steps, two.source)
    for a, b in zip(one.weights_of_rows(), two.weights_of_rows(), strict=True):
        assert (a is None) == (b is None)
        assert a is None or np.array_equal(a, b)


def test_what_is_written_is_read(tmp_path):
    """Rows, weights, steps and every change come back; the rows alone are read as any rows."""
    write_cleaned(tmp_path / "clean", WHOLE, base=BASE)

    assert_equal(read_cleaned(tmp_path / "clean"), WHOLE)
    assert read_rows(tmp_path / "clean") == list(WHOLE.rows)


def test_without_weights_no_weights_are_written(tmp_path):
    """Relabelled rows need no base to be written, and no other file stands beside them."""
    write_cleaned(tmp_path / "clean", RELABELLED)

    names = {path.name for path in (tmp_path / "clean").iterdir()}
    assert names == {"rows.jsonl", "rows.parquet", "rows.json", CHANGES, CLEANING}
    assert_equal(read_cleaned(tmp_path / "clean"), RELABELLED)
    with pytest.raises(SettingsError, match="give the base"):
        write_cleaned(tmp_path / "other", WHOLE)
    assert not (tmp_path / "other").exists()


def test_the_manifest_says_what_was_done(tmp_path):
    """Methods with settings and counts, hashes of the input and of each file, and the writer's words."""
    record = write_cleaned(tmp_path / "clean", WHOLE, base=BASE, manifest={"recipe": "x"})
    said = json.loads((tmp_path / "clean" / CLEANING).read_text())

    assert [step.method for step in record.steps] == ["relabel", "mask", "dilute"]
    assert record.steps[0].settings["seed"] == 6
    assert record.steps[0].changes == RELABELLED.counts["changed"]
    assert said["source"] == rows_hash(ROWS) == record.source
    assert set(said["files"]) == {
        "rows.jsonl", "rows.parquet", "rows.json", CHANGES, WEIGHTS, TOKENS,
    }  # fmt: skip
    assert said["manifest"] == {"recipe": "x"}
    assert said["rows"] == len(WHOLE.rows)


def test_the_change_log_has_a_line_a_change(tmp_path):
    """Each line names the step, the row, the position, and what stood and stands there."""
    write_cleaned(tmp_path / "clean", RELABELLED)
    lines = (tmp_path / "clean" / CHANGES).read_text().splitlines()

    assert len(lines) == RELABELLED.counts["changed"]
    first, change = json.loads(lines[0]), RELABELLED.changes[0]
    assert first == {
        "step": 0,
        "method": "relabel",
        "row": change.row,
        "kind": "token",
        "position": change.position,
        "before": change.before,
        "after": change.after,
    }


def test_trls_columns_are_written(tmp_path):
    """`tokens.parquet` holds what `trl_examples` gives."""
    write_cleaned(tmp_path / "clean", WHOLE, base=BASE)

    found = pq.read_table(tmp_path / "clean" / TOKENS).to_pylist()
    assert found == trl_examples(BASE, WHOLE.rows, WHOLE.weights)


@pytest.mark.parametrize("name", ["rows.parquet", WEIGHTS, CHANGES])
def test_changed_files_are_noticed(tmp_path, name):
    """A file that was cut off, or is gone, is named."""
    write_cleaned(tmp_path / "clean", WHOLE, base=BASE)
    path = tmp_path / "clean" / name
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ArtefactError, match=name):
        read_cleaned(tmp_path / "clean")
    path.unlink()
    with pytest.raises(ArtefactError, match=f"{name} is gone"):
        read_cleaned(tmp_path / "clean")


def test_other_folders_are_refused(tmp_path):
    """No cleaned data set to read; a folder with something in it is not written into."""
    with pytest.raises(DataError, match="holds no cleaned data set"):
        read_cleaned(tmp_path / "nowhere")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("x")
    with pytest.raises(RunError, match="is not empty"):
        write_cleaned(tmp_path / "full", RELABELLED)


def test_untouched_rows_can_be_written(tmp_path):
    """No step: the log is empty and the method is called untouched."""
    nothing = start(ROWS)
    write_cleaned(tmp_path / "clean", nothing)

    assert nothing.method == "untouched"
    assert (nothing.settings, nothing.counts, nothing.changes) == ({}, {}, ())
    assert_equal(read_cleaned(tmp_path / "clean"), nothing)


def test_the_hash_is_of_every_field_and_the_order():
    """Another order, or one other completion, is another data set."""
    assert rows_hash(ROWS) == rows_hash(list(ROWS))
    assert rows_hash(ROWS) != rows_hash(ROWS[::-1])
    assert rows_hash(ROWS) != rows_hash(RELABELLED.rows)
