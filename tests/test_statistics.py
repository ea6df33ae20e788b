"""Estimates, paired differences and permutation tests on data with known answers."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from traitleak.errors import SettingsError
from traitleak.statistics import (
    clustered_mean,
    holm,
    mean_band,
    mean_estimate,
    paired_difference,
    proportion,
    sign_flip_p,
)


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


@pytest.mark.parametrize(
    "values",
    [[], [0.1, float("nan")], [float("inf")], ["owl"], [None], [[0.1, 0.2]], [[1], [2, 3]]],
)
def test_no_or_non_finite_values_are_refused(values):
    """Nothing can be estimated from nothing, nor from what is not a list of numbers."""
    with pytest.raises(SettingsError):
        mean_estimate(values)
    with pytest.raises(SettingsError):
        sign_flip_p(values)


@pytest.mark.parametrize("confidence", [0, 1, 95, -0.5, float("nan")])
def test_confidence_is_a_share(confidence):
    """95 instead of .95 is an error, not an interval of NaN."""
    for call in (
        lambda: mean_estimate([0.1, 0.2], confidence=confidence),
        lambda: clustered_mean([[0.1, 0.2]], confidence=confidence),
        lambda: proportion([1], [2], confidence=confidence),
    ):
        with pytest.raises(SettingsError, match="confidence"):
            call()


def test_an_error_names_the_value_that_is_not_finite():
    """In a long table the place of the one bad value is what helps."""
    values = np.zeros((300, 40))
    values[217, 3] = np.nan
    with pytest.raises(SettingsError, match=r"\(217, 3\) is nan"):
        clustered_mean(values)


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


def contains(estimate, truth):
    """Whether the interval holds the truth."""
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.low <= truth <= estimate.high


def test_clustered_mean_by_hand():
    """Two students, three questions: each standard error is the textbook's of the two-way layout."""
    values = [[1.0, 2.0, 6.0], [3.0, 5.0, 7.0]]
    found = clustered_mean(values)

    assert found.over_students.value == pytest.approx(4.0)
    assert found.over_students.replicates == pytest.approx([3.0, 5.0])
    assert found.over_questions.replicates == pytest.approx([2.0, 3.5, 6.5])
    assert found.se_students == pytest.approx(1.0)
    assert found.se_questions == pytest.approx(np.sqrt(5.25 / 3))
    # Sums of squares: students 6, questions 21, rest 1; mean squares 6, 10.5, 0.5.
    half = stats.t.ppf(0.975, 1) * np.sqrt((6 + 10.5 - 0.5) / 6)
    assert found.over_both.high == pytest.approx(4.0 + half)
    assert found.over_both.low == pytest.approx(4.0 - half)


def test_two_way_variance_is_cameron_gelbach_and_millers():
    """The three mean squares are their sum of three clustered variances, each made unbiased."""
    S, Q = 4, 7
    values = np.random.default_rng(0).normal(size=(S, Q)) + np.arange(Q) + np.arange(S)[:, None]
    grand, rows, columns = values.mean(), values.mean(1, keepdims=True), values.mean(0)
    errors = values - grand
    by_student = (errors.sum(1) ** 2).sum() / (S * Q) ** 2 * S / (S - 1)
    by_question = (errors.sum(0) ** 2).sum() / (S * Q) ** 2 * Q / (Q - 1)
    rest = ((values - rows - columns + grand) ** 2).sum() / (S * Q) ** 2 * S * Q / 3 / 6
    half = stats.t.ppf(0.975, S - 1) * np.sqrt(by_student + by_question - rest)

    assert clustered_mean(values).over_both.high == pytest.approx(grand + half)


def test_two_way_interval_is_never_below_a_one_way_variance():
    """Where the rest outweighs both ways, the larger one-way variance is taken."""
    values = np.array([[1.0, -1.0], [-1.0, 1.1]])  # nearly all of it is interaction
    found = clustered_mean(values)
    assert found.se_students is not None
    assert found.over_both.high is not None
    half = found.over_both.high - found.over_both.value

    assert half == pytest.approx(stats.t.ppf(0.975, 1) * found.se_students)


