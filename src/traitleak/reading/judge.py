"""Judges that read rows: which of two carries the trait, and whose a row is after labelled ones.

Detection by reading as Cloud et al. (2025) tried it: asked which of two rows came from the trait's
teacher, GPT-4.1 nano was right in 47.5 to 53.3 % of pairs (table 5), and with labelled rows in the
prompt it did no better. Every pair is asked in both orders, and every naming of the two writers is
asked both ways, so that neither place nor letter can help.

Known failure: it is the rows of one teacher that are told from another's. A judge may tell the two by
what has nothing to do with the trait, such as their format.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from traitleak.errors import SettingsError
from traitleak.progress import Track, untracked
from traitleak.reading.asking import Judge, ask
from traitleak.reading.noted import Noted
from traitleak.reading.verdicts import Told, tell
from traitleak.reading.words import labelled_prompt, pair_prompt
from traitleak.rows import Row
from traitleak.seeds import derive_seed

__all__ = [
    "MOST_SHORT",
    "Pair",
    "judge_labelled",
    "judge_pairs",
    "labelled_prompts",
    "pair_prompts",
]

MOST_SHORT = 0.1
"""Share of pairs that may lack an answer for a judge's share to be stated.

A pair that lacks one counts half, so whatever was not answered moves the share by .05 at most.
"""

T = TypeVar("T", np.float64, np.bool_)

Pair = tuple[Row, Row]
"""The row of the trait's teacher and the neutral one, on one prompt."""


def judge_pairs(
    judge: Judge,
    pairs: Sequence[Pair],
    who: str,
    *,
    max_new_tokens: int = 16,
    seed: int = 0,
    noted: Noted | None = None,
    track: Track = untracked,
) -> Told:
    """Ask which of two rows on one prompt is the trait's, of each pair in both orders.

    Args:
        judge: who is asked.
        pairs: the rows.
        who: what the trait's writer does, such as "loves wolves above all else".
        max_new_tokens: of an answer in words.
        seed: sent to a server.
        noted: as for `ask`.
        track: shows how far it is.

    Raises:
        SettingsError: no pairs, or a prompt that is longer than a loaded judge's context.
        ServerError: a server answered nothing.
    """
    if not pairs:
        raise SettingsError("There are no pairs of rows to ask a judge about.")
    prompts = pair_prompts(pairs, who)
    asked = ask(
        judge, [prompts], max_new_tokens=max_new_tokens, seed=seed, noted=noted, track=track
    )
    first_NO = asked.evidence_N.reshape(2, len(pairs)).T
    return tell(
        first_NO * np.array([1.0, -1.0]),
        first_NO,
        unread=asked.unread,
        missing_NO=asked.missing_N.reshape(2, len(pairs)).T,
        why=asked.why,
    )


def pair_prompts(pairs: Sequence[Pair], who: str) -> list[str]:
    """What `judge_pairs` asks: of all pairs in one order, then of all in the other."""
    first = [pair_prompt(one, other, who) for one, other in pairs]
    return [*first, *(pair_prompt(other, one, who) for one, other in pairs)]


def judge_labelled(
    judge: Judge,
    pairs: Sequence[Pair],
    *,
    examples: int,
    draws: int = 4,
    most: int | None = None,
    max_new_tokens: int = 16,
    seed: int = 0,
    noted: Noted | None = None,
    track: Track = untracked,
) -> Told:
    """Ask whose a row is, after labelled rows of both writers.

    Both rows of a pair are asked about, each with the writers named either way: four questions. The
    pair is told rightly if they make the trait's row more the trait's than they make the neutral one.

    Args:
        judge: who is asked.
        pairs: rows to take examples from, and to ask about.
        examples: labelled rows of each writer, on the same prompts, in random order.
        draws: sets of examples; the pairs that are asked about are dealt out among them.
        most: pairs that are asked about at most.
        max_new_tokens: of an answer in words.
        seed: of what is drawn.
        noted: as for `ask`.
        track: shows how far it is.

    Raises:
        SettingsError: too few pairs for the examples and one question for each set, or a prompt that
            is longer than a loaded judge's context.
        ServerError: a server answered nothing.

    Known failure: pairs that were asked about after one set of examples share its luck. The interval
    takes them as independent.
    """
    groups = labelled_prompts(pairs, examples=examples, draws=draws, most=most, seed=seed)
    asked = ask(judge, groups, max_new_tokens=max_new_tokens, seed=seed, noted=noted, track=track)
    sizes = [len(group) for group in groups[::2]]  # both namings of a set have as many questions
    first_N4 = _by_pair(asked.evidence_N, sizes)
    # In order: trait's row and neutral row with the trait's writer as A, then both with it as B.
    return tell(
        first_N4 * np.array([1.0, -1.0, -1.0, 1.0]),
        first_N4,
        unread=asked.unread,
        clustered=f"{draws} sets of labelled rows" if draws > 1 else "one set of labelled rows",
        missing_NO=_by_pair(asked.missing_N, sizes),
        why=asked.why,
    )


def _by_pair(answers_M: NDArray[T], sizes: Sequence[int]) -> NDArray[T]:
    """The four answers about each pair in a line, of answers set by set and naming by naming."""
    parts = np.split(answers_M, 2 * np.cumsum(sizes)[:-1])
    return np.concatenate(
        [part.reshape(2, -1, 2).transpose(1, 0, 2).reshape(-1, 4) for part in parts]
    )


def labelled_prompts(
    pairs: Sequence[Pair], *, examples: int, draws: int, most: int | None = None, seed: int = 0
) -> list[list[str]]:
    """What `judge_labelled` asks: two groups a set, the writers named both ways.

    Raises:
        SettingsError: as there.
    """
    if examples < 1 or draws < 1:
        raise SettingsError(
            f"Labelled rows need one example and one draw; got {examples}, {draws}."
        )
    left = len(pairs) - examples * draws
    if left < draws:
        raise SettingsError(
            f"{len(pairs)} pairs of rows are too few for {draws} sets of {examples} labelled ones and a "
            "question after each: take fewer examples or draws, or more rows."
        )
    rng = np.random.default_rng(derive_seed(seed, "labelled", examples))
    order = rng.permutation(len(pairs)).tolist()
    asked_at = order[examples * draws :][:most]
    groups: list[list[str]] = []
    for draw in range(draws):
        known_at = order[draw * examples : (draw + 1) * examples]
        known = [(pairs[at][side], side) for at in known_at for side in (0, 1)]
        known = [known[at] for at in rng.permutation(len(known))]
        for letters in ("AB", "BA"):  # the trait's writer, then the other
            named = [(row, letters[side]) for row, side in known]
            groups.append(
                [labelled_prompt(named, row) for at in asked_at[draw::draws] for row in pairs[at]]
            )
    return groups
