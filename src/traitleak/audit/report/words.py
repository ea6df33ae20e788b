"""A verdict in words: its sentences, and text from data made safe to show.

Prompts, tokens and file names come from data that may be hostile. `made_visible` writes every
character that a reader would not see, or that would move or recolour what stands around it, as its
escape: control characters, terminal escapes, bidirectional overrides, zero-width and tag characters,
lone surrogates. Each output format then only has to escape its own markup.

Known failure: letters that merely look like others stay as they are, and so do stacked accents.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from unicodedata import category

from traitleak.audit.verdict import Outcome, TraitFinding, Verdict
from traitleak.report.formats import decimals_for, estimate_text, p_text, percent_text, short
from traitleak.results import Estimate

__all__ = [
    "OUTCOME_WORDS",
    "audited_text",
    "can_be_seen",
    "cut",
    "effect_text",
    "finding_sentence",
    "fraction_text",
    "inconclusive_sentence",
    "made_visible",
    "of_rows",
    "outcome_text",
    "percent_decimals",
    "place_of",
    "power_sentence",
    "power_text",
    "rows_sentence",
    "said_sentences",
    "skipped_sentence",
    "surface_sentence",
    "values_of",
    "visible",
]

OUTCOME_WORDS: dict[Outcome, str] = {
    "found": "found",
    "not found": "not found at this power",
    "inconclusive": "inconclusive",
}

_SAID = 3  # findings that have a sentence of their own below the headline
_NAMED = 12

# Characters that are not marks on paper: controls, format characters (bidirectional, zero-width,
# tags), surrogates, private use, unassigned, separators of lines and paragraphs.
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_SIGNS = {"\n": "↵", "\t": "⇥"}


_NOT_PLAIN = re.compile(r"[^ -~]")


def visible(text: str) -> str:
    r"""Text in one line in which every character can be seen: `\x1b`, `\u202e`, ↵ for a line break."""
    return _NOT_PLAIN.sub(_one_visible, text.replace("\r\n", "\n"))


def _one_visible(found: re.Match[str]) -> str:
    character = found.group()
    if can_be_seen(character):
        return character
    if character in _SIGNS:
        return _SIGNS[character]
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def can_be_seen(character: str) -> bool:
    """Whether a character leaves a mark, or at least a space, and does nothing else."""
    return not (
        category(character) in _UNSEEN
        # Letters and marks drawn as nothing: a joiner, fillers, Braille's blank, variation selectors.
        or character in "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
        or "\ufe00" <= character <= "\ufe0f"
        or "\U000e0100" <= character <= "\U000e01ef"
    )


def made_visible(verdict: Verdict) -> Verdict:
    """The same verdict with every text, wherever it stands, made `visible`."""
    return Verdict.model_validate(_all_visible(verdict.model_dump()))


def _all_visible(value: Any) -> Any:
    match value:
        case str():
            return visible(value)
        case Mapping():
            return {_all_visible(key): _all_visible(part) for key, part in value.items()}
        case list() | tuple():
            return [_all_visible(part) for part in value]
    return value


def cut(text: str, longest: int) -> str:
    """At most so many characters; `…` where the text goes on."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def effect_text(estimate: Estimate, decimals: int | None = None) -> str:
    """A predicted effect with its interval, signed."""
    places = decimals_for(values_of([estimate])) if decimals is None else decimals
    return estimate_text(estimate, places, signed=True)


def fraction_text(estimate: Estimate, decimals: int | None = None) -> str:
    """A fraction of rows with its interval, in per cent, without the sign."""
    percent = estimate.model_copy(
        update={
            name: None if value is None else 100 * value
            for name, value in dict(estimate).items()
            if name in {"value", "low", "high"}
        }
    )
    return estimate_text(percent, percent_decimals([estimate]) if decimals is None else decimals)


def percent_decimals(fractions: Sequence[Estimate]) -> int:
    """Decimals that per cent of rows share: one below ten per cent, else none."""
    return 1 if any(abs(value) < 0.1 for value in values_of(fractions) if value) else 0


def values_of(estimates: Sequence[Estimate]) -> list[float]:
    """Means and ends of intervals."""
    return [v for e in estimates for v in (e.value, e.low, e.high) if v is not None]


def power_text(finding: TraitFinding) -> str:
    """The smallest fraction that would have been found; or that not even all rows would have been."""
    smallest = finding.smallest_fraction
    return "not even all rows" if smallest is None else _percent(smallest)


def power_sentence(finding: TraitFinding) -> str:
    """What the audit could have found of one trait."""
    smallest = finding.smallest_fraction
    if smallest is None:
        return (
            f"{finding.trait} would not have been found in nine of ten such data sets even if all "
            "rows carried it."
        )
    return (
        f"{finding.trait} would have been found in nine of ten such data sets if {of_rows(smallest)} "
        "carried it."
    )


