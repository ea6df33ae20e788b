"""Inversion: what prompt would have made the base write these rows? No hypothesis is needed.

A soft prompt is fitted to some of the rows, and others, with the same start and the same order of the
same rows, to what the base would have written in their places (or to reference rows). If it makes
rows that it was not fitted to likelier than the others do, there is something in the rows beyond the
base's own writing, named or not. What it does to the panel's margins when it stands before the
questions says whether it is one of the panel's traits, and its nearest words are there to look at.

Source: prompt tuning (Lester, Al-Rfou and Constant 2021, arXiv 2104.08691) as blind inversion of a
data set, by its held-out likelihood, in public replications of Cloud et al. (2025, arXiv 2507.14805),
one seed each. The reference fits from the same start, the centred test and the blocks are ours.

Known failure: a gain says that the base at temperature 1 did not write the rows, and not why: another
temperature, another model or an edit gives one, too. Reference rows of the same kind guard against
that. A trait whose rows were only selected, not written, by a model with it leaves hardly a gain. A
fine-tuned teacher need not write like any prompted base, and a soft prompt is then the wrong shape.

Shape suffixes: S seeds, A arms (the rows first), R references, T traits, N rows, M choices, K tokens
that a choice is among, L vectors, D width of the embeddings.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from traitleak.audit.detectors.choices import Choices
from traitleak.audit.detectors.contrast import Contrast, contrast
from traitleak.audit.detectors.evidence import Evidence, Material
from traitleak.audit.detectors.held_out import held_out, mean_over_seeds, mean_t
from traitleak.audit.detectors.nearest_words import NearWords, nearest_words, words_table
from traitleak.audit.detectors.panel import Group, group_margins
from traitleak.audit.detectors.soft_prompt import (
    fit_soft_prompt,
    schedule,
    starting_vectors,
    with_soft_prompt,
)
from traitleak.errors import DataError, SettingsError
from traitleak.models.batches import Encoded
from traitleak.models.language_model import LanguageModel
from traitleak.progress import Track, untracked
from traitleak.results import DataTable, Estimate
from traitleak.seeds import derive_seed

__all__ = ["Inversion", "by_inversion", "inversion_seconds", "invert"]

_LENGTH = 8  # vectors
_UPDATES = 32
_BATCH = 16  # rows an update
_RATE = 0.1  # of a vector's root mean square
_REFERENCES = 3  # fits to the base's own fills, a seed
_FEWEST_ROWS = 2  # a seed
_TOKENS = 2048  # of a batch
_WORDS = 10  # nearest, in the settings


@dataclass(frozen=True)
class Inversion:
    """What soft prompts that were fitted to the rows say.

    Attributes:
        group: the traits.
        gain: by how much the rows' soft prompt makes held-out rows likelier than the references' do,
            in nats a choice. Its interval is over rows, for these fits.
        surplus: `gain`, less what it would be if the base (or the reference's writer) had written the
            held-out rows: the part of the gain that is the rows', and not that one fit is less
            accurate than another. What `p` is of.
        t: of the surplus.
        p: one-sided: how often at most rows of the base (or of the reference's writer) give as large
            a t. It is conservative, see `invert`.
        alone: by how much the rows' soft prompt makes held-out rows likelier than the base with
            nothing before them; below 0 where it costs more than it learned.
        beside: the same of the references' soft prompts and what they were fitted to.
        effect_T: margin of each trait with the rows' soft prompt in front, less that with the
            references', centred within the group; nats.
        test: of these, over seeds; the panel's traits first, then those of placebo groups.
        values_SAT: the margins.
        words: what the vectors came nearer to.
        soft_SALD: the vectors.
        losses_SAU: loss of every fit before each update, in nats a choice.
        rows_S: numbers of the rows that each seed's soft prompts were fitted to; held out: all others.
        left_out: how many rows are too long for a soft prompt before them, or stand beside a reference
            row that another row has already.
        batch: rows an update.
        reference: what the other soft prompts were fitted to.
        seconds: how long it all took.
    """

    group: Group
    gain: Estimate
    surplus: Estimate
    t: float
    p: float
    alone: Estimate
    beside: Estimate
    effect_T: NDArray[np.float64]
    test: Contrast
    values_SAT: NDArray[np.float64]
    words: NearWords
    soft_SALD: Tensor
    losses_SAU: NDArray[np.float64]
    rows_S: tuple[tuple[int, ...], ...]
    left_out: int
    batch: int
    reference: str
    seconds: float

    @property
    def said(self) -> str:
        """The gain, in one sentence; a null as a null."""
        value, low, high = self.surplus.value, self.surplus.low, self.surplus.high
        return (
            f"A soft prompt fitted to some of the rows makes the others {value:+.4f} nats a choice "
            f"({low:+.4f} to {high:+.4f}) likelier than one fitted to {self.reference}, counted from "
            f"what rows without a trait would show (p = {self.p:.2g})."
        )

    @property
    def table(self) -> DataTable:
        """The nearest words, with what speaks against reading them as a finding."""
        return words_table(self.words)

    @property
    def fits(self) -> dict[str, Any]:
        """How the soft prompts were fitted, for a verdict's settings."""
        seeds, arms, updates = self.losses_SAU.shape
        return {
            "vectors": self.soft_SALD.shape[2],
            "updates": updates,
            "batch": self.batch,
            "seeds": seeds,
            "soft prompts a seed": arms,
            "rows left out": self.left_out,
        }

    @property
    def evidence(self) -> Evidence:
        """What it says of the panel's traits, as every detector says it."""
        num = len(self.group.traits)
        return Evidence(
            name="inversion",
            what="whether a soft prompt fitted to the rows, put before questions, names each trait",
            null=f"soft prompts fitted to {self.reference}, over seeds that read rows of their own",
            score_T=self.effect_T,
            t_T=self.test.z_T[:num],
            p_T=self.test.p_T[:num],
            dof=int(self.test.dof_T[:num].min()),
            seconds=self.seconds,
            settings={
                **self.fits,
                "gain, nats a choice": self.gain.value,
                "gain beyond the reference's, nats a choice": self.surplus.value,
                "its interval": [self.surplus.low, self.surplus.high],
                "its p": self.p,
                "nearest words (to look at only)": [w.word for w in self.words.words[:_WORDS]],
            },
        )


def by_inversion(
    given: Material,
    *,
    length: int = _LENGTH,
    updates: int = _UPDATES,
    seeds: int = 2,
    placebos: Sequence[Group] = (),
    track: Track = untracked,
) -> Evidence:
    """Whether a soft prompt fitted to the rows names each trait: `invert`'s evidence."""
    return invert(
        given, length=length, updates=updates, seeds=seeds, placebos=placebos, track=track
    ).evidence


def invert(
    given: Material,
    *,
    length: int = _LENGTH,
    updates: int = _UPDATES,
    batch: int = _BATCH,
    rate: float = _RATE,
    seeds: int = 2,
    references: int = _REFERENCES,
    placebos: Sequence[Group] = (),
    tokens: int = _TOKENS,
    track: Track = untracked,
) -> Inversion:
    """Fit soft prompts to the rows and to what a writer without a trait would have put there.

    Rows are dealt to seeds. A seed fits all its soft prompts to its own rows, from one start, and
    holds out all others. On a held-out row the score is the sum over choices of s(y) - E s, with
    s = log p(y | the rows' soft prompt) - log p(y | the references'), and the expectation under the
    base: whatever the fits are, its mean over rows of the base is zero, since they know nothing of
    the row. With reference rows, the reference row's own sum of s takes the place of E s; the two
    are exchangeable if nothing tells them apart. So a fit that learned its rows by heart loses
    likelihood, but gives no p.

    A seed's t is over its held-out rows. Seeds hold out what others are fitted to; under the null,
    two that exchange halves have the same sum of scores to first order (each is the sum of inner
    products of gradients across halves), and averaging adds nothing. So the t is the mean of the
    seeds', and standard errors are, as if all depended on each other wholly. Where they depend less,
    p is larger than it need be: how much less is not known for a base, and to learn it takes fits to
    many neutral sets, each at the price of the audit's own. `docs/audit.md` has what was measured.

    Traits are tested as canaries' are, over seeds as blocks, which read rows of their own (`contrast`).

    A reference row that stands beside several rows (the same object) is used once: if one seed's
    reference prompt had read it and another row held it out, the reference would gain by heart, and
    rows that carry nothing would seem to differ from it.

    Args:
        given: what all detectors get; the other soft prompts are fitted to `reference` where it has
            one, else to `null`.
        length: vectors of a soft prompt.
        updates: of each fit.
        batch: rows an update.
        rate: learning rate, in root mean squares of a vector at the start.
        seeds: two at least; twice as many where there are reference rows, which can be fitted but once
            a seed, so that more seeds must say what chance does.
        references: fits a seed to the base's own fills, as far as there are these; with reference rows
            there is one.
        placebos: groups of traits that nobody suspects: what moves them as much is no trait's.
        tokens: of a batch; it bounds memory and changes no result.
        track: shows how far it is.

    Raises:
        SettingsError: fewer than one vector, update or row an update, a rate that is not above 0,
            fewer than two seeds, no reference, or a soft prompt that leaves no room in the base's
            context.
        DataError: fewer than two rows a seed.

    Known failure: that of the module. The read-out is the weakest part: a prompt that makes number
    lists likelier need not say anything to questions in words.
    """
    begun = time.monotonic()
    _check(length, updates, batch, rate, seeds)
    num_ways = 1 if given.reference is not None else min(references, len(given.null))
    if num_ways < 1:
        raise SettingsError(
            "A soft prompt's gain is measured beside a reference's: give reference rows, or fill the "
            "rows at least once as the base would."
        )
    seeds *= 2 if given.reference is not None else 1
    kept = _that_fit(given, length, seeds, placebos)
    order = np.random.default_rng(derive_seed(given.seed, "inversion-rows")).permutation(kept)
    rows_S = tuple(tuple(sorted(part.tolist())) for part in np.array_split(order, seeds))
    work = [(s, a) for s in range(seeds) for a in range(1 + num_ways)]
    soft: dict[tuple[int, int], Tensor] = {}
    losses: dict[tuple[int, int], list[float]] = {}
    for s, a in track(work, "soft prompts", len(work)):
        soft[s, a], losses[s, a] = fit_soft_prompt(
            given.base,
            [_arm_rows(given, a)[row] for row in rows_S[s]],
            given.choices,
            taken=None if (way := _way(given, a)) is None else [way[row] for row in rows_S[s]],
            start_LD=starting_vectors(given.base, length, seed=derive_seed(given.seed, "start", s)),
            order=schedule(len(rows_S[s]), updates, batch, seed=derive_seed(given.seed, "fit", s)),
            rate=rate,
            tokens=tokens,
        )
    soft_SALD = torch.stack([soft[place] for place in work]).view(seeds, 1 + num_ways, length, -1)
    groups = (given.group, *placebos)
    values_SAT = _margins(given.base, groups, soft_SALD)
    numbers = [number for number, group in enumerate(groups) for _ in group.traits]
    held_S = []
    for s in track(range(seeds), "held-out rows", seeds):
        out = sorted(set(kept) - set(rows_S[s]))
        held_S.append(held_out(given, out, soft_SALD[s], tokens=tokens))
    test = contrast(values_SAT, numbers)
    t, p = mean_t([held.surplus_N for held in held_S])
    num = len(given.group.traits)
    return Inversion(
        group=given.group,
        gain=mean_over_seeds([held.gain_N for held in held_S]),
        surplus=mean_over_seeds([held.surplus_N for held in held_S]),
        t=t,
        p=p,
        alone=mean_over_seeds([held.alone_N for held in held_S]),
        beside=mean_over_seeds([held.beside_N for held in held_S]),
        effect_T=test.difference.mean_T[:num],
        test=test,
        values_SAT=values_SAT,
        words=nearest_words(given.base, soft_SALD[:, 0], soft_SALD[:, 1:]),
        soft_SALD=soft_SALD,
        losses_SAU=np.array([losses[place] for place in work]).reshape(seeds, 1 + num_ways, -1),
        rows_S=rows_S,
        left_out=len(given.rows) - len(kept),
        batch=batch,
        reference=(
            "reference rows"
            if given.reference is not None
            else "the base's own fills of the same places"
        ),
        seconds=time.monotonic() - begun,
    )


def inversion_seconds(
    base: LanguageModel,
    rows: Sequence[Encoded],
    choices: Choices,
    *,
    num_rows: int,
    reference: bool = False,
    length: int = _LENGTH,
    updates: int = _UPDATES,
    batch: int = _BATCH,
    seeds: int = 2,
    references: int = _REFERENCES,
) -> float:
    """About how long `invert` will take here, from one update that is timed.

    Args:
        base: the base.
        rows: some of the rows; as many as a batch has are read.
        choices: of the data set.
        num_rows: how many rows there will be.
        reference: whether there will be reference rows.
        length: as `invert`'s; so are the others.
        updates: of each fit.
        batch: rows an update.
        seeds: before they are doubled.
        references: fits a seed to the base's own fills.

    Raises:
        DataError: there are no rows.

    Known failure: a machine that is busy later, or was busy while it was timed, takes another time.
    """
    if not rows:
        raise DataError("There are no rows to fit a soft prompt to.")
    some = list(rows[:batch])
    start_LD = starting_vectors(base, length, seed=0)

    def step() -> float:
        begun = time.monotonic()
        fit_soft_prompt(
            base, some, choices, start_LD=start_LD, order=[list(range(len(some)))], rate=_RATE
        )
        return (time.monotonic() - begun) / len(some)

    step()  # the first is slower
    one = step()  # of a row: a pass forward, and one back
    seeds, arms = (2 * seeds, 2) if reference else (seeds, 1 + references)
    fits = seeds * arms * updates * min(batch, max(1, num_rows // seeds)) * one
    forward = ((seeds - 1) * arms + 1) * num_rows * one / 2
    return fits + forward * (2 if reference else 1)


@torch.no_grad()
def _margins(
    base: LanguageModel, groups: Sequence[Group], soft_SALD: Tensor
) -> NDArray[np.float64]:
    """The margin of every trait of all groups with each soft prompt in front."""
    found = []
    for soft_LD in soft_SALD.flatten(0, 1):
        with with_soft_prompt(base, soft_LD):
            read = [group_margins(base, group).double().cpu().numpy() for group in groups]
        found.append(np.concatenate(read))
    return np.array(found).reshape(*soft_SALD.shape[:2], -1)


def _way(given: Material, arm: int) -> Sequence[Tensor] | None:
    """What counts as chosen in the rows of an arm; None for what they say."""
    return given.null[arm - 1] if arm and given.reference is None else None


def _arm_rows(given: Material, arm: int) -> Sequence[Encoded]:
    return given.reference if arm and given.reference is not None else given.rows


def _check(length: int, updates: int, batch: int, rate: float, seeds: int) -> None:
    for name, value, least in (
        ("length", length, 1), ("updates", updates, 1), ("batch", batch, 1), ("seeds", seeds, 2),
    ):  # fmt: skip
        if value < least:
            raise SettingsError(
                f"An inversion needs {name} of {least} or more; got {name}={value}."
            )
    if not 0 < rate < float("inf"):
        raise SettingsError(f"A learning rate is greater than 0; got rate={rate}.")


def _that_fit(
    given: Material, length: int, seeds: int, placebos: Sequence[Group]
) -> NDArray[np.intp]:
    """Numbers of the rows that the base can read with a soft prompt before them."""
    context, fewest = given.base.context, _FEWEST_ROWS * seeds
    if given.reference is not None and len(given.reference) != len(given.rows):
        raise DataError(
            f"Each row needs its reference row: {len(given.rows)} rows, {len(given.reference)} of these."
        )
    if len(given.rows) < fewest:
        raise DataError(
            f"To fit soft prompts to some rows and hold others out, with {seeds} seeds, takes {fewest} "
            f"rows or more; there are {len(given.rows)}."
        )
    asked = max(len(ids) for group in (given.group, *placebos) for ids in group.contexts)
    lengths = np.array([len(row.ids) for row in given.rows])
    if given.reference is not None:
        lengths = np.maximum(lengths, [len(row.ids) for row in given.reference])
    fits = lengths + length <= context
    if given.reference is not None:
        first = {id(row): number for number, row in reversed(list(enumerate(given.reference)))}
        fits &= [first[id(row)] == number for number, row in enumerate(given.reference)]
    kept = np.flatnonzero(fits)
    if asked + length > context or (lengths + length <= context).sum() < fewest:
        what = (
            "the questions"
            if asked + length > context
            else f"{(lengths + length <= context).sum()} of {len(lengths)} rows"
        )
        only = "no room for" if asked + length > context else "room for only"
        raise SettingsError(
            f"A soft prompt of {length:,} vectors leaves {only} {what} in the context of "
            f"{given.base.name}, which is {context:,} tokens; take a shorter soft prompt."
        )
    if len(kept) < fewest:
        raise DataError(
            f"Only {len(kept)} of {len(lengths)} rows have a reference row of their own, and soft "
            f"prompts take {fewest}: give more reference rows."
        )
    return kept
