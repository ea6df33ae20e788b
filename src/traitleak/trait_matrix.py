"""Specificity: does each teacher's trait move more than other traits, and by other teachers less?

Shapes: R replicates (student seeds), T teachers, M traits measured, P permutations of the teachers.
"""

from __future__ import annotations

import itertools
import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from traitleak.errors import SettingsError
from traitleak.results import Estimate
from traitleak.statistics import finite_array, mean_estimate

__all__ = ["Gamma", "specificity"]

_PATTERNS_HELD = 2**20  # permutation sums held in memory together: 8 MB
_CELLS_AT_ONCE = 2_000_000  # of random permutations


class Gamma(NamedTuple):
    """The diagonal effect of a trait x trait matrix.

    Attributes:
        estimate: mean over replicates of gamma, with Student's t interval over replicates.
        per_trait: the same for each taught trait, in their order; `estimate` is their mean. Empty for
            two teachers and no other measured trait, where single traits are not identified.
        p: one-sided permutation p of gamma.
        smallest_p: the smallest p that this design can give, whatever the effect.
        test: the test in words.
    """

    estimate: Estimate
    per_trait: list[Estimate]
    p: float
    smallest_p: float
    test: str


def specificity(
    lifts_RTM: ArrayLike,
    *,
    confidence: float = 0.95,
    permute: Literal["within", "together"] = "within",
    seed: int = 0,
    resamples: int = 100_000,
) -> Gamma:
    """Gamma of lift_ij = mu + a_i + b_j + gamma * [i = j]: teacher i's student, measured for trait j.

    a_i takes up what teacher i's student does to all traits, b_j how easily trait j moves under any
    teacher; gamma is what is left for a student's own teacher's trait.

    Least squares, in each replicate (two-way layout, Scheffe 1959, *The Analysis of Variance*,
    chapter 4; regression on the residual of [i = j] after both factors, Frisch and Waugh 1933):
    that residual is [i = j] - 1/T in the T taught columns and 0 in the others, so that::

        gamma = mean of the diagonal - mean of the off-diagonal of the T x T square

    With T = 2 this is half the double difference (l_11 - l_12 - l_21 + l_22) / 2: the layout's one
    degree of freedom for interaction, so gamma is identified and the fit is perfect.
    Measured traits without a teacher leave gamma as it is. They anchor a_i, and so make the effect
    gamma_i of each single trait identified for T = 2, too: lift_ij = mu + a_i + b_j + gamma_i [i = j].

    The test permutes in each replicate which row belongs to which teacher. It is exact if, without
    specificity, the teachers' rows would be exchangeable but for an additive a_i, whatever the
    columns are like; or the taught columns but for an additive b_j, whatever the rows. All (T!)^R
    patterns are counted where their sums can be matched from two halves of at most a million each;
    otherwise random ones, with the observed one counted among them (Phipson and Smyth 2010, Stat.
    Appl. Genet. Mol. Biol. 9:39).

    Args:
        lifts_RTM: lift of trait j in the student of teacher i at replicate r; the trait of teacher
            i is column i, columns from T on have no teacher. Every replicate has all cells. Rows
            of a neutral teacher do not belong here.
        confidence: coverage of the intervals, between 0 and 1.
        permute: `within` permutes each replicate on its own: a claim about students of these
            teachers, smallest p (T!)^-R. `together` takes the same permutation in all replicates:
            a claim about teachers, where each was made once and all replicates read its rows;
            smallest p 1/T!, so that it needs four teachers to reach .05.
        seed: of the random permutations.
        resamples: number of random permutations, where not all are counted.

    Raises:
        SettingsError: not a full R x T x M array of finite numbers, T < 2, M < T, or a
            `confidence`, `permute` or `resamples` out of range.

    Known failure: where replicates share their teachers' rows, `within` and the interval do not
    contain the luck of the teachers, and call a chance likeness of one teacher's rows to its trait
    specific, the more surely the more students read them. If own traits merely vary more, neither
    rows nor columns are exchangeable: with five times the spread on the diagonal p <= .05 came up
    in 11 % of simulated nulls, while the interval over replicates held. Where traits compete
    (margins over a common set), part of gamma is the other traits' fall.
    """
    lifts_RTM = finite_array(lifts_RTM, ndim=3, what="lifts by replicate, teacher and trait")
    R, T, M = lifts_RTM.shape
    if T < 2 or M < T:
        raise SettingsError(
            "Specificity needs at least two teachers, each with the column of its own trait at its "
            f"own index; got {T} teachers and {M} measured traits. Leave out rows of neutral "
            "teachers, and compare a single teacher with its control by `paired_difference`."
        )
    if permute not in {"within", "together"}:
        raise SettingsError(f"`permute` is 'within' or 'together'; got {permute!r}.")
    if resamples < 1:
        raise SettingsError(f"`resamples` is at least 1; got {resamples}.")

    centred_RTT = _centred(lifts_RTM[:, :, :T])
    gamma_R = np.trace(centred_RTT, axis1=1, axis2=2) / (T - 1)
    method = f"least squares in each matrix, then Student's t over {R} replicates"

    def estimate(replicates: NDArray[np.float64]) -> Estimate:
        mean = mean_estimate(replicates.tolist(), confidence=confidence)
        return mean if R == 1 else mean.model_copy(update={"method": method})

    # Sums that tie in exact arithmetic differ in their last bits, at the scale of the raw lifts.
    tolerance = 1e-13 * float(np.abs(lifts_RTM[:, :, :T]).sum())
    blocks = centred_RTT if permute == "within" else centred_RTT.sum(axis=0, keepdims=True)
    p, smallest_p, how = _permutation_p(blocks, tolerance=tolerance, seed=seed, resamples=resamples)
    where = "in each replicate" if permute == "within" else "in the same way in all replicates"
    return Gamma(
        estimate=estimate(gamma_R),
        per_trait=[estimate(own_R) for own_R in _own_effects(lifts_RTM).T],
        p=p,
        smallest_p=smallest_p,
        test=f"one-sided permutation of the teachers {where}, {how}",
    )


