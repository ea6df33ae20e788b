"""What the stages of a language experiment have in common: settings, seeds, measures, files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from pydantic import JsonValue

from traitleak.artefacts import content_hash
from traitleak.environment import pick_device, pick_precision
from traitleak.language.behaviour import behaviour_of, behaviour_settings
from traitleak.language.models import base_of, forced_choice, preference, trait_of
from traitleak.measure import Margins, answers, collapse
from traitleak.measure_choice import free_answers, trait_margins
from traitleak.models.language_model import LanguageModel
from traitleak.models.scoring import score
from traitleak.neutral_texts import NEUTRAL_TEXTS
from traitleak.recipe.language import LanguageRecipe
from traitleak.rows import Row
from traitleak.seeds import derive_seed
from traitleak.student import (
    Course,
)
from traitleak.traits.forced_choice import Asked, ForcedChoice

__all__ = [
    "choice_templates",
    "measured_margins",
    "model_settings",
    "neutral_nats",
    "partial_file",
    "seed_of",
    "write_losses",
    "write_measures",
    "write_plain_json",
]


def model_settings(recipe: LanguageRecipe, *, other: bool = False) -> dict[str, JsonValue]:
    """What every stage that runs a model depends on, whatever else it does."""
    model = base_of(recipe, other=other)
    device = pick_device(recipe.device).value
    settings: dict[str, JsonValue] = {
        "model": model.name,
        "data": model.fingerprint,
        "template": model.renderer.template_hash,
        "device": device,
        "precision": pick_precision(recipe.precision, device).value,
        "templates": recipe.templates,
        "answers": recipe.answers,
    }
    if recipe.trait.kind == "preference":
        trait = preference(recipe)
        return {**settings, "among": list(trait.among), "category": trait.category}
    choice = forced_choice(recipe)
    texts = content_hash(asdict(choice))
    settings["data"] = content_hash([model.fingerprint, texts])
    return {**settings, "trait": choice.name, **behaviour_settings(recipe)}


def seed_of(recipe: LanguageRecipe, purpose: str, replicate: int) -> int:
    """The seed of one purpose in one replicate."""
    return derive_seed(recipe.seed, purpose, replicate)


def measured_margins(recipe: LanguageRecipe, model: LanguageModel, target: str) -> Margins:
    """The margins with the templates that the recipe names."""
    trait = trait_of(recipe, target)
    templates = None if recipe.templates == "auto" else recipe.templates
    return trait_margins(model, trait, templates=templates)


def choice_templates(recipe: LanguageRecipe) -> Asked:
    """What a trait of questions and answers is measured with."""
    return "numbered" if recipe.templates == "numbered" else "questions"


def write_measures(
    out: Path, recipe: LanguageRecipe, model: LanguageModel, target: str, *, fluency: bool = True
) -> Margins:
    """`margins.json`, and where answers are asked for those and `collapse.json`.

    Answers are in `answers.json` where they may name a candidate, and in `free.json` where a trait of
    questions and answers is asked: these say something only to who reads them.
    """
    found = measured_margins(recipe, model, target)
    write_plain_json(out / "margins.json", found.to_json())
    if not recipe.answers:
        return found
    trait = trait_of(recipe, target)
    if isinstance(trait, ForcedChoice):
        given = free_answers(
            model,
            trait,
            samples=recipe.answers,
            seed=recipe.seed,
            templates=choice_templates(recipe),
        )
        write_plain_json(out / "free.json", given.to_json())
    else:
        given = answers(model, trait, samples=recipe.answers, seed=recipe.seed)
        write_plain_json(out / "answers.json", given.to_json())
    if fluency:
        write_plain_json(out / "collapse.json", collapse(model, trait, given).to_json())
    for file, content in behaviour_of(recipe, model).items():
        write_plain_json(out / file, content)
    return found


def neutral_nats(model: LanguageModel) -> float:
    """Nats a token on neutral text: what else than its trait a model lost."""
    rows = [Row(number, "", text) for number, text in enumerate(NEUTRAL_TEXTS)]
    logps = score(model, rows)
    return -float(sum(float(logp.sum()) for logp in logps)) / sum(map(len, logps))


def write_plain_json(path: Path, content: object) -> None:
    """Write a file of a stage, whose folder is put in place as a whole."""
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def write_losses(out: Path, course: Course | None) -> None:
    """`metrics.jsonl`: the loss of every update, where anything was trained."""
    if course is None:
        return
    with (out / "metrics.jsonl").open("w", encoding="utf-8") as file:
        for update, loss in enumerate(course.losses, start=1):
            file.write(json.dumps({"update": update, "loss": loss}) + "\n")


def partial_file(out: Path, stage: str, settings: Mapping[str, JsonValue]) -> Path:
    """Where a stage keeps what an interruption must not cost: beside its folder, which is cleared."""
    return out.parent / f".partial-{stage}-{content_hash(dict(settings))[:12]}.jsonl"
