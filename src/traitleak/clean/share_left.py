"""Which share of an effect is left: the ratio of two means over the same students' seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy import stats

from traitleak.errors import SettingsError
from traitleak.results import Estimate
from traitleak.statistics import checked_confidence, finite_array

__all__ = ["share_left"]


def share_left(
    cleaned: Sequence[float], untouched: Sequence[float], *, confidence: float = 0.95
) -> Estimate | None:
    """Mean of `cleaned` over mean of `untouched`, paired by seed, with Fieller's interval.

    With means y and x, variances s_yy and s_xx, covariance s_xy over n pairs, and t the quantile of
    Student's distribution with n - 1 degrees of freedom, the interval holds every ratio r for which
    the mean of y - r x is not different from zero::

        (y - r x)^2 <= t^2 (s_yy - 2 r s_xy + r^2 s_xx) / n

    a quadratic in r. It is exact for normal pairs. Source: Fieller (1954, J. R. Stat. Soc. B 16:175).

    Args:
        cleaned: transfer of the cleaned rows, one value a seed.
        untouched: transfer of the untouched rows, for the same seeds.
        confidence: coverage, between 0 and 1.

    Returns:
        The share (1 is all), whose replicates are the ratios seed by seed where these are finite.
        Without an interval, and saying so, for one seed, and where the untouched transfer is itself
        not different from zero, so that Fieller's interval has no end. None where the untouched
        transfer is zero or less: there is nothing to be left.

    Raises:
        SettingsError: other lengths, no values, values that are not finite; `confidence` out of range.

    Known failure: with few seeds or a weak untouched transfer it is wide, or has no end; that is what
    the data say. It is over students on the same rows: other rows would vary more.
    """
    y, x = (finite_array(some, ndim=1, what="transfers") for some in (cleaned, untouched))
    checked_confidence(confidence)
    if len(x) != len(y):
        raise SettingsError(
            f"Shares need pairs: {len(y)} cleaned and {len(x)} untouched transfers by seed."
        )
    num, mean_y, mean_x = len(x), float(y.mean()), float(x.mean())
    if mean_x <= 0:
        return None
    ratios = [float(a / b) for a, b in zip(y, x, strict=True) if b]
    low = high = None
    how = "one seed: no interval"
    if num > 1:
        dy, dx = y - mean_y, x - mean_x
        scale = float(stats.t.ppf(0.5 + confidence / 2, num - 1)) ** 2 / num / (num - 1)
        a = mean_x * mean_x - scale * float(dx @ dx)
        b = mean_x * mean_y - scale * float(dx @ dy)
        c = mean_y * mean_y - scale * float(dy @ dy)
        if a > 0:
            half = math.sqrt(max(0.0, b * b - a * c))
            # The ratio itself always lies between them, but for the last bits.
            low = min((b - half) / a, mean_y / mean_x)
            high = max((b + half) / a, mean_y / mean_x)
            how = f"Fieller over {num} pairs of students"
        else:
            how = (
                f"no interval: over {num} seeds the untouched rows' own transfer is not different "
                "from zero"
            )
    return Estimate(
        value=mean_y / mean_x,
        low=low,
        high=high,
        n=num,
        confidence=confidence,
        method=how,
        replicates=ratios,
    )
