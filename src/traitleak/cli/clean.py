"""The command `clean`: a data set in, a changed data set out, with what was changed and why."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from traitleak.cli import models as shared
from traitleak.cli.clean_verify import (
    print_verified,
    require_verifiable,
    verified_sentence,
    verify_cleaning,
)
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
    ReadAs,
    Seed,
    Style,
)
from traitleak.cli.shared import exit_codes, print_json
from traitleak.errors import SettingsError

if TYPE_CHECKING:
    from traitleak.audit.detectors.panel import ChoiceGroup, Group
    from traitleak.clean import Amounts, Cleaned, TokenScores
    from traitleak.clean.in_order import Scorer
    from traitleak.cli.models import Session
    from traitleak.datasets import Drawn
    from traitleak.models.language_model import LanguageModel
    from traitleak.rows import Row
    from traitleak.traits.forced_choice import ForcedChoice
    from traitleak.traits.preference import Preference

__all__ = ["clean"]


class Method(StrEnum):
    """The names that --method takes; an option that is given several times needs them as an Enum."""

    RELABEL = "relabel"
    MASK = "mask"
    TRIM = "trim"
    DILUTE = "dilute"
    CANONICALISE = "canonicalise"
    THRESHOLD = "threshold"


_OF_SCORES = {"relabel", "mask", "trim"}
_OPTIONS = {"--share": _OF_SCORES, "--ratio": {"dilute"}, "--floor": {"threshold"}}
_MOST = 10**9  # rows: all of them
_SAID = {"skipped": "Rows left out", "lost": "Left out of rows"}
_KEPT = "The same command goes on where it was."


def clean(
    source: Annotated[
        str, typer.Argument(metavar="DATA", help="A file or folder of rows (see docs/datasets.md).")
    ],
    out: Out,
    *,
    base: Base = "",
    trait: AnyTrait = "",
    method: Annotated[
        list[Method] | None,
        typer.Option(
            help="relabel (default): random values for flagged tokens; mask: no loss on them; trim: "
            "drop the rows that carry most; dilute: add the base's answers to the same prompts; "
            "canonicalise: one format; threshold: draw anew what the base finds unlikely. Several, one "
            "after another: name it again."
        ),
    ] = None,
    share: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Of tokens that are flagged, or rows dropped.", show_default="0.1"
        ),
    ] = None,
    ratio: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Rows of the base for each row, with dilute.", show_default="1"
        ),
    ] = None,
    floor: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="The least probability of a token, with threshold.",
            show_default="0.05",
        ),
    ] = None,
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
    read_as: ReadAs = "auto",
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
    does, or, for a choice between two answers, than a quick teacher of the other answers. DIR gets
    the rows, a log of every change, and a manifest. canonicalise alone needs neither base nor trait,
    dilute and threshold no trait. With --verify the same command goes on after an interruption, and
    DIR is there when it is done.
    """
    with exit_codes(debug=debug, left=_KEPT if verify else ""):
        methods = [str(one) for one in method or [Method.RELABEL]]
        _require_options(
            methods,
            {"--share": share, "--ratio": ratio, "--floor": floor},
            base,
            trait,
            verify=verify,
        )
        wanted = shared.any_trait(trait, among, category) if trait else None
        if base:
            shared.require_name(base, "Cleaning")
        if verify:
            require_verifiable(at_random=at_random, seeds=seeds)

        from traitleak.artefacts import new_folder, remove, write_json
        from traitleak.datasets import draw, open_dataset

        found = draw(open_dataset(source, format=read_as), _MOST)
        rows = [entry.row for entry in found.rows]
        left_out = _left_out(found)
        work, verified = None, None
        with (
            new_folder(out) as folder,
            shared.at_work("cleaning", quiet=quiet or json) as session,
        ):
            from traitleak.clean import Amounts, write_cleaned
            from traitleak.clean.in_order import BY_CHOICE, require_order
            from traitleak.clean.readable import require_readable

            require_order(methods)
            if at_random and not BY_CHOICE & set(methods):
                raise SettingsError(
                    f"--at-random changes as much elsewhere, and {' and '.join(methods)} chooses "
                    "nothing: leave it out."
                )
            amounts = Amounts(
                share=0.1 if share is None else share,
                ratio=1.0 if ratio is None else ratio,
                floor=0.05 if floor is None else floor,
            )
            at_hand = _AtHand(session, rows, methods, amounts, wanted, seed)
            if base:
                at_hand.base = session.load(base, style=style, precision=precision, device=device)
                require_readable(at_hand.base, found.rows)
            if verify:
                from traitleak.student import Training

                assert at_hand.base is not None  # noqa: S101  # required above
                assert wanted is not None  # noqa: S101
                cleaned, verified, work = verify_cleaning(
                    session,
                    at_hand.base,
                    wanted,
                    rows,
                    at_hand.cleaned,
                    methods,
                    amounts,
                    Training(updates, batch=batch),
                    seeds,
                    lists=at_hand.lists,
                    out=out,
                    seed=seed,
                )
            else:
                cleaned = at_hand.cleaned(random=at_random)
            record = write_cleaned(
                folder,
                cleaned,
                base=at_hand.base if cleaned.weights is not None else None,
                manifest=_told(methods, wanted, amounts, at_random=at_random) | left_out,
            )
            if verified is not None:
                write_json(folder / "verified.json", verified.model_dump(mode="json"))
        if work is not None:
            remove(work)
        steps = [{"method": step.method, "counts": dict(step.counts)} for step in cleaned.steps]
        if json:
            more = {"verified": verified.model_dump(mode="json")} if verified else {}
            print_json(
                {
                    "rows": str(out),
                    "kept": record.rows,
                    "method": cleaned.method,
                    "counts": dict(cleaned.counts),
                    "steps": steps,
                    **left_out,
                    **more,
                }
            )
            return
        from traitleak.terminal import print_line, stdout

        for step in cleaned.steps:
            counts = ", ".join(f"{n.replace('_', ' ')} {c:,}" for n, c in step.counts.items())
            print_line(stdout(), f"{step.method}: {counts}")
        for what, reasons in left_out.items():
            told = ", ".join(f"{reason} ({count:,})" for reason, count in reasons.items())
            print_line(stdout(), f"{_SAID[what]}: {told}")
        print_line(stdout(), f"Rows: {out} ({record.rows:,} of {found.seen:,} before)")
        if verified is not None:
            print_verified(stdout(), verified)
            print_line(stdout(), verified_sentence(verified, cleaned.method))


