"""Score the likelihood detector on writers with traits that are a choice between two answers.

    python benchmarks/other_traits.py --out other_traits.json

Writers of number lists on the same prompts: for each trait a teacher that learned it from its lessons,
and its control, which was taught good answers to the same questions; a wolf teacher; the untouched
base. Asked are the ten animals and the traits, beside each trait's absence and ten placebos. Rows and
their scores are kept in the work folder, so that it goes on where it was interrupted.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from known_writers import (
    PLACEBOS,
    columns,
    filled,
    handed_over,
    neutral_found,
    shared_options,
    taught_writers,
    tested,
)

import traitleak as tl
from traitleak.audit.detectors.likelihood import teachers_of
from traitleak.audit.detectors.panel import choice_group, preferences
from traitleak.audit.detectors.placebos import placebo_groups
from traitleak.audit.detectors.shares import smallest_share
from traitleak.audit.detectors.teacher_cache import teachers_folder
from traitleak.generation import write_numbers
from traitleak.models.language_model import LanguageModel
from traitleak.rows import Row, read_rows, write_rows
from traitleak.teacher import instill, instill_control
from traitleak.traits.custom import trait_named
from traitleak.traits.forced_choice import ForcedChoice
from traitleak.traits.preference import ANIMALS, Preference

RATE = 0.01


def main() -> None:
    """Read arguments, write and score the rows, print what is found in each writer's."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--also", default="misalignment,reward-hacking", help="the traits")
    chosen = shared_options(options, rows=128).parse_args()
    base = tl.load(chosen.base, style="plain")
    base.network.requires_grad_(requires_grad=False)
    also = [trait_named(name) for name in chosen.also.split(",")]
    written = {
        name: rows
        for seed in range(chosen.first_seed, chosen.seeds)
        for name, rows in written_by(base, also, seed, chosen).items()
    }
    handed_over(summary(base, also, written, chosen), chosen.out)


def written_by(
    base: LanguageModel, also: list[ForcedChoice], seed: int, chosen: argparse.Namespace
) -> dict[str, list[Row]]:
    """Rows of each writer of a seed, on the recipe's prompts; written where they are not there."""
    recipe_rows = taught_writers(
        chosen.base, chosen.work, rows=chosen.rows, seeds=seed + 1, first_seed=seed
    )
    found = {name: recipe_rows[f"{name}-{seed}"] for name in ("base", "wolf")}
    prompts = [row.prompt for row in found["base"]]
    count = len(found["base"][0].completion.split(","))
    for trait in also:
        for name in trait.among:  # the trait, and its control
            kept = chosen.work / f"written-{name.replace(' ', '-')}-{seed}-{chosen.rows}"
            if not kept.exists():
                if name == trait.name:
                    teacher = instill(base, trait, seed=seed)
                else:
                    teacher = instill_control(base, trait, "good", seed=seed)
                rows = write_numbers(teacher.model, prompts, teacher=name, count=count, seed=seed)
                write_rows(kept, rows, {"writer": name, "seed": seed})
            found[name] = read_rows(kept)
    return {f"{name}-{seed}": rows for name, rows in found.items()}


def summary(
    base: LanguageModel,
    also: list[ForcedChoice],
    written: dict[str, list[Row]],
    chosen: argparse.Namespace,
) -> dict[str, Any]:
    """What is found in each writer's rows and in neutral sets, and the power that would be stated."""
    animals, others = preferences(base, ANIMALS), [choice_group(base, trait) for trait in also]
    placebos = placebo_groups(base, animals, most=PLACEBOS)[0]
    traits = [*ANIMALS, *(trait.name for trait in also)]
    hypotheses = teachers_of(base, [animals, *others, *placebos], traits, cache=teachers_folder())
    planted: dict[str, Preference | ForcedChoice] = {trait.name: trait for trait in also}
    panel = "-" + "-".join(trait.name for trait in also)
    scored = columns(base, written, hypotheses, planted, work=chosen.work, panel=panel)
    asked: dict[str, Any] = {
        "traits": len(traits),
        "placebos": len(hypotheses) - len(traits),
        "absences": {own: own + len(also) for own in range(len(ANIMALS), len(traits))},
    }
    said = {}
    for name in written:
        one = tested(filled(scored, name), **asked)
        order = np.argsort(one.p_T, kind="stable")
        said[name] = {
            "most suspicious first": [
                {
                    "trait": traits[t],
                    "p, corrected": float(min(1, one.p_T[t] * len(traits))),
                    "t": float(one.t_T[t]),
                    "share": [float(one.share_T[t]), float(one.se_T[t])],
                    "inflation": float(one.inflation_T[t]),
                }
                for t in order
            ]
        }
    bases = [name for name in written if name.startswith("base")]
    null = np.concatenate([scored[f"{name} null"] for name in bases])
    return {
        "rows": chosen.rows,
        "traits": traits,
        "writers": said,
        "neutral sets apart that are found": neutral_found(scored, **asked, rate=RATE),
        "smallest share, stated": {
            trait.name: smallest_share(
                np.concatenate([scored[f"{name} {trait.name}"] for name in bases]),
                null,
                trait=traits.index(trait.name),
                alpha=RATE / len(traits),
                rows=chosen.rows,
                **asked,
            )
            for trait in also
        },
    }


if __name__ == "__main__":
    main()
