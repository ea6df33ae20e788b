"""What `train` does with a base that Tinker trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from traitleak.cli import models as shared
from traitleak.cli.shared import print_json
from traitleak.errors import SettingsError

if TYPE_CHECKING:
    from traitleak.models.language_model import LanguageModel
    from traitleak.models.tinker import TinkerBase
    from traitleak.rows import Row
    from traitleak.student import Arm

__all__ = [
    "PricePerMillion",
    "Tokenizer",
    "TrainDryRun",
    "is_tinker",
    "require_no_tinker",
    "train_at_tinker",
]

TrainDryRun = Annotated[
    bool, typer.Option("--dry-run", help="At Tinker: count tokens and price; send nothing.")
]
PricePerMillion = Annotated[
    float | None,
    typer.Option("--price", min=0, help="At Tinker: its price for a million training tokens."),
]
Tokenizer = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="At Tinker: the model whose tokenizer the base has, whose weights are not read; default: "
        "hf/<model>.",
    ),
]
_MILLION = 1_000_000


def is_tinker(base: str) -> bool:
    """Whether a name is that of a base that Tinker trains."""
    return base.strip().startswith("tinker/")


def train_at_tinker(
    rows: Path,
    read: Sequence[Row],
    base: str,
    out: Path,
    settings: Mapping[str, Any],
    *,
    tokenizer: str,
    dry_run: bool,
    price: float | None,
    style: Literal["auto", "chat", "plain"],
    seed: int,
    json: bool,
    quiet: bool,
) -> None:
    """Train a student at Tinker and fetch its adapter, or count what that would take.

    Args:
        rows: where the rows lie.
        read: the rows.
        base: the name of the base.
        out: the folder to be.
        settings: those of `Training`, and `rank` and `alpha` of the adapter.
        tokenizer: the model whose tokenizer encodes the rows; "" for the base's own.
        dry_run: whether to count only.
        price: for a million training tokens.
        style: how prompts are rendered.
        seed: fixes all that is drawn at random.
        json: print JSON.
        quiet: show no progress.

    Raises:
        SettingsError: a setting that the service does not have.
        ServerError: the service cannot be reached, refuses or fails.
        DataError: the rows or the tokenizer are not there.
    """
    from traitleak.artefacts import new_folder
    from traitleak.hosted_students import distill_hosted, planned_tokens, require_hosted
    from traitleak.models.adapters import LoraSettings
    from traitleak.models.tinker import parse_tinker
    from traitleak.student import Training
    from traitleak.terminal import print_line, stdout

    named = parse_tinker(base)
    own = dict(settings)
    lora = LoraSettings(own.pop("rank"), own.pop("alpha"))
    training = Training(**own, lora=lora)
    if dry_run:
        with shared.at_work("counting", quiet=quiet or json) as session:
            _, arm, _ = _prepared(rows, read, named, tokenizer, style, seed, session)
        require_hosted(arm, training)
        tokens = planned_tokens(arm, training)
        counts = {"updates": training.updates, "tokens": tokens, "price": _cost(tokens, price)}
        if json:
            print_json(counts)
            return
        print_line(stdout(), f"Updates: {training.updates:,}")
        print_line(stdout(), f"Training tokens, prompts with them: {tokens:,}")
        if price is not None:
            print_line(stdout(), f"Price: {_cost(tokens, price):,.4f}")
        return
    with new_folder(out) as folder, shared.at_work("training", quiet=quiet or json) as session:
        model, arm, share = _prepared(rows, read, named, tokenizer, style, seed, session)
        student = distill_hosted(
            named,
            arm,
            training,
            folder,
            checkpoint=out.with_name(f".checkpoint-{out.name}.json"),
            say=session.say,
            track=session.track,
        )
        if student.tokenizer and model.name != f"hf/{student.tokenizer}":
            session.say(
                f"Tinker says that the base has the tokenizer {student.tokenizer}; the rows were "
                f"encoded with that of {model.name}. See that these are the same."
            )
        told = {
            "base": named.text,
            "tokenizer": model.name,
            "tokenizer_there": student.tokenizer,
            "template": model.renderer.template_hash,
            "sampler": student.sampler,
            "files": list(student.files),
            "rows": len(read),
            "share_trained": share,
            **own,
            "rank": lora.rank,
            "seed": seed,
            "tokens_sent": student.tokens,
            "price": _cost(student.tokens, price),
        }
        losses = student.course.losses
        shared.write_training(folder, told, losses)
    if json:
        print_json({"adapter": str(out), **told, "losses": losses})
        return
    course = f"{len(losses):,} updates, loss {losses[0]:.3f} to {losses[-1]:.3f}"
    what = "Adapter" if student.files else "No adapter, but its record"
    print_line(stdout(), f"Sent: {student.tokens:,} tokens to be trained on")
    print_line(stdout(), f"At Tinker: {student.sampler}")
    print_line(stdout(), f"{what}: {out} ({course})")


def _prepared(
    rows: Path,
    read: Sequence[Row],
    named: TinkerBase,
    tokenizer: str,
    style: Literal["auto", "chat", "plain"],
    seed: int,
    session: shared.Session,
) -> tuple[LanguageModel, Arm, float]:
    """What encodes the rows, the student to be, and the share of all tokens that is trained on."""
    from traitleak.clean.cleaned import CLEANING, read_cleaned
    from traitleak.models.loading import load_unweighted
    from traitleak.seeds import derive_seed
    from traitleak.student import Arm, mask_example, token_examples

    cleaned = read_cleaned(rows) if (rows / CLEANING).is_file() else None
    model = load_unweighted(tokenizer or named.tokenizer, style=style, say=session.say)
    for note in model.renderer.notes:
        session.say(note)
    examples = token_examples(model, read, cleaned.weights if cleaned else None)
    mask = mask_example(model, examples)
    share = f"{mask.share:.0%} of all tokens"
    session.say(f"Trained on ({share}): {mask.trained!r} after {mask.context!r}, and so on")
    arm = Arm(read[0].teacher or "student", examples, derive_seed(seed, "student"))
    return model, arm, mask.share


def _cost(tokens: int, price: float | None) -> float | None:
    return None if price is None else tokens * price / _MILLION


def require_no_tinker(base: str, *, dry_run: bool, price: float | None, tokenizer: str) -> None:
    """Refuse what only Tinker has, for a base that is loaded here.

    Raises:
        SettingsError: one of these was given.
    """
    if dry_run or price is not None or tokenizer:
        raise SettingsError(
            f"--dry-run, --price and --tokenizer are about bases that Tinker trains, and {base} is "
            "loaded here: leave them out."
        )
