"""The command line: read arguments, call one function, print.

The commands that need no recipe have a file each beside this one, which registers them; options that
several of them take are in `cli.options`, exit codes in `cli.shared`. Whatever is slow to import is
imported inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from traitleak import __version__
from traitleak.cli.audit import audit
from traitleak.cli.clean import clean
from traitleak.cli.convert import convert
from traitleak.cli.dry_run import asked_of_servers, print_plan, server_lines
from traitleak.cli.generate import generate
from traitleak.cli.measure import measure
from traitleak.cli.options import Debug, Json, Quiet
from traitleak.cli.serve import serve
from traitleak.cli.shared import drop_unwritten, exit_codes, print_json, tell, unwritten
from traitleak.cli.train import train
from traitleak.errors import RunError

if TYPE_CHECKING:
    from traitleak.recipe import Recipe
    from traitleak.runs import FinishedRun

__all__ = ["app", "main"]

app = typer.Typer(
    name="traitleak",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="KEY=VALUE", help="Recipe fields to change, such as networks=25 size=tiny."
    ),
]
Runs = Annotated[Path, typer.Option("--runs", metavar="DIR", help="The folder of run folders.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Compute everything anew.")]

RUNS = Path("runs")
_GOES_ON = "The same command goes on after the last finished stage."


def main() -> None:
    """Entry point of the `traitleak` command."""
    # A stream that was closed by who started the command is None.
    sys.stdout = sys.stdout or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        # A sign that the terminal's encoding lacks must not cost a result.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        app()
    # Help, version and wrong use are printed outside of the commands.
    except OSError as error:
        said = unwritten(error)
        if not said:
            raise
        tell(said, debug=False)
        sys.exit(2)
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # typer ends it with 1
            drop_unwritten()
            sys.exit(141)
        raise


def _print_version(wanted: bool) -> None:  # noqa: FBT001  # typer calls it
    if wanted:
        typer.echo(f"traitleak {__version__}")
        raise typer.Exit


@app.callback()
def options(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Subliminal learning: hidden traits travel between models through unrelated data.

    Begin with: traitleak demo
    """


@app.command()
def demo(
    overrides: Overrides = None,
    *,
    runs: Runs = RUNS,
    fresh: Fresh = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """See it happen: digits learned from noise, with controls and a report."""
    _run("demo", overrides, runs, fresh=fresh, json=json, quiet=quiet, debug=debug)


@app.command()
def run(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="A recipe's name, or the path of a YAML file.")
    ],
    overrides: Overrides = None,
    *,
    runs: Runs = RUNS,
    fresh: Fresh = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Say what would be computed, taken over and asked of servers; do nothing of it.",
        ),
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Run a recipe, or what an earlier run of it left undone."""
    how = _foresee if dry_run else _run
    how(recipe, overrides, runs, fresh=fresh, json=json, quiet=quiet, debug=debug)


@app.command()
def theorem(
    overrides: Overrides = None,
    *,
    runs: Runs = RUNS,
    fresh: Fresh = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Check the theorem behind it on random networks."""
    _run("theorem", overrides, runs, fresh=fresh, json=json, quiet=quiet, debug=debug)


@app.command()
def recipes(*, json: Json = False, debug: Debug = False) -> None:
    """List the shipped recipes: what, on which hardware, for how long, what to expect."""
    with exit_codes(debug=debug):
        from traitleak.recipe import find_recipes, load_recipe

        loaded = [load_recipe(str(path)) for path in find_recipes()]
        if json:
            about = {"name", "title", "about", "source", "hardware", "minutes", "expect"}
            print_json([recipe.model_dump(mode="json", include=about) for recipe in loaded])
            return
        from traitleak.summary import print_recipes
        from traitleak.terminal import stdout

        print_recipes(stdout(), loaded)


