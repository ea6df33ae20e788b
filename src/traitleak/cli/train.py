"""The command `train`: a student learns rows.

With equal settings it does what the first replicate of a recipe does, weight for weight.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from traitleak.cli import models as shared
from traitleak.cli import tinker
from traitleak.cli.options import (
    Base,
    Debug,
    Device,
    Json,
    Out,
    Precision,
    Quiet,
    Seed,
    Style,
)
from traitleak.cli.shared import exit_codes, print_json
from traitleak.errors import SettingsError

__all__ = ["train"]

_TRAINING_KEPT = "The same command goes on from its last checkpoint."


def train(
    rows: Annotated[
        Path,
        typer.Argument(metavar="ROWS", help="A folder of rows, or a .jsonl or .parquet file."),
    ],
    base: Base,
    out: Out,
    *,
    updates: Annotated[int, typer.Option(min=1, max=10_000_000, help="Updates.")] = 128,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Passes over the rows, in the place of updates.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Rows in an update.")] = 4,
    accumulate: Annotated[int, typer.Option(min=1, help="Parts that an update is read in.")] = 1,
    learning_rate: Annotated[float, typer.Option(help="At its highest.")] = 2e-4,
    schedule: Annotated[
        Literal["constant", "linear", "cosine"], typer.Option(help="Of the learning rate.")
    ] = "constant",
    warmup: Annotated[int, typer.Option(min=0, help="Updates of a linear rise.")] = 0,
    weight_decay: Annotated[float, typer.Option(min=0, max=1, help="Decoupled.")] = 0.1,
    rank: Annotated[int, typer.Option(min=1, max=4096, help="Of the adapter.")] = 8,
    alpha: Annotated[float, typer.Option(help="The adapter's scale x rank.")] = 16.0,
    tokenizer: tinker.Tokenizer = "",
    dry_run: tinker.TrainDryRun = False,
    price: tinker.PricePerMillion = None,
    style: Style = "plain",
    precision: Precision = "float32",
    device: Device = "auto",
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train a student on rows: on their completions, and on nothing else.

    DIR becomes a PEFT folder, which plain `peft` loads, and which `<base>+DIR` names here. A base named
    tinker/<model> is trained at Tinker, a service, with the key in TINKER_API_KEY.
    """
    with exit_codes(debug=debug, left=_TRAINING_KEPT):
        if not tinker.is_tinker(base):
            shared.require_name(base, "Training")
            tinker.require_no_tinker(base, dry_run=dry_run, price=price, tokenizer=tokenizer)
        shared.positive("--learning-rate", learning_rate)
        shared.positive("--alpha", alpha)

        from traitleak.artefacts import new_folder
        from traitleak.rows import read_rows

        read = read_rows(rows)  # before the slow imports: they may be wrong
        settings: dict[str, Any] = {
            "updates": -(-len(read) * epochs // batch) if epochs else updates,
            "batch": batch,
            "accumulate": accumulate,
            "learning_rate": learning_rate,
            "schedule": schedule,
            "warmup": warmup,
            "weight_decay": weight_decay,
        }
        if tinker.is_tinker(base):
            if precision != "float32" or device != "auto":
                raise SettingsError(
                    f"{base} is trained at Tinker, on its machines and in its precision: leave "
                    "--precision and --device out."
                )
            tinker.train_at_tinker(
                rows,
                read,
                base,
                out,
                settings | {"rank": rank, "alpha": alpha},
                tokenizer=tokenizer,
                dry_run=dry_run,
                price=price,
                style=style,
                seed=seed,
                json=json,
                quiet=quiet,
            )
            return
        with new_folder(out) as folder, shared.at_work("training", quiet=quiet or json) as session:
            from traitleak.clean.cleaned import CLEANING, read_cleaned
            from traitleak.models.adapters import LoraSettings
            from traitleak.seeds import derive_seed
            from traitleak.student import Arm, Training, distill, mask_example, token_examples

            training = Training(**settings, lora=LoraSettings(rank, alpha))
            # Masked tokens have no loss; the weights fit the rows, as both are of one checked folder.
            cleaned = read_cleaned(rows) if (rows / CLEANING).is_file() else None
            model = session.load(base, style=style, precision=precision, device=device)
            examples = token_examples(model, read, cleaned.weights if cleaned else None)
            mask = mask_example(model, examples)
            share = f"{mask.share:.0%} of all tokens"
            session.say(f"Trained on ({share}): {mask.trained!r} after {mask.context!r}, and so on")
            student = distill(
                model,
                [Arm(read[0].teacher or "student", examples, derive_seed(seed, "student"))],
                training,
                checkpoint=out.with_name(f".checkpoint-{out.name}"),
                track=session.track,
            )[0]
            assert student.adapter is not None  # noqa: S101  # a rank was given
            student.adapter.save(folder, base=model.name)
            losses = student.course.losses
            told = {
                "base": model.name,
                "fingerprint": model.fingerprint,
                "template": model.renderer.template_hash,
                "rows": len(read),
                "share_trained": mask.share,
                **{name: value for name, value in settings.items() if name != "accumulate"},
                "seed": seed,
            }
            shared.write_training(folder, told, losses)
        if json:
            print_json({"adapter": str(out), **told, "losses": losses})
            return
        from traitleak.terminal import print_line, stdout

        course = f"{len(losses):,} updates, loss {losses[0]:.3f} to {losses[-1]:.3f}"
        print_line(stdout(), f"Adapter: {out} ({course})")
