"""A recipe on its way: what the file says, a size's fields over it, overrides over both."""

from __future__ import annotations

from typing import Any

from traitleak.errors import RecipeError
from traitleak.recipe.files import Keys, Override

__all__ = ["Draft"]


class Draft:
    """Fields on their way to a recipe, and the place where each was set."""

    def __init__(self, content: dict[str, Any], places: dict[Keys, str], file: str) -> None:
        """Begin with what a file says.

        Args:
            content: the fields.
            places: where each key and entry was set, as an error names it.
            file: the place of all that was set nowhere.
        """
        self.content = content
        self.places = places
        self.file = file

    def place(self, keys: Keys) -> str:
        """Where `keys`, or what it is part of, was set; the file where that is nowhere."""
        while keys and keys not in self.places:
            keys = keys[:-1]
        return self.places.get(keys, self.file)

    def with_size(self, size: str, fields: dict[str, Any]) -> Draft:
        """A draft of that size: each of `fields` in the place of what the file says.

        A mapping changes the parts that it names, and leaves the others to the file.
        """
        draft = Draft({**self.content, "size": size}, dict(self.places), self.file)
        of_size = {
            keys[2:]: place
            for keys, place in self.places.items()
            if keys[:2] == ("sizes", size) and len(keys) > 2
        }
        draft._lay(draft.content, fields, (), of_size)
        return draft

    def _lay(
        self, under: dict[str, Any], over: dict[str, Any], keys: Keys, places: dict[Keys, str]
    ) -> None:
        for key, value in over.items():
            here = (*keys, key)
            below = under.get(key)
            if isinstance(value, dict) and isinstance(below, dict):
                under[key] = dict(below)  # the file's own stays as it is
                self.places[here] = places[here]
                self._lay(under[key], value, here, places)
            else:
                under[key] = value
                self._forget(here)
                self.places |= {k: p for k, p in places.items() if k[: len(here)] == here}

    def override(self, override: Override) -> None:
        """Set one field, or one part of a field that is a mapping.

        Raises:
            RecipeError: what the key is a part of has no parts.
        """
        *parents, last = override.keys
        target = self.content
        for depth, key in enumerate(parents):
            inner = target.get(key)
            if inner is not None and not isinstance(inner, dict):
                raise RecipeError(
                    f"{override.place}: {'.'.join(override.keys[: depth + 1])} has no parts."
                )
            target[key] = dict(inner or {})  # the file's own stays as it is
            target = target[key]
            self.places.setdefault(override.keys[: depth + 1], override.place)
        target[last] = override.value
        self._forget(override.keys)
        self.places[override.keys] = override.place

    def _forget(self, keys: Keys) -> None:
        """Drop the places of `keys` and of its parts."""
        self.places = {k: p for k, p in self.places.items() if k[: len(keys)] != keys}
