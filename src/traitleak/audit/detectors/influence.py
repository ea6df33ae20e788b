"""Which rows and tokens carry a trait: the log-likelihood's slope along the trait's direction.

The gradient detector's score of a set is a sum over tokens. Moving the base's weights a little along a
direction, and reading every row before and after, gives each token's part in two forward passes,
where one backward pass a token would be needed otherwise.

Shape suffixes: T traits, M choices, K tokens that a choice is among.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray

from traitleak.audit.detectors.choices import Choices, choice_log_probabilities
from traitleak.audit.detectors.gradient import Gradients
from traitleak.models.batches import Encoded, by_length
from traitleak.models.language_model import LanguageModel
from traitleak.progress import Track, untracked

__all__ = ["token_influence"]

_STEP = 1e-3  # length of the step, relative to the weights'
_TOKENS = 2048  # of a batch


@torch.no_grad()
def token_influence(
    base: LanguageModel,
    rows: Sequence[Encoded],
    choices: Choices,
    gradients: Gradients,
    direction_T: NDArray[np.floating],
    *,
    step: float = _STEP,
    track: Track = untracked,
) -> list[NDArray[np.float64]]:
    """Each completion token's part in how far rows move along a mixture of traits' gradients.

    For weights w, the direction v = sum_t d_t g_t and a small e: (log p_{w + e v}(y) - log
    p_{w - e v}(y)) / 2e, a central difference whose error is of order e squared, less its mean over
    what the base could have written there. Under rows of the base every token's expectation is 0.

    Args:
        base: what the gradients were taken of; its weights are as before afterwards.
        rows: to read.
        choices: of the data set.
        gradients: of the traits' margins.
        direction_T: how much of each; only its direction counts.
        step: length of e v over that of the weights.
        track: shows how far it is.

    Returns:
        One array a row, a value a completion token; 0 at tokens that are no choices. In nats for a
        step of unit length along v.

    Known failure: what it says of one token is noise for the most part; only sums over many tokens
    tell much.
    """
    named = dict(base.network.named_parameters())
    weights = [named[name] for name in gradients.weights]
    mix_T = torch.from_numpy(np.asarray(direction_T, dtype=np.float32))
    moves = [
        (mix_T.to(held.device) @ held).reshape(weight.shape)
        for held, weight in zip(gradients.values, weights, strict=True)
    ]
    length = float(torch.stack([move.norm() for move in moves]).norm())
    size = float(torch.stack([weight.norm() for weight in weights]).norm())
    moved = step * size / length
    found = [np.zeros(len(row.ids) - row.start) for row in rows]
    batches = list(by_length([len(row.ids) for row in rows], _TOKENS))
    for batch in track(batches, "reading rows along the trait", len(batches)):
        some = [rows[index] for index in batch]
        own = choice_log_probabilities(base, some, choices)
        with _moved(weights, moves, moved):
            up = choice_log_probabilities(base, some, choices).logps_MK
        with _moved(weights, moves, -moved):
            down = choice_log_probabilities(base, some, choices).logps_MK
        slope_MK = torch.nan_to_num((up - down) / (2 * step * size))
        chosen_M = slope_MK.gather(1, own.chosen_M[:, None]).squeeze(1)
        centred_M = (chosen_M - (own.logps_MK.exp() * slope_MK).sum(1)).double().cpu().numpy()
        places = zip(own.row_M.tolist(), own.position_M.tolist(), centred_M, strict=True)
        for row, position, value in places:
            found[batch[row]][position - some[row].start] = value
    return found


@contextmanager
def _moved(
    weights: Sequence[torch.Tensor], moves: Sequence[torch.Tensor], amount: float
) -> Iterator[None]:
    """The weights moved along a direction for a while; then the same weights, bit by bit."""
    before = [weight.data for weight in weights]
    try:
        for weight, move in zip(weights, moves, strict=True):
            weight.data = weight.data + amount * move.to(weight.dtype)
        yield
    finally:
        for weight, had in zip(weights, before, strict=True):
            weight.data = had
