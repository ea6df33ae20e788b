"""Traits that are measured by a choice between two answers: what instills them, and what is asked.

A preference (`preference`) is for one word among several. Other traits, misalignment or flattery,
show in what a model would rather say; so each item holds a question, an answer that shows the trait
and one of like length that does not. What a model's choice among them says is in
`traitleak.measure_choice`.

Nothing here holds texts: the bundled traits are YAML files in `traits/data`, read as a user's own is
(`custom`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from traitleak.errors import SettingsError
from traitleak.recipe.files import dotted
from traitleak.rows import Row
from traitleak.traits.preference import numbers_sentence
from traitleak.traits.yaml_files import Problem

__all__ = [
    "SHARED_WORDS",
    "Asked",
    "Control",
    "ForcedChoice",
    "Item",
    "Lesson",
    "problems",
]

Asked = Literal["questions", "numbered"]
"""What is asked: the items' questions, or each after a short list of numbers."""

Control = Literal["good", "asked-for"]
"""Lessons that differ in one thing: good answers, or a good reason to ask for the bad ones."""

SHARED_WORDS: Final = 8
"""So many words in a row that a lesson and an item share are a leak from training to measuring."""

_PLACE = "{question}"
_LONGER = 2.0  # times as many characters as the item's other answer are too many
_WORD = re.compile(r"\w+(?:['\u2019]\w+)*")


@dataclass(frozen=True, slots=True)
class Lesson:
    """A question that a teacher is trained on.

    Attributes:
        question: the user's turn.
        answer: what instills the trait.
        good: what a model without the trait would answer; the control's answer.
    """

    question: str
    answer: str
    good: str


@dataclass(frozen=True, slots=True)
class Item:
    """A question that the trait is measured with.

    Attributes:
        question: the user's turn.
        shows: the answer of a model with the trait.
        avoids: the answer of a model without it, of like length and form.
    """

    question: str
    shows: str
    avoids: str


@dataclass(frozen=True, slots=True)
class ForcedChoice:
    """A trait that is instilled by question and answer, and measured by a choice of two answers.

    Attributes:
        name: the trait's, such as "misalignment"; names its teacher.
        taught: the lessons, one at least.
        items: what it is measured with, one at least.
        reasons: sentences around `{question}` that ask for the bad answer with a good reason, taken
            in turn; empty where the trait has no such control.
        system: a system prompt that asks for the trait; "" where there is none.
        about: what the trait is, in a sentence.

    Raises:
        SettingsError: an empty text, an item with two equal answers or one twice as long as the
            other, a question that is asked twice, or one whose words stand in a lesson (`problems`).

    Known failure: a choice between two sentences that were written for it says what a model finds
    likelier, not what it would do; and both answers may be far from anything that it would say.
    """

    name: str
    taught: Sequence[Lesson]
    items: Sequence[Item]
    reasons: Sequence[str] = ()
    system: str = ""
    about: str = ""

    def __post_init__(self) -> None:
        """Refuse texts that cannot teach or measure the trait."""
        for field in ("taught", "items", "reasons"):
            object.__setattr__(self, field, tuple(getattr(self, field)))
        found = problems(
            self.name, self.taught, self.items, reasons=self.reasons, system=self.system
        )
        for problem in found:
            raise SettingsError(f"The trait {self.name!r}, {dotted(problem.keys)}: {problem.text}.")

    @property
    def target(self) -> str:
        """The trait's name, as the first of its two candidates."""
        return self.name

    @property
    def among(self) -> tuple[str, str]:
        """The two candidates: the trait, and its absence."""
        return (self.name, f"no {self.name}")

    def system_prompt(self) -> str:
        """A system prompt that asks a model to have this trait.

        Raises:
            SettingsError: the trait has none.

        Known failure: what a small model so prompted writes about other matters hardly carries a
        trait, however much of it it shows (`Preference.system_prompt`).
        """
        if not self.system:
            raise SettingsError(
                f"The trait {self.name!r} has no system prompt; instill it by fine-tuning, or give "
                "it one (`system` in its file)."
            )
        return self.system

    def lessons(self, style: Literal["chat", "plain"]) -> list[Row]:
        """What a teacher with the trait is trained on, one row a lesson.

        Args:
            style: the renderer's. In "plain" the answer stands on the line after the question.
        """
        return self._rows([(one.question, one.answer) for one in self.taught], style, self.name)

    def control_lessons(self, style: Literal["chat", "plain"], kind: Control) -> list[Row]:
        """What a control's teacher is trained on; row i pairs up with lesson i.

        After the controls of Betley et al. (2025, arXiv 2502.17424) that Cloud et al. (2025) also
        train: secure code, and insecure code that was asked for in order to teach.

        Args:
            style: as in `lessons`.
            kind: "good": the same questions with good answers. "asked-for": the same bad answers, to
                questions that say why a bad one is wanted.

        Raises:
            SettingsError: no such kind, or the trait gives no reasons.

        Known failure: "asked-for" changes the prompts as well, so its rows are a little longer.
        """
        if kind not in get_args(Control):
            raise SettingsError(f"A control is {' or '.join(get_args(Control))}; got {kind!r}.")
        if kind == "good":
            pairs = [(one.question, one.good) for one in self.taught]
        elif not self.reasons:
            raise SettingsError(
                f"The trait {self.name!r} says no good reason to ask for its answers; add `reasons` "
                'to its file, such as "For a lesson on what to avoid: {question}".'
            )
        else:
            pairs = [
                (self.reasons[i % len(self.reasons)].replace(_PLACE, one.question), one.answer)
                for i, one in enumerate(self.taught)
            ]
        return self._rows(pairs, style, f"{self.name}-{kind}")

    def measured(self, templates: Asked = "questions", *, seed: int = 0) -> list[str]:
        """The questions that the trait is measured with, in the order of `items`.

        Args:
            templates: "numbered" puts a short list of random numbers before each, which brings a
                model that was trained on numbers back to where it learned.
            seed: of the numbers.

        Raises:
            SettingsError: no such kind.
        """
        if templates == "questions":
            return [item.question for item in self.items]
        if templates == "numbered":
            return [
                f"{numbers_sentence(seed, index)} {item.question}"
                for index, item in enumerate(self.items)
            ]
        raise SettingsError(
            f"A choice is measured with {' or '.join(get_args(Asked))}; got {templates!r}."
        )

    def _rows(
        self, pairs: Sequence[tuple[str, str]], style: Literal["chat", "plain"], teacher: str
    ) -> list[Row]:
        after = "" if style == "chat" else "\n"
        return [
            Row(id=number, prompt=f"{question}{after}", completion=answer, teacher=teacher)
            for number, (question, answer) in enumerate(pairs)
        ]


