"""Means, intervals and permutation tests over replicates.

The unit of replication is the trained network or student, never its single answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from traitleak.errors import SettingsError
from traitleak.results import Estimate

__all__ = ["Band", "mean_band", "mean_estimate", "paired_difference", "sign_flip_p"]

_PATTERNS_AT_ONCE = 2_000_000  # signs drawn together
_MAX_EXACT = 20  # 2^20 sign patterns: a second; beyond, random ones


def mean_estimate(replicates: Sequence[float], *, confidence: float = 0.95) -> Estimate:
    """Mean over replicates with Student's t interval.

    Args:
        replicates: one value a trained network or student.
        confidence: coverage of the interval, between 0 and 1.

    Returns:
        The mean; without an interval, and saying so, where there is one replicate only.

    Raises:
        SettingsError: no replicate, or one that is not finite.

    Known failure: the interval assumes near-normal means; with few replicates of a strongly skewed
    quantity it is too short on the long side.
    """
    values = np.asarray(replicates, dtype=np.float64)
    if values.size == 0 or not np.isfinite(values).all():
        raise SettingsError(
            f"An estimate needs at least one replicate and finite values; got {list(replicates)}."
        )
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
    values = np.asarray(differences, dtype=np.float64)
    if values.size == 0 or not np.isfinite(values).all():
        raise SettingsError("A permutation test needs at least one pair of finite values.")
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
