"""What a run says that ended because too few rows passed the filters: how many, of whom, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from traitleak.language.carrier import rows_needed
from traitleak.language.method_words import how
from traitleak.language.phrases import listed, percent, teacher_name
from traitleak.language.read import Found, read_rows_written
from traitleak.language.tables import of_rows
from traitleak.language.words import question
from traitleak.recipe.language import LanguageRecipe
from traitleak.results import Fact, Results

__all__ = ["conclude_without_students", "ended_early"]

_REASONS = 3  # that are named, the commonest first


def ended_early(recipe: LanguageRecipe, folders: Mapping[str, Path]) -> bool:
    """Whether there are no students because too few rows were left."""
    return recipe.channel == "tokens" and "base" in folders and not _has_students(folders)


def _has_students(folders: Mapping[str, Path]) -> bool:
    return any(name.startswith("student-") for name in folders)


def conclude_without_students(recipe: LanguageRecipe, folders: Mapping[str, Path]) -> Results:
    """Results without a condition: the rows that were written, kept and dropped, by teacher.

    Raises:
        DataError: a file of a stage is not there or is something else.
    """
    found = read_rows_written(recipe, folders)
    told = found.dropped[-1]
    target = recipe.trait.targets[0]
    return Results(
        experiment=recipe.experiment,
        recipe=recipe.name,
        title=recipe.title,
        question=question(recipe),
        answer=_answer(recipe, found),
        measure=f"lift of the {target} margin",
        conditions=[],
        comparisons=[],
        tables=of_rows(recipe, found),
        facts=[
            Fact(
                name="rows",
                statement="Enough prompts were answered by every teacher as they should be.",
                value=f"{told['pairs']:,} of {_asked(found):,}; {rows_needed(recipe):,} are needed",
                holds=False,
            )
        ],
        how=how(recipe, found),
        caveats=[
            "No student was trained. Rows that cannot be written carry nothing, and a null found with "
            "the few that were left over would be no evidence of safety.",
        ],
        inconclusive=True,
        settings=recipe.model_dump(mode="json"),
    )


def _asked(found: Found) -> int:
    return max(map(int, found.dropped[-1]["raw"].values()))


def _answer(recipe: LanguageRecipe, found: Found) -> str:
    told = found.dropped[-1]
    passed = [
        f"{teacher_name(name)} {raw - sum(told['table'][name].values()):,}"
        for name, raw in told["raw"].items()
    ]
    reasons: Counter[str] = Counter()
    for table in told["table"].values():
        reasons.update(table)
    total = sum(told["raw"].values())
    named = [f"{why} ({percent(n / total)})" for why, n in reasons.most_common(_REASONS)]
    why = f" Of all rows most were dropped for: {listed(named)}." if named else ""
    at = f" in replicate {len(found.dropped)}" if recipe.seeds > 1 else ""
    return (
        f"Inconclusive: too few rows to train on. Of {_asked(found):,} prompts{at}, {told['pairs']:,} "
        f"were answered as they should be by every teacher, and {rows_needed(recipe):,} are needed "
        f"(carrier.min_rows, carrier.keep). Rows that passed: {listed(passed)}.{why} {_remedy(recipe)}"
    )


def _remedy(recipe: LanguageRecipe) -> str:
    more = "write more rows (carrier.rows)"
    if recipe.carrier.kind == "numbers":
        return f"Take carrier.decoding=constrained, another base, or {more}."
    return (
        f"Take a larger base: {recipe.base} seldom writes {recipe.carrier.kind} in this form. Or "
        f"{more}, leave more room (carrier.max_new_tokens), take likelier tokens "
        "(carrier.temperature), or let text around it pass (carrier.text_around)."
    )
