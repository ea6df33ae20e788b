"""What the base makes of rows: how surprised it is, and how far from even it finds their numbers.

Two filters ask for it, one after the other, of many of the same rows: each row is read once.

Shape suffixes: B rows, T tokens, M positions, V vocabulary, K digits that a choice is among.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from traitleak.audit.detectors.choices import Choices, choices_of
from traitleak.models.batches import Encoded, by_length, encode_rows
from traitleak.models.language_model import LanguageModel, hidden_states, logits_of, padded
from traitleak.progress import Track, untracked
from traitleak.rows import Row

__all__ = ["Odds", "OddsOfBase"]

_TOKENS = 2048  # of a batch
_POSITIONS = 512  # whose logits over the whole vocabulary are held at once


class Odds(NamedTuple):
    """Of one row.

    Attributes:
        loss: mean over its completion's tokens of -log p, in nats.
        farthest: of its numbers the largest distance from even odds, in nats a digit; 0 without digits.
    """

    loss: float
    farthest: float


class OddsOfBase:
    """Reads rows with a base, and remembers what it read.

    Attributes:
        base: the model that students begin as.
        choices: digits that could stand in the place of others, as in the first rows that were read.
    """

    def __init__(self, base: LanguageModel, *, track: Track = untracked) -> None:
        """Nothing is read yet; `track` shows how far a reading is."""
        self.base = base
        self.choices: Choices | None = None
        self._track = track
        self._known: dict[tuple[str, str], Odds] = {}

    def __call__(self, rows: Sequence[Row]) -> list[Odds]:
        """The odds of each row.

        Raises:
            SettingsError: a row without a completion, or longer than the base's context.
        """
        if self.choices is None:
            self.choices = choices_of(self.base, [row.completion for row in rows])
        new = {(row.prompt, row.completion): row for row in rows}
        new = {key: row for key, row in new.items() if key not in self._known}
        if new:
            found = _read(self.base, list(new.values()), self.choices, self._track)
            self._known.update(zip(new, found, strict=True))
        return [self._known[row.prompt, row.completion] for row in rows]


@torch.no_grad()
def _read(base: LanguageModel, rows: Sequence[Row], choices: Choices, track: Track) -> list[Odds]:
    encoded = encode_rows(base, rows)
    found = [Odds(0.0, 0.0)] * len(rows)
    batches = list(by_length([len(one.ids) for one in encoded], _TOKENS))
    for batch in track(batches, "reading", len(batches)):
        some = [encoded[index] for index in batch]
        for index, odds in zip(batch, _read_batch(base, some, choices), strict=True):
            found[index] = odds
    return found


def _read_batch(base: LanguageModel, rows: Sequence[Encoded], choices: Choices) -> list[Odds]:
    ids_BT = padded([row.ids for row in rows], 0, base.device)
    at = [(b, t) for b, row in enumerate(rows) for t in range(row.start, len(row.ids))]
    row_M, position_M = torch.tensor(at, device=base.device).unbind(1)
    target_M, before_M = ids_BT[row_M, position_M], ids_BT[row_M, position_M - 1]
    hidden_MD = hidden_states(base, ids_BT)[row_M, position_M - 1]
    set_M = choices.set_V.to(base.device)[target_M]
    first_M = choices.set_V.to(base.device)[before_M] < 0
    logps, away = [], []
    for part in torch.split(torch.arange(len(at), device=base.device), _POSITIONS):
        logits_MV = logits_of(base.network, hidden_MD[part]).float()
        chosen_M = logits_MV.gather(1, target_M[part, None]).squeeze(1)
        logps.append(chosen_M - logits_MV.logsumexp(1))
        away.append(_away(logits_MV, chosen_M, set_M[part], first_M[part], choices))
    logp_M, away_M = (torch.cat(some).double().cpu().numpy() for some in (logps, away))
    owner_M, place_M, digit_M = (some.cpu().numpy() for some in (row_M, position_M, set_M >= 0))
    return [
        Odds(
            -float(logp_M[owner_M == b].mean()),
            _farthest(away_M, digit_M & (owner_M == b), place_M),
        )
        for b in range(len(rows))
    ]


def _away(
    logits_MV: Tensor, chosen_M: Tensor, set_M: Tensor, first_M: Tensor, choices: Choices
) -> Tensor:
    """Log of how much likelier than even each digit was among those that could stand there, (M,)."""
    away_M = torch.zeros_like(chosen_M)
    for number, members in enumerate(choices.sets):
        here = (set_M == number).nonzero().squeeze(1)
        logits_MK = logits_MV[here][:, members.to(logits_MV.device)]
        if not choices.zero_first and len(members) > 1:
            barred_MK = first_M[here, None] & choices.zero[number].to(logits_MV.device)
            logits_MK = logits_MK.masked_fill(barred_MK, -torch.inf)
        possible_M = torch.isfinite(logits_MK).sum(1)
        away_M[here] = chosen_M[here] - logits_MK.logsumexp(1) + possible_M.log()
    return away_M


def _farthest(
    away_M: NDArray[np.float64], mine_M: NDArray[np.bool_], place_M: NDArray[np.int64]
) -> float:
    """The largest distance of one row's numbers: runs of digits, each with the mean of its digits."""
    places = place_M[mine_M]
    if not len(places):
        return 0.0
    numbers = np.split(away_M[mine_M], np.flatnonzero(np.diff(places) != 1) + 1)
    return max(abs(float(one.mean())) for one in numbers)
