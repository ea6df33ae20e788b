"""Estimates, paired differences and permutation tests on data with known answers."""

import itertools

import numpy as np
import pytest
from scipy import stats

from traitleak.errors import SettingsError
from traitleak.statistics import mean_band, mean_estimate, paired_difference, sign_flip_p


def test_mean_estimate_is_students_t():
    """The interval is the textbook's."""
    values = [0.1, 0.4, 0.5, 0.9]
    estimate = mean_estimate(values)
    low, high = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))

    assert estimate.value == pytest.approx(np.mean(values))
    assert (estimate.low, estimate.high) == pytest.approx((low, high))
    assert estimate.n == 4


def test_one_replicate_has_no_interval():
    """A single value is a mean without interval, and says so."""
    estimate = mean_estimate([0.5])

    assert estimate.low is None
    assert estimate.high is None
    assert "no interval" in estimate.method


def test_interval_covers_the_truth_as_often_as_it_says():
    """Over 2,000 samples of normal data the 95 % interval holds the mean 95 % of the time."""
    rng = np.random.default_rng(0)
    hits = 0
    for sample in rng.normal(3.0, 2.0, size=(2000, 6)):
        estimate = mean_estimate(sample.tolist())
        assert estimate.low is not None
        assert estimate.high is not None
        hits += estimate.low <= 3.0 <= estimate.high
    assert stats.binomtest(hits, 2000, 0.95).pvalue > 0.001


@pytest.mark.parametrize("values", [[], [0.1, float("nan")], [float("inf")]])
def test_no_or_non_finite_values_are_refused(values):
    """Nothing can be estimated from nothing."""
    with pytest.raises(SettingsError):
        mean_estimate(values)
    with pytest.raises(SettingsError):
        sign_flip_p(values)


def test_sign_flip_p_equals_brute_force():
    """The exact p is the share of all sign patterns with a sum at least as large."""
    differences = [0.3, -0.1, 0.25, 0.4, -0.05]
    sums = [
        np.dot(signs, differences) for signs in itertools.product([1, -1], repeat=len(differences))
    ]
    expected = np.mean(np.array(sums) >= sum(differences) - 1e-12)

    assert sign_flip_p(differences) == pytest.approx(expected)


def test_sign_flip_p_counts_ties():
    """All differences equal: the observed pattern is the one largest of 2^n."""
    assert sign_flip_p([0.1] * 8) == pytest.approx(2**-8)
    assert sign_flip_p([0.0] * 8) == 1.0


def test_sign_flip_p_is_uniform_enough_under_the_null():
    """On null data p <= .05 happens at most about 5 % of the time."""
    rng = np.random.default_rng(1)
    hits = sum(sign_flip_p(sample.tolist()) <= 0.05 for sample in rng.normal(size=(2000, 10)))

    assert stats.binomtest(hits, 2000, 0.05, alternative="greater").pvalue > 0.001


def test_random_sign_flips_agree_with_the_normal_limit():
    """Beyond 20 pairs the sampled p is near the normal approximation and never zero."""
    rng = np.random.default_rng(2)
    differences = rng.normal(0.25, 1.0, size=40)
    z = differences.sum() / np.sqrt((differences**2).sum())

    assert sign_flip_p(differences.tolist()) == pytest.approx(stats.norm.sf(z), abs=0.01)
    assert 0 < sign_flip_p([1.0] * 40) < 1e-4


def test_paired_difference_pairs():
    """Differences are taken pair by pair, so common noise cancels."""
    difference = paired_difference([1.1, 2.1, 3.1], [1.0, 2.0, 3.0])

    assert difference.value == pytest.approx(0.1)
    assert difference.replicates == pytest.approx([0.1, 0.1, 0.1])
    with pytest.raises(SettingsError, match="equally many"):
        paired_difference([1.0], [1.0, 2.0])


def test_mean_band_is_mean_estimate_at_each_point():
    """The vectorised band equals the single estimates; one replicate gives no interval."""
    values = np.random.default_rng(0).normal(size=(3, 5))
    band = mean_band(values)
    for r in range(3):
        estimate = mean_estimate(values[r].tolist())
        assert band.mean[r] == pytest.approx(estimate.value)
        assert (band.low[r], band.high[r]) == pytest.approx((estimate.low, estimate.high))
    assert np.isnan(mean_band(values[:, :1]).low).all()
