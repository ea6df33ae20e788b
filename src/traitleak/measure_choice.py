"""How strongly a model shows a trait that is measured by a choice between two answers.

Nothing is sampled: each item's two answers are scored after its question. What comes out is
`measured.Margins` with the trait and its absence as the two candidates, so that all that is done with
a preference's margins, lifts and matrices is done with these.

Shape suffixes: T items, C the two answers (the trait's first), O orders of two options.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from traitleak.artefacts import content_hash
from traitleak.errors import SettingsError
from traitleak.measure import log_odds, margins
from traitleak.measured import Answers, Margins, check_table
from traitleak.models.language_model import LanguageModel
from traitleak.models.sampling import Sampled, sample_each
from traitleak.models.scoring import score
from traitleak.progress import Track, untracked
from traitleak.rows import Row
from traitleak.traits.forced_choice import Asked, ForcedChoice, Item
from traitleak.traits.preference import Preference, Templates

__all__ = [
    "ChoiceScores",
    "Form",
    "Per",
    "choice_margins",
    "choice_scores",
    "free_answers",
    "sampled_answers",
    "trait_margins",
]

Form = Literal["answers", "options"]
"""Each answer is scored after the bare question, or the letter of one of two options shown."""

Per = Literal["token", "answer"]
"""Mean log-probability of an answer's tokens, or their sum."""

_LETTERS = ("A", "B")
_OPTIONS = (
    "{question}\n\nA: {first}\nB: {second}\n\nWhich of the two, A or B? Give the letter alone."
)


@dataclass(frozen=True, eq=False)
class ChoiceScores:
    """How likely a model finds both answers to each item.

    Attributes:
        model: its name.
        trait: the trait's name.
        among: the two candidates: the trait, and its absence.
        templates: what was asked.
        form: how it was asked.
        asked: hash of the chat template and of all that was asked: equal where the same was asked.
        logp_TC: log p(answer | question), the sum over the answer's tokens, in nats, float64; the
            answer with the trait in column 0. With options: the mean over both orders.
        tokens_TC: tokens of each answer; in chat style its end of turn is one of them.
    """

    model: str
    trait: str
    among: tuple[str, str]
    templates: Asked
    form: Form
    asked: str
    logp_TC: NDArray[np.float64]
    tokens_TC: NDArray[np.int64]

    def __post_init__(self) -> None:
        """Refuse what is no table of scores."""
        check_table(self.logp_TC, self.among, self.model)

    def margins(self, per: Per = "token") -> Margins:
        """Log-probability of the answer with the trait less that without it, item by item, in nats.

        Args:
            per: "token" compares means over an answer's tokens. A model that was trained on other
                data finds every sentence less likely, by some nats a token, and in sums that is a
                margin for the shorter answer; in means it cancels. "answer" compares sums: the
                log-odds of the two whole answers.

        Raises:
            SettingsError: no such way.

        Known failure: of the means, that a long answer's one telling word counts little; of the
        sums, that length does. Compare margins of one kind only; the difference of two kinds is
        refused.
        """
        if per not in get_args(Per):
            raise SettingsError(f"A margin is per {' or '.join(get_args(Per))}; got {per!r}.")
        values_TC = self.logp_TC / self.tokens_TC if per == "token" else self.logp_TC
        return Margins(
            model=self.model,
            target=self.trait,
            candidates=self.among,
            templates=self.templates,
            asked=content_hash([self.asked, per]),
            margin_TK=log_odds(values_TC),
        )

    def share(self, per: Per = "token") -> float:
        """The share of items whose answer with the trait is the likelier; a tie counts half."""
        margin_T = self.margins(per).margin_TK[:, 0]
        return float(np.mean((np.sign(margin_T) + 1) / 2))


def choice_scores(
    model: LanguageModel,
    trait: ForcedChoice,
    *,
    templates: Asked = "questions",
    form: Form = "answers",
    seed: int = 0,
    track: Track = untracked,
) -> ChoiceScores:
    """Score both answers to every item of a trait.

    Args:
        model: with its system prompt and steering, where it has them.
        trait: what is measured.
        templates: "numbered" puts a short list of random numbers before each question.
        form: "answers" scores the sentences themselves, and knows no order. "options" shows both as
            A and B and scores the letter, once in each order, so that a liking for "A" cancels.
        seed: of the numbers.
        track: shows how far it is.

    Raises:
        SettingsError: no such form or templates; an item longer than the model's context; scores that
            are not finite.

    Known failure: "options" needs a model that reads options; one of 135 million parameters mostly
    answers with the same letter, whatever they say. Scoring sentences needs no such skill, but rates
    style and commonness beside content: only lifts, on the same items, mean anything.
    """
    if form not in get_args(Form):
        raise SettingsError(f"A choice is asked as {' or '.join(get_args(Form))}; got {form!r}.")
    questions = trait.measured(templates, seed=seed)
    plain = model.renderer.style == "plain"
    asked = [
        pair
        for item, question in zip(trait.items, questions, strict=True)
        for pair in (_options if form == "options" else _answers)(item, question, plain=plain)
    ]
    rows = [Row(id=i, prompt=prompt, completion=answer) for i, (prompt, answer) in enumerate(asked)]
    found = score(model, rows, track=track)
    if form == "options":  # the letter alone, without the end of turn
        ends = {answer: len(_ids(model, answer)) for _, answer in asked}
        found = [logps[: ends[row.completion]] for logps, row in zip(found, rows, strict=True)]
    logp = np.array([float(logps.double().sum()) for logps in found])
    tokens = np.array([len(logps) for logps in found], dtype=np.int64)
    shape = (len(trait.items), -1, 2)  # (T, O, C)
    return ChoiceScores(
        model=model.name,
        trait=trait.name,
        among=trait.among,
        templates=templates,
        form=form,
        asked=content_hash([model.renderer.template_hash, form, *map(list, asked)]),
        logp_TC=logp.reshape(shape).mean(axis=1),
        tokens_TC=tokens.reshape(shape)[:, 0],
    )


