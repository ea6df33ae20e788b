"""Shares of sampled answers, over students."""

from __future__ import annotations

from collections.abc import Sequence

from traitleak.measured import Answers
from traitleak.results import Estimate
from traitleak.statistics import proportion

__all__ = ["in_percent", "share_naming"]


def share_naming(given: Sequence[Answers], candidate: str) -> Estimate:
    """Share of sampled answers that name a candidate as a whole word, over students.

    Args:
        given: each student's answers, one student at least.
        candidate: which.

    Returns:
        Between 0 and 1, with the interval of `statistics.proportion`: Wilson's for one student.

    Known failure: that of `proportion`: answers to one question are alike, and Wilson's interval over
    all answers is then too short.
    """
    named = [
        int(one.named_TSK[:, :, one.candidates.index(candidate)].sum(dtype=int)) for one in given
    ]
    return proportion(named, [one.finished_TS.size for one in given])


def in_percent(share: Estimate) -> Estimate:
    """A share's estimate in per cent."""
    low, high = share.low, share.high
    return share.model_copy(
        update={
            "value": 100 * share.value,
            "low": None if low is None else 100 * low,
            "high": None if high is None else 100 * high,
            "replicates": [100 * value for value in share.replicates],
        }
    )
