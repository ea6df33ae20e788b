"""Two rows on one prompt, and how often one who should tell which of them carries something is right."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

from scipy import stats

from traitleak.errors import SettingsError
from traitleak.results import Estimate
from traitleak.rows import Row

__all__ = ["PairAccuracy", "exact_proportion", "paired_rows"]


@dataclass(frozen=True)
class PairAccuracy:
    """How often the right one of two was named.

    Attributes:
        right: answers that were right.
        read: answers that named one.
        asked: pairs in all.
        unread: pairs without an answer, by reason; never counted as right or wrong.
    """

    right: int
    read: int
    asked: int
    unread: Mapping[str, int] = field(default_factory=dict)

    @property
    def estimate(self) -> Estimate | None:
        """Share of the read answers that are right, with the exact interval; None if none was read."""
        return exact_proportion(self.right, self.read) if self.read else None

    @property
    def p(self) -> float | None:
        """Exact binomial p against one half, one-sided; None if none was read."""
        if not self.read:
            return None
        return float(stats.binomtest(self.right, self.read, 0.5, alternative="greater").pvalue)


def exact_proportion(successes: int, trials: int, *, confidence: float = 0.95) -> Estimate:
    """A share with the exact binomial interval (Clopper and Pearson 1934, Biometrika 26:404).

    Raises:
        SettingsError: no trials, or more successes than trials.

    Known failure: it takes trials as independent, and is longer than it need be for few of them.
    """
    if not 0 <= successes <= trials or not trials:
        raise SettingsError(
            f"A share needs trials, and at most as many successes: {successes} of {trials}."
        )
    interval = stats.binomtest(successes, trials).proportion_ci(confidence, method="exact")
    return Estimate(
        value=successes / trials,
        low=float(interval.low),
        high=float(interval.high),
        n=trials,
        confidence=confidence,
        method=f"exact binomial over {trials:,} answers",
        replicates=[],
    )


def paired_rows(carrying: Sequence[Row], neutral: Sequence[Row]) -> list[tuple[Row, Row]]:
    """Rows of two kinds on one prompt each; those without a prompt pair up by id.

    Of several rows on a prompt the first pair with the first, and so on; rows left over are left out.

    Raises:
        SettingsError: no row has a partner.
    """
    waiting: dict[Hashable, list[Row]] = {}
    for row in reversed(neutral):
        waiting.setdefault(row.prompt or row.id, []).append(row)
    pairs = [
        (row, partners.pop()) for row in carrying if (partners := waiting.get(row.prompt or row.id))
    ]
    if not pairs:
        raise SettingsError(
            f"None of {len(carrying)} rows has a reference row on the same prompt among {len(neutral)}: "
            "two rows are compared on one prompt, so let both kinds answer the same ones."
        )
    return pairs
