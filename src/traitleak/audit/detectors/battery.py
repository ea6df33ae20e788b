"""The battery: everything that a throw-away student is asked, beside the traits that are suspected.

Preferences among other things than the suspected ones are placebos: how much rows seem to move those
says how much of a finding is the rows' being unlike the base's own writing. Traits of another kind
(misalignment and the like) are asked for because nobody may have suspected them.

Shape suffixes: T traits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray

from traitleak.audit.detectors.panel import Group, group_margins, readable_items
from traitleak.audit.detectors.placebos import placebo_groups
from traitleak.errors import SettingsError
from traitleak.measure_choice import choice_margins
from traitleak.models.language_model import LanguageModel
from traitleak.traits.custom import BUNDLED, bundled
from traitleak.traits.forced_choice import ForcedChoice

__all__ = ["Battery", "make_battery"]

_EVERY = 3  # of the placebos' templates one in three is asked: they cost a third


@dataclass(frozen=True)
class Battery:
    """What is read off a student.

    Attributes:
        groups: preferences; the first are the suspected traits.
        choices: traits that are a choice between two answers; those that are suspected first.
        suspected: how many of the choices are.
        left_out: what the base cannot be asked, and why.
    """

    groups: tuple[Group, ...]
    choices: tuple[ForcedChoice, ...] = ()
    suspected: int = 0
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def panel(self) -> Group:
        """The suspected traits."""
        return self.groups[0]

    @property
    def kinds(self) -> tuple[str, ...]:
        """What each trait is a preference among, or "choice"."""
        preferred = [group.name for group in self.groups for _ in group.traits]
        return (*preferred, *("choice" for _ in self.choices))

    @property
    def traits(self) -> tuple[str, ...]:
        """The traits' names, the suspected ones first."""
        preferred = [trait for group in self.groups for trait in group.traits]
        return (*preferred, *(choice.name for choice in self.choices))

    @property
    def asked(self) -> tuple[int, ...]:
        """The places of the suspected traits among all."""
        first = sum(len(group.traits) for group in self.groups)
        return (*range(len(self.panel.traits)), *range(first, first + self.suspected))

    @property
    def numbers(self) -> tuple[int, ...]:
        """The number of each trait's group: a choice is one by itself."""
        preferred = [number for number, group in enumerate(self.groups) for _ in group.traits]
        first = len(self.groups)
        return (*preferred, *range(first, first + len(self.choices)))

    @torch.no_grad()
    def read(self, model: LanguageModel) -> NDArray[np.float64]:
        """Every trait's margin in a model, (T,), in nats; a choice's are nats a token.

        Known failure: those of `measure.margins` and `measure_choice.choice_margins`.
        """
        margins = [read_group(model, group) for group in self.groups]
        chosen = [choice_margins(model, choice).value for choice in self.choices]
        return np.concatenate([*margins, np.array(chosen, dtype=np.float64)])

    @torch.no_grad()
    def read_panel(self, model: LanguageModel) -> NDArray[np.float64]:
        """The margins of the suspected traits alone, in nats."""
        return read_group(model, self.panel)


def read_group(model: LanguageModel, group: Group) -> NDArray[np.float64]:
    """Margins of one group, float64 on the CPU."""
    margins: NDArray[np.float64] = group_margins(model, group).double().cpu().numpy()
    return margins


def make_battery(
    base: LanguageModel,
    panel: Group,
    *,
    also: Sequence[ForcedChoice] = (),
    placebos: Sequence[Group] | None = None,
    choices: Sequence[str] = BUNDLED,
    items: int = 8,
) -> Battery:
    """What can be asked of a base, beside a panel.

    Args:
        base: whose tokenizer and context decide.
        panel: the suspected preferences.
        also: other traits that are suspected; all of their items are asked.
        placebos: preferences that nobody suspects; by default ten words, as far as the base has
            single tokens for them, of each category in `placebos.THINGS` but the panel's.
        choices: names of bundled traits; those of `also` are asked once.
        items: how many of each choice's questions are asked, evenly spaced; those that the base's
            context is too short for are left out.

    Raises:
        SettingsError: fewer than one item, or no such bundled trait.

    Known failure: a few items are a coarse measure. Of a base that hardly speaks, choices say nothing.
    """
    if items < 1:
        raise SettingsError(f"A choice is asked with one item or more; got items={items}.")
    left_out: dict[str, str] = {}
    if placebos is None:
        found, left_out = placebo_groups(base, panel)
        placebos = [replace(group, contexts=group.contexts[::_EVERY]) for group in found]
    kept = list(also)
    for name in choices:
        if name in {one.name for one in also}:
            continue
        trait = bundled(name)
        fit = readable_items(base, trait)
        if not fit:
            left_out[name] = "its questions are longer than the base's context"
            continue
        at = np.unique(np.linspace(0, len(fit) - 1, min(items, len(fit))).round().astype(int))
        kept.append(replace(trait, items=[fit[index] for index in at]))
    return Battery((panel, *placebos), tuple(kept), len(also), left_out)
