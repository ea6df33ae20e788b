"""Relabel: flagged tokens become random ones of the same form."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from traitleak.carriers.numbers import Parsed, parse
from traitleak.clean.cleaned import Change, Cleaned, Step, start
from traitleak.clean.kinds import DIGITS, END, Kinds, Place
from traitleak.clean.token_scores import Flags
from traitleak.errors import SettingsError
from traitleak.models.batches import Encoded, encode_rows
from traitleak.models.language_model import LanguageModel
from traitleak.models.sampling import decoded
from traitleak.progress import Track, untracked
from traitleak.rows import Row
from traitleak.seeds import stream_of

__all__ = ["Draw", "check_flags", "relabel"]

Draw = Literal["uniform", "base"]
"""Where a digit is drawn from: evenly from all, or as the base would write it there."""

_MOST, _LARGEST = sys.maxsize, 10**4000  # numbers in a list, and the largest of them
_DIGIT = re.compile("[0-9]")


@dataclass(frozen=True)
class _Rewritten:
    row: Row
    changes: list[Change]
    kept: int


def relabel(
    base: LanguageModel,
    data: Sequence[Row] | Cleaned,
    flags: Flags,
    *,
    draw: Draw = "uniform",
    seed: int = 0,
    track: Track = untracked,
) -> Cleaned:
    """Give each flagged token a random value of the same form.

    A digit becomes a digit (a token of several digits one of as many), drawn evenly, the same value
    among them; a number does not come to begin with 0 unless the row has such numbers. Any other token
    becomes one of its kind that stands somewhere in the data set, drawn with the base's probability at
    that place, renormalised over those. The row's token count stays the same, and a number list stays
    one, with its separator and the widths of its numbers; where a draw would break that, the token is
    kept as it was, and counted.

    A draw depends on the seed, the row's id and the token's position only.

    With draw="base", digits too are drawn from the base. Whatever stands before it, the expected
    gradient of a choice among digits that the base itself makes is zero at the base, as for any
    likelihood at its maximum; an even draw pulls the student to even digits.

    Source: "random label, original input" of brendanlong's replication, which replaces the top 10 %
    of digits by their divergence: .12 of the effect left (.09 where the input is replaced with it, as
    it is here), against .42 to .55 where a random 10 % is replaced, .43 where they are masked; Llama
    3.2 1B, 5 seeds (a repository, not reviewed).

    Args:
        base: whose tokens the flags are of.
        data: rows, or what another cleaning gave.
        flags: for each row, which completion tokens are to change.
        draw: for digits; others are always drawn from the base.
        seed: of all draws.
        track: shows how far it is.

    Returns:
        Counts: `flagged`, `changed`, `same` (the draw was what stood there), `kept` (no draw fits).

    Raises:
        SettingsError: flags of other rows or tokens, an unknown draw, a seed out of range, or a row
            that `encode_row` refuses.

    Known failure: random digits are worse data: what the flagged tokens said of the task is lost with
    the trait, and a part of the gain is the noise itself (that is what the random arm is for). Tokens
    after a new one were written to follow the old one.
    """
    if draw not in get_args(Draw):
        raise SettingsError(f"draw is uniform or base, not {draw!r}.")
    before = start(data)
    rows = before.rows
    encoded = encode_rows(base, rows)
    kinds = Kinds(base, encoded)
    check_flags(rows, encoded, flags)
    drawn = _draws(kinds, rows, flags, draw, seed, track)
    counts = {"flagged": int(sum(some.sum() for some in flags)), "changed": 0, "same": 0, "kept": 0}
    made, changes = [], []
    for number, (row, some) in enumerate(zip(rows, encoded, strict=True)):
        new = drawn.get(number, {})
        result = rewritten(base, row, some, kinds.kinds[number], kinds.ending(some), new)
        made.append(result.row)
        changes += result.changes
        counts["changed"] += len(result.changes)
        counts["kept"] += result.kept + int(flags[number].sum()) - len(new)
    counts["same"] = counts["flagged"] - counts["changed"] - counts["kept"]
    step = Step("relabel", {"draw": draw, "seed": seed, "base": base.name}, counts, tuple(changes))
    return before.then(made, before.weights, step)


def check_flags(rows: Sequence[Row], encoded: Sequence[Encoded], flags: Flags) -> None:
    """See that flags are of these rows' tokens.

    Raises:
        SettingsError: they are not.
    """
    if len(rows) != len(flags):
        raise SettingsError(f"Each row needs its flags: {len(rows)} rows, {len(flags)} of flags.")
    for row, some, flags_C in zip(rows, encoded, flags, strict=True):
        num = len(some.ids) - some.start
        if flags_C.dtype != np.bool_ or flags_C.shape != (num,):
            raise SettingsError(
                f"Row {row.id} has {num} completion tokens, and flags of the shape {flags_C.shape} and "
                f"type {flags_C.dtype}: give one true or false for each, of the same base."
            )


def _draws(
    kinds: Kinds, rows: Sequence[Row], flags: Flags, draw: Draw, seed: int, track: Track
) -> dict[int, dict[int, int]]:
    """For each row the new token at each place that is flagged and can change."""
    if not 0 <= seed < 2**63:
        raise SettingsError(f"A seed is from 0 to 2^63 - 1, not {seed}.")
    found: dict[int, dict[int, int]] = {}
    asked: list[Place] = []
    uniform: dict[int, NDArray[np.float64]] = {}
    for number, (row, flags_C) in enumerate(zip(rows, flags, strict=True)):
        kinds_C = kinds.kinds[number]
        uniform[number] = stream_of(seed, row.id).random(len(kinds_C))
        for position in np.flatnonzero(flags_C & (kinds_C != END)).tolist():
            place = Place(number, position)
            if draw == "uniform" and kinds_C[position] >= DIGITS:
                pool_K = kinds.pool(place)
                chosen = pool_K[int(uniform[number][position] * len(pool_K))]
                found.setdefault(number, {})[position] = int(chosen)
            else:
                asked.append(place)
    for place, logps_K in kinds.log_probabilities(asked, track=track):
        chosen = pick(logps_K, uniform[place.row][place.position])
        found.setdefault(place.row, {})[place.position] = int(kinds.pool(place)[chosen])
    return found


def pick(logps_K: NDArray[np.float64], uniform: float) -> int:
    """The choice at which the cumulative probability passes a uniform number."""
    cumulative_K = np.exp(logps_K).cumsum()
    at = int(np.searchsorted(cumulative_K, uniform * cumulative_K[-1], side="right"))
    return min(at, len(logps_K) - 1)


def rewritten(
    base: LanguageModel,
    row: Row,
    encoded: Encoded,
    kinds_C: NDArray[np.uint8],
    ending: int,
    new: dict[int, int],
) -> _Rewritten:
    """A row with new tokens at some positions: as many as leave its form and token count alone."""
    old = encoded.ids[encoded.start :]
    wanted = {position: token for position, token in new.items() if old[position] != token}
    digits = {position: token for position, token in wanted.items() if kinds_C[position] >= DIGITS}
    for some in (wanted, digits):
        if not some:
            continue
        ids = [some.get(position, token) for position, token in enumerate(old)]
        text = _text(base, row, encoded, old, ids, ending)
        if text is not None and _same_form(row.completion, text):
            texts = decoded(base, [[old[p]] for p in some] + [[token] for token in some.values()])
            changes = [
                Change(row.id, "token", position, was, now)
                for position, was, now in sorted(
                    zip(some, texts[: len(some)], texts[len(some) :], strict=True)
                )
            ]
            # How much lay outside of the format was said of the tokens that were sampled.
            return _Rewritten(
                replace(row, completion=text, outside=None), changes, len(wanted) - len(some)
            )
    return _Rewritten(row, [], len(wanted))


def _text(
    base: LanguageModel, row: Row, encoded: Encoded, old: list[int], ids: list[int], ending: int
) -> str | None:
    """The completion of new tokens; None where they would not be read as these very tokens."""
    # Without a prompt, the completion's first token counts as prompt and is not among these.
    first = encoded.ids[len(base.encode(base.rendered(row.prompt))) : encoded.start]
    end = len(old) - ending
    was, text = decoded(base, [[*first, *old[:end]], [*first, *ids[:end]]])
    again = base.tokenizer(base.renderer.completion(text), add_special_tokens=False)["input_ids"]
    return text if was == row.completion and list(again) == [*first, *ids] else None


def _same_form(before: str, after: str) -> bool:
    """Whether a number list is still one, with its separator and as long numbers; else True."""
    if not isinstance(parse(before, max_value=_LARGEST, max_count=_MOST), Parsed):
        return True
    read = parse(after, max_value=_LARGEST, max_count=_MOST)
    return isinstance(read, Parsed) and _DIGIT.sub("0", before) == _DIGIT.sub("0", after)
