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

__all__ = ["write_again", "write_beside"]

_LONGEST = 512  # tokens of a completion that is written freely


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
        by_form.setdefault(_require_form(row), []).append(number)
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


def write_beside(
    model: LanguageModel,
    rows: Sequence[Row],
    *,
    teacher: str,
    lists: bool,
    seed: int = 0,
    track: Track = untracked,
) -> list[Row]:
    """Completions of the rows' prompts by another writer, in the rows' own form where they have one.

    In a data set of number lists, each list of numbers of one width is written with its brackets,
    separator, count and width; all other rows are written freely, as long as the longest of them at
    most. Row i draws stream i of the seed.

    Args:
        model: who writes, at temperature 1.
        rows: whose prompts, ids and forms are taken.
        teacher: who is written into the rows.
        lists: whether the data set is one of number lists (`audit.detectors.choices.choices_of`).
        seed: of all draws.
        track: shows how far it is.

    Raises:
        SettingsError: as `write_again`.

    Known failure: lists of numbers of several widths are written freely, and a model that continues
    plain text may then leave their form.
    """
    formed = [lists and _form(row) is not None for row in rows]
    found = list(rows)
    for constrained in (True, False):
        numbers = [number for number, is_formed in enumerate(formed) if is_formed == constrained]
        if not numbers:
            continue
        some = [rows[number] for number in numbers]
        written = write_again(
            model,
            some,
            teacher=teacher,
            decoding="constrained" if constrained else "free",
            max_new_tokens=_LONGEST if constrained else _room(model, some),
            seed=seed,
            track=track,
        )
        for number, row in zip(numbers, written, strict=True):
            found[number] = row
    return found


def _room(model: LanguageModel, rows: Sequence[Row]) -> int:
    """Tokens that a completion may have: as many as the longest has, as far as the context allows."""
    longest = max(len(model.encode(row.completion)) for row in rows)
    prompt = max(len(model.encode(model.rendered(row.prompt))) for row in rows)
    return max(1, min(longest, _LONGEST, model.context - prompt))


def _require_form(row: Row) -> _Form:
    form = _form(row)
    if form is None:
        raise SettingsError(
            f"Row {row.id} is no list of numbers of one width with one separator, so that it cannot be "
            "written again in its form; use decoding='free'."
        )
    return form


def _form(row: Row) -> _Form | None:
    numbers = re.findall("[0-9]+", row.completion)
    between = re.split("[0-9]+", row.completion)
    widths = {len(number) for number in numbers}
    if len(widths) != 1 or len(set(between[1:-1])) > 1:
        return None
    width = widths.pop()
    return _Form(
        between[0],
        between[1] if len(numbers) > 1 else ", ",
        between[-1],
        len(numbers),
        width,
        zero=width > 1 and any(number[0] == "0" for number in numbers),
    )
