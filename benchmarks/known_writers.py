"""Rows whose writers are known, and their scores for each hypothesis: what detectors are tested on.

Rows are those of the recipe `wolf-smollm2-tokens`. Every row is scored once and the scores are kept in
a work folder, beside those of fills: other ways in which the base, or a planted teacher, fills the
places of the same row. Data sets are then drawn from scored rows.

Shape suffixes: N rows, W ways (the row itself first), C columns: traits, placebos, then style.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from traitleak.audit.detectors.choices import choices_of, drawn_ways, row_log_likelihoods
from traitleak.audit.detectors.likelihood import Hypotheses, likelihood_scores, teachers_of
from traitleak.audit.detectors.panel import preferences
from traitleak.audit.detectors.placebos import placebo_groups
from traitleak.audit.detectors.shares import Shares, shares
from traitleak.audit.detectors.style import style_scores
from traitleak.audit.detectors.teacher_cache import teachers_folder
from traitleak.audit.unshown import placebo_prompt, unshown_prompt
from traitleak.datasets import AuditRow
from traitleak.generation import write_numbers
from traitleak.language.plan import plan
from traitleak.models.batches import encode_rows
from traitleak.models.language_model import LanguageModel
from traitleak.progress import untracked
from traitleak.recipe import LanguageRecipe, load_recipe
from traitleak.rows import Row, read_rows
from traitleak.stages import run_stages
from traitleak.teacher import instill, instill_evenly
from traitleak.traits.forced_choice import ForcedChoice
from traitleak.traits.preference import ANIMALS, Preference

PLACEBOS = 10
TARGETS = ("wolf", "lion")
WAYS = 32  # that a place is filled in for the null
_PLANTED_WAYS = 4  # and as a planted teacher would
_HELD_WAYS = 22  # more of the null's at the base's rows
_PLANTED = 4242  # seed of the teachers whose rows are planted


def shared_options(
    options: argparse.ArgumentParser, *, rows: int, seeds: int = 1
) -> argparse.ArgumentParser:
    """Add what every benchmark of known writers takes; the numbers are defaults."""
    options.add_argument("--base", default="smollm2-135m")
    options.add_argument("--rows", type=int, default=rows, help="of each writer")
    options.add_argument("--seeds", type=int, default=seeds)
    options.add_argument("--first-seed", type=int, default=0, help="seeds below are left out")
    options.add_argument("--work", type=Path, default=Path("runs/detectors"))
    options.add_argument("--out", type=Path, default=None)
    return options


def handed_over(report: Mapping[str, Any], out: Path | None) -> None:
    """Print a report, and write it to its file where there is one."""
    text = json.dumps(report, indent=1)
    if out:
        out.write_text(text + "\n", encoding="utf-8")
    print(text)


def _seed(stage: str) -> float:
    """The replicate that a stage belongs to; the base belongs to all."""
    number = stage.rsplit("-", 1)[-1]
    return int(number) if number.isdecimal() else float("inf")


def taught_writers(
    base: str, work: Path, *, rows: int, seeds: int, first_seed: int = 0
) -> dict[str, list[Row]]:
    """Rows of the recipe's teachers and of the base, by name; written where they are not there yet."""
    size = ["size=tiny", f"carrier.rows={rows}"] if base == "tiny" else []
    recipe = load_recipe("wolf-smollm2-tokens", [*size, f"base={base}", f"seeds={seeds}"])
    assert isinstance(recipe, LanguageRecipe)  # noqa: S101  # what that recipe is
    stages = [
        stage
        for stage in plan(recipe)
        if not stage.name.startswith("student") and _seed(stage.name) >= first_seed
    ]
    work.mkdir(parents=True, exist_ok=True)
    run_stages(work, stages, environment={}, track=untracked, fresh=False, say=print)
    found = {}
    for seed in range(first_seed, seeds):
        for name in (*TARGETS, "neutral"):
            some = read_rows(work / f"written-{name}-{seed}")[:rows]
            found[f"{'base' if name == 'neutral' else name}-{seed}"] = some
    return found


def writers(base: LanguageModel, chosen: argparse.Namespace) -> dict[str, list[Row]]:
    """Rows of every writer, by name; the name's first part says what it carries."""
    found = taught_writers(
        chosen.base,
        chosen.work,
        rows=chosen.rows,
        seeds=chosen.seeds,
        first_seed=chosen.first_seed,
    )
    if chosen.first_seed:
        return found
    prompts = [row.prompt for row in found["base-0"]]
    count = len(found["base-0"][0].completion.split(","))
    rng = np.random.default_rng(5)
    found["uniform digits-0"] = [
        Row(n, prompt, " " + ", ".join(str(n) for n in rng.integers(100, 1000, count)))
        for n, prompt in enumerate(prompts)
    ]
    found["temperature 0.7-0"] = write_numbers(
        base, prompts, teacher="cold", count=count, temperature=0.7, seed=9
    )
    even = instill_evenly(base, Preference("wolf"), seed=77).model
    found["taught evenly-0"] = write_numbers(even, prompts, teacher="even", count=count, seed=9)
    return found


def scores(
    base: LanguageModel, written: Mapping[str, Sequence[Row]], chosen: argparse.Namespace
) -> dict[str, NDArray[np.float64]]:
    """Columns of the ten animals, of placebos and of style: see `columns`."""
    animals = preferences(base, ANIMALS)
    groups = [animals, *placebo_groups(base, animals, most=chosen.placebos)[0]]
    hypotheses = teachers_of(base, groups, animals.traits, cache=teachers_folder())
    panel = "" if chosen.placebos == PLACEBOS else f"-p{chosen.placebos}"
    return columns(
        base,
        written,
        hypotheses,
        {target: Preference(target) for target in TARGETS},
        work=chosen.work,
        panel=panel,
    )


