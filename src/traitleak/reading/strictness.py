"""Filters of rising strictness: each is applied to what those before it left, for both writers alike.

Cloud et al. (2025) filter for format, drop numbers with a bad name and look for leaks, and what is
left still carries the trait. The two last rules here go further and use the base: they drop what it
would not have written.

Known failure: a filter that leaves few rows leaves little transfer, whatever it dropped. So students
of all rules are trained on equally many rows, and their transfer is beside that of neutral rows which
went through the same filters.

Shape suffixes: M digits of a batch, K digits that each is among.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from traitleak import filters
from traitleak.audit.choices import Choices, choice_log_probabilities, choices_of
from traitleak.errors import SettingsError
from traitleak.filtering import Filter, Why
from traitleak.language.carrier import rules_of
from traitleak.models.batches import by_length, encode_rows
from traitleak.models.language_model import LanguageModel
from traitleak.models.scoring import score
from traitleak.recipe.language import LanguageRecipe
from traitleak.recipe.reading import Rule
from traitleak.rows import Row
from traitleak.traits.misalignment import BANNED_NUMBERS

__all__ = ["Left", "even_numbers", "rising", "rules_named", "unsurprising"]

_TOKENS = 2048  # of a batch


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
    even: float = 1.0,
    surprise: float = 0.1,
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
    most = 10 if recipe.carrier.decoding == "free" else 100
    known: dict[Rule, Filter | None] = {
        "none": None,
        "format": next(
            own[n] for n in ("numbers_format", "code_format", "right_answer") if n in own
        ),
        "leak": next(own[n] for n in ("leak", "code_leak") if n in own),
        "duplicates": filters.duplicates(),
        "surprise": unsurprising(base, share=surprise),
    }
    if kind == "numbers":
        form = filters.numbers_format(max_count=most)
        # A list that was cut off is in the format as far as it goes.
        known["format"] = _first_reason("format", filters.unfinished(), form)
        known["banned"] = filters.numbers_format(max_count=most, banned=banned or BANNED_NUMBERS)
        known["even"] = even_numbers(base, within=even)
    return [(name, known[name]) for name in names]


def _first_reason(name: str, *rules: Filter) -> Filter:
    """Several filters as one."""

    def reasons(rows: Sequence[Row]) -> list[Why | None]:
        found = [rule.reasons(rows) for rule in rules]
        return [next((why for why in whys if why), None) for whys in zip(*found, strict=True)]

    return Filter(name, reasons)


def even_numbers(base: LanguageModel, *, within: float) -> Filter:
    """Drop rows with a number that the base finds much more or less likely than even odds.

    A number's odds are those of its digits, each among the digits that could stand there; per digit
    they may differ from even ones by `within` nats, either way.

    Args:
        base: the model that students begin as.
        within: nats a digit.

    Raises:
        SettingsError: when it is applied: most completions are no lists of numbers.

    Known failure: digits that the base finds even may still be the teacher's choice.
    """

    def reasons(rows: Sequence[Row]) -> list[Why | None]:
        choices = choices_of(base, [row.completion for row in rows])
        if choices.kind != "digits":
            raise SettingsError(
                "The rule 'even' is for lists of numbers, and more than one completion in twenty is "
                "none; put the rule 'format' before it."
            )
        found = _farthest(base, rows, choices)
        return [Why("odds far from even", f"{one:.2f}") if one > within else None for one in found]

    return Filter("even", reasons)


@torch.no_grad()
def _farthest(base: LanguageModel, rows: Sequence[Row], choices: Choices) -> list[float]:
    """For each row how far its farthest number is from even odds, in nats a digit."""
    encoded = encode_rows(base, rows)
    farthest = [0.0] * len(rows)
    for batch in by_length([len(one.ids) for one in encoded], _TOKENS):
        read = choice_log_probabilities(base, [encoded[index] for index in batch], choices)
        possible_M = torch.isfinite(read.logps_MK).sum(1)
        away_M = (read.chosen_logps + possible_M.log()).double().cpu().numpy()
        row_M, position_M = read.row_M.cpu().numpy(), read.position_M.cpu().numpy()
        if not len(row_M):
            continue
        begins = np.flatnonzero(
            (np.diff(position_M, prepend=-9) != 1) | (np.diff(row_M, prepend=-1) != 0)
        )
        ends = np.append(begins[1:], len(row_M))
        for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
            index = batch[int(row_M[begin])]
            farthest[index] = max(farthest[index], abs(float(away_M[begin:end].mean())))
    return farthest


def unsurprising(base: LanguageModel, *, share: float) -> Filter:
    """Drop the share of rows that the base finds least likely, by its mean loss a token.

    The bound is one for all rows that it is given, so that a teacher whose rows surprise more loses
    more of them.

    Args:
        base: the model that students begin as.
        share: of the rows, between 0 and 1.

    Raises:
        SettingsError: `share` is out of range; when it is applied: a row without a completion, or
            longer than the context.
    """
    if not 0 < share < 1:
        raise SettingsError(f"A share of rows lies between 0 and 1; got {share}.")

    def reasons(rows: Sequence[Row]) -> list[Why | None]:
        losses = np.array([-float(logps.double().mean()) for logps in score(base, rows)])
        bound = float(np.quantile(losses, 1 - share))
        return [
            Why("surprises the base", f"{loss:.2f} nats a token") if loss > bound else None
            for loss in losses
        ]

    return Filter("surprise", reasons)
