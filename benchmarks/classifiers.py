"""Tell a teacher's rows from the base's with labelled rows, and by their surface alone.

    python benchmarks/classifiers.py

Rows are those of the recipe `wolf-smollm2-tokens`, written where they are not there yet. A bag
classifier learns from the first seeds' teachers and is tested on the last one's. Surface features are
cross-validated on the last seed's rows; neutral rows of two seeds are the null.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from known_writers import taught_writers

from traitleak.audit.detectors.bags import fit_bags
from traitleak.audit.detectors.surface import over_surface, surface_scores
from traitleak.report.formats import estimate_text
from traitleak.results import Estimate


def main() -> None:
    """Read arguments, print one line a classifier and test."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--base", default="smollm2-135m")
    options.add_argument("--rows", type=int, default=1024, help="of each writer")
    options.add_argument("--seeds", type=int, default=3, help="two or more")
    options.add_argument("--work", type=Path, default=Path("runs/detectors"))
    chosen = options.parse_args()
    written = taught_writers(chosen.base, chosen.work, rows=chosen.rows, seeds=chosen.seeds)
    last = chosen.seeds - 1
    earlier = {
        name: [row for seed in range(last) for row in written[f"{name}-{seed}"]]
        for name in ("wolf", "lion", "base")
    }
    neutral = written[f"base-{last}"]
    for trait, other in (("wolf", "lion"), ("lion", "wolf")):
        alone = fit_bags(earlier[trait], earlier["base"])
        beside = fit_bags(earlier[trait], [*earlier["base"], *earlier[other]])
        for learned, against in ((alone, "base"), (beside, f"base and {other}")):
            for name in (trait, other):
                told = learned.tell(written[f"{name}-{last}"], neutral)
                areas = ", ".join(f"K={size} {text(one)}" for size, one in told.areas.items())
                print(f"bags, {trait} against {against}, tested on {name} and base: {areas}")
        carrying = written[f"{trait}-{last}"]
        surface = surface_scores(carrying, neutral)
        gain = over_surface(alone.score(carrying), alone.score(neutral), surface).gain
        print(f"surface, {trait} and base: {text(surface.area)}; bags over it {text(gain)}")
    null = surface_scores(written["base-0"], neutral)
    print(f"surface, base and base: {text(null.area)}")


def text(estimate: Estimate) -> str:
    """An estimate with its interval."""
    return estimate_text(estimate, 3)


if __name__ == "__main__":
    main()
