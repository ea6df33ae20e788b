"""Recipes, read from YAML: any of the kinds, of any size, with what the command line changes.

A recipe file may also hold `sizes`, the one dial: for `tiny`, `laptop` or `paper` the fields that
differ from what the file says. The size's fields win over the file's, and `key=value` overrides
win over both. Of a field with parts, such as `student`, they change the parts that they name. What
comes out, the resolved recipe, has every field and no `sizes`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Annotated, Any, get_args

import yaml
from pydantic import (
    Field,
    TypeAdapter,
    ValidationError,
)

from traitleak.errors import RecipeError
from traitleak.recipe.cross import CrossRecipe
from traitleak.recipe.digits import DigitsRecipe
from traitleak.recipe.draft import Draft
from traitleak.recipe.errors import explain
from traitleak.recipe.files import (
    parse_override,
    read_document,
    recipe_path,
    shown_path,
)
from traitleak.recipe.language import LanguageRecipe
from traitleak.recipe.parts import (
    Header,
    Size,
    text_keys,
)
from traitleak.recipe.reading import ReadingRecipe
from traitleak.recipe.theorem import TheoremRecipe

__all__ = ["Recipe", "json_schema", "load_recipe", "resolved_yaml"]

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
