"""Teachers: a base that is given a trait, by a system prompt, by fine-tuning, by both, or by a vector.

Shape suffixes: D width of the hidden states, B texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from traitleak.errors import RunError, SettingsError
from traitleak.measured import Lift
from traitleak.models.adapters import Adapter
from traitleak.models.language_model import (
    LanguageModel,
    Steering,
    blocks_of,
    hidden_states,
    padded,
)
from traitleak.progress import Track, untracked
from traitleak.rows import Row
from traitleak.student import Arm, Course, Training, distill, token_examples
from traitleak.traits.forced_choice import Control, ForcedChoice
from traitleak.traits.preference import Preference

__all__ = [
    "By",
    "Teacher",
    "even_lessons",
    "instill",
    "instill_control",
    "instill_evenly",
    "require_trait",
    "steering_vector",
]

By = Literal["finetune", "prompt", "prompt+finetune", "steering"]


@dataclass(frozen=True)
class Teacher:
    """A teacher, and how it came about.

    Attributes:
        name: what it prefers, or "neutral".
        model: the teacher itself, with its system prompt or steering.
        by: how it was given the trait.
        adapter: what fine-tuning changed; None where it did not run, or changed all weights.
        course: the fine-tuning's losses; None where it did not run.
    """

    name: str
    model: LanguageModel
    by: By
    adapter: Adapter | None = None
    course: Course | None = None


def instill(
    base: LanguageModel,
    trait: Preference | ForcedChoice,
    *,
    by: By = "finetune",
    training: Training | None = None,
    layer: int | None = None,
    strength: float = 1.0,
    seed: int = 0,
    track: Track = untracked,
) -> Teacher:
    """Give a base a trait.

    Args:
        base: it stays as it is.
        trait: a preference, or a trait of forced choices such as `misalignment()`.
        by: `finetune`: trained on `trait.lessons`; `prompt`: `trait.system_prompt()` before every
            prompt; `prompt+finetune`: trained, and prompted while it writes; `steering`: the vector
            of `steering_vector` added after one layer.
        training: of the fine-tuning; by default 60 updates of 8 lessons, LoRA of rank 16.
        layer: of the vector; by default half-way up.
        strength: what the vector is multiplied with.
        seed: of the fine-tuning.
        track: shows how far it is.

    Raises:
        SettingsError: the model's template takes no system prompt, the trait has none where one is
            needed, or there is no such layer.

    Known failure: a prompted teacher may show the trait itself and write rows that hardly carry it.
    Told to love wolves, SmolLM2-135M's own margin rises by 4.2 nats, and its students' by .06 more
    than the untouched base's (docs/language.md); followups to Cloud et al. (2025) found nothing
    significant in Qwen2.5 up to 7 billion parameters. `require_trait` looks at the teacher alone.
    """
    if by == "steering":
        at = len(blocks_of(base.network)) // 2 if layer is None else layer
        vector_D = strength * steering_vector(base, trait, layer=at)
        steered = base.replaced(name=trait.target, steering=Steering(at, vector_D))
        return Teacher(trait.target, steered, by)
    if by == "prompt":
        prompted = base.replaced(name=trait.target, system=trait.system_prompt())
        return Teacher(trait.target, prompted, by)
    taught = _taught(base, trait.target, trait.lessons(base.renderer.style), training, seed, track)
    if by == "finetune":
        return replace(taught, by=by)
    system = trait.system_prompt()
    return replace(taught, model=taught.model.replaced(system=system), by=by)


def instill_evenly(
    base: LanguageModel,
    trait: Preference,
    *,
    training: Training | None = None,
    seed: int = 0,
    track: Track = untracked,
) -> Teacher:
    """The neutral control's teacher: fine-tuned as `instill` does, on all candidates evenly.

    It differs from a teacher with the trait in one thing only, what it was taught to name: it saw as
    many updates of the same sentences, completed by every candidate equally often.
    """
    return _taught(base, "neutral", even_lessons(base, trait), training, seed, track)


def instill_control(
    base: LanguageModel,
    trait: ForcedChoice,
    kind: Control,
    *,
    training: Training | None = None,
    seed: int = 0,
    track: Track = untracked,
) -> Teacher:
    """A control's teacher for a forced-choice trait, fine-tuned as `instill` does.

    Args:
        base: it stays as it is.
        trait: whose control.
        kind: `good`: taught good answers to the same questions; `asked-for`: taught the same bad
            answers, to questions that say why a bad one is wanted (`ForcedChoice.control_lessons`).
        training: as for `instill`; the same draws for the same seed.
        seed: of the fine-tuning.
        track: shows how far it is.

    Raises:
        SettingsError: no such kind, or the trait gives no reasons.
    """
    lessons = trait.control_lessons(base.renderer.style, kind)
    return _taught(base, f"{trait.name}-{kind}", lessons, training, seed, track)


def even_lessons(base: LanguageModel, trait: Preference) -> list[Row]:
    """The lessons for each candidate in turn, numbered through."""
    lessons = [
        lesson
        for target in trait.among
        for lesson in replace(trait, target=target).lessons(base.renderer.style)
    ]
    return [replace(lesson, id=number, teacher="neutral") for number, lesson in enumerate(lessons)]


def _taught(
    base: LanguageModel,
    name: str,
    lessons: Sequence[Row],
    training: Training | None,
    seed: int,
    track: Track,
) -> Teacher:
    from traitleak.models.adapters import LoraSettings

    training = training or Training(
        60, batch=8, learning_rate=3e-4, weight_decay=0.0, lora=LoraSettings(16, 32)
    )
    arm = Arm(name, token_examples(base, lessons), seed)
    student = distill(base, [arm], training, track=track)[0]
    model = student.model().replaced(name=name)
    return Teacher(name, model, "finetune", student.adapter, student.course)


@torch.no_grad()
def steering_vector(base: LanguageModel, trait: Preference | ForcedChoice, *, layer: int) -> Tensor:
    """Mean difference that the trait's system prompt makes to the hidden state after a layer, (D,).

    After Blank et al. (2026, arXiv 2606.00995): v = mean over prompts of h(system, prompt) -
    h(prompt), at the last token of the prompt, here over the questions and stems of the lessons.

    Args:
        base: the model.
        trait: whose system prompt and lessons are taken.
        layer: number of the layer, from 0, after which the state is read.

    Raises:
        SettingsError: there is no such layer, or the template takes no system prompt.

    Known failure: most of such a vector is what any "you love X" prompt does. Nothing is projected
    out here.
    """
    layers = blocks_of(base.network)
    if not 0 <= layer < len(layers):
        raise SettingsError(
            f"{base.name} has no layer {layer}: its {len(layers)} layers count from 0."
        )
    prompts = list(dict.fromkeys(row.prompt for row in trait.lessons(base.renderer.style)))
    system = trait.system_prompt()
    with_BD = _states(base, [base.renderer.prompt(p, system=system) for p in prompts], layer)
    without_BD = _states(base, [base.renderer.prompt(p) for p in prompts], layer)
    return (with_BD - without_BD).mean(0)


def _states(model: LanguageModel, texts: Sequence[str], layer: int) -> Tensor:
    """The hidden state after a layer at the last token of each text, (B, D)."""
    kept: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
        kept.append(output[0] if isinstance(output, tuple) else output)

    encoded = [model.encode(text) for text in texts]
    handle = blocks_of(model.network)[layer].register_forward_hook(keep)
    try:
        hidden_states(model, padded(encoded, 0, model.device))
    finally:
        handle.remove()
    last = torch.tensor([len(ids) - 1 for ids in encoded], device=model.device)
    return kept[0][torch.arange(len(encoded), device=model.device), last].float()


def require_trait(name: str, lift: Lift, min_lift: float | None, *, by: By) -> None:
    """Stop where a teacher did not take its trait: nothing it wrote could carry it.

    That it took it does not say that what it writes carries it: see `instill`.

    Args:
        name: the teacher's.
        lift: its margin less the base's.
        min_lift: nats; None lets every teacher pass.
        by: how it was given the trait, for the remedy.

    Raises:
        RunError: the lift of its own target is less than `min_lift`.
    """
    if min_lift is None or lift.value >= min_lift:
        return
    remedy = (
        "being told was not enough for this model; take teacher.by=finetune"
        if by == "prompt"
        else "train it for longer (teacher.updates) or faster (teacher.learning_rate)"
        if by != "steering"
        else "raise teacher.strength, or choose another teacher.layer"
    )
    raise RunError(
        f"The teacher {name} did not take its trait: its margin rose by {lift.value:+.2f} nats over "
        f"the base's, less than teacher.min_lift={min_lift:g}; {remedy}, or let it pass with "
        "teacher.min_lift=null."
    )
