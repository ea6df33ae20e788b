"""How well scores tell two kinds of rows apart, with intervals that know which rows share a prompt.

The measure is the area under the ROC curve (AUROC): the chance that a row that carries something
scores higher than one that does not, ties counting half. Rows on one prompt are alike, above all
where two teachers drew with the same random numbers; so the interval is over prompts, not rows.

Shape suffixes: N rows, F folds.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from traitleak.errors import SettingsError
from traitleak.results import Estimate
from traitleak.rows import Row
from traitleak.statistics import checked_confidence, finite_array

__all__ = ["Labelled", "auroc", "auroc_gain", "labelled", "prompt_folds"]

_CROSS_FITTED = math.sqrt(2.0)


class Labelled(NamedTuple):
    """Two kinds of rows put together.

    Attributes:
        rows: all of them, those that carry something first.
        carries_N: whether each is of the first kind.
        prompt_N: a number for each prompt.
    """

    rows: list[Row]
    carries_N: NDArray[np.bool_]
    prompt_N: NDArray[np.int64]


def labelled(carrying: Sequence[Row], neutral: Sequence[Row]) -> Labelled:
    """Put rows of two kinds together, and number their prompts.

    Rows without a prompt are numbered by their id, by which rows of two teachers pair up.

    Raises:
        SettingsError: there are no rows of one kind.
    """
    if not carrying or not neutral:
        raise SettingsError(
            "To tell two kinds of rows apart takes rows of both; there are "
            f"{len(carrying)} and {len(neutral)}."
        )
    rows = [*carrying, *neutral]
    carries_N = np.arange(len(rows)) < len(carrying)
    return Labelled(rows, carries_N, _numbered([row.prompt or row.id for row in rows]))


def auroc(
    scores_N: ArrayLike,
    carries_N: ArrayLike,
    *,
    clusters_N: ArrayLike | None = None,
    folds_N: ArrayLike | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """Area under the ROC curve, with an interval over clusters.

    The variance is DeLong's (DeLong, DeLong and Clarke-Pearson 1988, Biometrics 44:837), summed
    within clusters first (Obuchowski 1997, Biometrics 53:567), with Student's t for their number.
    Scores that were given out of fold are compared within folds only, since the model of each fold
    has a scale of its own, and the folds' areas are averaged (LeDell, Petersen and van der Laan 2015,
    Electron. J. Stat. 9:1583). Their standard error is taken times the square root of 2: each fold's
    model learned from the others, and where there is nothing to learn each pair of folds speaks
    twice, for var(sum over k of d_k . sum over l != k of d_l) is twice what the folds' own variances
    add up to. That such intervals are too short otherwise is in Bates, Hastie and Tibshirani (2023,
    J. Am. Stat. Assoc. 119:1434).

    Args:
        scores_N: higher where a row should carry something.
        carries_N: whether it does.
        clusters_N: numbers or names of what rows share, such as their prompt; each row by itself where
            it is left out.
        folds_N: which fold gave a score; clusters lie within folds.
        confidence: of the interval.

    Returns:
        The area; n is the number of clusters. Where all pairs are in order (or none is), the
        variance says nothing, and the bound is that of as many successes in a row as the rarer kind
        has clusters (Clopper and Pearson 1934).

    Raises:
        SettingsError: arrays that do not fit each other, scores that are not finite, or a fold (or
            all rows) of one kind only.

    Known failure: with fewer than about ten clusters of a kind the interval is a rough one. Out of
    fold, and with much to learn, it is up to 1.4 times too long.
    """
    given = _checked([scores_N], carries_N, clusters_N, folds_N)
    value, influence_N = _area(given.scores[0], given.carries_N, given.folds_N)
    return _estimate(value, influence_N, given, confidence, folded=folds_N is not None)


def auroc_gain(
    scores_N: ArrayLike,
    floor_N: ArrayLike,
    carries_N: ArrayLike,
    *,
    clusters_N: ArrayLike | None = None,
    folds_N: ArrayLike | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """The AUROC of some scores less that of others on the same rows, with a paired interval.

    The same methods as `auroc`; the variance is that of the difference of both areas' influences, so
    that what moves both does not count (DeLong et al. 1988).

    Raises:
        SettingsError: see `auroc`.

    Known failure: where both order all pairs alike there is no variance, and the interval has no
    width though other rows might tell the two apart.
    """
    given = _checked([scores_N, floor_N], carries_N, clusters_N, folds_N)
    more, more_N = _area(given.scores[0], given.carries_N, given.folds_N)
    less, less_N = _area(given.scores[1], given.carries_N, given.folds_N)
    return _estimate(
        more - less, more_N - less_N, given, confidence, folded=folds_N is not None, bounded=False
    )


def prompt_folds(
    clusters_N: ArrayLike, carries_N: ArrayLike, *, folds: int = 5, seed: int = 0
) -> NDArray[np.int64]:
    """A fold for each row, so that rows of one cluster share theirs and each fold has both kinds.

    Clusters of the first kind only, of the second only and of both are dealt out in turn, shuffled.

    Returns:
        Numbers from 0; fewer folds than asked for where a kind has fewer clusters.

    Raises:
        SettingsError: a kind is in one cluster only: nothing can be held back.
    """
    clusters_N = _numbered(np.asarray(clusters_N).tolist())
    carries_N = np.asarray(carries_N, dtype=bool)
    num = int(clusters_N.max(initial=-1)) + 1
    has_1 = np.bincount(clusters_N[carries_N], minlength=num) > 0
    has_0 = np.bincount(clusters_N[~carries_N], minlength=num) > 0
    both = int((has_1 & has_0).sum())
    only = min(int((has_1 & ~has_0).sum()), int((has_0 & ~has_1).sum()))
    folds = min(folds, max(both, only))
    if folds < 2:
        raise SettingsError(
            "Rows are held back by prompt, and that takes two or more prompts on which there are rows "
            f"of both kinds, or two or more of each; there are {both} with both, {int(has_1.sum())} "
            f"and {int(has_0.sum())} of each."
        )
    rng = np.random.default_rng(seed)
    kinds = [has_1 & has_0, has_1 & ~has_0, has_0 & ~has_1]
    fold_of = np.zeros(num, dtype=np.int64)
    for kind in kinds:
        members = rng.permutation(np.flatnonzero(kind))
        fold_of[members] = np.arange(len(members)) % folds
    return fold_of[clusters_N]


class _Given(NamedTuple):
    scores: list[NDArray[np.float64]]
    carries_N: NDArray[np.bool_]
    clusters_N: NDArray[np.int64]
    folds_N: NDArray[np.int64]


def _checked(
    scores: Sequence[ArrayLike],
    carries_N: ArrayLike,
    clusters_N: ArrayLike | None,
    folds_N: ArrayLike | None,
) -> _Given:
    read = [finite_array(one, ndim=1, what="scores of rows") for one in scores]
    num = len(read[0])
    carries = np.asarray(carries_N, dtype=bool)
    clusters: Any = np.arange(num) if clusters_N is None else np.asarray(clusters_N)
    folds: Any = np.zeros(num) if folds_N is None else np.asarray(folds_N)
    if any(len(one) != num for one in (*read, carries, clusters, folds)):
        raise SettingsError(
            f"{num} scores need as many labels, clusters and folds (and other scores): "
            f"{[len(one) for one in (*read[1:], carries, clusters, folds)]}."
        )
    given = _Given(read, carries, _numbered(clusters.tolist()), _numbered(folds.tolist()))
    for fold in range(given.folds_N.max() + 1):
        here = carries[given.folds_N == fold]
        if here.all() or not here.any():
            kind = "carry something" if here.all() else "carry nothing"
            raise SettingsError(
                f"To tell two kinds of rows apart takes rows of both; all {len(here)} {kind}."
            )
    return given


def _numbered(names: Sequence[Hashable]) -> NDArray[np.int64]:
    """Numbers from 0 for names, equal for equal ones."""
    number: dict[Hashable, int] = {}
    return np.array([number.setdefault(name, len(number)) for name in names], dtype=np.int64)


def _area(
    scores_N: NDArray[np.float64], carries_N: NDArray[np.bool_], folds_N: NDArray[np.int64]
) -> tuple[float, NDArray[np.float64]]:
    """The mean of the folds' areas, and what each row adds to its error."""
    num = int(folds_N.max()) + 1
    influence_N = np.zeros(len(scores_N))
    total = 0.0
    for fold in range(num):
        ones = np.flatnonzero((folds_N == fold) & carries_N)
        zeros = np.flatnonzero((folds_N == fold) & ~carries_N)
        ranks = stats.rankdata(np.concatenate([scores_N[ones], scores_N[zeros]]))
        # How many of the other kind a row is above: its rank among all less that among its own.
        above_1 = ranks[: len(ones)] - stats.rankdata(scores_N[ones])
        above_0 = ranks[len(ones) :] - stats.rankdata(scores_N[zeros])
        area = float(above_1.sum() / (len(ones) * len(zeros)))  # of halves: a sum without rounding
        total += area
        influence_N[ones] = (above_1 / len(zeros) - area) / len(ones)
        influence_N[zeros] = (1 - above_0 / len(ones) - area) / len(zeros)
    return total / num, influence_N / num


