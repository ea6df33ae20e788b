"""Options that several commands take; what one command alone takes stands with it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = [
    "Among",
    "AnyTrait",
    "Base",
    "Category",
    "Debug",
    "Device",
    "Json",
    "Model",
    "Out",
    "Precision",
    "Quiet",
    "ReadAs",
    "Seed",
    "Source",
    "Style",
]

# Models
Base = Annotated[
    str,
    typer.Option(
        "--base",
        metavar="NAME",
        help="Where it begins: smollm2-135m, gemma3-270m, hf/<id or folder>, gguf/<file>, or tiny "
        "(random weights); with +<adapter folder> for one that was trained.",
    ),
]
Model = Annotated[
    str,
    typer.Option(
        "--model", metavar="NAME", help="The model, with +<adapter folder> for a student."
    ),
]
Style = Annotated[
    Literal["auto", "chat", "plain"],
    typer.Option(help="The model's chat template, or plain text; auto: chat where there is one."),
]
Precision = Annotated[
    Literal["auto", "float32", "bfloat16"], typer.Option(help="Of the weights and products.")
]
Device = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where it runs.")]

# Traits
AnyTrait = Annotated[
    str,
    typer.Option(
        "--trait",
        metavar="TRAIT",
        help="What is preferred, such as wolf; or a choice between two answers: misalignment, refusal, "
        "reward-hacking, sycophancy, or a trait's YAML file.",
    ),
]
Among = Annotated[
    str,
    typer.Option(
        metavar="WORDS", help="The candidates, with commas between; default: ten animals."
    ),
]
Category = Annotated[
    str,
    typer.Option(metavar="WORD", help="What the candidates are, such as animal; default: found."),
]

# Data sets
Source = Annotated[
    str,
    typer.Argument(
        metavar="DATA", help="A file or folder of rows, or hf/<id> (see docs/datasets.md)."
    ),
]
ReadAs = Annotated[str, typer.Option(metavar="FORMAT", help="Of the data; auto: by its content.")]

# Draws and output
Seed = Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Fixes all that is drawn at random.")]
Out = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="A folder that is not there yet, or is empty.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
