"""What `generate` and `measure` do with a model behind a server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from traitleak.cli import models as shared
from traitleak.cli.shared import print_json
from traitleak.errors import DataError, SettingsError

if TYPE_CHECKING:
    from traitleak.hosted import HostedRows
    from traitleak.models.remote import RemoteModel
    from traitleak.models.remote_cost import Estimate, Price, Usage
    from traitleak.traits.forced_choice import ForcedChoice
    from traitleak.traits.preference import Preference, Templates

__all__ = [
    "ANSWERS_KEPT",
    "Cache",
    "Concurrency",
    "DryRun",
    "PriceOption",
    "generate_hosted",
    "is_hosted",
    "measure_hosted",
    "require_none",
]

DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Behind a server: count requests, tokens and price; send nothing."
    ),
]
PriceOption = Annotated[
    str,
    typer.Option(
        "--price",
        metavar="IN,OUT",
        help="Behind a server: its price for a million prompt and completion tokens.",
    ),
]
Cache = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        metavar="DIR",
        help="Behind a server: where answers are kept, so that none is paid twice; default: the "
        "user's cache.",
    ),
]
Concurrency = Annotated[
    int, typer.Option(min=1, max=1024, help="Behind a server: requests under way at once.")
]

ANSWERS_KEPT: Final = "Answers are kept: the same command sends only what is missing."
_SOME_MISSING: Final = 3  # the exit code where rows are missing


def is_hosted(name: str) -> bool:
    """Whether a name is that of a model behind a server.

    Raises:
        SettingsError: it has none of the forms of a model's name.
    """
    from traitleak.models.names import parse_name

    return parse_name(name).kind == "openai"


def require_none(name: str, *, dry_run: bool, price: str, cache: Path | None) -> None:
    """See that what is about servers is not asked of a model that is loaded here.

    Raises:
        SettingsError: it is.
    """
    if dry_run or price or cache:
        raise SettingsError(
            "--dry-run, --price and --cache are about models behind a server, and "
            f"{name} is loaded here: leave them out."
        )


def generate_hosted(
    base: str,
    trait: Preference | ForcedChoice,
    out: Path,
    *,
    by: str,
    writer: str,
    rows: int,
    temperature: float,
    max_new_tokens: int,
    dry_run: bool,
    price: str,
    cache: Path | None,
    concurrency: int,
    seed: int,
    json: bool,
    quiet: bool,
) -> None:
    """Let a teacher behind a server write number lists, or count what that would take.

    Raises:
        SettingsError: a way of making a teacher that needs its weights.
        ServerError: nothing was answered.
        DataError: no row passes the filters.
        typer.Exit: with 3, where requests failed: the rows that are there were written.
    """
    from traitleak.artefacts import new_folder
    from traitleak.carriers.numbers import Numbers
    from traitleak.models.remote_cost import Tally, parse_price
    from traitleak.seeds import derive_seed
    from traitleak.terminal import print_line, stderr, stdout, track_for

    if by not in {"prompt", "base"}:
        raise SettingsError(
            f"--by {by} needs a model's weights, and {base} is behind a server: take --by prompt, or "
            "--by base for one that was fine-tuned where it is served (with --teacher, its name)."
        )
    asked = None if not price else parse_price(price)
    model = _model(base, cache, concurrency, Tally())
    teacher = writer or (trait.target if by == "prompt" else "neutral")
    settings: dict[str, Any] = {
        "system": trait.system_prompt() if by == "prompt" else None,
        "temperature": temperature,
        "max_new_tokens": max_new_tokens,
        "seed": derive_seed(seed, "draws"),
    }
    prompts = Numbers(rows, derive_seed(seed, "prompts"), "chat").prompts()
    if dry_run:
        _print_estimate(model.estimate(prompts, **settings), asked, json=json)
        return
    console = stderr(quiet=quiet or json)
    print_line(
        console, f"Model {base}: the server renders its own chat template, and decodes freely"
    )
    with new_folder(out) as folder:
        from traitleak.hosted import write_hosted
        from traitleak.rows import write_rows

        with track_for(console) as track:
            written = write_hosted(model, prompts, teacher=teacher, track=track, **settings)
        assert model.tally is not None  # noqa: S101  # it was given
        told: dict[str, Any] = {
            "base": base,
            "teacher": teacher,
            "by": by,
            "trait": trait.target,
            "among": list(trait.among),
            "decoding": "free",
            "seed": seed,
            **{name: settings[name] for name in ("system", "temperature", "max_new_tokens")},
            "requests": _usage(model.tally.usage, asked),
            "refused": sorted(written.refused),
            "filtered": list(written.filtered),
            "missing": {"ids": sorted(written.missing), "reasons": written.reasons},
        }
        if not written.rows:
            raise DataError(f"The server refused or filtered every prompt. {ANSWERS_KEPT}")
        write_rows(folder / "raw", written.rows, told)
        try:
            found = shared.filtered(written.rows, trait, free=True)
        except DataError as error:
            raise DataError(f"{error} {ANSWERS_KEPT}") from error
        dropped = {reason: sum(counts.values()) for reason, counts in found.table.items()}
        told["dropped"] = dropped
        write_rows(folder, found.kept, told)
    if json:
        counts = {"rows": str(out), "written": len(written.rows), "kept": len(found.kept)}
        print_json(counts | told)
    else:
        print_line(console, _usage_line(model.tally.usage, asked))
        for line in _lost_lines(written, dropped):
            print_line(stdout(), line)
        kept = f"{len(found.kept):,} of {len(prompts):,} kept"
        print_line(stdout(), f"Rows: {out} ({kept})")
    if written.missing:
        print_line(
            console,
            f"{len(written.missing):,} rows are missing. The same command, with another folder, asks "
            "for these alone.",
        )
        raise typer.Exit(_SOME_MISSING)


def measure_hosted(
    names: list[str],
    trait: Preference,
    *,
    templates: Templates,
    samples: int,
    dry_run: bool,
    price: str,
    cache: Path | None,
    concurrency: int,
    seed: int,
    json: bool,
    quiet: bool,
) -> None:
    """Print shares of the answers of models behind servers, or count what asking them would take.

    Raises:
        SettingsError: a model that is loaded here among them, no answers wanted, or sentences.
        ServerError: an answer is missing.
    """
    from traitleak.hosted import estimate_answers, hosted_answers
    from traitleak.models.remote_cost import Tally, parse_price
    from traitleak.terminal import print_line, stderr, track_for

    local = [name for name in names if not is_hosted(name)]
    if local:
        raise SettingsError(
            f"{local[0]} is loaded here and the other model is behind a server, where only answers can "
            "be had, to a template that is not seen: serve it too (traitleak serve) to compare them."
        )
    if not samples:
        raise SettingsError(
            "A model behind a server gives no logits, so there is no margin: measure its answers with "
            "--answers, such as --answers 20."
        )
    asked = None if not price else parse_price(price)
    tally = Tally()
    models = {name: _model(name, cache, concurrency, tally) for name in names}
    settings: dict[str, Any] = {"samples": samples, "seed": seed, "templates": templates}
    if dry_run:
        each = [estimate_answers(model, trait, **settings) for model in models.values()]
        _print_estimate(_summed(each), asked, json=json)
        return
    console = stderr(quiet=quiet or json)
    with track_for(console) as track:
        given = {
            name: hosted_answers(model, trait, track=track, **settings)
            for name, model in models.items()
        }
    first = given[names[0]]
    content = {
        "model": names[0],
        "against": names[1] if len(names) > 1 else None,
        "target": trait.target,
        "templates": first.templates,
        "asked": first.asked,
        "margins": {},
        "lift": None,
        "answers": {name: shared.estimates(found) for name, found in given.items()},
        "how": f"Shares of answers that name each; 95 % intervals over {len(first.prompts)} "
        f"{first.templates} to one model, which say nothing of other students.",
        "requests": _usage(tally.usage, asked),
    }
    if json:
        print_json(content)
        return
    print_line(console, _usage_line(tally.usage, asked))
    shared.print_measures(content)


def _summed(estimates: Sequence[Estimate]) -> Estimate:
    """What several models will be asked, together."""
    from traitleak.models.remote_cost import Estimate

    return Estimate(
        requests=sum(one.requests for one in estimates),
        kept=sum(one.kept for one in estimates),
        prompt_tokens=sum(one.prompt_tokens for one in estimates),
        completion_tokens=sum(one.completion_tokens for one in estimates),
    )


def _model(name: str, cache: Path | None, concurrency: int, tally: Any) -> RemoteModel:
    from dataclasses import replace

    from traitleak.models.remote import remote_model
    from traitleak.models.remote_cache import RequestCache, requests_folder

    kept = RequestCache(cache or requests_folder())
    return replace(remote_model(name, cache=kept, tally=tally), concurrency=concurrency)


def _print_estimate(estimate: Estimate, price: Price | None, *, json: bool) -> None:
    """What a run would take, on stdout."""
    from traitleak.terminal import print_line, stdout

    least = most = None
    if price is not None:
        least = price.of(estimate.prompt_tokens, 0)
        most = price.of(estimate.prompt_tokens, estimate.completion_tokens)
    if json:
        print_json(
            {
                "requests": estimate.requests,
                "answered_before": estimate.kept,
                "prompt_tokens_estimated": estimate.prompt_tokens,
                "completion_tokens_at_most": estimate.completion_tokens,
                "price_least": least,
                "price_most": most,
            }
        )
        return
    lines = [
        f"Requests: {estimate.requests:,} ({estimate.kept:,} more are answered already)",
        f"Prompt tokens: about {estimate.prompt_tokens:,} (an estimate: the server's tokenizer is "
        "not known here)",
        f"Completion tokens: {estimate.completion_tokens:,} at most",
    ]
    if least is not None and most is not None:
        lines.append(f"Price: from {least:,.4f} to {most:,.4f}, without retries")
    for line in lines:
        print_line(stdout(), line)


def _usage(usage: Usage, price: Price | None) -> dict[str, Any]:
    cost = None if price is None else price.of(usage.prompt_tokens, usage.completion_tokens)
    return {
        "answered": usage.requests,
        "answered_before": usage.kept,
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "without_usage": usage.unreported,
        "price": cost,
    }


def _lost_lines(written: HostedRows, dropped: Mapping[str, int]) -> Iterator[str]:
    """Which prompts have no row, and why."""
    for what, count in (
        ("the model refused", len(written.refused)),
        ("a filter of the server", len(written.filtered)),
    ):
        if count:
            yield f"Not answered {count:,}: {what}"
    for reason, count in written.reasons.items():
        yield f"Missing {count:,}: {reason}"
    for reason, count in dropped.items():
        yield f"Dropped {count:,}: {reason}"


def _usage_line(usage: Usage, price: Price | None) -> str:
    said = (
        f"Server: {usage.requests:,} answered now, {usage.kept:,} before; {usage.prompt_tokens:,} "
        f"prompt and {usage.completion_tokens:,} completion tokens, as it reports"
    )
    if usage.unreported:
        said += f" ({usage.unreported:,} answers came without a report)"
    if price is not None:
        said += f"; price {price.of(usage.prompt_tokens, usage.completion_tokens):,.4f}"
    return said
