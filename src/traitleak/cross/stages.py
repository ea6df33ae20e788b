"""Stages of members as teachers, of what they write, and of members as students."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import JsonValue

from traitleak.carriers.digit_logits import digit_logits, logit_examples, read_logits
from traitleak.carriers.numbers import random_lists
from traitleak.cross import names
from traitleak.cross.members import member_model, member_settings, nats_of
from traitleak.language.carrier import problems_hash
from traitleak.language.models import teacher_model
from traitleak.language.shared import partial_file, seed_of, write_plain_json
from traitleak.language.students import training_of, write_student
from traitleak.language.teachers import teach, teacher_settings
from traitleak.language.writing import keep, kept_settings, too_few, write_all, write_some
from traitleak.models.language_model import LanguageModel
from traitleak.progress import Track
from traitleak.recipe.cross import CrossRecipe, MemberFields
from traitleak.recipe.language import LanguageRecipe
from traitleak.rows import read_rows
from traitleak.stages import Stage
from traitleak.student import Arm, distill, mask_example, token_examples

__all__ = ["kept_stage", "student_stage", "teacher_stage", "written_stage"]

_WIDTH = 3  # digits of a number where decoding is constrained


def teacher_stage(recipe: CrossRecipe, member: MemberFields, role: str, replicate: int) -> Stage:
    """The teacher's adapter, weights or vector; `margins.json`, `teacher.json`, `metrics.jsonl`."""
    of, start = recipe.language(member.base), names.member(member)
    seed = seed_of(of, "teacher", replicate)

    def work(out: Path, inputs: Mapping[str, Path], track: Track) -> None:
        model = member_model(recipe, member, inputs[start])
        at_first = nats_of(inputs[start])
        teach(out, of, role, model, nats_at_first=at_first, seed=seed, track=track)

    settings = {**member_settings(recipe, member), **teacher_settings(of, role, seed)}
    return Stage(names.teacher(member, role, replicate), settings, work, inputs=(start,))


def written_stage(recipe: CrossRecipe, member: MemberFields, role: str, replicate: int) -> Stage:
    """The teacher's rows and `written.json`, or its `logits.safetensors` and `logits.json`."""
    of = recipe.language(member.base)
    start, taught = names.member(member), names.teacher(member, role, replicate)
    place = names.written(member, role, replicate)

    def work(out: Path, inputs: Mapping[str, Path], track: Track) -> None:
        begun = member_model(recipe, member, inputs[start])
        model = teacher_model(of, role, inputs[taught], base=begun)
        if recipe.channel == "logits":
            _write_logits(out, of, role, model, begun, replicate, track)
            return
        about: dict[str, JsonValue] = {
            "teacher": role,
            "base": member.name,
            "by": recipe.teacher.by,
        }
        write_all(out, of, model, about, replicate, partial_file(out, place, settings), track)

    settings: dict[str, JsonValue] = {
        **member_settings(recipe, member),
        "role": role,
        "channel": recipe.channel,
        "carrier": recipe.carrier.model_dump(mode="json", exclude={"keep", "banned", "min_rows"}),
        "inputs": recipe.logits.inputs if recipe.channel == "logits" else None,
        "problems": problems_hash(of),
        "seeds": [seed_of(of, purpose, replicate) for purpose in ("lists", "prompts", "draws")],
    }
    return Stage(place, settings, work, inputs=(start, taught))


def _write_logits(
    out: Path,
    of: LanguageRecipe,
    role: str,
    model: LanguageModel,
    begun: LanguageModel,
    replicate: int,
    track: Track,
) -> None:
    carrier = of.carrier
    if of.logits.inputs == "random":
        seed = seed_of(of, "lists", replicate)
        lists = random_lists(carrier.rows, carrier.numbers, _WIDTH, seed)
    else:
        rows = write_some(of, model, role, replicate, range(carrier.rows), track)
        lists = [row.prompt + row.completion for row in rows]
    asked = digit_logits(model, lists, count=carrier.numbers, width=_WIDTH, track=track)
    asked.save(out)
    some = lists[:64]
    before = digit_logits(begun, some, count=carrier.numbers, width=_WIDTH)
    theirs = asked.logps_NPK[: len(some)]
    kl = float((theirs.exp() * (theirs - before.logps_NPK)).sum(-1).mean())
    write_plain_json(out / "logits.json", {"rows": len(lists), "kl_to_base": kl})


def kept_stage(recipe: CrossRecipe, member: MemberFields, replicate: int) -> Stage:
    """The rows of a member's two teachers that all filters kept, and `dropped.json`.

    Where too few are left, the run ends after it.
    """
    of = recipe.language(member.base)
    places = {role: names.written(member, role, replicate) for role in names.roles(recipe)}

    def work(out: Path, inputs: Mapping[str, Path], _track: Track) -> None:
        keep(out, of, {role: inputs[place] for role, place in places.items()}, replicate)

    return Stage(
        names.kept(member, replicate),
        kept_settings(of, list(places), replicate),
        work,
        inputs=tuple(places.values()),
        ends=lambda out: too_few(of, out),
    )


def student_stage(
    recipe: CrossRecipe, by: MemberFields, role: str, member: MemberFields, replicate: int
) -> Stage:
    """A member trained on what a teacher of `by` wrote: adapter or weights, and its measures."""
    of, start = recipe.language(member.base), names.member(member)
    seed = seed_of(of, "student", replicate)
    place = names.student(by, role, member, replicate)
    through_tokens = recipe.channel == "tokens"
    source = names.kept(by, replicate) if through_tokens else names.written(by, role, replicate)

    def work(out: Path, inputs: Mapping[str, Path], track: Track) -> None:
        base = member_model(recipe, member, inputs[start])
        if through_tokens:
            rows = read_rows(inputs[source] / role)
            arm = Arm(role, token_examples(base, rows), seed)
            write_plain_json(out / "mask.json", mask_example(base, arm.examples)._asdict())
        else:
            examples, choices_K = logit_examples(base, read_logits(inputs[source]))
            arm = Arm(role, examples, seed, choices_K, None, recipe.logits.direction)
        training = replace(training_of(of.student, len(arm.examples)), measure_at=())
        checkpoint = partial_file(out, place, settings)
        student = distill(base, [arm], training, checkpoint=checkpoint, track=track)[0]
        write_student(out, of, student, base, recipe.target)

    settings: dict[str, JsonValue] = {
        **member_settings(recipe, member),
        "role": role,
        "target": recipe.target,
        "channel": recipe.channel,
        "direction": None if through_tokens else recipe.logits.direction,
        "student": recipe.student.model_dump(mode="json"),
        "seed": seed,
        "answer_seed": recipe.seed,
    }
    return Stage(place, settings, work, inputs=(start, source))