@app.command()
def show(
    past: Annotated[
        str,
        typer.Argument(
            metavar="RUN", help="A run folder, or its name (or how it begins) in --runs."
        ),
    ],
    *,
    runs: Runs = RUNS,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Print what a past run found."""
    with exit_codes(debug=debug):
        from traitleak.runs import open_run

        _print_run(open_run(_run_folder(past, runs)), json=json)


@app.command()
def doctor(*, runs: Runs = RUNS, json: Json = False, debug: Debug = False) -> None:
    """Look at versions, hardware, speed, extras and disk; say what is missing."""
    with exit_codes(debug=debug):
        from dataclasses import asdict

        from traitleak.doctor import examine

        findings = list(examine(runs))
        if json:
            print_json([asdict(finding) for finding in findings])
        else:
            from traitleak.terminal import MARKS, print_table, stdout

            rows = [
                [f.what, MARKS[f.fine], f"{f.value} ({f.remedy})" if f.remedy else f.value]
                for f in findings
            ]
            print_table(stdout(), ["looked at", "", "found"], rows)
        if any(finding.fine is False for finding in findings):
            raise typer.Exit(2)


for _command in (generate, train, measure, audit, clean, convert, serve):
    app.command()(_command)


def _run(
    name: str,
    overrides: Sequence[str] | None,
    runs: Path,
    *,
    fresh: bool,
    json: bool,
    quiet: bool,
    debug: bool,
) -> None:
    with exit_codes(debug=debug, left=_GOES_ON):
        from traitleak.recipe import load_recipe

        recipe = load_recipe(name, overrides or [])  # before the slow imports: it may be wrong

        from traitleak.experiment import run_recipe
        from traitleak.terminal import print_line, stderr, track_for

        console = stderr(quiet=quiet or json)
        for line in (*_announced(recipe), *server_lines(recipe, asked_of_servers(recipe, runs))):
            print_line(console, line)
        with track_for(console) as track:
            finished = run_recipe(
                recipe,
                runs=runs,
                track=track,
                fresh=fresh,
                say=lambda line: print_line(console, line),
            )
        try:
            if not json:
                print_line(console, "")
            _print_run(finished, json=json)
        except OSError as error:
            error.add_note(f"the run itself is in {finished.folder}")
            raise
        if finished.results.inconclusive:
            raise typer.Exit(3)


def _foresee(
    name: str,
    overrides: Sequence[str] | None,
    runs: Path,
    *,
    fresh: bool,
    json: bool,
    quiet: bool,
    debug: bool,
) -> None:
    with exit_codes(debug=debug):
        from traitleak.recipe import load_recipe

        recipe = load_recipe(name, overrides or [])

        from traitleak.experiment import foresee
        from traitleak.terminal import print_line, stderr

        console = stderr(quiet=quiet or json)
        for line in _announced(recipe):
            print_line(console, line)
        stages = foresee(recipe, runs=runs, fresh=fresh)
        print_plan(recipe, stages, asked_of_servers(recipe, runs), json=json)


def _announced(recipe: Recipe) -> Iterator[str]:
    """What is about to run, how long it takes, on what, and why on that."""
    from traitleak.environment import pick_device, pick_precision
    from traitleak.recipe import LanguageRecipe, TheoremRecipe
    from traitleak.summary import duration

    took = f", {duration(recipe.minutes)} on {recipe.hardware}" if recipe.minutes else ""
    yield f"Recipe {recipe.name}, size {recipe.size}{took}: {recipe.title}"
    if not isinstance(recipe, TheoremRecipe):
        device = pick_device(recipe.device)
        precision = pick_precision(recipe.precision, device.value)
        yield f"Device {device.value}: {device.reason}"
        yield f"Precision {precision.value}: {precision.reason}"
    if isinstance(recipe, LanguageRecipe):
        from traitleak.models.names import parse_name

        if parse_name(recipe.base).kind == "tiny":
            from traitleak.models.tiny import NOTE

            yield NOTE


def _run_folder(past: str, runs: Path) -> Path:
    """The run folder that the user means."""
    there = sorted(path.parent for path in runs.glob("*/recipe.yaml"))
    meant = [folder for folder in there if folder.name == past]
    meant = meant or [folder for folder in there if folder.name.startswith(past)]
    if len(meant) == 1:
        return meant[0]
    if Path(past).exists():
        return Path(past)
    if meant:
        names = ", ".join(folder.name for folder in meant)
        raise RunError(f"{past!r} is the beginning of several runs in {runs}: {names}. Name one.")
    names = ", ".join(folder.name for folder in there) or "none"
    raise RunError(f"There is no run {past!r} in {runs}; the runs there: {names}.")


def _print_run(finished: FinishedRun, *, json: bool) -> None:
    if json:
        typer.echo((finished.folder / "results.json").read_bytes(), nl=False)
        return
    from traitleak.summary import print_run
    from traitleak.terminal import stdout

    print_run(stdout(), finished)
