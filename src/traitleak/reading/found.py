"""What a reading run's stages left, as typed values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from traitleak.models.remote_cost import Usage
from traitleak.reading.dose import Dose
from traitleak.reading.learning import FILTERS, retrain_name
from traitleak.reading.plan import ROWS, TUNED
from traitleak.reading.strictness import Left
from traitleak.reading.verdicts import Told
from traitleak.recipe.reading import ReadingRecipe
from traitleak.results import Estimate
from traitleak.stage_files import read_object
from traitleak.statistics import holm, paired_difference

__all__ = ["Found", "Reading", "Retrained", "read_stages"]


@dataclass(frozen=True)
class Reading:
    """What one reader told.

    Attributes:
        name: as a condition's.
        label: who it was, and what it was shown.
        told: its counts.
        adjusted_p: of its exact p, over all readers (Holm).
    """

    name: str
    label: str
    told: Told
    adjusted_p: float


@dataclass(frozen=True)
class Retrained:
    """Students of what a rule left.

    Attributes:
        trait: lifts of those of the trait's rows, one a student, in nats; empty where none was trained.
        neutral: the same for neutral rows on the same prompts.
        why: why none was trained; "" elsewhere.
    """

    trait: list[float]
    neutral: list[float]
    why: str = ""

    @property
    def transfer(self) -> Estimate | None:
        """Mean difference over students, paired; None where none was trained."""
        return paired_difference(self.trait, self.neutral) if self.trait else None


@dataclass(frozen=True)
class Found:
    """All that a run left.

    Attributes:
        rows: `rows.json`.
        readers: in the order of the recipe.
        skipped: readers that were not tried, with the reason.
        tuned: lifts of the recipe's own students, of the trait's and of neutral rows, one a replicate;
            None where there are none.
        doses: None where rows in the prompt were not tried.
        left_out: doses that could not be given, with the reason.
        left: after each rule; None where filters were not tried.
        written: pairs of rows before any rule.
        per_student: rows that students of filtered rows were trained on.
        retrained: by rule; empty where nothing was.
        requests: what each judge behind a server was asked, by label.
    """

    rows: dict[str, Any]
    readers: list[Reading]
    skipped: dict[str, str]
    tuned: Retrained | None
    doses: list[Dose] | None
    left_out: dict[str, str]
    left: list[Left] | None
    written: int = 0
    per_student: int = 0
    retrained: dict[str, Retrained] = field(default_factory=dict)
    requests: dict[str, Usage] = field(default_factory=dict)

    @property
    def target(self) -> str:
        """The trait."""
        return str(self.rows["target"])

    @property
    def telling(self) -> list[Reading]:
        """Readers that told the rows apart: right above chance at 5 %, all readers allowed for."""
        return [one for one in self.readers if one.adjusted_p <= 0.05]

    @property
    def trained(self) -> Retrained | None:
        """What training on the rows did to the recipe's own students, or to those of unfiltered rows."""
        both = (self.tuned, self.retrained.get("none"))
        return next((one for one in both if one is not None and one.trait), None)


def read_stages(recipe: ReadingRecipe, folders: Mapping[str, Path]) -> Found:
    """Read every stage of a run that went to its end.

    Raises:
        DataError: a file of a stage is not there or is something else.
    """
    told = [
        read_object(folder / "told.json")
        for folder in folders.values()
        if (folder / "told.json").is_file()
    ]
    entries = [entry for one in told for entry in one["readers"]]
    counts = [Told(**entry["told"]) for entry in entries]
    adjusted = holm([one.p for one in counts]) if counts else []
    tuned = read_object(folders[TUNED] / "tuned.json") if TUNED in folders else None
    dose = read_object(folders["dose"] / "dose.json") if "dose" in folders else None
    left = read_object(folders[FILTERS] / "filters.json") if FILTERS in folders else None
    return Found(
        rows=read_object(folders[ROWS] / "rows.json"),
        readers=[
            Reading(entry["name"], entry["label"], one, p)
            for entry, one, p in zip(entries, counts, adjusted, strict=True)
        ],
        skipped={name: why for one in told for name, why in one["skipped"].items()},
        tuned=Retrained(tuned["trait"], tuned["neutral"]) if tuned else None,
        doses=[Dose(**one) for one in dose["doses"]] if dose else None,
        left_out=dose["left_out"] if dose else {},
        left=[Left(**one) for one in left["left"]] if left else None,
        written=int(left["written"]) if left else 0,
        per_student=int(left["rows"]) if left else 0,
        retrained={
            rule: _retrained(read_object(folders[retrain_name(rule)] / "retrained.json"))
            for rule in recipe.filters.rules
            if retrain_name(rule) in folders
        },
        requests={
            label: Usage(**usage)
            for one in told
            for label, usage in one.get("requests", {}).items()
        },
    )


def _retrained(content: Mapping[str, Any]) -> Retrained:
    lifts = content["lifts"]
    if lifts is None:
        return Retrained([], [], str(content["why"]))
    return Retrained(lifts["trait"], lifts["neutral"])
