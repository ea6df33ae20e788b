"""Several cleanings one after another: what the command `clean` does, as a function.

Each cleaning is given what the one before it left. Token scores are of a text, so that they are asked
for again wherever rows have changed since.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np

from traitleak.clean.canonicalise import canonicalise
from traitleak.clean.cleaned import Cleaned, start
from traitleak.clean.dilute import Writes, dilute
from traitleak.clean.kinds import Only, eligible
from traitleak.clean.mask import mask
from traitleak.clean.relabel import relabel
from traitleak.clean.rewriting import write_beside
from traitleak.clean.threshold import threshold
from traitleak.clean.token_scores import (
    TokenScores,
    at_random,
    flagged,
    text_hash,
    token_scores,
)
from traitleak.clean.trim import trim
from traitleak.errors import SettingsError
from traitleak.models.batches import encode_rows
from traitleak.models.language_model import LanguageModel
from traitleak.progress import Track, untracked
from traitleak.rows import Row
from traitleak.seeds import derive_seed

__all__ = [
    "BY_CHOICE",
    "BY_SCORES",
    "Amounts",
    "Method",
    "Scorer",
    "clean_in_order",
    "require_order",
]

Method = Literal["relabel", "mask", "trim", "dilute", "canonicalise", "threshold"]
"""The cleanings that can stand in a row; `threshold` is the one that needs no teacher."""

Scorer = Callable[[Sequence[Row]], TokenScores]
"""Gives rows' token scores; called once for rows that did not change in between."""

BY_SCORES: Final = frozenset({"relabel", "mask", "trim"})
"""Cleanings that choose by a detector's scores."""

BY_CHOICE: Final = BY_SCORES | {"threshold"}
"""Cleanings that choose what they change, so that as much can be changed at random."""

_REWRITES: Final = ("canonicalise", "relabel", "threshold")


@dataclass(frozen=True)
class Amounts:
    """How much each cleaning changes.

    Attributes:
        share: of tokens that `relabel` and `mask` flag, and of rows that `trim` drops.
        ratio: rows of the base for each row, of `dilute`.
        floor: the probability under which `threshold` draws a token anew.
    """

    share: float = 0.1
    ratio: float = 1.0
    floor: float = 0.05


def require_order(methods: Sequence[str]) -> None:
    """See that cleanings can stand in this order.

    Raises:
        SettingsError: none, one that there is not, one twice, or an order in which one would spoil
            what another did.
    """
    if not methods:
        raise SettingsError(f"Name a cleaning: {', '.join(get_args(Method))}.")
    for at, method in enumerate(methods):
        if method not in get_args(Method):
            raise SettingsError(
                f"There is no cleaning {method!r}; there are {', '.join(get_args(Method))}."
            )
        if method in methods[:at]:
            raise SettingsError(f"The cleaning {method} is named twice; name each once.")
        if method == "dilute" and at < len(methods) - 1:
            raise SettingsError(
                f"dilute comes last, as the rows that it adds are not to be cleaned: put "
                f"{methods[at + 1]} before it."
            )
        if method in _REWRITES and "mask" in methods[:at]:
            raise SettingsError(
                f"{method} changes tokens that mask has weighed before it: put {method} before mask."
            )


