"""How long an audit will take on this machine, and how many rows it can read in a given time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from traitleak.audit.asked import panel
from traitleak.audit.detectors.battery import make_battery
from traitleak.audit.detectors.canary import canary_seconds
from traitleak.audit.detectors.choices import Choices, choices_of, drawn
from traitleak.audit.detectors.evidence import system_prompts
from traitleak.audit.detectors.likelihood import HELD
from traitleak.audit.detectors.panel import ChoiceGroup, Group
from traitleak.audit.rows_read import encoded_rows
from traitleak.audit.run import PLACEBOS, Depth
from traitleak.audit.undecided import seconds_of_inversion
from traitleak.audit.unshown import TRIED
from traitleak.datasets import AuditRow
from traitleak.errors import DataError
from traitleak.models.batches import Encoded
from traitleak.models.language_model import LanguageModel
from traitleak.rows import Row
from traitleak.traits.forced_choice import ForcedChoice

__all__ = ["Pace", "audit_pace", "expected_seconds"]

_TIMED = 16  # rows
_LEARNED = 24 * 8  # texts that a quick teacher learns from; a short one takes about as a row's pass
_PASSES = 3  # of an update: forward, and twice that backward


@dataclass(frozen=True)
class Pace:
    """What an audit without throw-away students takes, from passes that were timed.

    Attributes:
        row: seconds of a pass of the base over a row.
        hypothesis: of a pass of a hypothesis, which may read a system prompt before the row.
        hypotheses: how many there are.
        passes: of the base over a row, beside the first for the likelihood.
        fixed: seconds that do not depend on how many rows there are.
        floats: log-probabilities of a row that are held while hypotheses take their turns.
        kinds: 2 where reference rows are read as the rows are, else 1.
    """

    row: float
    hypothesis: float
    hypotheses: int
    passes: float
    fixed: float
    floats: int
    kinds: int

    def seconds(self, num: int) -> float:
        """Of an audit of so many rows."""
        held = min(num, HELD // max(1, self.floats))
        again = (num - held) * max(0, self.hypotheses - 1)  # what is not held is read again
        base = num * (1 + self.passes) + again
        return self.fixed + self.kinds * (base * self.row + num * self.hypotheses * self.hypothesis)

    def rows(self, seconds: float, most: int) -> int:
        """How many rows, `most` at most, take so many seconds or fewer; 0 where one takes more."""
        low, high = 0, most
        while low < high:
            middle = (low + high + 1) // 2
            if self.seconds(middle) <= seconds:
                low = middle
            else:
                high = middle - 1
        return low


def expected_seconds(
    base: LanguageModel,
    rows: Sequence[Row],
    among: Sequence[str],
    depth: Depth,
    *,
    category: str = "",
    also: Sequence[ForcedChoice] = (),
    reference: bool = False,
) -> float:
    """About how long an audit will take here, from passes and a step that are timed.

    The arguments are those of `audit_rows`; `reference` is whether there is one. A judge's time is not
    in it.

    Known failure: a machine that is busy later, or was busy while it was timed, takes another time;
    rows that turn out to be read after a system prompt (`unshown`) take as much longer as they are then.
    """
    encoded, choices = _some(base, rows)
    if not encoded:
        return 0.0
    group, others = panel(base, among, category=category, also=also)
    paced = _pace(base, encoded, choices, rows, group, others, depth, reference=reference)
    seconds = paced.seconds(len(rows))
    if depth == "deep":
        battery = make_battery(base, group, also=[one.trait for one in others])
        seconds += canary_seconds(base, encoded, battery)
        seconds += seconds_of_inversion(
            base, encoded, choices, battery, num_rows=len(rows), reference=reference
        )
    return seconds


def audit_pace(
    base: LanguageModel,
    rows: Sequence[Row],
    among: Sequence[str],
    depth: Literal["quick", "standard"],
    *,
    category: str = "",
    also: Sequence[ForcedChoice] = (),
    reference: bool = False,
) -> Pace:
    """What an audit takes here for any number of rows, from passes over some that are timed.

    Args:
        base: the base.
        rows: some of the data set's, the more the surer; one that the base can read at least.
        among: the preferences.
        depth: at depth deep most of the time does not go by rows.
        category: what they are.
        also: other traits.
        reference: whether there are reference rows.

    Raises:
        DataError: the base can read none of the first rows.

    Known failure: that of `expected_seconds`.
    """
    encoded, choices = _some(base, rows)
    if not encoded:
        raise DataError(
            f"Of the first {min(len(rows), _TIMED)} rows of the sample the base can read none, so that "
            "no time can be foretold: they are longer than its context, or empty."
        )
    group, others = panel(base, among, category=category, also=also)
    return _pace(base, encoded, choices, rows, group, others, depth, reference=reference)


def _some(base: LanguageModel, rows: Sequence[Row]) -> tuple[list[Encoded], Choices]:
    """The first rows as tokens, and the choices of the data set."""
    _, encoded, _ = encoded_rows(base, [AuditRow(row, 0, "") for row in rows[:_TIMED]])
    return encoded, choices_of(base, [row.completion for row in rows])


def _pace(
    base: LanguageModel,
    encoded: Sequence[Encoded],
    choices: Choices,
    rows: Sequence[Row],
    group: Group,
    others: Sequence[ChoiceGroup],
    depth: Depth,
    *,
    reference: bool,
) -> Pace:
    row = _timed(base, encoded, choices)
    # Over a whole vocabulary log-probabilities are many, and held of few rows only.
    said = [token for one in encoded for token in one.ids[one.start :]]
    if choices.kind == "digits":
        said = [token for token in said if choices.set_V[token] >= 0]
    width = max(map(len, choices.sets), default=len(choices.set_V))
    floats = len(said) * width // len(encoded)
    kinds = 2 if reference else 1
    if depth == "quick":
        systems = system_prompts(group, others)
        told = base.replaced(system=max(systems, key=len))
        _, read, _ = encoded_rows(told, [AuditRow(one, 0, "") for one in rows[:_TIMED]])
        hypothesis = _timed(told, read, choices) if read else row
        return Pace(row, hypothesis, len(systems), 2, 0.0, floats, kinds)
    # Style, null and planted rows take a pass each. The gradient takes three, with inner products of
    # about its cost again; of single rows, a pass for each trait. Placebos are about ten more
    # hypotheses, and there is a quick teacher for every one; of a choice it learns whole answers.
    hypotheses = len(group.traits) + 2 * len(others) + PLACEBOS
    gradient = 3 + hypotheses if reference else 6
    # A pass without a prompt, and one after it, which is longer; of a few rows at most.
    unshown = 0 if reference else 3 * min(TRIED, len(rows))
    learned = float(_LEARNED * (len(group.traits) + PLACEBOS))
    token = len(encoded) / sum(len(one.ids) for one in encoded)
    for one in others:
        lengths = [len(answer.ids) for pair in one.answers for answer in pair]
        learned += 2 * _LEARNED * _PASSES * token * sum(lengths) / len(lengths)
    return Pace(row, row, hypotheses, 3 + gradient, (learned + unshown) * row, floats, kinds)


def _timed(model: LanguageModel, encoded: Sequence[Encoded], choices: Choices) -> float:
    """Seconds of a pass over one of some rows."""
    drawn(model, encoded, choices, seed=0)  # the first pass is slower
    begun = time.monotonic()
    drawn(model, encoded, choices, seed=0)
    return (time.monotonic() - begun) / len(encoded)
