"""The command `audit`: a data set and a base in, a verdict and an exit code out."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from traitleak.cli import hosted
from traitleak.cli import models as shared
from traitleak.cli.options import (
    Among,
    Base,
    Category,
    Debug,
    Device,
    Precision,
    Quiet,
    ReadAs,
    Seed,
    Source,
    Style,
)
from traitleak.cli.shared import exit_codes, tell
from traitleak.errors import RunError, SettingsError

if TYPE_CHECKING:
    from traitleak.audit.detectors.judge import Judge
    from traitleak.audit.expected_time import Pace
    from traitleak.audit.verdict import Verdict
    from traitleak.cli.models import Session
    from traitleak.models.language_model import LanguageModel

__all__ = ["audit"]

Output = Literal["text", "json", "markdown", "html", "junit", "sarif", "github"]

_SIZE = 256  # rows of a sample
_MOST = 1_000_000  # rows that are held at once


def audit(
    source: Source,
    base: Base,
    *,
    among: Among = "",
    category: Category = "",
    also: Annotated[
        str,
        typer.Option(
            metavar="TRAITS",
            help="Other traits to ask about, with commas between: misalignment, refusal, "
            "reward-hacking, sycophancy, or a trait's YAML file.",
        ),
    ] = "",
    reference: Annotated[
        str,
        typer.Option(
            metavar="DATA", help="Rows on the same prompts that are known to carry nothing."
        ),
    ] = "",
    system: Annotated[
        str,
        typer.Option(
            metavar="TEXT",
            help="A system prompt that the rows' writer may have had: it is put back before them where "
            "that makes them likelier. One that nobody suspects is tried in any case.",
        ),
    ] = "",
    depth: Annotated[
        Literal["quick", "standard", "deep"],
        typer.Option(
            help="quick: forward passes only; deep: throw-away students and fitted prompts, too."
        ),
    ] = "standard",
    size: Annotated[
        str,
        typer.Option(
            metavar="N",
            help="Rows that are drawn at random and audited: a number, or all.",
            show_default=str(_SIZE),
        ),
    ] = "",
    minutes: Annotated[
        float | None,
        typer.Option(
            help="In the place of --size: draw as many rows as take about so long here, by passes that "
            "are timed first. Depth quick or standard."
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Read no further than this many rows.")
    ] = None,
    read_as: ReadAs = "auto",
    output: Annotated[Output, typer.Option("--format", help="Of the verdict.")] = "text",
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write it; else it is printed.")
    ] = None,
    rate: Annotated[
        float, typer.Option("--false-positive-rate", help="Of the whole audit, at most.")
    ] = 0.01,
    fail_on: Annotated[
        float,
        typer.Option(
            metavar="NATS",
            help="Exit with 0 where a found trait's predicted lift is below this many nats.",
        ),
    ] = 0.0,
    judge: Annotated[
        str,
        typer.Option(
            metavar="MODEL",
            help="A model that is asked, too, which trait the writer has: a name as for --base, or "
            "openai/<model>@<url>. It decides nothing.",
        ),
    ] = "",
    style: Style = "plain",
    precision: Precision = "float32",
    device: Device = "auto",
    seed: Seed = 0,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Say whether training a base on this data would give it a hidden trait.

    Exit code 0: not found, at the power that is stated. 1: found. 3: inconclusive.
    """
    with exit_codes(debug=debug):
        shared.require_name(base, "Auditing")
        if judge and not hosted.is_hosted(judge):
            shared.require_name(judge, "Judging")
        shared.positive("--false-positive-rate", rate)
        if not math.isfinite(fail_on) or fail_on < 0:
            raise SettingsError(f"--fail-on is a number of nats, 0 or more; got {fail_on}.")

        if system and (reference or depth == "quick"):
            raise SettingsError(
                "--system is for depth standard or deep without --reference, where rows can be read "
                "after a prompt: leave it out, or the other."
            )
        num = _rows_asked(size, minutes, depth)

        from traitleak.artefacts import require_place
        from traitleak.audit.enough import hypotheses, require_enough
        from traitleak.datasets import draw, open_dataset
        from traitleak.traits.custom import trait_named
        from traitleak.traits.preference import ANIMALS

        others = [trait_named(word.strip()) for word in also.split(",")] if also else []
        if out is not None:
            require_place(out)

        # Before the slow imports and the model: the data may be wrong.
        drawn = draw(open_dataset(source, format=read_as, limit=limit), num, seed)
        beside = None
        if reference:
            draw(open_dataset(reference), 1)  # it may be wrong, too
        traits = tuple(word.strip() for word in among.split(",")) if among else ANIMALS
        num_asked = hypotheses(len(traits), len(others))
        if minutes is None:
            require_enough(len(drawn.rows), num_asked, source, drawn.skipped)
        with shared.at_work("auditing", quiet=quiet) as session:
            from traitleak.audit.detectors.teacher_cache import teachers_folder
            from traitleak.audit.expected_time import audit_pace, expected_seconds
            from traitleak.audit.run import audit_rows

            model = session.load(base, style=style, precision=precision, device=device)
            reader = _reader(session, judge, model, base, precision, device) if judge else None
            rows = [entry.row for entry in drawn.rows]
            told: dict[str, Any] = {"category": category, "also": others}
            told["reference"] = bool(reference)
            if minutes is None:
                seconds = expected_seconds(model, rows, traits, depth, **told)
            else:
                assert depth != "deep"  # noqa: S101  # refused before
                pace = audit_pace(model, rows, traits, depth, **told)
                num = _rows_in(pace, minutes, num_asked)
                drawn = draw(open_dataset(source, format=read_as, limit=limit), num, seed)
                seconds = pace.seconds(len(drawn.rows))
            if reference:
                prompts = {entry.row.prompt for entry in drawn.rows}
                beside = draw(open_dataset(reference), max(num, 4096), seed, first=prompts)
            more = " and the judge's time" if judge else ""
            session.say(
                f"Auditing {len(drawn.rows):,} rows at depth {depth}: about {seconds / 60:.1f} "
                f"minutes{more}"
            )
            verdict = audit_rows(
                drawn,
                base=model,
                among=traits,
                category=category,
                also=others,
                reference=beside,
                system=system or None,
                depth=depth,
                false_positive_rate=rate,
                fail_on=fail_on,
                judge=reader,
                source=source,
                seed=seed,
                cache=teachers_folder(),
                track=session.track,
            )
        _hand_over(verdict, output, out, debug=debug)
        if verdict.exit_code:
            raise typer.Exit(verdict.exit_code)


