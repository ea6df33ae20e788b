"""Score the audit's detectors on data sets whose writers are known, and say what they find.

    python benchmarks/detectors.py --out detectors.json

Writers: teachers fine-tuned to love wolves and lions (three seeds each, in other words than the audit's
hypotheses), the untouched base (three seeds of prompts), and three writers that carry nothing and are
not the base: digits drawn uniformly, the base at temperature 0.7, and the base fine-tuned on all
animals evenly. Rows are those of the recipe `wolf-smollm2-tokens`; they are written where they are
not there yet. Every row is scored once, and data sets are drawn from the scored rows: pure, mixed with
the base's at several fractions, and neutral. Scores are kept in the work folder, so that it goes on
where it was interrupted.
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

import traitleak as tl
from traitleak.audit import ranking
from traitleak.audit.choices import choice_log_probabilities, choices_of, drawn
from traitleak.audit.likelihood import likelihood_scores, quick_teachers
from traitleak.audit.panel import preferences
from traitleak.audit.shares import Shares, shares
from traitleak.audit.style import style_scores
from traitleak.generation import write_numbers
from traitleak.language.plan import plan
from traitleak.models.batches import encode_rows
from traitleak.models.bundled import cache_folder
from traitleak.models.language_model import LanguageModel
from traitleak.progress import untracked
from traitleak.recipe import LanguageRecipe, load_recipe
from traitleak.rows import Row, read_rows
from traitleak.stages import run_stages
from traitleak.teacher import instill_evenly
from traitleak.traits.candidates import KNOWN, single_token_words
from traitleak.traits.preference import ANIMALS, Preference

FRACTIONS = (0.05, 0.1, 0.25, 0.5, 0.75)  # of a pure set there is one, the rows themselves
RATE = 0.01
BAG = 16
PLACEBOS = 10
NEUTRAL_SETS = 5000  # they overlap: the interval is of the rate in these rows


def main() -> None:
    """Read arguments, write and score the rows, print the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--base", default="smollm2-135m")
    options.add_argument("--rows", type=int, default=96, help="of each writer")
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--sets", type=int, default=200, help="data sets of each mixture")
    options.add_argument("--work", type=Path, default=Path("runs/detectors"))
    options.add_argument("--out", type=Path, default=None)
    chosen = options.parse_args()
    base = tl.load(chosen.base, style="plain")
    base.network.requires_grad_(requires_grad=False)
    written = writers(base, chosen)
    scored = scores(base, written, chosen)
    found = summary(scored, chosen)
    text = json.dumps(found, indent=1)
    if chosen.out:
        chosen.out.write_text(text + "\n", encoding="utf-8")
    print(text)


def taught_writers(chosen: argparse.Namespace) -> dict[str, list[Row]]:
    """Rows of the recipe's teachers and of the base, by name; written where they are not there yet."""
    size = ["size=tiny"] if chosen.base == "tiny" else []
    recipe = load_recipe(
        "wolf-smollm2-tokens", [*size, f"base={chosen.base}", f"seeds={chosen.seeds}"]
    )
    assert isinstance(recipe, LanguageRecipe)  # noqa: S101  # what that recipe is
    stages = [stage for stage in plan(recipe) if not stage.name.startswith("student")]
    chosen.work.mkdir(parents=True, exist_ok=True)
    run_stages(chosen.work, stages, environment={}, track=untracked, fresh=False, say=print)
    found = {}
    for seed in range(chosen.seeds):
        for name in ("wolf", "lion", "neutral"):
            rows = read_rows(chosen.work / f"written-{name}-{seed}")[: chosen.rows]
            found[f"{'base' if name == 'neutral' else name}-{seed}"] = rows
    return found


def writers(base: LanguageModel, chosen: argparse.Namespace) -> dict[str, list[Row]]:
    """Rows of every writer, by name; the name's first part says what it carries."""
    found = taught_writers(chosen)
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
    """Each writer's columns (the panel, placebos, style), its null draws', and its rows' loss."""
    groups = [preferences(base, ANIMALS)]
    trees = single_token_words(base.tokenizer, KNOWN["tree"])[:PLACEBOS]
    groups.append(preferences(base, trees, category="tree"))
    hypotheses = {
        name: make
        for group in groups
        for name, make in quick_teachers(base, group, cache=cache_folder()).items()
    }
    found: dict[str, NDArray[np.float64]] = {}
    for name, rows in written.items():
        kept = chosen.work / f"columns-{name.replace(' ', '-')}-{len(rows)}.npz"
        if not kept.exists():
            begun = time.monotonic()
            encoded = encode_rows(base, rows)
            choices = choices_of(base, [row.completion for row in rows])
            null = [drawn(base, encoded, choices, seed=way) for way in range(4)]
            ratios = likelihood_scores(base, hypotheses, encoded, choices, taken=null)
            style = style_scores(base, encoded, choices, taken=null)
            own, *more = (np.concatenate(pair, 1) for pair in zip(ratios, style, strict=True))
            read = choice_log_probabilities(base, encoded, choices)
            surprise = np.zeros(len(rows))
            np.add.at(surprise, read.row_M.numpy(), -read.chosen_logps.numpy())
            seconds = time.monotonic() - begun
            np.savez(kept, own=own, null=np.concatenate(more), loss=surprise, seconds=seconds)
            print(f"{name}: {len(rows) / seconds:.1f} rows a second", file=sys.stderr, flush=True)
        with np.load(kept) as content:
            found[name] = content["own"]
            found[f"{name} null"] = content["null"]
            found[f"{name} loss"] = content["loss"]
            found[f"{name} seconds"] = content["seconds"]
    return found