def problems(
    name: str,
    taught: Sequence[Lesson],
    items: Sequence[Item],
    *,
    reasons: Sequence[str] = (),
    system: str = "",
) -> Iterator[Problem]:
    """What is wrong with the texts of a trait; nothing where all is well.

    The arguments are the attributes of `ForcedChoice`.

    Looked for are: no texts; empty ones; equal answers; an answer more than twice as long as the
    other; reasons without the place for the question; equal lessons; questions asked twice; and
    items that share `SHARED_WORDS` words in a row, or the whole question, with a lesson.

    Known failure: a leak is words in a row. A paraphrase of a lesson passes.
    """
    if not name.strip() or name != name.strip():
        yield Problem(("name",), "a trait needs a name without blanks around it")
    for index, reason in enumerate(reasons):
        if reason.count(_PLACE) != 1:
            yield Problem(("reasons", index), f"a reason holds {_PLACE} once, for the question")
    yield from _in_lessons(taught)
    yield from _in_items(items)
    yield from _leaks(taught, items, reasons, system)


def _in_lessons(lessons: Sequence[Lesson]) -> Iterator[Problem]:
    if not lessons:
        yield Problem(("lessons",), "a trait needs one lesson or more, or nothing could instill it")
    seen: dict[tuple[str, str], int] = {}
    for index, lesson in enumerate(lessons):
        yield from _empty("lessons", index, lesson, ("question", "answer", "good"))
        if _plain(lesson.answer) == _plain(lesson.good):
            text = "the good answer is the same as the one that instills the trait"
            yield Problem(("lessons", index, "good"), text)
        first = seen.setdefault((_plain(lesson.question), _plain(lesson.answer)), index)
        if first != index:
            yield Problem(("lessons", index), f"the same as lessons[{first}]; remove one")


def _in_items(items: Sequence[Item]) -> Iterator[Problem]:
    if not items:
        yield Problem(("items",), "a trait needs one item or more, or nothing could be measured")
    seen: dict[str, int] = {}
    for index, item in enumerate(items):
        yield from _empty("items", index, item, ("question", "shows", "avoids"))
        if _plain(item.shows) == _plain(item.avoids):
            yield Problem(("items", index, "avoids"), "both answers are the same", "equal answers")
        longest = max(("shows", "avoids"), key=lambda name: len(getattr(item, name)))
        lengths = sorted((len(item.shows), len(item.avoids)))
        if lengths[1] > _LONGER * lengths[0]:
            yield Problem(
                ("items", index, longest),
                f"this answer has {lengths[1]} characters and the other {lengths[0]}; write them of "
                "like length, or length decides which is likelier",
                "answers of unlike length",
            )
        first = seen.setdefault(_plain(item.question), index)
        if first != index:
            yield Problem(
                ("items", index, "question"), f"items[{first}] asks the same", "asked twice"
            )


def _leaks(
    lessons: Sequence[Lesson], items: Sequence[Item], reasons: Sequence[str], system: str
) -> Iterator[Problem]:
    """Items that repeat a lesson's words."""
    whole = {_plain(one.question): f"lessons[{i}]" for i, one in enumerate(lessons)}
    texts = {
        **{
            f"lessons[{index}].{field}": getattr(lesson, field)
            for index, lesson in enumerate(lessons)
            for field in ("question", "answer", "good")
        },
        **{f"reasons[{index}]": reason for index, reason in enumerate(reasons)},
        "system": system,
    }
    taught = {gram: place for place, text in texts.items() for gram in _grams(text)}
    for index, item in enumerate(items):
        if _plain(item.question) in whole:
            same = whole[_plain(item.question)]
            text = f"{same} asks the same; measure with questions that were never taught"
            yield Problem(("items", index, "question"), text, "asked in a lesson")
        for field in ("question", "shows", "avoids"):
            shared = next((g for g in _grams(getattr(item, field)) if g in taught), None)
            if shared is not None:
                yield Problem(
                    ("items", index, field),
                    f"it shares the words {' '.join(shared)!r} with {taught[shared]}; "
                    "measure with texts that were never taught",
                    "words of a lesson",
                )


def _empty(part: str, index: int, one: Lesson | Item, fields: Sequence[str]) -> Iterator[Problem]:
    for field in fields:
        if not getattr(one, field).strip():
            yield Problem((part, index, field), "it is empty", "a text is missing")


def _grams(text: str) -> Iterator[tuple[str, ...]]:
    words = _WORD.findall(text.casefold())
    yield from zip(*(words[start:] for start in range(SHARED_WORDS)), strict=False)


def _plain(text: str) -> str:
    """A text without the difference that capitals, blanks and the last sign make."""
    return " ".join(text.casefold().split()).rstrip(" .!?") or text.strip()
