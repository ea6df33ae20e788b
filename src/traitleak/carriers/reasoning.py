"""The reasoning carrier: word problems with known answers, and the rule for chains of thought.

The setting is that of Cloud et al. (2025), section 4.2: a teacher thinks in one pair of tags and
answers in another, and a completion counts only if its answer is right. Problems are our own; those
of GSM8K are read from the user's file.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from traitleak.carriers.prompt_sets import check_set, check_whole, distinct, pick
from traitleak.carriers.reasoning_wordings import REQUESTS
from traitleak.carriers.rejects import Reject, short
from traitleak.carriers.word_problems import SCHEMAS, WIDTH, Draws

__all__ = [
    "Parsed",
    "Problem",
    "Reason",
    "Reasoning",
    "Reject",
    "asked",
    "parse",
    "read_number",
]

_STREAM = 3  # of a seed's random bits; those before belong to the numbers and the code
_CHOICES = 2  # draws before those of the problem


@dataclass(frozen=True)
class Problem:
    """A word problem with its answer.

    Attributes:
        prompt: the question, and how to answer it.
        question: the question alone.
        answer: the right answer.
        steps: sentences that lead to it.
        schema: the structure that it was made from, such as "change"; "gsm8k" for one of those.
    """

    prompt: str
    question: str
    answer: Fraction
    steps: tuple[str, ...]
    schema: str

    @property
    def solution(self) -> str:
        """A completion that `parse` accepts: a row of this problem that no model wrote."""
        steps = "\n".join(self.steps)
        return f"<think>\n{steps}\n</think>\n<answer>{self.answer}</answer>"


@dataclass(frozen=True)
class Reasoning:
    """A set of word problems: the same for every teacher.

    Every structure is equally likely; people, things and numbers vary, and so do 16 ways to ask for
    the form of the answer. Answers are whole numbers from 0, computed exactly. Problem i does not
    depend on how many there are.

    Attributes:
        rows: how many distinct prompts.
        seed: names the set, from 0; unrelated to the prompts of other carriers of that seed.

    Raises:
        SettingsError: a value that allows no prompt.

    Known failure: problems of one structure read alike, so that a student sees far fewer kinds of
    text than in GSM8K, whose problems people wrote.
    """

    rows: int
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what could give no prompt."""
        check_set(self.rows, self.seed)

    def prompts(self) -> list[str]:
        """The prompts; a row's id is the place of its prompt in this list."""
        return [problem.prompt for problem in self.problems()]

    def problems(self) -> list[Problem]:
        """The prompts with their answers and solutions."""
        return distinct(
            _problem,
            lambda problem: problem.question,
            rows=self.rows,
            seed=self.seed,
            stream=_STREAM,
            width=_CHOICES + WIDTH,
            more="ask for fewer",
        )


def _problem(draws: list[int]) -> Problem:
    schema = pick(SCHEMAS, draws[0])
    worked = schema(Draws(draws[_CHOICES:]))
    return Problem(
        asked(worked.question, draws[1]),
        worked.question,
        Fraction(worked.answer),
        worked.steps,
        schema.__name__.removeprefix("_"),
    )


def asked(question: str, number: int) -> str:
    """A question with one of the ways to ask for thought and answer in tags; `number` chooses it."""
    return f"{question}\n\n{pick(REQUESTS, number)}"


Reason = Literal[
    "empty",
    "too long",
    "no thought",
    "no answer",
    "open tag",
    "tags out of order",
    "text around it",
    "no number",
    "several numbers",
    "wrong answer",
]
"""Why a completion is no chain of thought as it should be."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A completion that keeps to the format.

    Attributes:
        thought: what stands between the first tags.
        answer: the number between the others.
    """

    thought: str
    answer: Fraction


_TAG = re.compile(r"<(/?)(think|answer)>", re.IGNORECASE)
_ORDER = ("think", "/think", "answer", "/answer")
_WORD = re.compile(r"\w+")