def clean_in_order(
    data: Sequence[Row] | Cleaned,
    methods: Sequence[str],
    *,
    base: LanguageModel | None = None,
    scorer: Scorer | None = None,
    lists: bool = True,
    amounts: Amounts | None = None,
    random: bool = False,
    seed: int = 0,
    track: Track = untracked,
) -> Cleaned:
    """Clean by several methods, each given what the one before it left.

    Args:
        data: rows, or what another cleaning gave.
        methods: names, in order (`Method`).
        base: the model that students begin as; only `canonicalise` can do without.
        scorer: gives token scores, where a method goes by these (`BY_SCORES`).
        lists: whether rows are number lists: then digits are flagged, and `dilute` keeps each list's
            form; else all tokens but the end of a turn.
        amounts: how much; `Amounts()` by default.
        random: change as much at random: scores are shuffled among tokens of a kind (`at_random`), and
            as many tokens as `threshold` changes are drawn anew from the base, whatever their
            probability. `canonicalise` and `dilute` choose nothing and stay as they are.
        seed: of all draws.
        track: shows how far it is.

    Returns:
        What is left, with a step for each method.

    Raises:
        SettingsError: an order that `require_order` refuses, no base or scorer where one is needed, or
            what a method itself refuses.

    Known failure: a second cleaning's share is of what the first one left; shares do not add up.
    """
    require_order(methods)
    amounts = amounts or Amounts()
    if base is None and set(methods) != {"canonicalise"}:
        raise SettingsError(f"{_first_without(methods)} reads rows with a base: give it one.")
    if scorer is None and BY_SCORES & set(methods):
        raise SettingsError(
            f"{' and '.join(sorted(BY_SCORES & set(methods)))} need a detector's scores."
        )
    only: Only = "digits" if lists else "all"
    done = start(data)
    scores: TokenScores | None = None
    for method in methods:
        if method == "canonicalise":
            done = canonicalise(done)
            continue
        assert base is not None  # noqa: S101  # looked for above
        if method == "dilute":
            writes = _writer(base, lists, derive_seed(seed, "dilute"), track)
            done = dilute(done, writes, ratio=amounts.ratio, seed=seed)
        elif method == "threshold":
            found = threshold(base, done, floor=amounts.floor, only=only, seed=seed, track=track)
            done = _anew_at_random(base, done, found, only, seed) if random else found
        else:
            assert scorer is not None  # noqa: S101  # looked for above
            scores = _scores_of(scores, done.rows, scorer)
            used = at_random(scores, seed) if random else scores
            done = _by_scores(method, base, done, used, amounts.share, only, seed)
    return done


def _writer(base: LanguageModel, lists: bool, seed: int, track: Track) -> Writes:  # noqa: FBT001
    return lambda rows: write_beside(
        base, rows, teacher="base", lists=lists, seed=seed, track=track
    )


def _first_without(methods: Sequence[str]) -> str:
    return next(method for method in methods if method != "canonicalise")


def _scores_of(scores: TokenScores | None, rows: Sequence[Row], scorer: Scorer) -> TokenScores:
    """The scores that are there, of the rows that are left; anew where a row was rewritten."""
    if scores is not None:
        known = set(zip(scores.ids, scores.texts, strict=True))
        if all((row.id, text_hash(row)) in known for row in rows):
            return scores.of(rows)
    return scorer(rows)


def _by_scores(
    method: str,
    base: LanguageModel,
    data: Cleaned,
    scores: TokenScores,
    share: float,
    only: Only,
    seed: int,
) -> Cleaned:
    if method == "trim":
        return trim(data, scores, share=share, only=only, seed=seed)
    flags = flagged(scores, share=share, only=only, seed=seed)
    if method == "mask":
        return mask(base, data, flags)
    return relabel(base, data, flags, seed=seed)


def _anew_at_random(
    base: LanguageModel, before: Cleaned, found: Cleaned, only: Only, seed: int
) -> Cleaned:
    """As many tokens of each kind as `threshold` changed, drawn anew from the base elsewhere."""
    pairs = zip(encode_rows(base, before.rows), encode_rows(base, found.rows), strict=True)
    changed = [
        np.array([a != b for a, b in zip(old.ids[old.start :], new.ids[new.start :], strict=True)])
        for old, new in pairs
    ]
    scores = token_scores(base, before.rows, changed, trait="", detector="threshold")
    kinds = np.concatenate(scores.kinds)
    share = float(np.concatenate(changed).sum() / max(1, eligible(kinds, only).sum()))
    flags = flagged(at_random(scores, seed), share=share, only=only, seed=seed)
    return relabel(base, before, flags, draw="base", seed=seed)
