"""Rows in the prompt, in the place of training: the dose curve of the control `in-context`.

Cloud et al. (2025), figure 9: not even ten thousand of a teacher's rows as examples in the prompt gave
a model the trait that training on them gives. Here the base reads 10, 20, 40, ... of the trait's
teacher's rows, and as many neutral ones on the same prompts; what counts is the difference of the two
lifts. Rows are drawn anew some times, the same prompts for both.

Known failure: the interval is over draws of rows of one teacher. Where a dose comes near to all the
rows there are, draws hardly differ, and it is too short.

Shape suffixes: T templates, K candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from traitleak.errors import SettingsError
from traitleak.language.models import trait_of
from traitleak.language.shared import choice_templates, measured_margins
from traitleak.measure import contexts, log_odds
from traitleak.models.language_model import LanguageModel
from traitleak.progress import Track, untracked
from traitleak.reading.judge import Pair
from traitleak.reading.noted import Noted
from traitleak.reading.prefix import logits_after
from traitleak.recipe.language import LanguageRecipe
from traitleak.rows import Row
from traitleak.seeds import derive_seed
from traitleak.traits.candidates import candidate_tokens
from traitleak.traits.forced_choice import ForcedChoice

__all__ = ["Dose", "doses", "margin_after", "shown_rows", "tokens_after"]


@dataclass(frozen=True)
class Dose:
    """What some rows in the prompt did.

    Attributes:
        rows: how many.
        tokens: of the longest text that was read.
        trait: the target's lift over the bare base in each draw, in nats, with the trait's rows.
        neutral: the same with the neutral rows.
    """

    rows: int
    tokens: int
    trait: list[float]
    neutral: list[float]


def doses(
    recipe: LanguageRecipe,
    base: LanguageModel,
    pairs: Sequence[Pair],
    *,
    target: str,
    rows: Sequence[int],
    draws: int = 5,
    seed: int = 0,
    noted: Noted | None = None,
    track: Track = untracked,
) -> tuple[list[Dose], dict[int, str]]:
    """Measure the base with more and more rows in its prompt.

    Args:
        recipe: says how the trait is measured.
        base: who reads.
        pairs: rows of the two writers on the same prompts.
        target: the trait.
        rows: the doses.
        draws: times that rows are drawn for each, without replacement.
        seed: of the draws.
        noted: keeps each reading's margin as it comes, for a run that is killed.
        track: shows how far it is.

    Returns:
        The doses that could be given, and for the others why not.

    Raises:
        SettingsError: no draws, a candidate of several tokens, or a template that takes no system
            prompt.
    """
    if draws < 1:
        raise SettingsError(f"Rows are drawn once at least for a dose; got draws={draws}.")
    before = margin_after(recipe, base, target, "")
    found: list[Dose] = []
    left_out: dict[int, str] = {}
    given = []
    for count in sorted(rows):
        if count > len(pairs):
            left_out[count] = f"there are {len(pairs):,} rows"
            continue
        drawn = []
        for draw in range(draws):
            rng = np.random.default_rng(derive_seed(seed, f"dose {count}", draw))
            some = [pairs[at] for at in rng.permutation(len(pairs))[:count]]
            drawn += [shown_rows(recipe, [pair[side] for pair in some]) for side in (0, 1)]
        tokens = max(tokens_after(recipe, base, target, shown) for shown in drawn)
        if tokens > base.context:
            left_out[count] = f"{tokens:,} tokens, and {base.name} reads {base.context:,}"
            continue
        given.append((count, tokens, drawn))
    steps = [(dose, text) for dose in given for text in dose[2]]
    noted = noted or Noted()
    lifts = []
    for _, text in track(steps, "reading rows", len(steps)):
        margin = noted.get(text) or [margin_after(recipe, base, target, text)]
        noted.note([((text,), margin)])
        lifts.append(margin[0] - before)
    for number, (count, tokens, drawn) in enumerate(given):
        some = lifts[number * len(drawn) : (number + 1) * len(drawn)]
        found.append(Dose(count, tokens, some[::2], some[1::2]))
    return found, left_out


def shown_rows(recipe: LanguageRecipe, rows: Sequence[Row]) -> str:
    """Rows as they stand in a prompt; as in the control `in-context`."""
    between = "" if recipe.carrier.kind == "numbers" else "\n"
    return "\n".join(f"{row.prompt}{between}{row.completion}" for row in rows)


def margin_after(recipe: LanguageRecipe, base: LanguageModel, target: str, shown: str) -> float:
    """The target's margin after a text, mean over templates in nats; in chat it is a system prompt."""
    model = base.replaced(system=shown) if shown else base
    trait = trait_of(recipe, target)
    if isinstance(trait, ForcedChoice):
        return measured_margins(recipe, model, target).value
    templates = None if recipe.templates == "auto" else recipe.templates
    encoded = [model.encode(text) for text in contexts(model, trait, templates=templates)]
    tokens = candidate_tokens(model.tokenizer, trait.among, category=trait.category)
    logits_TK = (
        logits_after(model, encoded, [list(tokens.values())] * len(encoded)).double().numpy()
    )
    return float(log_odds(logits_TK)[:, list(tokens).index(target)].mean())


def tokens_after(recipe: LanguageRecipe, base: LanguageModel, target: str, shown: str) -> int:
    """Tokens of the longest text that is read to measure the target after `shown`."""
    model = base.replaced(system=shown)
    trait = trait_of(recipe, target)
    if isinstance(trait, ForcedChoice):
        questions = trait.measured(choice_templates(recipe))
        return max(
            len(model.encode(model.rendered(question))) + len(model.encode(answer)) + 2
            for item, question in zip(trait.items, questions, strict=True)
            for answer in (item.shows, item.avoids)
        )
    templates = None if recipe.templates == "auto" else recipe.templates
    return max(len(model.encode(t)) for t in contexts(model, trait, templates=templates))
