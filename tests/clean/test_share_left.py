"""The share of an effect that is left: known answers, Fieller's interval, and when there is none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from traitleak.clean.share_left import share_left
from traitleak.errors import SettingsError

positive = st.floats(0.5, 2, allow_nan=False)


@given(st.lists(positive, min_size=2, max_size=8))
def test_untouched_has_all_left(untouched):
    """An arm against itself: exactly 1; and where there is an interval, that one point."""
    found = share_left(untouched, untouched)
    assert found.value == 1
    assert set(found.replicates) == {1.0}
    if found.low is not None:
        assert (found.low, found.high) == (1, 1)


def test_nothing_left_is_exactly_0():
    """An arm without any transfer: 0, without width."""
    found = share_left([0, 0, 0], [1, 1.1, 0.9])
    assert (found.value, found.low, found.high) == (0, 0, 0)


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(9, 11)), min_size=3, max_size=6))
def test_the_ends_are_where_the_t_test_turns(pairs):
    """At either end of the interval, y - r x is just at the edge of being different from zero."""
    y, x = np.array(pairs).T
    found = share_left(y, x)
    quantile = stats.t.ppf(0.975, len(x) - 1)
    for end in (found.low, found.high):
        left = y - end * x
        edge = quantile * left.std(ddof=1) / len(x) ** 0.5
        assert abs(left.mean()) == pytest.approx(edge, abs=1e-5)
    assert found.low <= found.value <= found.high


def test_coverage():
    """Of intervals over five normal pairs, 95 % hold the true share."""
    rng = np.random.default_rng(0)
    hits, num = 0, 2000
    for _ in range(num):
        x = rng.normal(1, 0.15, 5)
        y = 0.3 * x + rng.normal(0, 0.1, 5)
        found = share_left(y, x)
        hits += found.low is None or found.low <= 0.3 <= found.high
    assert hits / num == pytest.approx(0.95, abs=0.015)


def test_one_seed_has_no_interval():
    """The ratio alone, and the sentence that says so."""
    found = share_left([0.2], [0.8])
    assert (found.value, found.low, found.high, found.n) == (0.25, None, None, 1)
    assert found.method == "one seed: no interval"


def test_a_weak_untouched_transfer_has_no_interval():
    """Where the denominator may be zero, no end can be given, and it says why."""
    found = share_left([0.1, 0.2, 0.1], [2, -1, 0.5])
    assert (found.low, found.high) == (None, None)
    assert "not different from zero" in found.method


def test_no_transfer_has_no_share():
    """Rows that carried nothing, or the reverse, leave nothing to take a share of."""
    assert share_left([0.1, 0.2], [-0.5, 0.2]) is None
    assert share_left([0.1], [0.0]) is None


@pytest.mark.parametrize(
    ("one", "two"), [([], []), ([1.0], [1.0, 2.0]), ([float("nan")], [1.0]), ([["a"]], [1.0])]
)
def test_values_that_are_no_pairs(one, two):
    """Empty, of other lengths, not finite, not numbers."""
    with pytest.raises(SettingsError):
        share_left(one, two)
