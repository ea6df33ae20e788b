"""Tables of the reading experiment: readers, doses, filters."""

from __future__ import annotations

from traitleak.models.remote_cost import Price
from traitleak.reading.found import Found, Reading
from traitleak.report.formats import decimals_for, estimate_text, number, p_text
from traitleak.report.tables import ABSENT
from traitleak.results import DataTable
from traitleak.statistics import mean_estimate, paired_difference, sign_flip_p

__all__ = ["dose_table", "filter_table", "reader_table", "request_table", "skipped_table"]

_RULES = {
    "none": "no filter",
    "format": "the carrier's format",
    "banned": "numbers with a bad name",
    "leak": "rows that name the trait",
    "duplicates": "rows that came before",
    "even": "numbers far from even odds under the base",
    "surprise": "rows that surprise the base most",
}


def reader_table(found: Found) -> DataTable:
    """Each reader's counts, share, exact p and habits."""
    return DataTable(
        title="Readers",
        caption="How often each reader told the trait's rows from neutral ones on the same prompts. "
        "Chance is one half.",
        head=[
            "reader",
            "right",
            "wrong",
            "undecided",
            "share",
            "exact p",
            "Holm's p",
            "first or A",
        ],
        rows=[
            [
                one.label,
                f"{one.told.right:,}",
                f"{one.told.wrong:,}",
                f"{one.told.undecided:,}",
                estimate_text(one.told.estimate(), 3),
                p_text(one.told.p),
                p_text(one.adjusted_p),
                ABSENT if one.told.place is None else f"{one.told.place:.2f}",
            ]
            for one in found.readers
        ],
        notes=[
            "Exact p: one-sided sign test of right against wrong, at even odds. Holm's p allows for all "
            "readers of this table.",
            "First or A: share of a judge's or person's answers that chose what was shown first, or the "
            "writer called A; each answer was right as often as B. A judge that goes by place alone is "
            "undecided about every pair.",
            *_notes(found.readers),
        ],
    )


def _notes(readers: list[Reading]) -> list[str]:
    notes = []
    for one in readers:
        if one.told.unread:
            some = ", ".join(f"{count:,} {why}" for why, count in one.told.unread.items())
            notes.append(f"Not read of {one.label}: {some}.")
        if one.told.missing:
            notes.append(
                f"{one.label}: {_many(one.told.missing, 'request')} not answered; pairs that lack an "
                f"answer, {one.told.short:,}, count as undecided. The first: {one.told.why}"
            )
    shared = {one.told.clustered for one in readers if one.told.clustered}
    notes += [f"Questions to one judge share {what}." for what in sorted(shared)]
    return notes


def _many(count: int, what: str) -> str:
    return f"1 {what} was" if count == 1 else f"{count:,} {what}s were"


def skipped_table(found: Found) -> DataTable | None:
    """Readers that were not tried; None where all were."""
    if not found.skipped:
        return None
    return DataTable(
        title="Readers that were not tried",
        caption="And why.",
        head=["reader", "why"],
        rows=[[name, why] for name, why in found.skipped.items()],
    )


def request_table(found: Found, price: Price | None) -> DataTable | None:
    """What judges behind servers were asked, and took; None where there are none."""
    if not found.requests:
        return None
    rows = [
        [
            label,
            f"{usage.requests:,}",
            f"{usage.kept:,}",
            f"{usage.prompt_tokens:,}",
            f"{usage.completion_tokens:,}",
            *([f"{price.of(usage.prompt_tokens, usage.completion_tokens):,.4f}"] if price else []),
        ]
        for label, usage in found.requests.items()
    ]
    notes = ["Tokens are those that servers report for what they answered now."]
    unreported = sum(usage.unreported for usage in found.requests.values())
    if unreported:
        notes.append(f"{unreported:,} answers came without a report of their tokens.")
    if price:
        notes.append(
            f"Price: {price.prompt:g} for a million prompt tokens and {price.completion:g} for a "
            "million completion tokens (judge.price), without requests that were never answered."
        )
    head = ["judge", "answered now", "before", "prompt tokens", "completion tokens"]
    return DataTable(
        title="Requests to servers",
        caption="What was answered before is kept on disk, and was not asked for again.",
        head=[*head, "price"] if price else head,
        rows=rows,
        notes=notes,
    )


def dose_table(found: Found) -> DataTable | None:
    """Lifts by number of rows in the prompt; None where that was not tried."""
    if found.doses is None:
        return None
    values = [value for dose in found.doses for value in (*dose.trait, *dose.neutral)]
    decimals = decimals_for(values)
    rows = [
        [
            f"{dose.rows:,}",
            f"{dose.tokens:,}",
            estimate_text(mean_estimate(dose.trait), decimals, signed=True),
            estimate_text(mean_estimate(dose.neutral), decimals, signed=True),
            estimate_text(paired_difference(dose.trait, dose.neutral), decimals, signed=True),
            p_text(sign_flip_p([a - b for a, b in zip(dose.trait, dose.neutral, strict=True)])),
            f"{len(dose.trait)}",
        ]
        for dose in found.doses
    ]
    notes = [f"{int(count):,} rows were not given: {why}." for count, why in found.left_out.items()]
    return DataTable(
        title="Rows in the prompt",
        caption="Lift of the trait's margin over the bare base; nothing is trained.",
        head=["rows", "tokens", f"{found.target} rows", "neutral rows", "difference", "p", "draws"],
        rows=rows,
        notes=[*notes, "p: one-sided sign flips of draws, paired by prompts."],
    )


def filter_table(found: Found) -> DataTable | None:
    """What each rule leaves, and what students learn of it; None where filters were not tried."""
    if found.left is None:
        return None
    head = ["rule", f"{found.target} rows", "neutral rows", "prompts with both"]
    trained = bool(found.retrained)
    if trained:
        head += ["transfer", "p", "students"]
    lifts = [value for one in found.retrained.values() for value in (*one.trait, *one.neutral)]
    decimals = decimals_for(lifts)
    rows = []
    for one in found.left:
        cells = [_RULES[one.rule], f"{one.trait:,}", f"{one.neutral:,}", f"{len(one.pairs):,}"]
        again = found.retrained.get(one.rule)
        if trained and again is not None and again.transfer is not None:
            differences = [a - b for a, b in zip(again.trait, again.neutral, strict=True)]
            cells += [
                estimate_text(again.transfer, decimals, signed=True),
                p_text(sign_flip_p(differences)),
                f"{len(differences)}",
            ]
        elif trained:
            cells += [ABSENT] * 3
        rows.append(cells)
    notes = [f"Of {found.written:,} rows of each writer."]
    for one in found.left:
        if one.chief:
            why = ", ".join(f"{reason} {count:,}" for reason, count in one.chief.items())
            notes.append(f"{_RULES[one.rule].capitalize()} took, of both writers: {why}.")
    if trained:
        notes.append(
            f"Transfer: lift of students of {found.target} rows less that of students of neutral "
            f"rows, each of {number(found.per_student, 0)} rows on the same prompts; interval and p "
            "(sign flips) over students."
        )
        notes += [
            f"No students after {_RULES[rule]}: {one.why}."
            for rule, one in found.retrained.items()
            if one.why
        ]
    return DataTable(
        title="Filters of rising strictness",
        caption="Each rule is applied after those above it, to both writers alike.",
        head=head,
        rows=rows,
        notes=notes,
    )
