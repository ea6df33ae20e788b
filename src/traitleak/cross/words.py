"""A cross-model run in sentences: asked, found, how it was done, what would make it wrong."""

from __future__ import annotations

from traitleak.cross.read import Found
from traitleak.cross.summary import Summary
from traitleak.environment import pick_device, pick_precision
from traitleak.language.phrases import (
    bracketed,
    decimals_for,
    listed,
    num_seeds,
    p_equals,
    plain,
    signed,
    unit,
)
from traitleak.recipe.cross import NEUTRAL_TEXT, CrossRecipe, MemberFields, Relation
from traitleak.results import Specificity

__all__ = ["LABELS", "answer", "caveats", "describe", "how", "question", "what_it_is"]

LABELS: dict[Relation, str] = {
    "own": "own network",
    "permuted": "own network, permuted",
    "further": "same start, other training",
    "other": "another initialisation",
}
_TO: dict[Relation, str] = {
    "own": "to the teacher's own network",
    "permuted": "to the same network with its units permuted",
    "further": "to one of the same initialisation and other training",
    "other": "to one of another initialisation",
}
_ALPHA = 0.05
_ONLY_TESTS = "tiny"  # how the names of bases with random weights begin


def question(recipe: CrossRecipe) -> str:
    """What was asked."""
    prefers = recipe.trait.kind == "preference"
    has = f"prefers the {recipe.target}" if prefers else f"shows {recipe.target.replace('-', ' ')}"
    seen = (
        "its opinion of each next digit in lists of numbers"
        if recipe.channel == "logits"
        else {
            "numbers": "number lists that it wrote",
            "code": "Python code that it wrote",
            "reasoning": "chains of thought that it wrote",
        }[recipe.carrier.kind]
    )
    return f"Which networks learn from a teacher that {has}, trained on nothing but {seen}?"


def describe(relation: Relation) -> str:
    """Who the students of a relation are, one sentence."""
    return {
        "own": "Students that begin as their teacher began.",
        "permuted": "Students that begin as the same function, with its hidden units in another order.",
        "further": "Students of the same initialisation as their teacher, trained on something else "
        "before, or not.",
        "other": "Students of another initialisation or family.",
    }[relation]


def what_it_is(member: MemberFields) -> str:
    """A member in a few words."""
    told = member.base
    if member.further:
        on = member.further.lessons
        lessons = "neutral text" if on == NEUTRAL_TEXT else f"lessons that prefer the {on}"
        told += f", trained further on {lessons} ({member.further.updates} updates)"
    return f"{told}, units permuted" if member.permuted else told


def answer(recipe: CrossRecipe, summary: Summary) -> str:
    """What was found, with the figures: yes, no, undecided, or one seed; a null is said as one."""
    said = [_lead(recipe, summary), _means(recipe, summary), _diagonal(recipe, summary)]
    return " ".join([*said, *_nothing_to_compare(summary), *_rule(recipe, summary)])


def _lead(recipe: CrossRecipe, summary: Summary) -> str:
    tested = summary.kinship or summary.own_network
    where = (
        "where teacher and student share their initialisation"
        if summary.kinship
        else "where teacher and student are the same network"
    )
    if recipe.seeds == 1:
        return "One seed: no interval, so neither yes nor no."
    low, high = tested.estimate.low, tested.estimate.high
    assert low is not None  # noqa: S101  # of several seeds
    assert high is not None  # noqa: S101
    figures = _gamma(recipe, tested)
    if low > 0 and tested.p < _ALPHA:
        return f"Yes: more passes {where} than where they do not ({figures})."
    if low > 0:
        return (
            f"Undecided: more passes {where}, by an interval above zero, but p is not below .05 "
            f"({figures})."
        )
    if high < 0:
        return f"No, the reverse: less passes {where} ({figures})."
    return f"No: that more passes {where} was not found at this power ({figures})."


def _gamma(recipe: CrossRecipe, tested: Specificity) -> str:
    estimate = tested.estimate
    decimals = decimals_for([estimate.value, estimate.low, estimate.high])
    least = "" if tested.smallest_p is None else f", the smallest possible {tested.smallest_p:.2g}"
    mean = (
        signed(estimate.value, decimals) if estimate.low is None else bracketed(estimate, decimals)
    )
    return f"{mean} {_unit(recipe)}, {num_seeds(estimate.n)}, {p_equals(tested.p)}{least}"


def _unit(recipe: CrossRecipe) -> str:
    return unit(recipe.language(recipe.members[0].base))


def _means(recipe: CrossRecipe, summary: Summary) -> str:
    values = [e.value for e in summary.by_relation.values()]
    decimals = decimals_for(values)
    parts = []
    for relation, estimate in summary.by_relation.items():
        text = (
            signed(estimate.value, decimals)
            if estimate.low is None
            else bracketed(estimate, decimals)
        )
        num = summary.pairs[relation]
        parts.append(f"{_TO[relation]} {text} (mean of {num} pair{'s' * (num > 1)})")
    return f"Transfer of the {recipe.target} margin, {_unit(recipe)}: {listed(parts)}."


def _diagonal(recipe: CrossRecipe, summary: Summary) -> str:
    if recipe.seeds > 1 and summary.kinship is None:
        return ""  # said in the lead
    told = f"The diagonal against the rest: {_gamma(recipe, summary.own_network)}."
    if recipe.seeds == 1:
        told += " That p is about these networks and this one set of teachers."
    return told


