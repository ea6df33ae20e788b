"""Gamma and its permutation p: against plain least squares, brute force, and simulated nulls."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from traitleak.errors import SettingsError
from traitleak.statistics import mean_estimate, sign_flip_p
from traitleak.trait_matrix import specificity


def design(T, M, *, single):
    """The plain design matrix: mu, a_i, b_j and one gamma, or one for each taught trait."""
    rows = []
    for i in range(T):
        for j in range(M):
            own = np.eye(T)[i] * (i == j) if single else [float(i == j)]
            rows.append([1.0, *np.eye(T)[i], *np.eye(M)[j], *own])
    return np.array(rows)


def planted(rng, R, T, M, gamma, *, noise=1.0):
    """Lifts with strong effects of teacher and trait, a planted gamma, and normal noise."""
    lifts = rng.normal(0, 3, size=(R, T, 1)) + rng.normal(0, 3, size=(R, 1, M))
    lifts = lifts + noise * rng.normal(size=(R, T, M))
    lifts[:, range(T), range(T)] += gamma
    return lifts


def test_two_teachers_give_half_the_double_difference():
    """By hand: wolf rows move wolf by .3 and lion by .05; lion rows .1 and .4."""
    found = specificity([[[0.30, 0.05], [0.10, 0.40]]])

    assert found.estimate.value == pytest.approx((0.30 - 0.05 - 0.10 + 0.40) / 2)
    assert found.per_trait == []


@pytest.mark.parametrize(("T", "M"), [(2, 2), (2, 3), (2, 10), (3, 3), (4, 4), (3, 7)])
def test_gamma_is_that_of_plain_least_squares(T, M):
    """The closed form equals numpy's fit of the written-out design, in every replicate."""
    lifts = planted(np.random.default_rng(T * M), 4, T, M, 0.7)
    fits = [
        np.linalg.lstsq(design(T, M, single=False), matrix.ravel(), rcond=None)[0][-1]
        for matrix in lifts
    ]
    found = specificity(lifts)

    assert found.estimate.replicates == pytest.approx(fits)
    square = lifts[:, :, :T]
    diagonal = np.trace(square, axis1=1, axis2=2)
    off = (square.sum(axis=(1, 2)) - diagonal) / (T * (T - 1))
    assert found.estimate.replicates == pytest.approx(diagonal / T - off)


@pytest.mark.parametrize("T", [2, 3, 5])
def test_gamma_is_identified_for_two_teachers_and_more(T):
    """In the design gamma's column is no combination of the others, also where the fit is perfect."""
    X = design(T, T, single=False)
    others, rank = np.linalg.matrix_rank(X[:, :-1]), np.linalg.matrix_rank(X)

    assert rank == others + 1
    assert (rank == T * T) == (T == 2)


@pytest.mark.parametrize(("T", "M"), [(2, 3), (2, 10), (3, 3), (4, 4), (3, 7)])
def test_per_trait_effects_are_those_of_plain_least_squares(T, M):
    """One gamma a trait, fitted to the written-out design; the common gamma is their mean."""
    lifts = planted(np.random.default_rng(T + M), 3, T, M, 0.7)
    fits = np.array(
        [
            np.linalg.lstsq(design(T, M, single=True), matrix.ravel(), rcond=None)[0][-T:]
            for matrix in lifts
        ]
    )
    found = specificity(lifts)

    assert [e.replicates for e in found.per_trait] == [pytest.approx(fits[:, i]) for i in range(T)]
    assert np.mean([e.value for e in found.per_trait]) == pytest.approx(found.estimate.value)


def test_single_traits_are_not_identified_for_two_teachers_alone():
    """Two gammas raise the rank of the 2 x 2 layout by one only; a third trait identifies both."""
    for M, extra in ((2, 1), (3, 2)):
        X = design(2, M, single=True)
        assert np.linalg.matrix_rank(X) - np.linalg.matrix_rank(X[:, :-2]) == extra


def test_per_trait_tells_which_trait_moved():
    """Only the wolf teacher's rows carry something: gamma is half of it, and wolf has all of it."""
    lifts = np.zeros((3, 2, 10))
    lifts[:, 0, 0] = 0.3
    found = specificity(lifts)

    assert found.estimate.value == pytest.approx(0.15)
    assert [e.value for e in found.per_trait] == pytest.approx([0.3, 0.0])


