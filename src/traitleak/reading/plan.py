"""The reading experiment as stages: rows, who reads them, and what filters leave of them.

After what a language recipe needs come `rows` (the rows of both writers that all readers get),
`tuned` (what the recipe's own students learned), and a stage for each reader. A reader's stage
leaves `told.json`: its name, label and counts.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from traitleak.artefacts import content_hash
from traitleak.progress import Track
from traitleak.reading.classifier import classify
from traitleak.reading.inspection import (
    Inspection,
    inspection,
    inspection_page,
    read_saved,
    score,
)
from traitleak.reading.judging import (
    labelled_stage,
    pairs_stage,
    read_pairs,
    told_entry,
    who_carries,
)
from traitleak.reading.learning import dose_stage, filter_stages, tuned_stage
from traitleak.reading.sources import Source, find_rows
from traitleak.recipe.reading import ReadingRecipe
from traitleak.rows import write_rows
from traitleak.stage_files import write_object
from traitleak.stages import Stage

__all__ = ["ROWS", "TUNED", "plan"]

ROWS, TUNED = "rows", "tuned"


def plan(recipe: ReadingRecipe) -> list[Stage]:
    """The stages of the experiment, in order.

    Raises:
        RecipeError: the language recipe that rows come from cannot work.
        SettingsError: no rows can be had from it, or a judge's name means nothing.
        DataError: a run, data set, model or file of answers is not there.
    """
    source = find_rows(recipe)
    stages = [*source.stages, _rows_stage(recipe, source)]
    if source.students:
        stages.append(tuned_stage(source, TUNED))
    if "judge" in recipe.readers:
        stages += [pairs_stage(recipe, source, model, ROWS) for model in recipe.judge.models]
    if "labelled" in recipe.readers:
        stages += [
            labelled_stage(recipe, model, examples, ROWS)
            for model in recipe.judge.models
            for examples in recipe.judge.examples
        ]
    if "classifier" in recipe.readers:
        stages.append(_classifier_stage(recipe))
    if "inspection" in recipe.readers:
        stages.append(_inspection_stage(recipe, source))
        if recipe.inspect.answers:
            stages.append(_inspected_stage(recipe))
    if "in-context" in recipe.readers:
        stages.append(dose_stage(recipe, source, ROWS))
    if "filters" in recipe.readers:
        stages += filter_stages(recipe, source, ROWS)
    return stages


def _rows_stage(recipe: ReadingRecipe, source: Source) -> Stage:
    """`trait` and `neutral`, and the same as they were written; `rows.json`."""

    def work(out: Path, inputs: Mapping[str, Path], _track: Track) -> None:
        told: dict[str, Any] = {"target": source.target}
        for which, before in (("kept", ""), ("raw", "raw-")):
            sides = source.rows(which, inputs, recipe.rows.most)
            for name, rows in zip(("trait", "neutral"), sides, strict=True):
                (out / f"{before}{name}").mkdir()
                write_rows(out / f"{before}{name}", rows, {"writer": rows[0].teacher})
            own, other = sides
            told[which] = len(own)
            told[f"{which} alike"] = sum(
                one.completion == two.completion for one, two in zip(own, other, strict=True)
            )
        write_object(out / "rows.json", told)

    settings: dict[str, JsonValue] = {
        "target": source.target,
        "most": recipe.rows.most,
        "places": [*source.raw, *source.kept] if source.stages else None,
    }
    if source.fingerprint:
        settings["data"] = source.fingerprint
    return Stage(ROWS, settings, work, source.row_stages)


def _classifier_stage(recipe: ReadingRecipe) -> Stage:
    """A classifier of values, for bags of several sizes."""

    def work(out: Path, inputs: Mapping[str, Path], _track: Track) -> None:
        sizes = recipe.classifier.sizes
        found = classify(read_pairs(inputs[ROWS]), sizes=sizes, seed=recipe.seed)
        readers = [
            told_entry(f"classifier-{size}", _classifier_label(size), told)
            for size, told in found.told.items()
        ]
        skipped = {_classifier_label(size): why for size, why in found.skipped.items()}
        write_object(out / "told.json", {"readers": readers, "skipped": skipped})

    settings: dict[str, JsonValue] = {
        "sizes": [*recipe.classifier.sizes],
        "seed": recipe.seed,
        # So that a run without it is repeated once it is there.
        "sklearn": importlib.util.find_spec("sklearn") is not None,
    }
    return Stage("classifier", settings, work, (ROWS,))


def _classifier_label(size: int) -> str:
    return "classifier of values: one row" if size == 1 else f"classifier of values: bags of {size}"


def _inspection_stage(recipe: ReadingRecipe, source: Source) -> Stage:
    """`inspect.html` for a person, and `page.json`, the key."""
    who = who_carries(recipe, source)

    def work(out: Path, inputs: Mapping[str, Path], _track: Track) -> None:
        content = inspection(
            read_pairs(inputs[ROWS]),
            target=source.target,
            who=who,
            most=recipe.inspect.pairs,
            seed=recipe.seed,
        )
        (out / "inspect.html").write_text(inspection_page(content), encoding="utf-8")
        write_object(out / "page.json", content.model_dump(mode="json"))

    settings: dict[str, JsonValue] = {
        "who": who,
        "target": source.target,
        "pairs": recipe.inspect.pairs,
        "seed": recipe.seed,
    }
    return Stage("inspection", settings, work, (ROWS,))


def _inspected_stage(recipe: ReadingRecipe) -> Stage:
    """What people answered on the page."""
    paths = [Path(name).expanduser() for name in recipe.inspect.answers]
    hashes = [content_hash(read_saved(path).model_dump(mode="json")) for path in paths]

    def work(out: Path, inputs: Mapping[str, Path], _track: Track) -> None:
        content = Inspection.model_validate_json((inputs["inspection"] / "page.json").read_bytes())
        readers = []
        for number, path in enumerate(paths):
            saved = read_saved(path)
            told = score(saved, content, where=f"The answers in {path}")
            name = saved.reader.strip() or "reader"
            readers.append(told_entry(f"person-{number}", f"person: {name}", told))
        write_object(out / "told.json", {"readers": readers, "skipped": {}})

    return Stage("inspected", {"data": content_hash(hashes)}, work, ("inspection",))
