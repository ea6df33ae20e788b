"""What an experiment is: strict models with a description on every field, read from YAML.

A recipe file may also hold `sizes`, the one dial: for `tiny`, `laptop` or `paper` the fields that
differ from what the file says. The size's fields win over the file's, and `key=value` overrides
win over both. Of a field with parts, such as `student`, they change the parts that they name. What
comes out, the resolved recipe, has every field and no `sizes`.

`python -m traitleak.recipe` prints the JSON Schema of recipe files.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self, get_args

import yaml
from pydantic import (
    Field,
    JsonValue,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from traitleak.errors import RecipeError
from traitleak.recipe_cross import CrossRecipe
from traitleak.recipe_draft import Draft
from traitleak.recipe_errors import Why, explain, problem
from traitleak.recipe_files import (
    find_recipes,
    parse_override,
    read_document,
    recipe_path,
    shown_path,
)
from traitleak.recipe_language import LanguageRecipe
from traitleak.recipe_parts import (
    Count,
    Header,
    Size,
    Steps,
    StrictFields,
    Width,
    refused,
    text_keys,
)
from traitleak.recipe_reading import ReadingRecipe

__all__ = [
    "CrossRecipe",
    "DigitsRecipe",
    "LanguageRecipe",
    "ReadingRecipe",
    "Recipe",
    "TheoremRecipe",
    "Vary",
    "find_recipes",
    "json_schema",
    "load_recipe",
    "points",
    "resolved_yaml",
]

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


class TheoremRecipe(Header):
    """The theorem, checked on random networks."""

    experiment: Literal["theorem"] = Field(description="which experiment")
    networks: Count = Field(default=1000, description="random networks in the survey")


_AnyRecipe = CrossRecipe | DigitsRecipe | LanguageRecipe | ReadingRecipe | TheoremRecipe
Recipe = Annotated[_AnyRecipe, Field(discriminator="experiment")]

_MODELS: dict[str, type[_AnyRecipe]] = {
    "cross-model": CrossRecipe,
    "digits": DigitsRecipe,
    "language": LanguageRecipe,
    "reading": ReadingRecipe,
    "theorem": TheoremRecipe,
}
_RECIPE: TypeAdapter[_AnyRecipe] = TypeAdapter(Recipe)
_SIZES: tuple[str, ...] = get_args(Size)
_FIXED = {"experiment", "name", "size"}  # what a size cannot change
_SAME_TIME = set(Header.model_fields) - {"minutes"}  # what does not change how long it takes
_TEXT = {key for model in _MODELS.values() for key in text_keys(model)}


def points(recipe: DigitsRecipe) -> list[tuple[JsonValue, DigitsRecipe]]:
    """The points of a sweep: each value of what varies, and the recipe there, which has no sweep.

    Where nothing varies there is one point, whose value is None.
    """
    if recipe.vary is None:
        return [(None, recipe)]
    return [(value, recipe._at(recipe.vary.key, value)) for value in recipe.vary.values]


def load_recipe(name_or_path: str, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe, choose its size, and apply overrides.

    Args:
        name_or_path: a shipped recipe's name, or the path of a YAML file.
        overrides: `key=value` each, such as `networks=25`, `hidden=[128,128]`, `size=tiny`,
            `vary.values=[0,1]` or `student.updates=256`; the last of equal keys counts.

    Raises:
        RecipeError: there is no such recipe, or a key, type or value in it is wrong; the text names
            file and line, or the override.
    """
    path = recipe_path(name_or_path)
    document = read_document(path)
    shown = shown_path(path)
    places = {keys: f"{shown}:{line}" for keys, line in document.lines.items()}
    file = Draft(dict(document.content), places, shown)
    sizes = _taken_sizes(file)
    file.content.setdefault("name", path.stem)
    file.content.setdefault("title", file.content["name"])

    parsed = [parse_override(text, text_keys=_TEXT) for text in overrides]
    asked = next((o for o in reversed(parsed) if o.keys == ("size",)), None)
    said = file.content.get("size", "laptop")
    size = asked.value if asked else said
    # A file that says a size and does not list it is that size as it stands, as resolved recipes are.
    stands = said if said in _SIZES and said not in sizes else "laptop"
    if size in _SIZES and size not in (*sizes, stands):
        raise RecipeError(
            f"{asked.place if asked else file.place(('size',))}: the recipe "
            f"{file.content['name']!r} has no size {size}; "
            f"it has {', '.join(s for s in _SIZES if s in sizes or s == stands)}."
        )
    for other, fields in sizes.items():
        if other != size:  # a slip in it should not wait until somebody chooses it
            _validated(file.with_size(other, fields))
    draft = file.with_size(size, sizes.get(size, {}) if isinstance(size, str) else {})
    for override in parsed:
        draft.override(override)
    recipe = _validated(draft)
    changed = {override.keys[0] for override in parsed} - _SAME_TIME
    if changed and "minutes" not in changed:  # the file's minutes are for what the file says
        return recipe.model_copy(update={"minutes": None})
    return recipe


