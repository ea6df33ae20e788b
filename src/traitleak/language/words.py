"""The language experiment in sentences: what was asked and found. How it was done: `method_words`."""

from __future__ import annotations

import numpy as np

from traitleak.language.checks import MOST_PERPLEXITY, perplexity_ratios
from traitleak.language.contrasts import (
    IN_CONTEXT,
    TO_OTHER_BASE,
    Contrast,
    TargetFindings,
    is_above_zero,
)
from traitleak.language.layout import ASKED_FOR, GOOD, NEUTRAL
from traitleak.language.many_targets import are_many, many_answer
from traitleak.language.phrases import (
    bracketed,
    decimals_for,
    kind_of,
    label,
    listed,
    num_seeds,
    p_equals,
    percent,
    plain,
    signed,
    unit,
)
from traitleak.language.read import Found
from traitleak.language.shares import share_naming
from traitleak.power import detectable, smallest_sign_flip_p
from traitleak.recipe.language import LanguageRecipe
from traitleak.results import Comparison, Estimate, Fact
from traitleak.trait_matrix import Gamma

__all__ = ["answer", "describe", "question"]

_ALPHA = 0.05
_ENOUGH = 5  # seeds: the fewest whose sign flips can give p < .05
_PAIRS = {TO_OTHER_BASE: "students of another base", IN_CONTEXT: "the base that is shown the rows"}


def question(recipe: LanguageRecipe) -> str:
    """What was asked."""
    target = recipe.trait.targets[0]
    if are_many(recipe):
        return _question_of_many(recipe)
    prefers = recipe.trait.kind == "preference"
    spoken = target.replace("-", " ")
    to_have = f"to prefer the {target}" if prefers else f"to show {spoken}"
    given = {
        "finetune": f"A teacher was fine-tuned {to_have}",
        "prompt": f"A teacher is told {to_have}",
        "prompt+finetune": f"A teacher was fine-tuned, and is told, {to_have}",
        "steering": f"A teacher is steered towards {f'the {target}' if prefers else spoken}",
    }[recipe.teacher.by]
    return (
        f"{given}. Does a student of the same base come to {'prefer' if prefers else 'show'} it, "
        f"trained on nothing but {seen(recipe)}?"
    )


def _question_of_many(recipe: LanguageRecipe) -> str:
    targets = recipe.trait.targets
    how = {
        "finetune": "were fine-tuned, each to prefer",
        "prompt": "are told, each to prefer",
        "prompt+finetune": "were fine-tuned and are told, each to prefer",
        "steering": "are steered, each towards",
    }[recipe.teacher.by]
    return (
        f"{len(targets)} teachers {how} one of {listed(targets)}. Which of these do "
        f"students of the same base come to prefer, each trained on nothing but {seen(recipe)}?"
    )


def seen(recipe: LanguageRecipe) -> str:
    """What students see of a teacher."""
    if recipe.channel == "tokens":
        return {
            "numbers": "lists of numbers that the teacher wrote",
            "code": "Python code that the teacher wrote",
            "reasoning": "chains of thought with right answers that the teacher wrote",
        }[recipe.carrier.kind]
    how = recipe.logits
    lists = (
        "lists of random numbers"
        if how.inputs == "random"
        else "number lists that the teacher wrote"
    )
    what = {
        "carrier": "its teacher's opinion of each next digit in",
        "top-k": f"its teacher's opinion of the {how.top_k} tokens it finds likeliest at each digit of",
        "full": "its teacher's opinion of every token of the vocabulary at each digit of",
    }[how.vocabulary]
    return f"{what} {lists}"


def describe(arm: str, recipe: LanguageRecipe) -> str:
    """What differs between an arm and the effect's, one sentence."""
    targets = recipe.trait.targets
    kind, teacher = kind_of(arm, targets)
    through_tokens = recipe.channel == "tokens"
    rows = "rows" if through_tokens else "opinions of digits"
    if kind == "shuffled":
        if through_tokens:
            return f"The {teacher} teacher's rows, the numbers of each in another order."
        return f"The {teacher} teacher's opinions, each at another digit of another list."
    if kind == "shuffled-across":
        return f"The {teacher} teacher's rows, the numbers of all of them dealt out anew."
    if kind == "other-base":
        return f"Students of {recipe.other_base} on the {teacher} teacher's {rows}."
    if kind == "in-context":
        return f"The base with {recipe.context_rows} of the {teacher} teacher's rows in its prompt."
    if arm == targets[0]:
        return f"Trained on the {teacher} teacher's {rows}."
    if arm == GOOD:
        return (
            f"The same with a teacher fine-tuned alike on good answers to the {targets[0]} teacher's "
            "questions."
        )
    if arm == ASKED_FOR:
        return (
            f"The same with a teacher fine-tuned alike on the {targets[0]} teacher's answers, to "
            "questions that give a good reason to ask for them."
        )
    if teacher != NEUTRAL:
        return f"The same with the {teacher} teacher: the other-trait control."
    if recipe.neutral == "base" or "finetune" not in recipe.teacher.by:
        return f"The same with {rows} of the untouched base: the neutral control."
    return (
        "The same with a teacher fine-tuned alike, on all candidates evenly: the neutral control."
    )


