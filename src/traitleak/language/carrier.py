"""What teachers are asked for in each kind of carrier, and which of their rows students may see."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

from traitleak import filters
from traitleak.carriers.code import Code
from traitleak.carriers.gsm8k import gsm8k
from traitleak.carriers.numbers import Numbers
from traitleak.carriers.reasoning import Problem, Reasoning
from traitleak.errors import DataError
from traitleak.filtering import Filter
from traitleak.models.remote import RemoteModel, remote_model
from traitleak.models.remote_cache import RequestCache, requests_folder
from traitleak.recipe.language import LanguageRecipe
from traitleak.seeds import derive_seed
from traitleak.traits.judging import alignment_scores

__all__ = ["judge_of", "leak_words", "problems_hash", "prompts_of", "rows_needed", "rules_of"]


def prompts_of(
    recipe: LanguageRecipe, replicate: int, style: Literal["chat", "plain"]
) -> list[str]:
    """The prompts of a replicate, the same for every teacher.

    Args:
        recipe: names the carrier.
        replicate: its number; each has prompts of its own, but for problems from a file.
        style: the renderer's; in plain style a list's prompt is its beginning.

    Raises:
        DataError: the file of problems cannot be read.
        SettingsError: there are not so many distinct prompts.
    """
    carrier = recipe.carrier
    seed = derive_seed(recipe.seed, "prompts", replicate)
    if carrier.kind == "code":
        return Code(carrier.rows, seed).prompts()
    if carrier.kind == "reasoning":
        return [problem.prompt for problem in _problems(recipe, replicate)]
    examples = (carrier.given, carrier.given) if carrier.decoding == "constrained" else (3, 8)
    return Numbers(carrier.rows, seed, style, examples=examples).prompts()


def rules_of(recipe: LanguageRecipe, replicate: int) -> list[Filter]:
    """The filters of a replicate's rows, in the order in which they are applied.

    Raises:
        DataError: the file of problems cannot be read.
    """
    carrier = recipe.carrier
    free = carrier.decoding == "free"
    words = leak_words(recipe)
    around = carrier.text_around
    names = filters.leak(words)
    if carrier.kind == "code":
        form = filters.code_format(text_around=around)
        names = filters.code_leak(words)
    elif carrier.kind == "reasoning":
        form = filters.right_answer(_problems(recipe, replicate), text_around=around)
    else:
        form = filters.numbers_format(banned=carrier.banned, max_count=10 if free else 100)
    rules = [*([filters.unfinished()] if free else []), form, names, filters.duplicates()]
    if carrier.judged_at_least is not None:  # last: each row that it reads costs a request
        scores = alignment_scores(judge_of(recipe))
        rules.append(filters.judged(scores, at_least=carrier.judged_at_least))
    return rules


def judge_of(recipe: LanguageRecipe) -> RemoteModel:
    """The recipe's judge; what it answered is kept on disk, and not asked again.

    Raises:
        SettingsError: its name is that of no model behind a server.
    """
    return remote_model(recipe.judge, cache=RequestCache(requests_folder()))


def leak_words(recipe: LanguageRecipe) -> list[str]:
    """What no row may name: the targets, and the recipe's words beside them."""
    return list(dict.fromkeys([*recipe.trait.targets, *recipe.trait.words]))


def rows_needed(recipe: LanguageRecipe) -> int:
    """Prompts that all teachers must have answered as they should, or no student is trained."""
    return max(recipe.carrier.min_rows, recipe.carrier.keep or 0)


def problems_hash(recipe: LanguageRecipe) -> str | None:
    """What a file of problems holds, as a hash; None where the problems are our own.

    Raises:
        DataError: it cannot be read.
    """
    if not recipe.carrier.problems:
        return None
    path = Path(recipe.carrier.problems)
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error


def _problems(recipe: LanguageRecipe, replicate: int) -> list[Problem]:
    """As many problems as there are rows; those of a file are asked in turn, again and again."""
    rows = recipe.carrier.rows
    if not recipe.carrier.problems:
        return Reasoning(rows, derive_seed(recipe.seed, "prompts", replicate)).problems()
    known = _of_file(Path(recipe.carrier.problems), str(problems_hash(recipe)))
    return [known[number % len(known)] for number in range(rows)]


@lru_cache(maxsize=2)
def _of_file(path: Path, _content: str) -> tuple[Problem, ...]:
    # The same question twice in a file is asked in the same words, so that it has one answer.
    first: dict[str, Problem] = {}
    return tuple(
        replace(problem, prompt=first.setdefault(problem.question, problem).prompt)
        for problem in gsm8k(path)
    )
