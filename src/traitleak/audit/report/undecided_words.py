"""What decides nothing in a verdict, in words and as tables: inversion, and a judge."""

from __future__ import annotations

from traitleak.audit.report.words import cut, effect_text, values_of
from traitleak.audit.verdict import InversionPart, JudgePart, Verdict
from traitleak.report.formats import decimals_for, interval_name, number, p_text
from traitleak.report.tables import ABSENT, Table

__all__ = ["inversion_sentences", "inversion_tables", "judge_sentences", "judge_table"]

_NAME = 60
_WORDS = 10
_READINGS = 15
_SAID = 5  # nearest words in a sentence


def inversion_sentences(verdict: Verdict) -> list[str]:
    """The gain, what it says and does not say, and the read-out; empty without an inversion."""
    part = verdict.inversion
    if part is None:
        return []
    low = verdict.false_positive_rate
    says = (
        "So something in these rows is not in the reference: a trait, in the panel or not, or else "
        "another temperature, model or edit. It does not say which."
        if part.p <= low
        else "So nothing beyond the reference was learned from them, with this many rows."
    )
    return [
        "Without a hypothesis: a soft prompt fitted to some of the rows makes the others "
        f"{effect_text(part.gain)} nats a choice likelier than one fitted to "
        f"{cut(part.reference, 200)}, beyond what rows without a trait would show ({_p(part.p)}).",
        says,
        *_read_out(part),
        "Inversion decides nothing here: how often it sees a teacher's rows has not been calibrated, "
        "and no trait is found by it.",
    ]


def _read_out(part: InversionPart) -> list[str]:
    said = []
    suspected = [one for one in part.readings if one.suspected]
    if suspected:
        first = suspected[0]
        said.append(
            f"With it before the questions, of the audited traits {cut(first.trait, _NAME)} stands out "
            f"most: {effect_text(first.effect)} nats ({_p(first.p)}, not corrected)."
        )
    if part.words:
        named = ", ".join(cut(one.word, _NAME) for one in part.words[:_SAID])
        said.append(f"Nearest words, to look at only: {named}.")
    return said


def inversion_tables(verdict: Verdict) -> list[Table]:
    """What moves with the soft prompt before the questions, and the nearest words."""
    part = verdict.inversion
    if part is None:
        return []
    shown = part.readings[:_READINGS]
    effects = [one.effect for one in shown]
    places = decimals_for(values_of(effects))
    rows = [
        [
            cut(one.trait, _NAME),
            cut(one.kind, _NAME),
            "yes" if one.suspected else "no",
            effect_text(one.effect, places),
            number(one.z, 2, signed=True),
            p_text(one.p),
        ]
        for one in shown
    ]
    left = len(part.readings) - len(shown)
    notes = [
        "Effect: on the margin with the rows' soft prompt before the question, less that with the "
        "reference's. p: of this trait alone, not corrected.",
    ]
    if left > 0:
        notes.append(f"{left:,} traits with a larger p are in the JSON.")
    head = ["trait", "kind", "audited", f"effect, nats [{interval_name(effects)}]", "z", "p"]
    tables = (
        [Table("What the soft prompt does to answers", head, rows, notes, wordy=(1, 2))]
        if rows
        else []
    )
    if part.words:
        tables.append(_words_table(part))
    return tables


def _words_table(part: InversionPart) -> Table:
    notes = [
        "Cosines of the soft prompt's vectors and a word's embedding. Vectors seldom point at the words "
        "that describe the rows: nothing follows from a word that leads, or is missing."
    ]
    if part.chance is not None:
        notes.append(
            f"With the reference in the rows' place the first word is nearer by {part.chance:.3f} by "
            "chance alone."
        )
    rows = [
        [
            cut(one.word, _NAME),
            number(one.own, 3),
            number(one.beside, 3),
            number(one.own - one.beside, 3, signed=True),
        ]
        for one in part.words[:_WORDS]
    ]
    return Table("Nearest words", ["nearest word", "rows", "reference", "nearer by"], rows, notes)


def judge_sentences(verdict: Verdict) -> list[str]:
    """What a judge named, and that it decides nothing; empty where none was asked."""
    part = verdict.judge
    if part is None:
        return []
    asked = (
        f"{cut(part.judge, 200)} was asked in {part.bags:,} bags of {part.size:,} rows which of "
        f"{len(part.readings)} traits their writer has, if any; {part.answered:,} answers could be "
        f'read, {part.none:,} of them "none".'
    )
    unread = {reason: count for reason, count in part.unread.items() if count}
    if unread:
        reasons = ", ".join(f"{cut(reason, _NAME)} ({n:,})" for reason, n in unread.items())
        asked += f" Not read: {reasons}."
    return [
        asked,
        *_most_named(part),
        "A judge decides nothing here: in published work judges tell rows with a trait from others "
        "about as well as chance does.",
    ]


def _most_named(part: JudgePart) -> list[str]:
    if not part.readings:
        return []
    first = part.readings[0]
    named = f"{cut(first.trait, _NAME)} was named in {first.named:,} of them"
    if first.p is None or first.named_reference is None:
        return [f"{named}. Without reference rows there is no p."]
    any_p = "" if part.p_any is None else f"; for any trait rather than none, {_p(part.p_any)}"
    return [
        f"{named}, and in {first.named_reference:,} of {part.answered_reference or 0:,} bags of "
        f"{cut(part.reference, 200)} ({_p(first.p)}, exact, not corrected{any_p})."
    ]


def judge_table(verdict: Verdict) -> Table | None:
    """How often each trait was named; None where no judge was asked."""
    part = verdict.judge
    if part is None:
        return None
    rows = [
        [
            cut(one.trait, _NAME),
            f"{one.named:,}",
            ABSENT if one.named_reference is None else f"{one.named_reference:,}",
            ABSENT if one.p is None else p_text(one.p),
        ]
        for one in part.readings
    ]
    head = ["trait", "bags of rows", "bags of the reference", "p"]
    notes = ["p: exact, one-sided, of this trait alone, by bags on the same prompts (McNemar)."]
    return Table("Judge", head, rows, notes)


def _p(p: float) -> str:
    text = p_text(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"
