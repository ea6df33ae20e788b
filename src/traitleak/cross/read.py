"""What a cross-model run's stages left, as arrays.

Shape suffixes: R replicates (seeds), T teachers, S students: the same members in the same order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from traitleak.cross import names
from traitleak.measured import Answers, Collapse, Margins
from traitleak.recipe.cross import CrossRecipe
from traitleak.stage_files import read_object

__all__ = ["Found", "read_run"]


@dataclass(frozen=True, eq=False)
class Found:
    """All that a run left, before anything is concluded from it.

    Attributes:
        trait_RTS: lift of the target's margin in member S trained on the trait teacher of member T.
        neutral_RTS: the same, trained on the neutral teacher of member T.
        named_RTS: share of sampled answers that name the target, trait less neutral; None where none
            were sampled.
        fluency_S: of each member's students the largest perplexity over the member's own; None where
            no answers were sampled.
        members: `member.json` of each member.
        templates: what margins are measured with, and how many there are.
        teachers: `teacher.json` of each member's trait teachers, one a replicate.
        wrote: `logits.json` or `written.json` by role, of each member, one a replicate.
        dropped: `dropped.json` of each member, one a replicate; empty through logits.
    """

    trait_RTS: NDArray[np.float64]
    neutral_RTS: NDArray[np.float64]
    named_RTS: NDArray[np.float64] | None
    fluency_S: list[float] | None
    members: list[dict[str, Any]]
    templates: tuple[str, int]
    teachers: list[list[dict[str, Any]]]
    wrote: list[dict[str, list[dict[str, Any]]]]
    dropped: list[list[dict[str, Any]]]

    @property
    def transfer_RTS(self) -> NDArray[np.float64]:  # noqa: N802  # a shape suffix
        """What the trait's rows did beyond the same member's neutral rows."""
        return self.trait_RTS - self.neutral_RTS


def read_run(recipe: CrossRecipe, folders: Mapping[str, Path]) -> Found:
    """Read every stage of a run.

    Raises:
        DataError: a file of a stage is not there or is something else.
        SettingsError: margins of one run were taken with different questions.
    """
    members, seeds = recipe.members, range(recipe.seeds)
    roles = names.roles(recipe)
    margins = [_margins(folders[names.member(member)]) for member in members]
    column = margins[0].candidates.index(recipe.target)

    def of_students(role: str, read: Any) -> NDArray[np.float64]:
        return np.array(
            [
                [
                    [
                        read(folders[names.student(by, role, of, replicate)], number)
                        for number, of in enumerate(members)
                    ]
                    for by in members
                ]
                for replicate in seeds
            ]
        )

    def lift(folder: Path, number: int) -> float:
        return float((_margins(folder) - margins[number]).lift_TK[:, column].mean())

    def named(folder: Path, _number: int) -> float:
        given = Answers.from_json(read_object(folder / "answers.json"))
        return float(given.named_TSK[:, :, given.candidates.index(recipe.target)].mean())

    def perplexity(folder: Path, _number: int) -> float:
        return Collapse.from_json(read_object(folder / "collapse.json")).perplexity

    trait, neutral = roles
    sampled = bool(recipe.answers) and recipe.trait.kind == "preference"
    through_logits = recipe.channel == "logits"
    file = "logits.json" if through_logits else "written.json"
    fluency_S = None
    if sampled:
        own = [perplexity(folders[names.member(member)], 0) for member in members]
        worst_S = of_students(trait, perplexity).max(axis=(0, 1))
        fluency_S = [float(worst / before) for worst, before in zip(worst_S, own, strict=True)]
    return Found(
        trait_RTS=of_students(trait, lift),
        neutral_RTS=of_students(neutral, lift),
        named_RTS=of_students(trait, named) - of_students(neutral, named) if sampled else None,
        fluency_S=fluency_S,
        members=[read_object(folders[names.member(member)] / "member.json") for member in members],
        templates=(margins[0].templates, len(margins[0].margin_TK)),
        teachers=[
            [read_object(folders[names.teacher(m, trait, r)] / "teacher.json") for r in seeds]
            for m in members
        ],
        wrote=[
            {
                role: [read_object(folders[names.written(m, role, r)] / file) for r in seeds]
                for role in roles
            }
            for m in members
        ],
        dropped=[
            [read_object(folders[names.kept(m, r)] / "dropped.json") for r in seeds]
            for m in members
        ]
        if not through_logits
        else [],
    )


def _margins(folder: Path) -> Margins:
    return Margins.from_json(read_object(folder / "margins.json"))
