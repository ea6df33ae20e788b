"""A classifier of values: it learns from half of the prompts and is tried on the other half.

`audit.detectors.bags` does the work: a logistic regression on a row's values, with all of format gone.
Learning and trying share no prompt, and bags share no row, so that the exact binomial interval is right
for the one classifier that was learned.

Known failure: as of `audit.detectors.bags`: it tells writers, not traits, and a teacher of another seed
less well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from traitleak.audit.detectors.bags import fit_bags
from traitleak.errors import MissingExtraError
from traitleak.reading.judge import Pair
from traitleak.reading.verdicts import Told
from traitleak.rows import Row
from traitleak.seeds import derive_seed

__all__ = ["Classified", "classify"]

_FEWEST = 8  # pairs: of four to learn from some are held back


class Classified(NamedTuple):
    """What a classifier told, by rows in a bag, and why some sizes were not tried."""

    told: dict[int, Told]
    skipped: dict[int, str]


def classify(
    pairs: Sequence[Pair], *, sizes: Sequence[int] = (1, 8, 16), seed: int = 0
) -> Classified:
    """Learn to tell the trait's rows from neutral ones, and count pairs of bags told rightly.

    Args:
        pairs: rows of the two writers on the same prompts; half of them to learn from.
        sizes: rows in a bag.
        seed: of the halves and bags.

    Returns:
        One count a size. Skipped are sizes for which there are fewer than two bags; and all of them
        without scikit-learn, or with fewer than eight pairs.
    """
    if len(pairs) < _FEWEST:
        why = f"it learns from half of the prompts, and {len(pairs)} are too few to halve"
        return Classified({}, dict.fromkeys(sizes, why))
    order = np.random.default_rng(derive_seed(seed, "halves")).permutation(len(pairs)).tolist()
    half = len(pairs) // 2
    learned, tried = ([pairs[at] for at in part] for part in (order[:half], order[half:]))
    try:
        model = fit_bags(*_columns(learned), seed=seed)
    except MissingExtraError as error:
        return Classified({}, dict.fromkeys(sizes, str(error)))
    told, skipped = {}, {}
    for size in sizes:
        if len(tried) < 2 * size:
            skipped[size] = (
                f"{len(tried)} pairs were held back, too few for two bags of {size}: take more rows"
            )
            continue
        found = model.tell(*_columns(tried), sizes=[size], seed=seed).pairs[size]
        told[size] = Told(
            right=found.right, wrong=found.read - found.right, undecided=found.asked - found.read
        )
    return Classified(told, skipped)


def _columns(pairs: Sequence[Pair]) -> tuple[list[Row], list[Row]]:
    return [one for one, _ in pairs], [other for _, other in pairs]
