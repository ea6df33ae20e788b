"""Score the audit's detectors on data sets whose writers are known, and say what they find.

    python benchmarks/detectors.py --out detectors.json

Writers: teachers fine-tuned to love wolves and lions (three seeds each, in other words than the audit's
hypotheses), the untouched base (three seeds of prompts), and three writers that carry nothing and are
not the base: digits drawn uniformly, the base at temperature 0.7, and the base fine-tuned on all
animals evenly; these three are left out with `--first-seed`. Rows are those of the recipe
`wolf-smollm2-tokens`; they are written where they are not there yet. Every row is scored once, and
data sets are drawn from the scored rows: pure, mixed with the base's at several fractions, and
neutral. Scores are kept in the work folder, so that it goes on where it was interrupted.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import known_writers
import numpy as np
from known_writers import (
    PLACEBOS,
    TARGETS,
    filled,
    handed_over,
    neutral_found,
    neutral_set,
    scores,
    shared_options,
    with_held,
    writers,
)
from numpy.typing import NDArray
from scipy import stats

import traitleak as tl
from traitleak.audit.detectors import ranking
from traitleak.audit.detectors.shares import Shares, smallest_share
from traitleak.traits.preference import ANIMALS

FRACTIONS = (0.05, 0.1, 0.25, 0.5, 0.75)  # of a pure set there is one, the rows themselves
RATE = 0.01
BAG = 16
NEUTRAL_SETS = 5000  # they overlap: the interval is of the rate in these rows
PERMUTATIONS = 10_000


def main() -> None:
    """Read arguments, write and score the rows, print the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument(
        "--placebos", type=int, default=PLACEBOS, help="hypotheses beside the traits"
    )
    options.add_argument("--sets", type=int, default=200, help="data sets of each mixture")
    options.add_argument(
        "--transfer", type=Path, default=None, help="a run folder of wolf-smollm2-tokens"
    )
    chosen = shared_options(options, rows=96, seeds=3).parse_args()
    base = tl.load(chosen.base, style="plain")
    base.network.requires_grad_(requires_grad=False)
    written = writers(base, chosen)
    scored = scores(base, written, chosen)
    handed_over(summary(scored, chosen), chosen.out)


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
    panel = {"traits": len(ANIMALS), "placebos": chosen.placebos}
    found["neutral sets apart that are found"] = neutral_found(scored, **panel, rate=RATE)
    found |= power(scored, neutral_NWC, null, chosen, rng)
    if chosen.transfer:
        found["with measured transfer"] = with_transfer(scored, chosen)
    total = sum(float(scored[f"{name} seconds"]) for name in names)
    found["rows a second"] = sum(len(scored[name]) for name in names) / total
    return found


def tested(filled_NWC: NDArray[np.float64], chosen: argparse.Namespace) -> Shares:
    """`known_writers.tested` of the ten animals."""
    return known_writers.tested(filled_NWC, traits=len(ANIMALS), placebos=chosen.placebos)


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
