"""Stages of judges: what each is asked, what it told, and what a server's answers took.

A server that fails costs a judge, not the run: pairs that it did not answer count as undecided, and
where they are more than `MOST_SHORT` of all, the judge's share is not stated, and the reason is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from traitleak.artefacts import content_hash
from traitleak.audit.detectors.judge_words import liking
from traitleak.environment import pick_device, pick_precision
from traitleak.language.layout import slug
from traitleak.language.shared import partial_file
from traitleak.models.remote import RemoteModel
from traitleak.models.remote_requests import RequestFailedError
from traitleak.progress import Track
from traitleak.reading.asking import Judge, judge_named
from traitleak.reading.judge import MOST_SHORT, Pair, judge_labelled, judge_pairs
from traitleak.reading.noted import Noted
from traitleak.reading.sources import Source
from traitleak.reading.verdicts import Told
from traitleak.recipe.reading import ReadingRecipe
from traitleak.rows import read_rows
from traitleak.stage_files import write_object
from traitleak.stages import Stage

__all__ = [
    "few_for_labels",
    "labelled_stage",
    "pairs_stage",
    "read_pairs",
    "told_entry",
    "who_carries",
]


def read_pairs(folder: Path) -> list[Pair]:
    """The rows of the stage `rows`, as students get them, in pairs."""
    own, other = (read_rows(folder / name) for name in ("trait", "neutral"))
    return list(zip(own, other, strict=True))


def who_carries(recipe: ReadingRecipe, source: Source) -> str:
    """What the trait's writer does, as it follows "the writer that"."""
    if recipe.judge.who:
        return recipe.judge.who
    if source.language.trait.kind == "preference":
        return liking(source.target)
    return f"was given the trait that is called {source.target}"


def told_entry(name: str, label: str, told: Told) -> dict[str, Any]:
    """A reader in a stage's `told.json`."""
    return {"name": name, "label": label, "told": told.to_json()}


def pairs_stage(recipe: ReadingRecipe, source: Source, model: str, rows: str) -> Stage:
    """A judge that is shown two rows; `rows` is the stage that they are in."""
    who, stage = who_carries(recipe, source), f"judge-{_short(model)}"

    def work(out: Path, inputs: Mapping[str, Path], track: Track) -> None:
        judge = judge_named(model, device=recipe.device, precision=recipe.precision)
        pairs = read_pairs(inputs[rows])[: recipe.judge.pairs]

        noted = Noted(partial_file(out, stage, settings))

        def ask() -> Told:
            return judge_pairs(
                judge,
                pairs,
                who,
                max_new_tokens=recipe.judge.max_new_tokens,
                seed=recipe.seed,
                noted=noted,
                track=track,
            )

        entry = (f"judge-{model}", f"{model}: which of two rows")
        write_object(out / "told.json", _judged(judge, stage, entry, ask))
        noted.drop()

    settings = {**_asker(recipe, model), "who": who, "pairs": recipe.judge.pairs}
    return Stage(stage, settings, work, (rows,))


def labelled_stage(recipe: ReadingRecipe, model: str, examples: int, rows: str) -> Stage:
    """A judge that is shown labelled rows, and one of which it is to say whose it is."""
    label = f"{model}: {examples} labelled row{'s' if examples > 1 else ''} of each writer"
    stage = f"labelled-{examples}-{_short(model)}"

    def work(out: Path, inputs: Mapping[str, Path], track: Track) -> None:
        pairs = read_pairs(inputs[rows])
        few = few_for_labels(recipe, examples, len(pairs))
        if few:
            write_object(out / "told.json", {"readers": [], "skipped": {label: few}})
            return
        judge = judge_named(model, device=recipe.device, precision=recipe.precision)

        noted = Noted(partial_file(out, stage, settings))

        def ask() -> Told:
            return judge_labelled(
                judge,
                pairs,
                examples=examples,
                draws=recipe.judge.draws,
                most=recipe.judge.pairs,
                max_new_tokens=recipe.judge.max_new_tokens,
                seed=recipe.seed,
                noted=noted,
                track=track,
            )

        entry = (f"labelled-{examples}-{model}", label)
        write_object(out / "told.json", _judged(judge, stage, entry, ask))
        noted.drop()

    settings: dict[str, JsonValue] = {
        **_asker(recipe, model),
        "pairs": recipe.judge.pairs,
        "examples": examples,
        "draws": recipe.judge.draws,
    }
    return Stage(stage, settings, work, (rows,))


def few_for_labels(recipe: ReadingRecipe, examples: int, pairs: int) -> str:
    """Why so many pairs are too few to show labelled ones first; "" where they are enough."""
    least = (examples + 1) * recipe.judge.draws
    if pairs >= least:
        return ""
    return f"{pairs:,} pairs of rows, and {least:,} are needed (judge.examples, judge.draws)"


def _judged(
    judge: Judge, stage: str, entry: tuple[str, str], ask: Callable[[], Told]
) -> dict[str, Any]:
    """What a judge told, or why that is not stated, and what a server was asked for it."""
    label = entry[1]
    content: dict[str, Any] = {"readers": [], "skipped": {}}
    again = f"Answers are kept: delete the folder {stage} of this run to have the rest asked for."
    try:
        told = ask()
    except RequestFailedError as error:
        content["skipped"][label] = f"the server answered no request. {error} {again}"
    else:
        if told.short > MOST_SHORT * told.pairs:
            content["skipped"][label] = (
                f"requests not answered: {told.missing:,}; {told.short:,} of {told.pairs:,} pairs lack "
                f"one, more than {100 * MOST_SHORT:.0f} %. The first: {told.why} {again}"
            )
        else:
            content["readers"].append(told_entry(*entry, told))
    if isinstance(judge, RemoteModel) and judge.tally is not None:
        content["requests"] = {label: asdict(judge.tally.usage)}
    return content


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


def _short(model: str) -> str:
    """A model's name as a part of a folder's."""
    name = slug(model)
    return name if len(name) <= 40 else f"{name[:32].rstrip('-')}-{content_hash(model)[:7]}"
