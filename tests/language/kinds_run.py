"""Shipped recipes of other carriers and traits, run at their smallest size."""

from __future__ import annotations

from pathlib import Path

from traitleak.experiment import run_recipe
from traitleak.recipe import load_recipe
from traitleak.runs import FinishedRun

GENTLE = ["teacher.learning_rate=0.0003", "teacher.min_lift=null", "carrier.temperature=0"]


def finished(runs: Path, name: str, *overrides: str) -> FinishedRun:
    """A run of a shipped recipe at its smallest size."""
    return run_recipe(load_recipe(name, ["size=tiny", *overrides]), runs=runs)
