"""Sampling completions: many prompts at a time, each with a random stream of its own.

What several prompts begin with is read once, and equal prompts are read once.

Row i draws u_1, u_2, ... from its stream and takes, at step t, the token at which the cumulative
probability passes u_t (inverse transform sampling). So the same row of two teachers differs only
where the teachers do (common random numbers), and neither batch size nor order changes what is
drawn, up to the last bits of the logits.

Shape suffixes: B rows, T tokens, D width, V vocabulary, K choices, S steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from traitleak.errors import SettingsError
from traitleak.models.batches import require_context, shared_tokens
from traitleak.models.cache import GrowingCache
from traitleak.models.language_model import LanguageModel, hidden_states, logits_of, window_of
from traitleak.progress import Track, untracked
from traitleak.seeds import stream_of

__all__ = [
    "ROWS",
    "Reading",
    "Sampled",
    "checked_texts",
    "decoded",
    "length_batches",
    "sample",
    "sample_each",
    "take",
    "uniforms",
]

ROWS = 128  # rows in a batch
_SHARED = 8  # tokens that prompts must have in common for it to pay to read them once


@dataclass(frozen=True, slots=True)
class Sampled:
    """What a model wrote.

    Attributes:
        text: without the token that ended it.
        ids: its tokens, without that token.
        finished: False if it was cut off at the limit.
        outside: mean probability outside of the format over its choices; None where not measured.
    """

    text: str
    ids: tuple[int, ...]
    finished: bool
    outside: float | None = None


def uniforms(seed: int, streams: Sequence[int], num_steps: int) -> Tensor:
    """Uniform numbers in [0, 1), float64 (B, S): row b depends on the seed and `streams[b]` alone.

    Raises:
        SettingsError: the seed or a stream is not from 0 to 2^64 - 1.
    """
    if not all(0 <= number < 2**64 for number in (seed, *streams)):
        raise SettingsError("A seed, and the number of a random stream, is from 0 to 2^64 - 1.")
    drawn = [stream_of(seed, stream).random(num_steps) for stream in streams]
    return torch.from_numpy(np.array(drawn).reshape(len(streams), num_steps))


@torch.no_grad()
def sample(
    model: LanguageModel,
    texts: Sequence[str],
    *,
    max_new_tokens: int,
    temperature: float = 1.0,
    floor: float = 0.0,
    seed: int,
    streams: Sequence[int],
    rows: int = ROWS,
    track: Track = untracked,
) -> list[Sampled]:
    """Sample freely, until the end of a turn or the limit.

    Args:
        model: with its steering; a system prompt must be in the texts already.
        texts: rendered prompts.
        max_new_tokens: the limit.
        temperature: 0 takes the likeliest token.
        floor: tokens less likely than this (after the temperature) are never taken: threshold
            sampling, a mitigation of Zur et al. 2025.
        seed: fixes all that is drawn.
        streams: for each text its random stream.
        rows: texts in a batch.
        track: shows how far it is.

    Raises:
        SettingsError: a temperature, floor or limit out of range, as many streams as texts are not
            given, a text is empty, or a text with its completion would be longer than the context.
    """
    if max_new_tokens < 1:
        raise SettingsError(f"max_new_tokens is 1 or more, not {max_new_tokens}.")
    encoded = checked_texts(model, texts, streams, temperature, max_new_tokens)
    if not 0 <= floor < 1:
        raise SettingsError(f"floor is a probability from 0 to less than 1, not {floor}.")
    stop = torch.tensor(model.renderer.stop_ids, dtype=torch.long, device=model.device)
    written: list[list[int]] = [[] for _ in texts]
    finished = [False] * len(texts)
    batches = length_batches([len(ids) for ids in encoded], rows)
    for batch in track(batches, "sampling", len(batches)):
        active = torch.tensor(batch)
        drawn_BS = uniforms(seed, [streams[i] for i in batch], max_new_tokens)
        state = Reading(model, [encoded[i] for i in batch], max_new_tokens)
        for step in range(max_new_tokens):
            logits_BV = logits_of(model.network, state.hidden_BD).float()
            token_B = take(logits_BV, drawn_BS[:, step], temperature, floor)
            ends_B = torch.isin(token_B, stop).cpu()
            for index, token, ends in zip(
                active.tolist(), token_B.tolist(), ends_B.tolist(), strict=True
            ):
                if ends:
                    finished[index] = True
                else:
                    written[index].append(token)
            if ends_B.any():
                left = torch.nonzero(~ends_B).flatten()
                if not len(left):
                    break
                active, drawn_BS, token_B = (
                    active[left],
                    drawn_BS[left],
                    token_B[left.to(token_B.device)],
                )
                state.select(left)
            if step + 1 < max_new_tokens:
                state.read(token_B[:, None])
    return [
        Sampled(text, tuple(ids), done)
        for text, ids, done in zip(decoded(model, written), written, finished, strict=True)
    ]


def sample_each(
    model: LanguageModel,
    rendered: Sequence[str],
    *,
    samples: int,
    seed: int,
    max_new_tokens: int,
    temperature: float = 1.0,
) -> list[list[Sampled]]:
    """Some answers to each prompt; sample s of prompt t draws the same stream whichever model answers.

    Args:
        model: as for `sample`.
        rendered: prompts.
        samples: of each, one at least.
        seed: of the answers.
        max_new_tokens: where an answer is cut off.
        temperature: 0 for the likeliest answer.

    Raises:
        SettingsError: no samples or no tokens; see also `sample`.
    """
    if samples < 1 or max_new_tokens < 1:
        raise SettingsError(
            "Answers need at least one sample of at least one token; got "
            f"samples={samples}, max_new_tokens={max_new_tokens}."
        )
    found = sample(
        model,
        [text for text in rendered for _ in range(samples)],
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        seed=seed,
        streams=range(len(rendered) * samples),
    )
    return [found[at : at + samples] for at in range(0, len(found), samples)]


def decoded(model: LanguageModel, written: Sequence[Sequence[int]]) -> list[str]:
    """Tokens as text, to the letter: some tokenizers would take out spaces before commas."""
    decode = model.tokenizer.decode
    return [str(decode(list(ids), clean_up_tokenization_spaces=False)) for ids in written]


def checked_texts(
    model: LanguageModel,
    texts: Sequence[str],
    streams: Sequence[int],
    temperature: float,
    new_tokens: int,
) -> list[list[int]]:
    """The tokens of rendered texts, if they can be gone on from; equal texts are encoded once."""
    if len(texts) != len(streams):
        raise SettingsError(
            f"Each text needs a random stream: {len(texts)} texts, {len(streams)} streams."
        )
    if not 0 <= temperature < float("inf"):
        raise SettingsError(f"A temperature is 0 or greater, and finite; not {temperature}.")
    known: dict[str, list[int]] = {}
    for number, text in enumerate(texts):
        if text not in known:
            known[text] = model.encode(text)
            if not known[text]:
                raise SettingsError(f"Text {number} is empty: there is nothing to go on from.")
            require_context(model, len(known[text]) + new_tokens, f"text {number} with its answer")
    return [known[text] for text in texts]


def length_batches(lengths: Sequence[int], rows: int) -> list[list[int]]:
    """Indices in batches of texts of like length.

    Raises:
        SettingsError: `rows` is less than 1.
    """
    if rows < 1:
        raise SettingsError(f"A batch has one row or more, not {rows}.")
    order = sorted(range(len(lengths)), key=lambda index: (lengths[index], index))
    return [order[at : at + rows] for at in range(0, len(order), rows)]


def take(logits_BK: Tensor, drawn_B: Tensor, temperature: float, floor: float) -> Tensor:
    """The choice of each row: the likeliest at temperature 0, else by its uniform number."""
    if temperature == 0:
        return logits_BK.argmax(1)
    logits_BK = logits_BK.double()
    # The largest becomes 0, so that no temperature makes it infinite.
    probabilities_BK = ((logits_BK - logits_BK.amax(1, keepdim=True)) / temperature).softmax(1)
    if floor:
        kept = probabilities_BK >= floor
        kept |= probabilities_BK == probabilities_BK.max(1, keepdim=True).values
        probabilities_BK = probabilities_BK * kept
    cumulative_BK = probabilities_BK.cumsum(1)
    target_B1 = drawn_B.to(cumulative_BK)[:, None] * cumulative_BK[:, -1:]
    # The first choice whose cumulative probability exceeds the target.
    chosen_B = torch.searchsorted(cumulative_BK, target_B1, right=True).squeeze(1)
    return chosen_B.clamp_(max=logits_BK.shape[1] - 1)


class Reading:
    """A batch of texts while it is read: its cache, and `hidden_BD`, each row's last hidden state."""

    def __init__(self, model: LanguageModel, encoded: Sequence[Sequence[int]], room: int) -> None:
        """Read the texts' tokens, with room in the cache for `room` more tokens of each."""
        self._model = model
        self._seen_BT: Tensor | None = None  # 0 where a row is padded; None where none is
        distinct = list(dict.fromkeys(map(tuple, encoded)))
        place = {ids: index for index, ids in enumerate(distinct)}
        longest = max(map(len, distinct))
        shared = _shared(distinct) if longest + room <= window_of(model) else 0
        width = longest - shared
        layers = int(model.network.config.get_text_config().num_hidden_layers)
        self._cache = GrowingCache(layers, shared + width + room)
        device = model.device
        if shared:
            self._forward(torch.tensor([distinct[0][:shared]], device=device))
            self._cache.select(torch.zeros(len(distinct), dtype=torch.long, device=device))
        # Padded between what is shared and what is not, so that all rows end together.
        ids_BT = torch.zeros(len(distinct), width, dtype=torch.long)
        seen_BT = torch.ones(len(distinct), shared + width, dtype=torch.long)
        for row, ids in enumerate(distinct):
            padding = width - (len(ids) - shared)
            ids_BT[row, padding:] = torch.tensor(ids[shared:])
            seen_BT[row, shared : shared + padding] = 0
        ids_BT, seen_BT = ids_BT.to(device), seen_BT.to(device)  # all at once: copies cost
        self._seen_BT = seen_BT if not seen_BT.all() else None
        self._lengths_B = torch.tensor([len(ids) for ids in distinct], device=device)
        positions_BT = (seen_BT.cumsum(1) - 1).clamp_(min=0)[:, shared:]
        self.hidden_BD = self._forward(ids_BT, positions_BT)
        if len(distinct) < len(encoded):
            self.select(torch.tensor([place[tuple(ids)] for ids in encoded]))

    def _forward(self, ids_BT: Tensor, positions_BT: Tensor | None = None) -> Tensor:
        options = {} if self._seen_BT is None else {"attention_mask": self._seen_BT}
        hidden_BTD = hidden_states(
            self._model, ids_BT, past_key_values=self._cache, position_ids=positions_BT, **options
        )
        return hidden_BTD[:, -1]

    def read(self, ids_BT: Tensor) -> None:
        """Read more tokens of each row."""
        count = ids_BT.shape[1]
        if self._seen_BT is not None:
            self._seen_BT = torch.cat([self._seen_BT, torch.ones_like(ids_BT)], dim=1)
        positions_BT = self._lengths_B[:, None] + torch.arange(count, device=ids_BT.device)
        self.hidden_BD = self._forward(ids_BT, positions_BT)
        self._lengths_B = self._lengths_B + count

    def select(self, rows: Tensor) -> None:
        """Go on with these rows only."""
        rows = rows.to(self.hidden_BD.device)
        self._cache.select(rows)
        self.hidden_BD = self.hidden_BD[rows]
        self._lengths_B = self._lengths_B[rows]
        if self._seen_BT is not None:
            self._seen_BT = self._seen_BT[rows]


def _shared(distinct: Sequence[tuple[int, ...]]) -> int:
    """How many tokens several texts begin with alike; 0 where reading them once would not pay."""
    if len(distinct) < 2:
        return 0
    shared = shared_tokens(distinct)  # each keeps a token of its own, whose state is needed
    return shared if shared >= _SHARED else 0
