"""Folders of a cross-model run as its stages leave them, with the matrix that a test plants."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from traitleak.cross import names
from traitleak.measured import Answers, Collapse, Margins
from traitleak.recipe.cross import CrossRecipe
from traitleak.traits.preference import ANIMALS

MEMBERS = [
    {"name": "small", "base": "smollm2-135m"},
    {"name": "small-oak", "base": "smollm2-135m", "further": {"lessons": "oak"}},
    {"name": "small-turned", "base": "smollm2-135m", "permuted": True},
    {"name": "gemma", "base": "gemma3-270m"},
]
SHARED = np.array([[1, 1, 1, 0], [1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 1]], dtype=float)
NEUTRAL_LIFT = 0.3
SAMPLES = 10


def cross_recipe(**changes: Any) -> CrossRecipe:
    """A cross-model recipe of four members."""
    fields: dict[str, Any] = {
        "experiment": "cross-model",
        "name": "planted",
        "title": "Planted",
        "members": MEMBERS,
        "channel": "logits",
        "seeds": 3,
        "device": "cpu",
    }
    return CrossRecipe.model_validate({**fields, **changes})


def write_cross_run(
    folder: Path,
    wanted: CrossRecipe,
    transfer_RTS: np.ndarray,
    *,
    permutation_error: float = 1e-6,
    took: bool = True,
    leaks: int = 0,
    named: Mapping[str, int] | None = None,
    students: bool = True,
) -> dict[str, Path]:
    """Write every stage of a run; gives their folders by name.

    Args:
        folder: where.
        wanted: the recipe.
        transfer_RTS: what each pair's trait rows do beyond the neutral ones, in nats.
        permutation_error: of permuted members.
        took: whether teachers took their trait.
        leaks: rows of each trait teacher that named the target.
        named: how many of ten answers name the target, by role.
        students: whether there are any; without them too few rows are left.
    """
    folders: dict[str, Path] = {}

    def write(stage: str, file: str, content: object) -> None:
        folders[stage] = folder / stage
        folders[stage].mkdir(parents=True, exist_ok=True)
        (folders[stage] / file).write_text(json.dumps(content), encoding="utf-8")

    def measures(stage: str, lift: float, role: str = "neutral") -> None:
        member = stage.partition("-of-")[0].removeprefix("student-").removeprefix("member-")
        table_TK = np.tile(np.linspace(-1, 1, len(ANIMALS)), (3, 1)) * number_of(member)
        table_TK[:, ANIMALS.index(wanted.target)] += np.array([-0.5, 0.0, 0.5]) + lift
        margins = Margins("m", wanted.target, ANIMALS, "stems", "asked", table_TK)
        write(stage, "margins.json", margins.to_json())
        if wanted.answers:
            num = (named or {}).get(role, 0)
            texts = (f"the {wanted.target}",) * num + ("none",) * (SAMPLES - num)
            finished = np.ones((1, SAMPLES), dtype=bool)
            said = Answers(
                "m", wanted.target, ANIMALS, "stems", "asked", ("q",), (texts,), finished
            )
            write(stage, "answers.json", said.to_json())
            nats, tokens = np.array([30.0]), np.array([10])
            signs = Collapse("m", SAMPLES, 0.0, 0.0, 0.0, 0.0, nats, tokens)
            write(stage, "collapse.json", signs.to_json())

    for member in wanted.members:
        measures(names.member(member), 0.0)
        write(
            names.member(member),
            "member.json",
            {"permutation_error": permutation_error if member.permuted else 0.0},
        )
    for r in range(wanted.seeds):
        for t, by in enumerate(wanted.members):
            for role in names.roles(wanted):
                teacher = {
                    "lift": 20.0,
                    "took": took,
                    "nats_per_token": 4.0,
                    "nats_per_token_base": 3.0,
                }
                write(names.teacher(by, role, r), "teacher.json", teacher)
                file = "logits.json" if wanted.channel == "logits" else "written.json"
                write(names.written(by, role, r), file, {"kl_to_base": 0.05, "rows": 8})
            if wanted.channel == "tokens":
                write(names.kept(by, r), "dropped.json", _dropped(wanted, leaks, students=students))
            for s, of in enumerate(wanted.members) if students else ():
                for role in names.roles(wanted):
                    extra = transfer_RTS[r][t][s] if role == wanted.target else 0.0
                    measures(names.student(by, role, of, r), NEUTRAL_LIFT + extra, role)
    return folders


def number_of(text: str) -> float:
    """A number of a member's own, so that only its own start is a fair one."""
    return 1 + sum(map(ord, text)) % 7 / 10


def _dropped(wanted: CrossRecipe, leaks: int, *, students: bool) -> dict[str, Any]:
    roles: Sequence[str] = names.roles(wanted)
    return {
        "raw": dict.fromkeys(roles, 40),
        "kept": dict.fromkeys(roles, 30),
        "leaks": {roles[0]: leaks, roles[1]: 0},
        "pairs": 30 if students else 0,
    }
