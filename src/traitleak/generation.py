"""Teachers write rows: the carrier's prompts, answered in the carrier's form or freely."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from traitleak.carriers.number_decoding import sample_numbers
from traitleak.carriers.number_template import number_template
from traitleak.models.language_model import LanguageModel
from traitleak.models.sampling import sample
from traitleak.progress import Track, untracked
from traitleak.rows import Row

__all__ = ["write_numbers"]


def write_numbers(
    model: LanguageModel,
    prompts: Sequence[str],
    *,
    teacher: str,
    decoding: Literal["constrained", "free"] = "constrained",
    count: int = 9,
    width: int = 3,
    temperature: float = 1.0,
    floor: float = 0.0,
    max_new_tokens: int = 64,
    seed: int = 0,
    first_id: int = 0,
    track: Track = untracked,
) -> list[Row]:
    """One row for each prompt; row i draws stream i of the seed, whichever teacher writes.

    Args:
        model: the teacher, with its system prompt and steering.
        prompts: of the carrier (`carriers.Numbers.prompts`).
        teacher: who is written into the rows.
        decoding: `constrained` to lists of `count` numbers of `width` digits, or `free`.
        count: numbers a row, where constrained.
        width: digits a number, where constrained.
        temperature: 0 takes the likeliest token.
        floor: free decoding never takes a token less likely than this.
        max_new_tokens: limit of free decoding.
        seed: of all draws.
        first_id: the first prompt's number: the rows of a part of the prompts are those rows of all.
        track: shows how far it is.

    Raises:
        SettingsError: see `sample`, `sample_numbers` and `number_template`.
    """
    ids = range(first_id, first_id + len(prompts))
    rendered = [model.rendered(prompt) for prompt in prompts]
    if decoding == "free":
        written = sample(
            model,
            rendered,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            floor=floor,
            seed=seed,
            streams=ids,
            track=track,
        )
    else:
        opening = " " if model.renderer.style == "plain" else ""
        template = number_template(
            model.tokenizer, count=count, width=width, opening=opening, before=rendered[0]
        )
        written = sample_numbers(
            model, rendered, template, temperature=temperature, seed=seed, streams=ids, track=track
        )
    return [
        Row(id_, prompt, one.text, teacher, one.outside, one.finished)
        for id_, prompt, one in zip(ids, prompts, written, strict=True)
    ]
