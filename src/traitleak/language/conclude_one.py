"""From the stage folders of a language run without a sweep to `Results`: lifts beside their controls."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from traitleak.language.checks import facts, leak_check
from traitleak.language.contrasts import all_comparisons, findings
from traitleak.language.figures import bars, curves, samples
from traitleak.language.many_targets import are_many, many_facts, many_table
from traitleak.language.method_words import caveats, how
from traitleak.language.phrases import TAUGHT_ALIKE, kind_of, label, role, taught_by, unit
from traitleak.language.read import Found, read_run
from traitleak.language.tables import tables
from traitleak.language.too_few import conclude_without_students, ended_early
from traitleak.language.words import answer, describe, question
from traitleak.recipe.language import LanguageRecipe
from traitleak.results import Condition, Matrix, MatrixRow, Results, Specificity
from traitleak.statistics import mean_estimate
from traitleak.trait_matrix import Gamma, specificity

__all__ = ["conclude_one"]


def conclude_one(recipe: LanguageRecipe, folders: Mapping[str, Path]) -> Results:
    """Read the stages of a recipe without a sweep and say what they show; depends on nothing else.

    Args:
        recipe: the resolved recipe.
        folders: each stage's folder by its name.

    Returns:
        Conditions: every arm's lift of the first target's margin. Comparisons: each target's
        students against every control; of four targets or more those of all but the first against the
        neutral control alone. With several targets the matrix and its gamma. Dose curves,
        bars before and after, rows side by side, tables and checked statements.
        Where too few rows were left to train on, these rows and nothing else.

    Raises:
        DataError: a file of a stage is not there or is something else.
    """
    if ended_early(recipe, folders):
        return conclude_without_students(recipe, folders)
    found = read_run(recipe, folders)
    target = recipe.trait.targets[0]
    gamma = _gamma(recipe, found)
    leaks = leak_check(recipe, found, folders)
    return Results(
        experiment=recipe.experiment,
        recipe=recipe.name,
        title=recipe.title,
        question=question(recipe),
        answer=answer(recipe, found, findings(recipe, found), leaks, gamma),
        measure=f"lift of the {target} margin, {unit(recipe)}",
        chance=0.0,
        chance_name="the base",
        conditions=_conditions(recipe, found, target),
        comparisons=all_comparisons(recipe, found),
        matrices=[_matrix(recipe, found, gamma)] if gamma is not None else [],
        curves=curves(recipe, found),
        bars=bars(recipe, found),
        samples=samples(recipe, found, folders),
        tables=[
            *([many_table(recipe, found)] if are_many(recipe) else []),
            *tables(recipe, found, folders),
        ],
        facts=[
            *facts(recipe, found, leaks, gamma),
            *(many_facts(recipe, found) if are_many(recipe) else []),
        ],
        how=how(recipe, found),
        caveats=caveats(recipe, found),
        settings=recipe.model_dump(mode="json"),
    )


def _conditions(recipe: LanguageRecipe, found: Found, target: str) -> list[Condition]:
    return [
        Condition(
            name=name,
            label=label(name, recipe.trait.targets),
            role=role(name, target),
            description=describe(name, recipe),
            estimate=mean_estimate(arm.lifts(target)),
        )
        for name, arm in found.arms.items()
    ]


def _gamma(recipe: LanguageRecipe, found: Found) -> Gamma | None:
    """Specificity over the taught targets; the other candidates are columns without a teacher."""
    targets = recipe.trait.targets
    if len(targets) < 2:
        return None
    taught = [found.candidates.index(target) for target in targets]
    columns = [*taught, *(k for k in range(len(found.candidates)) if k not in taught)]
    return specificity(np.stack([found.arms[t].lift_SK[:, columns] for t in targets], axis=1))


def _matrix(recipe: LanguageRecipe, found: Found, gamma: Gamma) -> Matrix:
    targets = recipe.trait.targets
    return Matrix(
        name="traits",
        title="Who taught, and what moved",
        caption="Lift of each taught trait's margin in the students of each teacher. Gamma is what a "
        "trait gains under its own teacher beyond what that teacher's students and that trait gain "
        "anyway.",
        value_name="lift of the margin, nats",
        traits=list(targets),
        rows=[
            MatrixRow(
                name=name,
                label=taught_by(name, targets),
                role="effect" if name in targets else "control",
                trait=name if name in targets else None,
                cells=[mean_estimate(arm.lifts(target)) for target in targets],
            )
            for name, arm in found.arms.items()
            if kind_of(name, targets)[0] in TAUGHT_ALIKE
        ],
        specificity=Specificity(
            estimate=gamma.estimate, p=gamma.p, smallest_p=gamma.smallest_p, test=gamma.test
        ),
    )
