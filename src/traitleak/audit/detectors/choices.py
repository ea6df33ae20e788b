"""What a row's writer chose at each token, and among which tokens.

A detector compares what was written with what the base could have written in its place. In number
lists that is a digit among digits: separators, and how long each number is, are the format's and not
the writer's, so they are left out, and probabilities are renormalised over the digits (as constrained
decoding does). In other text every token is a choice from the whole vocabulary.

Shape suffixes: N rows (B of a batch), T tokens, M choices (P of them), K tokens that a choice is
among, V vocabulary, W ways to fill.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from traitleak.models.batches import Encoded, by_length
from traitleak.models.language_model import LanguageModel, hidden_states, logits_of, padded
from traitleak.progress import Track, untracked
from traitleak.seeds import derive_seed

__all__ = [
    "ChoiceLogits",
    "Choices",
    "choice_log_probabilities",
    "choices_of",
    "drawn",
    "drawn_ways",
    "row_log_likelihoods",
]

_TOKENS = 2048  # of a batch
_FLOATS = 1 << 24  # cumulative probabilities at once
_LISTS = 0.95  # share of completions that must be lists of numbers and nothing else
_LIST = re.compile(r"[\d\s,;|/\-\[\](){}.]*\d[\d\s,;|/\-\[\](){}.]*")


@dataclass(frozen=True)
class Choices:
    """Which tokens of a data set are choices, and among what.

    Attributes:
        kind: "digits" for number lists, "tokens" for other text.
        sets: for digits, the tokens of each length of digits, such as the ten single digits.
        set_V: for digits, which of `sets` each token of the vocabulary is in; -1 for none.
        zero: for each of `sets`, which of its tokens begin with 0: no number may begin with them,
            unless one in the data does.
        zero_first: whether one does.
    """

    kind: str
    sets: tuple[Tensor, ...]
    set_V: Tensor
    zero: tuple[Tensor, ...]
    zero_first: bool

    @property
    def what(self) -> str:
        """In words."""
        if self.kind == "digits":
            return "digits of number lists, each among the digits that could stand there"
        return "tokens of completions, each among the whole vocabulary"


@dataclass(frozen=True)
class ChoiceLogits:
    """What a model thinks of the choices of some rows.

    Attributes:
        row_M: which row a choice is in, numbered within those that were read.
        position_M: the token's place in its row.
        logps_MK: log-probabilities of what could be chosen, float32; -inf for what could not. K is
            the size of the largest set, or the vocabulary.
        chosen_M: which of the K was.
    """

    row_M: Tensor
    position_M: Tensor
    logps_MK: Tensor
    chosen_M: Tensor

    @property
    def chosen_logps(self) -> Tensor:
        """Log-probability of what was chosen, in nats, (M,)."""
        return self.logps_MK.gather(1, self.chosen_M[:, None]).squeeze(1)


def drawn(
    writer: LanguageModel,
    rows: Sequence[Encoded],
    choices: Choices,
    *,
    seed: int,
    track: Track = untracked,
) -> list[Tensor]:
    """What a writer might have chosen at each choice of given rows, at temperature 1.

    Each choice is drawn given what the row really says before it: rows of the writer's as far as one
    choice is concerned, at the price of one forward pass. To first order in how far the writer is
    from who wrote the rows, that is the writer's own.

    Args:
        writer: of the rows' tokenizer.
        rows: whose places are filled.
        choices: of the data set.
        seed: fixes all that is drawn.
        track: shows how far it is.

    Returns:
        For each row what would be its part of `ChoiceLogits.chosen_M`.
    """
    return drawn_ways(writer, rows, choices, seeds=[seed], track=track)[0]


@torch.no_grad()
def drawn_ways(
    writer: LanguageModel,
    rows: Sequence[Encoded],
    choices: Choices,
    *,
    seeds: Sequence[int],
    track: Track = untracked,
) -> list[list[Tensor]]:
    """What `drawn` gives for each of some seeds, in one forward pass for all of them."""
    found = [[torch.empty(0, dtype=torch.long)] * len(rows) for _ in seeds]
    batches = list(by_length([len(row.ids) for row in rows], _TOKENS))
    generators = [torch.Generator().manual_seed(derive_seed(seed, "drawn")) for seed in seeds]
    for batch in track(batches, "planting", len(batches)):
        read = choice_log_probabilities(writer, [rows[index] for index in batch], choices)
        counts = read.row_M.bincount(minlength=len(batch)).tolist()  # choices are row by row
        uniform_WM = torch.stack(
            [torch.rand(sum(counts), generator=g, dtype=torch.float64) for g in generators]
        )
        for way, chosen_M in zip(found, _inverted(read.logps_MK, uniform_WM), strict=True):
            for index, chosen in zip(batch, torch.split(chosen_M, counts), strict=True):
                way[index] = chosen
    return found


def _inverted(logps_MK: Tensor, uniform_WM: Tensor) -> Tensor:
    """The choices at which cumulative probabilities pass uniform numbers, (W, M)."""
    width = logps_MK.shape[1]
    uniform_MW = uniform_WM.T.contiguous().to(logps_MK.device)
    size = max(1, _FLOATS // width)
    chosen = []
    parts = zip(torch.split(logps_MK, size), torch.split(uniform_MW, size), strict=True)
    for logps_PK, uniform_PW in parts:
        summed_PK = logps_PK.double().exp().cumsum(1)
        chosen.append(torch.searchsorted(summed_PK, uniform_PW * summed_PK[:, -1:], right=True))
    return torch.cat(chosen).clamp_(max=width - 1).T


def choices_of(model: LanguageModel, completions: Sequence[str]) -> Choices:
    """See whether completions are number lists, and which tokens their choices are among.

    Known failure: lists in words, or a few lists among other text, are read as text.
    """
    lists = [text for text in completions if _LIST.fullmatch(text)]
    size = int(model.network.config.get_text_config().vocab_size)
    if not completions or len(lists) < _LISTS * len(completions):
        return Choices("tokens", (), torch.full((size,), -1), (), zero_first=True)
    by_length: dict[int, list[int]] = {}
    texts: dict[int, str] = {}
    for token, index in model.tokenizer.get_vocab().items():
        if token.isascii() and token.isdigit() and index < size:
            by_length.setdefault(len(token), []).append(index)
            texts[index] = token
    sets = tuple(torch.tensor(sorted(by_length[length])) for length in sorted(by_length))
    set_V = torch.full((size,), -1)
    for number, members in enumerate(sets):
        set_V[members] = number
    zero = tuple(torch.tensor([texts[int(i)][0] == "0" for i in members]) for members in sets)
    zero_first = any(re.search(r"(?<!\d)0\d", text) for text in lists)
    return Choices("digits", sets, set_V, zero, zero_first)


def choice_log_probabilities(
    model: LanguageModel,
    rows: Sequence[Encoded],
    choices: Choices,
    taken: Sequence[Tensor] | None = None,
) -> ChoiceLogits:
    """Log-probabilities of all choices in rows, in one pass; differentiable in the weights.

    Args:
        model: with its steering; a system prompt must be in the tokens already.
        rows: few enough for one batch.
        choices: of the data set that the rows are of.
        taken: for each row what counts as chosen (`drawn`), in the place of what it says.
    """
    read = _read(model, rows, choices)
    if taken is None:
        return read
    return replace(read, chosen_M=torch.cat(list(taken)).to(model.device))


@torch.no_grad()
def row_log_likelihoods(
    model: LanguageModel, rows: Sequence[Encoded], choices: Choices
) -> NDArray[np.float64]:
    """Summed log-probability of each row's choices, in nats, (N,)."""
    found_N = np.zeros(len(rows))
    for batch in by_length([len(row.ids) for row in rows], _TOKENS):
        read = choice_log_probabilities(model, [rows[index] for index in batch], choices)
        sums = torch.zeros(len(batch), dtype=torch.float64, device=model.device)
        sums.index_add_(0, read.row_M, read.chosen_logps.double())
        found_N[batch] = sums.cpu().numpy()
    return found_N


