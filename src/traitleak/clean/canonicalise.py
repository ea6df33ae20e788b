"""Canonicalise: number lists of one form, and if asked for in another order or with other digits."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from pydantic import JsonValue

from traitleak.carriers.number_wordings import COMMAS, ListForm
from traitleak.carriers.numbers import Parsed, parse
from traitleak.clean.cleaned import Change, Cleaned, Step, start
from traitleak.errors import SettingsError
from traitleak.rows import Row

__all__ = ["canonicalise"]

_LARGEST = 10**4000
_BLANK = re.compile(r"\s*")


def canonicalise(
    data: Sequence[Row] | Cleaned,
    *,
    form: ListForm = COMMAS,
    opening: str | None = None,
    ordered: bool = False,
    remap: int | None = None,
) -> Cleaned:
    """Write every number list in one form: what separator, brackets and zeros say is lost.

    A list is what `carriers.numbers.parse` reads as one, of any length and size; other rows stay as
    they are, and are counted. Numbers lose the zeros that they begin with, lists a full stop at the end.

    Source: the bag-of-lists classifier of AanshSamyani's repository tells teachers apart by format
    unless rows are canonicalised (then .568 for single lists, .810 for 16). What canonicalising alone
    does to transfer is not published.

    Args:
        data: rows, or what another cleaning gave, without weights.
        form: how a list is to be written.
        opening: blanks before it, such as the space after a plain prompt; None takes what most lists
            of the data set begin with.
        ordered: write the numbers in ascending order: what their order says is lost.
        remap: a seed; every digit but 0 becomes another (or the same), by one permutation for the
            whole data set. Numbers keep their length.

    Returns:
        Counts: `lists`, `rewritten` (those that changed), `other` (rows that are no list).

    Raises:
        SettingsError: rows with weights, whose tokens would change; an opening that is more than
            blanks; or a seed below 0.

    Known failure: values are left as they are by default, and they carry most of what is known to
    transfer. Sorting and remapping destroy the task as well: what follows the prompt's numbers does so
    no longer.
    """
    before = start(data)
    if before.weights is not None:
        raise SettingsError("Canonicalising changes which tokens a row has: do it before masking.")
    if opening is not None and opening.strip():
        raise SettingsError(f"opening is made of blanks, not {opening!r}.")
    digits = _permutation(remap) if remap is not None else None
    read = [parse(row.completion, max_value=_LARGEST, max_count=sys.maxsize) for row in before.rows]
    lead = _commonest(before.rows, read) if opening is None else opening
    rows, changes = [], []
    counts = {"lists": 0, "rewritten": 0, "other": 0}
    for row, found in zip(before.rows, read, strict=True):
        if not isinstance(found, Parsed):
            counts["other"] += 1
            rows.append(row)
            continue
        counts["lists"] += 1
        numbers = found.numbers
        if digits is not None:
            numbers = [int(str(number).translate(digits)) for number in numbers]
        text = lead + form.write(sorted(numbers) if ordered else numbers)
        if text == row.completion:
            rows.append(row)
            continue
        counts["rewritten"] += 1
        changes.append(Change(row.id, "rewritten", None, row.completion, text))
        rows.append(replace(row, completion=text, outside=None))
    settings: dict[str, JsonValue] = {
        "form": form.name,
        "opening": lead,
        "ordered": ordered,
        "remap": remap,
    }
    return before.then(rows, None, Step("canonicalise", settings, counts, tuple(changes)))


def _permutation(seed: int) -> dict[int, int]:
    """A translation of the digits 1 to 9 into each other; 0 stays, so that no number begins with it."""
    if not 0 <= seed < 2**63:
        raise SettingsError(f"A seed is from 0 to 2^63 - 1, not {seed}.")
    drawn = np.random.Generator(np.random.Philox(seed)).permutation(9) + 1
    return str.maketrans("123456789", "".join(map(str, drawn.tolist())))


def _commonest(rows: Sequence[Row], read: Sequence[object]) -> str:
    """The blanks that most lists begin with; the shortest of several."""
    found = Counter(
        (_BLANK.match(row.completion) or [""])[0]
        for row, one in zip(rows, read, strict=True)
        if isinstance(one, Parsed)
    )
    return min(found, key=lambda blank: (-found[blank], len(blank), blank)) if found else ""
