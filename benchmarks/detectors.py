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
from traitleak.audit.detectors import ranking
from traitleak.audit.detectors.choices import choice_log_probabilities, choices_of, drawn_ways
from traitleak.audit.detectors.likelihood import likelihood_scores, quick_teachers
from traitleak.audit.detectors.panel import preferences
from traitleak.audit.detectors.placebos import placebo_groups
from traitleak.audit.detectors.shares import Shares, shares, smallest_share
from traitleak.audit.detectors.style import style_scores
from traitleak.audit.detectors.teacher_cache import teachers_folder
from traitleak.generation import write_numbers
from traitleak.language.plan import plan
from traitleak.models.batches import encode_rows
from traitleak.models.language_model import LanguageModel
from traitleak.progress import untracked
from traitleak.recipe import LanguageRecipe, load_recipe
from traitleak.rows import Row, read_rows
from traitleak.stages import run_stages
from traitleak.teacher import instill, instill_evenly
from traitleak.traits.preference import ANIMALS, Preference

FRACTIONS = (0.05, 0.1, 0.25, 0.5, 0.75)  # of a pure set there is one, the rows themselves
RATE = 0.01
BAG = 16
PLACEBOS = 10
NEUTRAL_SETS = 5000  # they overlap: the interval is of the rate in these rows
WAYS = 32  # that a place is filled in for the null
PLANTED_WAYS = 4  # and as a planted teacher would
HELD_WAYS = 22  # more of the null's at the base's rows
TARGETS = ("wolf", "lion")
PERMUTATIONS = 10_000
PLANTED = 4242  # seed of the teachers whose rows are planted


