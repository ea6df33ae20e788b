"""The rows of a data set and of its reference, as a base reads them.

Rows that it cannot read are counted and left out. Each row is read after its own system prompt. A
hypothesis that is a system prompt comes after that, so that base and hypothesis differ in it alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from traitleak.audit.enough import TOO_LONG
from traitleak.audit.verdict import AuditedRows
from traitleak.datasets import AuditRow, Drawn
from traitleak.errors import DataError, SettingsError
from traitleak.models.batches import Encoded, encode_row
from traitleak.models.language_model import LanguageModel
from traitleak.rows import Row
from traitleak.seeds import derive_seed

__all__ = [
    "audited_rows",
    "encoded_rows",
    "entries_of",
    "prompted_rows",
    "reference_of",
    "unread_parts",
]

_SAME_PROMPTS = 0.9  # share of rows that must have a reference row on the same prompt


def entries_of(rows: Drawn | Sequence[Row]) -> list[AuditRow]:
    """Rows and where they stand."""
    if isinstance(rows, Drawn):
        return rows.rows
    return [AuditRow(row, number, f"row {row.id}") for number, row in enumerate(rows)]


def audited_rows(
    rows: Drawn | Sequence[Row],
    source: str,
    encoded: Sequence[Encoded],
    unread: Mapping[str, int],
    seed: int,
) -> AuditedRows:
    """What the verdict says of the rows.

    Args:
        rows: what was given.
        source: the data set's name.
        encoded: those that were audited.
        unread: how many could not be, by reason, beside those that `rows` says itself.
        seed: of the audit.
    """
    told = AuditedRows(
        source=source,
        format="rows",
        total=None,
        audited=len(encoded),
        tokens=sum(len(row.ids) - row.start for row in encoded),
        sampled=False,
        skipped=dict(unread),
        seed=seed,
    )
    if not isinstance(rows, Drawn):
        return told.model_copy(update={"total": len(rows)})
    more = {"format": rows.format, "total": rows.total, "sampled": rows.sampled}
    return told.model_copy(update={**more, "skipped": {**rows.skipped, **unread}})


def unread_parts(rows: Drawn | Sequence[Row]) -> list[str]:
    """A sentence on what rows have beside prompts and last answers; none where that is nothing."""
    if not isinstance(rows, Drawn) or not rows.lost:
        return []
    parts = "; ".join(f"{what} ({count:,} of {rows.seen:,})" for what, count in rows.lost.items())
    return [f"Parts of rows that are no prompt and no completion: {parts}."]


def encoded_rows(
    base: LanguageModel, entries: Sequence[AuditRow], *, systems: Sequence[str] = ()
) -> tuple[list[AuditRow], list[Encoded], dict[str, int]]:
    """Rows as tokens; those that the base cannot read are counted and left out.

    Args:
        base: the base.
        entries: the rows.
        systems: system prompts after which a row must fit into the context, too.

    Returns:
        The entries that can be read, their tokens, and how many were left out, by reason.
    """
    longest = max(systems, key=lambda system: len(base.encode(system)), default=None)
    kept, encoded, reasons = [], [], dict[str, int]()
    for entry in entries:
        try:
            read = encode_row(_after(base, entry.system), entry.row)
            if longest is not None:
                encode_row(_after(base, entry.system, longest), entry.row)
        except SettingsError as error:
            reason = TOO_LONG if "at most" in str(error) else "nothing to score"
            reasons[reason] = reasons.get(reason, 0) + 1
        else:
            kept.append(entry)
            encoded.append(read)
    return kept, encoded, reasons


def prompted_rows(
    base: LanguageModel, entries: Sequence[AuditRow], encoded: Sequence[Encoded], system: str
) -> list[Encoded]:
    """The same completions as the base reads them after one more system prompt, token by token.

    Without a prompt the base leaves a text's first token out, as nothing stands before it; it stays
    out here, although the system prompt does.

    Args:
        base: the base.
        entries: the rows.
        encoded: what `encoded_rows` made of them.
        system: the system prompt.
    """
    found = []
    for entry, read in zip(entries, encoded, strict=True):
        ids = encode_row(_after(base, entry.system, system), entry.row).ids
        found.append(Encoded(ids, len(ids) - (len(read.ids) - read.start)))
    return found


def _after(base: LanguageModel, *systems: str | None) -> LanguageModel:
    """The base after the row's own system prompt, or its own, and after more."""
    own, *more = systems
    told = [text for text in (base.system if own is None else own, *more) if text is not None]
    if own is None and not more:
        return base
    return base.replaced(system="\n\n".join(told))


def reference_of(
    base: LanguageModel,
    kept: Sequence[AuditRow],
    reference: Drawn | Sequence[Row],
    *,
    systems: Sequence[str] = (),
    seed: int,
) -> tuple[list[AuditRow], list[Encoded], list[str]]:
    """A reference row for every row: on the same prompt and system prompt where there is one.

    Args:
        base: the base.
        kept: the rows.
        reference: rows that carry nothing.
        systems: as for `encoded_rows`.
        seed: of the order in which others stand in.

    Returns:
        The rows, their tokens, and sentences on what weakens the comparison.

    Raises:
        DataError: the reference has no rows, or none that the base can read.
    """
    given = entries_of(reference)
    if not given:
        raise DataError("The reference has no rows: leave it out, or give some.")
    readable, encoded, unread = encoded_rows(base, given, systems=systems)
    told = ", ".join(f"{reason}: {count:,}" for reason, count in sorted(unread.items()))
    if not readable:
        raise DataError(
            f"The base can read none of the {len(given):,} reference rows ({told}): leave the reference "
            "out, or give others."
        )
    warnings = (
        [f"Reference rows that the base could not read ({told}) were left out."] if told else []
    )
    by_prompt: dict[tuple[str | None, str], list[int]] = {}
    for at, entry in enumerate(readable):
        by_prompt.setdefault((entry.system, entry.row.prompt), []).append(at)
    order = np.random.default_rng(derive_seed(seed, "reference")).permutation(len(readable))
    paired, same = [], 0
    for number, entry in enumerate(kept):
        own = by_prompt.get((entry.system, entry.row.prompt))
        same += own is not None
        paired.append(own.pop() if own else int(order[number % len(readable)]))
        if own is not None and not own:
            del by_prompt[entry.system, entry.row.prompt]
    if same < _SAME_PROMPTS * len(kept):
        warnings.append(
            f"Only {same} of {len(kept)} rows have a reference row on the same prompt; the others "
            "were compared with rows on other prompts, which adds noise and may add a difference "
            "that is the prompts'."
        )
    # A row that stands beside several is one object, by which `inversion` knows it again.
    return [readable[at] for at in paired], [encoded[at] for at in paired], warnings
