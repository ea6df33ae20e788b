"""Small JSON files in the folders of stages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from traitleak.errors import DataError

__all__ = ["read_object", "write_object"]


def write_object(path: Path, content: object) -> None:
    """Write a file of a stage, whose folder is put in place as a whole."""
    text = json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False)
    path.write_text(f"{text}\n", encoding="utf-8")


def read_object(path: Path) -> dict[str, Any]:
    """An object that a stage left.

    Raises:
        DataError: it is not there or is something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read ({error}): delete its folder and run the recipe again."
        ) from error
    if not isinstance(content, dict):
        raise DataError(f"{path} is no object: delete its folder and run the recipe again.")
    return content
