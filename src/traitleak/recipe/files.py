"""Recipe files: where they lie, YAML read with the line of every key, and `key=value` overrides.

This module knows no experiment and no field: what a recipe may say is in `traitleak.recipe`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from traitleak.errors import RecipeError

__all__ = [
    "Document",
    "Keys",
    "Override",
    "dotted",
    "find_recipes",
    "parse_override",
    "read_document",
    "recipe_path",
    "shown_path",
]

Keys = tuple[str | int, ...]  # the way to a value: ("vary", "values", 2)


class _Loader(yaml.SafeLoader):
    """YAML 1.1, but `1e-3` is a number, as everywhere else."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\d[\d_]*\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


@dataclass(frozen=True)
class Document:
    """A YAML mapping, and the line (from 1) on which each of its keys and entries stands."""

    content: dict[str, Any]
    lines: dict[Keys, int]


@dataclass(frozen=True)
class Override:
    """One `key=value` of the command line."""

    keys: tuple[str, ...]
    value: Any
    raw: str  # the value as it was typed

    @property
    def place(self) -> str:
        """How an error names it."""
        return f"on the command line: {'.'.join(self.keys)}={self.raw}"


def dotted(keys: Keys) -> str:
    """`vary.values[2]`."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
    return text.removeprefix(".")


def find_recipes() -> list[Path]:
    """The shipped recipes, in order of name."""
    packaged = Path(__file__).parents[1] / "recipes"
    checkout = Path(__file__).parents[3] / "recipes"
    folder = packaged if packaged.is_dir() else checkout
    return sorted(folder.glob("*.yaml"), key=lambda path: path.stem)


def recipe_path(name_or_path: str) -> Path:
    """The file of a shipped recipe by its name, or the path itself.

    Raises:
        RecipeError: no shipped recipe has that name; the text names the nearest.
    """
    shipped = {path.stem: path for path in find_recipes()}
    if name_or_path in shipped:
        return shipped[name_or_path]
    path = Path(name_or_path)
    looks_like_a_path = path.suffix in {".yaml", ".yml"} or path.name != name_or_path
    if looks_like_a_path or path.is_file():
        return path
    near = get_close_matches(name_or_path, shipped, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise RecipeError(
        f"There is no recipe {name_or_path!r}; {hint}`traitleak recipes` lists those there are, "
        "and a recipe of your own is named by its path, such as ./mine.yaml."
    )


def shown_path(path: Path) -> str:
    """A path as an error shows it: from the working directory where it lies below."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def read_document(path: Path) -> Document:
    """Read a YAML file whose top level is a mapping.

    Raises:
        RecipeError: the file cannot be read, is not YAML text, is no mapping, or has a key twice.
    """
    shown = shown_path(path)
    loader = None
    try:
        loader = _Loader(path.read_bytes().decode("utf-8"))
        node = loader.get_single_node()
        if node is None:
            raise RecipeError(f"{shown} is empty; a recipe needs at least the key 'experiment'.")
        if not isinstance(node, yaml.MappingNode):
            raise RecipeError(
                f"{_at(shown, node)}: a recipe is a mapping of keys to values, "
                f"not a {'list' if isinstance(node, yaml.SequenceNode) else 'single value'}."
            )
        lines = _lines(node, shown)
        return Document(loader.construct_document(node), lines)
    except FileNotFoundError as error:
        raise RecipeError(
            f"There is no file {shown}; `traitleak recipes` lists the shipped recipes."
        ) from error
    except IsADirectoryError as error:
        inside = path / "recipe.yaml"
        hint = f"{shown_path(inside)}" if inside.is_file() else "a YAML file in it"
        raise RecipeError(f"{shown} is a folder; name the recipe itself: {hint}.") from error
    except OSError as error:
        raise RecipeError(f"{shown} cannot be read: {os.strerror(error.errno or 0)}.") from error
    except (UnicodeDecodeError, yaml.reader.ReaderError) as error:
        raise RecipeError(f"{shown} is not a text file in UTF-8, so it is no recipe.") from error
    except yaml.MarkedYAMLError as error:
        raise RecipeError(f"{_marked(shown, error)}: not valid YAML: {_problem(error)}.") from error
    except RecursionError as error:
        raise RecipeError(f"{shown} is nested too deeply for a recipe.") from error
    except ValueError as error:  # such as the date 2025-99-99
        raise RecipeError(f"{shown} holds a value that cannot be read: {error}.") from error
    finally:
        if loader:
            loader.dispose()


def _lines(root: yaml.MappingNode, shown: str) -> dict[Keys, int]:
    """The line of every key and entry; refuses keys that are no text or come twice, and aliases."""
    lines: dict[Keys, int] = {}
    seen: set[int] = set()

    def walk(node: yaml.Node, keys: Keys) -> None:
        if id(node) in seen:  # its line is that of its anchor, and it might contain itself
            raise RecipeError(
                f"{_at(shown, node)}: anchors (&) and aliases (*) have no place in a recipe; write "
                "the value out."
            )
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                lines[*keys, index] = item.start_mark.line + 1
                walk(item, (*keys, index))
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.tag != "tag:yaml.org,2002:str":
                    name = key.value if isinstance(key, yaml.ScalarNode) else "a list or mapping"
                    raise RecipeError(f"{_at(shown, key)}: the key {name} is not text; quote it.")
                here = (*keys, key.value)
                if here in lines:
                    raise RecipeError(
                        f"{_at(shown, key)}: the key {key.value!r} is given twice, first on line "
                        f"{lines[here]}; remove one."
                    )
                lines[here] = key.start_mark.line + 1
                walk(value, here)

    walk(root, ())
    return lines


def _at(shown: str, node: yaml.Node) -> str:
    return f"{shown}:{node.start_mark.line + 1}"


def _marked(shown: str, error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return f"{shown}:{mark.line + 1}" if mark else shown


def _problem(error: yaml.MarkedYAMLError) -> str:
    told = " ".join(part for part in (error.context, error.problem) if part)
    return told.replace("'<stream end>'", "the end")


def parse_override(text: str, *, text_keys: Collection[str] = ()) -> Override:
    """Read `key=value`: the key may be dotted (`vary.values`), the value is YAML on one line.

    Args:
        text: as it was typed.
        text_keys: keys whose value is text as it stands: `title=a: b` is no mapping.

    Raises:
        RecipeError: it has no key, no `=`, or its value is not valid YAML.
    """
    key, equals, raw = text.partition("=")
    keys = tuple(part.strip() for part in key.split("."))
    if not equals or not all(keys):
        raise RecipeError(
            f"on the command line: {text!r} is not of the form key=value, such as networks=25."
        )
    if key in text_keys:
        return Override(keys, raw, raw)
    try:
        return Override(keys, yaml.load(raw, _Loader), raw)  # noqa: S506  # a SafeLoader
    except yaml.MarkedYAMLError as error:
        raise RecipeError(f"on the command line: {text}: {_problem(error)}.") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise RecipeError(f"on the command line: {text!r}: the value cannot be read.") from error
