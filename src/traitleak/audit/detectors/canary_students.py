"""The students of a canary: what each is trained on, and their training, many at a time.

Shape suffixes: S seeds, A arms (the data first), K doses, T traits, M choices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from traitleak.arms import Arm, Example, example_of
from traitleak.audit.detectors.battery import Battery
from traitleak.audit.detectors.choices import Choices
from traitleak.audit.detectors.evidence import Material
from traitleak.errors import SettingsError
from traitleak.models.adapters import Adapter
from traitleak.models.batches import Encoded
from traitleak.models.language_model import LanguageModel
from traitleak.progress import Track
from traitleak.seeds import derive_seed
from traitleak.student import Training, distill

__all__ = ["Trained", "arms_of", "filled", "sampled", "train_students"]

_TOGETHER = 2048  # tokens that are read at once while training
_MOST_TOGETHER = 8192  # tokens of one row of every student in a training


@dataclass(frozen=True)
class Trained:
    """One student: its panel after each dose, the whole battery after the last, and its adapter."""

    panel_KT: NDArray[np.float64]
    whole_T: NDArray[np.float64]
    adapter: Adapter


def sampled(num: int, seeds: int, most: int, seed: int) -> tuple[tuple[int, ...], ...]:
    """Rows for each seed, none for two of them."""
    order = np.random.default_rng(derive_seed(seed, "canary-rows")).permutation(num).tolist()
    size = min(most, num // seeds)
    return tuple(tuple(order[at * size : (at + 1) * size]) for at in range(seeds))


def arms_of(given: Material, rows: Sequence[int], references: int) -> list[list[Example]]:
    """What each student of a seed is trained on, the data first."""
    own = [example_of(given.rows[row]) for row in rows]
    if given.reference is not None:
        return [own, [example_of(given.reference[row]) for row in rows]]
    others = [
        [
            replace(example, targets=filled(given.rows[row], given.choices, way[row]))
            for row, example in zip(rows, own, strict=True)
        ]
        for way in given.null[:references]
    ]
    return [own, *others]


def filled(row: Encoded, choices: Choices, taken_M: Tensor) -> Tensor:
    """The tokens that a student learns where a row's choices are filled otherwise (`choices.drawn`).

    Args:
        row: whose completion is learned.
        choices: of the data set.
        taken_M: what was drawn for each of the row's choices.

    Returns:
        One token for each of the completion; those that are no choices as they are.

    Raises:
        SettingsError: another number of choices than the row has.
    """
    targets = torch.tensor(row.ids[row.start :])
    at_M = torch.arange(len(targets))
    if choices.kind == "digits":
        at_M = (choices.set_V[targets] >= 0).nonzero().squeeze(1)
    if len(at_M) != len(taken_M):
        raise SettingsError(
            f"A row of {len(at_M)} choices cannot be filled with {len(taken_M)}: they are of other rows."
        )
    taken_M = taken_M.cpu()
    if choices.kind == "digits":
        sets_M = choices.set_V[targets[at_M]].tolist()
        tokens = [
            int(choices.sets[number][taken])
            for number, taken in zip(sets_M, taken_M.tolist(), strict=True)
        ]
        taken_M = torch.tensor(tokens, dtype=torch.long)
    targets[at_M] = taken_M
    return targets


def train_students(
    given: Material,
    arms_S: Sequence[Sequence[Sequence[Example]]],
    dose: Training,
    battery: Battery,
    track: Track,
) -> list[list[Trained]]:
    """Students of every seed, in as few trainings as memory allows; equal arms share a student."""
    distinct: list[Arm] = []
    places_S: list[list[int]] = []
    for number, arms in enumerate(arms_S):
        seed = derive_seed(given.seed, "canary", number)
        known: dict[tuple[Any, ...], int] = {}
        places_S.append([])
        for index, examples in enumerate(arms):
            content = tuple((tuple(one.ids), tuple(one.targets.tolist())) for one in examples)
            if content not in known:
                known[content] = len(distinct)
                distinct.append(Arm(f"canary-{number}-{index}", examples, seed))
            places_S[-1].append(known[content])
    longest = max(len(one.ids) for arm in distinct for one in arm.examples)
    at_once = max(1, _MOST_TOGETHER // longest)
    trained: list[Trained] = []
    for first in range(0, len(distinct), at_once):
        some = distinct[first : first + at_once]
        parts = -(-len(some) * dose.batch * longest // _TOGETHER)
        how = replace(dose, accumulate=max(dose.accumulate, min(dose.batch, parts)))
        students = distill(
            given.base, some, how, measure=_measure(battery, dose.updates), track=track
        )
        for one in students:
            assert one.adapter is not None  # noqa: S101  # the dose has a rank
            asked = dict(one.course.measured)
            panel_KT = np.array([asked[update]["panel"] for update in dose.measure_at])
            trained.append(Trained(panel_KT, np.array(asked[dose.updates]["whole"]), one.adapter))
    return [[trained[place] for place in places] for places in places_S]


def _measure(battery: Battery, last: int) -> Callable[[int, int, LanguageModel], Mapping[str, Any]]:
    def measure(_number: int, update: int, student: LanguageModel) -> Mapping[str, Any]:
        if update < last:
            return {"panel": battery.read_panel(student).tolist()}
        whole = battery.read(student).tolist()
        return {"panel": whole[: len(battery.panel.traits)], "whole": whole}

    return measure
