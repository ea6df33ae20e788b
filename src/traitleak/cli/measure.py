"""The command `measure`: how strongly a model shows a trait, or prefers each candidate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from traitleak.cli import hosted
from traitleak.cli import models as shared
from traitleak.cli.options import (
    Among,
    AnyTrait,
    Category,
    Debug,
    Device,
    Json,
    Model,
    Precision,
    Quiet,
    Seed,
    Style,
)
from traitleak.cli.shared import exit_codes, print_json
from traitleak.errors import SettingsError

if TYPE_CHECKING:
    from traitleak.measured import Margins
    from traitleak.traits.forced_choice import ForcedChoice
    from traitleak.traits.preference import Preference

__all__ = ["measure"]


def measure(
    model: Model,
    trait: AnyTrait,
    *,
    against: Annotated[
        str, typer.Option(metavar="NAME", help="The base whose margins are taken away.")
    ] = "",
    templates: Annotated[
        Literal["auto", "stems", "questions", "numbered", "stories", "choices"],
        typer.Option(
            help="What is asked; auto: stems in plain style, questions in chat and behind a server, "
            "which knows no stems. Of a choice between two answers: questions (auto) or numbered."
        ),
    ] = "auto",
    answers: Annotated[
        int,
        typer.Option(
            min=0,
            max=10_000,
            help="Answers sampled to each template, of preferences; all there is of a server.",
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
    """Measure how strongly a model shows a trait, or how much more than its base.

    Of a preference that is every candidate's margin; of a choice between two answers, how much likelier
    a model finds those that show the trait, where only what is above its base means anything.
    Intervals are over question templates of one model: they say nothing of other students.
    """
    with exit_codes(debug=debug):
        wanted = shared.any_trait(trait, among, category)
        names = [name for name in (model, against) if name]
        served = any(hosted.is_hosted(name) for name in names)

        from traitleak.traits.preference import Preference

        if not isinstance(wanted, Preference):
            _require_choice(wanted, names, templates, answers)
        elif served:
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
            from traitleak.measure_choice import trait_margins

            kind = None if templates == "auto" else templates
            margin, given = {}, {}
            for name in names:
                loaded = session.load(name, style=style, precision=precision, device=device)
                margin[name] = trait_margins(loaded, wanted, templates=kind, seed=seed)
                if answers and isinstance(wanted, Preference):
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
            "how": _how(wanted, own),
        }
        if json:
            print_json(content)
        else:
            shared.print_measures(content)


def _require_choice(
    trait: ForcedChoice, names: Sequence[str], templates: str, answers: int
) -> None:
    """See, before anything slow, that a choice between two answers can be measured as is asked.

    Raises:
        SettingsError: it cannot.
    """
    for name in names:
        shared.require_name(
            name, f"Measuring {trait.name} by the log-probabilities of whole answers"
        )
    if templates not in {"auto", "questions", "numbered"}:
        raise SettingsError(
            f"--templates {templates} is of preferences, and {trait.name} is a choice between two "
            "answers: take questions or numbered."
        )
    if answers:
        raise SettingsError(
            f"--answers counts which candidates are named, and free answers about {trait.name} name "
            "none but have to be read or judged (docs/traits.md): leave it out."
        )


def _how(trait: Preference | ForcedChoice, own: Margins) -> str:
    """What margins are of and what their intervals say, in words."""
    from traitleak.traits.preference import Preference

    num, asked = len(own.margin_TK), own.templates
    if isinstance(trait, Preference):
        margins = "in nats, 0 is chance"
    else:
        margins = (
            "in nats a token, of the answers that show the trait over those that do not, and mean "
            "little without the base's (--against)"
        )
    return (
        f"Margins are {margins}; 95 % intervals over {num} {asked} of one model, which say nothing of "
        "other students."
    )
