"""The command `measure`: how strongly a model prefers each candidate."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from traitleak.cli import hosted
from traitleak.cli import models as shared
from traitleak.cli.options import (
    Among,
    Category,
    Debug,
    Device,
    Json,
    Model,
    Precision,
    Quiet,
    Seed,
    Style,
    Trait,
)
from traitleak.cli.shared import exit_codes, print_json

__all__ = ["measure"]


def measure(
    model: Model,
    trait: Trait,
    *,
    against: Annotated[
        str, typer.Option(metavar="NAME", help="The base whose margins are taken away.")
    ] = "",
    templates: Annotated[
        Literal["auto", "stems", "questions", "numbered", "stories", "choices"],
        typer.Option(
            help="What is asked; auto: stems in plain style, questions in chat and behind a server, "
            "which knows no stems."
        ),
    ] = "auto",
    answers: Annotated[
        int,
        typer.Option(
            min=0, max=10_000, help="Answers sampled to each template; all there is of a server."
        ),
    ] = 0,
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
    """Measure how strongly a model prefers each candidate, or how much more than its base.

    Intervals are over question templates of one model: they say nothing of other students.
    """
    with exit_codes(debug=debug):
        wanted = shared.preference(trait, among, category)
        names = [name for name in (model, against) if name]
        if any(hosted.is_hosted(name) for name in names):
            hosted.measure_hosted(
                names,
                wanted,
                templates="questions" if templates == "auto" else templates,
                samples=answers,
                dry_run=dry_run,
                price=price,
                cache=cache,
                concurrency=concurrency,
                seed=seed,
                json=json,
                quiet=quiet,
            )
            return
        hosted.require_none(model, dry_run=dry_run, price=price, cache=cache)
        for name in names:
            shared.require_name(name, "Measuring")
        with shared.at_work("measuring", quiet=quiet or json) as session:
            from traitleak.measure import answers as sampled_answers
            from traitleak.measure import margins

            kind = None if templates == "auto" else templates
            margin, given = {}, {}
            for name in names:
                loaded = session.load(name, style=style, precision=precision, device=device)
                margin[name] = margins(loaded, wanted, templates=kind, seed=seed)
                if answers:
                    given[name] = sampled_answers(
                        loaded, wanted, samples=answers, seed=seed, templates=kind
                    )
        own = margin[model]
        lift = own - margin[against] if against else None
        content: dict[str, Any] = {
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