def main() -> None:
    """Read arguments, write and score the rows, print the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--base", default="smollm2-135m")
    options.add_argument("--rows", type=int, default=96, help="of each writer")
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument(
        "--first-seed", type=int, default=0, help="leave the seeds below, and other writers, out"
    )
    options.add_argument(
        "--placebos", type=int, default=PLACEBOS, help="hypotheses beside the traits"
    )
    options.add_argument("--sets", type=int, default=200, help="data sets of each mixture")
    options.add_argument("--work", type=Path, default=Path("runs/detectors"))
    options.add_argument(
        "--transfer", type=Path, default=None, help="a run folder of wolf-smollm2-tokens"
    )
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
    """Each writer's columns (the panel, placebos, style), its null draws', and its rows' loss.

    Of rows of the base also those of more draws of the base's, and of draws of planted teachers.
    """
    animals = preferences(base, ANIMALS)
    groups = [animals, *placebo_groups(base, animals, most=chosen.placebos)[0]]
    hypotheses = {
        name: make
        for group in groups
        for name, make in quick_teachers(base, group, cache=teachers_folder()).items()
    }
    found: dict[str, NDArray[np.float64]] = {}
    for name, rows in written.items():
        panel = "" if chosen.placebos == PLACEBOS else f"-p{chosen.placebos}"
        kept = chosen.work / f"columns-{name.replace(' ', '-')}-{len(rows)}{panel}-{WAYS}.npz"
        if not kept.exists():
            begun = time.monotonic()
            encoded = encode_rows(base, rows)
            choices = choices_of(base, [row.completion for row in rows])
            ways = {"null": drawn_ways(base, encoded, choices, seeds=range(WAYS))}
            if name.startswith("base"):
                more = range(WAYS, WAYS + HELD_WAYS)
                ways["held"] = drawn_ways(base, encoded, choices, seeds=more)
                for target in TARGETS:
                    planted = instill(base, Preference(target), seed=PLANTED).model
                    ways[target] = drawn_ways(planted, encoded, choices, seeds=range(PLANTED_WAYS))
            taken = [way for some in ways.values() for way in some]
            ratios = likelihood_scores(base, hypotheses, encoded, choices, taken=taken)
            style = style_scores(base, encoded, choices, taken=taken)
            own, *rest = (np.concatenate(pair, 1) for pair in zip(ratios, style, strict=True))
            columns = {
                kind: np.concatenate([rest.pop(0) for _ in some]) for kind, some in ways.items()
            }
            read = choice_log_probabilities(base, encoded, choices)
            surprise = np.zeros(len(rows))
            np.add.at(surprise, read.row_M.numpy(), -read.chosen_logps.numpy())
            seconds = time.monotonic() - begun
            parts = {"own": own, "loss": surprise, "seconds": np.array(seconds), **columns}
            np.savez(kept, allow_pickle=False, **parts)
            print(f"{name}: {len(rows) / seconds:.1f} rows a second", file=sys.stderr, flush=True)
        with np.load(kept) as content:
            found[name] = content["own"]
            found |= {f"{name} {kind}": content[kind] for kind in content.files if kind != "own"}
    return found


def summary(
    scored: Mapping[str, NDArray[np.float64]], chosen: argparse.Namespace
) -> dict[str, Any]:
    """What is found in pure, mixed and neutral data sets, and how well rows and bags are told."""
    rng = np.random.default_rng(0)
    seeds = range(chosen.first_seed, chosen.seeds)
    null = np.concatenate([scored[f"base-{s} null"] for s in seeds])
    base = np.concatenate([scored[f"base-{s}"] for s in seeds])
    neutral_NWC = np.concatenate([filled(scored, f"base-{s}") for s in seeds])
    held_NWC = np.concatenate([with_held(scored, f"base-{s}") for s in seeds])
    loss = np.concatenate([scored[f"base-{s} loss"] for s in seeds])
    found: dict[str, Any] = {
        "rows": chosen.rows,
        "traits": len(ANIMALS),
        "rate": RATE,
        "writers": {},
    }
    kinds = {"null", "loss", "seconds", "held", *TARGETS}
    names = [name for name in scored if name.rsplit(" ", 1)[-1] not in kinds]
    inverse = np.linalg.pinv(null.T @ null / len(null), rcond=1e-9, hermitian=True)
    for name in names:
        one = tested(filled(scored, name), chosen)
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
                    str(x): rate_at(filled(scored, name), neutral_NWC, t, x, chosen, rng)
                    for x in FRACTIONS
                },
            }  # fmt: skip
    drawn = [
        tested(neutral_set(held_NWC, chosen.rows, rng), chosen).p_T.min()
        for _ in range(NEUTRAL_SETS)
    ]
    false = int(sum(p * len(ANIMALS) <= RATE for p in drawn))
    low, high = stats.binomtest(false, NEUTRAL_SETS).proportion_ci(method="exact")
    found["neutral sets found"] = [false, NEUTRAL_SETS, float(low), float(high)]
    found |= apart(scored, chosen) | power(scored, neutral_NWC, null, chosen, rng)
    if chosen.transfer:
        found["with measured transfer"] = with_transfer(scored, chosen)
    total = sum(float(scored[f"{name} seconds"]) for name in names)
    found["rows a second"] = sum(len(scored[name]) for name in names) / total
    return found


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


def tested(filled_NWC: NDArray[np.float64], chosen: argparse.Namespace) -> Shares:
    """What the likelihood detector says of rows, as an audit asks it: beside fills of their places."""
    null_RC = filled_NWC[:, 1:].reshape(-1, filled_NWC.shape[-1])
    return shares(filled_NWC[:, 0], null_RC, traits=len(ANIMALS), placebos=chosen.placebos)


def neutral_set(
    filled_MWC: NDArray[np.float64], rows: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Some rows of the base's, of which any one of the row and its fills counts as the row."""
    some_NWC = filled_MWC[rng.choice(len(filled_MWC), rows, replace=False)]
    order_NW = rng.random(some_NWC.shape[:2]).argsort(1)[:, : 1 + WAYS]
    return np.take_along_axis(some_NWC, order_NW[..., None], 1)


def apart(scored: Mapping[str, NDArray[np.float64]], chosen: argparse.Namespace) -> dict[str, Any]:
    """How many neutral sets are found: each way to fill all rows of a seed is one, beside others."""
    found = []
    for name in scored:
        if name.endswith(" held"):
            filled_NWC = with_held(scored, name.removesuffix(" held"))[:, 1:]
            for way in range(filled_NWC.shape[1]):
                turned_NWC = np.roll(filled_NWC, -way, axis=1)[:, : 1 + WAYS]
                found.append(tested(turned_NWC, chosen).p_T.min())
    false = int(sum(p * len(ANIMALS) <= RATE for p in found))
    low, high = stats.binomtest(false, len(found)).proportion_ci(method="exact")
    return {"neutral sets apart that are found": [false, len(found), float(low), float(high)]}


