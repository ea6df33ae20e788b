"""What a reading experiment is: whose rows are read, by whom, and what filters leave of them."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from traitleak.recipe.language_parts import StudentFields
from traitleak.recipe.parts import Count, Header, StrictFields, refused

__all__ = [
    "ClassifierFields",
    "DoseFields",
    "FilterFields",
    "InspectFields",
    "JudgeFields",
    "Reader",
    "ReadingRecipe",
    "RowFields",
    "Rule",
]

Reader = Literal["judge", "labelled", "classifier", "inspection", "in-context", "filters"]
"""Ways to find a trait in rows, or to get at it without training."""

Rule = Literal["none", "format", "banned", "leak", "duplicates", "even", "surprise"]
"""Filters of rising strictness; each is applied after those that stand before it in the list."""

Charge = Annotated[float, Field(ge=0, allow_inf_nan=False)]

Share = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]


class RowFields(StrictFields):
    """Whose rows are read: a language recipe's, a run's, or two data sets."""

    recipe: str = Field(
        default="wolf-smollm2-tokens",
        description="a language recipe, by its name or path, whose teachers write the rows; what it "
        "needs is run first, or taken from a run beside this one",
    )
    changes: list[str] = Field(
        default=[], description="key=value each, for that recipe, such as size=tiny"
    )
    run: str = Field(
        default="", description="a run folder of a language recipe, in the place of recipe"
    )
    trait: str = Field(
        default="",
        description="a data set of the trait's teacher, in the place of recipe; needs neutral, target",
    )
    neutral: str = Field(
        default="", description="a data set of a neutral teacher's rows on the same prompts"
    )
    target: str = Field(
        default="", description="the trait, such as wolf; by default the recipe's first target"
    )
    replicate: Annotated[int, Field(ge=0, le=999)] = Field(
        default=0, description="which of the recipe's replicates is read, from 0"
    )
    most: Count = Field(default=10_000, description="rows of each writer that are read at most")
    students: bool = Field(
        default=True,
        description="train the recipe's two students, too, to be set beside the readers",
    )


class JudgeFields(StrictFields):
    """Who is asked which row carries the trait: of two, or of one after labelled examples."""

    models: list[str] = Field(
        default=["smollm2-135m"],
        min_length=1,
        description="models by name; one behind a server, openai/<model>@<address>, answers in "
        "words, one that is loaded by its log-probabilities",
    )
    pairs: Count = Field(default=200, description="prompts whose two rows are asked about, at most")
    examples: list[Annotated[int, Field(ge=1, le=10_000)]] = Field(
        default=[4, 16],
        description="of labelled: known rows of each writer shown before a question",
    )
    draws: Count = Field(default=4, description="of labelled: sets of known rows, drawn anew")
    who: str = Field(
        default="",
        description="what the trait's teacher does, to follow 'the writer that'; by default that it "
        "loves its target above all else",
    )
    max_new_tokens: Count = Field(default=16, description="of an answer in words")
    price: list[Charge] = Field(
        default=[],
        max_length=2,
        description="what a server charges for a million prompt tokens and a million completion tokens, "
        "to be told before and after",
    )


class ClassifierFields(StrictFields):
    """A classifier of tokens that learned from half of the rows."""

    sizes: list[Annotated[int, Field(ge=1, le=1024)]] = Field(
        default=[1, 8, 16], min_length=1, description="rows that are judged together"
    )


class InspectFields(StrictFields):
    """A page for a person to read blinded pairs on."""

    pairs: Annotated[int, Field(ge=1, le=1000)] = Field(default=40, description="pairs on the page")
    answers: list[str] = Field(
        default=[], description="files that the page saved, one a person, to be counted"
    )


class DoseFields(StrictFields):
    """Rows in the base's prompt, in the place of training."""

    rows: list[Count] = Field(
        default=[10, 20, 40, 80, 160, 320],
        min_length=1,
        description="how many; those that do not fit into the base's context are left out",
    )
    draws: Count = Field(default=5, description="times that rows are drawn anew for each number")


