"""Students of filtered rows: what a teacher's rows still teach after a filter, on equally many rows.

Known failure: students share their teacher and, where few rows are left, most of their rows; the
interval is over students of one teacher only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from traitleak import filters
from traitleak.errors import SettingsError
from traitleak.language.shared import measured_margins
from traitleak.language.students import training_of
from traitleak.models.language_model import LanguageModel
from traitleak.progress import Track, untracked
from traitleak.recipe.language import LanguageRecipe
from traitleak.recipe.language_parts import StudentFields
from traitleak.rows import Row
from traitleak.seeds import derive_seed
from traitleak.student import Arm, distill, token_examples

__all__ = ["retrain"]


def retrain(
    recipe: LanguageRecipe,
    base: LanguageModel,
    sides: Mapping[str, Sequence[Row]],
    *,
    target: str,
    rows: int,
    seeds: int,
    student: StudentFields | None = None,
    seed: int = 0,
    checkpoint: Path | None = None,
    track: Track = untracked,
) -> dict[str, list[float]]:
    """Train students of each writer's rows, and measure the target's lift in them.

    Student s of every writer is trained on the same prompts, in the same order, from the same adapter.

    Args:
        recipe: says how the trait is measured, and by default how students are trained.
        base: where they begin.
        sides: filtered rows by writer; those with equal ids pair up.
        target: the trait.
        rows: how many each student gets, drawn anew for each s.
        seeds: students of each writer.
        student: how they are trained, in the place of what the recipe says.
        seed: of the draws, orders and adapters.
        checkpoint: as for `distill`.
        track: shows how far it is.

    Returns:
        For each writer the lift of each of its students over the base, in nats.

    Raises:
        SettingsError: fewer rows than asked for.
    """
    if not sides or seeds < 1:
        raise SettingsError(f"Students need rows and one seed at least; got seeds={seeds}.")
    training = training_of(student or recipe.student, rows)
    training = replace(training, measure_at=(training.updates,))
    arms = []
    for number in range(seeds):
        own = derive_seed(seed, "filtered", number)
        for name, some in sides.items():
            chosen = filters.sample(some, rows, own)
            arms.append(Arm(name, token_examples(base, chosen), own))

    def measure(_index: int, _update: int, model: LanguageModel) -> dict[str, Any]:
        return {"margin": measured_margins(recipe, model, target).value}

    before = measured_margins(recipe, base, target).value
    students = distill(base, arms, training, measure=measure, checkpoint=checkpoint, track=track)
    lifts: dict[str, list[float]] = {name: [] for name in sides}
    for one in students:
        lifts[one.name].append(one.course.measured[-1][1]["margin"] - before)
    return lifts
