"""A verdict for CI systems: JUnit XML, SARIF 2.1.0, and GitHub's workflow commands.

Sources: SARIF 2.1.0 (OASIS standard, errata 01), sections cited in place; the JUnit schema that
Jenkins and GitLab read; GitHub's documentation of workflow commands, and the escapes of its toolkit.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

from traitleak import __version__
from traitleak.artefacts import content_hash
from traitleak.audit.report.suspects import marked_text, shown_rows
from traitleak.audit.report.undecided_words import inversion_sentences, judge_sentences
from traitleak.audit.report.words import (
    OUTCOME_WORDS,
    audited_text,
    cut,
    finding_sentence,
    inconclusive_sentence,
    made_visible,
    outcome_text,
    place_of,
    power_sentence,
    said_sentences,
    skipped_sentence,
    visible,
)
from traitleak.audit.verdict import SuspectRow, TraitFinding, Verdict
from traitleak.report.formats import estimate_text, number, p_text
from traitleak.results import Estimate

__all__ = ["github_commands", "junit_xml", "sarif_json"]

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_ANNOTATIONS = 10  # of each kind that GitHub shows for one step
_LOCATIONS = 100  # of one result that GitHub's code scanning keeps


def junit_xml(verdict: Verdict) -> str:
    """One test case a trait: a failure where it was found, skipped where inconclusive.

    A trait that was found, but is predicted to move a student by less than `fail_on`, passes and
    says so in its output.
    """
    verdict = made_visible(verdict)
    failed = [verdict.fails(finding) for finding in verdict.traits]
    counts = {
        "tests": str(len(verdict.traits)),
        "failures": str(sum(failed)),
        "errors": "0",
        "skipped": str(sum(f.outcome == "inconclusive" for f in verdict.traits)),
        "time": f"{_seconds(verdict.seconds):.3f}",
    }
    root = ET.Element("testsuites", {"name": "traitleak audit", **counts})
    suite = ET.SubElement(root, "testsuite", {"name": f"audit of {verdict.rows.source}", **counts})
    properties = ET.SubElement(suite, "properties")
    for name, value in audited_text(verdict):
        ET.SubElement(properties, "property", {"name": name, "value": value})
    for finding, has_failed in zip(verdict.traits, failed, strict=True):
        named = {"classname": "traitleak.audit", "name": finding.trait, "time": "0"}
        case = ET.SubElement(suite, "testcase", named)
        sentence = finding_sentence(finding)
        if has_failed:
            failure = {"message": sentence, "type": "found"}
            ET.SubElement(case, "failure", failure).text = "\n".join(_evidence(finding, verdict))
        elif finding.outcome == "inconclusive":
            ET.SubElement(case, "skipped", {"message": f"inconclusive: {power_sentence(finding)}"})
        ET.SubElement(case, "system-out").text = "\n".join([sentence, *_reading_lines(finding)])
    said = [verdict.headline, *said_sentences(verdict), skipped_sentence(verdict)]
    said += [*inversion_sentences(verdict), *judge_sentences(verdict)]
    said += [f"Not tested: {sentence}" for sentence in verdict.not_tested]
    ET.SubElement(suite, "system-out").text = "\n".join(filter(None, said))
    if verdict.warnings:
        ET.SubElement(suite, "system-err").text = "\n".join(verdict.warnings)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _evidence(finding: TraitFinding, verdict: Verdict) -> list[str]:
    """The rows that speak for a trait, a line each."""
    own = [row for row in verdict.suspects if row.trait == finding.trait]
    return [
        f"{row.place}, score {number(row.score, None, signed=True)}: "
        f"{row.prompt} → {marked_text(row.tokens)}"
        for row in shown_rows(own, 20)
    ] or ["No row stands out: the finding is of the set."]


def _reading_lines(finding: TraitFinding) -> list[str]:
    lines = []
    for reading in finding.readings:
        said = [f"score {number(reading.score, None, signed=True)}"]
        if reading.z is not None:
            said.append(f"z {number(reading.z, 2, signed=True)}")
        if reading.p is not None:
            said.append(f"p {p_text(reading.p)}")
        if reading.over_surface is not None:
            said.append(
                f"over surface features {estimate_text(reading.over_surface, 3, signed=True)}"
            )
        lines.append(f"{reading.detector}: {', '.join(said)}")
    return lines


def sarif_json(verdict: Verdict) -> str:
    """SARIF 2.1.0: a rule for each trait tested, a result for each found, the rest as notifications.

    A result's locations are the rows that speak for it, as files and lines where these are known;
    its level is `error`, or `warning` below `fail_on`. What the audit could have found of the other
    traits, what weakens it and what it did not test are notifications of the invocation.
    """
    shown = made_visible(verdict)
    index_of = {finding.trait: k for k, finding in enumerate(shown.traits)}
    found = [finding for finding in shown.traits if finding.outcome == "found"]
    source = verdict.rows.source
    places = [(row.trait, _location(row, raw, source)) for row, raw in _suspects(shown, verdict)]
    results = [
        {
            "ruleId": _rule(finding),
            "ruleIndex": index_of[finding.trait],
            "kind": "fail",
            "level": "error" if shown.fails(finding) else "warning",
            "message": _message(finding_sentence(finding)),
            # More than one location: all of them have to change to mend it (section 3.27.12).
            "locations": [place for trait, place in places if trait == finding.trait][:_LOCATIONS]
            or [{"physicalLocation": {"artifactLocation": {"uri": _uri(source)}}}],
            "partialFingerprints": {
                "traitleak/v1": content_hash([finding.trait, shown.rows.source, shown.base])
            },
            "properties": _numbers(finding),
        }
        for finding in found
    ]
    others = [finding for finding in shown.traits if finding.outcome != "found"]
    notifications = [
        {
            "descriptor": {"id": f"traitleak/{finding.outcome.replace(' ', '-')}"},
            "associatedRule": {"id": _rule(finding), "index": index_of[finding.trait]},
            "level": "warning" if finding.outcome == "inconclusive" else "note",
            "message": _message(finding_sentence(finding)),
            "properties": _numbers(finding),
        }
        for finding in others
    ]
    for kind, level, sentences in [
        ("warning", "warning", shown.warnings),
        ("not-tested", "note", [*shown.not_tested, *filter(None, [skipped_sentence(shown)])]),
        ("inversion", "note", [" ".join(inversion_sentences(shown))]),
        ("judge", "note", [" ".join(judge_sentences(shown))]),
    ]:
        notifications += [
            {
                "descriptor": {"id": f"traitleak/{kind}"},
                "level": level,
                "message": _message(sentence),
            }
            for sentence in sentences
            if sentence
        ]
    run = {
        "tool": {"driver": _driver(shown)},
        "invocations": [
            {
                "executionSuccessful": True,
                "exitCode": verdict.exit_code,
                "exitCodeDescription": outcome_text(shown),
                "toolExecutionNotifications": notifications,
                "properties": {
                    "outcome": shown.outcome,
                    "headline": shown.headline,
                    **dict(audited_text(shown)),
                    "falsePositiveRate": _finite(shown.false_positive_rate),
                    "rowsAudited": shown.rows.audited,
                    "seconds": _finite(shown.seconds),
                },
            }
        ],
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _driver(verdict: Verdict) -> dict[str, Any]:
    rules = [
        {
            "id": _rule(finding),
            "shortDescription": _message(f"Rows that carry the trait {finding.trait}."),
            "fullDescription": _message(
                f"A student trained on such rows is expected to show more of {finding.trait}, though "
                "the rows do not speak of it."
            ),
            "help": _message(
                "Look at the rows named; have the completions written by another model, or change "
                "them with traitleak clean, and audit again."
            ),
            "defaultConfiguration": {"level": "error"},
        }
        for finding in verdict.traits
    ]
    return {
        "name": "traitleak",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": rules,
    }


def _rule(finding: TraitFinding) -> str:
    return f"traitleak/{finding.trait}"


def _message(text: str) -> dict[str, str]:
    """Plain text without placeholders (section 3.11.5) and links (section 3.11.6)."""
    return {"text": text.replace("{", "{{").replace("}", "}}").replace("](", "\\](")}


def _suspects(shown: Verdict, raw: Verdict) -> list[tuple[SuspectRow, SuspectRow]]:
    """Each row as it is shown, beside the row with the file's true name."""
    return list(zip(shown.suspects, raw.suspects, strict=True))