def _centred(lifts_RTM: NDArray[np.float64]) -> NDArray[np.float64]:
    """The matrices without their additive part: row, column and grand means taken out."""
    rows = lifts_RTM.mean(axis=2, keepdims=True)
    columns = lifts_RTM.mean(axis=1, keepdims=True)
    return np.asarray(lifts_RTM - rows - columns + lifts_RTM.mean(axis=(1, 2), keepdims=True))


def _own_effects(lifts_RTM: NDArray[np.float64]) -> NDArray[np.float64]:
    """Least-squares gamma_i of each taught trait in each replicate; no column if not identified.

    With h_i the centred diagonal of the T x M matrix and c = 1 - 1/T - 1/M, the normal equations
    are c * gamma_i + sum_k gamma_k / (T * M) = h_i.
    """
    R, T, M = lifts_RTM.shape
    if T == M == 2:
        return np.empty((R, 0))
    h_RT = np.diagonal(_centred(lifts_RTM), axis1=1, axis2=2)
    shared = h_RT.sum(axis=1, keepdims=True) / (M * (T - 1))
    return np.asarray((h_RT - shared) / (1 - 1 / T - 1 / M))


def _permutation_p(
    blocks_RTT: NDArray[np.float64], *, tolerance: float, seed: int, resamples: int
) -> tuple[float, float, str]:
    """Share of patterns whose permuted diagonals sum to at least the observed; its floor; how."""
    R, T, _ = blocks_RTT.shape
    observed = float(np.trace(blocks_RTT, axis1=1, axis2=2).sum()) - tolerance
    num_permutations = math.factorial(T)
    if num_permutations ** ((R + 1) // 2) <= _PATTERNS_HELD:
        # Each pattern is one of the first half with one of the second: sort one, look up the other.
        scores_RP = _diagonal_sums(blocks_RTT)
        first, second = _pattern_sums(scores_RP[: R // 2]), _pattern_sums(scores_RP[R // 2 :])
        second.sort()
        hits = second.size * first.size - int(np.searchsorted(second, observed - first).sum())
        total = num_permutations**R
        return hits / total, 1 / total, f"exact over all {total:,} patterns"
    rng = np.random.default_rng(seed)
    rows, hits, left = np.arange(T), 0, resamples
    while left:
        part = min(left, max(1, _CELLS_AT_ONCE // T))
        sums = np.zeros(part)
        for block_TT in blocks_RTT:
            orders = rng.permuted(np.tile(rows, (part, 1)), axis=1)
            sums += block_TT[rows, orders].sum(axis=1)
        hits += int(np.count_nonzero(sums >= observed))
        left -= part
    how = f"{resamples:,} random patterns and the observed one (seed {seed})"
    return (hits + 1) / (resamples + 1), 1 / (resamples + 1), how


def _diagonal_sums(blocks_RTT: NDArray[np.float64]) -> NDArray[np.float64]:
    """The diagonal's sum under each permutation of each block's rows: (R, P)."""
    R, T, _ = blocks_RTT.shape
    flat = itertools.chain.from_iterable(itertools.permutations(range(T)))
    orders_PT = np.fromiter(flat, dtype=np.intp).reshape(-1, T)
    sums_RP = np.zeros((R, len(orders_PT)))
    for i in range(T):
        sums_RP += blocks_RTT[:, i, orders_PT[:, i]]
    return sums_RP


def _pattern_sums(scores_RP: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sum under every choice of one permutation a replicate."""
    sums = np.zeros(1)
    for scores_P in scores_RP:
        sums = np.add.outer(sums, scores_P).ravel()
    return sums