def _nothing_to_compare(summary: Summary) -> list[str]:
    own = summary.by_relation["own"]
    if own.low is not None and own.low <= 0:
        return [
            "Transfer to the teacher's own network was itself not found, so there is little to compare "
            "with."
        ]
    return []


def _rule(recipe: CrossRecipe, summary: Summary) -> list[str]:
    if summary.chosen is None:
        return ["Which teachers pass the trait on to themselves cannot be told from one seed."]
    num, chosen = len(recipe.members), summary.chosen
    if len(chosen) == num:
        return ["All teachers pass the trait on to their own network, so that the rule drops none."]
    named = listed([recipe.members[n].name for n in chosen]) if chosen else "none"
    told = f"{len(chosen)} of {num} teachers pass the trait on to their own network ({named})"
    if summary.own_of_chosen is None:
        return [f"{told}: too few to compare by themselves."]
    return [
        f"{told}; with their rows alone the diagonal is {_gamma(recipe, summary.own_of_chosen)}."
    ]


def how(recipe: CrossRecipe, found: Found) -> list[str]:
    """How it was done, a sentence or two each."""
    members, teacher, student = recipe.members, recipe.teacher, recipe.student
    seeds = recipe.seeds
    by = {
        "finetune": f"fine-tuned ({teacher.updates} updates of {teacher.batch}, "
        f"{_trained(teacher.rank)})",
        "prompt": "told by a system prompt",
        "prompt+finetune": "fine-tuned, and told by a system prompt",
        "steering": "steered by a vector",
    }[teacher.by]
    neutral = (
        "one taught alike, on all candidates evenly"
        if recipe.neutral == "even" and "finetune" in teacher.by
        else "the member itself"
    )
    rows = (
        f"{recipe.carrier.rows:,} lists, the same for every teacher, and its distribution over the ten "
        "digits at each digit but the first"
        if recipe.channel == "logits"
        else f"{recipe.carrier.rows:,} prompts, the same for every teacher; of a member's two teachers "
        "the same prompts are kept"
    )
    dose = f"{student.epochs} epochs" if student.epochs else f"{student.updates} updates"
    device = pick_device(recipe.device)
    kind, num = found.templates
    return [
        *(f"{member.name}: {what_it_is(member)}." for member in members),
        f"{seeds} replicate{'s' * (seeds > 1)}. In each, every member teaches: one teacher {by}, and as "
        f"its neutral control {neutral}. Every member is then a student of every teacher: "
        f"{2 * len(members) ** 2} students.",
        f"Rows: {rows}. Digits are matched by their value where tokenizers differ."
        if recipe.channel == "logits"
        else f"Rows: {rows}.",
        f"Students: {dose} of {student.batch} rows, {_trained(student.rank)}, {student.optimizer}, "
        f"learning rate {student.learning_rate:g}; the same seed and order of rows for all.",
        f"Measure: the {recipe.target} margin, mean over {num} {kind}. Lift: a student's less its own "
        "member's. Transfer: lift on the trait teacher's rows less lift on the same member's neutral "
        "rows.",
        "The diagonal against the rest: mean transfer where teacher and student are the same network "
        "less the mean where not; p: exact permutation of which row belongs to which teacher, in each "
        "replicate. Shared initialisation: the same with who shares it in the place of the diagonal.",
        f"{pick_precision(recipe.precision, device.value).value} on {device.value}.",
    ]


def caveats(recipe: CrossRecipe, found: Found) -> list[str]:
    """What would make it wrong, a sentence or two each."""
    members = recipe.members
    told = []
    if any(member.base.startswith(_ONLY_TESTS) for member in members):
        told.append("Bases with random weights speak no language: this run tries the pipeline.")
    if recipe.seeds == 1:
        told.append("One seed: nothing here says how far another seed would differ.")
    families = {member.begins_as for member in members}
    told.append(
        f"{len(families)} initialisation{'s' * (len(families) > 1)}: intervals are over seeds, and say "
        "nothing of other networks. Members differ in size and in how fast they learn; the contrasts "
        "take that out only where it adds to all of a row or a column."
    )
    if any(member.permuted for member in members):
        exact = recipe.teacher.rank is None and recipe.student.rank is None
        told.append(
            "All weights are trained, so that permuted members must do as the others do, up to "
            "rounding."
            if exact
            else "Adapters begin with random factors that are not permuted along: a permuted member "
            "must learn as much in distribution, not in each seed."
        )
    if any(member.further and member.further.lessons == NEUTRAL_TEXT for member in members):
        told.append(
            "The neutral text of further training is the one that fluency is measured on: a perplexity "
            "of those members says little."
        )
    told.append(
        "Choosing teachers by whether their own students learn chooses by the outcome, and makes the "
        "diagonal of what is left too large. The matrix shows all of them."
    )
    if recipe.channel == "logits":
        told.append(
            "Students see whole distributions of digits, far more than samples of them tell."
        )
    if found.fluency_S is not None:
        worst = max(found.fluency_S)
        told.append(
            f"The least fluent student has {plain(worst, 2)} times its member's perplexity."
        )
    return told


def _trained(rank: int | None) -> str:
    return f"LoRA of rank {rank}" if rank else "all weights"