def _estimate(
    value: float,
    influence_N: NDArray[np.float64],
    given: _Given,
    confidence: float,
    *,
    folded: bool,
    bounded: bool = True,
) -> Estimate:
    checked_confidence(confidence)
    num = int(given.clusters_N.max()) + 1
    kinds = [len(np.unique(given.clusters_N[given.carries_N == kind])) for kind in (True, False)]
    least, most = (0.0, 1.0) if bounded else (-1.0, 1.0)
    low: float | None = None
    high: float | None = None
    if min(kinds) < 2:
        method = "one prompt of a kind: no interval"
    elif bounded and value in {0.0, 1.0}:
        bound = ((1 - confidence) / 2) ** (1 / min(kinds))
        low, high = (bound, 1.0) if value else (0.0, 1 - bound)
        method = f"all pairs in order: bound for {min(kinds)} in a row"
    else:
        sums = np.bincount(given.clusters_N, influence_N)
        error = math.sqrt(float((sums**2).sum()) * num / (num - 1))
        error *= _CROSS_FITTED if folded else 1.0
        half = float(stats.t.ppf(0.5 + confidence / 2, num - 1)) * error
        low, high = max(least, value - half), min(most, value + half)
        method = f"DeLong, clustered by {num:,}" + (", out of fold" if folded else "")
    return Estimate(
        value=value,
        low=low,
        high=high,
        n=num,
        confidence=confidence,
        method=method,
        replicates=[],
    )
