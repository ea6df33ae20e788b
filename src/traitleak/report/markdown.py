"""Plain text as Markdown: nothing in a value can become markup."""

from __future__ import annotations

import re

from markupsafe import Markup

from traitleak.report.tables import Table

__all__ = ["escape", "fence", "in_one_line", "table_lines"]

# What can start markup: an underscore inside a word or a bracket without a link cannot.
_SPECIAL = re.compile(r"[\\`*<>|]|(?<!\w)_|_(?!\w)|\](?=[(\[:])|~~|^[#+-]+(?=\s)|^\d+(?=[.)]\s)")


def escape(value: object) -> object:
    """Text as one line of plain text, also inside a table's cell; `Markup` passes as it is."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return _SPECIAL.sub(_escape_one, " ".join(value.split()))


def _escape_one(found: re.Match[str]) -> str:
    text = found.group()
    return f"{text}\\" if text[0].isdigit() else f"\\{text}"


def table_lines(content: Table) -> Markup:
    """A Markdown table, and its notes below it."""

    def line(cells: list[str]) -> str:
        return f"| {' | '.join(str(escape(cell)) for cell in cells)} |"

    words = {0, *content.wordy}
    rules = [" --- " if k in words else " ---: " for k in range(len(content.head))]
    rule = f"|{'|'.join(rules)}|"
    lines = [line(content.head), rule, *map(line, content.rows)]
    lines += [f"\n{escape(note)}" for note in content.notes]
    return Markup("\n".join(lines))  # noqa: S704 -- Markdown, escaped above


def in_one_line(text: str) -> str:
    """Text whose line breaks show as signs; blank text is empty."""
    return " ↵ ".join(text.strip().splitlines())


def fence(text: str) -> Markup:
    """Text as a block of code that nothing in it can close."""
    ticks = "```"
    while ticks in text:
        ticks += "`"
    return Markup(f"{ticks}yaml\n{text}\n{ticks}")  # noqa: S704 -- Markdown, inside its fence
