"""Teachers write rows: the carrier's prompts, answered in the carrier's form or freely."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from traitleak.carriers.number_decoding import sample_numbers
from traitleak.carriers.number_template import number_template
from traitleak.errors import SettingsError
from traitleak.models.language_model import LanguageModel
from traitleak.models.sampling import Sampled, sample
from traitleak.progress import Track, untracked
from traitleak.rows import Row

__all__ = ["write_numbers", "write_texts"]


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
    ids: Sequence[int] | None = None,
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
        floor: a token less likely than this is never taken (Zur et al. 2025, owls.baulab.info);
            constrained: a digit, among those that may stand there.
        max_new_tokens: limit of free decoding.
        seed: of all draws.
        first_id: the first prompt's number: the rows of a part of the prompts are those rows of all.
        ids: the prompts' numbers, where they do not follow one another.
        track: shows how far it is.

    Raises:
        SettingsError: a floor out of range; see also `sample`, `sample_numbers` and `number_template`.
    """
    if not 0 <= floor < 1:
        raise SettingsError(f"floor is a probability from 0 to less than 1, not {floor}.")
    if decoding == "free":
        return write_texts(
            model,
            prompts,
            teacher=teacher,
            temperature=temperature,
            floor=floor,
            max_new_tokens=max_new_tokens,
            seed=seed,
            first_id=first_id,
            ids=ids,
            track=track,
        )
    ids = range(first_id, first_id + len(prompts)) if ids is None else ids
    rendered = [model.rendered(prompt) for prompt in prompts]
    opening = " " if model.renderer.style == "plain" else ""
    template = number_template(
        model.tokenizer, count=count, width=width, opening=opening, before=rendered[0]
    )
    written = sample_numbers(
        model,
        rendered,
        template,
        temperature=temperature,
        floor=floor,
        seed=seed,
        streams=ids,
        track=track,
    )
    return _rows(ids, prompts, written, teacher)


def write_texts(
    model: LanguageModel,
    prompts: Sequence[str],
    *,
    teacher: str,
    temperature: float = 1.0,
    floor: float = 0.0,
    max_new_tokens: int = 512,
    seed: int = 0,
    first_id: int = 0,
    ids: Sequence[int] | None = None,
    track: Track = untracked,
) -> list[Row]:
    """One row for each prompt of any carrier, sampled freely until the teacher ends its turn.

    Row i draws stream i of the seed, whichever teacher writes. No form is forced: filters find what
    keeps to the carrier's.

    Args:
        model: the teacher, with its system prompt and steering.
        prompts: of the carrier (`carriers.Code.prompts`, `carriers.Reasoning.prompts`).
        teacher: who is written into the rows.
        temperature: 0 takes the likeliest token.
        floor: a token less likely than this is never taken.
        max_new_tokens: tokens of a completion at most; short functions take about 200, chains of
            thought of a few steps about 150.
        seed: of all draws.
        first_id: the first prompt's number: the rows of a part of the prompts are those rows of all.
        ids: the prompts' numbers, where they do not follow one another.
        track: shows how far it is.

    Returns:
        Rows in the order of the prompts; `outside` is None, and `finished` False where the limit
        cut the completion off.

    Raises:
        SettingsError: see `sample`.

    Known failure: a small model seldom keeps to a form that it is only asked for, so that few of its
    rows pass the carrier's filter.
    """
    ids = range(first_id, first_id + len(prompts)) if ids is None else ids
    written = sample(
        model,
        [model.rendered(prompt) for prompt in prompts],
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        floor=floor,
        seed=seed,
        streams=ids,
        track=track,
    )
    return _rows(ids, prompts, written, teacher)


def _rows(
    ids: Sequence[int], prompts: Sequence[str], written: Sequence[Sampled], teacher: str
) -> list[Row]:
    return [
        Row(id_, prompt, one.text, teacher, one.outside, one.finished)
        for id_, prompt, one in zip(ids, prompts, written, strict=True)
    ]
