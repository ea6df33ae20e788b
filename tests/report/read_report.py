"""A report as its tests read it: the page, the Markdown, and the Markdown's text."""

import re
from pathlib import Path

from report_example import REST

from traitleak.report import write_report
from traitleak.results import Results
from well_formed_page import Page


def plain(markdown: str) -> str:
    """Markdown's text without its escapes and line breaks."""
    return " ".join(re.sub(r"\\([^\w\s])", r"\1", markdown).split())


def write(folder: Path, results: Results, **changes) -> tuple[Page, str]:
    """Write a report; its page and its Markdown."""
    page = write_report(folder, results, **(REST | changes)).read_text(encoding="utf-8")
    return Page(page), (folder / "report.md").read_text(encoding="utf-8")