def _location(row: SuspectRow, raw: SuspectRow, source: str) -> dict[str, Any]:
    (shown,) = shown_rows([row], 1)
    text = f"{shown.place}, score {number(row.score, None, signed=True)}: {shown.prompt} → "
    location: dict[str, Any] = {
        "message": _message(text + marked_text(shown.tokens)),
        "properties": {"row": row.row, "score": _finite(row.score)},
    }
    place = place_of(raw.where)
    if place is None:
        location["physicalLocation"] = {"artifactLocation": {"uri": _uri(source)}}
        name = row.where or f"row {row.row}"
        location["logicalLocations"] = [{"fullyQualifiedName": name, "kind": "row"}]
    else:
        location["physicalLocation"] = {
            "artifactLocation": {"uri": _uri(place[0])},
            "region": {"startLine": place[1]},
        }
    return location


def _uri(file: str) -> str:
    """A file's name as a URI reference (section 3.4.3): every special character escaped."""
    if re.match(r"[A-Za-z]:[\\/]", file):
        return "file:///" + quote(file.replace("\\", "/"), safe="/:", errors="replace")
    path = quote(PurePath(file).as_posix(), safe="/", errors="replace")
    return f"file://{path}" if path.startswith("/") else path


def _numbers(finding: TraitFinding) -> dict[str, Any]:
    """All figures of a trait; what is not finite is null."""
    return {
        "outcome": OUTCOME_WORDS[finding.outcome],
        "correctedP": _finite(finding.p),
        "predictedEffectNats": _interval(finding.effect),
        "fractionOfRows": _interval(finding.fraction),
        "smallestFractionFound": _finite(finding.smallest_fraction),
        "readings": [
            {
                "detector": reading.detector,
                "score": _finite(reading.score),
                "z": _finite(reading.z),
                "p": _finite(reading.p),
                "overSurface": _interval(reading.over_surface),
            }
            for reading in finding.readings
        ],
    }


