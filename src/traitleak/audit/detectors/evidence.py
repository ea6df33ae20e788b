"""The detectors, each run on the same rows: what it reads, its scores, and what they say.

Shape suffixes: N rows, T traits, C columns of a regression: traits, placebos, and style.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial as partial_call
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from traitleak.audit.detectors.choices import Choices
from traitleak.audit.detectors.gradient import Gradients, bag_scores, row_scores, trait_gradients
from traitleak.audit.detectors.likelihood import (
    Hypotheses,
    likelihood_scores,
    teachers_of,
)
from traitleak.audit.detectors.panel import ChoiceGroup, Group
from traitleak.audit.detectors.partial import partial
from traitleak.audit.detectors.shares import Shares, shares
from traitleak.audit.detectors.style import style_scores
from traitleak.errors import SettingsError
from traitleak.models.batches import Encoded
from traitleak.models.language_model import LanguageModel
from traitleak.progress import Track, untracked
from traitleak.traits.preference import Preference

__all__ = [
    "Evidence",
    "Material",
    "by_gradient",
    "by_likelihood",
    "by_prompt",
    "system_prompts",
]

_BAG = 4  # rows whose gradient is taken together
_CLEAR = 3.0  # standard errors


@dataclass(frozen=True)
class Material:
    """What all detectors are given.

    Attributes:
        base: the model that the rows are audited for.
        group: the preferences that are asked about.
        rows: as tokens.
        choices: which tokens count.
        null: ways to fill the rows as the base would.
        planted: ways to fill them as teachers with some of the traits would, by trait.
        reference: rows to subtract, one for each row, where there are some.
        seed: of what is drawn.
        cache: a folder for quick teachers.
        also: the other traits that are asked about, each a choice between two answers.
    """

    base: LanguageModel
    group: Group
    rows: Sequence[Encoded]
    choices: Choices
    null: Sequence[Sequence[Tensor]]
    planted: Mapping[str, Sequence[Sequence[Tensor]]]
    reference: Sequence[Encoded] | None
    seed: int
    cache: Path | None = None
    also: tuple[ChoiceGroup, ...] = ()

    @property
    def traits(self) -> tuple[str, ...]:
        """All that are asked about: the preferences, then the other traits."""
        return (*self.group.traits, *(one.name for one in self.also))


@dataclass(frozen=True)
class Evidence:
    """What one detector found.

    Attributes:
        name: of the detector.
        what: one sentence on what it reads.
        null: what its p comes from.
        score_T: mean score of each trait, in the detector's unit.
        t_T: t of each trait.
        p_T: one-sided, not corrected.
        dof: of the t.
        share_T: how much of each trait; None where the detector cannot say.
        share_se_T: its standard error.
        null_se_T: standard error of the share in rows of the base.
        planted: scores of the rows that a teacher of a trait filled, as `shares` reads them, by
            trait.
        planted_share: share of the trait in these, where it stands clear of 0: what shares of rows
            are counted in.
        null_RC: scores of rows drawn from the base.
        placebos: how many columns of these are hypotheses that nobody suspects.
        absences: for a trait's column that of its absence, among these.
        seconds: how long it took.
        settings: whatever else fixes its figures.
        row_NT: each row's own score for each trait, before anything is taken away; None where it has
            none.
        beside_NT: the same of the reference row beside it, or of the first way in `Material.null`.
        gradients: of the gradient detector, for the rows and tokens that carry most.
        direction_TT: each trait's direction as a mixture of the gradients.
    """

    name: str
    what: str
    null: str
    score_T: NDArray[np.float64]
    t_T: NDArray[np.float64]
    p_T: NDArray[np.float64]
    dof: int
    share_T: NDArray[np.float64] | None = None
    share_se_T: NDArray[np.float64] | None = None
    null_se_T: NDArray[np.float64] | None = None
    planted: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    planted_share: Mapping[str, float] = field(default_factory=dict)
    null_RC: NDArray[np.float64] | None = None
    placebos: int = 0
    absences: Mapping[int, int] = field(default_factory=dict)
    seconds: float = 0.0
    settings: dict[str, Any] = field(default_factory=dict)
    row_NT: NDArray[np.float64] | None = None
    beside_NT: NDArray[np.float64] | None = None
    gradients: Gradients | None = None
    direction_TT: NDArray[np.float64] | None = None


def by_likelihood(
    given: Material, *, placebos: Sequence[Group] = (), track: Track = untracked
) -> Evidence:
    """Log-likelihood ratios against quick teachers, one a trait (`likelihood`).

    Placebo groups have quick teachers, too: what moves theirs as much is no trait of the panel's.
    They are left out where rows are so few that they would take more than they give. The absence of
    a trait that is a choice is a placebo always, and the trait must stand above it, too: it has
    learned all that the trait's teacher has but which answer to give.
    """
    begun = time.monotonic()
    absent = len(given.also)
    extra = [group for group in placebos if _room(given, absent + len(group.traits))]
    hypotheses = teachers_of(
        given.base,
        [given.group, *given.also, *extra],
        given.traits,
        seed=given.seed,
        cache=given.cache,
        track=track,
    )
    preferred = len(given.group.traits)
    found = _ratios(
        given,
        hypotheses,
        track,
        placebos=len(hypotheses) - len(given.traits),
        absences={own: own + absent for own in range(preferred, preferred + absent)},
    )
    return replace(
        found,
        name="likelihood",
        what="whether rows are likelier from quick teachers of each trait than from the base",
        seconds=time.monotonic() - begun,
        settings={
            "hypotheses": "adapters of rank 16, 24 updates of 8 contexts",
            "placebo traits": found.placebos,
            **found.settings,
        },
    )


def by_prompt(
    given: Material,
    encode: Callable[[LanguageModel], Sequence[Encoded]],
    *,
    encode_reference: Callable[[LanguageModel], Sequence[Encoded]] | None = None,
    track: Track = untracked,
) -> Evidence:
    """Log-likelihood ratios against the base with a system prompt for each trait.

    Args:
        given: what all detectors get.
        encode: gives the rows as a model with a system prompt reads them.
        encode_reference: the same of the reference rows, where there are some.
        track: shows how far it is.
    """
    begun = time.monotonic()
    prompted = {
        trait: partial_call(given.base.replaced, system=system)
        for trait, system in zip(given.traits, system_prompts(given.group, given.also), strict=True)
    }
    if given.reference is not None and encode_reference is None:
        raise SettingsError(
            "Reference rows are read with system prompts, too: say how, with encode_reference."
        )
    found = _ratios(given, prompted, track, encode, encode_reference)
    return replace(
        found,
        name="prompted likelihood",
        what="whether rows are likelier from the base when it is told each trait",
        seconds=time.monotonic() - begun,
        settings={"hypotheses": "system prompts", **found.settings},
    )


def system_prompts(group: Group, also: Sequence[ChoiceGroup]) -> list[str]:
    """What a base is told that is to have each trait, the preferences first.

    Raises:
        SettingsError: a trait has no system prompt.
    """
    preferred = [Preference(trait, group.traits, group.name) for trait in group.traits]
    return [
        *(trait.system_prompt() for trait in preferred),
        *(one.trait.system_prompt() for one in also),
    ]


def _room(given: Material, more: int) -> bool:
    """Whether there are rows enough to tell so many more columns from the traits."""
    return len(given.rows) >= 2 * (len(given.traits) + more) + 2


def _ratios(
    given: Material,
    hypotheses: Hypotheses,
    track: Track,
    encode: Callable[[LanguageModel], Sequence[Encoded]] | None = None,
    encode_reference: Callable[[LanguageModel], Sequence[Encoded]] | None = None,
    placebos: int = 0,
    absences: Mapping[int, int] | None = None,
) -> Evidence:
    ways = [*given.null, *(way for some in given.planted.values() for way in some)]
    columns = [
        likelihood_scores(
            given.base,
            hypotheses,
            given.rows,
            given.choices,
            taken=ways,
            encode=encode,
            track=track,
        )
    ]
    style = style_scores(given.base, given.rows, given.choices, taken=ways, track=track)
    takes_style = _room(given, placebos + style[0].shape[1])
    if takes_style:
        columns.append(style)
    scores_NC, *more = (np.concatenate(parts, 1) for parts in zip(*columns, strict=True))
    null_RC = np.concatenate(more[: len(given.null)])
    null = "rows that the base could have written in their place"
    num = len(given.traits)
    row_NT, beside_NT = scores_NC[:, :num], more[0][:, :num] if more else None
    if given.reference is not None:
        beside = [
            likelihood_scores(
                given.base,
                hypotheses,
                given.reference,
                given.choices,
                encode=encode_reference,
                track=track,
            )[0]
        ]
        if takes_style:
            beside.append(style_scores(given.base, given.reference, given.choices, track=track)[0])
        beside_NT = beside[0][:, :num]
        scores_NC = scores_NC - np.concatenate(beside, 1)
        null = "reference rows, taken away one by one"
    absences = absences or {}
    tested = partial_call(shares, null_RC=null_RC, traits=num, placebos=placebos, absences=absences)
    found = tested(scores_NC)
    filled = iter(more[len(given.null) :])
    planted = {
        trait: np.concatenate([next(filled) for _ in some]) for trait, some in given.planted.items()
    }
    return Evidence(
        name="",
        what="",
        null=null,
        score_T=scores_NC.mean(0)[:num],
        t_T=found.t_T,
        p_T=found.p_T,
        dof=found.dof,
        share_T=found.share_T,
        share_se_T=found.se_T,
        null_se_T=found.null_se_T,
        planted=planted,
        planted_share={
            trait: share
            for trait, scores in planted.items()
            if (share := _clear_share(tested(scores), given.traits.index(trait))) is not None
        },
        null_RC=null_RC,
        placebos=placebos,
        absences=absences,
        settings={"taken out": "boldness and digit frequencies" if takes_style else "nothing"},
        row_NT=row_NT,
        beside_NT=beside_NT,
    )


def _clear_share(found: Shares, t: int) -> float | None:
    """A trait's share, where it is several standard errors above 0: rows can be counted in it then."""
    share, error = float(found.share_T[t]), float(found.se_T[t])
    return share if share > _CLEAR * error else None


