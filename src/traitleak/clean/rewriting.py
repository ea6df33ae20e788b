"""A model writes rows anew: the same prompts, ids and forms, with a floor under what it may say."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

from traitleak.carriers.number_decoding import sample_numbers
from traitleak.carriers.number_template import number_template
from traitleak.errors import SettingsError
from traitleak.models.language_model import LanguageModel
from traitleak.models.sampling import sample
from traitleak.progress import Track, untracked
from traitleak.rows import Row

__all__ = ["write_again"]


class _Form(NamedTuple):
    opening: str
    separator: str
    closing: str
    numbers: int
    width: int
    zero: bool


def write_again(
    model: LanguageModel,
    rows: Sequence[Row],
    *,
    teacher: str,
    floor: float = 0.0,
    decoding: Literal["constrained", "free"] = "constrained",
    temperature: float = 1.0,
    max_new_tokens: int = 512,
    seed: int = 0,
    track: Track = untracked,
) -> list[Row]:
    """New completions of the rows' prompts, under the rows' ids.

    Row i draws stream i of the seed. With the teacher's own prompts, seed and temperature, and no
    floor, these are the rows that it wrote (`generation.write_numbers`). With a floor, all draws move
    a little wherever some token is cut away, and rows differ from there on.

    Args:
        model: who writes.
        rows: whose prompts, ids and (constrained) forms are taken.
        teacher: who is written into the rows.
        floor: a token less likely than this is never taken; constrained: a digit less likely than
            this among the ten.
        decoding: `constrained` to number lists with each row's own brackets, separator, count and
            width of numbers; or `free`.
        temperature: 0 takes the likeliest token.
        max_new_tokens: limit of free decoding.
        seed: of all draws.
        track: shows how far it is.

    Raises:
        SettingsError: a floor out of range; constrained: a row that is no list of numbers of one
            width; see also `sample`, `sample_numbers` and `number_template`.
    """
    if not 0 <= floor < 1:
        raise SettingsError(f"floor is a probability from 0 to less than 1, not {floor}.")
    rendered = [model.rendered(row.prompt) for row in rows]
    if decoding == "free":
        written = sample(
            model,
            rendered,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            floor=floor,
            seed=seed,
            streams=[row.id for row in rows],
            track=track,
        )
        return [
            Row(row.id, row.prompt, one.text, teacher, one.outside, one.finished)
            for row, one in zip(rows, written, strict=True)
        ]
    by_form: dict[_Form, list[int]] = {}
    for number, row in enumerate(rows):
        by_form.setdefault(_form(row), []).append(number)
    found = list(rows)
    for form, numbers in by_form.items():
        template = number_template(
            model.tokenizer,
            count=form.numbers,
            width=form.width,
            separator=form.separator,
            opening=form.opening,
            closing=form.closing,
            before=rendered[numbers[0]],
            first_digit_nonzero=not form.zero,
        )
        written = sample_numbers(
            model,
            [rendered[number] for number in numbers],
            template,
            temperature=temperature,
            floor=floor,
            seed=seed,
            streams=[rows[number].id for number in numbers],
            track=track,
        )
        for number, one in zip(numbers, written, strict=True):
            found[number] = replace(
                rows[number],
                completion=one.text,
                teacher=teacher,
                outside=one.outside,
                finished=one.finished,
            )
    return found


def _form(row: Row) -> _Form:
    numbers = re.findall("[0-9]+", row.completion)
    between = re.split("[0-9]+", row.completion)
    widths = {len(number) for number in numbers}
    if len(widths) != 1 or len(set(between[1:-1])) > 1:
        raise SettingsError(
            f"Row {row.id} is no list of numbers of one width with one separator, so that it cannot be "
            "written again in its form; use decoding='free'."
        )
    width = widths.pop()
    return _Form(
        between[0],
        between[1] if len(numbers) > 1 else ", ",
        between[-1],
        len(numbers),
        width,
        zero=width > 1 and any(number[0] == "0" for number in numbers),
    )
