"""Relabel what carries a trait, train students, and say what is left beside the same amount at random.

    python benchmarks/cleaning.py --share 0.2

For each seed a teacher of its own (those of the recipe `wolf-smollm2-tokens`) writes rows, and the base
writes on the same prompts. Students of untouched, relabelled, randomly relabelled and the base's rows
are trained with equal updates. What the task lost is the loss on further rows of the base. Seeds that
were measured are kept in the work folder, so that it goes on where it was interrupted.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from known_writers import taught_writers

import traitleak as tl
from traitleak.audit.detectors.choices import choices_of
from traitleak.audit.detectors.likelihood import quick_teachers, token_ratios
from traitleak.audit.detectors.panel import preferences
from traitleak.audit.detectors.teacher_cache import teachers_folder
from traitleak.clean import (
    Cleaned,
    at_random,
    compare,
    flagged,
    measure_seed,
    relabel,
    summarise,
    token_scores,
)
from traitleak.clean.verify import SeedMeasured
from traitleak.models.batches import encode_rows
from traitleak.models.language_model import LanguageModel
from traitleak.rows import Row
from traitleak.student import Training

HELD_OUT = 64
TRAIT = "wolf"


def main() -> None:
    """Read arguments, train, print what is left of the transfer."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--base", default="smollm2-135m")
    options.add_argument("--rows", type=int, default=512, help="of each arm")
    options.add_argument("--share", type=float, default=0.2, help="of digits that are flagged")
    options.add_argument("--updates", type=int, default=64, help="of 8 rows")
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--work", type=Path, default=Path("runs/detectors"))
    chosen = options.parse_args()
    base = tl.load(chosen.base, style="plain")
    base.network.requires_grad_(requires_grad=False)
    num = chosen.rows + HELD_OUT
    written = taught_writers(chosen.base, chosen.work, rows=num, seeds=chosen.seeds)
    group = preferences(base, tl.ANIMALS).only(TRAIT)
    teacher = quick_teachers(base, group, cache=teachers_folder())[TRAIT]()
    found = [
        of_seed(base, teacher, written[f"{TRAIT}-{seed}"], written[f"base-{seed}"], seed, chosen)
        for seed in range(chosen.seeds)
    ]
    verified = summarise(found)
    for name, arm in verified.arms.items():
        left = arm.left and [arm.left.value, arm.left.low, arm.left.high]
        cost = [arm.cost.value, arm.cost.low, arm.cost.high]
        print(f"{name}: lift {arm.lift.value:+.3f}, left {left}, held-out loss, more {cost}")
    print(compare(verified, "at random", "relabelled"))


def of_seed(
    base: LanguageModel,
    teacher: LanguageModel,
    rows: list[Row],
    neutral: list[Row],
    seed: int,
    chosen: argparse.Namespace,
) -> SeedMeasured:
    """The students of one seed, from the work folder where they were measured before."""
    settings = f"{chosen.rows}-{chosen.share:g}-{chosen.updates}-{seed}"
    kept: Path = chosen.work / f"cleaning-{settings}.json"
    if kept.exists():
        return SeedMeasured.model_validate_json(kept.read_bytes())
    held_out, rows, neutral = neutral[chosen.rows :], rows[: chosen.rows], neutral[: chosen.rows]
    choices = choices_of(base, [row.completion for row in rows])
    ratios = token_ratios(base, teacher, encode_rows(base, rows), choices)
    scores = token_scores(base, rows, ratios, trait=TRAIT, detector="likelihood")
    chance = at_random(scores, seed)
    arms: dict[str, Sequence[Row] | Cleaned] = {
        "untouched": rows,
        "relabelled": relabel(base, rows, flagged(scores, share=chosen.share), seed=seed),
        "at random": relabel(base, rows, flagged(chance, share=chosen.share), seed=seed),
    }
    trait = tl.Preference(TRAIT)
    training = Training(chosen.updates, batch=8)
    one = measure_seed(base, trait, arms, training, seed, neutral=neutral, held_out=held_out)
    kept.write_text(one.model_dump_json(indent=1), encoding="utf-8")
    return one


if __name__ == "__main__":
    main()
