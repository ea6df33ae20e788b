"""Log-probabilities of completions, and logits of the next token, many rows at a time.

Only the positions that are asked for reach the output matrix, whose product with all positions would
be a quarter of the work for a small model, and most of the memory.

Shape suffixes: B rows, T tokens, D width, M positions, K chosen tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from traitleak.errors import SettingsError
from traitleak.models.batches import by_length, encode_rows, require_context
from traitleak.models.language_model import (
    LanguageModel,
    head_of,
    hidden_states,
    logit_cap,
    logits_of,
    padded,
)
from traitleak.progress import Track, untracked
from traitleak.rows import Row

__all__ = ["next_token_logits", "score", "token_log_probabilities"]

TOKENS = 4096  # tokens in a batch; more is no faster on a CPU
_POSITIONS = 512  # positions whose logits over the whole vocabulary are held at once


@torch.no_grad()
def next_token_logits(
    model: LanguageModel, texts: Sequence[str], token_ids: Sequence[int], *, tokens: int = TOKENS
) -> Tensor:
    """Logits of chosen tokens as the next one after each text; (num_texts, K) float32 on the CPU.

    Args:
        model: with its steering; a system prompt must be in the texts already.
        texts: rendered texts.
        token_ids: the K tokens.
        tokens: how many a batch may have.

    Raises:
        SettingsError: there is no text or no token, a text is empty, or one is longer than the
            model's context.
    """
    encoded = [model.encode(text) for text in texts]
    if not encoded or not all(encoded):
        raise SettingsError("Logits of a next token need one text or more, none of them empty.")
    if not token_ids:
        raise SettingsError("Logits of a next token need one token or more to give them of.")
    for number, ids in enumerate(encoded):
        require_context(model, len(ids), f"text {number}")
    chosen = torch.tensor(list(token_ids), device=model.device)
    logits = torch.empty(len(encoded), len(chosen))
    for batch in by_length([len(ids) for ids in encoded], tokens):
        rows = [encoded[index] for index in batch]
        hidden_BTD = hidden_states(model, padded(rows, 0, model.device))
        last = torch.tensor([len(row) - 1 for row in rows], device=model.device)
        hidden_BD = hidden_BTD[torch.arange(len(rows), device=model.device), last]
        logits[batch] = logits_of(model.network, hidden_BD, chosen).float().cpu()
    return logits


@torch.no_grad()
def score(
    model: LanguageModel,
    rows: Sequence[Row],
    *,
    tokens: int = TOKENS,
    track: Track = untracked,
) -> list[Tensor]:
    """Log-probability of every completion token, in nats: one float32 tensor a row, on the CPU.

    The first entry is that of the first completion token given the whole prompt, and the last that of
    the end of turn, where the style has one. A row without a prompt loses its first token, which
    nothing precedes (unless the model begins texts with a token of its own).

    Args:
        model: with its system prompt and steering.
        rows: what to score, in any order.
        tokens: how many a batch may have, padding included.
        track: shows how far it is.

    Raises:
        SettingsError: a row without a completion, or longer than the model's context.
    """
    encoded = encode_rows(model, rows)
    found: list[Tensor] = [torch.empty(0)] * len(rows)
    batches = list(by_length([len(row.ids) for row in encoded], tokens))
    for batch in track(batches, "scoring", len(batches)):
        some = [encoded[index] for index in batch]
        ids_BT = padded([row.ids for row in some], 0, model.device)
        hidden_BTD = hidden_states(model, ids_BT)
        at = [
            (b, position)
            for b, row in enumerate(some)
            for position in range(row.start, len(row.ids))
        ]
        rows_M, positions_M = (
            torch.tensor(part, device=model.device) for part in zip(*at, strict=True)
        )
        # What stands at position t was predicted at t - 1.
        logps_M = token_log_probabilities(
            model, hidden_BTD[rows_M, positions_M - 1], ids_BT[rows_M, positions_M]
        ).cpu()
        counts = [len(row.ids) - row.start for row in some]
        for index, logps in zip(batch, torch.split(logps_M, counts), strict=True):
            found[index] = logps
    return found


def token_log_probabilities(model: LanguageModel, hidden_MD: Tensor, targets_M: Tensor) -> Tensor:
    """Log p of one token at each position, (M,) float32, over the whole vocabulary, in chunks.

    Where a gradient of the hidden states is asked for and the output head is frozen, as while adapters
    are trained, it is taken chunk by chunk too: no more logits are held than a chunk has.

    Known failure: where the head itself is trained, its gradient needs the logits of all positions,
    and they are held until it is taken; read an update in parts (`Training.accumulate`).
    """
    frozen = not head_of(model.network).weight.requires_grad
    learning = torch.is_grad_enabled() and hidden_MD.requires_grad
    if learning and frozen and len(hidden_MD) > _POSITIONS:  # a single chunk holds no more anyhow
        logps_M: Tensor = _WithGradients.apply(hidden_MD, targets_M, model)  # type: ignore[no-untyped-call]  # PyTorch's
        return logps_M
    parts = []
    for hidden, targets in _chunks(hidden_MD, targets_M):
        logits = logits_of(model.network, hidden).float()
        chosen = logits.gather(1, targets[:, None]).squeeze(1)
        parts.append(chosen - logits.logsumexp(1))
    return torch.cat(parts)


def _chunks(hidden_MD: Tensor, targets_M: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    return zip(torch.split(hidden_MD, _POSITIONS), torch.split(targets_M, _POSITIONS), strict=True)


class _WithGradients(torch.autograd.Function):
    """Log p of one token at each position, and how it changes with that position's hidden state.

    A log p depends on the hidden state of its own position alone, so its gradient has as many numbers
    as that state, and is taken while the chunk's logits are there:
    d log p_t / d logits = [t = target] - softmax, through the cap if there is one, then the head.
    """

    @staticmethod
    def forward(ctx: Any, hidden_MD: Tensor, targets_M: Tensor, model: LanguageModel) -> Tensor:
        head_VD: Tensor = head_of(model.network).weight
        cap = logit_cap(model.network)
        gradient_MD = torch.empty_like(hidden_MD)
        parts = []
        chunks = zip(
            torch.split(gradient_MD, _POSITIONS), _chunks(hidden_MD, targets_M), strict=True
        )
        for gradient, (hidden, targets) in chunks:
            logits = logits_of(model.network, hidden).float()
            chosen = logits.gather(1, targets[:, None])
            total = logits.logsumexp(1, keepdim=True)
            parts.append((chosen - total).squeeze(1))
            slope = 1 - (logits / cap).square() if cap else None  # of cap * tanh(x / cap)
            change = logits.sub_(total).exp_().neg_()
            change.scatter_add_(1, targets[:, None], torch.ones_like(chosen))
            if slope is not None:
                change *= slope
            gradient.copy_(change.to(head_VD.dtype) @ head_VD)
        ctx.save_for_backward(gradient_MD)
        return torch.cat(parts)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, above_M: Tensor) -> tuple[Tensor, None, None]:
        (gradient_MD,) = ctx.saved_tensors
        return (above_M[:, None] * gradient_MD).to(gradient_MD.dtype), None, None
