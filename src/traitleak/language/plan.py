"""The language experiment as stages: teachers, what they write, students, measures of each.

Cloud et al. (2025), arXiv 2507.14805, sections 2 and 3, and the same through logits (section 6's
idea on a language model). What lies in each stage's folder is written where the stage is made.
"""

from __future__ import annotations

from traitleak.language.carrier import judge_of
from traitleak.language.models import forced_choice, preference
from traitleak.language.points import Point, points
from traitleak.language.students import measured_stage, student_stage
from traitleak.language.teachers import base_stage, teacher_stage
from traitleak.language.writing import kept_stage, logits_stage, written_stage
from traitleak.recipe.language import LanguageRecipe
from traitleak.stages import Stage

__all__ = ["plan"]


def plan(recipe: LanguageRecipe) -> list[Stage]:
    """The stages of the experiment, in order; of a sweep point by point, what points share once.

    Raises:
        SettingsError: a target is not among the candidates, no model has such a name, or the trait has
            no texts for a kind of teacher or control.
        DataError: a model is not on this machine, or a file that the recipe names cannot be read.
    """
    stages: dict[str, Stage] = {}
    for point in points(recipe):
        _check_trait(point.recipe)
        if recipe.judge:
            judge_of(recipe)
        for stage in _of_point(point):
            stages.setdefault(stage.name, stage)
    return list(stages.values())


def _of_point(point: Point) -> list[Stage]:
    recipe, arrangement = point.recipe, point.layout
    stages = [base_stage(recipe, arrangement.base, other=False)]
    if arrangement.other_base:
        stages.append(base_stage(recipe, arrangement.other_base, other=True))
    for replicate in arrangement.replicates:
        for name, stage in replicate.teachers.items():
            stages.append(teacher_stage(recipe, name, stage, arrangement.base, replicate.number))
        for name, stage in replicate.writes.items():
            teacher = replicate.teachers[name]
            if recipe.channel == "logits":
                stages.append(logits_stage(recipe, name, stage, teacher, replicate.number))
            else:
                stages.append(written_stage(recipe, name, stage, teacher, replicate.number))
        if replicate.kept:
            stages.append(kept_stage(recipe, replicate))
        for arm, stage in replicate.students.items():
            stages.append(student_stage(recipe, arm, stage, replicate))
            if stage in point.measured:
                stages.append(measured_stage(recipe, arm, point.measured[stage], stage))
    return stages


def _check_trait(recipe: LanguageRecipe) -> None:
    """See that the trait has all that its teachers are given, before anything runs."""
    if recipe.trait.kind == "preference":
        preference(recipe)
        return
    trait = forced_choice(recipe)
    if recipe.teacher.by != "finetune":
        trait.system_prompt()
    if "asked-for" in recipe.controls:
        trait.control_lessons("plain", "asked-for")
