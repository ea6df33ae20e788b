"""Is one arm of students unlike the others? Students in blocks, and many traits of each.

A block is a seed: students that begin with the same adapter and read the same rows in the same order,
and differ in who filled the rows. The first arm read what the data say, the others what a writer
without a trait would have said in their place. Blocks hold different rows. So what rows happened to
be sampled, and what a seed does, both vary between blocks, and blocks are the unit: many traits of
one student, or students that read the same rows, would be no replicates.

Shape suffixes: S blocks, A arms (the data first), T traits, G groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from traitleak.errors import SettingsError

__all__ = ["Contrast", "Difference", "centred", "contrast", "difference"]

_LARGEST_Z = 35.0  # beyond, p is 0 in float64
_FEWEST_POOLED = 3  # traits of a group


class Difference(NamedTuple):
    """The data arm less the mean of the others.

    Attributes:
        mean_T: over blocks, in the unit of the values.
        se_T: standard errors.
        dof_T: degrees of freedom of these.
        directions: in how many independent directions the traits of a group vary, about.
    """

    mean_T: NDArray[np.float64]
    se_T: NDArray[np.float64]
    dof_T: NDArray[np.float64]
    directions: float

    def half_width(self, confidence: float = 0.95) -> NDArray[np.float64]:
        """Half the width of each trait's t interval."""
        half_T: NDArray[np.float64] = stats.t.ppf(0.5 + confidence / 2, self.dof_T) * self.se_T
        return half_T


class Contrast(NamedTuple):
    """What the traits say of the data arm.

    Attributes:
        z_T: the t of each trait's difference as the normal deviate of the same p, over `inflation_T`.
        p_T: one-sided, of this trait alone.
        dof_T: degrees of freedom where there is no inflation.
        inflation_T: how much larger than chance the other traits' differences are, 1 at least.
        difference: of the centred values.
    """

    z_T: NDArray[np.float64]
    p_T: NDArray[np.float64]
    dof_T: NDArray[np.float64]
    inflation_T: NDArray[np.float64]
    difference: Difference


def centred(values_SAT: NDArray[np.floating[Any]], groups_T: Sequence[int]) -> NDArray[np.float64]:
    """Less the mean over each group's traits, which compete; groups of one or two stay as they are."""
    found = np.array(values_SAT, dtype=np.float64)
    for where in _groups(groups_T):
        if len(where) >= _FEWEST_POOLED:
            found[..., where] -= found[..., where].mean(-1, keepdims=True)
    return found


def difference(values_SAT: NDArray[np.floating[Any]], groups_T: Sequence[int]) -> Difference:
    """Mean over blocks of the data arm less the others, with its standard error.

    The model is x_sa = block_s + effect [a is the data] + e_sa, whose residual has S R - 1 degrees of
    freedom with R = A - 1 other arms. Those are few, so that a trait's own variance is moderated by
    its group's: s^2 = (d0 s0^2 + d s_t^2) / (d0 + d), with d0 + d degrees of freedom (Smyth 2004,
    Stat. Appl. Genet. Mol. Biol. 3:3). d0 is Smyth's estimate from how much more the variances of a
    group differ than chance; but his traits are independent, and margins of one group are not. So
    d0 + d is at most d times the number of directions r = tr(C)^2 / tr(C^2), which is what their
    pooled variance has by Satterthwaite's (1946) argument. The traces' estimates from few residuals
    are those of Srivastava (2005, J. Japan Statist. Soc. 35:251).

    Args:
        values_SAT: a measure of each student; the data arm first.
        groups_T: which group a trait is in; variances are pooled within groups of three and more.

    Raises:
        SettingsError: too few students for any variance, or values that are not finite.

    Known failure: the variance is that of arms which a writer without a trait filled. Where the data
    arm alone varies much more between blocks (a few rows that carry everything) it is too small.
    """
    values_SAT = np.asarray(values_SAT, dtype=np.float64)
    if values_SAT.ndim != 3 or values_SAT.shape[2] != len(groups_T):
        raise SettingsError(
            f"Students' values are a table of blocks, arms and {len(groups_T)} traits; got the shape "
            f"{values_SAT.shape}."
        )
    blocks, arms, traits = values_SAT.shape
    others = arms - 1
    dof = blocks * others - 1
    if others < 1 or dof < 1:
        raise SettingsError(
            f"{blocks} blocks of {arms} arms leave no variance: take two seeds or more, and a reference."
        )
    if not np.isfinite(values_SAT).all():
        raise SettingsError(
            "Some students' values are not finite numbers: their training diverged."
        )
    own_ST, beside_SRT = values_SAT[:, 0], values_SAT[:, 1:]
    apart_ST = own_ST - beside_SRT.mean(1)
    mean_T = apart_ST.mean(0)
    # Residuals in orthonormal coordinates, but for rotations that change no sum of squares.
    between = (apart_ST - mean_T) / np.sqrt(1 + 1 / others)
    within = (beside_SRT - beside_SRT.mean(1, keepdims=True)).reshape(-1, traits)
    residuals_NT = np.concatenate([between, within])
    variance_T = (residuals_NT**2).sum(0) / dof
    groups = [where for where in _groups(groups_T) if len(where) >= _FEWEST_POOLED]
    directions = _directions([residuals_NT[:, where] for where in groups], dof)
    dof_T = np.full(traits, float(dof))
    for where in groups:
        prior = min(
            _prior_dof(variance_T[where], dof),
            dof * (min(directions, len(where) - 1) - 1),
        )
        pooled = variance_T[where].mean()
        variance_T[where] = (prior * pooled + dof * variance_T[where]) / (prior + dof)
        dof_T[where] += prior
    se_T = np.sqrt(variance_T * (1 + 1 / others) / blocks)
    return Difference(mean_T, se_T, dof_T, directions)