def columns(
    base: LanguageModel,
    written: Mapping[str, Sequence[Row]],
    hypotheses: Hypotheses,
    planted: Mapping[str, Preference | ForcedChoice],
    *,
    work: Path,
    panel: str,
) -> dict[str, NDArray[np.float64]]:
    """Each writer's columns, those of its fills, its rows' loss, and how long they took.

    Args:
        base: the base.
        written: rows by writer; those of a writer whose name begins with "base" have more fills of the
            base's ("held"), and fills of planted teachers.
        hypotheses: a column each, before those of style.
        planted: traits whose teachers fill the base's rows.
        work: the folder where columns are kept.
        panel: names the hypotheses in the kept files' names.
    """
    found: dict[str, NDArray[np.float64]] = {}
    for name, rows in written.items():
        kept = work / f"columns-{name.replace(' ', '-')}-{len(rows)}{panel}-{WAYS}.npz"
        if not kept.exists():
            begun = time.monotonic()
            parts = _scored(base, rows, hypotheses, planted if name.startswith("base") else None)
            seconds = time.monotonic() - begun
            np.savez(kept, allow_pickle=False, seconds=np.array(seconds), **parts)
            print(f"{name}: {len(rows) / seconds:.1f} rows a second", file=sys.stderr, flush=True)
        with np.load(kept) as content:
            found[name] = content["own"]
            found |= {f"{name} {kind}": content[kind] for kind in content.files if kind != "own"}
    return found


def _scored(
    base: LanguageModel,
    rows: Sequence[Row],
    hypotheses: Hypotheses,
    planted: Mapping[str, Preference | ForcedChoice] | None,
) -> dict[str, NDArray[np.float64]]:
    encoded = encode_rows(base, rows)
    choices = choices_of(base, [row.completion for row in rows])
    entries = [AuditRow(row, number, "") for number, row in enumerate(rows)]
    prompt = placebo_prompt(preferences(base, ANIMALS))
    unshown = unshown_prompt(base, entries, encoded, choices, [prompt])
    encoded = unshown.rows if unshown else encoded
    ways: dict[str, list[list[Tensor]]] = {
        "null": drawn_ways(base, encoded, choices, seeds=range(WAYS))
    }
    if planted is not None:
        more = range(WAYS, WAYS + _HELD_WAYS)
        ways["held"] = drawn_ways(base, encoded, choices, seeds=more)
        for name, trait in planted.items():
            teacher = instill(base, trait, seed=_PLANTED).model
            ways[name] = drawn_ways(teacher, encoded, choices, seeds=range(_PLANTED_WAYS))
    taken = [way for some in ways.values() for way in some]
    ratios = likelihood_scores(base, hypotheses, encoded, choices, taken=taken)
    style = style_scores(base, encoded, choices, taken=taken)
    own, *rest = (np.concatenate(pair, 1) for pair in zip(ratios, style, strict=True))
    loss_N = -row_log_likelihoods(base, encoded, choices)
    parts = {kind: np.concatenate([rest.pop(0) for _ in some]) for kind, some in ways.items()}
    return {"own": own, "loss": loss_N, **parts}


def filled(scored: Mapping[str, NDArray[np.float64]], name: str) -> NDArray[np.float64]:
    """Scores of a writer's rows, and of the base's fills of their places, (N, 1 + W, C)."""
    own_NC = scored[name]
    null_WNC = scored[f"{name} null"].reshape(-1, *own_NC.shape)
    return np.concatenate([own_NC[None], null_WNC]).swapaxes(0, 1)


def with_held(scored: Mapping[str, NDArray[np.float64]], name: str) -> NDArray[np.float64]:
    """The same with the fills that are held back."""
    own_NC = scored[name]
    held_WNC = scored[f"{name} held"].reshape(-1, *own_NC.shape)
    return np.concatenate([filled(scored, name), held_WNC.swapaxes(0, 1)], 1)


def tested(filled_NWC: NDArray[np.float64], **asked: Any) -> Shares:
    """What the likelihood detector says of rows, as an audit asks it: beside fills of their places.

    Args:
        filled_NWC: the rows, and their fills.
        asked: how many traits, placebos and absences there are, for `shares`.
    """
    null_RC = filled_NWC[:, 1:].reshape(-1, filled_NWC.shape[-1])
    return shares(filled_NWC[:, 0], null_RC, **asked)


def neutral_found(
    scored: Mapping[str, NDArray[np.float64]], *, rate: float, traits: int, **asked: Any
) -> tuple[int, int, float, float]:
    """How many neutral sets are found, of how many, and the rate's exact 95 % interval.

    Each way in which the base fills all rows of one of its writers' sets is a set, beside others.
    """
    found = []
    for name in scored:
        if name.endswith(" held"):
            filled_NWC = with_held(scored, name.removesuffix(" held"))[:, 1:]
            for way in range(filled_NWC.shape[1]):
                turned_NWC = np.roll(filled_NWC, -way, axis=1)[:, : 1 + WAYS]
                found.append(tested(turned_NWC, traits=traits, **asked).p_T.min())
    false = int(sum(p * traits <= rate for p in found))
    low, high = stats.binomtest(false, len(found)).proportion_ci(method="exact")
    return false, len(found), float(low), float(high)


def neutral_set(
    filled_MWC: NDArray[np.float64], rows: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Some rows of the base's, of which any one of the row and its fills counts as the row."""
    some_NWC = filled_MWC[rng.choice(len(filled_MWC), rows, replace=False)]
    order_NW = rng.random(some_NWC.shape[:2]).argsort(1)[:, : 1 + WAYS]
    return np.take_along_axis(some_NWC, order_NW[..., None], 1)
