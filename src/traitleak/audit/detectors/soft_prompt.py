"""Soft prompts: vectors in the place of a system prompt's tokens, fitted to what rows say.

The base stays frozen and is not copied: while a soft prompt is in front, the network is given
embeddings instead of tokens, and what it says of the soft prompt's own places is cut off. Whatever
reads the base, such as `choice_log_probabilities` or `group_margins`, then reads it with the soft
prompt in front.

Source: prompt tuning (Lester, Al-Rfou and Constant 2021, arXiv 2104.08691).

Shape suffixes: L vectors of a soft prompt, D width of the embeddings, B rows, T tokens, M choices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from traitleak.audit.detectors.choices import Choices, choice_log_probabilities
from traitleak.models.batches import Encoded, by_length
from traitleak.models.language_model import LanguageModel, body, hidden_states, padded
from traitleak.models.scoring import token_log_probabilities
from traitleak.optimizers import make_optimizer, rate_at
from traitleak.seeds import derive_seed

__all__ = [
    "chosen_log_probabilities",
    "fit_soft_prompt",
    "schedule",
    "starting_vectors",
    "with_soft_prompt",
]

_TOKENS = 2048  # of a batch


@contextmanager
def with_soft_prompt(model: LanguageModel, soft_LD: Tensor) -> Iterator[None]:
    """Put vectors before everything that `hidden_states` reads, for a while.

    They stand after the token that begins a text, where the model has one, and before all else: where
    a system prompt would stand. Hidden states keep the shape (B, T, D) of the tokens. Where the first
    of these begins the text, its place holds the last vector's, which is what predicts the second.

    Args:
        model: its network reads them; nothing in it changes.
        soft_LD: the vectors, as embeddings are that reach the first layer. Gradients flow to them.

    Known failure: not for networks that need token ids beside embeddings (Gemma 3n), and not while
    keys and values of earlier tokens are kept.
    """
    decoder = body(model.network)
    embed: nn.Module = model.network.get_input_embeddings()
    begun = int(model.renderer.begins_with_bos)

    def before(_module: nn.Module, args: tuple[Any, ...], given: dict[str, Any]) -> Any:
        assert not given.get("use_cache")  # noqa: S101  # they would be put in front again
        ids_BT = given["input_ids"]
        embedded_BTD = embed(ids_BT)
        soft_BLD = soft_LD.to(embedded_BTD.dtype).expand(len(ids_BT), -1, -1)
        parts = [embedded_BTD[:, :begun], soft_BLD, embedded_BTD[:, begun:]]
        return args, {**given, "input_ids": None, "inputs_embeds": torch.cat(parts, 1)}

    def after(_module: nn.Module, _args: tuple[Any, ...], output: Any) -> Any:
        output["last_hidden_state"] = output["last_hidden_state"][:, len(soft_LD) :]
        return output

    hooks = [
        decoder.register_forward_pre_hook(before, with_kwargs=True),
        decoder.register_forward_hook(after),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def starting_vectors(model: LanguageModel, length: int, *, seed: int) -> Tensor:
    """Where a fit begins, (L, D) float32: embeddings of tokens drawn from the vocabulary."""
    generator = torch.Generator().manual_seed(derive_seed(seed, "soft-prompt"))
    size = int(model.network.config.get_text_config().vocab_size)
    ids_L = torch.randint(size, (length,), generator=generator).to(model.device)
    with torch.no_grad():
        start_LD: Tensor = model.network.get_input_embeddings()(ids_L).float().clone()
    return start_LD


def schedule(num: int, updates: int, batch: int, *, seed: int) -> list[list[int]]:
    """Which of `num` rows each update reads: every row once before any comes again.

    Args:
        num: how many rows there are.
        updates: how many updates.
        batch: rows an update; all, where there are fewer.
        seed: of the order.
    """
    rng = np.random.default_rng(derive_seed(seed, "soft-prompt-order"))
    size = min(batch, num)
    drawn: list[int] = []
    while len(drawn) < updates * size:
        drawn += rng.permutation(num).tolist()
    return [drawn[at * size : (at + 1) * size] for at in range(updates)]


def chosen_log_probabilities(
    model: LanguageModel,
    rows: Sequence[Encoded],
    choices: Choices,
    taken: Sequence[Tensor] | None = None,
) -> Tensor:
    """Log p of what was chosen at each choice, (M,), in nats; differentiable.

    As `choice_log_probabilities` has it, but over a whole vocabulary no more logits are held than
    `token_log_probabilities` needs.
    """
    if choices.kind == "digits":
        return choice_log_probabilities(model, rows, choices, taken).chosen_logps
    ids_BT = padded([row.ids for row in rows], 0, model.device)
    at = [(b, t) for b, row in enumerate(rows) for t in range(row.start, len(row.ids))]
    row_M, position_M = torch.tensor(at, device=model.device).unbind(1)
    target_M = ids_BT[row_M, position_M]
    if taken is not None:
        target_M = torch.cat(list(taken)).to(model.device)
    hidden_MD = hidden_states(model, ids_BT)[row_M, position_M - 1]
    return token_log_probabilities(model, hidden_MD, target_M)


def fit_soft_prompt(
    base: LanguageModel,
    rows: Sequence[Encoded],
    choices: Choices,
    *,
    start_LD: Tensor,
    order: Sequence[Sequence[int]],
    rate: float,
    taken: Sequence[Tensor] | None = None,
    tokens: int = _TOKENS,
) -> tuple[Tensor, list[float]]:
    """Fit a soft prompt to the likelihood of rows' choices, by Adam at a rate that falls to zero.

    Args:
        base: frozen.
        rows: to learn from.
        choices: what of a row counts, each as much as any other of its update.
        start_LD: where to begin.
        order: the rows of each update (`schedule`).
        rate: learning rate, in root mean squares of `start_LD`, so that it means the same for every
            base.
        taken: for each row what counts as chosen (`drawn`), in the place of what it says.
        tokens: of a batch, the soft prompt's included; it bounds memory and changes no result.

    Returns:
        The vectors, (L, D) float32, and the loss of each update, in nats a choice, before it.

    Known failure: a soft prompt is not the writer's prompt. Many fit alike, and few rows are learned
    by heart; only rows that were held out say whether there was something to learn.
    """
    soft_LD = start_LD.detach().clone().requires_grad_()
    step = rate * float(start_LD.square().mean().sqrt())
    optimizer = make_optimizer("adam", [soft_LD], step, 0.0)
    losses = []
    for update, chosen in enumerate(order):
        optimizer.param_groups[0]["lr"] = step * rate_at(update, len(order), "linear", 0)
        total, num, gradient_LD = 0.0, 0, torch.zeros_like(soft_LD)
        lengths = [len(rows[index].ids) + len(soft_LD) for index in chosen]
        for batch in by_length(lengths, tokens):
            some = [chosen[number] for number in batch]
            own = None if taken is None else [taken[index] for index in some]
            with torch.enable_grad(), with_soft_prompt(base, soft_LD):
                logps_M = chosen_log_probabilities(base, [rows[i] for i in some], choices, own)
                if not len(logps_M):  # rows without a choice
                    continue
                (part_LD,) = torch.autograd.grad(-logps_M.sum(), soft_LD)
            gradient_LD += part_LD
            total -= float(logps_M.detach().sum())
            num += len(logps_M)
        soft_LD.grad = gradient_LD / max(1, num)
        optimizer.step()
        losses.append(total / max(1, num))
    return soft_LD.detach(), losses
