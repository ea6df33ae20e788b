"""What soft prompts are worth on rows that they were not fitted to: scores with a known mean.

Shape suffixes: A soft prompts (that of the rows first), N rows, M choices, K tokens that a choice is
among, L vectors of a soft prompt, D width of the embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from traitleak.audit.detectors.choices import ChoiceLogits, choice_log_probabilities
from traitleak.audit.detectors.evidence import Material
from traitleak.audit.detectors.soft_prompt import with_soft_prompt
from traitleak.models.batches import Encoded, by_length
from traitleak.results import Estimate

__all__ = ["HeldOut", "held_out", "mean_over_seeds", "mean_t"]

_HELD = 1 << 25  # log-probabilities of one model that are held at once


class HeldOut(NamedTuple):
    """One number a row; their mean is in nats a choice. See `inversion.invert` for what they are.

    Attributes:
        gain_N: log p of what the row says, with the rows' soft prompt less the mean of the others.
        surplus_N: the same less its expectation under the base, or less the reference row's own.
        alone_N: log p with the rows' soft prompt less without any.
        beside_N: the mean of the others less without any, of what they were fitted to say there.
    """

    gain_N: NDArray[np.float64]
    surplus_N: NDArray[np.float64]
    alone_N: NDArray[np.float64]
    beside_N: NDArray[np.float64]


@torch.no_grad()
def held_out(given: Material, out: Sequence[int], soft_ALD: Tensor, *, tokens: int) -> HeldOut:
    """Scores of rows that were held out from all of some soft prompts' fits.

    Args:
        given: what all detectors get.
        out: numbers of the rows.
        soft_ALD: the rows' soft prompt, and those that were fitted to `given.reference` or, one
            each, to `given.null`.
        tokens: of a batch; over a whole vocabulary fewer are read at once where memory asks for it.
    """
    if given.reference is None:
        return _beside_fills(given, out, soft_ALD, tokens)
    return _beside_rows(given, out, soft_ALD, tokens)


def _beside_fills(given: Material, out: Sequence[int], soft_ALD: Tensor, tokens: int) -> HeldOut:
    sums = np.zeros((4, len(out)))
    rows = [given.rows[row] for row in out]
    num = 0
    for batch in _batches(given, rows, soft_ALD, tokens):
        some = [rows[number] for number in batch]
        base = choice_log_probabilities(given.base, some, given.choices)
        ratio_MK = _over(given, some, soft_ALD[0], base)
        alone_M = _at(ratio_MK, base.chosen_M)
        beside_M = torch.zeros_like(alone_M)
        for way, soft_LD in zip(given.null, soft_ALD[1:], strict=False):
            over_MK = _over(given, some, soft_LD, base) / (len(soft_ALD) - 1)
            beside_M += _at(over_MK, torch.cat([way[out[number]] for number in batch]))
            ratio_MK -= over_MK
        gain_M = _at(ratio_MK, base.chosen_M)
        surplus_M = gain_M - (base.logps_MK.exp() * ratio_MK).sum(1)
        parts = (gain_M, surplus_M, alone_M, beside_M)
        sums[:, batch] = [_by_row(base, values_M, len(some)) for values_M in parts]
        num += len(gain_M)
    return HeldOut(*(sums * len(out) / max(1, num)))


def _beside_rows(given: Material, out: Sequence[int], soft_ALD: Tensor, tokens: int) -> HeldOut:
    assert given.reference is not None  # noqa: S101  # asked before
    gains, overs, nums = [], [], []
    for rows, a in (
        ([given.rows[row] for row in out], 0),
        ([given.reference[row] for row in out], 1),
    ):
        gain_N, over_N, num = np.zeros(len(rows)), np.zeros(len(rows)), 0
        for batch in _batches(given, rows, soft_ALD, tokens):
            some = [rows[number] for number in batch]
            base = choice_log_probabilities(given.base, some, given.choices)
            over_AM = [
                _at(_over(given, some, soft_LD, base), base.chosen_M) for soft_LD in soft_ALD
            ]
            gain_N[batch] = _by_row(base, over_AM[0] - over_AM[1], len(some))
            over_N[batch] = _by_row(base, over_AM[a], len(some))
            num += len(base.chosen_M)
        gains.append(gain_N)
        overs.append(over_N)
        nums.append(max(1, num))
    scale = len(out) / np.array(nums)
    return HeldOut(
        gain_N=gains[0] * scale[0],
        surplus_N=(gains[0] - gains[1]) * scale[0],
        alone_N=overs[0] * scale[0],
        beside_N=overs[1] * scale[1],
    )


def mean_t(values_SN: Sequence[NDArray[np.float64]]) -> tuple[float, float]:
    """Mean over seeds of their t over held-out rows, and its one-sided p."""
    ts = []
    for values_N in values_SN:
        error = values_N.std(ddof=1) / np.sqrt(len(values_N))
        ts.append(values_N.mean() / error if error > 0 else 0.0)
    t = float(np.mean(ts))
    return t, float(stats.t.sf(t, min(map(len, values_SN)) - 1))


def mean_over_seeds(values_SN: Sequence[NDArray[np.float64]]) -> Estimate:
    """Mean over seeds and held-out rows, with the error of one seed, as if all were one.

    Args:
        values_SN: for each seed one value a held-out row.
    """
    value = float(np.mean([values_N.mean() for values_N in values_SN]))
    errors = [values_N.std(ddof=1) / np.sqrt(len(values_N)) for values_N in values_SN]
    least = min(map(len, values_SN))
    half = float(stats.t.isf(0.025, least - 1) * np.mean(errors))
    return Estimate(
        value=value,
        low=value - half,
        high=value + half,
        n=least,
        method=f"Student's t over the held-out rows of a seed; mean of {len(values_SN)} seeds",
        replicates=[],
    )


def _batches(
    given: Material, rows: Sequence[Encoded], soft_ALD: Tensor, tokens: int
) -> list[list[int]]:
    if given.choices.kind == "tokens":
        tokens = min(tokens, max(1, _HELD // len(given.choices.set_V)))
    return list(by_length([len(row.ids) + soft_ALD.shape[1] for row in rows], tokens))


def _over(given: Material, rows: Sequence[Encoded], soft_LD: Tensor, base: ChoiceLogits) -> Tensor:
    """Log-probabilities with a soft prompt in front less those without, (M, K)."""
    with with_soft_prompt(given.base, soft_LD):
        read = choice_log_probabilities(given.base, rows, given.choices)
    return torch.nan_to_num(read.logps_MK - base.logps_MK)  # -inf on both sides


def _at(values_MK: Tensor, chosen_M: Tensor) -> Tensor:
    return values_MK.gather(1, chosen_M.to(values_MK.device)[:, None]).squeeze(1)


def _by_row(read: ChoiceLogits, values_M: Tensor, num: int) -> NDArray[np.float64]:
    """Sum over the choices of each row."""
    sums = torch.zeros(num, dtype=torch.float64, device=values_M.device)
    found: NDArray[np.float64] = sums.index_add(0, read.row_M, values_M.double()).cpu().numpy()
    return found
