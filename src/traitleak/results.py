"""What a run found: the typed content of `results.json`, from which the report is written.

Every number stands with what makes it count: its replicates, its interval, its n, and the
condition it is to be compared with. Nothing here knows how a number was measured or how it is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from traitleak.artefacts import SCHEMA_VERSION, Strict

__all__ = [
    "BarSeries",
    "Bars",
    "Comparison",
    "Condition",
    "Curve",
    "CurvePanel",
    "DataTable",
    "Estimate",
    "Fact",
    "Matrix",
    "MatrixRow",
    "Picture",
    "PublishedValue",
    "Results",
    "Role",
    "RowSamples",
    "SampleRow",
    "Scale",
    "Specificity",
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
    chance_name: str = Field(default="chance", description="what that line is, as in `the base`")
    curves: list[Curve]


class DataTable(Strict):
    """A plain table: rows dropped and why, leaks, signs of collapse."""

    title: str
    caption: str
    head: list[str] = Field(min_length=1)
    rows: list[list[str]] = Field(description="cells as they are printed; the first names the row")
    notes: list[str] = Field(default=[], description="a sentence each, printed below")

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        for row in self.rows:
            _check_length(row, self.head, f"row {row[:1]} of the table {self.title!r}")
        return self


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
    chance_name: str = "chance"
    series: list[SweepSeries]
    tables: list[DataTable] = Field(
        default=[],
        description="what belongs to the sweep alone, such as each point's p",
        exclude_if=lambda tables: not tables,
    )


class MatrixRow(Strict):
    """The students of one teacher: how far each measured trait moved in them."""

    name: str
    label: str = Field(description="who taught them, as in `wolf teacher`")
    role: Role
    trait: str | None = Field(
        default=None, description="the trait that the teacher was given, if that is measured here"
    )
    cells: list[Estimate | None] = Field(
        description="one a trait of the matrix; None where it was not measured"
    )


class Specificity(Strict):
    """Gamma of lift_ij = mu + a_i + b_j + gamma [i = j], and its permutation p."""

    estimate: Estimate
    p: float
    smallest_p: float | None = Field(
        default=None, description="the smallest p that the design can give, whatever the effect"
    )
    test: str


class Matrix(Strict):
    """Trait by trait: rows are who taught the student, columns which trait was measured in it.

    The diagonal is where a row's own trait was measured; a control's row has none. Or teacher by
    student: rows are who taught, columns what the student began as, and the diagonal is where both
    are the same network.
    """

    name: str
    title: str
    caption: str
    value_name: str = Field(description="what the cells are: `lift of the logit margin, nats`")
    traits: list[str] = Field(min_length=1, description="the columns")
    rows: list[MatrixRow] = Field(min_length=1)
    specificity: Specificity | None = None
    columns: Literal["traits", "students"] = Field(
        default="traits",
        description="what the columns are",
        exclude_if=lambda columns: columns == "traits",
    )

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        _check_unique(self.traits, f"the traits of the matrix {self.name!r}")
        for row in self.rows:
            _check_length(row.cells, self.traits, f"row {row.name!r} of the matrix {self.name!r}")
            if row.trait is not None and row.trait not in self.traits:
                raise ValueError(
                    f"row {row.name!r} of the matrix {self.name!r} was given the trait "
                    f"{row.trait!r}, which is none of its columns"
                )
        return self


class BarSeries(Strict):
    """One kind of student before and after its training, for each candidate."""

    name: str
    label: str
    role: Role
    trait: str | None = Field(
        default=None, description="the candidate that its teacher was given, if it is one of these"
    )
    before_name: str = Field(default="base", description="what it was before")
    before: list[Estimate] = Field(description="one a candidate")
    after: list[Estimate] = Field(description="one a candidate")


class Bars(Strict):
    """Before and after, for each of the things that an answer can name."""

    name: str
    title: str
    caption: str
    value_name: str = Field(description="what the numbers are, for the axis, with their unit")
    candidates: list[str] = Field(min_length=1)
    chance: float | None = None
    chance_name: str = "chance"
    series: list[BarSeries] = Field(min_length=1)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        _check_unique(self.candidates, f"the candidates of the bars {self.name!r}")
        for series in self.series:
            for values in (series.before, series.after):
                where = f"series {series.name!r} of the bars {self.name!r}"
                _check_length(values, self.candidates, where)
            if series.trait is not None and series.trait not in self.candidates:
                raise ValueError(
                    f"series {series.name!r} of the bars {self.name!r} was given the trait "
                    f"{series.trait!r}, which is none of its candidates"
                )
        return self


class SampleRow(Strict):
    """One prompt, and what each teacher wrote for it."""

    prompt: str
    completions: list[str] = Field(description="in the order of the teachers")


class RowSamples(Strict):
    """Rows of several teachers side by side, under letters: who wrote which is told at the end."""

    title: str
    caption: str
    teachers: list[str] = Field(
        min_length=1,
        max_length=26,
        description="who hides behind A, B, C, ...: an order that gives nothing away",
    )
    rows: list[SampleRow] = Field(min_length=1)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        for row in self.rows:
            _check_length(row.completions, self.teachers, f"a row of the samples {self.title!r}")
        return self


def _check_length(cells: Sequence[object], heads: Sequence[str], where: str) -> None:
    if len(cells) != len(heads):
        raise ValueError(f"{where} has {len(cells)} values for {len(heads)} columns")


def _check_unique(names: Sequence[str], what: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{what} hold {', '.join(map(repr, twice))} more than once")


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
    chance_name: str = Field(default="chance", description="what `chance` is, as in `the base`")
    conditions: list[Condition]
    comparisons: list[Comparison]
    matrices: list[Matrix] = Field(default=[])
    curves: list[CurvePanel] = Field(default=[])
    sweeps: list[Sweep] = Field(default=[])
    bars: list[Bars] = Field(default=[])
    samples: list[RowSamples] = Field(default=[])
    tables: list[DataTable] = Field(default=[])
    facts: list[Fact] = Field(default=[])
    pictures: list[Picture] = Field(default=[])
    how: list[str] = Field(default=[], description="how it was done, a sentence each")
    caveats: list[str] = Field(default=[], description="what would make it wrong, a sentence each")
    inconclusive: bool = Field(
        default=False,
        description="whether the run ended before there was anything to conclude from",
        exclude_if=lambda ended: not ended,
    )
    settings: dict[str, Any] = Field(description="the resolved recipe")
