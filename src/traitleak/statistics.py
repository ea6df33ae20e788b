"""Means, intervals and permutation tests over replicates.

The unit of replication is the trained network or student, never its single answers. The trait x
trait matrix has a file of its own (`trait_matrix.py`), and so has what a design can find at all
(`power.py`).

Shapes: N replicates, R points, S students (one a seed), Q questions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from traitleak.errors import SettingsError
from traitleak.results import Estimate

__all__ = [
    "Band",
    "ClusteredMean",
    "checked_confidence",
    "clustered_mean",
    "finite_array",
    "holm",
    "mean_band",
    "mean_estimate",
    "paired_difference",
    "proportion",
    "sign_flip_p",
]

_PATTERNS_AT_ONCE = 2_000_000  # signs drawn together
_MAX_EXACT = 20  # 2^20 sign patterns: a second; beyond, random ones


def finite_array(values: ArrayLike, *, ndim: int, what: str) -> NDArray[np.float64]:
    """`values` as an array of finite numbers with `ndim` axes, none of them empty.

    Args:
        values: an array, or nested sequences of equal lengths.
        ndim: how many axes it must have.
        what: what the values are, in the plural, for the error's sentence.

    Raises:
        SettingsError: not numbers, ragged, other axes, empty, or NaN or infinite somewhere.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SettingsError(
            f"The {what} must be numbers in an array with {ndim} axes, without gaps: {error}."
        ) from error
    if array.ndim != ndim or array.size == 0:
        raise SettingsError(
            f"The {what} must fill an array with {ndim} axes, none of them empty; "
            f"got the shape {array.shape}."
        )
    if not np.isfinite(array).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise SettingsError(
            f"The {what} must be finite; the one at index {place} is {array[place]}."
        )
    return array


def checked_confidence(confidence: float) -> float:
    """`confidence` itself, if it is between 0 and 1.

    Raises:
        SettingsError: it is not; `95` was meant as .95.
    """
    if not 0 < confidence < 1:
        raise SettingsError(f"`confidence` lies between 0 and 1, such as 0.95; got {confidence}.")
    return confidence


def mean_estimate(replicates: Sequence[float], *, confidence: float = 0.95) -> Estimate:
    """Mean over replicates with Student's t interval.

    Args:
        replicates: one value a trained network or student.
        confidence: coverage of the interval, between 0 and 1.

    Returns:
        The mean; without an interval, and saying so, where there is one replicate only.

    Raises:
        SettingsError: no replicate, or one that is not a finite number; `confidence` out of range.

    Known failure: the interval assumes near-normal means; with few replicates of a strongly skewed
    quantity it is too short on the long side.
    """
    values = finite_array(replicates, ndim=1, what="replicates of an estimate")
    checked_confidence(confidence)
    mean = float(values.mean())
    if values.size == 1:
        return Estimate(
            value=mean,
            low=None,
            high=None,
            n=1,
            confidence=confidence,
            method="one replicate: no interval",
            replicates=values.tolist(),
        )
    half = float(stats.t.ppf(0.5 + confidence / 2, values.size - 1)) * float(
        values.std(ddof=1) / np.sqrt(values.size)
    )
    return Estimate(
        value=mean,
        low=mean - half,
        high=mean + half,
        n=int(values.size),
        confidence=confidence,
        method="Student's t over replicates",
        replicates=values.tolist(),
    )