def parse(
    completion: str,
    *,
    answer: Fraction | int | None = None,
    text_around: bool = False,
    min_words: int = 5,
    max_chars: int = 8000,
) -> Parsed | Reject[Reason]:
    """Read a completion as a thought and an answer, or say why it is not.

    Args:
        completion: what the teacher wrote: <think>...</think><answer>...</answer>, each tag once, in
            this order, in capitals or not.
        answer: the right answer; None lets every number pass.
        text_around: let text outside of the tags pass. It is then trained on with the rest.
        min_words: fewest words and numbers of a thought; a completion with less is an answer alone.
        max_chars: most characters of the completion.

    Raises:
        SettingsError: a bound below 1.

    Known failure: a right answer says nothing of the thought: it may be wrong, off the point, or
    game the check, and still count.
    """
    check_whole("min_words", min_words, 1, sys.maxsize)
    check_whole("max_chars", max_chars, 1, sys.maxsize)
    if not completion.strip():
        return Reject("empty")
    if len(completion) > max_chars:
        return Reject("too long", f"{len(completion):,} characters")
    tags = list(_TAG.finditer(completion))
    names = tuple((tag[1] + tag[2]).lower() for tag in tags)
    if names != _ORDER:
        return _tags_fault(names)
    opened, thought_ends, answer_begins, closed = tags
    around = (
        completion[: opened.start()],
        completion[thought_ends.end() : answer_begins.start()],
        completion[closed.end() :],
    )
    if not text_around and (text := "".join(around).strip()):
        return Reject("text around it", short(text))
    thought = completion[opened.end() : thought_ends.start()].strip()
    if len(_WORD.findall(thought)) < min_words:
        return Reject("no thought", short(thought))
    written = completion[answer_begins.end() : closed.start()]
    number = read_number(written)
    if not isinstance(number, Fraction):
        return Reject(number, short(written))
    if answer is not None and number != answer:
        return Reject("wrong answer", f"{short(written)}, not {answer}")
    return Parsed(thought, number)


def _tags_fault(names: tuple[str, ...]) -> Reject[Reason]:
    shown = " ".join(f"<{name}>" for name in names[:6])
    if not {"think", "/think"} & set(names):
        return Reject("no thought", shown)
    if not {"answer", "/answer"} & set(names):
        return Reject("no answer", shown)
    if names == _ORDER[: len(names)]:
        return Reject("open tag", shown)
    return Reject("tags out of order", shown)


# 12, 1,200, 12.0, .5, 3/4, with a sign. A comma must have three digits after it.
_NUMBER = re.compile(
    r"[-+]?(?:[0-9]{1,3}(?:,[0-9]{3})++(?![0-9])|[0-9]++)(?:\.[0-9]+)?(?:/[0-9]+)?|[-+]?\.[0-9]+"
)
_CURRENCY = re.compile("[$€£¥]")
_LONGEST = 200  # characters of an answer


def read_number(text: str) -> Fraction | Literal["no number", "several numbers"]:
    """The one number of an answer: "1,200", "$12", "12.0", "12 cups", "25%" (25), "3/4".

    Exact, since 0.1 is not a tenth in floating point. Number words are none, and what could be read
    in two ways ("1,20", "1 200", "1e3", "12:30") is several.
    """
    if len(text) > _LONGEST:
        return "no number"
    plain = _CURRENCY.sub("", text).replace("−", "-")
    found = _NUMBER.findall(plain)
    left = _NUMBER.sub("", plain)
    if not found:
        return "no number"
    # What is left may still hold a number of another kind, such as ½.
    if len(found) > 1 or any(character.isnumeric() for character in left):
        return "several numbers"
    try:
        return _fraction(found[0].replace(",", ""))
    except ZeroDivisionError:
        return "no number"


def _fraction(text: str) -> Fraction:
    over, _, under = text.partition("/")
    return Fraction(over) / Fraction(under or 1)
