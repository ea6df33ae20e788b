"""How long an audit will take on this machine."""

from __future__ import annotations

import time
from collections.abc import Sequence

from traitleak.audit.battery import make_battery
from traitleak.audit.canary import canary_seconds
from traitleak.audit.choices import choices_of, drawn
from traitleak.audit.panel import preferences
from traitleak.audit.run import PLACEBOS, Depth, encoded_rows
from traitleak.audit.undecided import seconds_of_inversion
from traitleak.datasets import AuditRow
from traitleak.models.language_model import LanguageModel
from traitleak.rows import Row

__all__ = ["expected_seconds"]

_TIMED = 16  # rows


def expected_seconds(
    base: LanguageModel,
    rows: Sequence[Row],
    among: Sequence[str],
    depth: Depth,
    *,
    category: str = "",
    reference: bool = False,
) -> float:
    """About how long an audit will take here, from a forward pass and a step that are timed.

    The arguments are those of `audit_rows`; `reference` is whether there is one. A judge's time is not
    in it.

    Known failure: a machine that is busy later, or was busy while it was timed, takes another time.
    """
    _, encoded, _ = encoded_rows(base, [AuditRow(row, 0, "") for row in rows[:_TIMED]])
    if not encoded:
        return 0.0
    choices = choices_of(base, [row.completion for row in rows])
    drawn(base, encoded, choices, seed=0)  # the first pass is slower
    begun = time.monotonic()
    drawn(base, encoded, choices, seed=0)
    one = (time.monotonic() - begun) / len(encoded) * len(rows)
    forward = one * (len(among) + 3)
    if depth == "quick":
        return forward
    # The gradient is a pass of three, with inner products of about its cost again; a teacher learns
    # from 24 x 8 short texts, three passes each; placebos are about ten more hypotheses.
    teachers = len(among) + PLACEBOS
    seconds = forward + (7 + PLACEBOS) * one + teachers * one / len(rows) * 24 * 8
    if depth == "deep":
        battery = make_battery(base, preferences(base, among, category=category))
        seconds += canary_seconds(base, encoded, battery)
        seconds += seconds_of_inversion(
            base, encoded, choices, battery, num_rows=len(rows), reference=reference
        )
    return seconds
