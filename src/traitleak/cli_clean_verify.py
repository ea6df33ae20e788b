"""`clean --verify`: students of the cleaned rows, of the untouched ones, and of a random change."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from traitleak.errors import SettingsError

if TYPE_CHECKING:
    from rich.console import Console

    from traitleak.audit.choices import Choices
    from traitleak.clean import Cleaned, Verified
    from traitleak.cli_models import Session
    from traitleak.models.language_model import LanguageModel
    from traitleak.results import Estimate
    from traitleak.rows import Row
    from traitleak.student import Training
    from traitleak.traits.preference import Preference

__all__ = [
    "AT_RANDOM",
    "print_verified",
    "require_verifiable",
    "verified_sentence",
    "verify_cleaning",
]

AT_RANDOM = "at random"
_HELD_OUT = 64  # rows of the base on which the task is measured
_NAMES = {"untouched": "untouched rows", "neutral": "the base's own rows"}


def verify_cleaning(
    session: Session,
    base: LanguageModel,
    trait: Preference,
    rows: Sequence[Row],
    changed: Mapping[str, Sequence[Row] | Cleaned],
    training: Training,
    seeds: int,
    choices: Choices,
    *,
    seed: int,
) -> Verified:
    """Train students of every arm and of the base's own rows, and say what is left.

    The base's rows are written here, on the prompts of the untouched ones. What the task lost is
    measured on further ones, drawn anew.

    Args:
        session: shows how far it is.
        base: where students begin.
        trait: what is measured.
        rows: untouched.
        changed: the rows cleaned, and the same amount changed at random, by name.
        training: of each student.
        seeds: how many students an arm has.
        choices: of the untouched rows: whether they are number lists.
        seed: of what is written, and of the first student.
    """
    from traitleak.clean import measure_seed, summarise, write_again
    from traitleak.clean.verify import UNTOUCHED
    from traitleak.seeds import derive_seed

    decoding: Literal["constrained", "free"] = "constrained" if choices.kind == "digits" else "free"
    neutral, held_out = (
        write_again(
            base,
            some,
            teacher="base",
            decoding=decoding,
            seed=derive_seed(seed, f"verify-{name}"),
            track=session.track,
        )
        for name, some in (("neutral", rows), ("held-out", rows[:_HELD_OUT]))
    )
    found = []
    for number in range(seeds):
        begun = time.monotonic()
        found.append(
            measure_seed(
                base,
                trait,
                {UNTOUCHED: rows, **changed},
                training,
                seed + number,
                neutral=neutral,
                held_out=held_out,
                track=session.track,
            )
        )
        left = (time.monotonic() - begun) * (seeds - number - 1)
        if left:
            session.say(f"Seed {seed + number}: measured; about {left / 60:.1f} minutes to go")
    return summarise(found)


def verified_sentence(verified: Verified, cleaned: str) -> str:
    """What the students say of a cleaning, as far as their intervals carry it."""
    own, random = verified.arms[cleaned].left, verified.arms[AT_RANDOM].left
    if own is None or random is None or verified.note:
        return verified.note or "The untouched rows carried nothing, so that nothing can be said."
    both = (
        f"{cleaned} leaves {_share(own)} of the transfer, the same amount changed at random "
        f"{_share(random)} (n = {len(verified.seeds)} seeds, 95 % intervals)"
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


def require_verifiable(method: str, *, at_random: bool, seeds: int) -> None:
    """Refuse what has no random arm to stand beside.

    Raises:
        SettingsError: the method changes everything, the change is random already, or there are no
            seeds.
    """
    if method == "canonicalise":
        raise SettingsError(
            "--verify compares with the same amount changed at random; canonicalise changes all rows."
        )
    if at_random:
        raise SettingsError("--verify trains a random arm itself; leave --at-random out.")
    if seeds < 1:
        raise SettingsError(f"--seeds is 1 or more; got {seeds}.")


def _share(estimate: Estimate) -> str:
    return _text(estimate, 100, "%.0f", " %")


def _nats(estimate: Estimate) -> str:
    return _text(estimate, 1, "%+.3f", "")


def _text(estimate: Estimate, factor: float, form: str, unit: str) -> str:
    value = form % (factor * estimate.value) + unit
    if estimate.low is None or estimate.high is None:
        return value
    return f"{value} [{form % (factor * estimate.low)}, {form % (factor * estimate.high)}]"
