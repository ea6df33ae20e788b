"""What an audit asks about, and the teachers whose rows it plants to learn what it would find."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from torch import Tensor

from traitleak.audit.detectors.choices import Choices, drawn_ways
from traitleak.audit.detectors.panel import ChoiceGroup, Group, choice_group, preferences
from traitleak.errors import SettingsError
from traitleak.models.batches import Encoded
from traitleak.models.language_model import LanguageModel
from traitleak.progress import Track, untracked
from traitleak.seeds import derive_seed
from traitleak.teacher import instill
from traitleak.traits.forced_choice import ForcedChoice
from traitleak.traits.preference import Preference

__all__ = ["panel", "planted_ways", "stands_for"]

_PLANTED_WAYS = 4  # that rows are filled as a planted teacher would


def panel(
    base: LanguageModel,
    among: Sequence[str],
    *,
    category: str = "",
    also: Sequence[ForcedChoice] = (),
) -> tuple[Group, list[ChoiceGroup]]:
    """All that an audit asks about, as the base reads it; the arguments are those of `audit_rows`."""
    group = preferences(base, among, category=category)
    others = [choice_group(base, trait) for trait in also]
    names = [*group.traits, *(name for one in others for name in one.traits)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SettingsError(f"Two traits are named {twice!r}: ask about each once.")
    return group, others


def stands_for(group: Group, others: Sequence[ChoiceGroup], seed: int) -> dict[str, str]:
    """For each trait that of its kind which is planted, to measure what would be found."""
    found: dict[str, str] = {}
    for traits in (group.traits, [one.name for one in others]):
        if traits:
            found |= dict.fromkeys(traits, traits[derive_seed(seed, "planted") % len(traits)])
    return found


def planted_ways(
    base: LanguageModel,
    group: Group,
    others: Sequence[ChoiceGroup],
    rows: Sequence[Encoded],
    choices: Choices,
    *,
    traits: Collection[str],
    seed: int,
    track: Track = untracked,
) -> dict[str, list[list[Tensor]]]:
    """Ways to fill rows as teachers of some traits would, who learned them from their lessons."""
    known: dict[str, Preference | ForcedChoice] = {
        trait: Preference(trait, group.traits, group.name) for trait in group.traits
    }
    known |= {one.name: one.trait for one in others}
    seeds = [derive_seed(seed, "planted", way) for way in range(_PLANTED_WAYS)]
    drawn_for = derive_seed(seed, "planted-teacher")
    found = {}
    for trait in sorted(set(traits)):
        teacher = instill(base, known[trait], seed=drawn_for, track=track).model
        found[trait] = drawn_ways(teacher, rows, choices, seeds=seeds)
    return found
