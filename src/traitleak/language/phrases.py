"""Names of arms, and numbers as sentences and tables have them."""

from __future__ import annotations

from collections.abc import Iterable

from traitleak.language.layout import GOOD, NEUTRAL, SHUFFLES
from traitleak.recipe.language import LanguageRecipe
from traitleak.report.formats import number
from traitleak.results import Estimate, Role

__all__ = [
    "NO_INTERVAL",
    "TAUGHT_ALIKE",
    "bracketed",
    "decimals_for",
    "kind_of",
    "label",
    "listed",
    "num_seeds",
    "p_equals",
    "percent",
    "plain",
    "role",
    "signed",
    "taught_by",
    "teacher_name",
    "unit",
]

NO_INTERVAL = "one seed: no interval"
TAUGHT_ALIKE = ("own", *SHUFFLES)
"""Kinds of arms whose students begin as the teachers' base and are trained alike."""
_KINDS = (*SHUFFLES, "other-base", "in-context")
_NAMES = {GOOD: "good-answers"}  # of teachers whose name alone would say something else


def kind_of(arm: str, targets: Iterable[str]) -> tuple[str, str]:
    """What an arm is (`own`, or the control's name), and whose rows it saw.

    Args:
        arm: its name: a teacher's, or a control's and a teacher's with a hyphen between.
        targets: the recipe's, in its order. Controls are of the first, and so one that begins like the
            end of a control's name (`across-the-board`) is read as what it is.
    """
    known = [*targets]
    if arm not in known:
        for teacher in (*known, NEUTRAL):
            for kind in _KINDS:
                if arm == f"{kind}-{teacher}":
                    return kind, teacher
    return "own", arm


def label(arm: str, targets: Iterable[str]) -> str:
    """An arm's students, or the base that was shown rows, as a reader knows them."""
    kind, teacher = kind_of(arm, targets)
    teacher = teacher_name(teacher)
    return {
        "own": f"{teacher} students",
        "shuffled": f"students of shuffled {teacher} rows",
        "shuffled-across": f"students of across-shuffled {teacher} rows",
        "other-base": f"{teacher} students of the other base",
        "in-context": f"base shown {teacher} rows",
    }[kind]


def teacher_name(teacher: str) -> str:
    """A teacher as a reader knows it."""
    return _NAMES.get(teacher, teacher)


def taught_by(arm: str, targets: Iterable[str]) -> str:
    """Who taught an arm."""
    kind, teacher = kind_of(arm, targets)
    teacher = teacher_name(teacher)
    how = {"shuffled": ", shuffled", "shuffled-across": ", shuffled across"}.get(kind, "")
    return f"{teacher} teacher{how}"


def role(arm: str, target: str) -> Role:
    """What an arm is for, where `target` is measured."""
    return "effect" if arm == target and arm != NEUTRAL else "control"


def decimals_for(values: Iterable[float | None]) -> int:
    """Decimals that figures of one sentence share: two, or below 1 three, or below .01 four."""
    largest = max((abs(value) for value in values if value is not None), default=0.0)
    return 2 if largest >= 1 else 4 if 0 < largest < 0.01 else 3


def plain(value: float, decimals: int) -> str:
    """A number with a true minus sign; a huge one as a power of ten."""
    return number(value, decimals)


def signed(value: float, decimals: int) -> str:
    """The same with its sign, also where it is positive."""
    text = plain(value, decimals)
    return f"+{text}" if round(value, decimals) > 0 else text


def bracketed(estimate: Estimate, decimals: int, *, sign: bool = True) -> str:
    """`+1.20 [+0.90, +1.50]`, or the mean and why there is no interval."""
    write = signed if sign else plain
    mean = write(estimate.value, decimals)
    if estimate.low is None or estimate.high is None:
        return f"{mean} ({NO_INTERVAL})"
    return f"{mean} [{write(estimate.low, decimals)}, {write(estimate.high, decimals)}]"


def p_equals(p: float) -> str:
    """`p = 0.031`, as tables write it."""
    if p >= 0.001:
        return f"p = {p:.3f}"
    return f"p = {p:.5f}" if p >= 0.00005 else "p < 0.0001"


def percent(share: float) -> str:
    """A share between 0 and 1 in per cent."""
    return f"{plain(100 * share, 1)} %"


def num_seeds(n: int) -> str:
    """`n = 5 seeds`."""
    return f"n = {n:,} seed{'s' * (n != 1)}"


def listed(words: Iterable[str]) -> str:
    """`a, b and c`."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def unit(recipe: LanguageRecipe) -> str:
    """What margins are in: a preference's is of one token, that of two answers a mean over tokens."""
    return "nats" if recipe.trait.kind == "preference" else "nats a token"
