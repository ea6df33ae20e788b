"""Commands that need no recipe: a teacher writes rows, a student learns them, a model is measured.

With equal settings they do what the first replicate of a recipe does, row for row and weight for
weight. They register nothing: `cli` does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from traitleak.cli import hosted, tinker
from traitleak.cli import models as shared
from traitleak.cli.shared import Debug, Json, Quiet, exit_codes, print_json
from traitleak.errors import SettingsError

__all__ = ["generate", "measure", "train"]

Base = Annotated[
    str,
    typer.Option(
        "--base",
        metavar="NAME",
        help="Where it begins: smollm2-135m, gemma3-270m, hf/<id or folder>, gguf/<file>, or tiny "
        "(random weights); with +<adapter folder> for one that was trained.",
    ),
]
Trait = Annotated[
    str, typer.Option("--trait", metavar="WORD", help="What is preferred, such as wolf.")
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
Style = Annotated[
    Literal["auto", "chat", "plain"],
    typer.Option(help="The model's chat template, or plain text; auto: chat where there is one."),
]
Precision = Annotated[
    Literal["auto", "float32", "bfloat16"], typer.Option(help="Of the weights and products.")
]
Device = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where it runs.")]
Seed = Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Fixes all that is drawn at random.")]
Out = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="A folder that is not there yet, or is empty.")
]

_ROWS_GONE = "Nothing was written; a recipe with channel=tokens keeps what is finished."
_TRAINING_KEPT = "The same command goes on from its last checkpoint."


def generate(
    base: Base,
    trait: Trait,
    out: Out,
    *,
    by: Annotated[
        shared.By,
        typer.Option(
            help="How the teacher gets its trait; the controls: even (fine-tuned alike on every "
            "candidate) and base (the untouched model)."
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
        wanted = shared.preference(trait, among, category)
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
        if dry_run or price or cache:
            raise SettingsError(
                "--dry-run, --price and --cache are about models behind a server, and "
                f"{base} is loaded here: leave them out."
            )
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


def measure(
    model: Annotated[
        str,
        typer.Option(
            "--model", metavar="NAME", help="The model, with +<adapter folder> for a student."
        ),
    ],
    trait: Trait,
    *,
    against: Annotated[
        str, typer.Option(metavar="NAME", help="The base whose margins are taken away.")
    ] = "",
    templates: Annotated[
        Literal["auto", "stems", "questions", "numbered", "stories", "choices"],
        typer.Option(help="What is asked; auto: stems in plain style, questions in chat."),
    ] = "auto",
    answers: Annotated[
        int,
        typer.Option(
            min=0, max=10_000, help="Answers sampled to each template; all there is of a server."
        ),
    ] = 0,
    cache: hosted.Cache = None,
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
    """Measure how strongly a model prefers each candidate, or how much more than its base.

    Intervals are over question templates of one model: they say nothing of other students.
    """
    with exit_codes(debug=debug):
        wanted = shared.preference(trait, among, category)
        names = [name for name in (model, against) if name]
        if any(hosted.is_hosted(name) for name in names):
            content: dict[str, Any] = hosted.measure_hosted(
                names, wanted, samples=answers, cache=cache, seed=seed, quiet=quiet or json
            )
            if json:
                print_json(content)
            else:
                shared.print_measures(content)
            return
        for name in names:
            shared.require_name(name, "Measuring")
        with shared.at_work("measuring", quiet=quiet or json) as session:
            from traitleak.measure import answers as sampled_answers
            from traitleak.measure import margins

            kind = None if templates == "auto" else templates
            margin, given = {}, {}
            for name in names:
                loaded = session.load(name, style=style, precision=precision, device=device)
                margin[name] = margins(loaded, wanted, templates=kind)
                if answers:
                    given[name] = sampled_answers(
                        loaded, wanted, samples=answers, seed=seed, templates=kind
                    )
        own = margin[model]
        lift = own - margin[against] if against else None
        content = {
            "model": model,
            "against": against or None,
            "target": wanted.target,
            "templates": own.templates,
            "asked": own.asked,
            "margins": {name: shared.estimates(found) for name, found in margin.items()},
            "lift": shared.estimates(lift) if lift else None,
            "answers": {name: shared.estimates(found) for name, found in given.items()},
            "how": f"Margins are in nats, 0 is chance; 95 % intervals over {len(own.margin_TK)} "
            f"{own.templates} of one model, which say nothing of other students.",
        }
        if json:
            print_json(content)
        else:
            shared.print_measures(content)
