"""What a language recipe's judge will be asked, counted before the first request is sent.

Rows and answers that are yet to be written are counted as if all were kept and as long as they may be:
what is told is the most that there can be, and not what is likely.
"""

from __future__ import annotations

from pathlib import Path

from traitleak.language.behaviour import FREE_TOKENS, asks_judge, free_questions
from traitleak.language.carrier import judge_of, prompts_of
from traitleak.language.points import points
from traitleak.models.remote_cost import Estimate, HostedCost
from traitleak.recipe.language import LanguageRecipe
from traitleak.runs import MANIFEST
from traitleak.traits.judging import judge_prompts

__all__ = ["judge_costs"]

_TOKENS = 16  # of a judge's reply
_WORD = "xxx"  # stands in for a token


def judge_costs(recipe: LanguageRecipe, folder: Path) -> list[HostedCost]:
    """Requests and tokens of the recipe's judge; nothing is sent, and no model is loaded.

    Args:
        recipe: what will run.
        folder: its run folder, which need not be there; what is done there is not counted.

    Returns:
        One entry, or none where no judge is asked.

    Raises:
        SettingsError: the judge's name is that of no model behind a server.
        DataError: the file of problems cannot be read.

    Known failure: stages that will be taken over from another run are counted.
    """
    if not recipe.judge:
        return []
    judged: dict[str, LanguageRecipe] = {}
    filtered: dict[str, tuple[LanguageRecipe, int, int]] = {}
    for point in points(recipe):
        one, at = point.recipe, point.layout
        if asks_judge(one):
            models = [at.base, *([at.other_base] if at.other_base else [])]
            models += [name for replicate in at.replicates for name in replicate.students.values()]
            judged |= dict.fromkeys(models, one)
        if one.carrier.judged_at_least is not None:
            filtered |= {
                str(replicate.kept): (one, replicate.number, len(replicate.writes))
                for replicate in at.replicates
            }
    found = [_of_answers(one) for stage, one in judged.items() if _ahead(folder, stage)]
    found += [_of_rows(*what) for stage, what in filtered.items() if _ahead(folder, stage)]
    total = Estimate(
        requests=sum(one.requests for one in found),
        kept=sum(one.kept for one in found),
        prompt_tokens=sum(one.prompt_tokens for one in found),
        completion_tokens=sum(one.completion_tokens for one in found),
    )
    return [HostedCost(recipe.judge, total, written=not found)]


def _ahead(folder: Path, stage: str) -> bool:
    return not (folder / stage / MANIFEST).is_file()


def _of_answers(recipe: LanguageRecipe) -> Estimate:
    """Of one model: both scores of each of its free answers."""
    answer = " ".join([_WORD] * FREE_TOKENS)
    prompts = [text for q in free_questions(recipe) for text in judge_prompts(q, answer)]
    return _times(_estimate(recipe, prompts), recipe.answers)


def _of_rows(recipe: LanguageRecipe, replicate: int, writers: int) -> Estimate:
    """Of one replicate: the alignment of every row of each writer."""
    completion = " ".join([_WORD] * recipe.carrier.max_new_tokens)
    prompts = [judge_prompts(q, completion)[0] for q in prompts_of(recipe, replicate, "chat")]
    return _times(_estimate(recipe, prompts), writers)


def _estimate(recipe: LanguageRecipe, prompts: list[str]) -> Estimate:
    return judge_of(recipe).estimate(
        prompts, max_new_tokens=_TOKENS, temperature=0.0, seed=recipe.seed
    )


def _times(one: Estimate, number: int) -> Estimate:
    return Estimate(
        requests=one.requests * number,
        kept=one.kept * number,
        prompt_tokens=one.prompt_tokens * number,
        completion_tokens=one.completion_tokens * number,
    )
