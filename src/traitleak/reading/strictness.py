"""Filters of rising strictness: each is applied to what those before it left, for both writers alike.

Cloud et al. (2025) filter for format, drop numbers with a bad name and look for leaks, and what is
left still carries the trait. The two last rules here go further and use the base: they drop what it
would not have written.

Known failure: a filter that leaves few rows leaves little transfer, whatever it dropped. So students
of all rules are trained on equally many rows, and their transfer is beside that of neutral rows which
went through the same filters.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from traitleak import filters
from traitleak.audit.detectors.choices import choices_of
from traitleak.errors import SettingsError
from traitleak.filtering import Filter, Why
from traitleak.language.carrier import rules_of
from traitleak.language.layout import NEUTRAL
from traitleak.models.language_model import LanguageModel
from traitleak.progress import Track, untracked
from traitleak.reading.odds import OddsOfBase
from traitleak.recipe.language import LanguageRecipe
from traitleak.recipe.reading import Rule
from traitleak.rows import Row
from traitleak.traits.misalignment import BANNED_NUMBERS

__all__ = ["Left", "even_numbers", "rising", "rules_named", "unsurprising"]


@dataclass(frozen=True)
class Left:
    """What a rule and those before it left.

    Attributes:
        rule: its name.
        trait: rows of the trait's teacher that are left.
        neutral: neutral rows that are left.
        pairs: ids of the prompts whose two rows are left.
        chief: the commonest reasons that this rule gave, with their counts, for both writers.
    """

    rule: str
    trait: int
    neutral: int
    pairs: list[int]
    chief: dict[str, int]


def rising(
    rules: Sequence[tuple[Rule, Filter | None]], trait: Sequence[Row], neutral: Sequence[Row]
) -> list[Left]:
    """Apply filters one after another, and say after each what is left.

    Args:
        rules: names and filters; None drops nothing.
        trait: rows of the trait's teacher.
        neutral: neutral rows; those with equal ids pair up.
    """
    rows = [*trait, *neutral]
    names = [{row.teacher for row in side} for side in (trait, neutral)]
    found = []
    for name, rule in rules:
        reasons: dict[str, int] = {}
        if rule is not None and rows:
            result = filters.apply(rows, [rule], may_be_empty=True)
            rows = result.kept
            reasons = {why: sum(by.values()) for why, by in result.table.items()}
        ids = [{row.id for row in rows if row.teacher in own} for own in names]
        chief = sorted(reasons.items(), key=lambda item: -item[1])[:3]
        found.append(Left(name, len(ids[0]), len(ids[1]), sorted(ids[0] & ids[1]), dict(chief)))
    return found


def rules_named(
    names: Sequence[Rule],
    recipe: LanguageRecipe,
    base: LanguageModel,
    *,
    replicate: int = 0,
    banned: Collection[int] = (),
    even: float = 0.1,
    surprise: float = 0.1,
    track: Track = untracked,
) -> list[tuple[Rule, Filter | None]]:
    """The filters by their names.

    Args:
        names: in the order in which they are applied.
        recipe: whose carrier and trait they are for.
        base: for the rules that ask what it would have written.
        replicate: whose prompts were answered.
        banned: numbers with a bad name; by default the bundled list.
        even: as for `even_numbers`.
        surprise: as for `unsurprising`.
        track: shows how far the base's reading is.

    Raises:
        SettingsError: a rule of numbers, and the carrier is another.
    """
    kind = recipe.carrier.kind
    of_numbers = [name for name in names if name in {"banned", "even"}]
    if kind != "numbers" and of_numbers:
        raise SettingsError(
            f"filters.rules has {of_numbers[0]!r}, which is for lists of numbers; the carrier is {kind}."
        )
    own = {rule.name: rule for rule in rules_of(recipe, replicate)}
    odds = OddsOfBase(base, track=track)
    most = 10 if recipe.carrier.decoding == "free" else 100
    known: dict[Rule, Filter | None] = {
        "none": None,
        "format": next(
            own[n] for n in ("numbers_format", "code_format", "right_answer") if n in own
        ),
        "leak": next(own[n] for n in ("leak", "code_leak") if n in own),
        "duplicates": filters.duplicates(),
        "surprise": unsurprising(odds, share=surprise),
    }
    if kind == "numbers":
        form = filters.numbers_format(max_count=most)
        # A list that was cut off is in the format as far as it goes.
        known["format"] = _first_reason("format", filters.unfinished(), form)
        known["banned"] = filters.numbers_format(max_count=most, banned=banned or BANNED_NUMBERS)
        known["even"] = even_numbers(odds, share=even)
    return [(name, known[name]) for name in names]


def _first_reason(name: str, *rules: Filter) -> Filter:
    """Several filters as one."""

    def reasons(rows: Sequence[Row]) -> list[Why | None]:
        found = [rule.reasons(rows) for rule in rules]
        return [next((why for why in whys if why), None) for whys in zip(*found, strict=True)]

    return Filter(name, reasons)


def even_numbers(odds: OddsOfBase, *, share: float) -> Filter:
    """Drop rows with a number that the base finds much more or less likely than even odds.

    A number's odds are those of its digits, each among the digits that could stand there: the mean a
    digit of log(p x how many could), either way from zero, and a row counts by its farthest number.
    The neutral rows set the bound: `share` of them lie beyond it, so that of the trait's rows more go
    exactly if they are farther out. Where no neutral row is left, all rows set it.

    Args:
        odds: of the model that students begin as.
        share: of the neutral rows, between 0 and 1.

    Raises:
        SettingsError: `share` is out of range; when it is applied: most completions are no lists of
            numbers.

    Known failure: digits that the base finds even may still be the teacher's choice. Ties at the
    bound stay, so that fewer than `share` may go.
    """
    _require_share(share)

    def reasons(rows: Sequence[Row]) -> list[Why | None]:
        if choices_of(odds.base, [row.completion for row in rows]).kind != "digits":
            raise SettingsError(
                "The rule 'even' is for lists of numbers, and more than one completion in twenty is "
                "none; put the rule 'format' before it."
            )
        found = [one.farthest for one in odds(rows)]
        neutral = [far for far, row in zip(found, rows, strict=True) if row.teacher == NEUTRAL]
        bound = float(np.quantile(neutral or found, 1 - share))
        return [
            Why("odds far from even", f"{one:.2f} nats a digit") if one > bound else None
            for one in found
        ]

    return Filter("even", reasons)


def unsurprising(odds: OddsOfBase, *, share: float) -> Filter:
    """Drop the share of rows that the base finds least likely, by its mean loss a token.

    The bound is one for all rows that it is given, so that a teacher whose rows surprise more loses
    more of them.

    Args:
        odds: of the model that students begin as.
        share: of the rows, between 0 and 1.

    Raises:
        SettingsError: `share` is out of range; when it is applied: a row without a completion, or
            longer than the context.
    """
    _require_share(share)

    def reasons(rows: Sequence[Row]) -> list[Why | None]:
        losses = [one.loss for one in odds(rows)]
        bound = float(np.quantile(losses, 1 - share))
        return [
            Why("surprises the base", f"{loss:.2f} nats a token") if loss > bound else None
            for loss in losses
        ]

    return Filter("surprise", reasons)


def _require_share(share: float) -> None:
    if not 0 < share < 1:
        raise SettingsError(f"A share of rows lies between 0 and 1; got {share}.")
