"""The command `convert`: between rows and the files that hosted trainers take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from traitleak.cli.options import Debug, Json, ReadAs, Source
from traitleak.cli.shared import exit_codes, print_json
from traitleak.errors import SettingsError

if TYPE_CHECKING:
    from traitleak.datasets.finetuning import ImportedChats

__all__ = ["convert"]


def convert(
    source: Source,
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="PATH", help="chat: a .jsonl file; rows: a folder. Not there yet."
        ),
    ],
    *,
    to: Annotated[
        Literal["chat", "rows"],
        typer.Option(help="chat: what hosted trainers take; rows: what traitleak trains on."),
    ] = "chat",
    system: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="chat: a system prompt for all; default: their own."),
    ] = None,
    trainer: Annotated[
        Literal["openai", "fireworks", "together"],
        typer.Option(help="chat: whose documented limits are kept."),
    ] = "openai",
    teacher: Annotated[
        str, typer.Option(metavar="NAME", help="rows: who wrote them, where the data do not say.")
    ] = "",
    read_as: ReadAs = "auto",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write rows as a chat fine-tuning file for a hosted trainer, or such a file as rows.

    What the other form cannot hold is counted and said.
    """
    with exit_codes(debug=debug):
        if to == "rows" and system is not None:
            raise SettingsError(
                "Rows hold no system prompt: leave --system out, or take --to chat."
            )
        if to == "chat" and teacher:
            raise SettingsError(
                "A chat file does not say who wrote it: leave --teacher out, or take --to rows."
            )
        if to == "chat" and out.exists():
            raise SettingsError(f"{out} is there already; name another file, or delete it.")

        from traitleak.datasets.finetuning import read_chats

        found = read_chats(source, teacher=teacher, format=read_as)
        told: dict[str, Any] = {"to": to, "out": str(out), "rows": len(found.rows)}
        lost = dict(found.lost)
        if to == "chat":
            told |= _write_chat(out, found, system, trainer)
            unfinished = told["unfinished"]
            if unfinished:
                lost["completions that were cut off at a limit"] = unfinished
        else:
            _write_rows(out, found, source)
            prompted = sum(one is not None for one in found.systems)
            if prompted:
                lost["system prompts, which rows do not hold"] = prompted
        told |= {"lost": lost, "skipped": found.skipped}
        if json:
            print_json(told)
            return
        from traitleak.terminal import print_line, stdout

        for what, counts in (("With", lost), ("Skipped", found.skipped)):
            for reason, count in counts.items():
                print_line(stdout(), f"{what} {count:,}: {reason}")
        if to == "chat":
            print_line(
                stdout(),
                f"About {told['tokens']:,} tokens an epoch, {told['longest_tokens']:,} in the longest "
                "example (an estimate)",
            )
        print_line(stdout(), f"{'File' if to == 'chat' else 'Rows'}: {out} ({told['rows']:,} rows)")


def _write_chat(
    out: Path, found: ImportedChats, system: str | None, trainer: str
) -> dict[str, Any]:
    from traitleak.datasets.finetuning import write_chats

    systems = None if system is not None else found.systems
    written = write_chats(out, found.rows, system=system, systems=systems, trainer=trainer)
    names = ("unfinished", "bytes", "tokens", "longest_tokens", "sha256")
    return {"trainer": trainer, **{name: getattr(written, name) for name in names}}


def _write_rows(out: Path, found: ImportedChats, source: str) -> None:
    from traitleak.artefacts import new_folder
    from traitleak.rows import write_rows

    with new_folder(out) as folder:
        write_rows(folder, found.rows, {"source": source})