@given(
    arrays(np.float64, (3, 3, 4), elements=st.floats(-10, 10)),
    arrays(np.float64, (3, 3, 1), elements=st.floats(-10, 10)),
    arrays(np.float64, (3, 1, 4), elements=st.floats(-10, 10)),
    st.floats(-10, 10),
)
def test_gamma_ignores_teachers_and_traits_and_follows_the_diagonal(lifts, a, b, shift):
    """What a teacher does to all traits, or a trait under all teachers, is not specific."""
    before = specificity(lifts)
    diagonal = np.zeros((3, 3, 4))
    diagonal[:, range(3), range(3)] = shift
    after = specificity(lifts + a + b + diagonal)

    assert after.estimate.value == pytest.approx(before.estimate.value + shift, abs=1e-9)
    for old, new in zip(before.per_trait, after.per_trait, strict=True):
        assert new.value == pytest.approx(old.value + shift, abs=1e-9)


def test_interval_is_students_t_over_replicates():
    """The unit is the replicate, however many traits a student is measured for."""
    found = specificity(planted(np.random.default_rng(0), 5, 3, 10, 1.0))
    expected = mean_estimate(found.estimate.replicates)

    assert (found.estimate.low, found.estimate.high) == (expected.low, expected.high)
    assert found.estimate.n == 5
    assert "Student's t over 5 replicates" in found.estimate.method


def test_one_replicate_has_no_interval_and_its_p_a_floor():
    """One seed: no interval; the permutation p can be no smaller than 1 in T!."""
    found = specificity([np.eye(3)])

    assert found.estimate.low is None
    assert "no interval" in found.estimate.method
    assert found.p == found.smallest_p == pytest.approx(1 / 6)


@pytest.mark.parametrize(("R", "T"), [(1, 2), (4, 2), (1, 3), (2, 3), (3, 3), (4, 3), (2, 4)])
@pytest.mark.parametrize("permute", ["within", "together"])
def test_p_equals_brute_force(R, T, permute):
    """The exact p is the share of all permutations of rows whose refitted gamma is as large."""
    lifts = planted(np.random.default_rng(10 * R + T), R, T, T + 1, 0.8)
    orders = list(itertools.permutations(range(T)))
    patterns = (
        itertools.product(orders, repeat=R) if permute == "within" else ((o,) * R for o in orders)
    )

    def refit(pattern):
        squares = [lifts[r][list(order)][:, :T] for r, order in enumerate(pattern)]
        return np.mean([(np.trace(s) - s.sum() / T) / (T - 1) for s in squares])

    observed = refit([tuple(range(T))] * R)
    gammas = np.array([refit(pattern) for pattern in patterns])
    found = specificity(lifts, permute=permute)

    assert found.p == pytest.approx(np.mean(gammas >= observed - 1e-12))
    assert found.smallest_p == pytest.approx(1 / len(gammas))
    assert "exact" in found.test


def test_for_two_teachers_the_p_is_that_of_sign_flips():
    """Exchanging two teachers turns gamma's sign, so both tests are one."""
    found = specificity(planted(np.random.default_rng(3), 9, 2, 2, 0.8))

    assert found.p == sign_flip_p(found.estimate.replicates)


def test_exact_patterns_beyond_memory_are_counted_in_two_halves():
    """Twelve replicates of three teachers are 2 billion patterns; all equal: the floor is reached."""
    found = specificity([np.eye(3)] * 12)

    assert found.p == found.smallest_p == 6.0**-12
    assert "2,176,782,336 patterns" in found.test


def test_p_counts_ties():
    """No effect at all is as large as every permutation's: p is 1, whatever the additive parts."""
    assert specificity(np.zeros((3, 3, 3))).p == 1.0
    additive = np.add.outer([0.1, 0.7, 1e6], [0.3, 0.9, -0.2])
    assert specificity([additive] * 3).p == 1.0


def test_random_permutations_agree_with_all_of_them():
    """Ten teachers are too many to count; the sampled p is near the normal limit, seeded, not 0."""
    lifts = planted(np.random.default_rng(8), 2, 10, 10, 0.3)
    found = specificity(lifts, resamples=20_000)
    again = specificity(lifts, resamples=20_000)
    square = lifts - lifts.mean(1, keepdims=True) - lifts.mean(2, keepdims=True)
    square += lifts.mean((1, 2), keepdims=True)
    # Hoeffding (1951): the variance of a permuted diagonal's sum.
    z = np.trace(square, axis1=1, axis2=2).sum() / np.sqrt((square**2).sum() / 9)

    assert found.p == again.p
    assert found.p == pytest.approx(stats.norm.sf(z), abs=0.015)
    assert found.test.endswith("20,000 random patterns and the observed one (seed 0)")
    strong = specificity([np.eye(10)] * 3, resamples=999)
    assert strong.p == strong.smallest_p == 0.001