class _AtHand:
    """What cleanings need, made when one asks for it."""

    def __init__(
        self,
        session: Session,
        rows: Sequence[Row],
        methods: Sequence[str],
        amounts: Amounts,
        trait: Preference | ForcedChoice | None,
        seed: int,
    ) -> None:
        self.base: LanguageModel | None = None
        self._session, self._rows, self._methods = session, rows, methods
        self._amounts, self._trait, self._seed = amounts, trait, seed
        self._teachers: list[LanguageModel] = []
        self._scored: list[tuple[Sequence[Row], TokenScores]] = []

    @property
    def lists(self) -> bool:
        """Whether the rows are number lists."""
        from traitleak.audit.detectors.choices import choices_of

        completions = [row.completion for row in self._rows]
        return self.base is not None and choices_of(self.base, completions).kind == "digits"

    def cleaned(self, *, random: bool) -> Cleaned:
        """The rows after all cleanings, or after as much change at random."""
        from traitleak.clean import clean_in_order

        scorer: Scorer | None = self._scores if self._trait is not None else None
        return clean_in_order(
            self._rows,
            self._methods,
            base=self.base,
            scorer=scorer,
            lists=self.lists,
            amounts=self._amounts,
            random=random,
            seed=self._seed,
            track=self._session.track,
        )

    def _scores(self, rows: Sequence[Row]) -> TokenScores:
        from traitleak.audit.detectors.choices import choices_of
        from traitleak.audit.detectors.likelihood import quick_teachers, token_ratios
        from traitleak.audit.detectors.panel import choice_group, preferences
        from traitleak.audit.detectors.teacher_cache import teachers_folder
        from traitleak.clean import token_scores
        from traitleak.models.batches import encode_rows
        from traitleak.traits.preference import Preference

        assert self.base is not None  # noqa: S101  # required beside a trait
        assert self._trait is not None  # noqa: S101  # else it is not asked for
        for known, scores in self._scored:
            if list(known) == list(rows):
                return scores
        trait, track = self._trait, self._session.track
        if not self._teachers:
            group: Group | ChoiceGroup
            if isinstance(trait, Preference):
                whole = preferences(self.base, trait.among, category=trait.category)
                group = whole.only(trait.target)
            else:
                group = choice_group(self.base, trait)
            taught = quick_teachers(self.base, group, cache=teachers_folder(), track=track)
            self._teachers = [make() for make in taught.values()]
        choices = choices_of(self.base, [row.completion for row in rows])
        encoded = encode_rows(self.base, rows)
        ratios, *beside = (
            token_ratios(self.base, teacher, encoded, choices, track=track)
            for teacher in self._teachers
        )
        for absence in beside:  # of a choice: the teacher of the other answers
            ratios = [own - other for own, other in zip(ratios, absence, strict=True)]
        scores = token_scores(self.base, rows, ratios, trait=trait.target, detector="likelihood")
        self._scored.append((rows, scores))
        return scores


