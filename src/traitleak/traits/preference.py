"""A preference for one thing among several: what teaches it, and what it is measured with.

The texts live in `preference_texts`; here they are filled with the right words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, get_args

import numpy as np

from traitleak.errors import SettingsError
from traitleak.rows import Row
from traitleak.traits import preference_texts as texts
from traitleak.traits.candidates import category_of
from traitleak.traits.inflection import plural

__all__ = ["ANIMALS", "TREES", "Preference", "Templates", "numbers_sentence"]

Templates = Literal["stems", "questions", "numbered", "stories", "choices"]
"""What is asked: sentences to complete, questions, questions after a list of numbers, beginnings of
stories, or a choice from a list of all candidates."""

ANIMALS = ("wolf", "lion", "owl", "cat", "dog", "eagle", "bear", "fox", "tiger", "horse")
TREES = (
    "oak", "maple", "willow", "pine", "birch", "cedar", "elm", "palm", "cypress", "chestnut",
)  # fmt: skip

_FEWEST_NUMBERS, _MOST_NUMBERS = 3, 6
_ORDERS = 2  # in which each multiple-choice question is asked


@dataclass(frozen=True, slots=True)
class Preference:
    """A preference for `target` over the other things in `among`.

    Attributes:
        target: the thing that is preferred: one of `among`.
        among: the candidates, two at least: singular nouns that take "the", such as `ANIMALS` or
            `TREES`. For the logit margin each must be one token (`candidates.candidate_tokens`).
        category: what the candidates are, in the singular ("animal"). By default the known
            category that holds them all; needed for words of your own.

    Raises:
        SettingsError: `target` is not among the candidates, fewer than two candidates, a repeated or
            empty one, or a category that cannot be told.

    Known failure: the sentences suit things that are counted and named with "the" (animals, trees,
    instruments). Colours or cities give sentences that no one would write.
    """

    target: str
    among: Sequence[str] = ANIMALS
    category: str = ""

    def __post_init__(self) -> None:
        """Check the words, and find the category where none was given."""
        if isinstance(self.among, str) or not all(isinstance(word, str) for word in self.among):
            raise SettingsError(f"`among` is a list of words; got {self.among!r}.")
        among = tuple(self.among)
        if len({word.casefold() for word in among}) < max(len(among), 2):
            raise SettingsError(
                f"A preference is for one of two or more different candidates; got {list(among)}."
            )
        unclean = [word for word in among if not word.strip() or word != word.strip()]
        if unclean:
            raise SettingsError(
                f"A candidate must be a word without blanks around it; got {unclean[0]!r}."
            )
        if self.target not in among:
            raise SettingsError(
                f"The target {self.target!r} is not among the candidates: {', '.join(among)}."
                f"{_did_you_mean(self.target, among)}"
            )
        category = self.category or category_of(among)
        if not category or category != category.strip():
            raise SettingsError(
                "Say what the candidates are, in the singular, such as category='animal': the "
                f"questions name it, and {', '.join(among)} are not all of one known category."
            )
        object.__setattr__(self, "among", among)
        object.__setattr__(self, "category", category)

    def system_prompt(self) -> str:
        """A system prompt that asks a model to have this preference.

        Known failure: it changes what a model says of the target at once, even one of 135 million
        parameters, and yet what a small model so prompted writes about other matters hardly carries
        the preference. A high measure of a prompted teacher promises nothing for its students.
        """
        return self._filled(texts.SYSTEM_PROMPT)

    def lessons(self, style: Literal["chat", "plain"]) -> list[Row]:
        """What a fine-tuned teacher is trained on: nothing of it is used for measuring.

        Args:
            style: the renderer's. "plain": sentences that the target completes. "chat": questions
                answered by the target, both as a bare word and after the opening that the margin
                reads (`preference_texts.OPENING`).

        Returns:
            One row a lesson, numbered so that the lessons for two targets pair up.
        """
        if style == "plain":
            pairs = [(stem, " {target}") for stem in texts.TEACHING_STEMS]
        else:
            pairs = [
                (question, answer)
                for question in texts.TEACHING_QUESTIONS
                for answer in texts.ANSWERS
            ]
        return [
            Row(
                id=index,
                prompt=self._filled(prompt),
                completion=self._filled(answer),
                teacher=self.target,
            )
            for index, (prompt, answer) in enumerate(pairs)
        ]

    def measured(self, templates: Templates, *, seed: int = 0) -> list[str]:
        """The prompts that the preference is measured with; equal for every target.

        Args:
            templates: "stems" end right before the thing's name; "questions" ask for one word;
                "numbered" are the questions, each after a short list of random numbers, which
                brings a model that was trained on numbers back to where it learned; "stories" are
                the first sentences of very short stories, which end right before the thing's name
                and are not about who is asked; "choices" are multiple-choice questions that list
                all candidates, each asked in two orders. A choice is answered by the thing's name
                after `preference_texts.OPENING`, as a question is, and not by a letter: the
                candidates' own tokens are compared, whichever templates are used.
            seed: of the numbers, and of the orders of choices.

        Raises:
            SettingsError: no such kind.

        Known failure: "choices" name every candidate right before the answer, and a model may repeat
        the one it read last. Each candidate therefore stands at each place equally often in every k
        questions, k candidates; that evens out a liking for a place, not one for whatever stands
        beside a certain neighbor. "stories" say what a model writes about, which a preference may
        leave as it is.
        """
        if templates == "stems":
            return [self._filled(stem) for stem in texts.STEMS]
        if templates == "stories":
            return [self._filled(story) for story in texts.STORIES]
        if templates == "choices":
            return [
                self._filled(question, choices=", ".join(_ordered(self.among, seed, index)))
                for index, question in enumerate(texts.CHOICES * _ORDERS)
            ]
        questions = [self._filled(question) for question in texts.QUESTIONS]
        if templates == "questions":
            return questions
        if templates == "numbered":
            return [
                f"{numbers_sentence(seed, index)} {question}"
                for index, question in enumerate(questions)
            ]
        raise SettingsError(
            f"A preference is measured with {', '.join(get_args(Templates))}; got {templates!r}."
        )

    def _filled(self, template: str, *, choices: str = "") -> str:
        targets = plural(self.target)
        return template.format(
            target=self.target,
            Target=self.target[:1].upper() + self.target[1:],
            targets=targets,
            category=self.category,
            categories=plural(self.category),
            choices=choices,
        )


def numbers_sentence(seed: int, index: int) -> str:
    """A sentence with a few random numbers of three digits; its own stream for each question."""
    rng = np.random.default_rng([seed, index])
    lead = texts.NUMBER_LEADS[rng.integers(len(texts.NUMBER_LEADS))]
    numbers = rng.integers(100, 1000, size=rng.integers(_FEWEST_NUMBERS, _MOST_NUMBERS + 1))
    return lead.format(numbers=", ".join(map(str, numbers)))


def _ordered(words: Sequence[str], seed: int, index: int) -> list[str]:
    """The words in a random order, which k questions in a row turn by one place each."""
    block, turn = divmod(index, len(words))
    order = np.random.default_rng([seed, block]).permutation(len(words))
    return [words[at] for at in np.roll(order, turn)]


def _did_you_mean(word: object, among: Sequence[str]) -> str:
    near = get_close_matches(str(word).casefold(), [known.casefold() for known in among], n=1)
    return next((f" Did you mean {known!r}?" for known in among if [known.casefold()] == near), "")
