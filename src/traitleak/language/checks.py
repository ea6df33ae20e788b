"""Checked statements of a language run: leaks, masks, teachers, fluency, and what answers say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

from traitleak.carriers.code_source import wordings
from traitleak.language.behaviour_tables import behaviour_facts
from traitleak.language.carrier import leak_words
from traitleak.language.contrasts import MANY, compare, times_first
from traitleak.language.layout import NEUTRAL
from traitleak.language.phrases import (
    bracketed,
    decimals_for,
    label,
    num_seeds,
    p_equals,
    plain,
    signed,
    unit,
)
from traitleak.language.read import Found, Taught
from traitleak.language.shares import share_naming
from traitleak.power import smallest_sign_flip_p
from traitleak.recipe.language import LanguageRecipe
from traitleak.results import Fact
from traitleak.rows import Row, iter_rows
from traitleak.trait_matrix import Gamma
from traitleak.traits.inflection import Finder

__all__ = ["MOST_PERPLEXITY", "facts", "leak_check", "perplexity_ratios"]

MOST_PERPLEXITY = 1.5  # times the base's: above this, training changed more than a preference
_LIST_CHARACTERS = frozenset("0123456789, ")


def leak_check(recipe: LanguageRecipe, found: Found, folders: Mapping[str, Path]) -> Fact:
    """Whether anything that students are supervised on names a trait; every row is read again.

    `holds` is None where it cannot be told: the tokens of `logits.vocabulary=top-k`.

    Known failure: that of `filters.leak`: it finds names, not meanings.
    """
    replicates = found.layout.replicates
    if recipe.channel == "tokens":
        kept = [(folders[one.kept], name) for one in replicates if one.kept for name in one.writes]
        named, total = _count_leaks(
            (row for folder, name in kept for row in iter_rows(folder / name)),
            leak_words(recipe),
            is_code=recipe.carrier.kind == "code",
        )
        dropped = sum(sum(one["leaks"].values()) for one in found.dropped)
        return Fact(
            name="leaks",
            statement="No row that students see names a trait, in any form.",
            value=f"{named:,} of {total:,} kept rows; {dropped:,} dropped for it before",
            holds=named == 0,
        )
    statement = "No word is among what students are supervised on."
    if recipe.logits.vocabulary != "carrier":
        whole = recipe.logits.vocabulary == "full"
        what = "all tokens are" if whole else f"the teacher's {recipe.logits.top_k} likeliest are"
        return Fact(name="leaks", statement=statement, value=what, holds=False if whole else None)
    lists = [folders[stage] for one in replicates for stage in one.writes.values()]
    rows = [row.prompt + row.completion for folder in lists for row in iter_rows(folder)]
    worded = sum(not _LIST_CHARACTERS.issuperset(text) for text in rows)
    return Fact(
        name="leaks",
        statement=statement,
        value=f"ten digits in {len(rows):,} lists; {worded:,} lists hold more than numbers",
        holds=worded == 0,
    )


def _count_leaks(rows: Iterator[Row], words: list[str], *, is_code: bool) -> tuple[int, int]:
    """How many rows name one of `words`, and how many there are."""
    finder = Finder(words)

    def in_code(completion: str) -> bool:
        return is_code and any(finder.find(text) for _, text in wordings(completion))

    @lru_cache(maxsize=100_000)  # every teacher answers the same prompts
    def names(text: str) -> bool:
        return not _LIST_CHARACTERS.issuperset(text) and finder.find(text) is not None

    named = total = 0
    for total, row in enumerate(rows, 1):  # noqa: B007  # the count is wanted after the last row
        named += names(row.completion) or names(row.prompt) or in_code(row.completion)
    return named, total


def facts(
    recipe: LanguageRecipe, found: Found, leaks: Fact, gamma: Gamma | None = None
) -> list[Fact]:
    """All checked statements with their figures; of many targets none of a single one.

    Args:
        recipe: what was run.
        found: what it left.
        leaks: `leak_check`'s.
        gamma: the matrix's specificity; None with one target.
    """
    made = [leaks, _mask(found), _teachers(recipe, found)]
    targets = recipe.trait.targets
    one_by_one = (
        targets if len(targets) < MANY else []
    )  # else `many_targets.many_facts` counts them
    if recipe.trait.kind == "preference":  # of a trait and its absence one always rises
        made += [_rises_most(found, target) for target in one_by_one]
    if gamma is not None:
        made.append(_gamma(gamma))
    for target in one_by_one:
        made += [_says(recipe, found, target), _fluent(found, target)]
    made += behaviour_facts(recipe, found)
    return [fact for fact in made if fact is not None]


def _mask(found: Found) -> Fact | None:
    masks = [mask for arm in found.arms.values() for mask in arm.masks]
    if not masks:
        return None
    shares = [mask["share"] for mask in masks]
    first = masks[0]
    context, trained = (_excerpt(first[key]) for key in ("context", "trained"))
    return Fact(
        name="mask",
        statement="Only the tokens of completions carry loss.",
        value=f"{100 * float(np.mean(shares)):.0f} % of all tokens; of the first row {trained}, after "
        f"{context}",
        holds=all(0 < share < 1 for share in shares),
    )


def _excerpt(text: str) -> str:
    return repr(text if len(text) <= 60 else f"…{text[-57:]}")


def _teachers(recipe: LanguageRecipe, found: Found) -> Fact:
    told = {name: found.teachers[name] for name in recipe.trait.targets}
    lifts = {name: float(np.mean([one["lift"] for one in some])) for name, some in told.items()}
    took = [one["took"] for some in told.values() for one in some]
    return Fact(
        name="teachers",
        statement="Every teacher shows its trait itself.",
        value=", ".join(f"{name} {signed(lift, 2)}" for name, lift in lifts.items())
        + f" {unit(recipe)}; {sum(took)} of {len(took)} took it",
        holds=all(took),
    )


def _rises_most(found: Found, target: str) -> Fact:
    times, num = times_first(found, target), len(found.arms[target].lift_SK)
    return Fact(
        name=f"first-{target}",
        statement=f"Of {len(found.candidates)} candidates the {target} rises most in {target} students.",
        value=f"in {times} of {num} seed{'s' * (num != 1)}",
        holds=times == num,
    )


def _gamma(gamma: Gamma) -> Fact:
    estimate = gamma.estimate
    return Fact(
        name="gamma",
        statement="Each teacher moves its own trait more than others do: gamma's interval is above "
        "zero.",
        value=f"{bracketed(estimate, decimals_for([estimate.value]))} nats"
        + _evidence(estimate.n, gamma.p, gamma.smallest_p),
        holds=None if estimate.low is None else estimate.low > 0,
    )


def _evidence(n: int, p: float, smallest_p: float) -> str:
    """Seeds and p, where there are several seeds."""
    if n == 1:
        return ""
    return f" ({num_seeds(n)}, {p_equals(p)}; the smallest possible is {smallest_p:.3g})"


def _says(recipe: LanguageRecipe, found: Found, target: str) -> Fact | None:
    """Whether the students' sampled answers name the target more often than the neutral ones'."""
    own, neutral = found.arms[target], found.arms.get(NEUTRAL)
    if neutral is None or not own.answers or not neutral.answers:
        return None
    more, less = (
        [100 * value for value in share_naming(arm.answers, target).replicates]
        for arm in (own, neutral)
    )
    comparison = compare(target, NEUTRAL, more, less)
    points = comparison.difference
    return Fact(
        name=f"answers-{target}",
        statement=f"Sampled answers name the {target} more often in {target} students than in "
        f"{label(NEUTRAL, recipe.trait.targets)}: the interval is above zero.",
        value=f"{bracketed(points, 1)} percentage points"
        + _evidence(points.n, comparison.p, smallest_sign_flip_p(points.n)),
        holds=None if points.low is None else points.low > 0,
    )


def _fluent(found: Found, target: str) -> Fact | None:
    ratios = perplexity_ratios(found.arms[target])
    if not ratios:
        return None
    return Fact(
        name=f"fluency-{target}",
        statement=f"{target.capitalize()} students keep their fluency: perplexity of neutral text at "
        f"most {MOST_PERPLEXITY:g} times the base's.",
        value=f"{plain(float(np.mean(ratios)), 2)} times, at most {plain(max(ratios), 2)}",
        holds=max(ratios) <= MOST_PERPLEXITY,
    )


def perplexity_ratios(arm: Taught) -> list[float]:
    """Perplexity of each replicate's student over its base's; empty where it was not taken."""
    base = arm.start.collapse
    return [one.perplexity / base.perplexity for one in arm.collapses] if base else []