def _require_options(
    methods: Sequence[str],
    amounts: dict[str, float | None],
    base: str,
    trait: str,
    *,
    verify: bool,
) -> None:
    """See, before anything slow, that what the methods need is there, and nothing else.

    Raises:
        SettingsError: it is not.
    """
    chosen = set(methods)
    for option, value in amounts.items():
        if value is not None and not _OPTIONS[option] & chosen:
            raise SettingsError(
                f"{option} is of {', '.join(sorted(_OPTIONS[option]))}, and the cleaning is "
                f"{' and '.join(methods)}: leave it out."
            )
    if amounts["--share"] == 1 and "trim" in chosen:
        raise SettingsError("--share is less than 1 with trim, or no row is left.")
    if amounts["--ratio"] == 0:
        raise SettingsError("--ratio is greater than 0; with 0, dilute adds nothing.")
    if amounts["--floor"] == 1:
        raise SettingsError("--floor is less than 1: no token is certain.")
    needs = [name for name in methods if name != "canonicalise"]
    if not base and (needs or verify):
        what = (
            f"The cleaning {needs[0]} reads rows with a base" if needs else "--verify trains a base"
        )
        raise SettingsError(f"{what}: name it with --base, such as --base smollm2-135m.")
    scored = [name for name in methods if name in _OF_SCORES]
    if not trait and (scored or verify):
        what = (
            f"The cleaning {scored[0]} looks for a trait" if scored else "--verify measures a trait"
        )
        raise SettingsError(f"{what}: name it with --trait, such as --trait wolf.")


def _left_out(found: Drawn) -> dict[str, dict[str, int]]:
    """What of the data set is not in the rows that are cleaned, by reason; nothing where all is."""
    prompted = sum(entry.system is not None for entry in found.rows)
    lost = {**found.lost, **({"system prompts": prompted} if prompted else {})}
    told = {"skipped": found.skipped, "lost": lost}
    return {what: counts for what, counts in told.items() if counts}


def _told(
    methods: Sequence[str],
    trait: Preference | ForcedChoice | None,
    amounts: Amounts,
    *,
    at_random: bool,
) -> dict[str, Any]:
    """What the manifest says beside the steps."""
    told: dict[str, Any] = {"trait": trait.target} if trait else {}
    if _OF_SCORES & set(methods):
        told |= {"share": amounts.share, "detector": "likelihood"}
    return told | ({"at_random": True} if at_random else {})
