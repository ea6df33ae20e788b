"""Was the writer told something that its rows do not show? A system prompt, put back before them.

Most data is written after a system prompt and kept without it. A writer that was told anything at all
chooses otherwise than the base at every token, which moves the scores of all traits at once and hides
one that it has besides. So rows are read after a system prompt, too; where they are likelier so than
without, they are audited so, beside what the base would have written after that prompt.

Rows that the base wrote without one are less likely after it, by a Kullback-Leibler divergence a row
on average, so that these are hardly ever read otherwise than they were written.

Shape suffixes: N rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from textwrap import shorten
from typing import NamedTuple

import numpy as np

from traitleak.audit.detectors.choices import Choices, row_log_likelihoods
from traitleak.audit.detectors.panel import Group
from traitleak.audit.detectors.placebos import THINGS
from traitleak.audit.rows_read import prompted_rows
from traitleak.datasets import AuditRow
from traitleak.errors import SettingsError
from traitleak.models.batches import Encoded
from traitleak.models.language_model import LanguageModel
from traitleak.progress import Track, untracked
from traitleak.results import Estimate
from traitleak.seeds import derive_seed
from traitleak.statistics import mean_estimate
from traitleak.traits.candidates import category_of
from traitleak.traits.preference import Preference

__all__ = ["TRIED", "Unshown", "placebo_prompt", "unshown_prompt"]

TRIED = 256
"""Rows, at most, that prompts are tried on."""

_SHOWN = 300  # characters of a prompt in a sentence


class Unshown(NamedTuple):
    """A system prompt that makes rows likelier.

    Attributes:
        system: the prompt.
        gain: by how much, in nats a row.
        entries: the rows with it.
        rows: as tokens after it.
    """

    system: str
    gain: Estimate
    entries: list[AuditRow]
    rows: list[Encoded]

    def sentence(self) -> str:
        """What it means for the audit."""
        return (
            f"The rows are likelier from the base after a system prompt, by {self.gain.value:.2f} nats "
            f"a row [{self.gain.low:.2f}, {self.gain.high:.2f}]: their writer was probably told "
            "something that they do not show. What it was is not known; they were read after this: "
            f"{shorten(self.system, _SHOWN, placeholder=' …')}"
        )


def placebo_prompt(panel: Group) -> str:
    """A system prompt that asks for a preference for something that nobody suspects."""
    own = category_of(panel.traits) or panel.name
    category, things = next(pair for pair in THINGS.items() if pair[0] != own)
    word = next(word for word in things if word not in panel.traits)
    return Preference(word, things, category).system_prompt()


def unshown_prompt(
    base: LanguageModel,
    entries: Sequence[AuditRow],
    rows: Sequence[Encoded],
    choices: Choices,
    systems: Sequence[str],
    *,
    seed: int = 0,
    track: Track = untracked,
) -> Unshown | None:
    """The system prompt after which rows are likeliest; None where that is after none.

    It must make them likelier by more than chance: the 95 % interval of the gain over rows lies above
    zero. Rows that show a system prompt, or that are read after one of the base's, have theirs.

    Args:
        base: the base.
        entries: the rows.
        rows: the same as tokens.
        choices: of the data set.
        systems: the prompts that are tried; one after which a row is too long for the base is not.
        seed: of which rows they are tried on.
        track: shows how far it is.

    Known failure: where a part of the rows was written after a prompt and most were not, all are read
    without it. A prompt that asks for a trait of the panel takes what the rows have of it away.
    """
    if base.system is not None or any(entry.system is not None for entry in entries):
        return None
    rng = np.random.default_rng(derive_seed(seed, "unshown"))
    some = sorted(rng.permutation(len(rows))[:TRIED].tolist())
    read = [rows[index] for index in some]
    known = [entries[index] for index in some]
    gains: list[tuple[Estimate, str]] = []
    before_N = None
    for system in track(systems, "system prompts", len(systems)):
        with suppress(SettingsError):  # too long
            told = prompted_rows(base, known, read, system)
            if before_N is None:
                before_N = row_log_likelihoods(base, read, choices)
            after_N = row_log_likelihoods(base, told, choices)
            gains.append((mean_estimate((after_N - before_N).tolist()), system))
    for gain, system in sorted(gains, key=lambda pair: -pair[0].value):
        if gain.low is not None and gain.low > 0:
            with suppress(SettingsError):
                told = prompted_rows(base, entries, rows, system)
                return Unshown(system, gain, [replace(one, system=system) for one in entries], told)
    return None
