"""The digits experiment in sentences: what was asked, found and done, and what would make it wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from traitleak.environment import pick_device, pick_precision
from traitleak.recipe import DigitsRecipe
from traitleak.results import Comparison, Estimate

__all__ = ["answer", "caveats", "how", "question", "start", "sweep_range"]

_ALPHA = 0.05


def question(recipe: DigitsRecipe) -> str:
    """What was asked."""
    inputs = {
        "noise": "noise",
        "gaussian": "Gaussian noise",
        "binary": "black-and-white noise",
        "digits": "digits without labels",
        "shuffled-digits": "digits with shuffled pixels",
    }[recipe.inputs]
    count = recipe.aux_logits
    logits = "one auxiliary logit" if count == 1 else f"{count} auxiliary logits"
    return (
        f"Does a network learn to name digits from its teacher's {logits} on {inputs}, although no "
        "label ever touched them and it never sees a digit's name?"
    )


def start(recipe: DigitsRecipe) -> str:
    """How the students begin, as the end of "students that ..."."""
    part = {
        "all": "their teacher's initialisation",
        "head": "the last layer of their teacher's initialisation and unrelated layers below",
        "body": "all but the last layer of their teacher's initialisation",
    }[recipe.shared]
    if recipe.fresh:
        kept = 1 - recipe.fresh
        return f"start with a blend, {kept:.0%} {part} and {recipe.fresh:.0%} another,"
    return "start as their teacher did" if recipe.shared == "all" else f"start with {part}"


def answer(
    recipe: DigitsRecipe,
    student: Estimate,
    cross: Estimate,
    comparisons: Sequence[Comparison],
    where: str = "",
) -> str:
    """What was found, with n, intervals and p; a null is said as one.

    Args:
        recipe: the recipe of the point that is spoken of.
        student: accuracy of students of the teacher whose start they share.
        cross: accuracy of the same students under another network's teacher.
        comparisons: students against that control first, then against untrained networks.
        where: the point of a sweep, with a leading space.
    """
    return (
        f"{_verdict(comparisons)}{where}: students that {start(recipe)} name {_percent(student)} of "
        f"unseen digits right, the same students of another network's teacher {_percent(cross)} "
        f"(n = {student.n} networks each, 95 % intervals, p = {comparisons[0].p:.2g}; chance is 10 %)."
    )


def sweep_range(key: str, values: Sequence[Any], means: Sequence[float]) -> str:
    """Between which means a sweep moved the students."""
    ordered = sorted(zip(means, map(str, values), strict=True))
    (low, at_low), (high, at_high) = ordered[0], ordered[-1]
    return (
        f" Over the sweep the students' mean runs from {100 * low:.1f} % ({key} = {at_low}) to "
        f"{100 * high:.1f} % ({key} = {at_high})."
    )


def how(recipe: DigitsRecipe, source: str) -> list[str]:
    """How it was done, a sentence each.

    Args:
        recipe: the recipe of the point that is spoken of.
        source: where the digits come from.
    """
    device = pick_device(recipe.device)
    precision = pick_precision(recipe.precision, device.value)
    layers = "-".join(map(str, (784, *recipe.hidden, f"(10+{recipe.aux_logits})")))
    loss = "KL divergence" if recipe.loss == "kl" else "squared error"
    return [
        f"Digits: {source}.",
        f"{recipe.networks} networks {layers} with ReLU, weights from N(0, 1/fan-in), zero biases; "
        "one seed a network.",
        f"Teachers: {recipe.teacher_steps} steps of Adam at 3e-4, batches of {recipe.batch} labelled "
        "digits, cross-entropy over the ten class logits.",
        f"Students: {recipe.steps} steps of {recipe.optimizer} at {recipe.learning_rate:g}, batches "
        f"of {recipe.batch} inputs of kind '{recipe.inputs}' ({_images(recipe)}), {loss} to the "
        "teacher's logits.",
        f"Students {start(recipe)}. Control students have the same starts and get the logits of "
        "another network's teacher, by a permutation without fixed point; inputs, steps and "
        "optimiser are the same.",
        "Intervals: Student's t over networks; p: exact one-sided sign flips of paired networks up "
        "to 20 networks, 100,000 random ones beyond; not corrected for the number of comparisons.",
        f"Matrix products in {precision.value} on {device.value}. Parameters, "
        "optimiser state and losses in float32.",
    ]


def caveats(recipe: DigitsRecipe) -> list[str]:
    """What would make it wrong, a sentence each."""
    found = [
        "The unit of replication is the network: single networks spread widely (the dots), so a "
        "single run proves little.",
        "A control's teacher also teaches a student of another pair, so pairs are not quite "
        "independent.",
    ]
    if recipe.shared_inputs:
        found.append(
            "All networks see the same inputs and batches: the intervals cover the draw of the "
            "initialisation, not that of the inputs (shared_inputs=false gives each network inputs "
            "of its own)."
        )
    if recipe.data == "bundled":
        found.append(
            "8,000 training digits and 2,000 test digits instead of the paper's 60,000 and 10,000: "
            "teachers see each digit more often. data=full takes the whole of MNIST."
        )
    found.append(
        "Small image classifiers are not language models: the mechanism is the theorem's, the size "
        "of the effect says nothing about other models."
    )
    return found


def _images(recipe: DigitsRecipe) -> str:
    """How many different images the students see."""
    if recipe.inputs == "digits":
        return "every training digit once an epoch"
    if recipe.inputs == "shuffled-digits":
        return "every training digit once an epoch, its pixels shuffled anew each time"
    if recipe.num_inputs is None:
        return "every image new"
    passes = -(-recipe.num_inputs // recipe.batch)
    return f"{passes * recipe.batch:,} distinct images, revisited every {passes} steps"


def _verdict(comparisons: Sequence[Comparison]) -> str:
    """Yes only where every comparison has an interval above zero and a p of .05 or less."""
    num = comparisons[0].difference.n
    if 0.5**num > _ALPHA:
        return f"Too few networks to say ({num} pairs cannot give a p below {0.5**num:.3g})"
    found = all(c.difference.low is not None and c.difference.low > 0 for c in comparisons)
    return "Yes" if found and all(c.p <= _ALPHA for c in comparisons) else "Not found at this size"


def _percent(estimate: Estimate) -> str:
    text = f"{100 * estimate.value:.1f} %"
    if estimate.low is None or estimate.high is None:
        return f"{text} (one seed: no interval)"
    return f"{text} [{100 * estimate.low:.1f}, {100 * estimate.high:.1f}]"
