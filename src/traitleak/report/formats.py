"""Numbers as a reader sees them; one style for the page, the Markdown and the figures."""

from __future__ import annotations

import math
from collections.abc import Iterable

from traitleak.results import Estimate, PublishedValue

__all__ = [
    "NO_INTERVAL",
    "cell_decimals",
    "counts_text",
    "decimals_for",
    "estimate_text",
    "interval_name",
    "interval_text",
    "level_text",
    "memory_text",
    "number",
    "p_text",
    "percent_text",
    "published_text",
    "short",
    "time_text",
]

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_NBSP = "\N{NO-BREAK SPACE}"
_HUGE = 1e9  # nobody counts the digits of
NO_INTERVAL = f"one{_NBSP}seed: no{_NBSP}interval"


def decimals_for(values: Iterable[float]) -> int:
    """Decimals that numbers shown together share: three for the usual 0.1 to 10, else three digits."""
    largest = max((abs(v) for v in values if math.isfinite(v)), default=0.0)
    if largest == 0 or 0.1 <= largest < 10:
        return 3
    return min(8, max(0, 2 - math.floor(math.log10(largest))))


def cell_decimals(values: Iterable[float]) -> int:
    """One decimal less than elsewhere, for figures whose table has all of them."""
    decimals = decimals_for(values)
    return max(min(1, decimals), decimals - 1)


def counts_text(estimates: Iterable[Estimate]) -> str:
    """`n = 5`, or `n = 3 to 5` where they differ."""
    counts = sorted({estimate.n for estimate in estimates})
    return "n = " + " to ".join(f"{n:,}" for n in dict.fromkeys([*counts[:1], *counts[-1:]]))


def number(value: float, decimals: int | None, *, signed: bool = False) -> str:
    """`value` with a true minus sign; "−0.000" is written without its sign.

    Without `decimals` it has three significant digits, as numbers of many magnitudes need, and so it
    has from a thousand million on.
    """
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else "∞" if value > 0 else "−∞"
    if decimals is None or abs(value) >= _HUGE:
        return short(value, digits=3)
    rounded = round(value, decimals) + 0.0  # + 0.0 turns -0.0 into 0.0
    text = f"{rounded:{'+' if signed and rounded else ''},.{decimals}f}"
    return text.replace("-", "−")


def short(value: float, *, digits: int = 6, exponent: bool = False) -> str:
    """`value` with at most so many significant digits, very large and small ones as 2·10⁻⁵."""
    text = f"{value:.{digits}g}"
    if exponent and "e" not in text:
        text = f"{value:.{digits - 1}e}"
    factor, e, power = text.partition("e")
    if e and "." in factor:
        factor = factor.rstrip("0").rstrip(".")
    factor = factor.replace("-", "−")
    if not e:
        return factor
    ten = "10" + str(int(power)).translate(_SUPERSCRIPT)
    return ten if factor == "1" else f"{factor}·{ten}"


def level_text(name: str, value: float) -> str:
    """A level such as chance, by its name and value; of a level at 0 the axis tells the value."""
    return f"{name}{_NBSP}{short(value)}" if value else name


def interval_text(estimate: Estimate, decimals: int, *, signed: bool = False) -> str:
    """`[low, high]`, or why there is none."""
    if estimate.low is None or estimate.high is None:
        return NO_INTERVAL if estimate.n < 2 else "no interval"
    low, high = (number(v, decimals, signed=signed) for v in (estimate.low, estimate.high))
    return f"[{low},{_NBSP}{high}]"


def estimate_text(estimate: Estimate, decimals: int, *, signed: bool = False) -> str:
    """`mean [low, high]`, or the mean and why there is no interval."""
    mean, interval = (
        number(estimate.value, decimals, signed=signed),
        interval_text(estimate, decimals, signed=signed),
    )
    return f"{mean} {interval}" if interval.startswith("[") else f"{mean} ({interval})"


def published_text(published: PublishedValue) -> str:
    """The published value with the digits that were published."""
    if published.half_width is None:
        return short(published.value)
    return f"{short(published.value)} ±{_NBSP}{short(published.half_width)}"


def p_text(p: float) -> str:
    """A p value: three decimals, five where it is smaller, a bound where it is smaller still."""
    if p >= 0.001:
        return f"{p:.3f}"
    return f"{p:.5f}" if p >= 0.00005 else f"<{_NBSP}0.0001"


def interval_name(estimates: Iterable[Estimate]) -> str:
    """`95 % interval`, or `interval` where the confidences differ."""
    confidences = {estimate.confidence for estimate in estimates}
    return f"{percent_text(*confidences)} interval" if len(confidences) == 1 else "interval"


def percent_text(confidence: float) -> str:
    """A confidence as in `95 %`."""
    return f"{100 * confidence:g}{_NBSP}%"


def time_text(seconds: float) -> str:
    """A duration in the two largest units that matter."""
    if seconds < 9.95:
        return f"{seconds:.1f}{_NBSP}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}{_NBSP}s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}{_NBSP}min {rest:02d}{_NBSP}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}{_NBSP}h {minutes:02d}{_NBSP}min"


def memory_text(num_bytes: int | None) -> str:
    """Bytes in MB or GB (powers of ten), where they were measured."""
    if num_bytes is None:
        return "not measured"
    if num_bytes < 999.5e6:
        return f"{num_bytes / 1e6:.0f}{_NBSP}MB"
    return f"{num_bytes / 1e9:.2f}{_NBSP}GB"