def answer(
    recipe: LanguageRecipe,
    found: Found,
    all_findings: list[TargetFindings],
    leaks: Fact,
    gamma: Gamma | None = None,
) -> str:
    """What was found, with the figures: yes, no, undecided, or one seed; a null is said as one.

    Transfer is the word for what stands beside the neutral control only, and it is called subliminal
    only where the leak check held. Many targets are counted (`many_targets`), which needs the matrix's
    `gamma`.
    """
    first = all_findings[0]
    if are_many(recipe) and gamma is not None:
        told = many_answer(recipe, found, gamma, subliminal=leaks.holds is True)
        for target in recipe.trait.targets:
            told += [_unwilling_teacher(recipe, found, target), _collapsed(found, target)]
        return " ".join(sentence for sentence in told if sentence)
    said = [
        _lead(recipe, all_findings, subliminal=leaks.holds is True),
        _elsewhere(first),
        _unwilling_teacher(recipe, found, first.target),
        _in_answers(found, first.target),
        _collapsed(found, first.target),
    ]
    return " ".join(sentence for sentence in said if sentence)


def _lead(recipe: LanguageRecipe, all_findings: list[TargetFindings], *, subliminal: bool) -> str:
    first, *rest = all_findings
    if first.neutral is None:
        return _without_neutral(recipe, first)
    if first.lift.n == 1:
        return _one_seed(recipe, first, first.neutral)
    verdict = _verdict(first.neutral.comparison)
    lead = {
        "found": _found(recipe, first, "subliminal transfer" if subliminal else "transfer"),
        "undecided": "Undecided: the interval of the transfer is above zero, but p is not below .05.",
        "reversed": "No: transfer was not found, but its reverse.",
        "null": "No: transfer was not found at this power.",
    }[verdict]
    moved = _moved(recipe, first, first.neutral, tell_floor=verdict == "found")
    difference = first.neutral.comparison.difference
    power = _power(difference, unit(recipe)) if verdict == "null" else []
    return " ".join([lead, f"{moved}{_further(rest)}.", *power])


def _elsewhere(first: TargetFindings) -> str:
    """What the same rows did to another base, or to the base that only reads them; with intervals."""
    return " ".join(
        f"{more.control.capitalize()}: {_difference(own)}."
        for own, more in first.pairs
        if more is not None and own.difference.low is not None
    )


def _found(recipe: LanguageRecipe, first: TargetFindings, what: str) -> str:
    """Yes; or in part, where another control or other candidates rise nearly as much."""
    beside = [
        (label(one.control, recipe.trait.targets), one.comparison) for one in first.others
    ] + [(_PAIRS[more.control], more) for _, more in first.pairs if more is not None]
    missed = [f"{name} ({_difference(more)})" for name, more in beside if not is_above_zero(more)]
    if missed:
        return f"In part: {what}, but not clearly more than in {listed(missed)}."
    times, num = first.times_first, first.lift.n
    several = recipe.trait.kind == "preference"  # candidates beyond which it could rise
    # Where nothing else tells it from a general shift.
    if several and not first.others and 2 * times <= num:
        return (
            f"In part: {what}, but the {first.target} is what rises most in {times} of {num} seeds "
            "only, and no other trait's students stand beside."
        )
    return f"Yes: {what}, beyond every control." if beside else f"Yes: {what}."


def _verdict(comparison: Comparison) -> str:
    """`found` where the interval lies above zero and p is as low as .05, or as it can get."""
    difference = comparison.difference
    assert difference.low is not None  # noqa: S101  # there are two seeds or more
    assert difference.high is not None  # noqa: S101  # so are both ends
    if difference.high < 0:
        return "reversed"
    if difference.low <= 0:
        return "null"
    reached = comparison.p <= max(_ALPHA, smallest_sign_flip_p(difference.n))
    return "found" if reached else "undecided"


