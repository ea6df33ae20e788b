"""Stages of the base and its teachers: what they are, and how strongly they show the trait."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from traitleak.language.layout import NEUTRAL
from traitleak.language.models import (
    base_of,
    preference,
    save_network,
    save_steering,
)
from traitleak.language.shared import (
    measured_margins,
    model_settings,
    neutral_nats,
    seed_of,
    write_losses,
    write_measures,
    write_plain_json,
)
from traitleak.models.adapters import LoraSettings
from traitleak.progress import Track
from traitleak.recipe_language import LanguageRecipe
from traitleak.stages import Stage
from traitleak.student import (
    Training,
)
from traitleak.teacher import instill, instill_evenly, require_trait

__all__ = ["base_stage", "teacher_stage"]


def base_stage(recipe: LanguageRecipe, name: str, *, other: bool) -> Stage:
    """`margins.json`, `answers.json`, `collapse.json`, and `rendered.json`: what the model is asked."""

    def work(out: Path, _inputs: Mapping[str, Path], _track: Track) -> None:
        model = base_of(recipe, other=other)
        write_measures(out, recipe, model, recipe.trait.targets[0])
        trait = preference(recipe)
        kind = "questions" if model.renderer.style == "chat" else "stems"
        asked = recipe.templates if recipe.templates != "auto" else kind
        write_plain_json(
            out / "rendered.json",
            {
                "model": model.name,
                "fingerprint": model.fingerprint,
                "style": model.renderer.style,
                "template_hash": model.renderer.template_hash,
                "notes": list(model.renderer.notes),
                "example_prompt": model.rendered(trait.measured(asked)[0]),  # type: ignore[arg-type]
                "nats_per_token": neutral_nats(model),
            },
        )

    settings = {**model_settings(recipe, other=other), "seed": recipe.seed}
    return Stage(name, {**settings, "target": recipe.trait.targets[0]}, work)


def teacher_stage(
    recipe: LanguageRecipe, name: str, stage: str, start: str, replicate: int
) -> Stage:
    """The teacher's adapter, weights or vector; `margins.json`, `teacher.json`, `metrics.jsonl`."""
    how = recipe.teacher
    seed = seed_of(recipe, "teacher", replicate)
    # The neutral teacher of a prompt or a vector is the base itself: there is nothing to even out.
    even = name == NEUTRAL and recipe.neutral == "even" and "finetune" in how.by
    untouched = name == NEUTRAL and not even

    def work(out: Path, inputs: Mapping[str, Path], track: Track) -> None:
        base = base_of(recipe)
        rendered = json.loads((inputs[start] / "rendered.json").read_text(encoding="utf-8"))
        training = Training(
            how.updates,
            batch=how.batch,
            learning_rate=how.learning_rate,
            weight_decay=0.0,
            lora=LoraSettings(how.rank, 2.0 * how.rank) if how.rank else None,
        )
        trait = preference(recipe, None if name == NEUTRAL else name)
        system = None
        if untouched:
            model, course, adapter = base.replaced(name=name), None, None
        elif even:
            made = instill_evenly(base, trait, training=training, seed=seed, track=track)
            model, course, adapter = made.model, made.course, made.adapter
        else:
            made = instill(
                base,
                trait,
                by=how.by,
                training=training,
                layer=how.layer,
                strength=how.strength,
                seed=seed,
                track=track,
            )
            model, course, adapter = made.model, made.course, made.adapter
            system = model.system
        if adapter is not None:
            adapter.save(out / "adapter", base=base.name)
        elif course is not None:
            save_network(out, model)
        if model.steering is not None:
            save_steering(out, model.steering)
        target = recipe.trait.targets[0] if name == NEUTRAL else name
        found = measured_margins(recipe, model, target)
        lift = found - measured_margins(recipe, base, target)
        estimate = lift.estimate()
        if name != NEUTRAL:
            require_trait(name, lift, how.min_lift, by=how.by)
        write_plain_json(out / "margins.json", found.to_json())
        write_losses(out, course)
        write_plain_json(
            out / "teacher.json",
            {
                "name": name,
                "by": "even" if even else "base" if untouched else how.by,
                "system": system,
                "lift": lift.value,
                "lift_low": estimate.low,
                "lift_high": estimate.high,
                "min_lift": how.min_lift,
                "took": name != NEUTRAL and lift.value >= (how.min_lift or 1.0),
                "nats_per_token_base": rendered["nats_per_token"],
                "nats_per_token": neutral_nats(model.replaced(system=None)),
            },
        )

    settings = {
        **model_settings(recipe),
        "name": name,
        "first": recipe.trait.targets[0],
        "by": "even" if even else "base" if untouched else how.by,
        "teacher": {} if untouched else how.model_dump(mode="json", exclude={"min_lift"}),
        "min_lift": how.min_lift,
        "seed": seed,
    }
    return Stage(stage, settings, work, inputs=(start,))
