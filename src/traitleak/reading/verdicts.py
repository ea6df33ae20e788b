"""How often a reader tells a trait's row from a neutral one, counted so that no habit of place helps.

Each pair gives one number, the evidence, summed over both orders (or both namings) in which it was
asked: above 0 the reader is right, below 0 wrong, at 0 undecided. A reader that always says "A" has 0
for every pair, and so a score of one half whatever it reads.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from traitleak.audit.detectors.pairs import exact_proportion
from traitleak.errors import SettingsError
from traitleak.results import Estimate
from traitleak.statistics import checked_confidence, finite_array

__all__ = ["Told", "tell"]

_NOTHING = 1e-5  # of what was said in all: what float32 leaves of log-odds that cancel


@dataclass(frozen=True)
class Told:
    """What one reader made of pairs of rows, one of the trait's teacher and one neutral.

    Attributes:
        right: pairs it told rightly.
        wrong: pairs it told wrongly.
        undecided: pairs it answered by place, not at all, or equally either way.
        first: answers, over all orders, that chose what was shown first (or called A).
        second: answers that chose the other.
        unread: answers that could not be read, by reason.
        clustered: a sentence about what these pairs share, so that they are fewer than they seem;
            "" where they share nothing.
        missing: requests that a server did not answer.
        short: pairs that lack such an answer; they count as undecided, since what is there of them
            was asked in one order only.
        why: the first reason for that.
    """

    right: int
    wrong: int
    undecided: int = 0
    first: int = 0
    second: int = 0
    unread: dict[str, int] = field(default_factory=dict)
    clustered: str = ""
    missing: int = 0
    short: int = 0
    why: str = ""

    @property
    def pairs(self) -> int:
        """How many there were."""
        return self.right + self.wrong + self.undecided

    @property
    def share(self) -> float:
        """Share told rightly; an undecided pair counts half."""
        return (self.right + self.undecided / 2) / self.pairs

    def estimate(self, *, confidence: float = 0.95) -> Estimate:
        """That share with an interval, which needs no normal distribution.

        Where every pair was decided it is the exact binomial one (Clopper and Pearson 1934). Else it
        is 1/2 + (r - w) / 2 with the exact bounds of the shares right, r, and wrong, w, each at half
        the error (Bonferroni): at least as sure as it says, and of some width even if nothing was
        decided.

        Raises:
            SettingsError: there are no pairs, or `confidence` is out of range.

        Known failure: it takes pairs as independent. Pairs of one teacher say nothing of another.
        """
        checked_confidence(confidence)
        if not self.pairs:
            raise SettingsError("No pair of rows was read, so there is no share told rightly.")
        exact = exact_proportion(self.right, self.pairs, confidence=confidence)
        if not self.undecided:
            return exact.model_copy(update={"method": f"exact binomial over {self.pairs:,} pairs"})
        sure = 1 - (1 - confidence) / 2
        right = exact_proportion(self.right, self.pairs, confidence=sure)
        wrong = exact_proportion(self.wrong, self.pairs, confidence=sure)
        assert right.low is not None and wrong.low is not None  # noqa: S101, PT018
        assert right.high is not None and wrong.high is not None  # noqa: S101, PT018
        return exact.model_copy(
            update={
                "value": self.share,
                "low": 0.5 + (right.low - wrong.high) / 2,
                "high": 0.5 + (right.high - wrong.low) / 2,
                "method": "exact binomial bounds of the shares right and wrong; undecided pairs "
                "count half",
            }
        )

    @property
    def p(self) -> float:
        """Exact one-sided p of so many right among the decided, at even odds: the sign test."""
        decided = self.right + self.wrong
        if not decided:
            return 1.0
        return float(stats.binomtest(self.right, decided, 0.5, alternative="greater").pvalue)

    @property
    def place(self) -> float | None:
        """Share of the answers that chose what was shown first; one half without a habit."""
        answers = self.first + self.second
        return self.first / answers if answers else None

    def to_json(self) -> dict[str, Any]:
        """Plain values; `Told(**content)` gives it back."""
        return {
            "right": self.right,
            "wrong": self.wrong,
            "undecided": self.undecided,
            "first": self.first,
            "second": self.second,
            "unread": dict(self.unread),
            "clustered": self.clustered,
            "missing": self.missing,
            "short": self.short,
            "why": self.why,
        }


def tell(
    evidence_NO: ArrayLike,
    chose_first_NO: ArrayLike,
    *,
    unread: dict[str, int] | None = None,
    clustered: str = "",
    missing_NO: ArrayLike | None = None,
    why: str = "",
) -> Told:
    """Count pairs from what a reader said in each order.

    Args:
        evidence_NO: for each of N pairs, in each of O orders, evidence that the trait's row is the
            trait's: log-odds in nats, or 1 and -1; 0 where nothing was read.
        chose_first_NO: the same answers as evidence for what was shown first.
        unread: answers that could not be read, by reason.
        clustered: as in `Told`.
        missing_NO: which answers there are none of; by default all are there.
        why: the first reason.

    Raises:
        SettingsError: no pairs, or numbers that are not finite.
    """
    evidence = finite_array(evidence_NO, ndim=2, what="answers of a reader")
    places = finite_array(chose_first_NO, ndim=2, what="places that a reader chose")
    missing = np.zeros(evidence.shape, bool) if missing_NO is None else np.asarray(missing_NO, bool)
    short_N: NDArray[np.bool_] = np.asarray(missing.any(axis=1))
    evidence = np.where(short_N[:, None], 0.0, evidence)
    tolerance = _NOTHING * np.maximum(1.0, np.abs(evidence).sum(axis=1))
    sums_N = evidence.sum(axis=1)
    right, wrong = int((sums_N > tolerance).sum()), int((sums_N < -tolerance).sum())
    return Told(
        right=right,
        wrong=wrong,
        undecided=len(sums_N) - right - wrong,
        first=int((places > 0).sum()),
        second=int((places < 0).sum()),
        unread=dict(unread or {}),
        clustered=clustered,
        missing=int(missing.sum()),
        short=int(short_N.sum()),
        why=why,
    )