def test_one_student_has_an_interval_over_questions_only():
    """With one seed nothing is said about students, and what is said names its limit."""
    found = clustered_mean([[0.1, 0.4, 0.5, 0.9]])

    assert found.over_students.low is None
    assert found.over_students.method == "one seed: no interval"
    assert found.over_both.low is None
    assert found.se_students is None
    assert found.over_questions.low == mean_estimate([0.1, 0.4, 0.5, 0.9]).low
    assert "for this one student only" in found.over_questions.method


def test_one_question_has_an_interval_over_students_only():
    """With one question nothing is said about questions."""
    found = clustered_mean([[0.1], [0.4], [0.6]])

    assert found.over_students.low == mean_estimate([0.1, 0.4, 0.6]).low
    assert found.over_questions.method == "one question: no interval"
    assert found.over_questions.low is None
    assert found.over_both.low is None
    assert found.se_questions is None


def test_clustered_mean_of_one_value_and_of_equal_values():
    """A single cell has no interval at all; equal values have one of no width."""
    single = clustered_mean([[0.5]])
    assert single.over_students.value == 0.5
    assert {e.low for e in single[:3]} == {None}

    same = clustered_mean(np.full((3, 4), 0.25))
    assert (same.over_both.low, same.over_both.high) == (0.25, 0.25)


@pytest.mark.parametrize("values", [[], [[]], [0.1, 0.2], [[0.1], [0.2, 0.3]], "owl", [[np.inf]]])
def test_clustered_mean_refuses_what_is_no_full_table(values):
    """Gaps, other axes and non-numbers are errors."""
    with pytest.raises(SettingsError):
        clustered_mean(values)


def test_clustered_intervals_cover_what_they_speak_about():
    """Over students: the mean on these questions; over questions: of these students; both: of all."""
    rng = np.random.default_rng(4)
    S, Q, num = 5, 12, 1000
    students = rng.normal(0, 1, size=(num, S, 1))
    questions = rng.normal(0, 2, size=(num, 1, Q))
    values = 3 + students + questions + rng.normal(0, 1, size=(num, S, Q))
    of_students = of_questions = of_both = too_far = 0
    for k in range(num):
        found = clustered_mean(values[k])
        of_students += contains(found.over_students, 3 + questions[k].mean())
        of_questions += contains(found.over_questions, 3 + students[k].mean())
        of_both += contains(found.over_both, 3)
        too_far += contains(found.over_students, 3)

    assert stats.binomtest(of_students, num, 0.95).pvalue > 0.001
    assert stats.binomtest(of_questions, num, 0.95).pvalue > 0.001
    assert stats.binomtest(of_both, num, 0.95, alternative="less").pvalue > 0.001
    # The stated limit: on its own questions an interval says nothing about other questions.
    assert too_far / num < 0.9


@pytest.mark.parametrize(("a", "b", "e"), [(0, 0, 1), (1, 0, 1), (0, 1, 1), (1, 1, 0), (0.1, 1, 3)])
@pytest.mark.parametrize(("S", "Q"), [(2, 20), (3, 8), (6, 3)])
def test_two_way_interval_covers_at_least_as_stated(a, b, e, S, Q):
    """Whichever of students, questions and rest varies, the interval errs on the long side only."""
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(400):
        values = a * rng.normal(size=(S, 1)) + b * rng.normal(size=Q) + e * rng.normal(size=(S, Q))
        hits += contains(clustered_mean(values).over_both, 0.0)
    assert stats.binomtest(hits, 400, 0.95, alternative="less").pvalue > 0.001


def test_proportion_of_one_student_is_wilsons():
    """Ten of fifty, by Wilson's formula written out; the method says that it is one student."""
    z, p, n = stats.norm.ppf(0.975), 0.2, 50
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    found = proportion([10], [50])

    assert found.value == 0.2
    assert (found.low, found.high) == pytest.approx((centre - half, centre + half))
    assert found.n == 1
    assert found.method == "Wilson over 50 answers of this one student"


