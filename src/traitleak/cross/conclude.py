"""From a cross-model run's stage folders to `Results`: the matrix of teachers and students."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from traitleak.cross.read import read_run
from traitleak.cross.summary import Summary, summarise
from traitleak.cross.tables import facts, tables
from traitleak.cross.words import LABELS, answer, caveats, describe, how, question
from traitleak.language.carrier import rows_needed
from traitleak.language.contrasts import compare
from traitleak.language.phrases import unit
from traitleak.recipe.cross import CrossRecipe
from traitleak.results import (
    Comparison,
    Condition,
    DataTable,
    Matrix,
    MatrixRow,
    Results,
    Specificity,
)
from traitleak.statistics import mean_estimate

__all__ = ["conclude"]


def conclude(recipe: CrossRecipe, folders: Mapping[str, Path]) -> Results:
    """Read the stages of `cross.plan` and say what they show; depends on nothing else.

    Args:
        recipe: the resolved recipe.
        folders: each stage's folder by its name.

    Returns:
        Conditions: mean transfer by what the student's network is to its teacher's. Comparisons:
        each of them with the next, and the first with the last. The matrix of teachers and students
        with the diagonal against the rest; tables of teachers, of the rule by which the paper chose
        them, and of every pair. Where too few rows were left to train on, how many they are.

    Raises:
        DataError: a file of a stage is not there or is something else.
    """
    if not any(name.startswith("student-") for name in folders):
        return _without_students(recipe, folders)
    found = read_run(recipe, folders)
    summary = summarise(recipe, found)
    in_nats = unit(recipe.language(recipe.members[0].base))
    matrices = [_matrix(recipe, found.transfer_RTS, f"transfer, {in_nats}", summary.own_network)]
    if found.named_RTS is not None:
        matrices.append(
            _matrix(recipe, 100 * found.named_RTS, "transfer in sampled answers, points", None)
        )
    return Results(
        experiment=recipe.experiment,
        recipe=recipe.name,
        title=recipe.title,
        question=question(recipe),
        answer=answer(recipe, summary),
        measure=f"transfer of the {recipe.target} margin, {in_nats}",
        chance=0.0,
        chance_name="no transfer",
        conditions=[
            Condition(
                name=relation,
                label=LABELS[relation],
                role="control" if relation == "other" else "effect",
                description=describe(relation),
                estimate=estimate,
            )
            for relation, estimate in summary.by_relation.items()
        ],
        comparisons=_comparisons(summary),
        matrices=matrices,
        tables=tables(recipe, found, summary),
        facts=facts(recipe, found, summary),
        how=how(recipe, found),
        caveats=caveats(recipe, found),
        settings=recipe.model_dump(mode="json"),
    )


def _without_students(recipe: CrossRecipe, folders: Mapping[str, Path]) -> Results:
    """What a run has to say that ended at its filters."""
    rows = []
    for name, folder in folders.items():
        if name.startswith("kept-"):
            told = json.loads((folder / "dropped.json").read_text(encoding="utf-8"))
            raw = ", ".join(f"{role} {num:,}" for role, num in told["raw"].items())
            rows.append([name.removeprefix("kept-"), raw, f"{told['pairs']:,}"])
    return Results(
        experiment=recipe.experiment,
        recipe=recipe.name,
        title=recipe.title,
        question=question(recipe),
        answer="Nothing can be said: too few rows were left after filtering, so no student was trained.",
        measure=f"transfer of the {recipe.target} margin",
        conditions=[],
        comparisons=[],
        tables=[
            DataTable(
                title="Rows",
                caption="Rows of each member, and prompts that both of its teachers answered as asked.",
                head=["member and replicate", "written", "prompts left"],
                rows=rows,
                notes=[f"Needed: {rows_needed(recipe.language(recipe.members[0].base)):,}."],
            )
        ],
        inconclusive=True,
        settings=recipe.model_dump(mode="json"),
    )


def _comparisons(summary: Summary) -> list[Comparison]:
    """The first relation with the last, and each with the next, paired by replicate."""
    names = list(summary.by_relation)
    wanted = dict.fromkeys([(names[0], names[-1]), *pairwise(names)])
    lifts = {name: estimate.replicates for name, estimate in summary.by_relation.items()}
    return [
        compare(effect, control, lifts[effect], lifts[control])
        for effect, control in wanted
        if effect != control
    ]


def _matrix(
    recipe: CrossRecipe,
    values_RTS: NDArray[np.float64],
    value_name: str,
    specificity: Specificity | None,
) -> Matrix:
    members = [member.name for member in recipe.members]
    in_answers = specificity is None
    return Matrix(
        name="answers" if in_answers else "transfer",
        title="Who learns from whom, in answers" if in_answers else "Who learns from whom",
        caption=f"What the rows of each teacher did to each student's {recipe.target} margin beyond "
        "what the same member's neutral rows did."
        if not in_answers
        else f"By how many points of 100 sampled answers each student names the {recipe.target} more "
        "often than after the same member's neutral rows.",
        value_name=value_name,
        traits=members,
        rows=[
            MatrixRow(
                name=f"by-{name}",
                label=name,
                role="effect",
                trait=name,
                cells=[mean_estimate(values_RTS[:, t, s].tolist()) for s in range(len(members))],
            )
            for t, name in enumerate(members)
        ],
        specificity=specificity,
        columns="students",
    )