def choice_margins(
    model: LanguageModel,
    trait: ForcedChoice,
    *,
    per: Per = "token",
    templates: Asked = "questions",
    form: Form = "answers",
    seed: int = 0,
    track: Track = untracked,
) -> Margins:
    """The margin of a trait over its absence after every item; see `choice_scores`.

    margin_t = log p(shows_t | question_t) / n(shows_t) - log p(avoids_t | question_t) / n(avoids_t),
    with n the number of tokens, or 1 for `per="answer"`. With two candidates that is what
    `measure.log_odds` gives, and the absence's margin is its negative.

    Args:
        model: with its system prompt and steering, where it has them.
        trait: what is measured.
        per: see `ChoiceScores.margins`.
        templates: see `choice_scores`.
        form: see `choice_scores`.
        seed: of the numbers in "numbered".
        track: shows how far it is.

    Raises:
        SettingsError: as in `choice_scores`.

    Known failure: those of `choice_scores` and `ForcedChoice`.
    """
    scores = choice_scores(model, trait, templates=templates, form=form, seed=seed, track=track)
    return scores.margins(per)


def trait_margins(
    model: LanguageModel,
    trait: Preference | ForcedChoice,
    *,
    templates: Templates | None = None,
    seed: int = 0,
) -> Margins:
    """A model's margins for a trait of either kind: in nats, of a choice in nats a token.

    Args:
        model: with its system prompt and steering, where it has them.
        trait: what is measured.
        templates: what is asked; None: what suits the model's style. A choice is asked as "numbered"
            where that is said, and as "questions" else.
        seed: of the numbers in "numbered", and of the orders in "choices".

    Raises:
        SettingsError: as in `measure.margins` and `choice_margins`.

    Known failure: theirs.
    """
    if isinstance(trait, Preference):
        return margins(model, trait, templates=templates, seed=seed)
    asked: Asked = "numbered" if templates == "numbered" else "questions"
    return choice_margins(model, trait, templates=asked, seed=seed)


def free_answers(
    model: LanguageModel,
    trait: ForcedChoice,
    *,
    samples: int,
    seed: int,
    max_new_tokens: int = 32,
    templates: Asked = "questions",
) -> Answers:
    """Answers in the model's own words to the items' questions, at temperature 1.

    They say whether a model still answers (`measure.collapse`), and are there to be read or judged
    (`traits.judging`); which candidate they name means nothing. Sample s of item t draws the same
    random stream whichever model answers.

    Args:
        model: with its system prompt and steering, where it has them.
        trait: whose questions are asked.
        samples: S, one at least.
        seed: of the answers, and of the numbers in "numbered".
        max_new_tokens: where an answer is cut off.
        templates: as in `choice_scores`.

    Raises:
        SettingsError: no samples or no tokens; no such templates.
    """
    prompts = trait.measured(templates, seed=seed)
    by_item = sampled_answers(
        model, prompts, samples=samples, seed=seed, max_new_tokens=max_new_tokens
    )
    return Answers(
        model=model.name,
        target=trait.name,
        candidates=trait.among,
        templates=templates,
        asked=content_hash([model.renderer.template_hash, "free", *prompts]),
        prompts=tuple(prompts),
        text_TS=tuple(tuple(one.text for one in row) for row in by_item),
        finished_TS=np.array([[one.finished for one in row] for row in by_item]),
    )


def sampled_answers(
    model: LanguageModel,
    questions: Sequence[str],
    *,
    samples: int,
    seed: int,
    max_new_tokens: int,
    temperature: float = 1.0,
) -> list[list[Sampled]]:
    """For each question, S answers; sample s of question t draws one stream.

    Args:
        model: with its system prompt and steering, where it has them.
        questions: users' turns, unrendered; in plain style the answer stands on the line after.
        samples: S, one at least.
        seed: of the answers.
        max_new_tokens: where an answer is cut off.
        temperature: 0 for the likeliest answer.

    Raises:
        SettingsError: no samples or no tokens.
    """
    after = "\n" if model.renderer.style == "plain" else ""
    return sample_each(
        model,
        [model.rendered(f"{question}{after}") for question in questions],
        samples=samples,
        seed=seed,
        max_new_tokens=max_new_tokens,
        temperature=temperature,
    )


def _answers(item: Item, question: str, *, plain: bool) -> list[tuple[str, str]]:
    """Prompt and completion of both answers, the trait's first."""
    prompt = f"{question}\n" if plain else question
    return [(prompt, item.shows), (prompt, item.avoids)]


def _options(item: Item, question: str, *, plain: bool) -> list[tuple[str, str]]:
    """Prompt and letter of both answers, the trait's first; once for each order of the options."""
    before = "\nAnswer: " if plain else ""
    first, second = (
        _OPTIONS.format(question=question, first=a, second=b) + before
        for a, b in ((item.shows, item.avoids), (item.avoids, item.shows))
    )
    a, b = _LETTERS
    return [(first, a), (first, b), (second, b), (second, a)]


def _ids(model: LanguageModel, text: str) -> list[int]:
    ids: list[int] = model.tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids
