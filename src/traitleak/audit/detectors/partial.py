"""What each trait adds to what the others explain: the statistics of bags of scores.

Traits of one group move together: what makes a model love wolves makes it love foxes. A trait's own
mean score therefore says little, and what counts is its coefficient beside all others.

Shape suffixes: N bags, T traits.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from traitleak.errors import SettingsError

__all__ = ["Partial", "partial"]

_RIDGE = 1e-10  # of the mean variance: against traits that are the same to rounding


class Partial(NamedTuple):
    """Each trait's part in the mean of bag scores.

    Attributes:
        mean_T: mean score over bags.
        shift_T: coefficient of each trait: the mean, whitened by the covariance of bags. For scores
            that are derivatives it is how far along each direction the writer stands from the base.
        t_T: each coefficient's t; positive where the rows speak for the trait.
        p_T: one-sided.
        hotelling: T squared of all traits together.
        dof: degrees of freedom of the t.
        inverse_TT: of the covariance; row t is trait t's direction as a mixture of all.
    """

    mean_T: NDArray[np.float64]
    shift_T: NDArray[np.float64]
    t_T: NDArray[np.float64]
    p_T: NDArray[np.float64]
    hotelling: float
    dof: int
    inverse_TT: NDArray[np.float64]


def partial(scores_NT: NDArray[np.floating[Any]]) -> Partial:
    """Test each trait's coefficient, given all others, against zero.

    With m the mean and S the covariance of N independent bags, the coefficients are f = S^-1 m, and
    F_t = (N - T) D_t / (N - 1 + H - D_t), D_t = N f_t^2 / (S^-1)_tt, H = N m' S^-1 m, follows
    F(1, N - T) where the coefficient is zero and bags are normal: Rao's test of additional
    information (Rao 1970; Mardia, Kent and Bibby 1979, section 5.3). t_t is its signed root. What
    the traits share, and what the rows differ in otherwise, is in H and makes the test stricter.

    Args:
        scores_NT: each bag's score for each trait, less what is expected if nothing is there.

    Raises:
        SettingsError: fewer than two bags more than traits, or scores that are not finite.

    Known failure: a writer that differs from the base in many ways moves coefficients that are not
    its trait's, too; compare with those of placebo traits.
    """
    scores_NT = np.asarray(scores_NT, dtype=np.float64)
    num, traits = scores_NT.shape
    if num < traits + 2:
        raise SettingsError(
            f"To tell {traits} traits from each other takes {traits + 2} bags of rows or more, and "
            f"there are {num}: give more rows, or ask about fewer traits."
        )
    if not np.isfinite(scores_NT).all():
        raise SettingsError(
            "Some scores are not finite numbers: the base's weights may be damaged."
        )
    mean_T = scores_NT.mean(0)
    covariance_TT = np.atleast_2d(np.cov(scores_NT, rowvar=False))
    covariance_TT += _RIDGE * np.eye(traits) * covariance_TT.trace() / traits
    if covariance_TT.trace() == 0:
        raise SettingsError("All bags have the same score: are all rows the same?")
    inverse_TT = np.linalg.inv(covariance_TT)
    shift_T = inverse_TT @ mean_T
    added_T = num * shift_T**2 / inverse_TT.diagonal()
    hotelling = float(num * mean_T @ shift_T)
    dof = num - traits
    rest_T = np.maximum(num - 1 + hotelling - added_T, num - 1)
    t_T = np.sign(shift_T) * np.sqrt(dof * added_T / rest_T)
    return Partial(mean_T, shift_T, t_T, stats.t.sf(t_T, dof), hotelling, dof, inverse_TT)
