"""From a small dose to a whole training: a dose curve and what it says of many more updates.

Shape suffixes: S blocks, A arms (the data first), K doses, T traits, E exponents.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from traitleak.audit.detectors.contrast import difference
from traitleak.errors import SettingsError
from traitleak.results import Estimate
from traitleak.statistics import checked_confidence

__all__ = ["DoseCurve", "dose_curve", "predicted_effects"]

_EXPONENTS = np.linspace(0, 1.5, 31)  # from a lift reached at once to one that gathers speed
_FEWEST_DOSES = 3
_FEWEST_BLOCKS = 2
_FARTHEST = 100.0  # times the largest dose
_NARROW = 0.5  # nats from end to end: as good as known, whatever the value is
_APART = 30.0  # an interval from one size to that many times it still says which size it is


class DoseCurve(NamedTuple):
    """The data arm less the others after each of K numbers of updates.

    Attributes:
        updates: K numbers of updates.
        mean_KT: difference of each trait's measure.
        low_KT: lower end of its interval.
        high_KT: upper end.
        confidence: of the intervals, each by itself.
    """

    updates: tuple[int, ...]
    mean_KT: NDArray[np.float64]
    low_KT: NDArray[np.float64]
    high_KT: NDArray[np.float64]
    confidence: float


def dose_curve(
    updates: Sequence[int],
    values_SAKT: NDArray[np.floating[Any]],
    groups_T: Sequence[int],
    *,
    confidence: float = 0.95,
) -> DoseCurve:
    """Difference between the data arm and the others at each dose, with `contrast.difference`'s errors.

    Raises:
        SettingsError: as `difference`; other numbers of doses; `confidence` out of range.
    """
    values_SAKT = _checked(updates, values_SAKT)
    checked_confidence(confidence)
    found = [difference(values_SAKT[:, :, k], groups_T) for k in range(len(updates))]
    mean_KT = np.stack([one.mean_T for one in found])
    half_KT = np.stack([one.half_width(confidence) for one in found])
    return DoseCurve(tuple(updates), mean_KT, mean_KT - half_KT, mean_KT + half_KT, confidence)


def predicted_effects(
    updates: Sequence[int],
    values_SAKT: NDArray[np.floating[Any]],
    groups_T: Sequence[int],
    to: int,
    *,
    confidence: float = 0.95,
) -> list[Estimate | None]:
    """What many more updates will do to each trait, from a dose curve; None where it does not say.

    The form is a power law through the origin, effect(u) = a u^b, for as long as was measured: with
    b = 0 all that there will be is reached at once, with b = 1 each update adds as much, and
    logarithms, saturations and thresholds lie between, or a little above, over so short a range. From
    the last dose on the exponent may be anything from 0 to b, since curves of all those forms bend
    down. Neither is chosen. Every b from 0 to 1.5 that the curve does not refute is kept, and the
    interval is the union of all, so that what is not known of the form widens it:

    1. b is refuted if the effect at the last dose differs from what b makes of the earlier ones, by
       a t test over blocks at half the error (Fieller's (1954) argument for a ratio of means).
    2. For each b that is left, a is fitted to all doses, with weights 1 / u (the noise of sums of
       steps grows as u). What it gives at the last dose, and at `to`, has a t interval at the other
       half of the error.

    By Bonferroni the union covers the effect with the stated confidence if the curve is of this form.
    The value is that of the b that fits best, going on as it did.

    Args:
        updates: K numbers of updates, rising.
        values_SAKT: a measure of each student at each dose.
        groups_T: which group a trait is in, for `contrast.difference`.
        to: updates to predict for.
        confidence: of the intervals.

    Returns:
        For each trait an estimate in the unit of the values, whose replicates are the blocks' own
        predictions at the best b. None where there are fewer than three doses or two blocks; `to` is
        over 100 times the last dose; no exponent is left, so that the curve is no power law (as one
        that falls again); or the interval is wider than half a nat and holds zero, or sizes more than
        30 times apart.

    Raises:
        SettingsError: as `dose_curve`, or `to` is before the last dose.

    Known failure: students of a small dose cannot show a change that begins later, such as one that
    comes when rows are seen again and again, or at a decaying learning rate; and the prediction is for
    training as these students were trained.
    """
    values_SAKT = _checked(updates, values_SAKT)
    checked_confidence(confidence)
    if to < updates[-1]:
        raise SettingsError(
            f"The effect after {to} updates is measured, not predicted: the curve goes to {updates[-1]}."
        )
    num_traits = values_SAKT.shape[3]
    too_little = len(updates) < _FEWEST_DOSES or len(values_SAKT) < _FEWEST_BLOCKS
    if too_little or to > _FARTHEST * updates[-1]:
        return [None] * num_traits
    half = 1 - (1 - confidence) / 2  # confidence of each of the two steps
    doses_K = np.asarray(updates, dtype=np.float64)
    misfit_ET, refuted_ET, low_ET, high_ET, own_EST = [], [], [], [], []
    for exponent in _EXPONENTS:
        early_K = np.append(_fit(doses_K[:-1], exponent), 0.0) * doses_K[-1] ** exponent
        last_K = np.append(np.zeros(len(doses_K) - 1), 1.0)
        misfit = difference(np.einsum("k,sakt->sat", last_K - early_K, values_SAKT), groups_T)
        misfit_ET.append(misfit.mean_T)
        refuted_ET.append(np.abs(misfit.mean_T) > misfit.half_width(half))
        ends = []
        for dose in (doses_K[-1], float(to)):
            fit_K = _fit(doses_K, exponent) * dose**exponent
            ahead_SAT = np.einsum("k,sakt->sat", fit_K, values_SAKT)
            one = difference(ahead_SAT, groups_T)
            ends += [one.mean_T - one.half_width(half), one.mean_T + one.half_width(half)]
        low_ET.append(np.min(ends, axis=0))
        high_ET.append(np.max(ends, axis=0))
        own_EST.append(ahead_SAT[:, 0] - ahead_SAT[:, 1:].mean(1))
    misfits_ET, lows_ET, highs_ET = np.array(misfit_ET), np.array(low_ET), np.array(high_ET)
    turns_ET = misfits_ET[:-1] * misfits_ET[1:] <= 0  # between these two lies one that fits exactly
    kept_ET = ~np.array(refuted_ET)
    kept_ET[:-1] |= turns_ET
    kept_ET[1:] |= turns_ET
    found: list[Estimate | None] = []
    for t in range(num_traits):
        kept = kept_ET[:, t]
        low = float(lows_ET[kept, t].min(initial=np.inf))
        high = float(highs_ET[kept, t].max(initial=-np.inf))
        if not kept.any() or not _says_something(low, high):
            found.append(None)
            continue
        own_S = _best(misfits_ET[:, t], np.array(own_EST)[:, :, t])
        found.append(
            Estimate(
                value=float(own_S.mean()),
                low=low,
                high=high,
                n=len(values_SAKT),
                confidence=confidence,
                method=(
                    f"power law through the origin over {len(updates)} doses, from {updates[-1]} to "
                    f"{to} updates; exponents from {_EXPONENTS[kept].min():.2f} to "
                    f"{_EXPONENTS[kept].max():.2f} fit, and the interval reaches from no further rise "
                    "to the largest of these"
                ),
                replicates=own_S.tolist(),
            )
        )
    return found


def _checked(updates: Sequence[int], values_SAKT: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    table_SAKT: NDArray[np.float64] = np.asarray(values_SAKT, dtype=np.float64)
    rising = all(0 < a < b for a, b in pairwise(updates))
    if table_SAKT.ndim != 4 or table_SAKT.shape[2] != len(updates) or not rising or not updates:
        raise SettingsError(
            f"A dose curve has values of blocks, arms, doses and traits, at rising numbers of updates; "
            f"got {list(updates)} and the shape {table_SAKT.shape}."
        )
    return table_SAKT


def _best(misfit_E: NDArray[np.float64], own_ES: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the exponent that fits best gives, which may lie between two."""
    best = int(np.abs(misfit_E).argmin())
    for other in (best - 1, best + 1):
        if 0 <= other < len(misfit_E) and misfit_E[best] * misfit_E[other] < 0:
            share = misfit_E[best] / (misfit_E[best] - misfit_E[other])
            between_S: NDArray[np.float64] = (1 - share) * own_ES[best] + share * own_ES[other]
            return between_S
    best_S: NDArray[np.float64] = own_ES[best]
    return best_S


def _says_something(low: float, high: float) -> bool:
    nearer, farther = sorted((abs(low), abs(high)))
    return high - low <= _NARROW or (low * high > 0 and farther <= _APART * nearer)


def _fit(doses_K: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
    """What to multiply effects with to have a of a u^b by weighted least squares, weights 1 / u."""
    shape_K = doses_K**exponent
    weighted_K = shape_K / doses_K
    fit_K: NDArray[np.float64] = weighted_K / (weighted_K @ shape_K)
    return fit_K
