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
from traitleak.audit.judge_words import liking
from traitleak.environment import pick_device, pick_precision
from traitleak.language.layout import slug
from traitleak.models.remote import RemoteModel
from traitleak.progress import Track
from traitleak.reading.asking import judge_named
from traitleak.reading.classifier import classify
from traitleak.reading.inspection import (
    Inspection,
    inspection,
    inspection_page,
    read_saved,
    score,
)
from traitleak.reading.judge import Pair, judge_labelled, judge_pairs
from traitleak.reading.learning import dose_stage, filter_stages, tuned_stage
from traitleak.reading.sources import Source, find_rows
from traitleak.reading.verdicts import Told
from traitleak.recipe.reading import ReadingRecipe
from traitleak.rows import read_rows, write_rows
from traitleak.stage_files import write_object
from traitleak.stages import Stage

__all__ = ["ROWS", "TUNED", "plan", "read_pairs"]

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
        stages += [_pairs_stage(recipe, source, model) for model in recipe.judge.models]
    if "labelled" in recipe.readers:
        stages += [
            _labelled_stage(recipe, model, examples)
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


def read_pairs(folder: Path) -> list[Pair]:
    """The rows of the stage `rows`, as students get them, in pairs."""
    own, other = (read_rows(folder / name) for name in ("trait", "neutral"))
    return list(zip(own, other, strict=True))


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


def _asker(recipe: ReadingRecipe, model: str) -> dict[str, JsonValue]:
    """What answers depend on, besides what is asked."""
    judge = judge_named(model, device=recipe.device, precision=recipe.precision)
    settings: dict[str, JsonValue] = {"judge": model, "seed": recipe.seed}
    if isinstance(judge, RemoteModel):
        return {**settings, "max_new_tokens": recipe.judge.max_new_tokens}
    device = pick_device(recipe.device).value
    return {
        **settings,
        "data": judge.fingerprint,
        "template": judge.renderer.template_hash,
        "device": device,
        "precision": pick_precision(recipe.precision, device).value,
    }


def _pairs_stage(recipe: ReadingRecipe, source: Source, model: str) -> Stage:
    """A judge that is shown two rows."""
    who = _who(recipe, source)

    def work(out: Path, inputs: Mapping[str, Path], track: Track) -> None:
        judge = judge_named(model, device=recipe.device, precision=recipe.precision)
        pairs = read_pairs(inputs[ROWS])[: recipe.judge.pairs]
        told = judge_pairs(
            judge,
            pairs,
            who,
            max_new_tokens=recipe.judge.max_new_tokens,
            seed=recipe.seed,
            track=track,
        )
        _write_told(out, f"judge-{model}", f"{model}: which of two rows", told)

    settings = {**_asker(recipe, model), "who": who, "pairs": recipe.judge.pairs}
    return Stage(f"judge-{_short(model)}", settings, work, (ROWS,))


def _labelled_stage(recipe: ReadingRecipe, model: str, examples: int) -> Stage:
    """A judge that is shown labelled rows, and one of which it is to say whose it is."""
    label = f"{model}: {examples} labelled row{'s' if examples > 1 else ''} of each writer"

    def work(out: Path, inputs: Mapping[str, Path], track: Track) -> None:
        pairs = read_pairs(inputs[ROWS])
        least = (examples + 1) * recipe.judge.draws
        if len(pairs) < least:
            why = f"{len(pairs):,} pairs of rows, and {least:,} are needed (judge.examples, judge.draws)"
            write_object(out / "told.json", {"readers": [], "skipped": {label: why}})
            return
        told = judge_labelled(
            judge_named(model, device=recipe.device, precision=recipe.precision),
            pairs,
            examples=examples,
            draws=recipe.judge.draws,
            most=recipe.judge.pairs,
            max_new_tokens=recipe.judge.max_new_tokens,
            seed=recipe.seed,
            track=track,
        )
        _write_told(out, f"labelled-{examples}-{model}", label, told)

    settings: dict[str, JsonValue] = {
        **_asker(recipe, model),
        "pairs": recipe.judge.pairs,
        "examples": examples,
        "draws": recipe.judge.draws,
    }
    return Stage(f"labelled-{examples}-{_short(model)}", settings, work, (ROWS,))


def _classifier_stage(recipe: ReadingRecipe) -> Stage:
    """A classifier of values, for bags of several sizes."""

    def work(out: Path, inputs: Mapping[str, Path], _track: Track) -> None:
        sizes = recipe.classifier.sizes
        found = classify(read_pairs(inputs[ROWS]), sizes=sizes, seed=recipe.seed)
        readers = [
            _told(f"classifier-{size}", _classifier_label(size), told)
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
    who = _who(recipe, source)

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
            readers.append(_told(f"person-{number}", f"person: {name}", told))
        write_object(out / "told.json", {"readers": readers, "skipped": {}})

    return Stage("inspected", {"data": content_hash(hashes)}, work, ("inspection",))


def _who(recipe: ReadingRecipe, source: Source) -> str:
    if recipe.judge.who:
        return recipe.judge.who
    if source.language.trait.kind == "preference":
        return liking(source.target)
    return f"was given the trait that is called {source.target}"


def _write_told(out: Path, name: str, label: str, told: Told) -> None:
    """A stage's `told.json` with one reader."""
    write_object(out / "told.json", {"readers": [_told(name, label, told)], "skipped": {}})


def _told(name: str, label: str, told: Told) -> dict[str, Any]:
    return {"name": name, "label": label, "told": told.to_json()}


def _short(model: str) -> str:
    """A model's name as a part of a folder's."""
    name = slug(model)
    return name if len(name) <= 40 else f"{name[:32].rstrip('-')}-{content_hash(model)[:7]}"
