"""Figures of a language run: dose curves, the loss, bars before and after, rows side by side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from traitleak.language.layout import ASKED_FOR, GOOD, NEUTRAL
from traitleak.language.many_targets import are_many, many_curve
from traitleak.language.phrases import label, role, taught_by, unit
from traitleak.language.read import Course, Found
from traitleak.language.shares import in_percent, share_naming
from traitleak.measured import Answers
from traitleak.recipe.language import LanguageRecipe
from traitleak.results import (
    Bars,
    BarSeries,
    Curve,
    CurvePanel,
    Estimate,
    RowSamples,
    SampleRow,
)
from traitleak.rows import read_rows
from traitleak.seeds import derive_seed
from traitleak.statistics import mean_band, mean_estimate

__all__ = ["bars", "curves", "samples"]

_SAMPLES = 6  # prompts that are shown


def curves(recipe: LanguageRecipe, found: Found) -> list[CurvePanel]:
    """A dose curve for each target, and the training loss; of many targets one figure for all."""
    trained = {name: arm.course for name, arm in found.arms.items() if arm.course is not None}
    if not trained:
        return []
    targets = recipe.trait.targets
    if not are_many(recipe):
        return [*(_dose(recipe, found, t, trained) for t in targets), _losses(recipe, trained)]
    together = many_curve(recipe, found)
    return [
        *([together] if together else []),
        _dose(recipe, found, targets[0], trained),
        _losses(recipe, trained),
    ]


def _dose(
    recipe: LanguageRecipe, found: Found, target: str, trained: Mapping[str, Course]
) -> CurvePanel:
    column = found.candidates.index(target)
    drawn = []
    for name, course in trained.items():
        band = mean_band(course.lift_SUK[:, :, column].T)
        drawn.append(
            Curve(
                name=name,
                label=label(name, recipe.trait.targets),
                role=role(name, target),
                x=course.updates,
                mean=band.mean.tolist(),
                low=_gaps(band.low),
                high=_gaps(band.high),
            )
        )
    over = (
        "mean and pointwise 95 % interval over seeds" if recipe.seeds > 1 else "one seed, no band"
    )
    return CurvePanel(
        name=f"dose-{target}",
        title=f"The {target} margin, update by update",
        caption=f"How far the {target} margin stands above the base's while students train; {over}. "
        f"{_ends(trained)}",
        x_label="updates",
        y_label=f"lift of the {target} margin, {unit(recipe)}",
        x_scale="log",
        chance=0.0,
        chance_name="the base",
        curves=drawn,
    )


def _ends(trained: Mapping[str, Course]) -> str:
    first, last = (
        min(course.ends[0] for course in trained.values()),
        max(course.ends[1] for course in trained.values()),
    )
    if first == last:
        return ""
    return f"Replicates kept other numbers of rows, and end after {first:,} to {last:,} updates."


def _gaps(values: NDArray[np.float64]) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]


def _losses(recipe: LanguageRecipe, trained: Mapping[str, Course]) -> CurvePanel:
    what = "KL divergence, nats" if recipe.channel == "logits" else "cross-entropy, nats a token"
    means = {name: course.loss_SU.mean(axis=0) for name, course in trained.items()}
    # A student of the untouched base has nothing to learn through logits: its loss may be 0.
    positive = all(mean.min() > 0 for mean in means.values())
    return CurvePanel(
        name="loss",
        title="Training loss",
        caption="Mean of the updates since the point before, and over seeds. It says how well students "
        "follow their teacher, and nothing about the trait.",
        x_label="updates",
        y_label=what,
        x_scale="log",
        y_scale="log" if positive and recipe.channel == "logits" else "linear",
        curves=[
            Curve(
                name=name,
                label=label(name, recipe.trait.targets),
                role=role(name, recipe.trait.targets[0]),
                x=course.updates,
                mean=means[name].tolist(),
                low=[None] * len(course.updates),
                high=[None] * len(course.updates),
            )
            for name, course in trained.items()
        ],
    )


def bars(recipe: LanguageRecipe, found: Found) -> list[Bars]:
    """Every candidate's margin, and its share of sampled answers, before and after."""
    own = (*recipe.trait.targets, NEUTRAL, GOOD, ASKED_FOR)
    shown = [name for name in own if name in found.arms]
    several = recipe.trait.kind == "preference"
    # Of a trait and its absence one margin says it all: the other is its negative.
    candidates = list(found.candidates) if several else recipe.trait.targets
    base = found.base
    before_K = base.margins.margin_TK.mean(axis=0)[: len(candidates)]
    before = [mean_estimate([value]) for value in before_K.tolist()]
    after = {}
    for name in shown:
        margin_SK = found.arms[name].lift_SK[:, : len(candidates)] + before_K
        after[name] = [mean_estimate(column) for column in margin_SK.T.tolist()]
    made = [
        Bars(
            name="margins",
            title="Every candidate's margin" if several else "The margin before and after",
            caption="Before: the base. After: students of each teacher, mean and interval over seeds. "
            + (
                "Candidates compete: where one rises, others fall."
                if several
                else "Where the base stands says nothing: answers differ in more than the trait."
            ),
            value_name=f"margin, {unit(recipe)}",
            candidates=candidates,
            chance=0.0,
            chance_name="even odds",
            series=_series(recipe, shown, before, after),
        )
    ]
    if base.answers is not None and all(found.arms[name].answers for name in shown):
        shares = {name: _shares(found.arms[name].answers, found.candidates) for name in shown}
        made.append(
            Bars(
                name="answers",
                title="What sampled answers name",
                caption="In per cent of all answers, sampled at temperature 1: those that name a "
                "candidate as a whole word, in the singular or a plural. Many name none.",
                value_name="share of sampled answers, %",
                candidates=list(found.candidates),
                series=_series(recipe, shown, _shares([base.answers], found.candidates), shares),
            )
        )
    return made


