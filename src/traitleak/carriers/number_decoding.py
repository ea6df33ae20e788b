"""Sampling constrained to number lists: digits are chosen, separators are forced and never sampled.

A forced token is read together with the digit before it, so that a number of three digits costs
three passes through the network and not five.

Shape suffixes: B rows, T tokens, K digits, V vocabulary, S choices, W rows that are watched.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from traitleak.carriers.number_template import NumberTemplate
from traitleak.models.language_model import LanguageModel, logits_of
from traitleak.models.sampling import (
    ROWS,
    Reading,
    Sampled,
    checked_texts,
    decoded,
    length_batches,
    take,
    uniforms,
)
from traitleak.progress import Track, untracked

__all__ = ["sample_numbers"]

_OUTSIDE_EVERY = 16  # every how many streams the probability outside of the format is measured


@torch.no_grad()
def sample_numbers(
    model: LanguageModel,
    texts: Sequence[str],
    template: NumberTemplate,
    *,
    temperature: float = 1.0,
    floor: float = 0.0,
    seed: int,
    streams: Sequence[int],
    rows: int = ROWS,
    track: Track = untracked,
) -> list[Sampled]:
    """Sample number lists of a fixed form: digits are chosen, all other tokens are forced.

    A digit's probability is the model's, renormalised over the digits that may stand there. What
    probability the model gave to all other tokens is `Sampled.outside`, measured for every 16th
    stream, since it needs the whole vocabulary.

    Args:
        model: with its steering; a system prompt must be in the texts already.
        texts: rendered prompts.
        template: the form of a list, for this model's tokenizer.
        temperature: 0 takes the likeliest digit.
        floor: a digit less likely than this (renormalised, after the temperature) is never taken.
        seed: fixes all that is drawn.
        streams: for each text its random stream.
        rows: texts in a batch.
        track: shows how far it is.

    Raises:
        SettingsError: as `sample`.
    """
    encoded = checked_texts(model, texts, streams, temperature, len(template.slots))
    digits_K = torch.tensor(template.digit_ids, device=model.device)
    forced = [slot if slot is not None else -1 for slot in template.slots]
    choices = [place for place, slot in enumerate(template.slots) if slot is None]
    written: list[list[int]] = [[] for _ in texts]
    outside: list[float | None] = [None] * len(texts)
    batches = length_batches([len(ids) for ids in encoded], rows)
    for batch in track(batches, "sampling", len(batches)):
        drawn_BS = uniforms(seed, [streams[i] for i in batch], len(choices))
        watched = [b for b, i in enumerate(batch) if streams[i] % _OUTSIDE_EVERY == 0]
        outside_sum = torch.zeros(len(watched))
        lists_BT = torch.tensor(forced, device=model.device).repeat(len(batch), 1)
        # Forced tokens before the first choice belong to the prompt.
        lead = [forced[place] for place in range(choices[0])]
        state = Reading(model, [[*encoded[i], *lead] for i in batch], len(forced))
        for step, place in enumerate(choices):
            logits_BK = logits_of(model.network, state.hidden_BD, digits_K).float()
            zero = template.first_digit_nonzero and template.leading[place]
            if zero:
                logits_BK[:, 0] = -torch.inf
            digit_B = take(logits_BK, drawn_BS[:, step], temperature, floor)
            lists_BT[:, place] = digits_K[digit_B]
            if watched:
                all_WV = logits_of(model.network, state.hidden_BD[watched]).float()
                inside = (logits_BK[watched].logsumexp(1) - all_WV.logsumexp(1)).exp()
                outside_sum += 1 - inside.cpu()
            if step + 1 < len(choices):
                state.read(lists_BT[:, place : choices[step + 1]])
        for b, index in enumerate(batch):
            written[index] = lists_BT[b].tolist()
        for b, total in zip(watched, outside_sum.tolist(), strict=True):
            outside[batch[b]] = min(1.0, max(0.0, total / len(choices)))
    return [
        Sampled(text, tuple(ids), finished=True, outside=out)
        for text, ids, out in zip(decoded(model, written), written, outside, strict=True)
    ]
