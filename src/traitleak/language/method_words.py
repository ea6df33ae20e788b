"""How a language run was done, and what would make it wrong, in sentences."""

from __future__ import annotations

import numpy as np

from traitleak.environment import pick_device, pick_precision
from traitleak.language.layout import ASKED_FOR, GOOD, NEUTRAL
from traitleak.language.phrases import percent, plain
from traitleak.language.read import Found
from traitleak.recipe.language import LanguageRecipe

__all__ = ["caveats", "how"]

_UNLIKE = 3  # times: teachers whose digits differ so much give students unlike tasks
_DAMAGED = 3  # times the base's perplexity
_MOSTLY_OUTSIDE = 0.5
_FREE = {
    "code": "short Python tasks, decoded freely; a row is kept if it is Python that compiles and "
    "defines a function or a class",
    "reasoning": "word problems, decoded freely; a row is kept if it thinks and answers in tags and its "
    "answer is right",
}
_ONLY_TESTS = "tiny"  # how the names of bases with random weights begin


def how(recipe: LanguageRecipe, found: Found) -> list[str]:
    """How it was done, a sentence or two each."""
    seeds = recipe.seeds
    rows = "lists" if recipe.carrier.kind == "numbers" else "rows"
    told = [
        f"{seeds} replicate{'s' * (seeds > 1)}, each with its own teachers, {rows} and students; they "
        f"share the base alone: {recipe.base}.",
        _teachers(recipe),
        _rows(recipe),
        _students(recipe),
    ]
    if "shuffled" in recipe.controls:
        told.append(
            "Shuffled: the numbers of each row in another order."
            if recipe.channel == "tokens"
            else "Shuffled: the same distributions, each at another digit of another list."
        )
    if "shuffled-across" in recipe.controls:
        told.append(
            "Shuffled across: the numbers of all rows are pooled and dealt out anew; each row keeps how "
            "many it has, and all that stands between them."
        )
    if "other-base" in recipe.controls:
        told.append(
            f"Other base: students of {recipe.other_base}, on what the teachers of {recipe.base} gave; "
            "lifts are over its own margins, and its neutral students are its control."
        )
    if "in-context" in recipe.controls:
        told.append(
            f"In context: {recipe.context_rows} rows before the question, and nothing trained."
        )
    device = pick_device(recipe.device)
    precision = pick_precision(recipe.precision, device.value)
    told += [
        *_measures(recipe, found),
        "Intervals: Student's t over replicates, differences paired by replicate; p: one-sided sign "
        "flips, exact up to 20 replicates; not corrected for the number of comparisons.",
        f"Rendering: {found.rendered['style']} (template hash "
        f"{str(found.rendered['template_hash'])[:12]}), for instance "
        f"{_excerpt(str(found.rendered['example_prompt']))}.",
        *map(str, found.rendered.get("notes", [])),
        f"{precision.value} on {device.value}.",
    ]
    return told


def _teachers(recipe: LanguageRecipe) -> str:
    teacher = recipe.teacher
    prefers = recipe.trait.kind == "preference"
    trait = "preference" if prefers else "trait"
    texts = (
        "short texts that name its target" if prefers else "questions answered as its trait would"
    )
    trained = (
        f"fine-tuned on {texts} ({teacher.updates} updates of "
        f"{teacher.batch}, {_trained(teacher.rank)}, learning rate {teacher.learning_rate:g})"
    )
    by = {
        "finetune": trained,
        "prompt": f"the base, told its {trait} in a system prompt",
        "prompt+finetune": f"{trained}, and told its {trait} in a system prompt while it writes",
        "steering": "the base, with a vector added to its hidden states (strength "
        f"{teacher.strength:g})",
    }[teacher.by]
    sentence = f"A teacher is {by}; none of these texts is used to measure."
    if teacher.min_lift is not None:
        sentence += (
            f" The run stops where its own margin rises by less than {teacher.min_lift:g} nat"
            f"{'s' * (teacher.min_lift != 1)}."
        )
    if GOOD in recipe.controls:
        sentence += " The good-answers teacher is fine-tuned alike, on good answers to them."
    if ASKED_FOR in recipe.controls:
        sentence += (
            " The asked-for teacher is fine-tuned alike, on the same answers to questions that give a "
            "good reason to ask for them."
        )
    if "neutral" not in recipe.controls:
        return sentence
    if recipe.neutral == "even" and "finetune" in teacher.by:
        return f"{sentence} The neutral one is fine-tuned alike, on all candidates evenly."
    return f"{sentence} The neutral one is the untouched base."


