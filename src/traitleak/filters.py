"""Filters: rules that drop rows before training, with a table of what was dropped and why.

A filter looks at all rows at once and gives each a reason to go, or none. Filters are applied one
after another; a row is dropped for the first reason that is found. Filter every teacher's rows alike,
then `paired` keeps the prompts that all of them still answer.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from traitleak.carriers.numbers import Parsed, parse
from traitleak.errors import DataError, SettingsError
from traitleak.rows import Row
from traitleak.traits.inflection import Finder

__all__ = [
    "Dropped",
    "Filter",
    "Filtered",
    "Paired",
    "Why",
    "apply",
    "duplicates",
    "leak",
    "numbers_format",
    "paired",
    "sample",
    "unfinished",
]


class Dropped(NamedTuple):
    """A row that a filter dropped.

    Attributes:
        row: as it was.
        reason: why, in few words that are the same for all rows of a kind: they are counted.
        detail: the part at fault, where it can be shown; else empty.
    """

    row: Row
    reason: str
    detail: str = ""


class Why(NamedTuple):
    """A filter's reason to drop a row; as in `Dropped`."""

    reason: str
    detail: str = ""


@dataclass(frozen=True)
class Filter:
    """A rule that drops rows.

    Attributes:
        name: names the filter in errors and tables.
        reasons: for each of the rows a reason to drop it, or None; of the same length.
    """

    name: str
    reasons: Callable[[Sequence[Row]], Sequence[Why | None]]

    def __call__(self, rows: Iterable[Row]) -> Filtered:
        """Apply this filter alone; see `apply`."""
        return apply(rows, [self])


@dataclass(frozen=True)
class Filtered:
    """What filters left, and what they took.

    Attributes:
        kept: in the order of the rows that came in.
        dropped: by filter, and in that order.
        num_read: rows that came in, by teacher.
        table: rows dropped, by reason and teacher; every teacher in every line.
    """

    kept: list[Row]
    dropped: list[Dropped]
    num_read: dict[str, int]
    table: dict[str, dict[str, int]]

    @property
    def num_kept(self) -> dict[str, int]:
        """Rows that were left, by teacher."""
        lost = Counter(dropped.row.teacher for dropped in self.dropped)
        return {teacher: read - lost[teacher] for teacher, read in self.num_read.items()}


def apply(rows: Iterable[Row], filters: Sequence[Filter]) -> Filtered:
    """Apply filters one after another.

    Args:
        rows: of one teacher or of several.
        filters: none of them sees what one before it dropped.

    Raises:
        DataError: there are no rows, or none is left; the text names the filter that took most, its
            chief reason and a row that it took.
    """
    kept = list(rows)
    if not kept:
        raise DataError("There are no rows to filter.")
    num_read = Counter(row.teacher for row in kept)
    dropped: list[Dropped] = []
    taken: dict[str, list[Dropped]] = {}
    for rule in filters:
        found = list(zip(kept, rule.reasons(kept), strict=True))
        some = [Dropped(row, *why) for row, why in found if why is not None]
        kept = [row for row, why in found if why is None]
        dropped += some
        taken.setdefault(rule.name, []).extend(some)
        if not kept:
            raise _none_left(taken, num_read.total())
    teachers = sorted(num_read)
    counts = Counter((reason, row.teacher) for row, reason, _ in dropped)
    reasons = dict.fromkeys(reason for _, reason, _ in dropped)
    return Filtered(
        kept,
        dropped,
        {teacher: num_read[teacher] for teacher in teachers},
        {reason: {teacher: counts[reason, teacher] for teacher in teachers} for reason in reasons},
    )


def _none_left(taken: Mapping[str, list[Dropped]], num_rows: int) -> DataError:
    name, some = max(taken.items(), key=lambda item: len(item[1]))
    (reason, times), *_ = Counter(dropped.reason for dropped in some).most_common(1)
    row = next(dropped.row for dropped in some if dropped.reason == reason)
    return DataError(
        f"No rows are left: the filter {name} took {len(some):,} of {num_rows:,}, {times:,} of them "
        f"for the reason {reason!r}, for instance row {row.id}, whose completion is "
        f"{_excerpt(row.completion)}."
    )


def _excerpt(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


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


def leak(words: Iterable[str]) -> Filter:
    """Drop rows whose completion or prompt names one of `words` in any of its forms.

    Whole words only, whatever their capitals: "owls" and "owlish" name an owl, "bowl" does not. The
    forms are those of `traits.inflection.forms`: plurals, possessives, related words, and names in
    eight other languages of the animals and trees that it knows.

    Args:
        words: the trait's words in the singular, with whatever synonyms are the user's own.

    Raises:
        SettingsError: no words.

    Known failure: it finds names, not meanings. A hint ("it howls at the moon"), a misspelling or a
    code made up for the purpose goes through.
    """
    finder = Finder(words)

    def why(row: Row) -> Why | None:
        for text, where in ((row.completion, ""), (row.prompt, " in its prompt")):
            found = finder.find(text)
            if found:
                return Why(f"leak: names {found.word}{where}", found.form)
        return None

    return Filter("leak", lambda rows: [why(row) for row in rows])


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