def _interval(estimate: Estimate | None) -> dict[str, float | None] | None:
    if estimate is None:
        return None
    ends = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    return {name: _finite(value) for name, value in ends.items()} | {
        "confidence": estimate.confidence
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _seconds(value: float) -> float:
    return value if math.isfinite(value) else 0.0


def github_commands(verdict: Verdict) -> str:
    """Workflow commands: an annotation for each finding, at its first row, then for further rows.

    GitHub shows ten errors and ten warnings of a step, so that there are never more of either: the
    most suspicious first.
    """
    shown = made_visible(verdict)
    pairs = _suspects(shown, verdict)
    errors: list[str] = []
    warnings: list[str] = []
    first = set()
    for finding in shown.traits:
        sentence = finding_sentence(finding)
        if finding.outcome == "found":
            own = next((k for k, (row, _) in enumerate(pairs) if row.trait == finding.trait), None)
            if own is not None:
                first.add(own)
            kind = "error" if shown.fails(finding) else "warning"
            command = _command(
                kind,
                None if own is None else pairs[own][1],
                f"traitleak: {finding.trait} found",
                sentence
                if own is None
                else f"{sentence} First of its rows: {_row_text(pairs[own])}",
            )
            (errors if kind == "error" else warnings).append(command)
    open_ones = inconclusive_sentence(shown)
    if open_ones:
        warnings.append(_command("warning", None, "traitleak: inconclusive", open_ones))
    warnings += [
        _command("warning", None, "traitleak: what weakens the audit", sentence)
        for sentence in shown.warnings
    ]
    found = {finding.trait for finding in shown.traits if finding.outcome == "found"}
    warnings += [
        _command(
            "warning", pair[1], f"traitleak: a row that carries {pair[0].trait}", _row_text(pair)
        )
        for k, pair in enumerate(pairs)
        if k not in first and pair[0].trait in found
    ]
    notice = " ".join([shown.headline, *said_sentences(shown)])
    commands = [*errors[:_ANNOTATIONS], *warnings[:_ANNOTATIONS]]
    commands.append(_command("notice", None, f"traitleak: {outcome_text(shown)}", notice))
    return "\n".join(commands) + "\n"


def _row_text(pair: tuple[SuspectRow, SuspectRow]) -> str:
    (row,) = shown_rows([pair[0]], 1)
    return f"{row.place}, score {number(row.score, None, signed=True)}: " + cut(
        f"{row.prompt} → {marked_text(row.tokens)}", 600
    )


def _command(kind: str, row: SuspectRow | None, title: str, message: str) -> str:
    place = None if row is None else place_of(row.where)
    properties: Sequence[tuple[str, str]] = [("title", title)]
    if place is not None:
        properties = [("file", place[0]), ("line", str(place[1])), *properties]
    named = ",".join(f"{name}={_property(value)}" for name, value in properties)
    return f"::{kind} {named}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    # A file's true name may hold line breaks, which have an escape, and controls, which have none.
    kept = "".join(c if c in "\r\n" else visible(c) for c in text)
    return _data(kept).replace(":", "%3A").replace(",", "%2C")
