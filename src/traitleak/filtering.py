"""What a filter is, and how filters are applied one after another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from traitleak.errors import DataError
from traitleak.rows import Row

__all__ = ["Dropped", "Filter", "Filtered", "Why", "apply", "excerpt"]


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


def apply(
    rows: Iterable[Row], filters: Sequence[Filter], *, may_be_empty: bool = False
) -> Filtered:
    """Apply filters one after another.

    Args:
        rows: of one teacher or of several.
        filters: none of them sees what one before it dropped.
        may_be_empty: whether no row may be left.

    Raises:
        DataError: there are no rows, or none is left where some must be; the text names the filter
            that took most, its chief reason and a row that it took.
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
        if not kept and not may_be_empty:
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
        f"{excerpt(row.completion)}."
    )


def excerpt(text: str) -> str:
    """The beginning of a text, quoted, for an error."""
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
