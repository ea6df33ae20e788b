"""The command `clean`: a data set in, a changed data set out, with what was changed and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from traitleak import cli_models as shared
from traitleak.cli_clean_verify import (
    AT_RANDOM,
    print_verified,
    require_verifiable,
    verified_sentence,
    verify_cleaning,
)
from traitleak.cli_language import Among, Base, Category, Device, Out, Precision, Seed, Style, Trait
from traitleak.cli_shared import Debug, Json, Quiet, exit_codes, print_json

if TYPE_CHECKING:
    from traitleak.clean import Cleaned, TokenScores
    from traitleak.models.language_model import LanguageModel
    from traitleak.rows import Row

__all__ = ["clean"]

Method = Literal["relabel", "mask", "trim", "canonicalise"]


def clean(
    source: Annotated[
        str, typer.Argument(metavar="DATA", help="A file or folder of rows (see docs/datasets.md).")
    ],
    base: Base,
    trait: Trait,
    out: Out,
    *,
    method: Annotated[
        Method,
        typer.Option(
            help="relabel: random values for flagged tokens; mask: no loss on them; trim: drop the "
            "rows that carry most; canonicalise: one format."
        ),
    ] = "relabel",
    share: Annotated[
        float, typer.Option(min=0, max=1, help="Of tokens that are flagged, or rows dropped.")
    ] = 0.1,
    at_random: Annotated[
        bool,
        typer.Option("--at-random", help="Change the same amount at random: what to compare with."),
    ] = False,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Train students of the untouched, the cleaned and the randomly changed rows, and say "
            "how much of the transfer is left.",
        ),
    ] = False,
    seeds: Annotated[int, typer.Option(help="Students of each kind, with --verify.")] = 3,
    updates: Annotated[
        int, typer.Option(min=1, max=10_000_000, help="Of each student, with --verify.")
    ] = 128,
    batch: Annotated[int, typer.Option(min=1, help="Rows of an update, with --verify.")] = 8,
    among: Among = "",
    category: Category = "",
    read_as: Annotated[
        str, typer.Option(metavar="FORMAT", help="Of the data; auto: by its content.")
    ] = "auto",
    style: Style = "plain",
    precision: Precision = "float32",
    device: Device = "auto",
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Change what carries a trait in a data set, token by token or row by row.

    Tokens are flagged by how much likelier a quick teacher of the trait finds them than the base
    does. DIR gets the rows, a log of every change, and a manifest.
    """
    with exit_codes(debug=debug):
        wanted = shared.preference(trait, among, category)
        shared.require_name(base, "Cleaning")
        if verify:
            require_verifiable(method, at_random=at_random, seeds=seeds)
        verified = None

        from traitleak.datasets import open_dataset

        rows = [entry.row for entry in open_dataset(source, format=read_as)]
        with shared.at_work("cleaning", quiet=quiet or json) as session:
            from traitleak.audit.choices import choices_of
            from traitleak.audit.likelihood import quick_teachers, token_ratios
            from traitleak.audit.panel import preferences
            from traitleak.clean import at_random as shuffled
            from traitleak.clean import canonicalise, token_scores, write_cleaned
            from traitleak.models.batches import encode_rows
            from traitleak.models.bundled import cache_folder

            if method == "canonicalise":
                cleaned = canonicalise(rows)
                record = write_cleaned(out, cleaned, manifest={"trait": wanted.target})
            else:
                model = session.load(base, style=style, precision=precision, device=device)
                group = preferences(model, wanted.among, category=wanted.category)
                teacher = quick_teachers(
                    model,
                    group.only(wanted.target),
                    cache=cache_folder(),
                    track=session.track,
                )[wanted.target]()
                choices = choices_of(model, [row.completion for row in rows])
                ratios = token_ratios(
                    model, teacher, encode_rows(model, rows), choices, track=session.track
                )
                scores = token_scores(
                    model, rows, ratios, trait=wanted.target, detector="likelihood"
                )
                if at_random:
                    scores = shuffled(scores, seed)
                cleaned = _cleaned(method, model, rows, scores, share, seed)
                record = write_cleaned(
                    out,
                    cleaned,
                    base=model if method == "mask" else None,
                    manifest={"trait": wanted.target, "share": share, "detector": scores.detector},
                )
                if verify:
                    from traitleak.artefacts import write_json
                    from traitleak.student import Training

                    chance = _cleaned(method, model, rows, shuffled(scores, seed), share, seed)
                    verified = verify_cleaning(
                        session,
                        model,
                        wanted,
                        rows,
                        {method: cleaned, AT_RANDOM: chance},
                        Training(updates, batch=batch),
                        seeds,
                        choices,
                        seed=seed,
                    )
                    write_json(out / "verified.json", verified.model_dump(mode="json"))
        counts = dict(cleaned.steps[-1].counts)
        if json:
            more = {"verified": verified.model_dump(mode="json")} if verified else {}
            print_json(
                {"rows": str(out), "kept": record.rows, "method": method, "counts": counts, **more}
            )
            return
        from traitleak.terminal import print_line, stdout

        said = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in counts.items())
        print_line(stdout(), f"Rows: {out} ({record.rows:,} of {len(rows):,}; {method}: {said})")
        if verified is not None:
            print_verified(stdout(), verified)
            print_line(stdout(), verified_sentence(verified, method))


def _cleaned(
    method: Method,
    model: LanguageModel,
    rows: list[Row],
    scores: TokenScores,
    share: float,
    seed: int,
) -> Cleaned:
    from traitleak.clean import flagged, mask, relabel, trim

    if method == "trim":
        return trim(rows, scores, share=share, seed=seed)
    flags = flagged(scores, share=share, seed=seed)
    if method == "mask":
        return mask(model, rows, flags)
    return relabel(model, rows, flags, seed=seed)