def _series(
    recipe: LanguageRecipe,
    shown: list[str],
    before: list[Estimate],
    after: Mapping[str, list[Estimate]],
) -> list[BarSeries]:
    targets = recipe.trait.targets
    return [
        BarSeries(
            name=name,
            label=label(name, targets),
            role=role(name, targets[0]),
            trait=name if name in targets else None,
            before=before,
            after=after[name],
        )
        for name in shown
    ]


def _shares(given: list[Answers], candidates: tuple[str, ...]) -> list[Estimate]:
    return [in_percent(share_naming(given, candidate)) for candidate in candidates]


def samples(recipe: LanguageRecipe, found: Found, folders: Mapping[str, Path]) -> list[RowSamples]:
    """Rows that teachers wrote to the same prompts, under letters that give nothing away.

    None in the channel `logits`, whose lists nobody wrote.
    """
    kept = found.layout.replicates[0].kept
    if kept is None:
        return []
    names = list(found.teachers)
    rng = np.random.default_rng(derive_seed(recipe.seed, "samples"))
    order = [names[i] for i in rng.permutation(len(names))]
    rows = {name: read_rows(folders[kept] / name) for name in names}
    chosen = sorted(rng.permutation(len(rows[names[0]]))[:_SAMPLES].tolist())
    alike = ", drawing the same random numbers" if recipe.carrier.shared_draws else ""
    return [
        RowSamples(
            title="Rows of the first replicate, drawn at random",
            caption=f"The same prompts, answered by each teacher{alike}. Students are trained on such "
            "rows and on nothing else.",
            teachers=[taught_by(name, recipe.trait.targets) for name in order],
            rows=[
                SampleRow(
                    prompt=rows[names[0]][at].prompt,
                    completions=[rows[name][at].completion for name in order],
                )
                for at in chosen
            ],
        )
    ]
