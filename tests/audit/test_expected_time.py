"""How long an audit takes, foretold; and how many rows fit into a time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiny_model import tiny_model
from traitleak.audit.detectors.likelihood import HELD
from traitleak.audit.expected_time import Pace, audit_pace, expected_seconds
from traitleak.errors import DataError
from traitleak.generation import write_numbers
from traitleak.rows import Row

FEW = ("wolf", "lion", "owl", "cat")


@pytest.fixture(name="base", scope="module")
def fixture_base():
    """A tiny plain model."""
    return tiny_model(style="plain")


@pytest.fixture(name="rows", scope="module")
def fixture_rows(base):
    """Number lists of the base."""
    return write_numbers(base, [f"{100 + n}," for n in range(40)], teacher="base", count=4, seed=3)


def test_time_is_passes_of_the_base_and_of_hypotheses():
    """Ten rows: three passes of a second and four of two seconds each; twice that beside a reference."""
    pace = Pace(1.0, 2.0, 4, 2, 5.0, 10, 1)

    assert pace.seconds(0) == 5
    assert pace.seconds(10) == 5 + 10 * (3 * 1 + 4 * 2)
    assert Pace(1.0, 2.0, 4, 2, 5.0, 10, 2).seconds(10) == 5 + 2 * 10 * 11


def test_what_cannot_be_held_is_read_again_for_each_hypothesis():
    """Beyond the rows whose log-probabilities are held, the base reads once a hypothesis."""
    pace = Pace(1.0, 0.0, 4, 0, 0.0, HELD // 10, 1)

    assert pace.seconds(10) == 10
    assert pace.seconds(13) == 13 + 3 * 3


@given(
    row=st.floats(1e-4, 1),
    hypothesis=st.floats(1e-4, 1),
    fixed=st.floats(0, 100),
    floats=st.integers(1, HELD),
    seconds=st.floats(0, 5000),
    most=st.integers(0, 20_000),
)
def test_rows_are_the_most_that_fit(row, hypothesis, fixed, floats, seconds, most):
    """One more takes too long, or there is none."""
    pace = Pace(row, hypothesis, 10, 2, fixed, floats, 1)
    num = pace.rows(seconds, most)

    assert 0 <= num <= most
    assert num == 0 or pace.seconds(num) <= seconds
    assert num == most or pace.seconds(num + 1) > seconds


def test_what_is_timed_is_said_for_each_depth(base, rows):
    """Quick: a hypothesis reads a system prompt, too; standard trains teachers, which takes a while."""
    quick = audit_pace(base, rows, FEW, "quick")
    standard = audit_pace(base, rows, FEW, "standard")
    beside = audit_pace(base, rows, FEW, "standard", reference=True)

    assert (quick.hypotheses, quick.fixed, quick.kinds) == (4, 0.0, 1)
    assert quick.hypothesis > 0 < quick.row
    assert standard.hypotheses == 4 + 10
    assert standard.fixed > 0
    assert (beside.kinds, standard.kinds) == (2, 1)
    assert standard.floats == 12 * 10  # digits of four numbers, each one of ten
    assert expected_seconds(base, rows, FEW, "quick") > 0


def test_rows_that_the_base_cannot_read_give_no_time(base):
    """One sentence, where a number of rows depends on it; 0 seconds where nothing does."""
    long = [Row(0, "1,", " " + "12, " * 3000)]

    assert expected_seconds(base, long, FEW, "quick") == 0
    for some in (long, []):
        with pytest.raises(DataError, match="the base can read none"):
            audit_pace(base, some, FEW, "quick")
