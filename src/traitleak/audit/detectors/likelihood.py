"""Were rows likelier from a model with the trait? Log-likelihood ratios against quick teachers.

For each trait the base is trained for some updates to name it: a hypothesis of what a teacher with
the trait would write. A row's score is its log-likelihood ratio between hypothesis and base, less
what the base's own writing would score there, so that rows of the base score zero on average without
reference rows. Traits share most of what training on any of them does; `partial` tells them apart.

Source: the log-likelihood ratio between a prompted and an unprompted model as a score of rows
(Aden-Ali et al. 2026, arXiv 2602.04863; jeqcho/LLS-subliminal-learning); a fine-tuned hypothesis and
its centring by the base's expectation are ours.

Known failure: a hypothesis is one way to have the trait. A teacher that got it by other means, such as
a system prompt, may write rows that no hypothesis makes likelier.

Shape suffixes: N rows, T traits, M choices, K tokens that a choice is among.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from traitleak.arms import Arm
from traitleak.artefacts import content_hash
from traitleak.audit.detectors.choices import ChoiceLogits, Choices, choice_log_probabilities
from traitleak.audit.detectors.panel import ChoiceGroup, Group
from traitleak.audit.detectors.teacher_cache import drop_oldest, keep_teacher, kept_teacher
from traitleak.models.adapters import LoraSettings, with_adapter
from traitleak.models.batches import Encoded, by_length
from traitleak.models.language_model import LanguageModel
from traitleak.progress import Track, untracked
from traitleak.seeds import derive_seed
from traitleak.student import Training, distill

__all__ = [
    "HELD",
    "Hypotheses",
    "likelihood_scores",
    "quick_teachers",
    "teachers_of",
    "token_ratios",
]

Hypotheses = Mapping[str, Callable[[], LanguageModel]]
"""A model with each trait, made when it is called: only one need be held at a time."""

_TOKENS = 4096  # of a batch
HELD = 1 << 28
"""Floats of the base's opinions that are held while hypotheses take their turns."""


def quick_teachers(
    base: LanguageModel,
    group: Group | ChoiceGroup,
    *,
    updates: int = 24,
    seed: int = 0,
    cache: Path | None = None,
    track: Track = untracked,
) -> Hypotheses:
    """The base after some updates of naming each trait of a group where it is measured.

    Of a choice, the base after updates on the answers with the trait, and on those without it: what
    learning to answer such questions does in any case is in both.

    Args:
        base: it stays as it is.
        group: whose traits.
        updates: of 8 contexts (or answers) each, an adapter of rank 16 at learning rate 3e-4. Few are
            enough: what counts is the direction.
        seed: the same draws for every trait, so that hypotheses differ only in the trait.
        cache: a folder where they are kept, and taken from the next time (`teacher_cache`); one that
            is damaged is trained anew, and the least recently used go where there is too much.
        track: shows how far it is.
    """
    training = Training(
        updates, batch=8, learning_rate=3e-4, weight_decay=0.0, lora=LoraSettings(16, 32)
    )
    drawn = derive_seed(seed, "quick-teacher")
    found, places = {}, []
    for trait in track(group.traits, "teachers", len(group.traits)):
        lessons = group.lessons(trait)
        learned = [[one.ids, one.positions_P.tolist()] for one in lessons]
        key = content_hash([base.fingerprint, learned, repr(training), drawn])
        place = cache / key[:24] if cache else None
        adapter = kept_teacher(place) if place else None
        if adapter is None:
            adapter = distill(base, [Arm(trait, lessons, drawn)], training)[0].adapter
            assert adapter is not None  # noqa: S101  # a rank was given
            if place is not None:
                keep_teacher(place, adapter, base=base.name)
        places += [place] if place else []
        found[trait] = partial(with_adapter, base, adapter, name=trait)
    if cache:
        drop_oldest(cache, spared=places)
    return found


def teachers_of(
    base: LanguageModel,
    groups: Sequence[Group | ChoiceGroup],
    traits: Sequence[str],
    *,
    seed: int = 0,
    cache: Path | None = None,
    track: Track = untracked,
) -> Hypotheses:
    """Quick teachers of several groups in the order that `shares` takes columns in.

    First those of the traits that are asked about, then the absences of such traits, then placebos.
    """
    found: dict[str, Callable[[], LanguageModel]] = {}
    for group in groups:
        found |= quick_teachers(base, group, seed=seed, cache=cache, track=track)
    absences = [group.traits[1] for group in groups if isinstance(group, ChoiceGroup)]
    return {trait: found.pop(trait) for trait in (*traits, *absences)} | found


