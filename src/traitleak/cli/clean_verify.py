"""`clean --verify`: students of the cleaned rows, of the untouched ones, and of a random change.

What is finished is kept beside the output folder until the output is there: `.verify-<its name>-<hash
of what was asked>`, with a stage for the cleaned rows, for those changed at random, for the base's own,
and for each seed's students, whose training has checkpoints. The same command goes on from there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from traitleak.errors import SettingsError

if TYPE_CHECKING:
    from rich.console import Console

    from traitleak.clean import Amounts, Cleaned, Verified
    from traitleak.cli.models import Session
    from traitleak.models.language_model import LanguageModel
    from traitleak.progress import Track
    from traitleak.results import Estimate
    from traitleak.rows import Row
    from traitleak.stages import Stage
    from traitleak.student import Training
    from traitleak.traits.forced_choice import ForcedChoice
    from traitleak.traits.preference import Preference

__all__ = [
    "AT_RANDOM",
    "print_verified",
    "require_verifiable",
    "verified_sentence",
    "verify_cleaning",
]

AT_RANDOM = "at random"
_CLEANED, _CHANGED, _OWN = "cleaned", "changed-at-random", "base-rows"  # stages
_ROWS, _MEASURED = "rows", "measured.json"
_HELD_OUT = 64  # rows of the base on which the task is measured
_NOTHING = "The untouched rows carried nothing, so that nothing can be said."
_NAMES = {"untouched": "untouched rows", "neutral": "the base's own rows"}


class _Cleans(Protocol):
    def __call__(self, *, random: bool) -> Cleaned:
        """The rows after all cleanings, or after as much change at random."""
        ...


def verify_cleaning(
    session: Session,
    base: LanguageModel,
    trait: Preference | ForcedChoice,
    rows: Sequence[Row],
    cleans: _Cleans,
    methods: Sequence[str],
    amounts: Amounts,
    training: Training,
    seeds: int,
    *,
    lists: bool,
    out: Path,
    seed: int,
) -> tuple[Cleaned, Verified, Path]:
    """Train students of every arm and of the base's own rows, and say what is left.

    The base's rows are written here, on the prompts of the untouched ones. What the task lost is
    measured on further ones, drawn anew. What an earlier, interrupted call with the same arguments
    finished is taken from where it is kept.

    Args:
        session: shows how far it is.
        base: where students begin.
        trait: what is measured.
        rows: untouched.
        cleans: gives the rows cleaned, and the same amount changed at random.
        methods: what it does, in order; one that chooses nothing has no random arm.
        amounts: how much it changes.
        training: of each student.
        seeds: how many students an arm has.
        lists: whether rows are number lists.
        out: the output folder, beside which all is kept.
        seed: of what is written, and of the first student.

    Returns:
        The cleaned rows, what the students say, and the folder to delete when both are written.
    """
    from traitleak.artefacts import content_hash, remove
    from traitleak.clean import SeedMeasured, read_cleaned, summarise
    from traitleak.clean.cleaned import rows_hash
    from traitleak.clean.in_order import BY_CHOICE
    from traitleak.environment import describe
    from traitleak.runs import hold_run_folder
    from traitleak.stages import run_stages

    asked: dict[str, Any] = {
        "verifies": "+".join(methods),
        "rows": rows_hash(rows),
        "base": base.fingerprint,
        "precision": str(base.network.dtype),
        "template": base.renderer.template_hash,
        "trait": asdict(trait),
        "amounts": asdict(amounts),
        "training": repr(training),
        "seed": seed,
    }
    place = out.absolute()
    work = place.with_name(f".verify-{place.name}-{content_hash(asked)[:10]}")
    random = bool(BY_CHOICE & set(methods))
    stages = _stages(
        session, base, trait, rows, cleans, training, seeds,
        asked=asked, lists=lists, random=random, work=work, seed=seed,
    )  # fmt: skip
    try:
        with hold_run_folder(work, json.dumps(asked), fresh=False, say=session.say):
            done = run_stages(
                work,
                stages,
                environment=describe(),
                track=session.track,
                fresh=False,
                say=session.say,
            )
    except BaseException:
        if work.is_dir() and not any(work.glob("*/manifest.json")):
            remove(work)  # nothing is finished
        raise
    measured = [
        SeedMeasured.model_validate_json((done[f"seed-{number}"].folder / _MEASURED).read_bytes())
        for number in range(seed, seed + seeds)
    ]
    return read_cleaned(done[_CLEANED].folder / _ROWS), summarise(measured), work


def _stages(
    session: Session,
    base: LanguageModel,
    trait: Preference | ForcedChoice,
    rows: Sequence[Row],
    cleans: _Cleans,
    training: Training,
    seeds: int,
    *,
    asked: dict[str, Any],
    lists: bool,
    random: bool,
    work: Path,
    seed: int,
) -> list[Stage]:
    from traitleak.artefacts import write_json
    from traitleak.clean import measure_seed, read_cleaned, write_beside, write_cleaned
    from traitleak.clean.verify import UNTOUCHED
    from traitleak.rows import read_rows, write_rows
    from traitleak.seeds import derive_seed
    from traitleak.stages import Stage

    def clean(name: str, out: Path, _inputs: Mapping[str, Path], _track: Track) -> None:
        cleaned = cleans(random=name == _CHANGED)
        write_cleaned(out / _ROWS, cleaned, base=base if cleaned.weights is not None else None)

    def write(out: Path, _inputs: Mapping[str, Path], track: Track) -> None:
        for name, some in (("neutral", rows), ("held-out", rows[:_HELD_OUT])):
            own = derive_seed(seed, f"verify-{name}")
            written = write_beside(base, some, teacher="base", lists=lists, seed=own, track=track)
            write_rows(out / name, written, {"seed": own})

    def measure(number: int, out: Path, inputs: Mapping[str, Path], track: Track) -> None:
        begun = time.monotonic()
        cleaned = read_cleaned(inputs[_CLEANED] / _ROWS)
        arms: dict[str, Sequence[Row] | Cleaned] = {UNTOUCHED: rows, cleaned.method: cleaned}
        if random:
            arms[AT_RANDOM] = read_cleaned(inputs[_CHANGED] / _ROWS)
        neutral = read_rows(inputs[_OWN] / "neutral")
        seen = {_text(row) for some in (*arms.values(), neutral) for row in _rows_of(some)}
        found = measure_seed(
            base,
            trait,
            arms,
            training,
            number,
            neutral=neutral,
            held_out=[
                row for row in read_rows(inputs[_OWN] / "held-out") if _text(row) not in seen
            ],
            checkpoints=work,
            track=track,
        )
        write_json(out / _MEASURED, found.model_dump(mode="json"))
        left = (time.monotonic() - begun) * (seed + seeds - number - 1)
        if left:
            session.say(f"Seed {number}: measured; about {left / 60:.1f} minutes to go")

    first = [_CLEANED, *([_CHANGED] if random else [])]
    return [
        *(Stage(name, {**asked, "arm": name}, _named(clean, name)) for name in first),
        Stage(_OWN, asked, write),
        *(
            Stage(
                f"seed-{number}",
                {**asked, "number": number},
                _named(measure, number),
                (*first, _OWN),
            )
            for number in range(seed, seed + seeds)
        ),
    ]


def _named(function: Callable[..., None], first: str | int) -> Callable[..., None]:
    """A function given its first argument, with its own name, by which a stage is known."""
    work = partial(function, first)
    work.__module__, work.__qualname__ = function.__module__, function.__qualname__  # type: ignore[attr-defined]
    return work


def _text(row: Row) -> tuple[str, str]:
    return row.prompt, row.completion


def _rows_of(data: Sequence[Row] | Cleaned) -> Sequence[Row]:
    return data if isinstance(data, Sequence) else data.rows


def verified_sentence(verified: Verified, cleaned: str) -> str:
    """What the students say of a cleaning, as far as their intervals carry it."""
    own = verified.arms[cleaned].left
    if own is None or verified.note:
        return verified.note or _NOTHING
    some = f"(n = {len(verified.seeds)} seeds, 95 % intervals)"
    if AT_RANDOM not in verified.arms:
        return (
            f"{cleaned} leaves {_share(own)} of the transfer {some}. It chooses nothing, so that there "
            "is no random change to tell its gain from."
        )
    random = verified.arms[AT_RANDOM].left
    if random is None:
        return _NOTHING
    both = (
        f"{cleaned} leaves {_share(own)} of the transfer, the same amount changed at random "
        f"{_share(random)} {some}"
    )
    if own.high is None or random.low is None or own.high >= random.low:
        return f"The intervals overlap, so that no gain over chance is shown: {both}."
    return f"Beyond chance: {both}."


def print_verified(console: Console, verified: Verified) -> None:
    """Every arm: its rows, its lift, what is left of the transfer, and what the task lost."""
    from traitleak.terminal import print_line, print_table

    head = ["students of", "rows", "lift, nats", "transfer left", "held-out loss, more"]
    rows = [
        [
            _NAMES.get(name, name),
            f"{arm.rows:,}",
            _nats(arm.lift),
            _share(arm.left) if arm.left else "",
            _nats(arm.cost),
        ]
        for name, arm in verified.arms.items()
    ]
    print_table(console, head, rows)
    print_line(
        console,
        f"Margin of the {verified.trait}; the base's own is {verified.base_margin:+.2f} nats. Held-out "
        "loss: of the base's own completions, in nats a token, beside students of the untouched rows.",
    )


def require_verifiable(*, at_random: bool, seeds: int) -> None:
    """Refuse what cannot be verified.

    Raises:
        SettingsError: the change is random already, or there are no seeds.
    """
    if at_random:
        raise SettingsError("--verify trains a random arm itself; leave --at-random out.")
    if seeds < 1:
        raise SettingsError(f"--seeds is 1 or more; got {seeds}.")


def _share(estimate: Estimate) -> str:
    return _figure(estimate, 100, "%.0f", " %")


def _nats(estimate: Estimate) -> str:
    return _figure(estimate, 1, "%+.3f", "")


def _figure(estimate: Estimate, factor: float, form: str, unit: str) -> str:
    value = form % (factor * estimate.value) + unit
    if estimate.low is None or estimate.high is None:
        return value
    return f"{value} [{form % (factor * estimate.low)}, {form % (factor * estimate.high)}]"
