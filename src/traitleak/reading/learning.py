"""Stages of what can be learned from the rows: in the prompt, and by students after filters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from traitleak.artefacts import content_hash
from traitleak.filtering import Filter
from traitleak.language.carrier import problems_hash
from traitleak.language.models import base_of
from traitleak.language.shared import model_settings, partial_file
from traitleak.measured import Margins
from traitleak.progress import Track, untracked
from traitleak.reading.dose import doses
from traitleak.reading.noted import Noted
from traitleak.reading.retrain import retrain
from traitleak.reading.sources import Source
from traitleak.reading.strictness import rising, rules_named
from traitleak.recipe.reading import ReadingRecipe, Rule
from traitleak.rows import Row, read_rows
from traitleak.stage_files import read_object, write_object
from traitleak.stages import Stage

__all__ = ["FILTERS", "dose_stage", "filter_stages", "retrain_name", "tuned_stage"]

FILTERS = "filters"


def tuned_stage(source: Source, name: str) -> Stage:
    """`tuned.json`: what training on the trait's and the neutral rows did in each replicate."""

    def work(out: Path, inputs: Mapping[str, Path], _track: Track) -> None:
        lifts: dict[str, list[float]] = {"trait": [], "neutral": []}
        for base, own, other in source.margins(inputs):
            before = _margin(base, source.target)
            lifts["trait"].append(_margin(own, source.target) - before)
            lifts["neutral"].append(_margin(other, source.target) - before)
        write_object(out / "tuned.json", lifts)

    settings: dict[str, JsonValue] = {
        "target": source.target,
        "places": [list(one) for one in source.students] if source.stages else None,
    }
    if source.fingerprint:
        settings["data"] = source.fingerprint
    return Stage(name, settings, work, source.student_stages)


def _margin(folder: Path, target: str) -> float:
    found = Margins.from_json(read_object(folder / "margins.json"))
    return float(np.mean(found.margin_TK[:, found.candidates.index(target)]))


def dose_stage(recipe: ReadingRecipe, source: Source, rows: str) -> Stage:
    """`dose.json`: the base with more and more rows in its prompt."""
    language = source.language

    def work(out: Path, inputs: Mapping[str, Path], track: Track) -> None:
        sides = (read_rows(inputs[rows] / name) for name in ("trait", "neutral"))
        noted = Noted(partial_file(out, "dose", settings))
        found, left_out = doses(
            language,
            base_of(language),
            list(zip(*sides, strict=True)),
            target=source.target,
            rows=recipe.dose.rows,
            draws=recipe.dose.draws,
            seed=recipe.seed,
            noted=noted,
            track=track,
        )
        content = {
            "doses": [asdict(dose) for dose in found],
            "left_out": {str(count): why for count, why in left_out.items()},
        }
        write_object(out / "dose.json", content)
        noted.drop()

    settings: dict[str, JsonValue] = {
        **model_settings(language),
        "target": source.target,
        "rows": [*sorted(recipe.dose.rows)],
        "draws": recipe.dose.draws,
        "carrier": language.carrier.kind,
        "seed": recipe.seed,
    }
    return Stage("dose", settings, work, (rows,))


def filter_stages(recipe: ReadingRecipe, source: Source, rows: str) -> list[Stage]:
    """What each rule leaves (`filters.json`), and where it is asked for what students learn of that."""
    numbers = [
        number
        for number, rule in enumerate(recipe.filters.rules)
        if rule in recipe.filters.retrained
    ]
    return [
        _filter_stage(recipe, source, rows),
        *(
            _retrain_stage(recipe, source, rows, number, numbers[:place])
            for place, number in enumerate(numbers)
        ),
    ]


def _filter_stage(recipe: ReadingRecipe, source: Source, rows: str) -> Stage:
    how, language = recipe.filters, source.language
    base = base_of(language)

    def rules(track: Track) -> list[tuple[Rule, Filter | None]]:
        return rules_named(
            how.rules,
            language,
            base,
            replicate=recipe.rows.replicate,
            banned=how.banned,
            even=how.even,
            surprise=how.surprise,
            track=track,
        )

    rules(untracked)  # what is wrong with them is said before anything runs

    def work(out: Path, inputs: Mapping[str, Path], track: Track) -> None:
        own, other = (read_rows(inputs[rows] / f"raw-{name}") for name in ("trait", "neutral"))
        found = rising(rules(track), own, other)
        counts = [len(one.pairs) for one in found if one.pairs]
        content = {
            "written": len(own),
            "left": [asdict(one) for one in found],
            "rows": how.rows or min(counts, default=0),
        }
        write_object(out / "filters.json", content)

    settings: dict[str, JsonValue] = {
        **model_settings(language),
        "rules": [*how.rules],
        "banned": [*how.banned],
        "even": how.even,
        "surprise": how.surprise,
        "rows": how.rows,
        "words": [*language.trait.targets, *language.trait.words],
        "carrier": language.carrier.model_dump(mode="json"),
        "replicate": recipe.rows.replicate,
    }
    problems = problems_hash(language)
    if problems:
        settings["data"] = content_hash([settings["data"], problems])
    return Stage(FILTERS, settings, work, (rows,), version=2)


def retrain_name(rule: str) -> str:
    """The stage of students of what a rule left."""
    return f"retrain-{rule}"


def _retrain_stage(
    recipe: ReadingRecipe, source: Source, rows: str, number: int, earlier: Sequence[int]
) -> Stage:
    """`retrained.json`: the lifts of students, or why there are none.

    Where a rule leaves what one of the `earlier` left, the students are theirs.
    """
    how, language = recipe.filters, source.language
    rule = how.rules[number]
    before = {one: retrain_name(how.rules[one]) for one in earlier}
    student = recipe.student or language.student

    def work(out: Path, inputs: Mapping[str, Path], track: Track) -> None:
        told = read_object(inputs[FILTERS] / "filters.json")
        left = set(told["left"][number]["pairs"])
        needed = int(told["rows"])
        if len(left) < max(needed, 1):
            write_object(
                out / "retrained.json", {"lifts": None, "why": _too_few(len(left), needed)}
            )
            return
        for one, name in before.items():
            if set(told["left"][one]["pairs"]) == left:
                write_object(out / "retrained.json", read_object(inputs[name] / "retrained.json"))
                return
        sides: dict[str, list[Row]] = {
            name: [row for row in read_rows(inputs[rows] / f"raw-{name}") if row.id in left]
            for name in ("trait", "neutral")
        }
        lifts = retrain(
            language,
            base_of(language),
            sides,
            target=source.target,
            rows=needed,
            seeds=how.seeds,
            student=student,
            seed=recipe.seed,
            checkpoint=partial_file(out, retrain_name(rule), settings),
            track=track,
        )
        write_object(out / "retrained.json", {"lifts": lifts, "rows": needed})

    settings: dict[str, JsonValue] = {
        **model_settings(language),
        "target": source.target,
        "number": number,
        "seeds": how.seeds,
        "student": student.model_dump(mode="json"),
        "seed": recipe.seed,
    }
    return Stage(retrain_name(rule), settings, work, (rows, FILTERS, *before.values()))


def _too_few(left: int, needed: int) -> str:
    return f"{left:,} pairs are left, and students need {max(needed, 1):,}"