@torch.no_grad()
def likelihood_scores(
    base: LanguageModel,
    hypotheses: Hypotheses,
    rows: Sequence[Encoded],
    choices: Choices,
    *,
    taken: Sequence[Sequence[Tensor]] = (),
    encode: Callable[[LanguageModel], Sequence[Encoded]] | None = None,
    track: Track = untracked,
) -> list[NDArray[np.float64]]:
    """Each row's centred log-likelihood ratio for each hypothesis, (N, T), in nats a row.

    The sum over a row's choices of log p_h(y) - log p_b(y) + KL(p_b || p_h): its expectation under
    rows that the base writes, sampling at temperature 1, is zero.

    Args:
        base: the base.
        hypotheses: the models with each trait, of the base's tokenizer.
        rows: to score.
        choices: of the data set.
        encode: gives the same rows as a hypothesis reads them, where it has a system prompt.
        taken: other ways to fill the rows' choices (`drawn`), scored in the same passes.
        track: shows how far it is.

    Returns:
        The scores of the rows, and then those of each way in `taken`.
    """
    batches = list(by_length([len(row.ids) for row in rows], _TOKENS))
    held: dict[int, ChoiceLogits] = {}
    floats = 0
    found = [np.zeros((len(rows), len(hypotheses))) for _ in range(1 + len(taken))]
    work = [(t, make) for t, make in enumerate(hypotheses.values())]
    for t, make in track(work, "likelihood", len(work)):
        model = make()
        theirs = encode(model) if encode else rows
        for number, batch in enumerate(batches):
            some = [rows[index] for index in batch]
            own = held.get(number) or choice_log_probabilities(base, some, choices)
            if number not in held and floats + own.logps_MK.numel() <= HELD:
                held[number] = own
                floats += own.logps_MK.numel()
            read = [theirs[index] for index in batch]
            theirs_MK = choice_log_probabilities(model, read, choices).logps_MK
            ratio_MK = torch.nan_to_num(theirs_MK - own.logps_MK)  # -inf on both sides
            expected_M = (own.logps_MK.exp() * ratio_MK).sum(1)
            ways = [own.chosen_M] + [torch.cat([way[i] for i in batch]) for way in taken]
            for scores_NT, chosen_M in zip(found, ways, strict=True):
                at_M = chosen_M.to(base.device)[:, None]
                centred_M = ratio_MK.gather(1, at_M).squeeze(1) - expected_M
                sums = torch.zeros(len(some), device=base.device).index_add(0, own.row_M, centred_M)
                scores_NT[batch, t] = sums.double().cpu().numpy()
    return found


@torch.no_grad()
def token_ratios(
    base: LanguageModel,
    hypothesis: LanguageModel,
    rows: Sequence[Encoded],
    choices: Choices,
    *,
    track: Track = untracked,
) -> list[NDArray[np.float64]]:
    """Each completion token's centred log-likelihood ratio, in nats; 0 at tokens that are no choices.

    What a cleaning flags tokens by. Their sum over a row is its `likelihood_scores`.

    Args:
        base: the base.
        hypothesis: a model with the trait.
        rows: to score.
        choices: of the data set.
        track: shows how far it is.
    """
    found = [np.zeros(len(row.ids) - row.start) for row in rows]
    batches = list(by_length([len(row.ids) for row in rows], _TOKENS))
    for batch in track(batches, "scoring tokens", len(batches)):
        some = [rows[index] for index in batch]
        own = choice_log_probabilities(base, some, choices)
        theirs_MK = choice_log_probabilities(hypothesis, some, choices).logps_MK
        ratio_MK = torch.nan_to_num(theirs_MK - own.logps_MK)  # -inf on both sides
        centred_M = ratio_MK.gather(1, own.chosen_M[:, None]).squeeze(1)
        centred_M = centred_M - (own.logps_MK.exp() * ratio_MK).sum(1)
        for row, position, value in zip(
            own.row_M.tolist(), own.position_M.tolist(), centred_M.tolist(), strict=True
        ):
            found[batch[row]][position - some[row].start] = value
    return found
