"""Logits after many texts that begin alike: what they share is read once.

Sixty rows in a prompt are thousands of tokens, and each of fifty questions stands after them.

Shape suffixes: B rows of a batch, T tokens, D width, K chosen tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers.cache_utils import DynamicLayer

from traitleak.errors import SettingsError
from traitleak.models.batches import by_length, require_context, shared_tokens
from traitleak.models.cache import GrowingCache
from traitleak.models.language_model import (
    LanguageModel,
    hidden_states,
    logits_of,
    padded,
    window_of,
)
from traitleak.progress import Track, untracked
from traitleak.reading.noted import Noted

__all__ = ["logits_after"]

_TOKENS = 16_384  # held at once, prefix counted for each row: keys and values are what fills memory
_WORTH = 8  # tokens that texts must share for it to pay


@torch.no_grad()
def logits_after(
    model: LanguageModel,
    encoded: Sequence[Sequence[int]],
    token_ids: Sequence[Sequence[int]],
    *,
    tokens: int = _TOKENS,
    noted: Noted | None = None,
    track: Track = untracked,
) -> Tensor:
    """Logits of K tokens of its own as the next one after each text, (num_texts, K) float32 on the CPU.

    What `models.scoring.next_token_logits` gives, to the last bits of the products, with the tokens
    that all texts begin with read once.

    Args:
        model: with its steering.
        encoded: tokens of rendered texts, with a system prompt if there is one.
        token_ids: for each text the K tokens.
        tokens: how many a batch may hold, those that are shared counted for each text.
        noted: keeps the logits of each batch; those that it has are not computed again.
        track: shows how far it is.

    Raises:
        SettingsError: no text, an empty one, or one that is longer than the model's context.
    """
    if not encoded or not all(encoded):
        raise SettingsError("Logits of a next token need one text or more, none of them empty.")
    for number, ids in enumerate(encoded):
        require_context(model, len(ids), f"text {number}")
    shared = shared_tokens(encoded)
    if shared < _WORTH or len(encoded) < 2 or max(map(len, encoded)) > window_of(model):
        shared = 0
    prefix = None
    noted = noted or Noted()
    logits = torch.empty(len(encoded), len(token_ids[0]))
    batches = list(by_length([len(ids) for ids in encoded], tokens))
    for batch in track(batches, "reading", len(batches)):
        known = [noted.get(list(encoded[index]), list(token_ids[index])) for index in batch]
        if all(known):
            logits[batch] = torch.tensor(known)
            continue
        rest = [encoded[index][shared:] for index in batch]
        options = {}
        if shared:
            if prefix is None:
                prefix = _read(model, encoded[0][:shared])
            options["past_key_values"] = _copied(prefix, len(batch), max(map(len, rest)))
        # Padded on the right, where nothing that counts can see it.
        hidden_BTD = hidden_states(model, padded(rest, 0, model.device), **options)
        last_B = torch.tensor([len(row) - 1 for row in rest], device=model.device)
        hidden_BD = hidden_BTD[torch.arange(len(rest), device=model.device), last_B]
        asked = sorted({token for index in batch for token in token_ids[index]})
        place = {token: at for at, token in enumerate(asked)}
        found_BK = logits_of(
            model.network, hidden_BD, torch.tensor(asked, device=model.device)
        ).float()
        columns_BK = torch.tensor([[place[t] for t in token_ids[index]] for index in batch])
        logits[batch] = found_BK.cpu().gather(1, columns_BK)
        about = [(list(encoded[index]), list(token_ids[index])) for index in batch]
        noted.note(list(zip(about, logits[batch].tolist(), strict=True)))
    return logits


def _read(model: LanguageModel, ids: Sequence[int]) -> GrowingCache:
    """Keys and values of some tokens, one row."""
    layers = int(model.network.config.get_text_config().num_hidden_layers)
    cache = GrowingCache(layers, len(ids))
    hidden_states(model, padded([ids], 0, model.device), past_key_values=cache)
    return cache


def _copied(prefix: GrowingCache, rows: int, room: int) -> GrowingCache:
    """The same keys and values for several rows, with room for more; the prefix stays as it is."""
    read = []
    for layer in prefix.layers:
        assert isinstance(layer, DynamicLayer)  # noqa: S101  # as GrowingCache makes them
        assert layer.keys is not None  # noqa: S101
        assert layer.values is not None  # noqa: S101
        read.append((layer.keys.expand(rows, -1, -1, -1), layer.values.expand(rows, -1, -1, -1)))
    cache = GrowingCache(len(read), int(read[0][0].shape[-2]) + room)
    for number, (keys, values) in enumerate(read):
        cache.update(keys, values, number)
    return cache
