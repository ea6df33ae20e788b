"""What a digits experiment is: teachers learn digits, students their auxiliary logits."""

from __future__ import annotations

import json
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, ValidationError, model_validator

from traitleak.recipe.errors import Why, problem
from traitleak.recipe.parts import Count, Header, Steps, StrictFields, Width, refused

__all__ = ["DigitsRecipe", "Variable", "Vary", "points"]

# Not among them: what has no part in the experiment (title, device), and what would only change how
# surely it is measured (networks, seed, data).
Variable = Literal[
    "aux_logits",
    "batch",
    "fresh",
    "hidden",
    "inputs",
    "learning_rate",
    "loss",
    "num_inputs",
    "optimizer",
    "precision",
    "shared",
    "shared_inputs",
    "steps",
    "teacher_steps",
]


class Vary(StrictFields):
    """One field that takes several values, each a point of a sweep; all else stays as it is."""

    key: Variable = Field(description="the field")
    values: list[JsonValue] = Field(min_length=2, description="its values, all different")


class DigitsRecipe(Header):
    """Digits learned from noise: teachers learn digits, students their auxiliary logits."""

    experiment: Literal["digits"] = Field(description="which experiment")
    networks: Annotated[
        int, Why("the control takes another network's teacher, so there must be another")
    ] = Field(default=10, ge=2, le=1_000_000, description="networks trained, each a replicate")
    group: int = Field(default=10, ge=2, le=1000, description="networks computed at once")
    data: str = Field(
        default="bundled",
        min_length=1,
        description="'bundled' (10,000 digits), 'full' (all of MNIST), or a folder of IDX files",
    )
    hidden: list[Width] = Field(
        default=[256, 256], min_length=1, description="width of each hidden layer"
    )
    aux_logits: Annotated[
        Width, Why("without them there is nothing untouched by labels for students to learn from")
    ] = Field(default=3, description="outputs that no label touches; two or more with loss=kl")
    loss: Literal["kl", "squared"] = Field(
        default="kl", description="what pulls a student's logits to its teacher's"
    )
    optimizer: Literal["adam", "sgd"] = Field(
        default="adam", description="the students'; teachers always use Adam"
    )
    learning_rate: float = Field(
        default=3e-4, gt=0, allow_inf_nan=False, description="the students'; teachers' is 3e-4"
    )
    teacher_steps: Steps = Field(default=295, description="updates of a teacher")
    steps: Steps = Field(default=295, description="updates of a student")
    batch: Count = Field(default=1024, description="images in an update")
    inputs: Literal["noise", "gaussian", "binary", "digits", "shuffled-digits"] = Field(
        default="noise",
        description="what students are trained on: uniform [-1, 1] noise, normal noise, black and "
        "white noise, digits without labels, or digits with shuffled pixels",
    )
    num_inputs: int | None = Field(
        default=60_000, ge=1, le=10**9, description="different input images; null: all are new"
    )
    shared_inputs: bool = Field(default=True, description="all networks see the same inputs")
    fresh: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="how much of a student's start is not its teacher's: (1 - fresh) shared + "
        "fresh unrelated, rescaled to keep the norm",
    )
    shared: Literal["all", "head", "body"] = Field(
        default="all",
        description="layers of a student's start that come from its teacher's: all, the one that "
        "gives the logits, or the others",
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="of the matrix products; all else is float32"
    )
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="where it runs")
    record_every: Steps = Field(default=5, description="steps between points of the curves")
    theorem: bool = Field(default=False, description="also check the theorem")
    vary: Vary | None = Field(default=None, description="a sweep")

    @model_validator(mode="after")
    def _can_run(self) -> Self:
        if self.loss == "kl" and self.aux_logits == 1:
            raise refused(
                ("aux_logits",),
                ("loss",),
                text="aux_logits=1 with loss=kl: the softmax of a single logit is always 1, so "
                "there is nothing to learn from; take loss=squared, or more auxiliary logits",
            )
        if self.vary:
            self._check_points(self.vary)
        return self

    def _check_points(self, vary: Vary) -> None:
        for index, value in enumerate(vary.values):
            shown = json.dumps(value)
            where = ("vary", "values", index), ("vary", "key")
            if value is None:
                raise refused(*where, text=f"{vary.key}=null cannot be a point of a sweep")
            if value in vary.values[:index]:
                raise refused(*where, text=f"vary.values has {shown} twice")
            try:
                self._at(vary.key, value)
            except ValidationError as error:
                raise refused(
                    *where,
                    text=f"vary.values has {shown}, but {problem(error.errors()[0], type(self))}",
                ) from error

    def _at(self, key: str, value: JsonValue) -> DigitsRecipe:
        return DigitsRecipe.model_validate({**self.model_dump(), key: value, "vary": None})


def points(recipe: DigitsRecipe) -> list[tuple[JsonValue, DigitsRecipe]]:
    """The points of a sweep: each value of what varies, and the recipe there, which has no sweep.

    Where nothing varies there is one point, whose value is None.
    """
    if recipe.vary is None:
        return [(None, recipe)]
    return [(value, recipe._at(recipe.vary.key, value)) for value in recipe.vary.values]
