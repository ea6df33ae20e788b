"""A verdict written out: for people on a terminal, as Markdown or as a page, and for programs."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Callable
from typing import Any, Literal

from rich.console import Console

from traitleak.audit.report.machine_formats import github_commands, junit_xml, sarif_json
from traitleak.audit.report.page import html_page
from traitleak.audit.report.suspects import ShownRow, marked_text, shown_rows
from traitleak.audit.report.tables import detector_table, reading_table, trait_table, z_table
from traitleak.audit.report.undecided_words import (
    inversion_sentences,
    inversion_tables,
    judge_sentences,
    judge_table,
)
from traitleak.audit.report.words import (
    audited_text,
    can_be_seen,
    cut,
    made_visible,
    outcome_text,
    said_sentences,
    skipped_sentence,
    surface_sentence,
)
from traitleak.audit.verdict import Outcome, Verdict
from traitleak.errors import SettingsError
from traitleak.report.formats import number, time_text
from traitleak.report.markdown import escape, table_lines
from traitleak.report.tables import Table
from traitleak.terminal import print_line, print_table

__all__ = ["Format", "markdown_text", "print_verdict", "written"]

Format = Literal["text", "json", "markdown", "html", "junit", "sarif", "github"]

_WIDTH = 110  # characters of the plain text
_MARKS: dict[Outcome, str] = {"found": "▲", "not found": "○", "inconclusive": "□"}
_STYLES: dict[Outcome, str] = {
    "found": "bold red",
    "not found": "bold",
    "inconclusive": "bold yellow",
}
_ON_TERMINAL = 5  # suspects that are printed
_IN_MARKDOWN = 10


def written(verdict: Verdict, format: Format) -> str:  # noqa: A002 -- as on the command line
    r"""The verdict as text in one of the formats.

    - `text`: what `print_verdict` shows, without colour, 110 characters wide.
    - `json`: the verdict itself; `Verdict.model_validate_json` reads it back.
    - `markdown`, `html`: the same for people, as a file.
    - `junit`: JUnit XML, a test case a trait; found fails, inconclusive is skipped.
    - `sarif`: SARIF 2.1.0, a result for each trait found.
    - `github`: workflow commands that annotate the rows; the step's summary is `markdown`.

    Text from data becomes markup in none of them, and characters that cannot be seen are written as
    their escapes, such as `\u202e`; in `json` they are JSON's own, so that the text stays as it was.

    Raises:
        SettingsError: there is no such format.
    """
    writers: dict[str, Callable[[Verdict], str]] = {
        "text": _plain_text,
        "json": _json,
        "markdown": markdown_text,
        "html": html_page,
        "junit": junit_xml,
        "sarif": sarif_json,
        "github": github_commands,
    }
    if format not in writers:
        raise SettingsError(
            f"There is no format {format!r} for a verdict: choose one of {', '.join(writers)}."
        )
    return writers[format](verdict)


def print_verdict(console: Console, verdict: Verdict) -> None:
    """The outcome, what was audited, each trait, the rows that carry most, and what was not tested.

    Text from data cannot colour or move what stands around it, nor command a CI system that reads
    the output: a line never begins with it.
    """
    verdict = made_visible(verdict)
    mark = _MARKS[verdict.outcome]
    _say(console, f"{mark} {outcome_text(verdict)}", style=_STYLES[verdict.outcome])
    _say(console, verdict.headline)
    for sentence in said_sentences(verdict):
        _say(console, sentence)
    console.print()
    width = max(len(name) for name, _ in audited_text(verdict))
    for name, value in audited_text(verdict):
        _say(console, f"{name:<{width}}  {value}")
    if skipped := skipped_sentence(verdict):
        _say(console, skipped)
    if verdict.traits:
        table = trait_table(verdict, short=True)
        console.print()
        marks = [_MARKS[finding.outcome] for finding in verdict.traits]
        rows = [
            [row[0], f"{mark} {row[1]}", *row[2:]]
            for mark, row in zip(marks, table.rows, strict=True)
        ]
        print_table(console, table.head, [list(map(_uncommanding, row)) for row in rows])
        _say(
            console,
            "Not found: at the power in the last column, the smallest share of planted rows that "
            "would have been found in nine of ten data sets of this size. In brackets: intervals.",
            style="dim",
        )
        zs = z_table(verdict)
        if zs.head[1:]:
            console.print()
            print_table(
                console,
                list(map(_uncommanding, zs.head)),
                [list(map(_uncommanding, row)) for row in zs.rows],
            )
            if over := surface_sentence(verdict):
                _say(console, over, style="dim")
    for title, sentences, _ in _undecided(verdict):
        console.print()
        _say(console, title, style="bold")
        for sentence in sentences:
            _say(console, sentence)
    shown = shown_rows(verdict.suspects, _ON_TERMINAL)
    if shown:
        console.print()
        _say(
            console, _suspects_title(verdict, len(shown), "«»: the strongest tokens"), style="bold"
        )
        for row in shown:
            _say(console, f"- {_row_title(row)}")
            _say(console, f"  prompt: {row.prompt or '(empty)'}", style="dim")
            _say(console, f"  completion: {marked_text(row.tokens) or '(empty)'}")
    for title, sentences in _lists(verdict):
        console.print()
        _say(console, title, style="bold")
        for sentence in sentences:
            _say(console, f"- {sentence}")
    if verdict.detectors:
        times = ", ".join(f"{cut(d.name, 60)} {time_text(d.seconds)}" for d in verdict.detectors)
        console.print()
        _say(console, f"Time: {time_text(verdict.seconds)} ({times})", style="dim")


def _say(console: Console, text: str, *, style: str = "") -> None:
    starts_command = text.lstrip().startswith("::")
    print_line(console, _uncommanding(text, everywhere=starts_command), style=style)


def _uncommanding(text: str, *, everywhere: bool = True) -> str:
    """Text that no CI system takes for a command of its own.

    GitHub's runner reads `##[` anywhere, and `::` where a line begins; a cell may wrap anywhere.
    """
    text = text.replace("##[", "## [")
    return text.replace("::", ": :") if everywhere else text


def _plain_text(verdict: Verdict) -> str:
    file = io.StringIO()
    console = Console(file=file, width=_WIDTH, force_terminal=False, color_system=None)
    print_verdict(console, verdict)
    lines = [line.rstrip() for line in file.getvalue().splitlines()]
    return "\n".join(lines) + "\n"


def markdown_text(verdict: Verdict) -> str:
    """The verdict as Markdown, also for the summary of a GitHub step."""
    verdict = made_visible(verdict)
    lines = [f"# {escape(f'Audit of {cut(verdict.rows.source, 200)}')}", ""]
    lines += [f"**{_MARKS[verdict.outcome]} {escape(outcome_text(verdict))}**", ""]
    for sentence in [verdict.headline, *said_sentences(verdict)]:
        lines += [str(escape(sentence)), ""]
    lines += ["## What was audited", ""]
    lines += [f"- {escape(f'{name}: {value}')}" for name, value in audited_text(verdict)]
    if skipped := skipped_sentence(verdict):
        lines += ["", str(escape(skipped))]
    if verdict.traits:
        lines += ["", "## Trait by trait", "", str(table_lines(_marked(verdict)))]
        readings = reading_table(verdict)
        if readings.rows:
            lines += ["", "### Every detector's reading", "", str(table_lines(readings))]
    for title, sentences, tables in _undecided(verdict):
        lines += ["", f"## {title}", ""]
        lines += [line for sentence in sentences for line in (str(escape(sentence)), "")]
        lines += [line for table in tables for line in (str(table_lines(table)), "")][:-1]
    shown = shown_rows(verdict.suspects, _IN_MARKDOWN)
    if shown:
        lines += ["", f"## {_suspects_title(verdict, len(shown), '«»: the strongest tokens')}", ""]
        for row in shown:
            lines += [f"- {escape(_row_title(row))}"]
            lines += [f"  - prompt: {escape(row.prompt or '(empty)')}"]
            lines += [f"  - completion: {escape(marked_text(row.tokens) or '(empty)')}"]
    lines += ["", "## How it was tested", ""]
    if verdict.detectors:
        lines += [str(table_lines(detector_table(verdict))), ""]
    lines += [f"{time_text(verdict.seconds)} in all."]
    for title, sentences in _lists(verdict):
        lines += ["", f"## {title}", "", *(f"- {escape(sentence)}" for sentence in sentences)]
    return "\n".join(lines) + "\n"


def _marked(verdict: Verdict) -> Any:
    table = trait_table(verdict)
    rows = [
        [row[0], f"{_MARKS[finding.outcome]} {row[1]}", *row[2:]]
        for finding, row in zip(verdict.traits, table.rows, strict=True)
    ]
    return table._replace(rows=rows)


def _suspects_title(verdict: Verdict, shown: int, key: str) -> str:
    total = len(verdict.suspects)
    which = "" if shown == total else f"the first {shown} of {total:,}; "
    return f"Rows that carry most ({which}{key})"


def _row_title(row: ShownRow) -> str:
    return f"{row.place}: {row.trait}, score {number(row.score, None, signed=True)}"


def _undecided(verdict: Verdict) -> list[tuple[str, list[str], list[Table]]]:
    """What decides nothing: title, sentences and tables of each part that there is."""
    judge = judge_table(verdict)
    both = [
        (
            "Inversion, which decides nothing",
            inversion_sentences(verdict),
            inversion_tables(verdict),
        ),
        ("A judge, which decides nothing", judge_sentences(verdict), [judge] if judge else []),
    ]
    return [part for part in both if part[1]]


def _lists(verdict: Verdict) -> list[tuple[str, list[str]]]:
    both = [
        ("What this audit says nothing about", verdict.not_tested),
        ("What weakens it", verdict.warnings),
    ]
    return [(title, sentences) for title, sentences in both if sentences]


_NOT_PLAIN = re.compile(r"[^ -~\n]")  # in JSON these can only stand inside a string


def _json(verdict: Verdict) -> str:
    """JSON that prints safely, in which numbers that are not finite are null."""
    text = json.dumps(
        _finite(verdict.model_dump()), indent=1, ensure_ascii=False, allow_nan=False, default=str
    )
    return _NOT_PLAIN.sub(_escaped, text) + "\n"


def _escaped(found: re.Match[str]) -> str:
    character = found.group()
    return character if can_be_seen(character) else json.dumps(character)[1:-1]


def _finite(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: _finite(part) for key, part in value.items()}
        case list() | tuple():
            return [_finite(part) for part in value]
    return value
