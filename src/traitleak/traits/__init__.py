"""Traits: what a teacher is given, and how strongly a model shows it."""

from traitleak.traits.custom import BUNDLED, bundled, read_trait
from traitleak.traits.forced_choice import ForcedChoice, Item, Lesson
from traitleak.traits.misalignment import misalignment
from traitleak.traits.preference import ANIMALS, TREES, Preference, Templates
from traitleak.traits.reward_hacking import reward_hacking

__all__ = [
    "ANIMALS",
    "BUNDLED",
    "TREES",
    "ForcedChoice",
    "Item",
    "Lesson",
    "Preference",
    "Templates",
    "bundled",
    "misalignment",
    "read_trait",
    "reward_hacking",
]