def sign_flip_p(differences: Sequence[float], *, seed: int = 0, resamples: int = 100_000) -> float:
    """One-sided paired permutation p: how often random signs give a mean at least as large.

    Exact (all 2^n sign patterns) up to 20 pairs; beyond, `resamples` random patterns with the
    observed one counted among them (Phipson and Smyth 2010), so that p is never 0.

    Known failure: n pairs cannot give a p below 2^-n; four pairs are not enough for p < .05.
    """
    values = finite_array(differences, ndim=1, what="differences of a permutation test")
    observed = values.sum()
    # Sums in another order differ in their last bits; a tie must count as a tie.
    tolerance = 1e-12 * max(1.0, float(np.abs(values).sum()))
    if values.size <= _MAX_EXACT:
        sums = np.zeros(1)
        for value in values:
            sums = np.concatenate([sums + value, sums - value])
        return float(np.mean(sums >= observed - tolerance))
    rng = np.random.default_rng(seed)
    hits, left = 0, resamples
    while left:  # in parts: all patterns of a thousand pairs at once would fill a gigabyte
        part = min(left, max(1, _PATTERNS_AT_ONCE // values.size))
        flipped = rng.integers(0, 2, size=(part, values.size), dtype=np.int8) @ values
        hits += int(np.count_nonzero(observed - 2 * flipped >= observed - tolerance))
        left -= part
    return (hits + 1) / (resamples + 1)


def paired_difference(
    effect: Sequence[float], control: Sequence[float], *, confidence: float = 0.95
) -> Estimate:
    """Mean of effect - control over paired replicates, with Student's t interval.

    Raises:
        SettingsError: the two differ in length, or hold no or non-finite values.
    """
    if len(effect) != len(control):
        raise SettingsError(
            f"A paired comparison needs equally many replicates: {len(effect)} and {len(control)}."
        )
    return mean_estimate(
        [e - c for e, c in zip(effect, control, strict=True)], confidence=confidence
    )


class Band(NamedTuple):
    """A mean and its interval at each of R points; `low` and `high` are NaN where n < 2."""

    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def mean_band(values_RN: NDArray[np.float64], *, confidence: float = 0.95) -> Band:
    """`mean_estimate` at each of R points at once: pointwise intervals, not a simultaneous band.

    Args:
        values_RN: at each of R points, one value of each of N replicates.
        confidence: coverage of the interval at each single point.
    """
    num = values_RN.shape[1]
    mean = values_RN.mean(axis=1)
    if num < 2:
        nothing = np.full_like(mean, np.nan)
        return Band(mean, nothing, nothing)
    half = stats.t.ppf(0.5 + confidence / 2, num - 1) * values_RN.std(axis=1, ddof=1) / num**0.5
    return Band(mean, mean - half, mean + half)


class ClusteredMean(NamedTuple):
    """One mean with three intervals, which differ in what they speak about.

    Attributes:
        over_students: other students, asked these questions. The one to report: a measure is the
            mean over its own questions, so that these are fixed.
        over_questions: other questions of the same kind, put to these students only. All that one
            student can give; never evidence about another student.
        over_both: other students, asked other questions.
        se_students: standard error of the mean over students; None with one.
        se_questions: standard error of the mean over questions; None with one.
    """

    over_students: Estimate
    over_questions: Estimate
    over_both: Estimate
    se_students: float | None
    se_questions: float | None


def clustered_mean(values_SQ: ArrayLike, *, confidence: float = 0.95) -> ClusteredMean:
    """Mean of a measure over S students and Q questions, with intervals clustered by either or both.

    For a transfer, hand in differences that are paired by seed and question: effect - control.

    Over students, and over questions, the interval is Student's t over the S (or Q) means. Over
    both, the variance of the mean is the two-way clustered one of Cameron, Gelbach and Miller
    (2011, J. Bus. Econ. Stat. 29:238), for a full table the sum of the mean squares::

        (MS_students + MS_questions - MS_residual) / (S * Q)

    which is unbiased when students and questions are both drawn at random (Cornfield and Tukey
    1956, Ann. Math. Stat. 27:907). It can fall below a one-way variance, even below zero; so the
    largest of the three is taken, with the t quantile of min(S, Q) - 1 degrees of freedom. It errs
    on the long side.

    Args:
        values_SQ: measure of student s by question q; no gaps.
        confidence: coverage of the intervals, between 0 and 1.

    Returns:
        The mean; without an interval over students where S = 1, and over questions where Q = 1.

    Raises:
        SettingsError: not a full table of finite numbers; `confidence` out of range.

    Known failure: students that read the same rows share their teacher, whose luck no interval
    here contains. Questions that are paraphrases of each other are not independent, and the
    interval over questions is then too short. With two students the t quantile is 12.7.
    """
    values_SQ = finite_array(values_SQ, ndim=2, what="values by student and question")
    S, Q = values_SQ.shape
    means_S, means_Q = values_SQ.mean(axis=1), values_SQ.mean(axis=0)
    over_students = mean_estimate(means_S.tolist(), confidence=confidence)
    over_questions = mean_estimate(means_Q.tolist(), confidence=confidence)
    no_students, no_questions = "one seed: no interval", "one question: no interval"
    these = "this one student" if S == 1 else f"these {S} students"
    how_students = f"Student's t over the means of {S} students, for these {Q} questions"
    how_questions = f"Student's t over the means of {Q} questions, for {these} only"
    half = _two_way_half_width(values_SQ, confidence)
    both: dict[str, float | str | None]
    if half is None:
        both = {"low": None, "high": None, "method": no_students if S == 1 else no_questions}
    else:
        both = {
            "low": over_students.value - half,
            "high": over_students.value + half,
            "method": f"clustered by {S} students and by {Q} questions, "
            f"Student's t with {min(S, Q) - 1} degrees of freedom",
        }
    return ClusteredMean(
        over_students.model_copy(update={"method": no_students if S == 1 else how_students}),
        over_questions.model_copy(update={"method": no_questions if Q == 1 else how_questions}),
        over_students.model_copy(update=both),
        se_students=None if S == 1 else float(means_S.std(ddof=1) / S**0.5),
        se_questions=None if Q == 1 else float(means_Q.std(ddof=1) / Q**0.5),
    )


def _two_way_half_width(values_SQ: NDArray[np.float64], confidence: float) -> float | None:
    """Half the interval over students and questions; None where there is one of either."""
    S, Q = values_SQ.shape
    if min(S, Q) == 1:
        return None
    means_S, means_Q = values_SQ.mean(axis=1), values_SQ.mean(axis=0)
    residual_SQ = values_SQ - means_S[:, None] - means_Q + values_SQ.mean()
    by_students = float(means_S.var(ddof=1)) / S  # mean square over S * Q
    by_questions = float(means_Q.var(ddof=1)) / Q
    by_residual = float((residual_SQ**2).sum()) / ((S - 1) * (Q - 1)) / (S * Q)
    variance = max(by_students, by_questions, by_students + by_questions - by_residual)
    return float(stats.t.ppf(0.5 + confidence / 2, min(S, Q) - 1)) * math.sqrt(variance)


def proportion(
    successes_S: Sequence[int], trials_S: Sequence[int], *, confidence: float = 0.95
) -> Estimate:
    """Rate of an answer among sampled answers, over S students.

    One student: Wilson's interval (1927, J. Am. Stat. Assoc. 22:209), which speaks about more
    answers of this student only. Several: the mean of their rates with Student's t over students,
    widened to Wilson's interval over all answers where that reaches further. Without this, three
    students with no success at all would have an interval of no width.

    Args:
        successes_S: how many of a student's answers showed the trait.
        trials_S: how many answers that student gave, at least one.
        confidence: coverage of the interval, between 0 and 1.

    Raises:
        SettingsError: other lengths, not whole numbers, no answers, or more successes than answers.

    Known failure: Wilson's interval takes answers as independent. Answers to the same question are
    alike, and it is then too short; `clustered_mean` on the rates by question shows by how much.
    """
    successes = finite_array(successes_S, ndim=1, what="counts of successes")
    trials = finite_array(trials_S, ndim=1, what="counts of answers")
    if successes.shape != trials.shape:
        raise SettingsError(
            f"Each student needs a count of successes and one of answers: "
            f"{successes.size} and {trials.size}."
        )
    whole = (successes % 1 == 0) & (trials % 1 == 0)
    wrong = np.flatnonzero(~(whole & (successes >= 0) & (successes <= trials) & (trials >= 1)))
    if wrong.size:
        raise SettingsError(
            "Successes are whole numbers from 0 to the number of answers, of which there is at "
            f"least one; student {wrong[0]} has {successes[wrong[0]]:g} in {trials[wrong[0]]:g}."
        )
    estimate = mean_estimate((successes / trials).tolist(), confidence=confidence)
    answers = int(trials.sum())
    wilson = stats.binomtest(int(successes.sum()), answers).proportion_ci(
        confidence_level=confidence, method="wilson"
    )
    low, high, method = float(wilson.low), float(wilson.high), f"Wilson over {answers:,} answers"
    if estimate.low is None or estimate.high is None:
        method += " of this one student"
    else:
        low, high = min(low, estimate.low), max(high, estimate.high)
        method = f"Student's t over students, at least as wide as {method}"
    return estimate.model_copy(
        update={"low": max(0.0, low), "high": min(1.0, high), "method": method}
    )


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's adjusted p of each of several tests (1979, Scand. J. Stat. 6:65), in their order.

    Calling those found that stay at or below .05 has a chance of at most 5 % to call any falsely,
    however the tests depend on each other.

    Raises:
        SettingsError: no p, or one outside 0 to 1.

    Known failure: the smallest p that few replicates can give, times the number of tests, may
    exceed .05 whatever the effect; see `traitleak.power.smallest_sign_flip_p`.
    """
    values = finite_array(ps, ndim=1, what="p values")
    if values.min() < 0 or values.max() > 1:
        raise SettingsError(f"p values lie between 0 and 1; got {values.min()} to {values.max()}.")
    order = np.argsort(values, kind="stable")
    adjusted = np.empty_like(values)
    adjusted[order] = np.maximum.accumulate(values[order] * np.arange(values.size, 0, -1))
    return [min(1.0, float(p)) for p in adjusted]