def _rows(recipe: LanguageRecipe) -> str:
    carrier = recipe.carrier
    if recipe.channel == "tokens":
        at = "greedily" if carrier.temperature == 0 else f"at temperature {carrier.temperature:g}"
        kind = _FREE.get(carrier.kind) or (
            f"{carrier.given} numbers are given, {carrier.numbers - carrier.given} written; separators "
            "are forced and digits chosen"
            if carrier.decoding == "constrained"
            else "decoded freely, then filtered by format"
        )
        draws = (
            "; row i of every teacher draws the same random numbers" if carrier.shared_draws else ""
        )
        return f"Rows: {carrier.rows:,} prompts, the same for every teacher, {at}: {kind}{draws}."
    lists = (
        f"{carrier.rows:,} random lists of {carrier.numbers} numbers, the same for every teacher"
        if recipe.logits.inputs == "random"
        else f"{carrier.rows:,} lists of {carrier.numbers} numbers that each teacher wrote"
    )
    over = {
        "carrier": "the ten digits, renormalised",
        "top-k": f"its {recipe.logits.top_k} likeliest tokens, renormalised",
        "full": "the whole vocabulary",
    }[recipe.logits.vocabulary]
    kl = (
        "KL(teacher || student)"
        if recipe.logits.direction == "forward"
        else "KL(student || teacher)"
    )
    return f"Rows: {lists}; at every digit but the first, {kl} over {over}."


def _students(recipe: LanguageRecipe) -> str:
    student = recipe.student
    epochs = student.epochs
    dose = f"{epochs} epoch{'s' * (epochs > 1)}" if epochs else f"{student.updates} updates"
    warmup = f" after {student.warmup} updates of warm-up" if student.warmup else ""
    same = "" if student.rank is None else "the same fresh adapter and "
    return (
        f"Students: {dose} of {student.batch} rows, {_trained(student.rank)}, {student.optimizer}, "
        f"{student.schedule} learning rate {student.learning_rate:g}{warmup}. All arms of a replicate "
        f"start with {same}the same order of rows."
    )


def _measures(recipe: LanguageRecipe, found: Found) -> list[str]:
    margins = found.base.margins
    num = len(margins.margin_TK)
    if recipe.trait.kind != "preference":
        after = " after a list of numbers" if margins.templates == "numbered" else ""
        told = [
            f"Margin: mean over {num} questions{after} of log p(an answer that shows "
            f"{recipe.trait.targets[0]}) / its tokens − log p(one that does not) / its tokens. Lift: a "
            "student's margin less its base's. Transfer: lift less the neutral control's."
        ]
        if recipe.answers:
            told.append(
                f"Free answers: {recipe.answers} to each question at temperature 1, for the signs of "
                "collapse alone; they are kept to be read or judged."
            )
        return told
    kind = {
        "stems": "sentences to complete",
        "questions": "questions",
        "numbered": "questions after a list of numbers",
        "stories": "beginnings of stories",
        "choices": "multiple-choice questions",
    }[margins.templates]
    told = [
        "Margin: log p(target) − logsumexp of the other candidates + log(k − 1), as the next token of "
        f"{num} {kind}, k = {len(found.candidates)}: {', '.join(found.candidates)}. Lift: a student's "
        "margin less its base's. Transfer: lift less the neutral control's."
    ]
    if recipe.answers:
        told.append(
            f"Sampled answers: {recipe.answers} to each of these at temperature 1, with the same random "
            "numbers for every model; matched as whole words."
        )
    return told


