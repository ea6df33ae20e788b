"""The names of a cross-model experiment's stages. No name of a member has a dot in its folder's name."""

from __future__ import annotations

from traitleak.language.layout import NEUTRAL
from traitleak.recipe.cross import CrossRecipe, MemberFields, folder_name

__all__ = ["kept", "member", "roles", "student", "teacher", "written"]


def roles(recipe: CrossRecipe) -> tuple[str, str]:
    """What each member is as a teacher: with the trait, and without."""
    return recipe.target, NEUTRAL


def member(of: MemberFields) -> str:
    """The stage of a member itself; all replicates share it."""
    return f"member-{folder_name(of.name)}"


def teacher(of: MemberFields, role: str, replicate: int) -> str:
    """The stage of a teacher."""
    return f"teacher-{folder_name(of.name)}.{folder_name(role)}.{replicate}"


def written(of: MemberFields, role: str, replicate: int) -> str:
    """The stage of what a teacher wrote, or of its distributions over digits."""
    return f"written-{folder_name(of.name)}.{folder_name(role)}.{replicate}"


def kept(of: MemberFields, replicate: int) -> str:
    """The stage of the rows of a member's two teachers that all filters kept."""
    return f"kept-{folder_name(of.name)}.{replicate}"


def student(by: MemberFields, role: str, of: MemberFields, replicate: int) -> str:
    """The stage of the student that begins as `of` and sees what the teacher `by` wrote."""
    who = f"{folder_name(by.name)}.{folder_name(role)}"
    return f"student-{folder_name(of.name)}-of-{who}.{replicate}"
