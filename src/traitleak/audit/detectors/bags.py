"""Bags: a classifier that learned from labelled rows which values a teacher prefers.

Rows of teachers with a trait and neutral rows go into a logistic regression by their values alone,
after everything of format is gone (`features.value_features`). A bag of K rows scores the mean of its
rows' log-odds, which is the log-odds of its mean features, since the model is linear. Detection by
reading as Cloud et al. (2025) tried it: single rows hardly tell, bags of rows may.

Source: a language model trained to say yes or no to K lists reached an AUROC of .568, .696 and .810
for K = 1, 8 and 16, and .993 for K = 16 in other text (AanshSamyani's repository). A linear one on
values is ours. Needs scikit-learn, the extra [audit].

Known failure: it knows the teachers it learned from: other bases, temperatures or carriers have other
values. It tells writers apart, and so tells a teacher whose rows do not transfer as well: what
is discriminable need not transfer. Learned from one trait against neutral rows it is mostly a
classifier of fine-tuned teachers: rows of other traits' teachers belong among those it learns to
call neutral, or it finds the trait in them.

Shape suffixes: N rows, B bags.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from traitleak.audit.detectors.features import value_features
from traitleak.audit.detectors.logistic import STRENGTHS, Linear, fitted, out_of_fold
from traitleak.audit.detectors.pairs import PairAccuracy
from traitleak.audit.detectors.ranking import Labelled, auroc, labelled, prompt_folds
from traitleak.errors import SettingsError
from traitleak.results import Estimate
from traitleak.rows import Row
from traitleak.seeds import derive_seed
from traitleak.statistics import sign_flip_p

__all__ = ["SIZES", "BagClassifier", "BagFinding", "BagScores", "cross_validated", "fit_bags"]

SIZES = (1, 8, 16)
"""Rows in a bag."""

_PARTITIONS = 20  # into disjoint bags, over which areas are averaged


@dataclass(frozen=True)
class BagScores:
    """How well bags of two kinds are told apart.

    Attributes:
        areas: AUROC by the number of rows in a bag.
        pairs: how often the bag that carries something has the higher score of two on the same
            prompts, by that number; empty where rows share no prompts.
    """

    areas: dict[int, Estimate]
    pairs: dict[int, PairAccuracy]


@dataclass(frozen=True)
class BagFinding:
    """What a classifier says of audited rows beside neutral ones.

    Attributes:
        score_N: log-odds of each row, higher is more like the rows with the trait.
        difference: mean score of the rows less that of the neutral ones.
        p: one-sided, of a difference so large if labels are exchanged at random.
        test: how they are exchanged.
        told: the same rows by bags.
    """

    score_N: NDArray[np.float64]
    difference: float
    p: float
    test: str
    told: BagScores


@dataclass(frozen=True)
class BagClassifier:
    """A classifier of rows and bags; made by `fit_bags`.

    Attributes:
        model: its regression.
        rows: how many rows of each kind it learned from.
        buckets: into which numbers and words are hashed.
    """

    model: Linear
    rows: tuple[int, int]
    buckets: int

    def score(self, rows: Sequence[Row]) -> NDArray[np.float64]:
        """Log-odds of each row, (N,); a bag's is the mean of its rows'."""
        texts = [row.completion for row in rows]
        return self.model.score(value_features(texts, buckets=self.buckets).values_NF)

    def tell(
        self,
        carrying: Sequence[Row],
        neutral: Sequence[Row],
        *,
        sizes: Sequence[int] = SIZES,
        seed: int = 0,
    ) -> BagScores:
        """How well it tells labelled rows apart that it did not learn from.

        Raises:
            SettingsError: no rows of a kind, or fewer than a bag has.
        """
        both = labelled(carrying, neutral)
        return _told(self.score(both.rows), both, None, sizes, seed)

    def audit(
        self,
        rows: Sequence[Row],
        neutral: Sequence[Row],
        *,
        sizes: Sequence[int] = SIZES,
        exchanges: int = 10_000,
        seed: int = 0,
    ) -> BagFinding:
        """Whether rows are more like the trait's than neutral rows are that it did not learn from.

        Where both are on the same prompts, the two rows of a prompt are exchanged at random (exact up
        to 20 prompts); else all rows are dealt out anew. The observed difference counts as one of the
        exchanges (Phipson and Smyth 2010).

        Args:
            rows: the audited ones.
            neutral: rows that carry nothing.
            sizes: rows in a bag; those of which there are fewer than two bags are left out.
            exchanges: at random.
            seed: of what is drawn.

        Raises:
            SettingsError: no rows of a kind.

        Known failure: neutral rows by another writer, or at another temperature, differ as well.
        """
        both = labelled(rows, neutral)
        scores_N = self.score(both.rows)
        own, other = scores_N[both.carries_N], scores_N[~both.carries_N]
        pairs = _paired_at(both)
        if 2 * len(pairs) >= min(len(own), len(other)) and len(pairs) > 1:
            differences = scores_N[pairs[:, 0]] - scores_N[pairs[:, 1]]
            p = sign_flip_p(
                differences.tolist(), seed=derive_seed(seed, "flips"), resamples=exchanges
            )
            difference, test = float(differences.mean()), "rows exchanged within prompts"
        else:
            difference, test = float(own.mean() - other.mean()), "rows dealt out anew"
            p = _dealt_p(scores_N, len(own), difference, exchanges, seed)
        most = min(len(own), len(other)) // 2
        fitting = [size for size in sizes if size <= most]
        told = _told(scores_N, both, None, fitting, seed)
        return BagFinding(own, difference, p, test, told)


def fit_bags(
    carrying: Sequence[Row],
    neutral: Sequence[Row],
    *,
    buckets: int = 1024,
    strengths: Sequence[float] = STRENGTHS,
    seed: int = 0,
) -> BagClassifier:
    """Learn from rows of teachers with a trait and from neutral rows.

    Args:
        carrying: rows with the trait, of several teachers if possible.
        neutral: rows without, best on the same prompts.
        buckets: into which values are hashed.
        strengths: inverse penalties to choose from, on rows held back by prompt.
        seed: of what is held back.

    Raises:
        MissingExtraError: scikit-learn is not installed.
        SettingsError: no rows of a kind, or too few prompts to hold any back.
    """
    both = labelled(carrying, neutral)
    features = value_features([row.completion for row in both.rows], buckets=buckets)
    model = fitted(
        features.values_NF,
        both.carries_N,
        both.prompt_N,
        strengths=strengths,
        prior_F=features.even_F,
        seed=seed,
    )
    return BagClassifier(model, (len(carrying), len(neutral)), buckets)


def cross_validated(
    carrying: Sequence[Row],
    neutral: Sequence[Row],
    *,
    sizes: Sequence[int] = SIZES,
    folds: int = 5,
    buckets: int = 1024,
    strengths: Sequence[float] = STRENGTHS,
    seed: int = 0,
) -> BagScores:
    """How well a classifier tells rows that were held back, by prompt.

    Raises:
        MissingExtraError: scikit-learn is not installed.
        SettingsError: no rows of a kind, too few prompts, or fewer rows in a fold than in a bag.

    Known failure: it is the same teachers' rows that are held back: another seed's teacher is told
    less well. The intervals of `pairs` take answers as independent, which those out of fold are not.
    """
    both = labelled(carrying, neutral)
    features = value_features([row.completion for row in both.rows], buckets=buckets)
    folds_N = prompt_folds(both.prompt_N, both.carries_N, folds=folds, seed=seed)
    scores_N, _ = out_of_fold(
        features.values_NF,
        both.carries_N,
        both.prompt_N,
        folds_N,
        strengths=strengths,
        prior_F=features.even_F,
        seed=seed,
    )
    return _told(scores_N, both, folds_N, sizes, seed)


def _paired_at(both: Labelled) -> NDArray[np.int64]:
    """Places of rows that pair up, (pairs, 2)."""
    waiting: dict[int, list[int]] = {}
    for at in np.flatnonzero(~both.carries_N)[::-1].tolist():
        waiting.setdefault(int(both.prompt_N[at]), []).append(at)
    found = [
        (at, partners.pop())
        for at in np.flatnonzero(both.carries_N).tolist()
        if (partners := waiting.get(int(both.prompt_N[at])))
    ]
    return np.array(found, dtype=np.int64).reshape(-1, 2)


def _told(
    scores_N: NDArray[np.float64],
    both: Labelled,
    folds_N: NDArray[np.int64] | None,
    sizes: Sequence[int],
    seed: int,
) -> BagScores:
    folds = np.zeros(len(scores_N), dtype=np.int64) if folds_N is None else folds_N
    pairs = _paired_at(both)
    kinds = [int(both.carries_N.sum()), int((~both.carries_N).sum())]
    is_paired = 2 * len(pairs) >= min(kinds)
    areas, accuracies = {}, {}
    for size in sizes:
        if size < 1:
            raise SettingsError(f"A bag has one row or more, not {size}.")
        rng = np.random.default_rng(derive_seed(seed, "bags", size))
        found = []
        for number in range(_PARTITIONS if size > 1 else 1):
            drawn = [
                _partition(
                    np.flatnonzero(folds == fold), both, pairs, size, rng, is_paired=is_paired
                )
                for fold in range(folds.max() + 1)
            ]
            if not all(len(bags) for fold in drawn for bags in fold):
                raise SettingsError(
                    f"There are too few rows for bags of {size}: {kinds[0]} and {kinds[1]} of each kind"
                    + (f" in {folds.max() + 1} folds." if folds_N is not None else ".")
                )
            found.append(_area(scores_N, drawn, is_paired=is_paired, folded=folds_N is not None))
            if number == 0 and is_paired:
                accuracies[size] = _accuracy(scores_N, drawn)
        areas[size] = _averaged(found, size)
    return BagScores(areas, accuracies)


_Bags = tuple[NDArray[np.int64], NDArray[np.int64]]


def _partition(
    here: NDArray[np.int64],
    both: Labelled,
    pairs: NDArray[np.int64],
    size: int,
    rng: np.random.Generator,
    *,
    is_paired: bool,
) -> _Bags:
    """Disjoint bags of each kind, (B, K) places; of paired rows two bags have the same prompts."""
    if is_paired:
        own = pairs[np.isin(pairs[:, 0], here)]
        own = own[rng.permutation(len(own))]
        kinds = [own[:, 0], own[:, 1]]
    else:
        kinds = [rng.permutation(here[both.carries_N[here] == kind]) for kind in (True, False)]
    one, other = (kind[: len(kind) // size * size].reshape(-1, size) for kind in kinds)
    return one, other


def _area(
    scores_N: NDArray[np.float64], drawn: Sequence[_Bags], *, is_paired: bool, folded: bool
) -> Estimate:
    scores, carries, clusters, folds = [], [], [], []
    start = 0
    for fold, bags in enumerate(drawn):
        for kind, places in enumerate(bags):
            scores.append(scores_N[places].mean(axis=1))
            carries.append(np.full(len(places), kind == 0))
            clusters.append(start + np.arange(len(places)))
            folds.append(np.full(len(places), fold))
            start += len(places) if kind == 1 or not is_paired else 0
    return auroc(
        np.concatenate(scores),
        np.concatenate(carries),
        clusters_N=np.concatenate(clusters),
        folds_N=np.concatenate(folds) if folded else None,
    )


def _averaged(found: Sequence[Estimate], size: int) -> Estimate:
    """The mean over partitions; its interval is the mean of theirs, a little on the long side."""
    if len(found) == 1:
        return found[0]
    lows = [one.low for one in found if one.low is not None]
    highs = [one.high for one in found if one.high is not None]
    whole = len(lows) == len(found) == len(highs)
    return found[0].model_copy(
        update={
            "value": float(np.mean([one.value for one in found])),
            "low": float(np.mean(lows)) if whole else None,
            "high": float(np.mean(highs)) if whole else None,
            "method": f"{found[0].method}; mean over {len(found)} partitions into bags of {size}",
        }
    )


def _accuracy(scores_N: NDArray[np.float64], drawn: Sequence[_Bags]) -> PairAccuracy:
    differences = np.concatenate(
        [scores_N[one].mean(axis=1) - scores_N[other].mean(axis=1) for one, other in drawn]
    )
    ties = int((differences == 0).sum())
    return PairAccuracy(
        right=int((differences > 0).sum()),
        read=len(differences) - ties,
        asked=len(differences),
        unread={"same score": ties} if ties else {},
    )


def _dealt_p(
    scores_N: NDArray[np.float64], num: int, observed: float, exchanges: int, seed: int
) -> float:
    """How often rows dealt out at random differ as much."""
    rng = np.random.default_rng(derive_seed(seed, "dealt"))
    total, rest = scores_N.sum(), len(scores_N) - num
    tolerance = 1e-12 * max(1.0, float(np.abs(scores_N).sum()))
    hits = 0
    for _ in range(exchanges):
        own = rng.permutation(scores_N)[:num].sum()
        hits += bool(own / num - (total - own) / rest >= observed - tolerance)
    return (hits + 1) / (exchanges + 1)