def by_gradient(
    given: Material, *, placebos: Sequence[Group] = (), track: Track = untracked
) -> Evidence:
    """Whether a step on the rows would move each trait's margin (`gradient`).

    Placebo groups are part of the regression: what moves them too is not the trait's. With reference
    rows every row has a score of its own, too.
    """
    begun = time.monotonic()
    groups: list[Group | ChoiceGroup] = [given.group, *given.also, *placebos]
    gradients = trait_gradients(given.base, groups, track=track)
    size = _BAG
    while size > 1 and len(given.rows) // size < 2 * len(gradients.traits):
        size //= 2
    starts = list(range(0, len(given.rows), size))
    row_NT = beside_NT = None
    if given.reference is None:
        bags = [given.rows[at : at + size] for at in starts]
        scores_NT = bag_scores(given.base, bags, given.choices, gradients, track=track)
    else:
        # Of single rows, so that they can be held against the surface; a bag's is their mean.
        row_NT, beside_NT = (
            row_scores(given.base, some, given.choices, gradients, track=track)
            for some in (given.rows, given.reference)
        )
        sums_NT = np.add.reduceat(row_NT - beside_NT, starts)
        scores_NT = sums_NT / np.diff([*starts, len(given.rows)])[:, None]
    found = partial(scores_NT)
    num = len(given.traits)
    null = "rows of the base, whose expected gradient is zero"
    if given.reference is not None:
        null = "reference rows, taken away one by one"
    return Evidence(
        name="gradient",
        what="whether a step of training on the rows would move each trait's margin",
        null=f"{null}; each trait beside all others (Rao's test)",
        score_T=found.mean_T[:num],
        t_T=found.t_T[:num],
        p_T=found.p_T[:num],
        dof=found.dof,
        seconds=time.monotonic() - begun,
        settings={
            "rows in a bag": size,
            "layers": len(gradients.layers),
            "placebo traits": len(gradients.traits) - num,
        },
        row_NT=None if row_NT is None else row_NT[:, :num],
        beside_NT=None if beside_NT is None else beside_NT[:, :num],
        gradients=gradients,
        direction_TT=found.inverse_TT[:num],
    )
