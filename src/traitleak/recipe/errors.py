"""What is wrong with a recipe, in one sentence: key, value, what is allowed, and where it was set."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from traitleak.recipe.files import Keys, dotted
from traitleak.recipe.parts import model_in

__all__ = ["Why", "explain", "problem"]

# What must be, by pydantic's name of the error; braces take what the error knows.
_MUST_BE = {
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "finite_number": "a finite number",
    "float_type": "a number",
    "greater_than": "greater than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "int_type": "a whole number",
    "invalid-json-value": "a number, text or a list",
    "less_than_equal": "at most {le:,.19g}",
    "less_than": "less than {lt:,.19g}",
    "list_type": "a list",
    "literal_error": "{expected}",
    "model_type": "a mapping",
    "string_pattern_mismatch": "letters, digits, dots, hyphens and underscores",
    "string_too_long": "at most {max_length} characters",
    "string_too_short": "some text",
    "string_type": "text",
    "too_short": "a list of {min_length} or more",
}


@dataclass(frozen=True)
class Why:
    """In a field's annotation: the reason for its bound, where that is not plain."""

    reason: str


def explain(
    error: ValidationError,
    content: Mapping[str, Any],
    models: Mapping[str, type[BaseModel]],
    place: Callable[[Keys], str],
) -> str:
    """The most telling error, with the place where the wrong value was set.

    Args:
        error: of validating `content` as one of `models`, told apart by `experiment`.
        content: the fields of the recipe.
        models: by experiment.
        place: gives where a key was set: file and line, or the override.
    """
    # An unknown key first: a misspelt one may be why another error is there.
    details = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    first = details[0]
    if first["type"] in {"union_tag_not_found", "union_tag_invalid"}:
        return _no_experiment(content, list(models), place)
    model = models[str(first["loc"][0])]
    keys: Keys = first["loc"][1:]
    if first["type"] == "refused":
        # Of the fields that do not go together, the one set last is the one to name.
        fields = [tuple(field) for field in first["ctx"]["fields"]]
        places = [place(field) for field in fields]
        where = next((p for p in places if p.startswith("on the command line")), places[0])
        return _sentence(where, problem(first, model))
    return _sentence(place(keys), problem({**first, "loc": keys}, model))


def _sentence(where: str, what: str) -> str:
    return f"{where}: {what}" if what.endswith("?") else f"{where}: {what}."


def problem(error: ErrorDetails, model: type[BaseModel]) -> str:
    """What is wrong, without the place and the full stop; `loc` begins with a field of `model`."""
    keys = error["loc"]
    name = dotted(keys)
    given = _shown(error["input"])
    if error["type"] == "refused":
        return str(error["ctx"]["text"])
    if error["type"] == "extra_forbidden":
        return _unknown_key(keys, model)
    if error["type"] == "missing":
        return f"the key {name!r} is missing"
    told = _MUST_BE.get(error["type"], "of another kind").format(**error.get("ctx", {}))
    allowed = told.replace("'", "")  # around choices
    sentence = f"{name} must be {allowed}, not {given}"
    if error["type"] == "literal_error":
        choices = allowed.replace(" or ", ", ").split(", ")
        return sentence + _did_you_mean(error["input"], choices)
    if error["type"] == "greater_than_equal":
        reasons = [part.reason for part in _field(keys, model).metadata if isinstance(part, Why)]
        return ": ".join([sentence, *reasons])
    return sentence


def _no_experiment(
    content: Mapping[str, Any], experiments: list[str], place: Callable[[Keys], str]
) -> str:
    either = " or ".join([", ".join(experiments[:-1]), experiments[-1]])
    if "experiment" in content:
        given = content["experiment"]
        what = f"experiment must be {either}, not {_shown(given)}"
        return _sentence(place(("experiment",)), what + _did_you_mean(given, experiments))
    near = get_close_matches("experiment", content, n=1)
    if near:
        return _sentence(place((near[0],)), f"unknown key {near[0]!r}; did you mean 'experiment'?")
    return _sentence(place(()), f"the key 'experiment' is missing; it says which: {either}")


def _unknown_key(keys: Keys, model: type[BaseModel]) -> str:
    """What to say of a key that is not there: where it belongs, the nearest beside it, or all."""
    *parents, key = keys
    parent = dotted(tuple(parents))
    inner = model_in(_field(tuple(parents), model)) if parents else model
    known = list(inner.model_fields) if inner else []
    unknown = f"unknown key {dotted(keys)!r}"
    meant = _places_for(str(key), model)
    near = _nearest(key, known)
    if near and not meant:
        meant = [f"{parent}.{near}" if parent else near]
    if meant:
        return f"{unknown}; did you mean {' or '.join(map(repr, meant))}?"
    return f"{unknown}; the keys{f' of {parent}' if parent else ''} are {', '.join(known)}"


def _places_for(key: str, model: type[BaseModel]) -> list[str]:
    """The dotted keys that end in `key`."""
    parts = {name: model_in(field) for name, field in model.model_fields.items()}
    inside = [
        f"{name}.{key}" for name, inner in parts.items() if inner and key in inner.model_fields
    ]
    return [key, *inside] if key in parts else inside


def _field(keys: Keys, model: type[BaseModel]) -> FieldInfo:
    """The innermost field that `keys` lead into."""
    field = model.model_fields[str(keys[0])]
    for key in keys[1:]:
        inner = model_in(field)
        if inner is None or str(key) not in inner.model_fields:  # an entry of a list
            break
        field = inner.model_fields[str(key)]
    return field


def _did_you_mean(given: object, choices: list[str]) -> str:
    near = _nearest(given, choices)
    return f"; did you mean {near!r}?" if near else ""


def _nearest(given: object, choices: list[str]) -> str | None:
    if not isinstance(given, str):
        return None
    begun = [choice for choice in choices if len(given) > 2 and choice.startswith(given.lower())]
    near = begun or get_close_matches(given.lower(), choices, n=1, cutoff=0.65)
    return near[0] if near else None


def _shown(value: object, longest: int = 60) -> str:
    """A value as YAML would have it, cut short."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except ValueError:  # Python prints no whole number of more than 4300 digits
        return "a number of thousands of digits"
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
