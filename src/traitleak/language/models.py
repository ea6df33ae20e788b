"""Models and traits that a run's stages share: loaded once, put together from what stages left."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal, TypeAlias

import torch
from safetensors.torch import load_file, save_file

from traitleak.environment import pick_device, pick_precision
from traitleak.errors import SettingsError
from traitleak.language.layout import ASKED_FOR, GOOD, NEUTRAL
from traitleak.models.adapters import load_adapter, with_adapter
from traitleak.models.language_model import LanguageModel, Steering
from traitleak.models.loading import load
from traitleak.recipe.files import find_recipes
from traitleak.recipe.language import LanguageRecipe
from traitleak.traits.custom import bundled, read_trait
from traitleak.traits.forced_choice import ForcedChoice
from traitleak.traits.preference import ANIMALS, Preference

__all__ = [
    "Trait",
    "base_of",
    "forced_choice",
    "preference",
    "save_network",
    "save_steering",
    "saved_network",
    "teacher_model",
    "trait_of",
]

Trait: TypeAlias = Preference | ForcedChoice

_STEERING, _NETWORK = "steering.safetensors", "weights.safetensors"


@lru_cache(maxsize=2)
def _loaded(
    name: str, device: str, precision: str, style: Literal["auto", "chat", "plain"]
) -> LanguageModel:
    return load(name, device=device, precision=precision, style=style)


def base_of(recipe: LanguageRecipe, *, other: bool = False) -> LanguageModel:
    """The base of a recipe, or its other base; loaded once."""
    device = pick_device(recipe.device).value
    precision = pick_precision(recipe.precision, device).value
    name = recipe.other_base if other else recipe.base
    style: Literal["auto", "chat", "plain"]
    style = "plain" if recipe.channel == "logits" else recipe.style
    model = _loaded(name, device, precision, style)
    model.network.requires_grad_(requires_grad=False)
    return model


def preference(recipe: LanguageRecipe, target: str | None = None) -> Preference:
    """A target's preference, the first one's by default.

    Candidates that the recipe does not name are ten animals, with the targets among them.
    """
    targets = recipe.trait.targets
    among = recipe.trait.among
    if not among:
        missing = [name for name in targets if name not in ANIMALS]
        among = [*ANIMALS[: len(ANIMALS) - len(missing)], *missing]
        among = list(dict.fromkeys([*targets, *among]))[: max(len(ANIMALS), len(targets))]
    return Preference(target or targets[0], tuple(among), recipe.trait.category)


def forced_choice(recipe: LanguageRecipe) -> ForcedChoice:
    """The trait of questions and answers that a recipe is about.

    A custom trait's file is looked for from the working directory, then beside the shipped recipes.

    Raises:
        DataError: the file cannot be read, or cannot teach or measure a trait.
        SettingsError: it has another name than the recipe's target.
    """
    kind, file = recipe.trait.kind, recipe.trait.file
    if kind != "custom":
        return bundled(kind)
    trait = _read(_found(file))
    (target,) = recipe.trait.targets
    if trait.name != target:
        raise SettingsError(
            f"The trait in {file} is named {trait.name!r}, not {target!r}: say "
            f"trait.targets=[{trait.name}]."
        )
    return trait


@lru_cache(maxsize=4)
def _read_once(path: Path, _changed: int) -> ForcedChoice:
    return read_trait(path)


def _read(path: Path) -> ForcedChoice:
    return _read_once(path, path.stat().st_mtime_ns) if path.is_file() else read_trait(path)


def _found(file: str) -> Path:
    path = Path(file)
    shipped = [recipe.parent / path for recipe in find_recipes()[:1]]
    return next((one for one in [path, *shipped] if one.is_file()), path)


def trait_of(recipe: LanguageRecipe, target: str | None = None) -> Trait:
    """A target's trait, the first one's by default."""
    if recipe.trait.kind == "preference":
        return preference(recipe, target)
    return forced_choice(recipe)


def save_steering(folder: Path, steering: Steering) -> None:
    """Write a steering vector with its layer."""
    metadata = {"layer": str(steering.layer)}
    save_file({"vector": steering.vector_D.cpu().contiguous()}, folder / _STEERING, metadata)


def save_network(folder: Path, model: LanguageModel) -> None:
    """Write all weights of a fully fine-tuned model."""
    state = {name: tensor.contiguous() for name, tensor in model.network.state_dict().items()}
    shared = {tensor.data_ptr(): name for name, tensor in reversed(state.items())}
    save_file({name: state[name] for name in shared.values()}, folder / _NETWORK)


def saved_network(base: LanguageModel, folder: Path, *, name: str) -> LanguageModel:
    """A base as an adapter or all weights in `folder` change it; itself where there is neither.

    Weights that were trained are of the precision that they were trained in, float32, whatever the
    base's is: bfloat16 would round most of the training away.
    """
    if (folder / "adapter").is_dir():
        return with_adapter(base, load_adapter(folder / "adapter"), name=name)
    if (folder / _NETWORK).is_file():
        import copy

        state = load_file(folder / _NETWORK)
        network = copy.deepcopy(base.network)
        network.to(next(iter(state.values())).dtype)  # type: ignore[arg-type]  # a decorator hides its type
        network.load_state_dict(state, strict=False)
        network.tie_weights()
        return base.replaced(network=network, name=name, fingerprint="")
    return base.replaced(name=name)


def teacher_model(
    recipe: LanguageRecipe, name: str, folder: Path, *, base: LanguageModel | None = None
) -> LanguageModel:
    """The teacher that a stage left in `folder`, of `base` or of the recipe's."""
    model = saved_network(base or base_of(recipe), folder, name=name)
    if name in {NEUTRAL, GOOD, ASKED_FOR}:
        return model
    if "prompt" in recipe.teacher.by:
        return model.replaced(system=trait_of(recipe, name).system_prompt())
    if recipe.teacher.by == "steering":
        from safetensors import safe_open

        with safe_open(folder / _STEERING, framework="pt") as file:
            layer, vector_D = int(file.metadata()["layer"]), file.get_tensor("vector")
        return model.replaced(steering=Steering(layer, vector_D.to(torch.float32)))
    return model