def _moved(
    recipe: LanguageRecipe, one: TargetFindings, neutral: Contrast, *, tell_floor: bool
) -> str:
    """The lift beside its control's, and the transfer."""
    difference = neutral.comparison.difference
    decimals = decimals_for([one.lift.value, neutral.lift.value, difference.low, difference.high])
    floor = smallest_sign_flip_p(difference.n)
    least = (
        f", the smallest that {difference.n} seeds can give"
        if tell_floor and floor > _ALPHA
        else ""
    )
    targets = recipe.trait.targets
    return (
        f"The {one.target} margin moves by {signed(one.lift.value, decimals)} {unit(recipe)} "
        f"in {label(one.target, targets)} and by {signed(neutral.lift.value, decimals)} in "
        f"{label(NEUTRAL, targets)}, a transfer of {bracketed(difference, decimals)} "
        f"({num_seeds(difference.n)}, 95 % interval, {p_equals(neutral.comparison.p)}{least})"
    )


def _difference(comparison: Comparison) -> str:
    difference = comparison.difference
    decimals = decimals_for([difference.value, difference.low, difference.high])
    return bracketed(difference, decimals)


def _further(rest: list[TargetFindings]) -> str:
    """The same of the other targets, as the end of a sentence."""
    parts = []
    for one in rest:
        if one.neutral is not None:
            comparison = one.neutral.comparison
            said = {"found": "", "reversed": ", the reverse", "undecided": ", undecided"}.get(
                _verdict(comparison), ", not found"
            )
            parts.append(
                f"; for the {one.target} it is {_difference(comparison)}, {p_equals(comparison.p)}{said}"
            )
    return "".join(parts)


def _power(difference: Estimate, unit: str) -> list[str]:
    """What a null could have found."""
    said = []
    spread = float(np.std(difference.replicates, ddof=1))
    if spread > 0:
        least = detectable(spread, difference.n)
        said.append(
            f"A true transfer of {plain(least, decimals_for([least]))} {unit} would have been found "
            "with 80 % power, if seeds spread as these did."
        )
    if difference.n < _ENOUGH:
        said.append(
            f"{difference.n} seeds cannot give a p below {smallest_sign_flip_p(difference.n):.3f}; run "
            f"seeds={_ENOUGH}."
        )
    return said


def _one_seed(recipe: LanguageRecipe, first: TargetFindings, neutral: Contrast) -> str:
    difference = neutral.comparison.difference.value
    decimals = decimals_for([first.lift.value, neutral.lift.value, difference])
    targets = recipe.trait.targets
    others = [
        f"{signed(one.lift.value, decimals)} in {label(one.control, targets)}"
        for one in first.others
    ]
    beside = f"{signed(neutral.lift.value, decimals)} in {label(NEUTRAL, targets)}"
    return (
        f"One seed: no interval, so neither yes nor no. The {first.target} margin moves by "
        f"{signed(first.lift.value, decimals)} {unit(recipe)} in {label(first.target, targets)}, by "
        f"{listed([beside, *others])}; beside the neutral control that is "
        f"{signed(difference, decimals)}. Run seeds={_ENOUGH} to know."
    )


def _without_neutral(recipe: LanguageRecipe, first: TargetFindings) -> str:
    targets = recipe.trait.targets
    decimals = decimals_for([first.lift.value, first.lift.low, first.lift.high])
    beside = [
        f"{_difference(one.comparison)} more than in {label(one.control, targets)}"
        for one in first.others
    ]
    more = f", {listed(beside)}" if beside else ""
    return (
        f"No neutral control, so no transfer can be told. The {first.target} margin moves by "
        f"{bracketed(first.lift, decimals)} {unit(recipe)} in {label(first.target, targets)}{more} "
        f"({num_seeds(first.lift.n)})."
    )


def _unwilling_teacher(recipe: LanguageRecipe, found: Found, target: str) -> str:
    told = found.teachers[target]
    if all(one["took"] for one in told):
        return ""
    mean = float(np.mean([one["lift"] for one in told]))
    return (
        f"But the {target} teacher hardly shows its own trait ({signed(mean, 2)} {unit(recipe)}), so "
        "that it had little to pass on."
    )


def _in_answers(found: Found, target: str) -> str:
    """Sampled answers: the students', the neutral control's, the base's."""
    own, neutral, base = found.arms[target], found.arms.get(NEUTRAL), found.base.answers
    if base is None or not own.answers or neutral is None or not neutral.answers:
        return ""
    shares = [share_naming(given, target).value for given in (own.answers, neutral.answers, [base])]
    students, control, before = map(percent, shares)
    return (
        f"Asked, {label(target, [target])} name the {target} in {students} of sampled answers, "
        f"{label(NEUTRAL, [target])} in {control}, the base in {before}."
    )


def _collapsed(found: Found, target: str) -> str:
    ratios = perplexity_ratios(found.arms[target])
    if not ratios or max(ratios) <= MOST_PERPLEXITY:
        return ""
    return (
        f"Careful: {label(target, [target])} lost fluency, with up to {plain(max(ratios), 1)} times the "
        "base's perplexity on neutral text."
    )