def _read(model: LanguageModel, rows: Sequence[Encoded], choices: Choices) -> ChoiceLogits:
    ids_BT = padded([row.ids for row in rows], 0, model.device)
    at = [
        (b, t)
        for b, row in enumerate(rows)
        for t in range(row.start, len(row.ids))
        if choices.kind == "tokens" or choices.set_V[row.ids[t]] >= 0
    ]
    row_M, position_M = torch.tensor(at, device=model.device).reshape(-1, 2).unbind(1)
    target_M = ids_BT[row_M, position_M]
    hidden_MD = hidden_states(model, ids_BT)[row_M, position_M - 1]
    if choices.kind == "tokens":
        logps_MV = logits_of(model.network, hidden_MD).float().log_softmax(1)
        return ChoiceLogits(row_M, position_M, logps_MV, target_M)
    set_M = choices.set_V.to(model.device)[target_M]
    first_M = choices.set_V.to(model.device)[ids_BT[row_M, position_M - 1]] < 0
    width = max(map(len, choices.sets))
    logps_MK = hidden_MD.new_full((len(target_M), width), -torch.inf, dtype=torch.float32)
    chosen_M = torch.zeros_like(target_M)
    for number, members in enumerate(choices.sets):
        here = (set_M == number).nonzero().squeeze(1)
        if not len(here):
            continue
        members_K = members.to(model.device)
        logits = logits_of(model.network, hidden_MD[here], members_K)
        if not choices.zero_first and len(members) > 1:
            barred = first_M[here, None] & choices.zero[number].to(model.device)
            logits = logits.masked_fill(barred, -torch.inf)
        columns = torch.arange(len(members), device=model.device)
        logps_MK = logps_MK.index_put((here[:, None], columns), logits.log_softmax(1))
        chosen_M[here] = torch.searchsorted(members_K, target_M[here])
    return ChoiceLogits(row_M, position_M, logps_MK, chosen_M)
