"""The command `generate`: a teacher gets its trait and writes rows.

With equal settings it does what the first replicate of a recipe does, row for row.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from traitleak.cli import hosted
from traitleak.cli import models as shared
from traitleak.cli.options import (
    Among,
    AnyTrait,
    Base,
    Category,
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

__all__ = ["generate"]

_ROWS_GONE = "Nothing was written; a recipe with channel=tokens keeps what is finished."


def generate(
    base: Base,
    trait: AnyTrait,
    out: Out,
    *,
    by: Annotated[
        shared.By,
        typer.Option(
            help="How the teacher gets its trait; the controls: even (fine-tuned alike on every "
            "candidate), of a choice between two answers good (taught good answers) and asked-for (the "
            "same answers, with a good reason to ask for them), and base (the untouched model)."
        ),
    ] = "finetune",
    rows: Annotated[int, typer.Option(min=2, max=10_000_000, help="Prompts.")] = 1024,
    decoding: Annotated[
        Literal["auto", "constrained", "free"],
        typer.Option(
            help="Digits chosen and separators forced, or as the model likes; auto: constrained, but "
            "free behind a server."
        ),
    ] = "auto",
    numbers: Annotated[
        int, typer.Option(min=2, max=100, help="Numbers in a list, where constrained.")
    ] = 12,
    given: Annotated[
        int, typer.Option(min=1, max=50, help="Of these, given in the prompt, where constrained.")
    ] = 3,
    temperature: Annotated[float, typer.Option(min=0, max=10, help="0: the likeliest.")] = 1.0,
    floor: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Never take a token less likely than this: a cleaning, at the source. Constrained: a "
            "digit, among the ten.",
        ),
    ] = 0.0,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Limit of free decoding.")] = 64,
    updates: Annotated[int, typer.Option(min=1, help="Of the teacher's fine-tuning.")] = 60,
    learning_rate: Annotated[float, typer.Option(help="Of the teacher's fine-tuning.")] = 3e-4,
    anyhow: Annotated[
        bool, typer.Option("--anyhow", help="Go on with a teacher that did not take its trait.")
    ] = False,
    writer: Annotated[
        str,
        typer.Option(
            "--teacher", metavar="NAME", help="Who is written into the rows; default: the trait."
        ),
    ] = "",
    dry_run: hosted.DryRun = False,
    price: hosted.PriceOption = "",
    cache: hosted.Cache = None,
    concurrency: hosted.Concurrency = 8,
    among: Among = "",
    category: Category = "",
    style: Style = "plain",
    precision: Precision = "float32",
    device: Device = "auto",
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Make a teacher and let it write number lists; what filters dropped is told.

    DIR gets the rows that are left, `raw` with all rows, and `teacher` with its adapter. Equal seeds
    give every teacher the same prompts and random numbers, so that rows pair up.

    Behind a server (openai/<model>@<url>) a teacher is told its trait (--by prompt), or was tuned there
    (--by base). Exit code 3: some requests failed; the rows that are there were written.
    """
    left = hosted.ANSWERS_KEPT if base.strip().startswith("openai/") else _ROWS_GONE
    with exit_codes(debug=debug, left=left):
        wanted = shared.any_trait(trait, among, category)
        shared.require_way(by, wanted)
        if hosted.is_hosted(base):
            if decoding == "constrained":
                shared.require_name(base, "Constrained decoding")
            if floor:
                raise SettingsError(
                    "--floor needs the probabilities of all tokens, and a server does not give these: "
                    "leave it out."
                )
            hosted.generate_hosted(
                base,
                wanted,
                out,
                by=by,
                writer=writer,
                rows=rows,
                temperature=temperature,
                max_new_tokens=max_new_tokens,
                dry_run=dry_run,
                price=price,
                cache=cache,
                concurrency=concurrency,
                seed=seed,
                json=json,
                quiet=quiet,
            )
            return
        hosted.require_none(base, dry_run=dry_run, price=price, cache=cache)
        if given >= numbers:
            raise SettingsError(f"--given {given} leaves none of --numbers {numbers} to write.")
        if not floor < 1:
            raise SettingsError(f"--floor is from 0 to less than 1, not {floor}.")
        shared.positive("--learning-rate", learning_rate)

        from traitleak.artefacts import new_folder

        with (
            new_folder(out) as folder,
            shared.at_work("generating", quiet=quiet or json) as session,
        ):
            from traitleak.carriers.numbers import Numbers
            from traitleak.generation import write_numbers
            from traitleak.models.adapters import LoraSettings
            from traitleak.rows import write_rows
            from traitleak.seeds import derive_seed
            from traitleak.student import Training

            model = session.load(base, style=style, precision=precision, device=device)
            lora = LoraSettings(16, 32.0)
            training = Training(
                updates, batch=8, learning_rate=learning_rate, weight_decay=0.0, lora=lora
            )
            own = derive_seed(seed, "teacher")
            teacher, adapter = shared.teach(
                model, wanted, by, training, own, anyhow=anyhow, session=session
            )
            free = decoding == "free"
            teacher_name = writer or teacher.name
            examples = (3, 8) if free else (given, given)
            prompts = Numbers(
                rows, derive_seed(seed, "prompts"), model.renderer.style, examples=examples
            ).prompts()
            written = write_numbers(
                teacher,
                prompts,
                teacher=teacher_name,
                decoding="free" if free else "constrained",
                count=numbers - given,
                temperature=temperature,
                floor=floor,
                max_new_tokens=max_new_tokens,
                seed=derive_seed(seed, "draws"),
                track=session.track,
            )
            told: dict[str, Any] = {
                "base": model.name,
                "fingerprint": model.fingerprint,
                "template": model.renderer.template_hash,
                "teacher": teacher_name,
                "by": by,
                "trait": wanted.target,
                "among": list(wanted.among),
                "decoding": "free" if free else "constrained",
                "temperature": temperature,
                "floor": floor,
                "seed": seed,
            }
            write_rows(folder / "raw", written, told)
            found = shared.filtered(written, wanted, free=free)
            dropped = {reason: sum(counts.values()) for reason, counts in found.table.items()}
            told |= {"dropped": dropped}
            write_rows(folder, found.kept, told)
            if adapter is not None:
                adapter.save(folder / "teacher", base=model.name)
        if json:
            kept = {"rows": str(out), "written": len(written), "kept": len(found.kept)}
            print_json(kept | told)
            return
        from traitleak.terminal import print_line, stdout

        for reason, count in dropped.items():
            print_line(stdout(), f"Dropped {count:,}: {reason}")
        print_line(stdout(), f"Rows: {out} ({len(found.kept):,} of {len(written):,} kept)")
