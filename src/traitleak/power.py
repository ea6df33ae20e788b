"""What a number of replicates can find at all, so that a null says what it could have found."""

from __future__ import annotations

import math

import numpy as np
from scipy import optimize, special, stats

from traitleak.errors import SettingsError

__all__ = ["detectable", "smallest_sign_flip_p"]

_QUANTILES = (np.arange(20_000) + 0.5) / 20_000  # of the chi distribution, for its integral


def smallest_sign_flip_p(num_pairs: int) -> float:
    """The smallest p that `sign_flip_p` can give with so many pairs: 2^-n.

    Four pairs give .0625: no effect, however large, is then found at 5 %; five give .031.

    Raises:
        SettingsError: no pair.
    """
    if num_pairs < 1:
        raise SettingsError(f"A permutation test needs at least one pair; got {num_pairs}.")
    return 2.0**-num_pairs


def detectable(
    difference_sd: float,
    num_pairs: int,
    *,
    power: float = 0.8,
    alpha: float = 0.05,
    two_sided: bool = True,
) -> float:
    """The smallest true mean difference that a paired t test finds with the stated power.

    Solves power = P(|T| > t_alpha) for T noncentral t with n - 1 degrees of freedom and
    noncentrality difference * sqrt(n) / sd (Johnson, Kotz and Balakrishnan 1995, *Continuous
    Univariate Distributions* 2, chapter 31), T = (Z + noncentrality) / (chi / sqrt(n - 1)).
    The chi distribution is integrated over its quantiles: `scipy.stats.nct` returns NaN at n = 2.

    Args:
        difference_sd: standard deviation of the paired differences between replicates, in the
            measure's unit.
        num_pairs: number of replicates n, at least 2.
        power: chance to find it, above alpha and below 1.
        alpha: false-positive rate of the test.
        two_sided: as an interval that excludes zero; otherwise the effect's sign is given.

    Returns:
        The difference, in the unit of `difference_sd`.

    Raises:
        SettingsError: a negative or infinite standard deviation, fewer than 2 pairs, or no
            0 < alpha < power < 1.

    Known failure: the standard deviation is itself an estimate. From n = 5 its 95 % interval is
    0.6 to 2.9 times the value, and the answer moves with it. Differences are taken as normal.
    Not to be computed from the effect that was observed, which would only restate its p.
    """
    if not (math.isfinite(difference_sd) and difference_sd >= 0):
        raise SettingsError(
            f"`difference_sd` is a finite number of at least 0; got {difference_sd}."
        )
    if num_pairs < 2:
        raise SettingsError(f"A paired t test needs at least 2 pairs; got {num_pairs}.")
    if not 0 < alpha < power < 1:
        raise SettingsError(
            f"Power needs 0 < `alpha` < `power` < 1; got alpha {alpha} and power {power}."
        )
    df = num_pairs - 1
    critical = stats.t.isf(alpha / 2 if two_sided else alpha, df)
    bounds = critical * np.sqrt(stats.chi2.ppf(_QUANTILES, df) / df)

    def shortfall(noncentrality: float) -> float:
        chances = special.ndtr(noncentrality - bounds)
        if two_sided:
            chances = chances + special.ndtr(-noncentrality - bounds)
        return float(chances.mean()) - power

    upper = 1.0
    while shortfall(upper) < 0:
        upper *= 2
    return float(optimize.brentq(shortfall, 0.0, upper)) * difference_sd / math.sqrt(num_pairs)
