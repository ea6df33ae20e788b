"""Teacher and student of one network against all others, and of one initialisation against another.

Shape suffixes: R replicates (seeds), T teachers, S students: the same members in the same order.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from traitleak.errors import SettingsError
from traitleak.recipe.cross import MemberFields, Relation, relation
from traitleak.results import Estimate, Specificity
from traitleak.statistics import finite_array, mean_estimate
from traitleak.trait_matrix import specificity

__all__ = ["Relations", "Transmits", "kinship", "of_relations", "own_network", "self_transmission"]

Relations = list[list[Relation]]
"""For each teacher, what each student's network is to its own."""


def of_relations(members: Sequence[MemberFields]) -> Relations:
    """Who is what to whom: rows are teachers, columns students."""
    return [[relation(teacher, student) for student in members] for teacher in members]


def own_network(
    transfer_RTS: ArrayLike, teachers: Sequence[int] | None = None
) -> Specificity | None:
    """What passes from a teacher to its own network more than its row and its column explain.

    `trait_matrix.specificity` with students in the place of traits: the mean of the diagonal less the
    mean of what is off it, in the square of the teachers, and the exact permutation p of which row
    belongs to which teacher.

    Args:
        transfer_RTS: transfer from teacher T to student S in replicate R.
        teachers: those that count, by number; by default all. Students of the others stay as columns.

    Returns:
        None where fewer than two teachers are left.

    Known failure: members of one initialisation learn from each other, and so stand off the diagonal
    with what they share: the more there are of them, the smaller it is. See `kinship`.
    """
    transfer_RTS = finite_array(
        transfer_RTS, ndim=3, what="transfers by replicate, teacher, student"
    )
    num = transfer_RTS.shape[1]
    chosen = list(range(num)) if teachers is None else list(teachers)
    if len(chosen) < 2:
        return None
    columns = [*chosen, *(s for s in range(num) if s not in chosen)]
    found = specificity(transfer_RTS[:, chosen][:, :, columns])
    return Specificity(
        estimate=found.estimate, p=found.p, smallest_p=found.smallest_p, test=found.test
    )


def kinship(transfer_RTS: ArrayLike, shared_TS: ArrayLike) -> Specificity | None:
    """What passes more where teacher and student share their initialisation, rows and columns aside.

    Least squares of transfer_ts = mu + a_t + b_s + kappa * shared_ts in each replicate: with Z the
    table of who shares, its row and column means taken out, kappa = sum(Z * transfer) / sum(Z * Z)
    (Frisch and Waugh 1933). With nobody sharing but each with itself it is `own_network`.

    The test permutes in each replicate which row belongs to which teacher, as `specificity` does, and
    is exact under the same condition. Permutations within a family change nothing, so that three of
    one and one of another give no p below 1/4 in one replicate, 1/64 in three.

    Args:
        transfer_RTS: transfer from teacher T to student S in replicate R.
        shared_TS: whether they share their initialisation.

    Returns:
        None where rows and columns explain who shares: one family only.

    Raises:
        SettingsError: the two have other shapes.

    Known failure: that of `specificity`: replicates make it surer of these members, and say nothing of
    other families. One odd family of two is half of the evidence.
    """
    transfer_RTS = finite_array(
        transfer_RTS, ndim=3, what="transfers by replicate, teacher, student"
    )
    shared_TS = np.asarray(shared_TS, dtype=np.float64)
    R, T, S = transfer_RTS.shape
    if shared_TS.shape != (T, S) or T != S:
        raise SettingsError(
            f"Who shares must be told for each teacher and student: {shared_TS.shape} for transfers "
            f"of {(T, S)}."
        )
    centred_TS = _centred(shared_TS)
    size = float((centred_TS**2).sum())
    if size < 1e-9:
        return None
    kappa_R = (transfer_RTS * centred_TS).sum(axis=(1, 2)) / size
    # Row k in the place of teacher t adds W[k, t]: the sum is the diagonal of W, rows permuted.
    scores_RTT = transfer_RTS @ centred_TS.T
    tested = specificity(scores_RTT)
    rows = Counter(tuple(np.round(row, 9)) for row in centred_TS)
    ties = math.prod(math.factorial(count) for count in rows.values())
    mean = mean_estimate(kappa_R.tolist())
    if R > 1:
        method = f"least squares in each matrix, then Student's t over {R} replicates"
        mean = mean.model_copy(update={"method": method})
    return Specificity(
        estimate=mean,
        p=tested.p,
        smallest_p=max(tested.smallest_p, (ties / math.factorial(T)) ** R),
        test=tested.test,
    )


def _centred(table_TS: NDArray[np.float64]) -> NDArray[np.float64]:
    rows, columns = table_TS.mean(axis=1, keepdims=True), table_TS.mean(axis=0, keepdims=True)
    return np.asarray(table_TS - rows - columns + table_TS.mean())


@dataclass(frozen=True)
class Transmits:
    """Whether a teacher's rows pass the trait on to its own network.

    Attributes:
        own: transfer to its own network, over replicates.
        passes: whether the interval lies above zero; None with one replicate, where nothing can tell.
    """

    own: Estimate
    passes: bool | None


def self_transmission(transfer_RTS: NDArray[np.float64]) -> list[Transmits]:
    """For each teacher the rule by which Cloud et al. (2025, figure 8) chose whom to compare.

    They show cross-model transfer of traits that a model passes on to itself. The interval over
    replicates is our reading of "passes on".

    Known failure: it chooses by the outcome. Whoever is chosen passes by luck in part, so that the
    diagonal of what is left is too large; the full matrix is not.
    """
    found = []
    for number in range(transfer_RTS.shape[1]):
        own = mean_estimate(transfer_RTS[:, number, number].tolist())
        found.append(Transmits(own, None if own.low is None else own.low > 0))
    return found
