"""Surface: how far rows can be told from reference rows by what they look like, and nothing else.

The floor under every other detector. Length, digits, values, separators and n-grams of two sets of
rows, and what the base thinks of them, go into a logistic regression that knows of no trait; its
scores are out of fold, held back by prompt. Rows that are told apart by this alone are different, not
suspicious: a detector counts by what it adds (`over_surface`).

Source: baselines of length, loss and gradient norm reached an AUROC of .76 on rows where no direction
of a trait added more than .01 (shagunhegde's repository), and n-grams .51 to .56 once lists had one
format (AanshSamyani's); features and fit here are our own. Needs scikit-learn, the extra [audit].

Known failure: a trait may well show on the surface: a teacher with one prefers some numbers. What the
floor takes away from a detector then is not a confound, and `gain` understates the detector.

Shape suffixes: N rows, R reference rows, T tokens, M positions, V vocabulary, D width, F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from traitleak.audit.detectors.features import Features, canonical, surface_features
from traitleak.audit.detectors.logistic import STRENGTHS, out_of_fold
from traitleak.audit.detectors.ranking import auroc, auroc_gain, labelled, prompt_folds
from traitleak.models.batches import Encoded, by_length, encode_rows
from traitleak.models.language_model import LanguageModel, hidden_states, logits_of, padded
from traitleak.progress import Track, untracked
from traitleak.results import Estimate
from traitleak.rows import Row
from traitleak.statistics import finite_array

__all__ = [
    "Carrier",
    "OverSurface",
    "Surface",
    "gain_over",
    "loss_features",
    "over_surface",
    "surface_scores",
]

_TOKENS = 4096  # of a batch
_POSITIONS = 512  # whose logits over the vocabulary are held at once
_NAMED = 10
_FREE = 10.0  # of a detector's score, beside features that may weigh 1


class Carrier(NamedTuple):
    """One feature that tells rows apart.

    Attributes:
        name: such as "digits: first digit 4".
        weight: log-odds for one standard deviation more of it, mean over folds.
        area: its own AUROC; below .5 where rows have less of it.
    """

    name: str
    weight: float
    area: float


@dataclass(frozen=True)
class Surface:
    """How far rows are told from reference rows by their surface.

    Attributes:
        area: AUROC of all features together, out of fold.
        families: the same of each family of features alone; none where they were not asked for.
        carriers: the features with the largest weights.
        score_N: log-odds of each row, out of fold; higher is less like the reference.
        score_R: of each reference row.
        values_XF: the features, rows first.
        carries_X: whether each is an audited row.
        prompt_X: a number for each prompt.
        fold_X: which fold each was held back in.
        prior_F: how large the weight of each feature may be beside the others.
        strengths: inverse penalties that were tried.
        seed: of the folds.
    """

    area: Estimate
    families: dict[str, Estimate]
    carriers: list[Carrier]
    score_N: NDArray[np.float64]
    score_R: NDArray[np.float64]
    values_XF: NDArray[np.float64] = field(repr=False)
    carries_X: NDArray[np.bool_] = field(repr=False)
    prompt_X: NDArray[np.int64] = field(repr=False)
    fold_X: NDArray[np.int64] = field(repr=False)
    prior_F: NDArray[np.float64] = field(repr=False)
    strengths: tuple[float, ...] = STRENGTHS
    seed: int = 0


class OverSurface(NamedTuple):
    """What a detector says beyond the surface.

    Attributes:
        area: AUROC of its row scores alone.
        gain: that less the surface's own: `verdict.Reading.over_surface`.
        added: AUROC of both in one regression, out of fold, less the surface's own.
    """

    area: Estimate
    gain: Estimate
    added: Estimate


def surface_scores(
    rows: Sequence[Row],
    reference: Sequence[Row],
    *,
    base: LanguageModel | None = None,
    gradient: bool = False,
    one_format: bool = False,
    folds: int = 5,
    strengths: Sequence[float] = STRENGTHS,
    families: bool = True,
    seed: int = 0,
    track: Track = untracked,
) -> Surface:
    """Tell rows from reference rows by their surface.

    Args:
        rows: the audited ones.
        reference: rows that carry nothing, best on the same prompts.
        base: also what this model thinks of each row (`loss_features`).
        gradient: with a norm of the gradient among that.
        one_format: write all completions in one format first (`features.canonical`), so that only
            values are left. What the base thinks is then of rows as they are, still.
        folds: rows are held back in so many parts, by prompt.
        strengths: inverse penalties to choose from, on held-back rows within each fit.
        families: also what each family of features says alone, which is most of the time it takes.
        seed: of the folds.
        track: shows how far the base is.

    Raises:
        MissingExtraError: scikit-learn is not installed.
        SettingsError: no rows of a kind, too few prompts to hold any back, or rows that the base
            cannot read.

    Known failure: references on other prompts are told apart by their prompts' echo. See the module.
    """
    both = labelled(rows, reference)
    texts = [row.completion for row in both.rows]
    found = surface_features([canonical(text) for text in texts] if one_format else texts)
    if base is not None:
        found = found.beside(
            loss_features(base, encode_rows(base, both.rows), gradient=gradient, track=track)
        )
    found = _varying(found)
    folds_X = prompt_folds(both.prompt_N, both.carries_N, folds=folds, seed=seed)
    strengths = tuple(strengths)

    def scored(some: Features) -> tuple[NDArray[np.float64], Estimate, NDArray[np.float64]]:
        scores_X, models = out_of_fold(
            some.values_NF,
            both.carries_N,
            both.prompt_N,
            folds_X,
            strengths=strengths,
            prior_F=some.even_F,
            seed=seed,
        )
        area = auroc(scores_X, both.carries_N, clusters_N=both.prompt_N, folds_N=folds_X)
        return scores_X, area, np.mean([model.weight_F for model in models], axis=0)

    scores_X, area, weight_F = scored(found)
    order = np.argsort(-np.abs(weight_F), kind="stable")[:_NAMED]
    return Surface(
        area=area,
        families={
            name: scored(found.only(name))[1]
            for name in (dict.fromkeys(found.families) if families else ())
        },
        carriers=[
            Carrier(
                found.names[f],
                float(weight_F[f]),
                auroc(found.values_NF[:, f], both.carries_N, clusters_N=both.prompt_N).value,
            )
            for f in order.tolist()
            if weight_F[f]
        ],
        score_N=scores_X[both.carries_N],
        score_R=scores_X[~both.carries_N],
        values_XF=found.values_NF,
        carries_X=both.carries_N,
        prompt_X=both.prompt_N,
        fold_X=folds_X,
        prior_F=found.even_F,
        strengths=strengths,
        seed=seed,
    )


def over_surface(scores_N: ArrayLike, scores_R: ArrayLike, surface: Surface) -> OverSurface:
    """What a detector's row scores say beyond the surface, with intervals paired over prompts.

    Args:
        scores_N: the detector's score of each audited row, in the order `surface` was given them.
        scores_R: of each reference row.
        surface: of the same rows.

    Raises:
        SettingsError: other numbers of rows, or scores that are not finite.

    Known failure: `added` lets the detector's score in nearly free of the penalty, and on a few dozen
    rows a score that says nothing lowers it a little.
    """
    scores_X = _joined(scores_N, scores_R)
    gain = _gain(scores_X, surface)  # raises where the detector's rows are not as many
    together_X, _ = out_of_fold(
        np.column_stack([surface.values_XF, scores_X]),
        surface.carries_X,
        surface.prompt_X,
        surface.fold_X,
        strengths=surface.strengths,
        prior_F=np.append(surface.prior_F, _FREE),
        seed=surface.seed,
    )
    return OverSurface(
        area=auroc(scores_X, surface.carries_X, clusters_N=surface.prompt_X),
        gain=gain,
        added=_gain(together_X, surface),
    )


def gain_over(scores_N: ArrayLike, scores_R: ArrayLike, surface: Surface) -> Estimate:
    """The AUROC of a detector's row scores less the surface's own: `OverSurface.gain` alone.

    Nothing is fitted. Arguments and errors are those of `over_surface`.
    """
    return _gain(_joined(scores_N, scores_R), surface)


def _joined(scores_N: ArrayLike, scores_R: ArrayLike) -> NDArray[np.float64]:
    return np.concatenate(
        [finite_array(one, ndim=1, what="scores of rows") for one in (scores_N, scores_R)]
    )


def _gain(scores_X: NDArray[np.float64], surface: Surface) -> Estimate:
    return auroc_gain(
        scores_X,
        np.concatenate([surface.score_N, surface.score_R]),
        surface.carries_X,
        clusters_N=surface.prompt_X,
        folds_N=surface.fold_X,
    )


def loss_features(
    base: LanguageModel,
    rows: Sequence[Encoded],
    *,
    gradient: bool = False,
    track: Track = untracked,
) -> Features:
    """What the base thinks of each row's completion: its loss and how unsure it is.

    Mean, lowest and spread of the tokens' log-probabilities, mean entropy, and how far the loss is
    above the entropy, in nats a token; with `gradient` the mean norm of the loss's gradient in the last
    hidden states, for which no backward pass through the network is needed.

    Args:
        base: the model.
        rows: as tokens.
        gradient: with that norm.
        track: shows how far it is.
    """
    names = [
        "log p, mean",
        "log p, lowest",
        "log p, spread",
        "entropy",
        "loss over entropy",
        "tokens",
    ]
    names += ["gradient norm"] if gradient else []
    values_NF = np.zeros((len(rows), len(names)))
    batches = list(by_length([len(row.ids) for row in rows], _TOKENS))
    for batch in track(batches, "loss", len(batches)):
        some = [rows[index] for index in batch]
        with torch.no_grad():
            hidden_BTD = hidden_states(base, padded([row.ids for row in some], 0, base.device))
        for index, row, hidden_TD in zip(batch, some, hidden_BTD, strict=True):
            target_M = torch.tensor(row.ids[row.start :], device=base.device)
            hidden_MD = hidden_TD[row.start - 1 : len(row.ids) - 1]
            parts = [
                _opinions(
                    base,
                    hidden_MD[at : at + _POSITIONS],
                    target_M[at : at + _POSITIONS],
                    gradient=gradient,
                )
                for at in range(0, len(target_M), _POSITIONS)
            ]
            logp_M, entropy_M, norm_M = np.concatenate(parts, axis=1)
            own = [
                logp_M.mean(), logp_M.min(), logp_M.std(), entropy_M.mean(),
                -logp_M.mean() - entropy_M.mean(), np.log(len(logp_M)),
            ]  # fmt: skip
            values_NF[index] = [*own, norm_M.mean()] if gradient else own
    return Features(values_NF, tuple(names), ("loss",) * len(names))


def _opinions(
    base: LanguageModel, hidden_MD: torch.Tensor, target_M: torch.Tensor, *, gradient: bool
) -> NDArray[np.float64]:
    """Log p of each token, entropy, and norm of the gradient of -log p; (3, M)."""
    with torch.set_grad_enabled(gradient):
        hidden_MD = hidden_MD.detach().requires_grad_(gradient)
        logps_MV = logits_of(base.network, hidden_MD).float().log_softmax(1)
        logp_M = logps_MV.gather(1, target_M[:, None]).squeeze(1)
        norm_M = torch.zeros_like(logp_M)
        if gradient:
            # Positions do not see each other past this point, so one gradient is that of each.
            (slope_MD,) = torch.autograd.grad(-logp_M.sum(), hidden_MD)
            norm_M = slope_MD.float().norm(dim=1)
    logps_MV = logps_MV.detach()
    entropy_M = -(logps_MV.exp() * logps_MV.clamp(min=-1e4)).sum(1)
    return torch.stack([logp_M.detach(), entropy_M, norm_M]).double().cpu().numpy()


def _varying(found: Features) -> Features:
    """Features that are not the same in all rows; one constant where all are."""
    keep = np.flatnonzero(np.ptp(found.values_NF, axis=0) > 0)
    keep = keep if len(keep) else np.array([0])
    return Features(
        found.values_NF[:, keep],
        tuple(found.names[f] for f in keep),
        tuple(found.families[f] for f in keep),
    )
