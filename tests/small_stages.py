"""Runs of the small experiment: which stages were computed, and what is in the folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import small_experiment


def run(runs: Path, said: list[str] | None = None, **how: Any) -> tuple[list[str], Path]:
    """Run the small experiment; which stages were computed, and the run folder."""
    said = [] if said is None else said
    folder = small_experiment.run(runs, say=said.append, **how).folder
    return [line.split(":")[0] for line in said if ": done in " in line], folder


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below `folder`."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