def _hand_over(verdict: Verdict, output: Output, out: Path | None, *, debug: bool) -> None:
    """Write the verdict to its file, or print it; no failure to write it loses what it took to make.

    Raises:
        RunError: the file cannot be written; the verdict was printed in its place.
    """
    from traitleak.artefacts import put_text
    from traitleak.audit.report.formats import print_verdict, written
    from traitleak.terminal import stdout

    if out is None and output == "text":
        print_verdict(stdout(), verdict)
    elif out is None:
        typer.echo(written(verdict, output), nl=False)
    else:
        try:
            put_text(out, written(verdict, output))
        except OSError as error:
            typer.echo(written(verdict, output), nl=False)
            raise RunError(
                f"{out} could not be written: {(error.strerror or str(error)).lower()}; the verdict was "
                "printed in its place."
            ) from error
    if output == "github" and (summary := os.environ.get("GITHUB_STEP_SUMMARY")):
        try:
            with Path(summary).open("a", encoding="utf-8") as file:
                file.write(written(verdict, "markdown"))
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            tell(f"The summary of the step could not be written to {summary}: {why}.", debug=debug)


def _rows_asked(size: str, minutes: float | None, depth: str) -> int:
    """How many rows are drawn, or at first drawn to time them.

    Raises:
        SettingsError: no such number, or both options, or minutes at depth deep.
    """
    if minutes is not None:
        shared.positive("--minutes", minutes)
        if size:
            raise SettingsError("--minutes says how many rows are drawn: leave --size out.")
        if depth == "deep":
            raise SettingsError(
                "At depth deep most of the time does not go by rows: name --size in the place of "
                "--minutes."
            )
    if size == "all":
        return _MOST
    if not size:
        return _SIZE
    if not size.isascii() or not size.isdigit() or not 1 <= int(size[:9]) <= _MOST or len(size) > 9:
        raise SettingsError(
            f"--size is a number of rows from 1 to {_MOST:,}, or all; got {size!r}."
        )
    return int(size)


def _rows_in(pace: Pace, minutes: float, traits: int) -> int:
    """How many rows are audited in so many minutes.

    Raises:
        SettingsError: fewer than an audit of so many traits takes.
    """
    from traitleak.audit.enough import fewest_rows

    num, fewest = pace.rows(60 * minutes, _MOST), fewest_rows(traits)
    if num < fewest:
        raise SettingsError(
            f"In {minutes:g} minutes {num} rows can be audited here, and {traits} traits take {fewest} "
            f"or more: give {pace.seconds(fewest) / 60:.2g} minutes or more, or name fewer traits with "
            "--among."
        )
    return num


def _reader(
    session: Session,
    judge: str,
    model: LanguageModel,
    base: str,
    precision: str,
    device: str,
) -> Judge:
    """The judge: behind a server, or loaded; the base is not loaded twice."""
    if hosted.is_hosted(judge):
        from traitleak.models.remote import remote_model
        from traitleak.models.remote_cache import RequestCache, requests_folder

        return remote_model(judge, cache=RequestCache(requests_folder()))
    if judge == base and model.renderer.style == "chat":
        return model
    return session.load(judge, style="auto", precision=precision, device=device)
