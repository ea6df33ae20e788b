"""Runs a recipe: its stages in order, then its results and its report, in one run folder.

Interrupt it anywhere and run it again: it goes on after the last finished stage, and ends with the
same `results.json` as an uninterrupted run. It composes what other modules do, and does nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pydantic import JsonValue

from traitleak.artefacts import content_hash, failures_named, write_json
from traitleak.environment import describe
from traitleak.progress import Track, untracked
from traitleak.recipe import (
    CrossRecipe,
    DigitsRecipe,
    LanguageRecipe,
    ReadingRecipe,
    Recipe,
    TheoremRecipe,
    resolved_yaml,
)
from traitleak.report import write_report
from traitleak.results import Results
from traitleak.runs import (
    ENVIRONMENT,
    FinishedRun,
    hold_run_folder,
    mark_finished,
    mark_unfinished,
    write_results,
)
from traitleak.stages import Foreseen, Stage, foresee_stages, run_stages

__all__ = ["foresee", "run_folder", "run_plan", "run_recipe"]


def run_folder(recipe: Recipe, runs: Path) -> Path:
    """Where a run of `recipe` leaves its files: equal recipes share a folder."""
    return runs / f"{recipe.name}-{content_hash(recipe.model_dump(mode='json'))[:10]}"


def run_recipe(
    recipe: Recipe,
    *,
    runs: Path,
    track: Track = untracked,
    fresh: bool = False,
    say: Callable[[str], None] = lambda _line: None,
) -> FinishedRun:
    """Run an experiment, or what is still missing of it.

    Args:
        recipe: what to run.
        runs: the folder of run folders; need not exist.
        track: shows how far long work is.
        fresh: compute everything anew, in the place of what an earlier run left.
        say: gets a line a stage, and one if another process has to be waited for.

    Raises:
        RunError: the run folder is not ours, holds something else, or cannot be written.
        ArtefactError: a file in it changed after it was written.
        DataError: the data that the recipe names cannot be read.
    """
    return run_plan(
        _plan(recipe),  # first: if its data is missing, no folder is made
        lambda folders: _conclude(recipe, folders),
        folder=run_folder(recipe, runs),
        recipe_yaml=resolved_yaml(recipe),
        environment={**describe(), "seed": recipe.seed},
        track=track,
        fresh=fresh,
        say=say,
    )


def foresee(recipe: Recipe, *, runs: Path, fresh: bool = False) -> list[Foreseen]:
    """What a run of `recipe` would take over, and what it would compute; nothing is written.

    Args:
        recipe: what would run.
        runs: as for `run_recipe`.
        fresh: the same.

    Raises:
        RunError: as `run_recipe`, as far as it can be known before.
        ArtefactError: the same.
        DataError: the same.
    """
    return foresee_stages(run_folder(recipe, runs), _plan(recipe), fresh=fresh)


def run_plan(
    stages: Sequence[Stage],
    conclude: Callable[[Mapping[str, Path]], Results],
    *,
    folder: Path,
    recipe_yaml: str,
    environment: Mapping[str, JsonValue],
    track: Track = untracked,
    fresh: bool = False,
    say: Callable[[str], None] = lambda _line: None,
) -> FinishedRun:
    """Run stages, conclude from their folders, and report: what `run_recipe` does for any plan.

    Args:
        stages: in an order in which each comes after its inputs.
        conclude: gives the results from the stages' folders by name, without those after a stage that
            ends the run; must depend on nothing else.
        folder: the run folder; need not exist.
        recipe_yaml: what the folder is claimed for, and shown in the report.
        environment: versions, hardware and seed, kept with every stage that is computed.
        track: as for `run_recipe`.
        fresh: as for `run_recipe`.
        say: as for `run_recipe`.

    Raises:
        RunError: as `run_recipe`.
        ArtefactError: as `run_recipe`.
    """
    with hold_run_folder(folder, recipe_yaml, fresh=fresh, say=say), failures_named(folder, folder):
        done = run_stages(
            folder, stages, environment=environment, track=track, fresh=fresh, say=say
        )
        manifests = [stage.manifest for stage in done.values()]
        latest = max(manifests, key=lambda manifest: manifest.finished_at)
        results = conclude({name: stage.folder for name, stage in done.items()})
        mark_unfinished(folder)
        write_json(folder / ENVIRONMENT, latest.environment)
        write_results(folder, results)
        report = write_report(
            folder,
            results,
            recipe_yaml=recipe_yaml,
            environment=latest.environment,
            stages=[stage.record for stage in done.values()],
        )
        mark_finished(folder, {name: stage.manifest.output for name, stage in done.items()})
    return FinishedRun(folder, results, report)


def _plan(recipe: Recipe) -> list[Stage]:
    match recipe:
        case CrossRecipe():
            from traitleak.cross import plan as cross_plan

            return cross_plan.plan(recipe)
        case DigitsRecipe():
            from traitleak.images.digits import plan

            return plan(recipe)
        case LanguageRecipe():
            from traitleak.language import plan as language_plan

            return language_plan.plan(recipe)
        case ReadingRecipe():
            from traitleak.reading import plan as reading_plan

            return reading_plan.plan(recipe)
        case TheoremRecipe():
            from traitleak.mechanism import theorem_experiment

            return theorem_experiment.plan(recipe)


def _conclude(recipe: Recipe, folders: Mapping[str, Path]) -> Results:
    match recipe:
        case CrossRecipe():
            from traitleak.cross import conclude as cross_conclude

            return cross_conclude.conclude(recipe, folders)
        case DigitsRecipe():
            from traitleak.images.digits_results import conclude

            return conclude(recipe, folders)
        case LanguageRecipe():
            from traitleak.language import conclude as language_conclude

            return language_conclude.conclude(recipe, folders)
        case ReadingRecipe():
            from traitleak.reading import conclude as reading_conclude

            return reading_conclude.conclude(recipe, folders)
        case TheoremRecipe():
            from traitleak.mechanism import theorem_experiment

            return theorem_experiment.conclude(recipe, folders)
