"""What results may not say: tables with holes, traits that are not there."""

import pytest
from pydantic import ValidationError

from traitleak.results import Bars, BarSeries, DataTable, Matrix, MatrixRow, RowSamples, SampleRow
from traitleak.statistics import mean_estimate

ONE = mean_estimate([0.5, 0.7])
ROW = {"name": "wolf", "label": "wolf teacher", "role": "effect", "trait": "wolf"}
WORDS = {"name": "m", "title": "t", "caption": "", "value_name": "nats"}


def matrix(**changes) -> Matrix:
    """One row of two traits."""
    traits = changes.pop("traits", ["wolf", "lion"])
    row = ROW | {"cells": [ONE, None]} | changes
    return Matrix(**WORDS, traits=traits, rows=[MatrixRow(**row)])


def bars(**changes) -> Bars:
    """One series of two candidates."""
    candidates = changes.pop("candidates", ["wolf", "lion"])
    series = ROW | {"before": [ONE, ONE], "after": [ONE, ONE]} | changes
    return Bars(**WORDS, candidates=candidates, series=[BarSeries(**series)])


@pytest.mark.parametrize(
    ("make", "changes", "complaint"),
    [
        (matrix, {"cells": [ONE]}, "row 'wolf' of the matrix 'm' has 1 values for 2 columns"),
        (matrix, {"trait": "owl"}, "'owl', which is none of its columns"),
        (matrix, {"traits": ["wolf", "wolf"]}, "the matrix 'm' hold 'wolf' more than once"),
        (matrix, {"traits": []}, "at least 1 item"),
        (matrix, {"cells": [0.5, 0.5]}, "Estimate"),
        (matrix, {"role": "hero"}, "'effect', 'control' or 'reference'"),
        (bars, {"after": [ONE]}, "series 'wolf' of the bars 'm' has 1 values for 2 columns"),
        (bars, {"before": []}, "has 0 values for 2 columns"),
        (bars, {"trait": "owl"}, "'owl', which is none of its candidates"),
        (bars, {"candidates": ["lion", "lion"]}, "the bars 'm' hold 'lion' more than once"),
        (bars, {"after": [ONE, None]}, "Estimate"),
    ],
)
def test_what_does_not_fit_together_is_named(make, changes, complaint):
    """A row of the wrong length, an unknown or doubled trait, a wrong type: each says where."""
    make()
    with pytest.raises(ValidationError, match=complaint):
        make(**changes)


@pytest.mark.parametrize(
    ("teachers", "completions", "complaint"),
    [
        (["wolf", "lion"], ["1"], "a row of the samples 't' has 1 values for 2 columns"),
        ([], [], "at least 1 item"),
        (["x"] * 27, ["1"] * 27, "at most 26 items"),
    ],
)
def test_every_teacher_has_a_letter_and_a_completion(teachers, completions, complaint):
    """Samples need one completion a teacher, and no more teachers than letters."""
    rows = [SampleRow(prompt="p", completions=completions)]
    with pytest.raises(ValidationError, match=complaint):
        RowSamples(title="t", caption="", teachers=teachers, rows=rows)


def test_a_tables_rows_fit_its_head():
    """A row with a cell too many is named; a table without rows is a table."""
    assert DataTable(title="t", caption="", head=["a"], rows=[]).rows == []
    with pytest.raises(ValidationError, match=r"row \['x'\] of the table 't' has 2 values for 1"):
        DataTable(title="t", caption="", head=["a"], rows=[["x", "y"]])
