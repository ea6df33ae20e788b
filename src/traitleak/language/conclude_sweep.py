"""From a sweep's stage folders to `Results`: one point in full, and transfer over all of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from traitleak.language.checks import facts
from traitleak.language.conclude_one import conclude_one
from traitleak.language.sweep_figures import sweep_figures
from traitleak.language.sweep_words import sweep_answer, sweep_caveats, sweep_how, sweep_question
from traitleak.language.swept import Swept, SweptPoint, read_points
from traitleak.recipe.language import LanguageRecipe
from traitleak.results import Comparison, Fact, Results

__all__ = ["conclude_sweep"]

_OF_EVERY_POINT = ("leaks", "mask", "teachers", "fluency-")  # facts that any point may fail


def conclude_sweep(recipe: LanguageRecipe, folders: Mapping[str, Path]) -> Results:
    """Read all points of a sweep and say what it shows.

    Args:
        recipe: the resolved recipe, with its sweep.
        folders: each stage's folder by its name.

    Returns:
        The sweep: for each target its transfer at every point, beside the controls, with tables and the
        comparisons. And all that a run without a sweep shows, of the recipe's own setting where
        that is a point, else of the first one. Where already the first point had too few rows to train
        on: these rows and nothing else.

    Raises:
        DataError: a file of a stage is not there or is something else.
    """
    swept = read_points(recipe, folders)
    settings = recipe.model_dump(mode="json")
    if not swept.found:
        first = swept.points[0]
        without = conclude_one(first.recipe, first.folders(folders))
        answer = f"At {swept.name(first)}: {without.answer}"
        return without.model_copy(update={"answer": answer, "settings": settings})
    shown = _shown(swept)
    one = conclude_one(shown.point.recipe, shown.point.folders(folders))
    return one.model_copy(
        update={
            "question": sweep_question(swept),
            "answer": sweep_answer(swept),
            "measure": f"{one.measure} ({swept.name(shown.point)})",
            "comparisons": [*one.comparisons, *_comparisons(swept, shown)],
            "sweeps": sweep_figures(swept),
            "facts": [*one.facts, *_facts(swept, shown, one.facts)],
            "how": [*sweep_how(swept, shown), *one.how],
            "caveats": [*sweep_caveats(swept), *one.caveats],
            "settings": settings,
        }
    )


def _shown(swept: Swept) -> SweptPoint:
    """The recipe's own setting where it is a point and trained its students, else the first point."""
    own = swept.recipe.model_dump()
    for part in swept.key.split("."):
        own = own[part]
    there = [one for one in swept.found if one.point.value == own and not one.point.measured]
    return (there or swept.found)[0]


def _comparisons(swept: Swept, shown: SweptPoint) -> list[Comparison]:
    """Each target's transfer at the other points."""
    made = []
    for at, target in enumerate(swept.recipe.trait.targets):
        for one in swept.found:
            neutral = one.targets[at].neutral
            if one is shown or neutral is None:
                continue
            margin = f"{target} margin, " if at else ""
            where = f" ({margin}{swept.name(one.point)})"
            sides = {"effect": f"{target}{where}", "control": f"{neutral.control}{where}"}
            made.append(neutral.comparison.model_copy(update=sides))
    return made


def _facts(swept: Swept, shown: SweptPoint, there: list[Fact]) -> list[Fact]:
    """Checks that fail at other points, each with its point."""
    said = {(fact.name, fact.value) for fact in there}
    return [
        fact.model_copy(
            update={
                "name": f"{fact.name} ({swept.name(one.point)})",
                "statement": f"At {swept.name(one.point)}: {fact.statement}",
            }
        )
        for one in swept.found
        if one is not shown
        for fact in facts(one.point.recipe, one.found, one.leaks)
        if fact.holds is False
        and fact.name.startswith(_OF_EVERY_POINT)
        and (fact.name, fact.value) not in said
    ]
