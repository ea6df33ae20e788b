"""Threshold: tokens that are too unlikely are not there.

Two functions, which are not the same thing. `threshold_at_generation` lets the teacher write its rows
again and is what the published figure is of. `threshold` is for rows whose teacher is not at hand, and
goes by the base's probabilities: what a teacher's trait made likely, though the base thinks it
unlikely, is what it takes away; what the trait made unlikely it cannot bring back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from traitleak.clean.cleaned import Change, Cleaned, Step, start
from traitleak.clean.kinds import Kinds, Only, Place, eligible
from traitleak.clean.relabel import pick, rewritten
from traitleak.clean.rewriting import write_again
from traitleak.errors import SettingsError
from traitleak.models.batches import encode_rows
from traitleak.models.language_model import LanguageModel
from traitleak.progress import Track, untracked
from traitleak.rows import Row
from traitleak.seeds import stream_of

__all__ = ["Action", "threshold", "threshold_at_generation"]

Action = Literal["replace", "drop"]
"""What happens to an unlikely token: another takes its place, or its row goes."""

_SOURCE_FLOOR = 0.05


def threshold_at_generation(
    teacher: LanguageModel,
    data: Sequence[Row] | Cleaned,
    *,
    name: str = "",
    floor: float = _SOURCE_FLOOR,
    decoding: Literal["constrained", "free"] = "constrained",
    temperature: float = 1.0,
    max_new_tokens: int = 512,
    seed: int = 0,
    track: Track = untracked,
) -> Cleaned:
    """Let the teacher write its rows again, and never take a token less likely than a floor.

    Source: Zur et al. (2025, owls.baulab.info): keeping only tokens with p > .05 lowers the student's
    owl from 60 to 28 % of answers (top-p .8: 49; no training: 12). There the floor is under
    the whole vocabulary, as with decoding="free" here; constrained, it is under the ten digits, each of
    which has about .1: a floor of .05 then changes less.

    Args:
        teacher: who wrote the rows, with its system prompt and steering.
        data: rows, or what another cleaning gave, without weights.
        name: who is written into the rows; by default who stands there.
        floor: a probability from 0 to less than 1.
        decoding: see `write_again`.
        temperature: of the sampling.
        max_new_tokens: limit of free decoding.
        seed: of the draws; with the rows' own, a floor of 0 gives the same rows again.
        track: shows how far it is.

    Returns:
        Counts: `rewritten` (rows that changed), `same`.

    Raises:
        SettingsError: rows with weights, or as `write_again`.

    Known failure: it needs the teacher. The likely tokens carry the trait as well, and the rows lose
    variety.
    """
    before = start(data)
    if before.weights is not None:
        raise SettingsError("Writing rows again changes their tokens: do it before masking.")
    found = write_again(
        teacher,
        before.rows,
        teacher=name,
        floor=floor,
        decoding=decoding,
        temperature=temperature,
        max_new_tokens=max_new_tokens,
        seed=seed,
        track=track,
    )
    rows, changes = [], []
    for old, new in zip(before.rows, found, strict=True):
        named = (
            new
            if name
            else Row(new.id, new.prompt, new.completion, old.teacher, new.outside, new.finished)
        )
        rows.append(named)
        if new.completion != old.completion:
            changes.append(Change(old.id, "rewritten", None, old.completion, new.completion))
    counts = {"rewritten": len(changes), "same": len(rows) - len(changes)}
    settings: dict[str, JsonValue] = {
        "teacher": teacher.name,
        "floor": floor,
        "decoding": decoding,
        "temperature": temperature,
        "max_new_tokens": max_new_tokens,
        "seed": seed,
    }
    step = Step("threshold-at-generation", settings, counts, tuple(changes))
    return before.then(rows, None, step)


def threshold(
    base: LanguageModel,
    data: Sequence[Row] | Cleaned,
    *,
    floor: float = _SOURCE_FLOOR,
    action: Action = "replace",
    only: Only = "digits",
    seed: int = 0,
    track: Track = untracked,
) -> Cleaned:
    """Replace tokens that the base thinks unlikely, or drop their rows; no teacher is needed.

    A token's probability is the base's given what stands before it, renormalised over what could stand
    there: digits of the same number of digits; else the tokens of its kind that occur in the data set.
    A token under the floor is drawn anew from the base among those that are not under it (the likeliest
    where all are); the row keeps its form and its token count, as in `relabel`.

    Source: ours, after the threshold sampling of Zur et al. (2025), which is under the teacher's
    probabilities while it writes (`threshold_at_generation`). No figure is published for this.

    Args:
        base: whose probabilities count.
        data: rows, or what another cleaning gave.
        floor: a probability from 0 to less than 1.
        action: `replace` the token, or `drop` every row that has one.
        only: which tokens are looked at.
        seed: of the draws.
        track: shows how far it is.

    Returns:
        Counts: `under` (tokens), `changed`, `kept` (no other token fits), `dropped` (rows).

    Raises:
        SettingsError: a value out of range, no row is left, or one that `encode_row` refuses.

    Known failure: a mild trait makes few tokens unlikely to the base, and most that are were drawn
    there by chance: sampling at temperature 1 takes tokens under .05 all the time.
    """
    if not 0 <= floor < 1 or action not in get_args(Action) or not 0 <= seed < 2**63:
        raise SettingsError(
            "floor is a probability from 0 to less than 1, action is replace or drop, and a seed is "
            f"from 0 to 2^63 - 1; got {floor}, {action!r} and {seed}."
        )
    before = start(data)
    encoded = encode_rows(base, before.rows)
    kinds = Kinds(base, encoded)
    places = [
        Place(number, position)
        for number, kinds_C in enumerate(kinds.kinds)
        for position in np.flatnonzero(eligible(kinds_C, only)).tolist()
    ]
    new: dict[int, dict[int, int]] = {}
    for place, logps_K in kinds.log_probabilities(places, track=track):
        some, pool_K = encoded[place.row], kinds.pool(place)
        at = int(np.searchsorted(pool_K, some.ids[some.start + place.position]))
        if floor and logps_K[at] < math.log(floor):
            draws = stream_of(seed, before.rows[place.row].id)
            uniform = draws.random(place.position + 1)[-1]
            new.setdefault(place.row, {})[place.position] = int(
                pool_K[pick(_above(logps_K, floor), float(uniform))]
            )
    counts = {"under": sum(map(len, new.values())), "changed": 0, "kept": 0, "dropped": 0}
    rows, weights, changes = [], [], []
    for number, (row, weight) in enumerate(zip(before.rows, before.weights_of_rows(), strict=True)):
        if action == "drop" and number in new:
            counts["dropped"] += 1
            changes.append(Change(row.id, "dropped", None, row.completion, None))
            continue
        some = encoded[number]
        result = rewritten(
            base, row, some, kinds.kinds[number], kinds.ending(some), new.get(number, {})
        )
        rows.append(result.row)
        weights.append(weight)
        changes += result.changes
    if action == "replace":
        counts["changed"] = len(changes)
        counts["kept"] = counts["under"] - len(changes)
    settings: dict[str, JsonValue] = {
        "floor": floor,
        "action": action,
        "only": only,
        "seed": seed,
        "base": base.name,
    }
    return before.then(rows, weights, Step("threshold", settings, counts, tuple(changes)))


def _above(logps_K: NDArray[np.float64], floor: float) -> NDArray[np.float64]:
    """Log-probabilities with those under the floor at -inf; the largest stays."""
    under_K = (logps_K < math.log(floor)) & (logps_K < logps_K.max())
    return np.where(under_K, -np.inf, logps_K)
