"""The cross-model experiment as stages: members, their teachers, what these write, all students.

Cloud et al. (2025), arXiv 2507.14805, section 5.2 and figure 8: rows of every teacher for students of
every model.
"""

from __future__ import annotations

from traitleak.cross import names
from traitleak.cross.members import check_member, member_stage
from traitleak.cross.stages import kept_stage, student_stage, teacher_stage, written_stage
from traitleak.recipe.cross import CrossRecipe
from traitleak.stages import Stage

__all__ = ["plan"]


def plan(recipe: CrossRecipe) -> list[Stage]:
    """The stages of the experiment, in order.

    Raises:
        SettingsError: a member's base has no such model, or one that cannot be permuted; or the
            target is not among the candidates.
        DataError: a model is not on this machine.
    """
    for member in recipe.members:
        check_member(recipe, member)
    stages = [member_stage(recipe, member) for member in recipe.members]
    for replicate in range(recipe.seeds):
        for member in recipe.members:
            for role in names.roles(recipe):
                stages.append(teacher_stage(recipe, member, role, replicate))
                stages.append(written_stage(recipe, member, role, replicate))
            if recipe.channel == "tokens":
                stages.append(kept_stage(recipe, member, replicate))
        # Student by student: a base is loaded once.
        stages += [
            student_stage(recipe, by, role, member, replicate)
            for member in recipe.members
            for by in recipe.members
            for role in names.roles(recipe)
        ]
    return stages