def test_proportion_of_several_students_is_students_t_over_their_rates():
    """Where students differ more than their answers' luck, the t interval over rates stands."""
    found = proportion([10, 60, 35, 80], [200, 200, 200, 200])
    expected = mean_estimate([0.05, 0.3, 0.175, 0.4])

    assert found.value == pytest.approx(expected.value)
    assert found.high == pytest.approx(expected.high)
    assert found.low == 0.0  # the t interval's end is below zero
    assert found.replicates == pytest.approx(expected.replicates)


@pytest.mark.parametrize(("successes", "rate"), [([0, 0, 0], 0.0), ([40, 40, 40], 1.0)])
def test_students_without_any_or_with_every_success_still_have_an_interval(successes, rate):
    """Equal rates are no proof of no doubt: the interval is Wilson's over all answers."""
    found = proportion(successes, [40, 40, 40])
    wilson = stats.binomtest(sum(successes), 120).proportion_ci(method="wilson")

    assert found.value == rate
    assert (found.low, found.high) == pytest.approx((wilson.low, wilson.high), abs=1e-12)


@pytest.mark.parametrize(
    ("successes", "trials"),
    [
        ([], []),
        ([1], [2, 3]),
        ([3], [2]),
        ([-1], [2]),
        ([0], [0]),
        ([0.5], [2]),
        (["one"], [2]),
        ([1], [float("nan")]),
    ],
)
def test_proportion_refuses_impossible_counts(successes, trials):
    """Counts must be whole, of equal length, and successes no more than answers."""
    with pytest.raises(SettingsError):
        proportion(successes, trials)


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(1, 50)), min_size=1, max_size=6),
    st.floats(0.5, 0.99),
)
def test_a_proportions_interval_lies_in_zero_to_one_and_holds_every_pooled_rate(pairs, confidence):
    """Whatever the counts, the interval is one of shares, and holds the rate over all answers."""
    trials = [n for _, n in pairs]
    successes = [min(k, n) for k, n in pairs]
    found = proportion(successes, trials, confidence=confidence)

    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= sum(successes) / sum(trials) + 1e-12
    assert sum(successes) / sum(trials) - 1e-12 <= found.high <= 1


def test_proportion_covers_the_mean_rate_of_students_that_differ():
    """Students' rates differ, answers are drawn: the interval holds the mean rate 95 % of the time."""
    rng = np.random.default_rng(6)
    rates = rng.beta(6, 24, size=(1000, 5))  # mean .2
    hits = sum(
        contains(proportion(row.tolist(), [100] * 5), 0.2) for row in rng.binomial(100, rates)
    )
    assert stats.binomtest(hits, 1000, 0.95, alternative="less").pvalue > 0.001
    assert hits / 1000 < 0.985


def test_holm_by_hand():
    """Smallest times 4, next times 3, ...; never falling, never above 1; in the given order."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.2]) == [0.2]
    assert holm([0.9, 0.8]) == [1.0, 1.0]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_holm_is_the_closed_test_of_bonferroni(ps):
    """A trait's p is the largest Bonferroni p over all sets of tests that it belongs to."""
    tests = range(len(ps))
    for i, adjusted in enumerate(holm(ps)):
        closed = max(
            min(1.0, len(some) * min(ps[j] for j in some))
            for size in range(1, len(ps) + 1)
            for some in itertools.combinations(tests, size)
            if i in some
        )
        assert adjusted == pytest.approx(closed)


@pytest.mark.parametrize("ps", [[], [-0.1], [1.1], [float("nan")], ["small"]])
def test_holm_refuses_what_is_no_p(ps):
    """A p lies between 0 and 1."""
    with pytest.raises(SettingsError):
        holm(ps)


def test_holm_keeps_the_family_wise_error():
    """With four true nulls any is called found in at most 5 % of families."""
    rng = np.random.default_rng(7)
    families = rng.uniform(size=(2000, 4))
    false = sum(min(holm(ps.tolist())) <= 0.05 for ps in families)

    assert stats.binomtest(false, 2000, 0.05, alternative="greater").pvalue > 0.001
