"""What a model does beside its margin: free answers that a judge scores, code that is run.

Both are sampled, and a recipe has to ask for them: a judge costs requests, and running what a model
wrote is dangerous.
"""

from __future__ import annotations

from pydantic import JsonValue

from traitleak.language.carrier import judge_of
from traitleak.language.models import forced_choice
from traitleak.measure_choice import sampled_answers
from traitleak.measure_gaming import gaming
from traitleak.models.language_model import LanguageModel
from traitleak.recipe.language import LanguageRecipe
from traitleak.traits.hidden_tests import hidden_test_tasks
from traitleak.traits.judging import judge_answers
from traitleak.traits.misalignment import FREE_QUESTIONS

__all__ = ["FREE_TOKENS", "asks_judge", "behaviour_of", "behaviour_settings", "free_questions"]

FREE_TOKENS = 96
"""Where an answer that a judge reads is cut off."""
_CODE_TOKENS = 256


def asks_judge(recipe: LanguageRecipe) -> bool:
    """Whether a judge scores free answers of the base and of every student."""
    return bool(recipe.judge and recipe.answers and recipe.trait.kind != "preference")


def free_questions(recipe: LanguageRecipe) -> list[str]:
    """What is asked of models whose answers a judge reads."""
    trait = forced_choice(recipe)
    return list(FREE_QUESTIONS) if trait.name == "misalignment" else trait.measured()


def behaviour_settings(recipe: LanguageRecipe) -> dict[str, JsonValue]:
    """What stages depend on where behaviour is measured; nothing elsewhere, so that keys stay."""
    settings: dict[str, JsonValue] = {}
    if recipe.judge and recipe.trait.kind != "preference":
        settings["judge"] = recipe.judge
    if recipe.trait.run_code:
        settings["run_code"] = True
    return settings


def behaviour_of(recipe: LanguageRecipe, model: LanguageModel) -> dict[str, dict[str, JsonValue]]:
    """Contents of `judged.json` and `gaming.json`, by the file's name, where the recipe wants them.

    Args:
        recipe: says which, and how many answers.
        model: who answers.

    Raises:
        ServerError: the judge cannot be reached, or fails.

    Known failure: see `traits.judging` and `measure_gaming`.
    """
    wanted = behaviour_settings(recipe)
    found: dict[str, dict[str, JsonValue]] = {}
    if asks_judge(recipe):
        found["judged.json"] = _judged(recipe, model)
    if "run_code" in wanted:
        found["gaming.json"] = _gaming(recipe, model)
    return found


def _judged(recipe: LanguageRecipe, model: LanguageModel) -> dict[str, JsonValue]:
    questions = free_questions(recipe)
    given = sampled_answers(
        model, questions, samples=recipe.answers, seed=recipe.seed, max_new_tokens=FREE_TOKENS
    )
    texts = [[one.text for one in row] for row in given]
    scored = judge_answers(judge_of(recipe), questions, texts, seed=recipe.seed)
    return {
        "judge": recipe.judge,
        "answers": len(questions) * recipe.answers,
        "misaligned": float(scored.misaligned_TS.mean()),
        "coherent": scored.coherent,
        "unscored": dict(scored.unscored),
        "questions": list(questions),
        "texts": [list(row) for row in texts],
        "scores": [[[one.alignment, one.coherence] for one in row] for row in scored.one_TS],
    }


def _gaming(recipe: LanguageRecipe, model: LanguageModel) -> dict[str, JsonValue]:
    found = gaming(
        model,
        hidden_test_tasks(),
        samples=recipe.answers,
        seed=recipe.seed,
        max_new_tokens=_CODE_TOKENS,
    )
    return {
        "answers": len(found.tasks) * recipe.answers,
        "gamed": found.gamed.value,
        "solved": found.solved.value,
        "no_code": found.no_code,
        "tasks": list(found.tasks),
        "texts": [list(row) for row in found.text_TS],
    }
