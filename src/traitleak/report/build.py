"""Writes the report: gathers what the figures and tables need, and renders the two templates."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_eval_context, select_autoescape
from jinja2.nodes import EvalContext
from markupsafe import Markup

from traitleak.artefacts import failures_named, write_text
from traitleak.errors import RunError
from traitleak.report import markdown
from traitleak.report.bars import bar_strips, bar_table
from traitleak.report.formats import memory_text, short, time_text
from traitleak.report.lines import Lines, curve_lines, is_numeric, sweep_lines
from traitleak.report.looks import Style, styles
from traitleak.report.matrix import HeatMap, heat_map, matrix_table
from traitleak.report.samples import samples_of
from traitleak.report.strips import Strips, condition_strips, sweep_strips
from traitleak.report.tables import (
    Table,
    comparison_table,
    condition_table,
    curve_table,
    data_table,
    sweep_table,
)
from traitleak.results import Bars, Picture, Results
from traitleak.runs import REPORT, REPORT_MARKDOWN, StageRecord

__all__ = ["write_report"]

_PNG = b"\x89PNG\r\n\x1a\n"
_PIXEL_ART = 300  # px: narrower pictures are shown enlarged, pixel by pixel


class _Panel(NamedTuple):
    """A figure (lines, strips or heat) with its words, and the numbers behind it."""

    title: str
    caption: str
    table: Table
    looks: list[tuple[str, Style]]
    lines: Lines | None = None
    strips: Strips | None = None
    heat: HeatMap | None = None
    more: Sequence[tuple[str, Table]] = ()  # tables of its own, each after its caption


class _Image(NamedTuple):
    title: str
    caption: str
    path: str
    source: Markup
    width: int
    height: int
    is_pixel_art: bool


@pass_eval_context
def _escaped(context: EvalContext, value: object) -> object:
    """What a template prints: Jinja escapes it for HTML, and this for Markdown."""
    return value if context.autoescape else markdown.escape(value)


_TEMPLATES = Environment(
    loader=PackageLoader("traitleak.report"),
    undefined=StrictUndefined,
    autoescape=select_autoescape(["html.j2"]),
    finalize=_escaped,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_TEMPLATES.filters.update(
    table=markdown.table_lines, fence=markdown.fence, lines=markdown.in_one_line, short=short
)


def write_report(
    folder: Path,
    results: Results,
    *,
    recipe_yaml: str,
    environment: Mapping[str, Any],
    stages: Sequence[StageRecord],
) -> Path:
    """Write `report.html` and `report.md` into a run folder, each at once or not at all.

    The same arguments give the same bytes.

    Args:
        folder: the run folder; the results' pictures are read from it.
        results: what was found.
        recipe_yaml: the resolved recipe, as text.
        environment: versions, hardware, threads and seeds, by name; values may be nested.
        stages: what ran, in order.

    Returns:
        The path of `report.html`.

    Raises:
        RunError: a picture is missing, not a PNG or outside the folder, or the folder cannot be
            written.
    """
    looks = styles(results)
    content = {
        "results": results,
        "main": condition_strips(results, looks) if results.conditions else None,
        "conditions": condition_table(results, looks) if results.conditions else None,
        "comparisons": comparison_table(results) if results.comparisons else None,
        "matrices": [
            _Panel(m.title, m.caption, matrix_table(m), [], heat=heat_map(m, looks))
            for m in results.matrices
        ],
        "sweeps": _sweep_panels(results, looks),
        "curves": [
            _Panel(p.title, p.caption, curve_table(p), [], lines=curve_lines(p, looks))
            for p in results.curves
        ],
        "bars": [_bar_panel(bars, looks) for bars in results.bars],
        "samples": [samples_of(samples) for samples in results.samples],
        "tables": [(table.caption, data_table(table)) for table in results.tables],
        "images": [_image(folder, picture) for picture in results.pictures],
        "recipe_yaml": recipe_yaml.rstrip("\n"),
        "environment": [(_plain(key), _flat(value)) for key, value in environment.items()],
        "stages": _stage_table(stages),
        "totals": _totals(stages),
    }
    page = _TEMPLATES.get_template("report.html.j2").render(content)
    text = _TEMPLATES.get_template("report.md.j2").render(content)
    with failures_named(folder / REPORT, folder):
        write_text(folder / REPORT_MARKDOWN, text)
        write_text(folder / REPORT, page)
    return folder / REPORT


def _sweep_panels(results: Results, looks: Mapping[str, Style]) -> list[_Panel]:
    panels = []
    for sweep in results.sweeps:
        keys = [(series.label, looks[series.name]) for series in sweep.series]
        more = [(table.caption, data_table(table)) for table in sweep.tables]
        panel = _Panel(sweep.title, sweep.caption, sweep_table(sweep), keys, more=more)
        if is_numeric(sweep):
            panels.append(panel._replace(lines=sweep_lines(sweep, looks)))
        else:
            panels.append(panel._replace(strips=sweep_strips(sweep, looks)))
    return panels


def _bar_panel(bars: Bars, looks: Mapping[str, Style]) -> _Panel:
    keys = [(series.label, looks[series.name]) for series in bars.series]
    return _Panel(bars.title, bars.caption, bar_table(bars), keys, strips=bar_strips(bars, looks))


def _image(folder: Path, picture: Picture) -> _Image:
    """Read a PNG of the run folder into a data URI."""
    path = (folder / picture.path).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise RunError(
            f"The picture {picture.path} lies outside the run folder {folder}: a report shows only "
            "pictures of its own run."
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RunError(
            f"The picture {path} cannot be read ({error.strerror}): run the recipe again to make it."
        ) from error
    if not content.startswith(_PNG) or len(content) < 24:
        raise RunError(f"The picture {path} is not a PNG file: run the recipe again to make it.")
    width = int.from_bytes(content[16:20], "big")
    return _Image(
        title=picture.title,
        caption=picture.caption,
        path=Markup(quote(picture.path)),  # noqa: S704 -- nothing special is left
        source=Markup("data:image/png;base64,") + base64.b64encode(content).decode("ascii"),
        width=width,
        height=int.from_bytes(content[20:24], "big"),
        is_pixel_art=width < _PIXEL_ART,
    )


def _stage_table(stages: Sequence[StageRecord]) -> Table:
    rows = [
        [
            stage.name,
            time_text(stage.seconds),
            memory_text(stage.peak_memory_bytes),
            "reused" if stage.cached else "run",
        ]
        for stage in stages
    ]
    notes = []
    if any(stage.cached for stage in stages):
        notes.append("Reused: done before under the same settings; time and memory are of then.")
    return Table("Stages", ["stage", "time", "peak memory", ""], rows, notes)


def _totals(stages: Sequence[StageRecord]) -> str:
    if not stages:
        return ""
    count = "1 stage" if len(stages) == 1 else f"{len(stages)} stages"
    seconds = sum(stage.seconds for stage in stages)
    peaks = [s.peak_memory_bytes for s in stages if s.peak_memory_bytes is not None]
    peak = memory_text(max(peaks, default=None))
    return f"{count}, {time_text(seconds)} in all, peak memory {peak}."


def _plain(key: object) -> str:
    return str(key).replace("_", " ")


def _flat(value: object) -> str:
    """A value of the environment as one line of text."""
    if isinstance(value, Mapping):
        return ", ".join(f"{_plain(key)} {_flat(part)}" for key, part in value.items())
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return ", ".join(map(_flat, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else str(value)
