"""What a run found: the typed content of `results.json`, from which the report is written.

Every number stands with what makes it count: its replicates, its interval, its n, and the
condition it is to be compared with. Nothing here knows how a number was measured or how it is drawn.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from traitleak.artefacts import SCHEMA_VERSION, Strict

__all__ = [
    "Comparison",
    "Condition",
    "Curve",
    "CurvePanel",
    "Estimate",
    "Fact",
    "Picture",
    "PublishedValue",
    "Results",
    "Sweep",
    "SweepSeries",
]

Role = Literal["effect", "control", "reference"]
Scale = Literal["linear", "log"]


class Estimate(Strict):
    """A mean over replicates with its interval; `low` and `high` are None where n < 2."""

    value: float
    low: float | None
    high: float | None
    n: int
    confidence: float = 0.95
    method: str = Field(description="how the interval was made, in words")
    replicates: list[float] = Field(description="one value a replicate, in replicate order")


class PublishedValue(Strict):
    """The same quantity as somebody else published it."""

    value: float
    half_width: float | None = None
    source: str


class Condition(Strict):
    """One condition of an experiment: a trained thing, and how strongly it shows the trait."""

    name: str
    label: str
    role: Role
    description: str = Field(description="one sentence: what differs from the others")
    estimate: Estimate
    published: PublishedValue | None = None


class Comparison(Strict):
    """The difference of two conditions over paired replicates, and its permutation p."""

    effect: str = Field(description="name of the condition that is expected to be larger")
    control: str
    difference: Estimate
    p: float
    test: str


class Curve(Strict):
    """Mean and interval of one condition at each x."""

    name: str
    label: str
    role: Role
    x: list[float]
    mean: list[float]
    low: list[float | None]
    high: list[float | None]


class CurvePanel(Strict):
    """Curves that share their axes."""

    name: str
    title: str
    caption: str
    x_label: str
    y_label: str
    x_scale: Scale = "linear"
    y_scale: Scale = "linear"
    chance: float | None = Field(default=None, description="draw a dashed line at this y")
    curves: list[Curve]


class SweepSeries(Strict):
    """One condition at each value of what was varied."""

    name: str
    label: str
    role: Role
    estimates: list[Estimate | None] = Field(
        description="one a value of the sweep; None where the condition does not exist"
    )


class Sweep(Strict):
    """What one varied setting does to every condition."""

    key: str
    title: str
    caption: str
    x_label: str
    y_label: str
    values: list[str | int | float | bool]
    x_scale: Literal["linear", "log", "category"]
    chance: float | None = None
    series: list[SweepSeries]


class Picture(Strict):
    """A PNG in the run folder that belongs in the report."""

    title: str
    caption: str
    path: str = Field(description="relative to the run folder, with forward slashes")


class Fact(Strict):
    """A checked statement with its figure, such as one line of the theorem's check."""

    name: str
    statement: str
    value: str
    holds: bool | None = Field(description="None where there is nothing to pass or fail")


class Results(Strict):
    """All that a run found."""

    schema_version: Literal[1] = SCHEMA_VERSION
    experiment: str
    recipe: str = Field(description="the recipe's name")
    title: str
    question: str = Field(description="what was asked, one plain sentence")
    answer: str = Field(description="what was found, one plain sentence; a null is said as a null")
    measure: str = Field(description="what the conditions' numbers are, for the axis")
    chance: float | None = None
    conditions: list[Condition]
    comparisons: list[Comparison]
    curves: list[CurvePanel] = Field(default=[])
    sweeps: list[Sweep] = Field(default=[])
    facts: list[Fact] = Field(default=[])
    pictures: list[Picture] = Field(default=[])
    how: list[str] = Field(default=[], description="how it was done, a sentence each")
    caveats: list[str] = Field(default=[], description="what would make it wrong, a sentence each")
    settings: dict[str, Any] = Field(description="the resolved recipe")
