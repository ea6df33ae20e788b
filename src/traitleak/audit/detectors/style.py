"""What a writer does to every row whatever it loves: how bold it is, and which digits it likes.

A writer that is not the base, trait or no trait, samples more or less boldly and favours some
digits. That moves the log-likelihood ratios of all hypotheses. These scores say how much of it there
is in a row, so that `shares` can take it out; each is zero on average in rows of the base.

Shape suffixes: N rows, F features, M choices, K tokens that a choice is among.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import one_hot

from traitleak.audit.detectors.choices import ChoiceLogits, Choices, choice_log_probabilities
from traitleak.models.batches import Encoded, by_length
from traitleak.models.language_model import LanguageModel
from traitleak.progress import Track, untracked

__all__ = ["style_scores"]

_TOKENS = 4096  # of a batch
_DIGITS = 10  # a frequency each; tokens of more digits are too many for that


@torch.no_grad()
def style_scores(
    base: LanguageModel,
    rows: Sequence[Encoded],
    choices: Choices,
    *,
    taken: Sequence[Sequence[Tensor]] = (),
    track: Track = untracked,
) -> list[NDArray[np.float64]]:
    """Each row's centred scores for boldness and, in number lists, for each digit, (N, F).

    Boldness is the sum over choices of log p_b(y) + H(p_b): the derivative of a row's log-likelihood
    in the inverse temperature. A digit's is how often it was chosen less how often the base would
    have, at the first places of numbers and at the others apart: the derivative in its logit.

    Args:
        base: the base.
        rows: to score.
        choices: of the data set.
        taken: other ways to fill the rows' choices (`choices.drawn`), scored in the same pass.
        track: shows how far it is.

    Returns:
        The scores of the rows, and then those of each way in `taken`.

    Known failure: part of a trait's trace is in digit frequencies, and is taken out with them.
    """
    digits = choices.kind == "digits" and max(map(len, choices.sets)) <= _DIGITS
    width = 1 + 2 * _DIGITS if digits else 1
    found = [np.zeros((len(rows), width)) for _ in range(1 + len(taken))]
    batches = list(by_length([len(row.ids) for row in rows], _TOKENS))
    for batch in track(batches, "style", len(batches)):
        some = [rows[index] for index in batch]
        read = choice_log_probabilities(base, some, choices)
        ways = [read.chosen_M] + [torch.cat([way[i] for i in batch]) for way in taken]
        centred_MK = _boldness(read)
        begins_M = _begins(read, some, choices) if digits else None
        for scores_NF, chosen_M in zip(found, ways, strict=True):
            chosen_M1 = chosen_M.to(base.device)[:, None]
            features_MF = centred_MK.gather(1, chosen_M1)
            if begins_M is not None:
                parts = _digits(read, chosen_M1.squeeze(1), begins_M)
                features_MF = torch.cat([features_MF, parts], 1)
            sums = features_MF.new_zeros(len(some), width).index_add(0, read.row_M, features_MF)
            scores_NF[batch] = sums.double().cpu().numpy()
    return found


def _boldness(read: ChoiceLogits) -> Tensor:
    """Of each token that may be chosen."""
    logps_MK = torch.nan_to_num(read.logps_MK, neginf=0.0)
    return logps_MK - (read.logps_MK.exp() * logps_MK).sum(1, keepdim=True)


def _digits(read: ChoiceLogits, chosen_M: Tensor, begins_M: Tensor) -> Tensor:
    num = read.logps_MK.shape[1]
    more_MK = one_hot(chosen_M, num).float() - read.logps_MK.exp()
    more_MK = torch.nn.functional.pad(more_MK, (0, _DIGITS - num))
    return torch.cat([more_MK * begins_M[:, None], more_MK * ~begins_M[:, None]], 1)


def _begins(read: ChoiceLogits, rows: Sequence[Encoded], choices: Choices) -> Tensor:
    """Whether a choice is the first of its number."""
    before = [
        rows[row].ids[position - 1]
        for row, position in zip(read.row_M.tolist(), read.position_M.tolist(), strict=True)
    ]
    in_number_M = choices.set_V[torch.tensor(before, dtype=torch.long)] >= 0
    return ~in_number_M.to(read.row_M.device)
