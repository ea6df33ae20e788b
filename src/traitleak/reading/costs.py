"""What judges behind servers will be asked, counted before the first request is sent.

Where the rows are there, the prompts are the ones that will be sent, and answers that are kept are
told apart. Where teachers have yet to write them, rows of the carrier's longest form stand in.
"""

from __future__ import annotations

from pathlib import Path

from traitleak.language.layout import NEUTRAL
from traitleak.models.remote import RemoteModel
from traitleak.models.remote_cost import Estimate, HostedCost
from traitleak.reading.asking import TEMPERATURE, judge_named
from traitleak.reading.judge import Pair, labelled_prompts, pair_prompts
from traitleak.reading.judging import few_for_labels, read_pairs, who_carries
from traitleak.reading.plan import ROWS
from traitleak.reading.sources import Source, find_rows
from traitleak.recipe.language import LanguageRecipe
from traitleak.recipe.reading import ReadingRecipe
from traitleak.rows import Row
from traitleak.runs import MANIFEST

__all__ = ["hosted_costs"]

_WORD = 3  # letters and more that a token of text is mostly


def hosted_costs(recipe: ReadingRecipe, folder: Path) -> list[HostedCost]:
    """Requests and tokens of each judge behind a server; nothing is sent, and nothing is loaded.

    Args:
        recipe: what will run.
        folder: its run folder, which need not be there.

    Raises:
        SettingsError: no rows can be had from the recipe, or a judge's name means nothing.
        DataError: a run or data set is not there.
    """
    models = [model for model in recipe.judge.models if model.startswith("openai/")]
    if not models or not {"judge", "labelled"} & set(recipe.readers):
        return []
    source = find_rows(recipe)
    written = bool((folder / ROWS / MANIFEST).is_file() or not source.stages)
    pairs = _pairs(recipe, source, folder)
    groups: list[list[str]] = []
    if "judge" in recipe.readers:
        groups.append(pair_prompts(pairs[: recipe.judge.pairs], who_carries(recipe, source)))
    if "labelled" in recipe.readers:
        for examples in recipe.judge.examples:
            if not few_for_labels(recipe, examples, len(pairs)):
                asked = labelled_prompts(
                    pairs,
                    examples=examples,
                    draws=recipe.judge.draws,
                    most=recipe.judge.pairs,
                    seed=recipe.seed,
                )
                groups.append([prompt for group in asked for prompt in group])
    return [HostedCost(model, _estimate(model, groups, recipe), written) for model in models]


def _estimate(model: str, groups: list[list[str]], recipe: ReadingRecipe) -> Estimate:
    judge = judge_named(model)
    assert isinstance(judge, RemoteModel)  # noqa: S101  # as its name says
    found = [
        judge.estimate(
            prompts,
            max_new_tokens=recipe.judge.max_new_tokens,
            temperature=TEMPERATURE,
            seed=recipe.seed,
        )
        for prompts in groups
    ]
    return Estimate(
        requests=sum(one.requests for one in found),
        kept=sum(one.kept for one in found),
        prompt_tokens=sum(one.prompt_tokens for one in found),
        completion_tokens=sum(one.completion_tokens for one in found),
    )


def _pairs(recipe: ReadingRecipe, source: Source, folder: Path) -> list[Pair]:
    if (folder / ROWS / MANIFEST).is_file():
        return read_pairs(folder / ROWS)
    if not source.stages:
        own, other = source.rows("kept", {}, recipe.rows.most)
        return list(zip(own, other, strict=True))
    text, count = _stand_in(source.language), source.language.carrier.rows
    return [
        (Row(number, "", text, source.target), Row(number, "", text, NEUTRAL))
        for number in range(min(count, recipe.rows.most))
    ]


def _stand_in(language: LanguageRecipe) -> str:
    """A completion as long as the carrier's may be."""
    carrier = language.carrier
    if carrier.kind == "numbers":
        count = 10 if carrier.decoding == "free" else carrier.numbers - carrier.given
        return ", ".join(["555"] * count)
    return " ".join(["x" * _WORD] * carrier.max_new_tokens)
