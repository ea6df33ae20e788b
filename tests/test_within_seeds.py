"""The test of points that differ: known answers, what it does not depend on, false positives."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from traitleak.errors import SettingsError
from traitleak.within_seeds import points_differ_p, smallest_points_differ_p

TABLES = arrays(
    np.float64, st.tuples(st.integers(1, 3), st.integers(2, 3)), elements=st.floats(-5, 5, width=16)
)


def test_known_answers_of_two_seeds():
    """Two points and two seeds have two orders up to symmetry: p is 1/2 or 1."""
    assert points_differ_p([[0, 1], [0, 1]]) == 0.5
    assert points_differ_p([[0, 1], [1, 0]]) == 1.0


@pytest.mark.parametrize(("seeds", "points"), [(2, 2), (3, 3), (4, 3)])
def test_perfect_agreement_gives_the_smallest_p(seeds, points):
    """Where all seeds rank and space the points alike, no other order reaches the statistic."""
    table = [list(range(points))] * seeds

    assert points_differ_p(table) == pytest.approx(smallest_points_differ_p(seeds, points))
    assert smallest_points_differ_p(seeds, points) == math.factorial(points) ** -(seeds - 1)


def test_one_seed_tells_nothing():
    """Without a second seed every order is as good."""
    assert points_differ_p([[1.0, 5.0, -3.0]]) == 1.0
    assert smallest_points_differ_p(1, 3) == 1.0


@given(TABLES)
@settings(deadline=None)
def test_p_is_a_share_and_ignores_levels_and_the_order_of_points(values_SP):
    """A seed's level, a factor and another order of the points change nothing."""
    p = points_differ_p(values_SP)
    levels_S1 = np.arange(len(values_SP))[:, None] * 8.0

    assert 0 < p <= 1
    assert points_differ_p(values_SP[:, ::-1]) == pytest.approx(p)
    assert points_differ_p(4 * values_SP + levels_S1) == pytest.approx(p)


def test_random_orders_agree_with_all_of_them(monkeypatch):
    """Where orders are drawn, the p is that of all orders but for its noise."""
    values_SP = np.random.default_rng(2).normal(size=(4, 3)) + np.array([0.0, 0.4, 0.8])
    exact = points_differ_p(values_SP)
    monkeypatch.setattr("traitleak.within_seeds._MOST_EXACT", 0)

    assert points_differ_p(values_SP) == pytest.approx(exact, abs=0.015)
    assert points_differ_p(values_SP) == points_differ_p(values_SP)


def test_false_positives_are_as_rare_as_stated():
    """Of tables without a difference, no more than about a twentieth have a p of .05 or less."""
    rng = np.random.default_rng(0)
    tables = rng.normal(size=(300, 4, 3)) + rng.normal(size=(300, 4, 1)) * 5
    found = np.mean([points_differ_p(table) <= 0.05 for table in tables])

    assert found < 0.05 + 3 * (0.05 * 0.95 / 300) ** 0.5


@pytest.mark.parametrize("values", [[], [[1.0]], [[1.0, math.nan]], [1.0, 2.0]])
def test_what_is_no_table_of_points_is_refused(values):
    """One point, no seed, a gap or a list is an error that says so."""
    with pytest.raises(SettingsError):
        points_differ_p(values)