def summary(
    scored: Mapping[str, NDArray[np.float64]], chosen: argparse.Namespace
) -> dict[str, Any]:
    """What is found in pure, mixed and neutral data sets, and how well rows and bags are told."""
    rng = np.random.default_rng(0)
    seeds = range(chosen.seeds)
    null = np.concatenate([scored[f"base-{s} null"] for s in seeds])
    base = np.concatenate([scored[f"base-{s}"] for s in seeds])
    loss = np.concatenate([scored[f"base-{s} loss"] for s in seeds])
    found: dict[str, Any] = {
        "rows": chosen.rows,
        "traits": len(ANIMALS),
        "rate": RATE,
        "writers": {},
    }
    names = [name for name in scored if name.rsplit(" ", 1)[-1] not in {"null", "loss", "seconds"}]
    inverse = np.linalg.pinv(null.T @ null / len(null), rcond=1e-9, hermitian=True)
    for name in names:
        one = tested(scored[name], null)
        first = int(one.p_T.argmin())
        found["writers"][name] = {
            "first": ANIMALS[first],
            "p, corrected": float(min(1, one.p_T[first] * len(ANIMALS))),
            "share of the first": [float(one.share_T[first]), float(one.se_T[first])],
            "inflation": float(one.inflation_T[first]),
        }
        carried = name.split("-")[0]
        if carried in ANIMALS:
            t = ANIMALS.index(carried)
            own, others = scored[name] @ inverse[t], base @ inverse[t]
            found["writers"][name] |= {
                "AUROC, row": auroc(own, others),
                f"AUROC, bag of {BAG}": auroc(bags(own, rng), bags(others, rng)),
                "AUROC of the loss alone, row": auroc(scored[f"{name} loss"], loss),
                "found at fraction": {
                    str(x): rate_at(scored[name], base, null, t, x, chosen, rng) for x in FRACTIONS
                },
            }  # fmt: skip
    # The base's rows, and its fills of their places, of which each set takes some.
    fills = np.concatenate([base, null])
    neutral = [
        tested(fills[rng.choice(len(fills), chosen.rows, replace=False)], null).p_T.min()
        for _ in range(NEUTRAL_SETS)
    ]
    false = int(sum(p * len(ANIMALS) <= RATE for p in neutral))
    low, high = stats.binomtest(false, NEUTRAL_SETS).proportion_ci(method="exact")
    found["neutral sets found"] = [false, NEUTRAL_SETS, float(low), float(high)]
    total = sum(float(scored[f"{name} seconds"]) for name in names)
    found["rows a second"] = sum(len(scored[name]) for name in names) / total
    return found


def tested(scores_NC: NDArray[np.float64], null_RC: NDArray[np.float64]) -> Shares:
    """What the likelihood detector says of rows, as an audit asks it."""
    return shares(scores_NC, null_RC, traits=len(ANIMALS), placebos=PLACEBOS)


def rate_at(
    own: NDArray[np.float64],
    base: NDArray[np.float64],
    null: NDArray[np.float64],
    trait: int,
    fraction: float,
    chosen: argparse.Namespace,
    rng: np.random.Generator,
) -> list[float]:
    """Shares of mixed sets that are found, and that are found and name the trait first."""
    hits = named = 0
    for _ in range(chosen.sets):
        carrying = int((rng.random(chosen.rows) < fraction).sum())
        mixed = np.concatenate(
            [
                own[rng.choice(len(own), carrying, replace=False)],
                base[rng.choice(len(base), chosen.rows - carrying, replace=False)],
            ]
        )
        one = tested(mixed, null)
        if one.p_T.min() * len(ANIMALS) <= RATE:
            hits += 1
            named += int(one.p_T.argmin() == trait)
    return [hits / chosen.sets, named / chosen.sets]


def bags(values: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Means over random bags."""
    return np.array(
        [values[rng.choice(len(values), BAG, replace=False)].mean() for _ in range(400)]
    )


def auroc(more: NDArray[np.float64], less: NDArray[np.float64]) -> float:
    """Chance that one of the first is larger than one of the second."""
    carries = np.arange(len(more) + len(less)) < len(more)
    return ranking.auroc(np.concatenate([more, less]), carries).value


if __name__ == "__main__":
    main()
