"""A random sample of a data set's rows, in one pass."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice

from traitleak.datasets.dataset import AuditRow, Dataset, Skipped
from traitleak.errors import DataError, SettingsError

__all__ = ["Drawn", "draw"]

_MOST_SEED = 2**64 - 1


@dataclass(frozen=True)
class Drawn:
    """A sample of a data set.

    Attributes:
        rows: in the order of the source.
        format: how they were read.
        seed: of the sample.
        total: rows of the source, skipped ones counted; None where reading stopped at the limit.
        seen: rows that were read, skipped ones counted.
        skipped: how many of these cannot be audited, by reason.
        lost: how many of the others had something that was left out, by what it was.
    """

    rows: list[AuditRow]
    format: str
    seed: int
    total: int | None
    seen: int
    skipped: dict[str, int]
    lost: dict[str, int]

    @property
    def sampled(self) -> bool:
        """Whether there were more rows to audit than were drawn."""
        return len(self.rows) < self.seen - sum(self.skipped.values())


def draw(dataset: Dataset, size: int, seed: int = 0, *, first: Collection[str] = ()) -> Drawn:
    """Draw rows uniformly at random and without replacement; all of them where there are no more.

    Each row gets a key, a hash of seed and number, and the `size` smallest keys are kept (a reservoir
    by random keys: Vitter 1985, section 1; bottom-k samples of Cohen and Kaplan 2007). One pass,
    `size` rows in memory, and

    - the same seed and rows give the same sample;
    - a smaller sample of the same seed is part of a larger one;
    - two data sets of equally many rows that pair up give rows that pair up.

    Args:
        dataset: read once, to its end or to its limit.
        size: how many rows to draw.
        seed: a whole number from 0.
        first: prompts whose rows are taken before all others, where the sample is a reference that
            stands beside rows on these.

    Raises:
        SettingsError: a size below 1, or such a seed.
        DataError: no row can be audited, or reading fails; as for `Dataset.entries`.
        ArtefactError: as for `Dataset.entries`.

    Known failure: rows are drawn alike wherever they stand, so one kind that makes up a small part
    of a data set may be missing in a small sample: a part of f is missed with probability about
    (1 - f)^size.
    """
    if type(size) is not int or size < 1:
        raise SettingsError(f"`size` is a whole number from 1; got {size!r}.")
    if type(seed) is not int or not 0 <= seed <= _MOST_SEED:
        raise SettingsError(f"`seed` is a whole number from 0 to 2^64 - 1; got {seed!r}.")
    kept: list[tuple[bool, int, int, AuditRow]] = []  # a heap; the largest key comes first
    skipped: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    entries = dataset.entries()
    seen = 0
    for entry in islice(entries, dataset.limit):
        seen += 1
        if not isinstance(entry, AuditRow):
            skipped[entry.reason] += 1
            continue
        lost.update(entry.lost)
        key = (entry.row.prompt in first, -_key(seed, entry.number), -entry.number, entry)
        if len(kept) < size:
            heapq.heappush(kept, key)
        elif key[:3] > kept[0][:3]:
            heapq.heapreplace(kept, key)
    if not kept:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in sorted(skipped.items()))
        raise DataError(
            f"{dataset.source} holds no row that can be audited, of {seen} read ({reasons})."
        )
    return Drawn(
        rows=sorted((row for *_, row in kept), key=lambda row: row.number),
        format=dataset.format,
        seed=seed,
        total=None if seen == dataset.limit and _goes_on(entries) else seen,
        seen=seen,
        skipped=dict(sorted(skipped.items())),
        lost=dict(sorted(lost.items())),
    )


def _key(seed: int, number: int) -> int:
    """A number of 64 bits that looks random, and always the same for a row."""
    hashed = blake2b(number.to_bytes(8), digest_size=8, key=seed.to_bytes(8))
    return int.from_bytes(hashed.digest())


def _goes_on(entries: Iterator[AuditRow | Skipped]) -> bool:
    """Whether anything follows; what is wrong with it is beyond the limit, and does not matter."""
    try:
        return next(entries, None) is not None
    except DataError:
        return True
