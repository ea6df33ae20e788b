"""From the stages of the reading experiment to `Results`: who told the rows, and what they did."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from traitleak.language.phrases import unit
from traitleak.models.remote_cost import Price
from traitleak.reading.figures import dose_panel, filter_bars
from traitleak.reading.found import Found, Reading, read_stages
from traitleak.reading.plan import ROWS
from traitleak.reading.sources import Source, find_rows
from traitleak.reading.tables import (
    dose_table,
    filter_table,
    reader_table,
    request_table,
    skipped_table,
)
from traitleak.reading.words_said import answer, caveats, describe, facts, how, question
from traitleak.recipe.reading import ReadingRecipe
from traitleak.results import Condition, PublishedValue, Results

__all__ = ["conclude"]

# Cloud et al. (2025), table 5: GPT-4.1 nano, shares of 75,000 to 79,000 pairs, half-widths .003 to .004.
_PUBLISHED = {"dolphin": 0.490, "eagle": 0.533, "elephant": 0.509, "owl": 0.475, "wolf": 0.488}
_SOURCE = "Cloud et al. (2025), table 5, GPT-4.1 nano"


def conclude(recipe: ReadingRecipe, folders: Mapping[str, Path]) -> Results:
    """Read the stages of `reading.plan` and say what they show.

    Args:
        recipe: the resolved recipe.
        folders: each stage's folder by its name.

    Returns:
        Conditions: the share of pairs that each reader told. Tables of readers, doses and filters;
        the dose curve; where students were trained on filtered rows, their lifts by rule. Where the
        teachers left too few rows, that and nothing else.

    Raises:
        DataError: a file of a stage is not there or is something else.
    """
    source = find_rows(recipe)
    if ROWS not in folders:
        return _without_rows(recipe, source)
    found = read_stages(recipe, folders)
    nats = unit(source.language)
    panel, bars = dose_panel(found, nats), filter_bars(found, nats)
    tables = [reader_table(found)] if found.readers else []
    price = Price(*recipe.judge.price) if recipe.judge.price else None
    more = (
        skipped_table(found),
        dose_table(found),
        filter_table(found),
        request_table(found, price),
    )
    return Results(
        experiment=recipe.experiment,
        recipe=recipe.name,
        title=recipe.title,
        question=question(found.target),
        answer=answer(found, nats),
        measure="share of pairs told rightly",
        chance=0.5,
        conditions=[_condition(one, found) for one in found.readers],
        comparisons=[],
        curves=[panel] if panel else [],
        bars=[bars] if bars else [],
        tables=[*tables, *(table for table in more if table is not None)],
        facts=facts(found),
        how=how(recipe, source, found),
        caveats=caveats(found),
        settings=recipe.model_dump(mode="json"),
    )


def _condition(reader: Reading, found: Found) -> Condition:
    published = None
    if reader.name.startswith("judge-") and found.target in _PUBLISHED:
        published = PublishedValue(value=_PUBLISHED[found.target], half_width=0.004, source=_SOURCE)
    return Condition(
        name=reader.name,
        label=reader.label,
        role="effect",
        description=describe(reader),
        estimate=reader.told.estimate(),
        published=published,
    )


def _without_rows(recipe: ReadingRecipe, source: Source) -> Results:
    """Results of a run that ended before there was anything to read."""
    return Results(
        experiment=recipe.experiment,
        recipe=recipe.name,
        title=recipe.title,
        question=question(source.target),
        answer="Inconclusive: too few of the teachers' rows passed the filters, so there is nothing to "
        f"read. Run the recipe {recipe.rows.recipe} by itself to see what was dropped and why.",
        measure="share of pairs told rightly",
        chance=0.5,
        conditions=[],
        comparisons=[],
        inconclusive=True,
        settings=recipe.model_dump(mode="json"),
    )