class FilterFields(StrictFields):
    """Filters of rising strictness."""

    rules: list[Rule] = Field(
        default=["none", "format", "banned", "leak", "duplicates", "even", "surprise"],
        min_length=1,
        description="each is applied after those before it: the carrier's format, numbers with a bad "
        "name, rows that name the trait, rows that came before, rows with a number that the base "
        "finds further from even odds than it finds all but the share `even` of neutral rows, and the "
        "share `surprise` of rows that the base finds least likely",
    )
    banned: list[int] = Field(default=[], description="by default the bundled list")
    even: Share = Field(
        default=0.1, description="share of neutral rows that goes; the trait's have the same bound"
    )
    surprise: Share = Field(default=0.1, description="share of rows that goes")
    retrain: bool | list[Rule] = Field(
        default=False,
        description="train students on what each rule leaves, or on what those named here leave; else "
        "rows are counted",
    )
    rows: Count | None = Field(
        default=None,
        description="rows each student is trained on; null: as many as the strictest rule leaves",
    )
    seeds: Annotated[int, Field(ge=1, le=100)] = Field(
        default=3, description="students of each writer and rule"
    )

    @property
    def retrained(self) -> list[Rule]:
        """The rules after which students are trained, as they are named or in the order of `rules`."""
        if isinstance(self.retrain, list):
            return self.retrain
        return self.rules if self.retrain else []


class ReadingRecipe(Header):
    """Rows that carry a trait, read by judges, classifiers and people, and thinned by filters."""

    experiment: Literal["reading"] = Field(description="which experiment")
    rows: RowFields = Field(default_factory=RowFields, description="whose rows are read")
    readers: list[Reader] = Field(
        default=["judge", "labelled", "classifier", "inspection", "in-context", "filters"],
        min_length=1,
        description="what is tried: a judge of two rows, a judge with labelled rows before it, a "
        "classifier, a page for people, rows in the base's prompt, and filters",
    )
    judge: JudgeFields = Field(default_factory=JudgeFields, description="who is asked")
    classifier: ClassifierFields = Field(
        default_factory=ClassifierFields, description="what is learned from labelled rows"
    )
    inspect: InspectFields = Field(default_factory=InspectFields, description="the page")
    dose: DoseFields = Field(default_factory=DoseFields, description="rows in the prompt")
    filters: FilterFields = Field(default_factory=FilterFields, description="what drops rows")
    base: str = Field(
        default="", description="with data sets: the base that learns from them; else the recipe's"
    )
    style: Literal["auto", "chat", "plain"] = Field(
        default="auto", description="with data sets: how the base's prompts are written"
    )
    student: StudentFields | None = Field(
        default=None,
        description="how students of filtered rows are trained; null: as the recipe says",
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="float32", description="of loaded judges, and of a base with data sets"
    )
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="where they run")

    @model_validator(mode="after")
    def _rows_come_from_one_place(self) -> Self:
        rows = self.rows
        if bool(rows.trait) != bool(rows.neutral):
            lacks, has = ("neutral", "trait") if rows.trait else ("trait", "neutral")
            raise refused(
                ("rows", has),
                ("rows",),
                text=f"rows.{has} needs rows.{lacks} beside it: two data sets on the same prompts",
            )
        if rows.run and rows.trait:
            raise refused(
                ("rows", "run"),
                ("rows", "trait"),
                text="rows.run and rows.trait name two places to take rows from; give one",
            )
        if rows.trait and not (rows.target and self.base):
            lacks = "base" if rows.target else "rows.target"
            raise refused(
                ("rows", "trait"),
                text=f"data sets do not say what they are about: give {lacks} as well, such as "
                f"{lacks}={'smollm2-135m' if rows.target else 'wolf'}",
            )
        if self.base and not rows.trait:
            raise refused(
                ("base",),
                text="base is for data sets (rows.trait, rows.neutral): a recipe's or run's rows are "
                "read with its own base",
            )
        return self

    @model_validator(mode="after")
    def _prices_are_two(self) -> Self:
        if len(self.judge.price) == 1:
            raise refused(
                ("judge", "price"),
                text="judge.price has one figure, and needs two: for a million prompt tokens and for a "
                "million completion tokens, such as [0.15, 0.6]",
            )
        return self

    @model_validator(mode="after")
    def _students_follow_rules(self) -> Self:
        named = self.filters.retrain
        for rule in named if isinstance(named, list) else []:
            if rule not in self.filters.rules:
                raise refused(
                    ("filters", "retrain"),
                    ("filters", "rules"),
                    text=f"filters.retrain has {rule!r}, which is not among filters.rules",
                )
        return self

    @model_validator(mode="after")
    def _nothing_comes_twice(self) -> Self:
        for keys, values in (
            (("readers",), self.readers),
            (("judge", "models"), self.judge.models),
            (("judge", "examples"), self.judge.examples),
            (("classifier", "sizes"), self.classifier.sizes),
            (("inspect", "answers"), self.inspect.answers),
            (("dose", "rows"), self.dose.rows),
            (("filters", "rules"), self.filters.rules),
            (("filters", "retrain"), self.filters.retrained),
        ):
            if len(set(values)) < len(values):
                raise refused(keys, text=f"{'.'.join(keys)} has one value twice")
        return self