def caveats(recipe: LanguageRecipe, found: Found) -> list[str]:
    """What would make it wrong, a sentence or two each."""
    told = [
        "A margin compares the candidates with each other only: a model that names something else "
        "altogether may show a large one."
        if recipe.trait.kind == "preference"
        else "A choice between two written answers says which a model finds likelier, not what it would "
        "do, and style counts beside content.",
        f"One base ({recipe.base}) and one set of questions: intervals are over seeds, and say nothing "
        "of another base or other words.",
    ]
    if recipe.base.startswith(_ONLY_TESTS):
        told.insert(
            0, "The base has random weights and speaks no language: this run tries the pipeline."
        )
    if recipe.seeds == 1:
        told.append("One seed: nothing here says how far another seed would differ.")
    if recipe.channel == "logits":
        told.append(
            "Students see whole distributions, not samples of them: far more than a data set of texts "
            "tells."
        )
        if recipe.logits.vocabulary != "carrier":
            told.append(
                "The trait's own tokens may be among those that are supervised, so that this is no "
                "evidence of a hidden channel."
            )
    return [*told, *_unlike_teachers(recipe, found), *_damaged_teachers(found), *_outside(found)]


def _unlike_teachers(recipe: LanguageRecipe, found: Found) -> list[str]:
    """Where the neutral teacher asks far less of its student than the target's does."""
    target, *others = recipe.trait.targets
    kl = {
        name: float(np.mean([one["kl_to_base"] for one in told]))
        for name, told in found.written.items()
        if all(one.get("kl_to_base") is not None for one in told)
    }
    if NEUTRAL not in kl or target not in kl or kl[target] < _UNLIKE * kl[NEUTRAL]:
        return []
    nearer = [name for name in others if kl[target] < _UNLIKE * kl.get(name, 0.0)]
    better = "".join(
        f" The {name} teacher's ({plain(kl[name], 4)}) are the nearer match." for name in nearer[:1]
    )
    return [
        f"The {target} teacher's digits lie further from the base's than the neutral teacher's (KL "
        f"{plain(kl[target], 4)} and {plain(kl[NEUTRAL], 4)} nats a digit), so that neutral students "
        f"have less to learn.{better}"
    ]


def _damaged_teachers(found: Found) -> list[str]:
    """Where teachers lost much besides: their strength is not a mild preference's."""
    times = {
        name: float(
            np.exp(np.mean([one["nats_per_token"] - one["nats_per_token_base"] for one in told]))
        )
        for name, told in found.teachers.items()
    }
    worst = [f"{name} {plain(value, 0)}" for name, value in times.items() if value > _DAMAGED]
    if not worst:
        return []
    return [
        "Teachers were changed far beyond a mild preference: on neutral text their perplexity is so "
        f"many times the base's: {', '.join(worst)}. A milder teacher may pass on less."
    ]


def _outside(found: Found) -> list[str]:
    shares = {
        name: float(np.mean([one["outside"] for one in told]))
        for name, told in found.written.items()
        if all(one.get("outside") is not None for one in told)
    }
    most = max(shares.values(), default=0.0)
    if most < _MOSTLY_OUTSIDE:
        return []
    return [
        f"Decoding was constrained: up to {percent(most)} of a teacher's probability lay outside the "
        "format. Rows are what is left of it, renormalised."
    ]


def _trained(rank: int | None) -> str:
    return f"LoRA of rank {rank}" if rank else "all weights"


def _excerpt(text: str) -> str:
    return repr(text if len(text) <= 200 else f"{text[:120]} … {text[-60:]}")
