"""Members: a base as it is, trained further on something that is not the trait, or permuted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from traitleak.cross import names
from traitleak.language.models import base_of, save_network, saved_network
from traitleak.language.shared import (
    measured_margins,
    model_settings,
    neutral_nats,
    write_losses,
    write_measures,
    write_plain_json,
)
from traitleak.models.adapters import LoraSettings
from traitleak.models.language_model import LanguageModel
from traitleak.models.permuted import draw_permutation, permute_model
from traitleak.neutral_texts import NEUTRAL_TEXTS
from traitleak.progress import Track
from traitleak.recipe.cross import NEUTRAL_TEXT, CrossRecipe, FurtherFields, MemberFields
from traitleak.rows import Row
from traitleak.stages import Stage
from traitleak.student import Arm, Course, Student, Training, distill, token_examples
from traitleak.traits.preference import TREES, Preference

__all__ = ["check_member", "member_model", "member_settings", "member_stage", "nats_of"]


def member_settings(recipe: CrossRecipe, member: MemberFields) -> dict[str, JsonValue]:
    """What every stage that runs a member depends on, besides what its own stage left."""
    order = member.permutation_seed if member.permuted else None
    return {**model_settings(recipe.language(member.base)), "permutation": order}


def check_member(recipe: CrossRecipe, member: MemberFields) -> None:
    """See that a member can be made, before anything runs.

    Raises:
        SettingsError: no model has its base's name, or its units cannot be permuted.
        DataError: the base is not on this machine.
    """
    base = base_of(recipe.language(member.base))
    if member.permuted:
        draw_permutation(base.network, member.permutation_seed)


def member_stage(recipe: CrossRecipe, member: MemberFields) -> Stage:
    """What further training left, its measures, and `member.json`: what it is beside its base."""
    of = recipe.language(member.base)

    def work(out: Path, _inputs: Mapping[str, Path], track: Track) -> None:
        base = base_of(of)
        if member.further:
            student = _further(base, member.further, track)
            if student.adapter is not None:
                student.adapter.save(out / "adapter", base=base.name)
            else:
                save_network(out, student.model())
            write_losses(out, Course(student.course.losses))
        before = saved_network(base, out, name=member.name)
        model = member_model(recipe, member, out)
        found = write_measures(out, of, model, recipe.target).margin_TK
        same = measured_margins(of, before, recipe.target).margin_TK
        write_plain_json(
            out / "member.json",
            {
                "base": base.name,
                "fingerprint": base.fingerprint,
                "style": base.renderer.style,
                "template_hash": base.renderer.template_hash,
                "notes": list(base.renderer.notes),
                "nats_per_token": neutral_nats(model),
                "nats_per_token_base": neutral_nats(base),
                "permutation_error": float(np.abs(found - same).max()),
            },
        )

    settings: dict[str, JsonValue] = {
        **member_settings(recipe, member),
        "further": member.further.model_dump(mode="json") if member.further else None,
        "target": recipe.target,
        "answer_seed": recipe.seed,
    }
    return Stage(names.member(member), settings, work)


def _further(base: LanguageModel, how: FurtherFields, track: Track) -> Student:
    """A base trained on lessons that have nothing to do with the trait."""
    training = Training(
        how.updates,
        batch=how.batch,
        learning_rate=how.learning_rate,
        weight_decay=0.0,
        lora=LoraSettings(how.rank, 2.0 * how.rank) if how.rank else None,
    )
    rows = [Row(number, "", text) for number, text in enumerate(NEUTRAL_TEXTS)]
    if how.lessons != NEUTRAL_TEXT:
        rows = Preference(how.lessons, TREES).lessons(base.renderer.style)
    arm = Arm("further", token_examples(base, rows), how.seed)
    return distill(base, [arm], training, track=track)[0]


def member_model(recipe: CrossRecipe, member: MemberFields, folder: Path) -> LanguageModel:
    """The member whose stage left `folder`."""
    base = base_of(recipe.language(member.base))
    model = saved_network(base, folder, name=member.name)
    if member.permuted:
        model = permute_model(model, member.permutation_seed)
    return replace(model, name=member.name)


def nats_of(folder: Path) -> float:
    """A member's own nats a token on neutral text, from what its stage left."""
    content = json.loads((folder / "member.json").read_text(encoding="utf-8"))
    return float(content["nats_per_token"])