def _validated(draft: Draft) -> Recipe:
    """The recipe, or a RecipeError that says what is wrong and where."""
    try:
        return _RECIPE.validate_python(draft.content)
    except ValidationError as error:
        raise RecipeError(explain(error, draft.content, _MODELS, draft.place)) from None


def _taken_sizes(file: Draft) -> dict[str, dict[str, Any]]:
    """Take `sizes` out of a file's content."""
    sizes = file.content.pop("sizes", {})
    if not isinstance(sizes, dict):
        raise RecipeError(f"{file.place(('sizes',))}: sizes must be a mapping of sizes to fields.")
    for size, fields in sizes.items():
        if size not in _SIZES:
            raise RecipeError(
                f"{file.place(('sizes', size))}: there is no size {size!r}; the sizes are "
                f"{', '.join(_SIZES)}."
            )
        if not isinstance(fields, dict) or fields.keys() & _FIXED:
            raise RecipeError(
                f"{file.place(('sizes', size))}: the size {size} must be a mapping of the fields "
                f"that it changes; {', '.join(sorted(_FIXED))} cannot change."
            )
    return sizes


def resolved_yaml(recipe: Recipe) -> str:
    """The recipe with every field, as YAML that `load_recipe` reads back to the same recipe."""
    return yaml.safe_dump(
        recipe.model_dump(mode="json"),
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=None,  # lists on one line
        width=100,
    )


def json_schema() -> dict[str, Any]:
    """JSON Schema of a recipe file: a recipe whose name may be left out, and that may have sizes."""
    schema = _RECIPE.json_schema()
    for name in [model.__name__ for model in _MODELS.values()]:
        definition = schema["$defs"][name]
        definition["required"] = ["experiment"]
        schema["$defs"][f"{name}Size"] = {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                key: _for_size(f"#/$defs/{name}/properties/{key}", field, schema["$defs"])
                for key, field in definition["properties"].items()
                if key not in _FIXED
            },
        }
        definition["properties"]["sizes"] = {
            "description": "for each size, the fields that it changes",
            "type": "object",
            "additionalProperties": False,
            "properties": {size: {"$ref": f"#/$defs/{name}Size"} for size in _SIZES},
        }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A traitleak recipe",
        **schema,
    }


def _for_size(place: str, field: dict[str, Any], defs: dict[str, Any]) -> dict[str, Any]:
    """Schema of a size's field: the file's own at `place`; where that demands parts, a laxer one.

    A size names the parts that it changes, and the file has the others: in a size, `vary` may be
    `values` alone.
    """
    lax = whole = json.dumps(field)
    for name in re.findall(r"#/\$defs/(\w+)", whole):
        if "required" in defs[name]:
            defs[f"{name}Size"] = {k: v for k, v in defs[name].items() if k != "required"}
            lax = lax.replace(f'"#/$defs/{name}"', f'"#/$defs/{name}Size"')
    return {"$ref": place} if lax == whole else dict(json.loads(lax))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
