"""From a language run's stage folders to `Results`, with a sweep or without one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from traitleak.language.conclude_one import conclude_one
from traitleak.language.conclude_sweep import conclude_sweep
from traitleak.recipe.language import LanguageRecipe
from traitleak.results import Results

__all__ = ["conclude"]


def conclude(recipe: LanguageRecipe, folders: Mapping[str, Path]) -> Results:
    """Read the stages of `language.plan` and say what they show; depends on nothing else.

    Args:
        recipe: the resolved recipe.
        folders: each stage's folder by its name.

    Raises:
        DataError: a file of a stage is not there or is something else.
    """
    return conclude_sweep(recipe, folders) if recipe.vary else conclude_one(recipe, folders)
