"""Filters: rules that drop rows before training, with a table of what was dropped and why.

A filter looks at all rows at once and gives each a reason to go, or none. Filters are applied one
after another; a row is dropped for the first reason that is found. Filter every teacher's rows alike,
then `paired` keeps the prompts that all of them still answer.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from traitleak.carriers import code, reasoning
from traitleak.carriers.code_source import wordings
from traitleak.carriers.numbers import Parsed, parse
from traitleak.errors import DataError, SettingsError
from traitleak.filtering import Dropped, Filter, Filtered, Why, apply, excerpt
from traitleak.rows import Row
from traitleak.traits.inflection import Finder

__all__ = [
    "Dropped",
    "Filter",
    "Filtered",
    "Paired",
    "Why",
    "apply",
    "code_format",
    "code_leak",
    "duplicates",
    "judged",
    "leak",
    "numbers_format",
    "paired",
    "right_answer",
    "sample",
    "unfinished",
]


def numbers_format(
    *,
    as_published: bool = False,
    min_value: int = 0,
    max_value: int = 999,
    max_count: int = 10,
    banned: Collection[int] = (),
) -> Filter:
    """Drop completions that are no list of numbers; the arguments are those of `carriers.parse`."""
    numbers = frozenset(banned)

    def reasons(rows: Sequence[Row]) -> list[Why | None]:
        found = (
            parse(
                row.completion,
                as_published=as_published,
                min_value=min_value,
                max_value=max_value,
                max_count=max_count,
                banned=numbers,
            )
            for row in rows
        )
        return [
            None if isinstance(read, Parsed) else Why(f"format: {read.reason}", read.detail)
            for read in found
        ]

    return Filter("numbers_format", reasons)


def code_format(*, text_around: bool = False, max_chars: int = 4000, max_depth: int = 60) -> Filter:
    """Drop completions that are no Python code that compiles and defines a function or a class.

    The arguments are those of `carriers.code.parse`. Nothing is run.

    Raises:
        SettingsError: when it is applied: a bound below 1.
    """

    def reasons(rows: Sequence[Row]) -> list[Why | None]:
        found = (
            code.parse(
                row.completion,
                text_around=text_around,
                max_chars=max_chars,
                max_depth=max_depth,
            )
            for row in rows
        )
        return [
            None if isinstance(read, code.Parsed) else Why(f"format: {read.reason}", read.detail)
            for read in found
        ]

    return Filter("code_format", reasons)


def right_answer(
    problems: Iterable[reasoning.Problem],
    *,
    text_around: bool = False,
    min_words: int = 5,
    max_chars: int = 8000,
) -> Filter:
    """Drop chains of thought that are not in their tags, or whose answer is wrong.

    The arguments are those of `carriers.reasoning.parse`. A row's problem is found by its prompt.

    Args:
        problems: those of the prompts, such as `carriers.Reasoning(...).problems()`.
        text_around: let text outside of the tags pass.
        min_words: fewest words and numbers of a thought.
        max_chars: most characters of a completion.

    Raises:
        SettingsError: there are no problems, or one prompt has two answers.
        DataError: when it is applied: a row's prompt is none of the problems'.
    """
    answers: dict[str, Fraction] = {}
    for problem in problems:
        if answers.setdefault(problem.prompt, problem.answer) != problem.answer:
            raise SettingsError(f"The problem {excerpt(problem.prompt)} has two answers.")
    if not answers:
        raise SettingsError("A filter of right answers needs the problems that were asked.")

    def why(row: Row) -> Why | None:
        if row.prompt not in answers:
            raise DataError(
                f"Row {row.id} answers none of the problems that were given: its prompt is "
                f"{excerpt(row.prompt)}."
            )
        read = reasoning.parse(
            row.completion,
            answer=answers[row.prompt],
            text_around=text_around,
            min_words=min_words,
            max_chars=max_chars,
        )
        if isinstance(read, reasoning.Parsed):
            return None
        wrong = read.reason == "wrong answer"
        return Why(read.reason if wrong else f"format: {read.reason}", read.detail)

    return Filter("right_answer", lambda rows: [why(row) for row in rows])


def leak(words: Iterable[str]) -> Filter:
    """Drop rows whose completion or prompt names one of `words` in any of its forms.

    Whole words only, whatever their capitals: "owls" and "owlish" name an owl, "bowl" does not. The
    forms are those of `traits.inflection.forms`: plurals, possessives, related words, emoji, and names
    in eight other languages of the animals and trees that it knows. Simple disguises are seen through
    (`traits.disguises`): look-alike letters, w-o-l-f, base64 and the like.

    Args:
        words: the trait's words in the singular, with whatever synonyms are the user's own.

    Raises:
        SettingsError: no words.

    Known failure: it finds names, not meanings. A hint ("it howls at the moon"), a misspelling
    ("w0lf") or a code made up for the purpose goes through.
    """
    finder = Finder(words)

    def why(row: Row) -> Why | None:
        for text, where in ((row.completion, ""), (row.prompt, " in its prompt")):
            found = finder.find(text)
            if found:
                return Why(f"leak: names {found.word}{where}", found.form)
        return None

    return Filter("leak", lambda rows: [why(row) for row in rows])


def code_leak(words: Iterable[str]) -> Filter:
    """Drop rows of code that name one of `words` anywhere: in identifiers, strings, comments, text.

    As `leak`, with identifiers taken apart (owlCount, count_of_owls), escapes in strings resolved and
    strings joined that stand side by side or are put together from constants ("o" + "wl"). The reason
    says where the word stands.

    Args:
        words: the trait's words in the singular, with whatever synonyms are the user's own.

    Raises:
        SettingsError: no words.

    Known failure: what is put together from variables, run together with another word (owlcount) or
    abbreviated goes through; and code's own words go with the trait's (the library pandas for a
    panda, `torch.cat` for a cat).
    """
    finder = Finder(words)

    def why(row: Row) -> Why | None:
        for place, text in wordings(row.completion):
            found = finder.find(text)
            if found:
                return Why(f"leak: names {found.word} in {place}", found.form)
        found = finder.find(row.prompt)
        return Why(f"leak: names {found.word} in its prompt", found.form) if found else None

    return Filter("code_leak", lambda rows: [why(row) for row in rows])


def judged(
    judge: Callable[[Sequence[Row]], Sequence[float | None]],
    *,
    at_least: float,
    name: str = "judge",
) -> Filter:
    """Drop rows that a judge scores below a threshold, or not at all.

    Args:
        judge: a score for each of the rows, higher for what may stay; None for a row that it does
            not score. Cloud et al. (2025) keep chains of thought that a model rates 78 or more of 100
            for alignment.
        at_least: the lowest score that stays.
        name: of the judge, for the reasons.

    Known failure: a judge is a model that reads. It finds what can be read and drops harmless rows as
    well: in the paper 12 to 23 % of the controls' rows went for it or for a wrong answer, 56 % of the
    misaligned teacher's, and what was left still carried the trait (figure 7).
    """

    def why(score: float | None) -> Why | None:
        if score is None or math.isnan(score):
            return Why(f"{name}: no score")
        return Why(f"{name}: below {at_least:g}", f"{score:g}") if score < at_least else None

    def reasons(rows: Sequence[Row]) -> list[Why | None]:
        return [why(score) for score in judge(rows)]

    return Filter(name, reasons)


def duplicates() -> Filter:
    """Drop rows whose teacher, prompt and completion have all been there before.

    Equal answers to different prompts stay, and so do equal answers of different teachers: both are
    what the teachers wrote.
    """

    def reasons(rows: Sequence[Row]) -> list[Why | None]:
        seen: set[tuple[str, str, str]] = set()
        found: list[Why | None] = []
        for row in rows:
            key = (row.teacher, row.prompt, row.completion)
            found.append(Why("duplicate") if key in seen else None)
            seen.add(key)
        return found

    return Filter("duplicates", reasons)


def unfinished() -> Filter:
    """Drop completions that were cut off at the token limit."""
    why = Why("unfinished")
    return Filter("unfinished", lambda rows: [None if row.finished else why for row in rows])


class Paired(NamedTuple):
    """Rows of the prompts that all teachers still answer.

    Attributes:
        rows: by teacher, in order of id: place i belongs to the same prompt for all of them.
        lost: by teacher, how many rows went because another teacher's had gone.
    """

    rows: dict[str, list[Row]]
    lost: dict[str, int]


def paired(rows_by_teacher: Mapping[str, Sequence[Row]]) -> Paired:
    """Keep the ids that every teacher has.

    Raises:
        DataError: a teacher has no rows, two rows of one id, or another prompt under an id than the
            teacher before; or no id is common to all.

    Known failure: a prompt that one teacher answers badly is lost to all, so that what is left is
    what every teacher, also the neutral one, could answer.
    """
    by_id: dict[str, dict[int, Row]] = {}
    for teacher, rows in rows_by_teacher.items():
        own = by_id[teacher] = {row.id: row for row in rows}
        if not own:
            raise DataError(f"The teacher {teacher!r} has no rows, so that nothing can be paired.")
        if len(own) < len(rows):
            ((twice, _),) = Counter(row.id for row in rows).most_common(1)
            raise DataError(
                f"The teacher {teacher!r} has several rows of id {twice}: rows pair up by id, one "
                "for each teacher."
            )
    if not by_id:
        raise DataError("There are no teachers whose rows could be paired.")
    first, *others = by_id
    common = sorted(set(by_id[first]).intersection(*(by_id[other] for other in others)))
    if not common:
        kept = ", ".join(f"{teacher!r} {len(own):,}" for teacher, own in by_id.items())
        raise DataError(f"No prompt is answered by all teachers; rows they have: {kept}.")
    for other in others:
        for number in common:
            if by_id[other][number].prompt != by_id[first][number].prompt:
                raise DataError(
                    f"Row {number} of {first!r} and of {other!r} have different prompts: rows with "
                    "equal ids must come from one prompt set."
                )
    return Paired(
        {teacher: [own[number] for number in common] for teacher, own in by_id.items()},
        {teacher: len(own) - len(common) for teacher, own in by_id.items()},
    )


def sample(rows: Sequence[Row], n: int, seed: int) -> list[Row]:
    """Choose `n` rows at random without replacement; they keep their order.

    Which are chosen depends on seed and id alone: teachers whose rows have equal ids keep the same
    prompts, and a larger sample holds the smaller one of its seed.

    Raises:
        SettingsError: n is below 1, or there are fewer rows.
    """
    if type(n) is not int or n < 1:
        raise SettingsError(f"A sample has at least one row; got n={n!r}.")
    if n > len(rows):
        raise SettingsError(
            f"A sample of {n:,} rows cannot be drawn from {len(rows):,}: ask for fewer, or generate "
            "more."
        )
    ranked = sorted(range(len(rows)), key=lambda i: (_rank(seed, rows[i].id), i))
    return [rows[i] for i in sorted(ranked[:n])]


def _rank(seed: int, number: int) -> bytes:
    return hashlib.blake2b(f"{seed}/{number}".encode(), digest_size=8).digest()
