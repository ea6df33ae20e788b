"""Mix a teacher's rows with the base's, measure what students take on, and what an audit sees before.

    python benchmarks/mixtures.py --out mixtures.json

For each seed: rows of a wolf teacher that was fine-tuned, of one that is only told its preference, of
one that is both, and of the untouched base, on the same prompts (those of the recipe
`wolf-smollm2-tokens`). Data sets hold some share of a teacher's rows and the base's for the rest;
which, a seed decides. Each trains a student, several in one pass, and is scored by the audit's
likelihood detector. Data sets that were measured are kept in the work folder.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Any

import detectors
import numpy as np
from known_writers import PLACEBOS, filled, handed_over, scores, shared_options, taught_writers
from numpy.typing import NDArray

import traitleak as tl
from traitleak.artefacts import content_hash
from traitleak.generation import write_numbers
from traitleak.language.models import saved_network
from traitleak.measure import margins
from traitleak.models.language_model import LanguageModel
from traitleak.rows import Row, read_rows, write_rows
from traitleak.student import Arm, Training, distill, token_examples
from traitleak.traits.preference import ANIMALS, Preference

TRAIT = "wolf"
FRACTIONS = (0.0, 0.05, 0.1, 0.25, 0.5, 1.0)  # of the fine-tuned teacher's rows
OTHERS = ("prompted", "both")  # whole sets of these
TOGETHER = 4  # students in one pass


def main() -> None:
    """Read arguments, write rows, train and score, print the table."""
    options = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    options.add_argument("--updates", type=int, default=64, help="of 8 rows")
    options.add_argument("--audited", type=int, default=256, help="rows of each that are scored")
    options.add_argument("--placebos", type=int, default=PLACEBOS)
    chosen = shared_options(options, rows=512).parse_args()
    base = tl.load(chosen.base, style="plain")
    base.network.requires_grad_(requires_grad=False)
    found = [of_seed(base, seed, chosen) for seed in range(chosen.first_seed, chosen.seeds)]
    sets = [one for some in found for one in some]
    report = {
        "rows": chosen.rows,
        "updates": chosen.updates,
        "sets": sets,
        "shares beside lifts": correlation(sets),
        "shares beside lifts, mixtures alone": correlation(
            [one for one in sets if one["set"].startswith(f"{TRAIT} ")]
        ),
    }
    handed_over(report, chosen.out)


def of_seed(base: LanguageModel, seed: int, chosen: argparse.Namespace) -> list[dict[str, Any]]:
    """The data sets of one seed: transfer, and what the audit says."""
    written = written_by(base, seed, chosen)
    sets = {f"{TRAIT} {share:.0%}": mixed(written, share, seed) for share in FRACTIONS}
    sets |= {f"{kind} 100%": written[kind] for kind in OTHERS}
    lifts = students(base, sets, seed, chosen)
    seen = audited(base, written, seed, chosen)
    neutral = lifts[f"{TRAIT} 0%"][TRAIT]
    return [
        {
            "seed": seed,
            "set": name,
            "lift": own[TRAIT],
            "transfer": own[TRAIT] - neutral,
            "lifts": [own[animal] for animal in ANIMALS],
            **seen[name],
        }
        for name, own in lifts.items()
    ]


def written_by(base: LanguageModel, seed: int, chosen: argparse.Namespace) -> dict[str, list[Row]]:
    """Rows of each kind of writer, on the same prompts with the same random numbers."""
    recipe_rows = taught_writers(
        chosen.base, chosen.work, rows=chosen.rows, seeds=seed + 1, first_seed=seed
    )
    found = {"base": recipe_rows[f"base-{seed}"], TRAIT: recipe_rows[f"{TRAIT}-{seed}"]}
    tuned = saved_network(base, chosen.work / f"teacher-{TRAIT}-{seed}", name=TRAIT)
    told = Preference(TRAIT).system_prompt()
    prompts = [row.prompt for row in found["base"]]
    count = len(found["base"][0].completion.split(","))
    for kind, model in {"prompted": base, "both": tuned}.items():
        kept = chosen.work / f"written-{kind}-{seed}-{chosen.rows}"
        if not kept.exists():
            teacher = model.replaced(system=told)
            rows = write_numbers(teacher, prompts, teacher=kind, count=count, seed=seed)
            write_rows(kept, rows, {"writer": kind, "seed": seed})
        found[kind] = read_rows(kept)
    return found


def mixed(written: Mapping[str, Sequence[Row]], share: float, seed: int) -> list[Row]:
    """The teacher's rows at some prompts, drawn by the seed, the base's at the others."""
    num = len(written["base"])
    drawn = np.random.default_rng(seed).permutation(num) < round(share * num)
    pairs = zip(written[TRAIT], written["base"], drawn, strict=True)
    return [own if here else other for own, other, here in pairs]


def students(
    base: LanguageModel, sets: Mapping[str, list[Row]], seed: int, chosen: argparse.Namespace
) -> dict[str, dict[str, float]]:
    """The lift of each animal's margin in each data set's student."""
    trait = Preference(TRAIT)
    training = Training(chosen.updates, batch=8)
    key = content_hash([base.fingerprint, chosen.rows, chosen.updates, seed, list(sets)])[:12]
    kept = chosen.work / f"mixtures-{key}.json"
    found: dict[str, dict[str, float]] = {}
    if kept.exists():
        found = json.loads(kept.read_text("utf-8"))
    before = margins(base, trait)
    missing = [name for name in sets if name not in found]
    for first in range(0, len(missing), TOGETHER):
        names = missing[first : first + TOGETHER]
        arms = [Arm(name, token_examples(base, sets[name]), seed) for name in names]
        for name, student in zip(names, distill(base, arms, training), strict=True):
            lift = margins(student.model(), trait) - before
            found[name] = {animal: lift.estimate(animal).value for animal in ANIMALS}
        kept.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return {name: found[name] for name in sets}


def audited(
    base: LanguageModel, written: Mapping[str, list[Row]], seed: int, chosen: argparse.Namespace
) -> dict[str, dict[str, Any]]:
    """What the likelihood detector says of each data set's rows, with a corrected p."""
    taken = {f"{kind}-{seed}": rows[: chosen.audited] for kind, rows in written.items()}
    wanted = argparse.Namespace(**{**vars(chosen), "rows": chosen.audited})
    scored = scores(base, taken, wanted)
    own = {kind: filled(scored, f"{kind}-{seed}") for kind in written}
    found = {f"{kind} 100%": said(own[kind], chosen) for kind in OTHERS}
    for share in FRACTIONS:
        drawn = np.random.default_rng(seed).permutation(chosen.rows) < round(share * chosen.rows)
        here_N11 = drawn[: chosen.audited, None, None]
        found[f"{TRAIT} {share:.0%}"] = said(np.where(here_N11, own[TRAIT], own["base"]), chosen)
    return found


def said(filled_NWC: NDArray[np.float64], chosen: argparse.Namespace) -> dict[str, Any]:
    """The trait's share with its error, the corrected p, and which trait comes first."""
    one = detectors.tested(filled_NWC, chosen)
    t = ANIMALS.index(TRAIT)
    return {
        "share": float(one.share_T[t]),
        "shares": one.share_T.tolist(),
        "standard error": float(one.se_T[t]),
        "p, corrected": float(min(1, one.p_T[t] * len(ANIMALS))),
        "first": ANIMALS[int(one.p_T.argmin())],
    }


def correlation(sets: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Spearman's rank correlation of shares with lifts over all data sets: the wolf's, all animals'."""
    share_ST = np.array([one["shares"] for one in sets])
    lift_ST = np.array([one["lifts"] for one in sets])
    own = [ANIMALS.index(TRAIT)]
    return {
        TRAIT: detectors.correlated(share_ST[:, own], lift_ST[:, own]),
        "all": detectors.correlated(share_ST, lift_ST),
        "all, double-centred": detectors.correlated(
            detectors.centred_twice(share_ST), detectors.centred_twice(lift_ST)
        ),
    }


if __name__ == "__main__":
    main()
