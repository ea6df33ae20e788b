"""Counting what a reader told: places cannot help, intervals cover, p is exact."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from traitleak.errors import SettingsError
from traitleak.reading.verdicts import Told, tell


def test_a_reader_that_always_says_the_first_scores_one_half():
    """Evidence for the first place cancels over both orders, however strong it is."""
    first_NO = np.full((50, 2), 7.5)
    told = tell(first_NO * [1, -1], first_NO)

    assert (told.right, told.wrong, told.undecided) == (0, 0, 50)
    estimate = told.estimate()
    assert estimate.value == told.share == 0.5
    assert estimate.low < 0.46
    assert estimate.high > 0.54
    assert told.p == 1.0
    assert told.place == 1.0


def test_a_reader_that_knows_is_counted_right():
    """Evidence that follows the row and not the place counts, with the exact interval and p."""
    first_NO = np.array([[1.0, -1.0]] * 9 + [[-1.0, 1.0]])
    told = tell(first_NO * [1, -1], first_NO)
    exact = stats.binomtest(9, 10)

    assert (told.right, told.wrong, told.undecided) == (9, 1, 0)
    assert told.estimate().low == pytest.approx(exact.proportion_ci(method="exact").low)
    assert told.p == pytest.approx(11 / 1024)
    assert told.place == 0.5


def test_an_undecided_pair_counts_half_and_has_no_part_in_p():
    """Two right, one wrong and one undecided are five eighths; p is that of two in three."""
    told = Told(right=2, wrong=1, undecided=1)

    assert told.share == 0.625
    assert told.p == pytest.approx(0.5)
    assert told.estimate().low < 0.625 < told.estimate().high


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_interval_holds_the_share_and_stays_within_0_and_1(right, wrong, undecided):
    """Whatever was counted, the share lies in its interval, and the counts come back from JSON."""
    if not right + wrong + undecided:
        return
    told = Told(right=right, wrong=wrong, undecided=undecided, unread={"no letter": undecided})
    estimate = told.estimate()

    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
    assert estimate.n == right + wrong + undecided
    assert Told(**told.to_json()) == told


def test_interval_covers_the_true_share_as_often_as_it_says():
    """Of readers that decide 70 % of pairs at even odds, no more than 5 % miss one half."""
    rng = np.random.default_rng(3)
    missed, found = 0, 0
    for _ in range(300):
        right, wrong, undecided = rng.multinomial(40, [0.35, 0.35, 0.3]).tolist()
        told = Told(right=right, wrong=wrong, undecided=undecided)
        missed += not told.estimate().low <= 0.5 <= told.estimate().high
        found += told.p <= 0.05

    assert missed <= 25
    assert found <= 26  # 15 expected at most, and three standard deviations


def test_no_pairs_and_no_numbers_are_refused():
    """Nothing read gives a sentence, not a share."""
    with pytest.raises(SettingsError, match="No pair of rows"):
        Told(right=0, wrong=0).estimate()
    with pytest.raises(SettingsError, match="answers of a reader"):
        tell(np.empty((0, 2)), np.empty((0, 2)))
    with pytest.raises(SettingsError, match="finite"):
        tell([[np.nan, 1.0]], [[1.0, 1.0]])
    with pytest.raises(SettingsError, match="confidence"):
        Told(right=1, wrong=1).estimate(confidence=95)
