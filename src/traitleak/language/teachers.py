"""Stages of the base and its teachers: what they are, and how strongly they show the trait."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from traitleak.language.layout import ASKED_FOR, GOOD, NEUTRAL
from traitleak.language.models import (
    base_of,
    forced_choice,
    preference,
    save_network,
    save_steering,
    trait_of,
)
from traitleak.language.shared import (
    choice_templates,
    measured_margins,
    model_settings,
    neutral_nats,
    seed_of,
    write_losses,
    write_measures,
    write_plain_json,
)
from traitleak.models.adapters import LoraSettings
from traitleak.models.language_model import LanguageModel
from traitleak.progress import Track
from traitleak.recipe.language import LanguageRecipe
from traitleak.stages import Stage
from traitleak.student import (
    Training,
)
from traitleak.teacher import (
    Teacher,
    instill,
    instill_control,
    instill_evenly,
    require_trait,
)

__all__ = ["base_stage", "teach", "teacher_settings", "teacher_stage"]


def base_stage(recipe: LanguageRecipe, name: str, *, other: bool) -> Stage:
    """`margins.json`, `answers.json`, `collapse.json`, and `rendered.json`: what the model is asked."""

    def work(out: Path, _inputs: Mapping[str, Path], _track: Track) -> None:
        model = base_of(recipe, other=other)
        write_measures(out, recipe, model, recipe.trait.targets[0])
        write_plain_json(
            out / "rendered.json",
            {
                "model": model.name,
                "fingerprint": model.fingerprint,
                "style": model.renderer.style,
                "template_hash": model.renderer.template_hash,
                "notes": list(model.renderer.notes),
                "example_prompt": _example(recipe, model),
                "nats_per_token": neutral_nats(model),
            },
        )

    settings = {**model_settings(recipe, other=other), "seed": recipe.seed}
    return Stage(name, {**settings, "target": recipe.trait.targets[0]}, work)


def _example(recipe: LanguageRecipe, model: LanguageModel) -> str:
    """The first rendered prompt that the margin is measured with."""
    plain = model.renderer.style == "plain"
    if recipe.trait.kind != "preference":
        asked = forced_choice(recipe).measured(choice_templates(recipe))[0]
        return model.rendered(f"{asked}\n" if plain else asked)
    templates = recipe.templates
    if templates == "auto":
        templates = "stems" if plain else "questions"
    return model.rendered(preference(recipe).measured(templates)[0])


def teacher_stage(
    recipe: LanguageRecipe, name: str, stage: str, start: str, replicate: int
) -> Stage:
    """The teacher's adapter, weights or vector; `margins.json`, `teacher.json`, `metrics.jsonl`."""
    seed = seed_of(recipe, "teacher", replicate)

    def work(out: Path, inputs: Mapping[str, Path], track: Track) -> None:
        rendered = json.loads((inputs[start] / "rendered.json").read_text(encoding="utf-8"))
        at_first = float(rendered["nats_per_token"])
        teach(out, recipe, name, base_of(recipe), nats_at_first=at_first, seed=seed, track=track)

    return Stage(stage, teacher_settings(recipe, name, seed), work, inputs=(start,))


def teacher_settings(recipe: LanguageRecipe, name: str, seed: int) -> dict[str, JsonValue]:
    """What `teach` depends on, besides the base."""
    how, by = recipe.teacher, _by(recipe, name)
    return {
        **model_settings(recipe),
        "name": name,
        "first": recipe.trait.targets[0],
        "by": by,
        "teacher": {} if by == "base" else how.model_dump(mode="json", exclude={"min_lift"}),
        "min_lift": how.min_lift,
        "seed": seed,
    }


def _by(recipe: LanguageRecipe, name: str) -> str:
    """How a teacher gets what it has; `base` where it is the base itself."""
    # The neutral teacher of a prompt or a vector is the base itself: there is nothing to even out.
    if name == NEUTRAL:
        evened = recipe.neutral == "even" and "finetune" in recipe.teacher.by
        return "even" if evened else "base"
    return name if name in {GOOD, ASKED_FOR} else recipe.teacher.by


def teach(
    out: Path,
    recipe: LanguageRecipe,
    name: str,
    base: LanguageModel,
    *,
    nats_at_first: float,
    seed: int,
    track: Track,
) -> None:
    """Make a teacher of a base, and write what `teacher_stage` leaves.

    Args:
        out: an empty folder.
        recipe: says how.
        name: the teacher's: a target, `neutral`, `good` or `asked-for`.
        base: what it begins as; stays as it is.
        nats_at_first: the base's nats a token on neutral text.
        seed: of the fine-tuning.
        track: shows how far it is.

    Raises:
        RunError: it did not take its trait.
    """
    how = recipe.teacher
    by = _by(recipe, name)
    control = name in {NEUTRAL, GOOD, ASKED_FOR}
    training = Training(
        how.updates,
        batch=how.batch,
        learning_rate=how.learning_rate,
        weight_decay=0.0,
        lora=LoraSettings(how.rank, 2.0 * how.rank) if how.rank else None,
    )
    target = recipe.trait.targets[0] if control else name
    system = None
    if by == "base":
        made = Teacher(name, base.replaced(name=name), "finetune")
    elif by == "even":
        made = instill_evenly(base, preference(recipe), training=training, seed=seed, track=track)
    elif control:
        made = instill_control(
            base,
            forced_choice(recipe),
            "good" if name == GOOD else "asked-for",
            training=training,
            seed=seed,
            track=track,
        )
    else:
        made = instill(
            base,
            trait_of(recipe, name),
            by=how.by,
            training=training,
            layer=how.layer,
            strength=how.strength,
            seed=seed,
            track=track,
        )
        system = made.model.system
    model, course, adapter = made.model, made.course, made.adapter
    if adapter is not None:
        adapter.save(out / "adapter", base=base.name)
    elif course is not None:
        save_network(out, model)
    if model.steering is not None:
        save_steering(out, model.steering)
    found = measured_margins(recipe, model, target)
    lift = found - measured_margins(recipe, base, target)
    estimate = lift.estimate()
    if not control:
        require_trait(name, lift, how.min_lift, by=how.by)
    write_plain_json(out / "margins.json", found.to_json())
    write_losses(out, course)
    write_plain_json(
        out / "teacher.json",
        {
            "name": name,
            "by": by,
            "system": system,
            "lift": lift.value,
            "lift_low": estimate.low,
            "lift_high": estimate.high,
            "min_lift": how.min_lift,
            "took": not control and lift.value >= _enough(recipe),
            "nats_per_token_base": nats_at_first,
            "nats_per_token": neutral_nats(model.replaced(system=None)),
        },
    )


def _enough(recipe: LanguageRecipe) -> float:
    """Nats from which a teacher counts as having taken its trait, where no other bound is set.

    A preference's margin is of one telling token; that of two answers is a mean over their tokens.
    """
    return recipe.teacher.min_lift or (1.0 if recipe.trait.kind == "preference" else 0.05)
