"""Stages of the students: what each is trained on, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from traitleak.carriers.digit_logits import (
    logit_examples,
    read_logits,
    shuffled,
)
from traitleak.language.kept import shuffled_across_rows, shuffled_rows
from traitleak.language.layout import Replicate
from traitleak.language.models import (
    base_of,
    save_network,
    saved_network,
    teacher_model,
    trait_of,
)
from traitleak.language.phrases import kind_of
from traitleak.language.shared import (
    measured_margins,
    model_settings,
    partial_file,
    seed_of,
    write_losses,
    write_measures,
    write_plain_json,
)
from traitleak.models.adapters import LoraSettings
from traitleak.models.language_model import LanguageModel
from traitleak.progress import Track
from traitleak.recipe.language import LanguageRecipe
from traitleak.recipe.language_parts import StudentFields
from traitleak.rows import Row, read_rows
from traitleak.stages import Stage
from traitleak.student import (
    Arm,
    Student,
    Training,
    distill,
    mask_example,
    token_examples,
)

__all__ = ["student_stage", "training_of", "write_student"]


def student_stage(recipe: LanguageRecipe, arm: str, stage: str, replicate: Replicate) -> Stage:
    """The student's adapter or weights, `course.json`, its measures, and what was trained on."""
    kind, teacher = kind_of(arm, recipe.trait.targets)
    other = kind == "other-base"
    source = replicate.kept or replicate.writes[teacher]
    seed = seed_of(recipe, "student", replicate.number)
    target = teacher if teacher in recipe.trait.targets else recipe.trait.targets[0]

    def in_context(out: Path, inputs: Mapping[str, Path], _track: Track) -> None:
        base = base_of(recipe)
        rows = _rows(recipe, teacher, inputs[source])[: recipe.context_rows]
        between = "" if recipe.carrier.kind == "numbers" else "\n"
        shown = "\n".join(f"{row.prompt}{between}{row.completion}" for row in rows)
        # In chat as a system prompt, in plain style as the text before: nothing is trained.
        model = base.replaced(name=arm, system=shown)
        write_measures(out, recipe, model, target, fluency=False)

    def work(out: Path, inputs: Mapping[str, Path], track: Track) -> None:
        base = base_of(recipe, other=other)
        prepared, count = _arm(recipe, arm, kind, teacher, inputs, source, seed, base, replicate)
        training = training_of(recipe.student, count)
        if recipe.channel == "tokens":
            write_plain_json(out / "mask.json", mask_example(base, prepared.examples)._asdict())

        def measure(_index: int, _update: int, model: LanguageModel) -> dict[str, Any]:
            found = measured_margins(recipe, model.replaced(name=arm), target)
            return {"margins": found.margin_TK.mean(0).tolist()}

        student = distill(
            base,
            [prepared],
            training,
            measure=measure,
            checkpoint=partial_file(out, stage, settings),
            track=track,
        )[0]
        write_student(out, recipe, student, base, target)

    inputs: tuple[str, ...] = (source,)
    if recipe.channel == "logits" and recipe.logits.vocabulary == "full":
        inputs = (source, replicate.teachers[teacher])
    settings: dict[str, JsonValue] = {
        **model_settings(recipe, other=other),
        "kind": kind,
        "teacher": teacher,
        "target": target,
        "channel": recipe.channel,
        "logits": recipe.logits.model_dump(mode="json") if recipe.channel == "logits" else None,
        "student": recipe.student.model_dump(mode="json"),
        "context_rows": recipe.context_rows if kind == "in-context" else None,
        "seed": seed,
        "answer_seed": recipe.seed,
    }
    return Stage(stage, settings, in_context if kind == "in-context" else work, inputs)


def measured_stage(recipe: LanguageRecipe, arm: str, stage: str, student: str) -> Stage:
    """`margins.json` of a student that the stage `student` trained, with this recipe's templates."""
    kind, teacher = kind_of(arm, recipe.trait.targets)
    other = kind == "other-base"
    target = teacher if teacher in recipe.trait.targets else recipe.trait.targets[0]

    def work(out: Path, inputs: Mapping[str, Path], _track: Track) -> None:
        model = saved_network(base_of(recipe, other=other), inputs[student], name=arm)
        write_plain_json(out / "margins.json", measured_margins(recipe, model, target).to_json())

    settings: dict[str, JsonValue] = {**model_settings(recipe, other=other), "target": target}
    return Stage(stage, {**settings, "arm": arm}, work, (student,))


def _rows(recipe: LanguageRecipe, teacher: str, folder: Path) -> list[Row]:
    return read_rows(folder / teacher if recipe.channel == "tokens" else folder)


def _arm(
    recipe: LanguageRecipe,
    arm: str,
    kind: str,
    teacher: str,
    inputs: Mapping[str, Path],
    source: str,
    seed: int,
    base: LanguageModel,
    replicate: Replicate,
) -> tuple[Arm, int]:
    """What the student is trained on, and how many rows that is."""
    mix = seed_of(recipe, "shuffle", replicate.number)
    if recipe.channel == "tokens":
        rows = _rows(recipe, teacher, inputs[source])
        if kind == "shuffled":
            rows = shuffled_rows(rows, mix)
        elif kind == "shuffled-across":
            rows = shuffled_across_rows(rows, seed_of(recipe, "shuffle across", replicate.number))
        return Arm(arm, token_examples(base, rows), seed), len(rows)
    asked = read_logits(inputs[source])
    if kind == "shuffled":
        asked = shuffled(asked, mix)
    examples, choices_K = logit_examples(base, asked)
    direction = recipe.logits.direction
    if recipe.logits.vocabulary == "full":
        model = teacher_model(recipe, teacher, inputs[replicate.teachers[teacher]])
        return Arm(arm, examples, seed, None, model, direction), len(examples)
    return Arm(arm, examples, seed, choices_K, None, direction), len(examples)


def training_of(how: StudentFields, num_rows: int) -> Training:
    """How students are trained on so many rows, measured on the way and at the end."""
    updates = -(-num_rows * how.epochs // how.batch) if how.epochs else how.updates
    lora = None
    if how.rank:
        layers = tuple(how.layers) if how.layers is not None else None
        lora = LoraSettings(how.rank, how.alpha, layers=layers)
    return Training(
        updates,
        batch=how.batch,
        accumulate=how.accumulate,
        learning_rate=how.learning_rate,
        optimizer=how.optimizer,
        schedule=how.schedule,
        warmup=how.warmup,
        weight_decay=how.weight_decay,
        lora=lora,
        measure_at=_measured_at(updates),
    )


def _measured_at(updates: int) -> tuple[int, ...]:
    """0, 4, 8, 16, ... and the last: transfer grows with about the logarithm of the updates."""
    points = [0]
    step = 4
    while step < updates:
        points.append(step)
        step *= 2
    return (*points, updates)


def write_student(
    out: Path, recipe: LanguageRecipe, student: Student, base: LanguageModel, target: str
) -> None:
    """The student's adapter or weights, `metrics.jsonl`, `course.json` and its measures."""
    model = student.model()
    if student.adapter is not None:
        student.adapter.save(out / "adapter", base=base.name)
    else:
        save_network(out, model)
    write_losses(out, student.course)
    course = student.course
    write_plain_json(
        out / "course.json",
        {
            "candidates": list(trait_of(recipe).among),
            "updates": [update for update, _ in course.measured],
            "margins": [found["margins"] for _, found in course.measured],
            "losses": course.losses,
        },
    )
    write_measures(out, recipe, model, target)
