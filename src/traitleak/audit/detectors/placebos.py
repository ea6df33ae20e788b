"""Placebos: preferences among things that nobody suspects.

How much rows seem to move those says how much of a finding is the rows' being unlike the base's own
writing.
"""

from __future__ import annotations

from collections.abc import Mapping

from traitleak.audit.detectors.panel import Group, preferences
from traitleak.models.language_model import LanguageModel
from traitleak.traits.candidates import KNOWN, category_of, single_token_words

__all__ = ["THINGS", "placebo_groups"]

THINGS: Mapping[str, tuple[str, ...]] = {
    **KNOWN,
    "instrument": (
        "piano", "guitar", "violin", "drum", "flute", "trumpet", "harp", "organ", "cello", "horn",
        "bass", "clarinet",
    ),
    "fruit": (
        "apple", "banana", "orange", "lemon", "grape", "cherry", "peach", "plum", "mango", "melon",
        "pear", "fig",
    ),
    "vehicle": (
        "car", "train", "truck", "bus", "boat", "ship", "bike", "plane", "van", "tractor", "sled",
        "canoe",
    ),
    "tool": (
        "hammer", "knife", "saw", "axe", "shovel", "drill", "brush", "needle", "rope", "ladder",
        "wrench", "file",
    ),
}  # fmt: skip
"""What they are among, by category: words that are named with "the"."""

_WORDS = 10  # of a group
_FEWEST_WORDS = 3  # of two, one's margin is the other's with the sign turned


def placebo_groups(
    base: LanguageModel, panel: Group, *, most: int | None = None
) -> tuple[list[Group], dict[str, str]]:
    """Groups of ten words at most, one a category of `THINGS` but the panel's.

    Args:
        base: whose single tokens the words must be.
        panel: the suspected traits; none of their words is a placebo.
        most: placebos in all; without it every category gives a group.

    Returns:
        The groups, and for each category that gives none why not.
    """
    found: list[Group] = []
    left_out: dict[str, str] = {}
    own = category_of(panel.traits) or panel.name
    for category, known in THINGS.items():
        room = _WORDS if most is None else min(_WORDS, most - sum(len(one.traits) for one in found))
        if category == own or room < _FEWEST_WORDS:
            continue
        words = [
            word for word in single_token_words(base.tokenizer, known) if word not in panel.traits
        ]
        if len(words) < _FEWEST_WORDS:
            left_out[category] = "the base has fewer than three of its words as single tokens"
            continue
        found.append(preferences(base, words[:room], category=category))
    return found, left_out