@pytest.mark.parametrize(("R", "T"), [(6, 2), (2, 3), (3, 3)])
@pytest.mark.parametrize("unlike", ["traits", "teachers"])
def test_false_positive_rate_is_the_stated_one(R, T, unlike):
    """On null data p <= .05 happens as often as whole patterns allow, though spreads differ."""
    rng = np.random.default_rng(11)
    patterns = math.factorial(T) ** R
    expected = math.floor(0.05 * patterns) / patterns
    spread = np.array([0.2, 1.0, 5.0])[:T]
    spread = spread if unlike == "traits" else spread[:, None]
    hits = 0
    for _ in range(1000):
        lifts = planted(rng, R, T, T, 0.0, noise=0.0) + spread * rng.normal(size=(R, T, T))
        hits += specificity(lifts).p <= 0.05

    assert stats.binomtest(hits, 1000, expected).pvalue > 0.001


def test_own_traits_that_vary_more_mislead_the_permutation_but_not_the_interval():
    """Known failure: five times the spread on the diagonal gives 11 % false positives, not 5 %."""
    rng = np.random.default_rng(14)
    false = outside = 0
    for _ in range(1000):
        found = specificity((1 + 4 * np.eye(3)) * rng.normal(size=(5, 3, 3)))
        assert found.estimate.low is not None
        assert found.estimate.high is not None
        false += found.p <= 0.05
        outside += not found.estimate.low <= 0.0 <= found.estimate.high

    assert 0.08 < false / 1000 < 0.15
    assert stats.binomtest(outside, 1000, 0.05).pvalue > 0.001


@pytest.mark.parametrize(("R", "T", "M"), [(3, 2, 10), (5, 4, 4)])
def test_intervals_cover_the_planted_gamma_as_often_as_stated(R, T, M):
    """The 95 % intervals of gamma and of each trait hold the planted value 95 % of the time."""
    rng = np.random.default_rng(12)
    hits = single = 0
    for _ in range(1000):
        found = specificity(planted(rng, R, T, M, 0.5))
        for count, estimate in enumerate([found.estimate, found.per_trait[-1]]):
            assert estimate.low is not None
            assert estimate.high is not None
            holds = estimate.low <= 0.5 <= estimate.high
            hits, single = (hits + holds, single) if count == 0 else (hits, single + holds)

    assert stats.binomtest(hits, 1000, 0.95).pvalue > 0.001
    assert stats.binomtest(single, 1000, 0.95).pvalue > 0.001


def test_teachers_shared_by_all_replicates_need_the_common_permutation():
    """Known failure: quirks of single teachers look specific within replicates, not together."""
    rng = np.random.default_rng(13)
    within = together = 0
    for _ in range(500):
        lifts = rng.normal(size=(1, 4, 4)) + 0.5 * rng.normal(size=(4, 4, 4))
        within += specificity(lifts).p <= 0.05
        together += specificity(lifts, permute="together").p <= 0.05

    assert within / 500 > 0.12
    assert stats.binomtest(together, 500, 1 / 24).pvalue > 0.001


@pytest.mark.parametrize(
    "lifts",
    [
        [],
        [[[]]],
        0.5,
        "wolf",
        [[["wolf", "lion"], ["lion", "wolf"]]],
        [[0.1, 0.2], [0.3, 0.4]],
        [[[0.1, 0.2], [0.3]]],
        [[[0.1, 0.2], [0.3, float("nan")]]],
        [[[0.1, 0.2, 0.3]]],  # one teacher
        [[[0.1, 0.2], [0.3, 0.4], [0.0, 0.0]]],  # a teacher without a column
    ],
)
def test_what_is_no_full_matrix_is_refused(lifts):
    """One teacher, a neutral row, a gap or a word is an error that says what is missing."""
    with pytest.raises(SettingsError):
        specificity(lifts)


@pytest.mark.parametrize("settings", [{"permute": "all"}, {"resamples": 0}, {"confidence": 95}])
def test_settings_that_cannot_work_are_refused(settings):
    """Unknown ways to permute, no resamples, and per cent for shares are errors."""
    with pytest.raises(SettingsError):
        specificity([np.eye(3)] * 2, **settings)
