"""Whether the points of a sweep differ by more than seeds do: one test for all of them.

Shape suffixes: S seeds, P points.
"""

from __future__ import annotations

import math
from itertools import permutations, product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from traitleak.errors import SettingsError
from traitleak.statistics import finite_array

__all__ = ["points_differ_p", "smallest_points_differ_p"]

_MOST_EXACT = 20_000  # orders that are all tried


def points_differ_p(values_SP: ArrayLike, *, seed: int = 0, resamples: int = 20_000) -> float:
    """Permutation p of "some points of a sweep give more than others".

    The statistic is the sum over points of the squared mean over seeds. If points make no difference,
    the values of each seed might as well stand in any other order: the p is the share of orders, drawn
    for each seed by itself, that give as large a statistic. It is the randomized-block design's F test
    with its distribution from permutations (Edgington and Onghena 2007, *Randomization Tests*,
    chapter 6); Friedman's (1937) is the same with ranks. Exact where there are few orders; else
    `resamples` random ones with the observed one counted among them (Phipson and Smyth 2010).

    One test for all points needs no correction for their number.

    Args:
        values_SP: one value a seed and point, such as the transfer.
        seed: of the random orders.
        resamples: how many.

    Raises:
        SettingsError: fewer than two points, or a value that is not finite.

    Known failure: one seed gives 1 whatever the values. Points that scatter seeds more than others do
    may be called different although their means are not.
    """
    values = finite_array(values_SP, ndim=2, what="values of a sweep")
    num_seeds, num_points = values.shape
    if num_points < 2:
        raise SettingsError("Whether points differ is asked of two points or more; got one.")
    values = values - values.mean(axis=1, keepdims=True)  # a seed's level says nothing of points
    observed = _statistic(values)
    least = observed - 1e-12 * max(1.0, observed)  # a tie must count as one
    orders = math.factorial(num_points)
    if orders ** (num_seeds - 1) <= _MOST_EXACT:
        # To reorder all seeds alike changes nothing: the first one can stay as it is.
        rest = [[*permutations(row)] for row in values[1:]]
        found = [_statistic(np.array([values[0], *rows])) for rows in product(*rest)]
        return float(np.mean(np.array(found) >= least))
    rng = np.random.default_rng(seed)
    hits = sum(_statistic(rng.permuted(values, axis=1)) >= least for _ in range(resamples))
    return (hits + 1) / (resamples + 1)


def smallest_points_differ_p(num_seeds: int, num_points: int) -> float:
    """The smallest p that `points_differ_p` can give exactly: (P!)^-(S-1)."""
    return float(math.factorial(num_points)) ** -(num_seeds - 1)


def _statistic(values_SP: NDArray[np.float64]) -> float:
    return float(np.square(values_SP.mean(axis=0)).sum())
