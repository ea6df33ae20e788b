"""Rao's test of additional information, against least squares and on planted scores."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from traitleak.audit.detectors.partial import partial
from traitleak.errors import SettingsError


def correlated(rng, num, traits):
    """Bags of scores whose traits move together."""
    return rng.normal(size=(num, traits)) @ (rng.normal(size=(traits, traits)) + np.eye(traits))


@given(seed=st.integers(0, 10_000), num=st.integers(8, 60), traits=st.integers(1, 6))
@settings(deadline=None, max_examples=50)
def test_t_is_that_of_regressing_one_on_the_scores(seed, num, traits):
    """The one-sample discriminant is a regression without an intercept; both give the same t."""
    rng = np.random.default_rng(seed)
    scores = correlated(rng, num, traits) + rng.normal(size=traits)
    slopes, _, _, _ = np.linalg.lstsq(scores, np.ones(num), rcond=None)
    left = np.ones(num) - scores @ slopes
    variance = left @ left / (num - traits) * np.linalg.inv(scores.T @ scores).diagonal()

    np.testing.assert_allclose(
        partial(scores).t_T, slopes / np.sqrt(variance), rtol=1e-3, atol=1e-4
    )


def test_false_positives_are_as_many_as_stated():
    """Over many data sets without anything, p is uniform for every trait."""
    rng = np.random.default_rng(1)
    mixing = rng.normal(size=(5, 5))
    ps = np.array([partial(rng.normal(size=(24, 5)) @ mixing).p_T for _ in range(2000)])

    for k in range(5):
        assert stats.kstest(ps[:, k], "uniform").pvalue > 0.001
    assert (ps < 0.01).mean() == pytest.approx(0.01, abs=0.004)


def test_planted_trait_is_told_from_one_that_moves_with_it():
    """Of two traits that rise together the coefficient names the one that explains both."""
    rng = np.random.default_rng(2)
    covariance = np.array([[1.0, 0.9, 0.0], [0.9, 1.0, 0.0], [0.0, 0.0, 1.0]])
    noise = rng.multivariate_normal(np.zeros(3), covariance, size=4000)
    found = partial(noise + 0.5 * covariance[0])

    assert found.mean_T[1] > 0.3  # the second one's own mean says nothing
    assert found.shift_T == pytest.approx([0.5, 0.0, 0.0], abs=0.1)
    assert found.t_T[0] > 4
    assert abs(found.t_T[1]) < 3


def test_rows_that_speak_against_a_trait_do_not_find_it():
    """The test is one-sided."""
    rng = np.random.default_rng(3)
    found = partial(rng.normal(size=(50, 2)) - [1.0, 0.0])

    assert found.t_T[0] < -5
    assert found.p_T[0] > 0.999


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        (np.zeros((5, 4)), "takes 6 bags of rows or more, and there are 5"),
        (np.zeros((9, 2)), "All bags have the same score"),
        (np.full((9, 2), np.nan), "not finite"),
    ],
)
def test_what_nothing_can_be_told_from_is_refused(scores, said):
    """Too few bags, no variation, and broken numbers each get their sentence."""
    with pytest.raises(SettingsError, match=said):
        partial(scores)