def contrast(values_SAT: NDArray[np.floating[Any]], groups_T: Sequence[int]) -> Contrast:
    """Test each trait of the data arm against the other arms, and against the other traits.

    Values are centred within groups, so that what moves all margins of a group counts for none. Rows
    that merely differ in style from the other arms' move traits of every kind. What the other traits'
    differences are too large by (their root mean square as normal deviates, where it is above 1)
    divides each trait's own: the inflation factor of genomic control (Devlin and Roeder 1999), as in
    `shares`. Its own degrees of freedom are the directions of all groups together.

    Args:
        values_SAT: a measure of each student; the data arm first.
        groups_T: which group a trait is in.

    Raises:
        SettingsError: as `difference`.

    Known failure: style that happens to lie along one trait is taken for the trait; and rows that
    carry many traits at once hide each other.
    """
    found = difference(centred(values_SAT, groups_T), groups_T)
    traits = len(groups_T)
    # Zero over zero: arms that do not differ at all.
    ratio_T = np.divide(found.mean_T, found.se_T, out=np.zeros(traits), where=found.se_T > 0)
    tail_T = np.minimum(-1e-300, stats.t.logsf(np.abs(ratio_T), found.dof_T))
    z_T = np.sign(ratio_T) * np.clip(-special.ndtri_exp(tail_T), 0, _LARGEST_Z)
    others_T = ((z_T**2).sum() - z_T**2) / max(1, traits - 1)
    inflation_T = np.sqrt(np.maximum(1.0, others_T))
    z_T = z_T / inflation_T
    sizes = [len(where) for where in _groups(groups_T)]
    directions = sum(min(found.directions, size - 1) if size > 2 else 1 for size in sizes)
    loose_T = np.where(inflation_T > 1, stats.t.sf(z_T, max(1.0, directions - 1)), 0.0)
    p_T = np.maximum(stats.t.sf(ratio_T, found.dof_T), loose_T)
    return Contrast(z_T, p_T, found.dof_T, inflation_T, found)


def _groups(groups_T: Sequence[int]) -> list[NDArray[np.intp]]:
    numbers = np.asarray(groups_T)
    return [np.flatnonzero(numbers == number) for number in np.unique(numbers)]


def _directions(residuals: Sequence[NDArray[np.float64]], dof: int) -> float:
    """tr(C)^2 / tr(C^2) of the groups' covariances together, 1 at least."""
    if not residuals or dof < 2:
        return 1.0
    squared = product = 0.0
    for residuals_NT in residuals:
        covariance_TT = residuals_NT.T @ residuals_NT / dof
        scale = float(covariance_TT.trace())
        if scale == 0:
            continue
        first, second = 1.0, float((covariance_TT**2).sum()) / scale**2
        twice = dof**2 / ((dof - 1) * (dof + 2)) * (second - first / dof)
        product += twice
        squared += first - 2 * twice / dof
    # So few residuals span no more directions, whatever their estimate says.
    return float(np.clip(squared / product, 1, dof + 1)) if product > 0 else dof + 1.0


def _prior_dof(variance_T: NDArray[np.float64], dof: int) -> float:
    """How many degrees of freedom a group's common variance is worth; infinite where all are alike."""
    if not (variance_T > 0).all():
        return np.inf
    spread = float(np.log(variance_T).var(ddof=1)) - float(special.polygamma(1, dof / 2))
    if spread <= 0:
        return np.inf
    return 2 * _inverse_trigamma(spread)


def _inverse_trigamma(value: float) -> float:
    """The argument at which trigamma has a value, by Newton's method (Smyth 2004, appendix)."""
    x = 0.5 + 1 / value
    for _ in range(50):
        trigamma = float(special.polygamma(1, x))
        step = trigamma * (1 - trigamma / value) / float(special.polygamma(2, x))
        x += step
        if -step / x < 1e-8:
            break
    return x
