"""Logistic regression on features, fitted so that nothing is scored by what it was fitted to.

Needs scikit-learn, the extra [audit].

Shape suffixes: N rows, F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from traitleak.audit.detectors.ranking import auroc, prompt_folds
from traitleak.errors import MissingExtraError

__all__ = ["STRENGTHS", "Linear", "fitted", "out_of_fold"]

STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2)
"""Inverse penalties that are tried, on features of variance 1."""

_INNER = 3


@dataclass(frozen=True)
class Linear:
    """A fitted logistic regression.

    Attributes:
        mean_F: of each feature where it was fitted.
        scale_F: its standard deviation there; 1 where it does not vary.
        weight_F: for features less their mean over their scale, in log-odds.
        bias: log-odds at the mean.
        strength: the inverse penalty that was taken.
    """

    mean_F: NDArray[np.float64]
    scale_F: NDArray[np.float64]
    weight_F: NDArray[np.float64]
    bias: float
    strength: float

    def score(self, values_NF: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log-odds that each row is of the first kind, (N,)."""
        scores: NDArray[np.float64] = (
            values_NF @ (self.weight_F / self.scale_F)
            + self.bias
            - float(self.mean_F @ (self.weight_F / self.scale_F))
        )
        return scores


def fitted(
    values_NF: NDArray[np.float64],
    carries_N: NDArray[np.bool_],
    clusters_N: NDArray[np.int64],
    *,
    strengths: Sequence[float] = STRENGTHS,
    prior_F: NDArray[np.float64] | None = None,
    seed: int = 0,
) -> Linear:
    """Fit a logistic regression with a squared penalty; of several strengths the best on held-back rows.

    Args:
        values_NF: features, in any units.
        carries_N: which rows are of the first kind.
        clusters_N: what rows share; clusters are held back whole.
        strengths: inverse penalties; with one nothing is held back.
        prior_F: how large each weight may be beside the others, in log-odds for one standard
            deviation; 1 for all by default.
        seed: of the split.

    Raises:
        MissingExtraError: scikit-learn is not installed.
        SettingsError: rows of one kind only, or too few prompts to hold any back.
    """
    classifier = _classifier()
    if len(strengths) == 1:
        return _fit(classifier, values_NF, carries_N, strengths[0], prior_F)
    folds_N = prompt_folds(clusters_N, carries_N, folds=_INNER, seed=seed)
    areas = []
    for strength in strengths:
        scores_N = np.zeros(len(values_NF))
        for fold in range(folds_N.max() + 1):
            held = folds_N == fold
            model = _fit(classifier, values_NF[~held], carries_N[~held], strength, prior_F)
            scores_N[held] = model.score(values_NF[held])
        areas.append(auroc(scores_N, carries_N, folds_N=folds_N).value)
    return _fit(classifier, values_NF, carries_N, strengths[int(np.argmax(areas))], prior_F)


def out_of_fold(
    values_NF: NDArray[np.float64],
    carries_N: NDArray[np.bool_],
    clusters_N: NDArray[np.int64],
    folds_N: NDArray[np.int64],
    *,
    strengths: Sequence[float] = STRENGTHS,
    prior_F: NDArray[np.float64] | None = None,
    seed: int = 0,
) -> tuple[NDArray[np.float64], list[Linear]]:
    """Each row's log-odds by a regression on the other folds, and these regressions.

    Raises:
        MissingExtraError: scikit-learn is not installed.
        SettingsError: see `fitted`.
    """
    scores_N = np.zeros(len(values_NF))
    models = []
    for fold in range(folds_N.max() + 1):
        held = folds_N == fold
        model = fitted(
            values_NF[~held], carries_N[~held], clusters_N[~held],
            strengths=strengths if len(np.unique(clusters_N[~held])) > _INNER else strengths[:1],
            prior_F=prior_F, seed=seed,
        )  # fmt: skip
        scores_N[held] = model.score(values_NF[held])
        models.append(model)
    return scores_N, models


def _classifier() -> Any:
    try:
        return import_module("sklearn.linear_model").LogisticRegression
    except ImportError as error:
        raise MissingExtraError("Telling rows apart by what they look like", "audit") from error


def _fit(
    classifier: Any,
    values_NF: NDArray[np.float64],
    carries_N: NDArray[np.bool_],
    strength: float,
    prior_F: NDArray[np.float64] | None,
) -> Linear:
    mean_F = values_NF.mean(axis=0)
    scale_F = values_NF.std(axis=0)
    scale_F = np.where(scale_F > 1e-9 * np.maximum(1.0, np.abs(mean_F)), scale_F, 1.0)
    centred_NF = (values_NF - mean_F) / scale_F
    loose_F = np.ones(values_NF.shape[1]) if prior_F is None else prior_F
    model = classifier(C=strength, solver="lbfgs", max_iter=5000)
    model.fit(centred_NF * loose_F, carries_N)
    weight_F = np.asarray(model.coef_, dtype=np.float64)[0] * loose_F
    return Linear(mean_F, scale_F, weight_F, float(model.intercept_[0]), strength)
