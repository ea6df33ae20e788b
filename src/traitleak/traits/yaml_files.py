"""YAML files of texts, read strictly: an error names file, line and field.

This module knows no trait; what a file may say is in a pydantic model that its reader brings.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from traitleak.errors import DataError
from traitleak.recipe.files import Keys, dotted, shown_path

__all__ = ["Problem", "StrictTexts", "read_yaml"]

_MOST_BYTES: Final = 16 << 20  # of texts that people write

# The quick parser is there wherever PyYAML was built with libyaml.
_Loader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_WRONG = {
    "string_type": "must be text, not {given}; put it in quotes",
    "list_type": "must be a list, each entry after a hyphen, not {given}",
    "model_type": "must be a mapping of keys to values, not {given}",
    "missing": "is missing",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a file's texts.

    Attributes:
        keys: where, as the way into the file: ("items", 3, "shows").
        text: what, and what to do.
        kind: the same in a word or two, for counting; "" where nobody counts.
    """

    keys: Keys
    text: str
    kind: str = ""


class StrictTexts(BaseModel):
    """Fields of the very types they say, and no others."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


_Model = TypeVar("_Model", bound=BaseModel)


def read_yaml(
    path: Path | str, model: type[_Model], problems: Callable[[_Model], Iterable[Problem]]
) -> _Model:
    """A YAML file as `model`.

    Args:
        path: the file.
        model: its fields.
        problems: what is wrong with fields of the right types, the first to name first.

    Raises:
        DataError: the file is missing, too large, no UTF-8, no YAML; a key is unknown, given twice,
            missing or of the wrong type; it has anchors; or `problems` finds one.
    """
    path = Path(path)
    shown = shown_path(path)
    root = _parsed(path, shown)
    lines = _lines(root, shown)

    def fail(keys: Keys, text: str) -> DataError:
        known = next(at for at in (keys[:n] for n in range(len(keys), -1, -1)) if at in lines)
        return DataError(f"{shown}:{lines[known]}: {dotted(keys)}: {text}.")

    try:
        content = _Loader("").construct_document(root)
    except ValueError as error:  # such as the date 2025-99-99
        raise DataError(f"{shown} holds a value that cannot be read: {error}.") from error
    try:
        read = model.model_validate(content)
    except ValidationError as error:
        # An unknown key first: a misspelt one may be why another is missing.
        first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
        raise fail(first["loc"], _said(first, model)) from error
    for problem in problems(read):
        raise fail(problem.keys, problem.text)
    return read


def _parsed(path: Path, shown: str) -> yaml.MappingNode:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DataError(f"{shown} is larger than {_MOST_BYTES >> 20} MB; split it.")
        root = yaml.compose(path.read_bytes().decode("utf-8"), _Loader)
    except FileNotFoundError as error:
        raise DataError(f"There is no file {shown}.") from error
    except OSError as error:
        raise DataError(f"{shown} cannot be read: {os.strerror(error.errno or 0)}.") from error
    except (UnicodeDecodeError, yaml.reader.ReaderError) as error:
        raise DataError(f"{shown} is not a text file in UTF-8.") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise DataError(
            f"{shown}{line}: not valid YAML: {error.problem or error.context}; a text with a colon, "
            "a hash or a quote at its start goes in quotes."
        ) from error
    except RecursionError as error:
        raise DataError(f"{shown} is nested too deeply.") from error
    if not isinstance(root, yaml.MappingNode):
        raise DataError(f"{shown} must be a mapping of keys to values, such as `name: flattery`.")
    return root


def _lines(root: yaml.MappingNode, shown: str) -> dict[Keys, int]:
    """The line of every key and entry; refuses keys that come twice, and aliases."""
    lines: dict[Keys, int] = {(): 1}
    seen: set[int] = set()
    waiting: list[tuple[yaml.Node, Keys]] = [(root, ())]
    while waiting:
        node, keys = waiting.pop()
        if id(node) in seen:
            raise DataError(
                f"{shown}:{node.start_mark.line + 1}: anchors (&) and aliases (*) have no place "
                "here; write the text out."
            )
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                lines[*keys, index] = item.start_mark.line + 1
                waiting.append((item, (*keys, index)))
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                line = key.start_mark.line + 1
                if not isinstance(key, yaml.ScalarNode):
                    raise DataError(f"{shown}:{line}: a key must be text.")
                here = (*keys, str(key.value))
                if here in lines:
                    raise DataError(
                        f"{shown}:{line}: {dotted(here)} is given twice, first on line "
                        f"{lines[here]}; remove one."
                    )
                lines[here] = line
                waiting.append((value, here))
    return lines


def _said(error: ErrorDetails, model: type[BaseModel]) -> str:
    """What pydantic found, in words."""
    if error["type"] == "extra_forbidden":
        return f"this key is unknown; the keys here are {', '.join(_keys(error['loc'], model))}"
    told = _WRONG.get(error["type"])
    return told.format(given=_shown(error["input"])) if told else str(error["msg"]).lower()


def _keys(keys: Keys, model: type[BaseModel]) -> list[str]:
    """The keys that may stand where an unknown one stands."""
    for key in keys[:-1]:
        if isinstance(key, str):
            annotation = model.model_fields[key].annotation
            model = next(part for part in (*get_args(annotation), annotation) if _is_model(part))
    return list(model.model_fields)


def _is_model(part: object) -> bool:
    return isinstance(part, type) and issubclass(part, BaseModel)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
