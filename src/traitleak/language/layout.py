"""The names of a language experiment's stages: which replicate, which teacher, which student."""

from __future__ import annotations

from dataclasses import dataclass

from traitleak.recipe.language import LanguageRecipe

__all__ = [
    "ASKED_FOR",
    "GOOD",
    "NEUTRAL",
    "SHUFFLES",
    "Layout",
    "Replicate",
    "is_untouched",
    "layout",
]

NEUTRAL = "neutral"
GOOD, ASKED_FOR = "good", "asked-for"
"""Controls' teachers of a trait of questions and answers, and their students' arms."""
SHUFFLES = ("shuffled", "shuffled-across")
"""Controls whose students see the first target's rows with their numbers moved about."""


@dataclass(frozen=True)
class Replicate:
    """One chain of teachers, what they write, and students; replicates share the base alone.

    Attributes:
        number: from 0.
        teachers: stage by teacher's name: the targets, `neutral`, `good`, `asked-for`.
        writes: stage of what each teacher wrote: its rows, or its distributions over digits.
        kept: stage of the rows that passed the filters; None in the channel logits.
        students: stage by arm: the targets, `neutral`, `good`, `asked-for`, `shuffled-wolf`,
            `shuffled-across-wolf`, `other-base-wolf`, `other-base-neutral`, `in-context-wolf`,
            `in-context-neutral`.
    """

    number: int
    teachers: dict[str, str]
    writes: dict[str, str]
    kept: str | None
    students: dict[str, str]


@dataclass(frozen=True)
class Layout:
    """Which stage holds what."""

    base: str
    other_base: str | None
    replicates: list[Replicate]


def layout(recipe: LanguageRecipe) -> Layout:
    """The stages' names, from the recipe alone."""
    targets, controls = recipe.trait.targets, recipe.controls
    first = targets[0]
    # Controls of which no student is trained on a neutral teacher's rows need no neutral teacher.
    pairs = {"other-base", "in-context"} & set(controls)
    needs_neutral = "neutral" in controls or bool(pairs)
    of_answers = [name for name in (GOOD, ASKED_FOR) if name in controls]
    teachers = [*targets, *([NEUTRAL] if needs_neutral else []), *of_answers]
    arms = [*targets]
    if "neutral" in controls:
        arms.append(NEUTRAL)
    arms += of_answers
    arms += [f"{shuffle}-{first}" for shuffle in SHUFFLES if shuffle in controls]
    for pair in ("other-base", "in-context"):
        if pair in pairs:
            arms += [f"{pair}-{first}", f"{pair}-{NEUTRAL}"]
    wrote = "logits" if recipe.channel == "logits" else "written"
    replicates = [
        Replicate(
            number,
            {name: f"teacher-{slug(name)}-{number}" for name in teachers},
            {name: f"{wrote}-{slug(name)}-{number}" for name in teachers},
            f"kept-{number}" if recipe.channel == "tokens" else None,
            {
                arm: f"{'' if arm.startswith('in-context') else 'student-'}{slug(arm)}-{number}"
                for arm in arms
            },
        )
        for number in range(recipe.seeds)
    ]
    return Layout("base", "other-base" if "other-base" in controls else None, replicates)


def is_untouched(recipe: LanguageRecipe, teacher: str) -> bool:
    """Whether a teacher is the base itself: neutral, and not fine-tuned evenly.

    The neutral teacher of a prompt or a vector is the base, too: there is nothing to even out.
    """
    evened = recipe.neutral == "even" and "finetune" in recipe.teacher.by
    return teacher == NEUTRAL and not evened


def slug(name: str) -> str:
    """A name as a folder's: lower case, hyphens for anything but letters and digits."""
    return "".join(char if char.isascii() and char.isalnum() else "-" for char in name.lower())