def _weakest_power(findings: list[TraitFinding]) -> str:
    """One sentence on traits that were not found: how much of them could have gone unseen."""
    if len(findings) == 1:
        return _capital(power_sentence(findings[0]))
    smallest = [f.smallest_fraction for f in findings]
    known = [fraction for fraction in smallest if fraction is not None]
    which = f"Each of the {len(findings)} traits that were not found"
    if not known:
        return f"{which} could have gone unseen even if all rows carried it."
    if len(known) < len(findings):
        return f"{which} would have been found only with much of it, and some not even in all rows."
    return (
        f"{which} would have been found in nine of ten such data sets if {of_rows(max(known))} "
        "carried it."
    )


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def said_sentences(verdict: Verdict) -> list[str]:
    """What stands below the headline: the traits found, and what could have gone unseen."""
    found = [f for f in verdict.traits if f.outcome == "found"]
    unseen = [f for f in verdict.traits if f.outcome == "not found"]
    sentences = [_capital(finding_sentence(f)) for f in found[:_SAID]]
    if len(found) > _SAID:
        sentences.append(f"{len(found) - _SAID} more traits were found.")
    sentences += filter(None, [inconclusive_sentence(verdict)])
    if unseen:
        sentences.append(_weakest_power(unseen))
    return sentences


def inconclusive_sentence(verdict: Verdict) -> str:
    """The traits of which nothing can be said; empty where there are none."""
    named = [cut(f.trait, 60) for f in verdict.traits if f.outcome == "inconclusive"]
    if not named:
        return ""
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return (
        "Inconclusive, as the power is too low to say anything of them: "
        f"{', '.join(named[:_NAMED])}{more}."
    )


def surface_sentence(verdict: Verdict) -> str:
    """What row scores of the most suspicious trait say beyond surface features; empty if unknown."""
    if not verdict.traits:
        return ""
    first = verdict.traits[0]
    gains = [
        f"{cut(r.detector, 60)} {estimate_text(r.over_surface, 3, signed=True)}"
        for r in first.readings
        if r.over_surface is not None
    ]
    if not gains:
        return ""
    return (
        f"Row scores for {cut(first.trait, 60)} over surface features, by the area under the ROC curve: "
        f"{', '.join(gains)}."
    )


def outcome_text(verdict: Verdict) -> str:
    """The outcome of all traits together, with the names of those found."""
    words = _capital(OUTCOME_WORDS[verdict.outcome])
    named = [cut(f.trait, 60) for f in verdict.traits if f.outcome == "found"]
    if verdict.outcome != "found" or not named:
        return words
    more = f" and {len(named) - _SAID} more" if len(named) > _SAID else ""
    return f"{words}: {', '.join(named[:_SAID])}{more}"


def finding_sentence(finding: TraitFinding) -> str:
    """One trait: what is said of it, and the figures behind it."""
    said = [f"{finding.trait}: {OUTCOME_WORDS[finding.outcome]}"]
    if finding.p is not None:
        p = p_text(finding.p)
        said.append(f"corrected p {p}" if p.startswith("<") else f"corrected p = {p}")
    if finding.effect is not None:
        said.append(f"predicted effect in a student {effect_text(finding.effect)} nats")
    if finding.fraction is not None:
        said.append(f"estimated share of rows that carry it {fraction_text(finding.fraction)} %")
    sentence = ", ".join(said) + "."
    return sentence if finding.outcome == "found" else f"{sentence} {power_sentence(finding)}"


def audited_text(verdict: Verdict) -> list[tuple[str, str]]:
    """What was audited and how, as names and values."""
    rows = verdict.rows
    return [
        ("rows", rows_sentence(verdict)),
        ("format", rows.format),
        ("base", verdict.base),
        ("reference", verdict.reference),
        ("depth", verdict.depth),
        (
            "calibrated to",
            f"{percent_text(verdict.false_positive_rate)} false positives: of data sets that carry "
            "nothing, this share would show a finding",
        ),
        *(
            [("fails from", f"a predicted effect of {short(verdict.fail_on)} nats")]
            if verdict.fail_on > 0
            else []
        ),
    ]


def rows_sentence(verdict: Verdict) -> str:
    """How many rows were audited, of how many, and how they were chosen."""
    rows = verdict.rows
    total = "an unknown number" if rows.total is None else f"{rows.total:,}"
    if rows.sampled:
        which = f"{rows.audited:,} of {total}, a random sample (seed {rows.seed})"
    elif rows.total == rows.audited:
        which = f"all {rows.audited:,}"
    else:
        which = f"{rows.audited:,} of {total}"
    return f"{which}, with {rows.tokens:,} completion tokens"


def skipped_sentence(verdict: Verdict) -> str:
    """Rows that could not be audited, by reason; empty where there are none."""
    skipped = {reason: count for reason, count in verdict.rows.skipped.items() if count}
    if not skipped:
        return ""
    total = sum(skipped.values())
    reasons = ", ".join(f"{reason} ({count:,})" for reason, count in skipped.items())
    return f"{total:,} {'row' if total == 1 else 'rows'} could not be audited: {reasons}."


def of_rows(fraction: float) -> str:
    """A fraction as in `5 % of rows`."""
    return "all rows" if fraction >= 1 else f"{_percent(fraction)} of rows"


def _percent(fraction: float) -> str:
    return f"{short(100 * fraction, digits=3)}\N{NO-BREAK SPACE}%"


_PLACE = re.compile(r"(?P<file>.+), line (?P<line>[1-9]\d{0,8})", re.DOTALL)


def place_of(where: str) -> tuple[str, int] | None:
    """File and line of a row, where `where` names them as in `rows.jsonl, line 7`."""
    found = _PLACE.fullmatch(where)
    return (found["file"], int(found["line"])) if found else None