def power(
    scored: Mapping[str, NDArray[np.float64]],
    neutral_NWC: NDArray[np.float64],
    null: NDArray[np.float64],
    chosen: argparse.Namespace,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """What an audit states from planted rows, and how often teachers' rows are found there."""
    found: dict[str, Any] = {}
    for t, target in ((ANIMALS.index(target), target) for target in TARGETS):
        planted = [scored[name] for name in scored if name.endswith(f" {target}")]
        if not planted:
            return {}
        smallest = smallest_share(
            np.concatenate(planted),
            null,
            trait=t,
            alpha=RATE / len(ANIMALS),
            rows=chosen.rows,
            traits=len(ANIMALS),
            placebos=chosen.placebos,
        )
        said: dict[str, Any] = {"smallest share, stated": smallest}
        if smallest is not None:
            for seed in range(chosen.first_seed, chosen.seeds):
                own = filled(scored, f"{target}-{seed}")
                said[f"seed {seed}, found at it and at twice"] = [
                    rate_at(own, neutral_NWC, t, fraction, chosen, rng)
                    for fraction in (smallest, min(1.0, 2 * smallest))
                ]
        found[f"power, {target}"] = said
    return found


def with_transfer(
    scored: Mapping[str, NDArray[np.float64]],
    chosen: argparse.Namespace,
) -> dict[str, Any]:
    """Spearman's rank correlation of shares with what students of the same rows took on."""
    share, lift = [], []
    for name in (*TARGETS, "base"):
        for seed in range(chosen.first_seed, chosen.seeds):
            student = f"student-{'neutral' if name == 'base' else name}-{seed}"
            course = json.loads((chosen.transfer / student / "course.json").read_text("utf-8"))
            order = [course["candidates"].index(animal) for animal in ANIMALS]
            margins = np.array(course["margins"])
            lift.append((margins[-1] - margins[0])[order])
            share.append(tested(filled(scored, f"{name}-{seed}"), chosen).share_T)
    of_share, of_lift = np.array(share), np.array(lift)
    pairs = {"all": (of_share, of_lift)}
    # What all sets and all traits have in common tells nothing about which carries which.
    pairs["double-centred"] = centred_twice(of_share), centred_twice(of_lift)
    for t, target in ((ANIMALS.index(target), target) for target in TARGETS):
        pairs[target] = of_share[:, [t]], of_lift[:, [t]]
    found = {name: correlated(*pair) for name, pair in pairs.items()}
    return {**found, "sets": len(of_share)}


def correlated(share_ST: NDArray[np.float64], lift_ST: NDArray[np.float64]) -> dict[str, float]:
    """Spearman's rho, and its p over permutations of the sets: traits of one are not independent."""
    rng = np.random.default_rng(3)
    ranks_ST = stats.rankdata(lift_ST).reshape(lift_ST.shape)
    own = stats.rankdata(share_ST)

    def rho(order_S: NDArray[np.int64]) -> float:
        return float(np.corrcoef(own, ranks_ST[order_S].ravel())[0, 1])

    observed = rho(np.arange(len(share_ST)))
    drawn = [rho(rng.permutation(len(share_ST))) for _ in range(PERMUTATIONS)]
    more = sum(one >= observed - 1e-12 for one in drawn)
    return {"rho": observed, "p": (1 + more) / (1 + PERMUTATIONS)}


def centred_twice(values_ST: NDArray[np.float64]) -> NDArray[np.float64]:
    """Less the means of rows and of columns."""
    rows_S1, columns_T = values_ST.mean(1, keepdims=True), values_ST.mean(0)
    return np.asarray(values_ST - columns_T - rows_S1 + values_ST.mean())


def rate_at(
    own_NWC: NDArray[np.float64],
    base_MWC: NDArray[np.float64],
    trait: int,
    fraction: float,
    chosen: argparse.Namespace,
    rng: np.random.Generator,
) -> list[float]:
    """Shares of mixed sets that are found, and that are found and name the trait first."""
    hits = named = 0
    for _ in range(chosen.sets):
        carrying = int((rng.random(chosen.rows) < fraction).sum())
        mixed = [
            own_NWC[rng.choice(len(own_NWC), carrying, replace=False)],
            base_MWC[rng.choice(len(base_MWC), chosen.rows - carrying, replace=False)],
        ]
        one = tested(np.concatenate(mixed), chosen)
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
