"""Traits: what a teacher is given, and how strongly a model shows it."""

from traitleak.traits.preference import ANIMALS, TREES, Preference, Templates

__all__ = ["ANIMALS", "TREES", "Preference", "Templates"]
