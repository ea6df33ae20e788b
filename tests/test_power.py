"""What few replicates can find: known sample sizes, simulation, and bad settings."""

import math

import numpy as np
import pytest
from scipy import stats

from traitleak.errors import SettingsError
from traitleak.power import detectable, smallest_sign_flip_p
from traitleak.statistics import sign_flip_p


@pytest.mark.parametrize("num_pairs", [1, 2, 5, 20])
def test_the_smallest_p_is_that_of_differences_of_one_sign(num_pairs):
    """No differences can give a smaller p than equal ones."""
    assert smallest_sign_flip_p(num_pairs) == sign_flip_p([1.0] * num_pairs) == 0.5**num_pairs


def test_known_sample_sizes():
    """Textbook: half a standard deviation needs 34 pairs for 80 %, 27 one-sided."""
    assert detectable(1.0, 34) < 0.5 < detectable(1.0, 33)
    assert detectable(1.0, 27, two_sided=False) < 0.5 < detectable(1.0, 26, two_sided=False)


@pytest.mark.parametrize("num_pairs", [3, 5, 10, 100])
@pytest.mark.parametrize("two_sided", [True, False])
def test_power_at_the_detectable_difference_is_scipys(num_pairs, two_sided):
    """Where scipy's noncentral t has a value, it gives back the power that was asked for."""
    difference = detectable(0.3, num_pairs, power=0.9, alpha=0.1, two_sided=two_sided)
    df, noncentrality = num_pairs - 1, difference * math.sqrt(num_pairs) / 0.3
    critical = stats.t.isf(0.05 if two_sided else 0.1, df)
    power = stats.nct.sf(critical, df, noncentrality)
    if two_sided:
        power += stats.nct.cdf(-critical, df, noncentrality)

    assert power == pytest.approx(0.9, abs=1e-5)


@pytest.mark.parametrize("num_pairs", [2, 3, 5])
def test_simulated_tests_find_the_detectable_difference_as_often_as_stated(num_pairs):
    """Of 4,000 experiments with that true difference the t test finds 80 %."""
    rng = np.random.default_rng(num_pairs)
    difference = detectable(0.2, num_pairs)
    samples = rng.normal(difference, 0.2, size=(4000, num_pairs))
    found = int((stats.ttest_1samp(samples, 0.0, axis=1).pvalue <= 0.05).sum())

    assert stats.binomtest(found, 4000, 0.8).pvalue > 0.001


def test_detectable_scales_with_the_unit_and_falls_with_n():
    """Twice the spread needs twice the difference; more pairs find less."""
    assert detectable(0.4, 5) == pytest.approx(2 * detectable(0.2, 5))
    assert detectable(0.0, 5) == 0.0
    differences = [detectable(1.0, n) for n in (2, 3, 4, 6, 10, 1000)]
    assert differences == sorted(differences, reverse=True)
    normal = (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) / math.sqrt(1_000_000)
    assert detectable(1.0, 1_000_000) == pytest.approx(normal, rel=1e-4)


@pytest.mark.parametrize("num_pairs", [0, -3])
def test_no_pair_is_refused(num_pairs):
    """Without pairs there is no test."""
    with pytest.raises(SettingsError, match="at least one pair"):
        smallest_sign_flip_p(num_pairs)


@pytest.mark.parametrize(
    ("sd", "num_pairs", "settings"),
    [
        (-0.1, 5, {}),
        (float("nan"), 5, {}),
        (float("inf"), 5, {}),
        (1.0, 1, {}),
        (1.0, 5, {"power": 1.0}),
        (1.0, 5, {"power": 0.04}),
        (1.0, 5, {"alpha": 0.0}),
        (1.0, 5, {"alpha": 5}),
    ],
)
def test_detectable_refuses_settings_that_cannot_work(sd, num_pairs, settings):
    """One pair has no t test, and power lies between the false-positive rate and one."""
    with pytest.raises(SettingsError):
        detectable(sd, num_pairs, **settings)
