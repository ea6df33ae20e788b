"""How much of what a detector's row scores say is more than what rows look like.

The row scores are held against those of reference rows. Their area under the ROC curve, less that of
surface features (`surface`), is what the detector adds. The base's own fills of the same places cannot
stand in for reference rows: each digit of a fill is drawn given what the row says before it, and not
what the fill says there, so that surface features tell fills from any written rows (of the base's own
256 lists with an area of about .8 on SmolLM2), and would be called hard to beat.

Shape suffixes: N rows, T traits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from traitleak.audit.detectors.canary_students import filled
from traitleak.audit.detectors.evidence import Evidence, Material
from traitleak.audit.detectors.surface import gain_over, surface_scores
from traitleak.errors import MissingExtraError, SettingsError
from traitleak.models.sampling import decoded
from traitleak.results import Estimate
from traitleak.rows import Row
from traitleak.seeds import derive_seed

__all__ = ["Beyond", "beyond_surface", "rows_of_fills"]

_ROWS = 1024  # of a kind, at most: the regression's time grows with them
_ADDS = "over surface"
_OF_STUDENTS = "not measured: its figures are of students, not of rows"
_ALONE = "not measured: there are no reference rows; give some of a writer without a trait"


@dataclass(frozen=True)
class Beyond:
    """What detectors say over surface features.

    Attributes:
        by_detector: for each that has scores of rows, the gain for each trait, in the panel's order.
        evidence: the detectors, with a setting that says what was compared, or why nothing was.
    """

    by_detector: dict[str, list[Estimate]]
    evidence: list[Evidence]


def beyond_surface(
    given: Material,
    rows: Sequence[Row],
    reference: Sequence[Row] | None,
    evidence: Sequence[Evidence],
) -> Beyond:
    """Each detector's AUROC of row scores for each trait, less that of surface features.

    A row's score for a trait is the detector's, less the mean over all traits: what speaks for
    everything speaks for none. At most 1,024 rows of a kind are taken, the same for all detectors.

    Args:
        given: what all detectors were given.
        rows: the audited rows as text, in its order.
        reference: the rows beside them, where `given` has some.
        evidence: of every detector that ran.

    Known failure: what `surface` says of a trait's trace.
    """
    why = "" if reference else _ALONE
    beside: Sequence[Row] = reference or ()
    surface = None
    taken = _taken(len(rows), given.seed)
    if not why and any(one.row_NT is not None for one in evidence):
        try:
            surface = surface_scores(
                [rows[row] for row in taken],
                [beside[row] for row in taken],
                families=False,
                seed=given.seed,
            )
        except (MissingExtraError, SettingsError) as error:
            why = f"not measured: {error}"
    found: dict[str, list[Estimate]] = {}
    told = []
    for one in evidence:
        if one.row_NT is None or one.beside_NT is None:
            said = _ALONE if one.gradients is not None else _OF_STUDENTS
        elif surface is None:
            said = why
        else:
            own_NT, beside_NT = (_centred(some)[taken] for some in (one.row_NT, one.beside_NT))
            found[one.name] = [
                gain_over(own_NT[:, t], beside_NT[:, t], surface) for t in range(own_NT.shape[1])
            ]
            said = (
                f"{len(taken)} rows beside reference rows; surface features alone tell them apart "
                f"with an AUROC of {surface.area.value:.3f}"
            )
        told.append(replace(one, settings={**one.settings, _ADDS: said}))
    return Beyond(found, told)


def rows_of_fills(given: Material, rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """The rows as their tokens say them, and the base's first way to fill the same places."""
    special = set(given.base.tokenizer.all_special_ids)

    def said(completions: Sequence[Sequence[int]]) -> list[Row]:
        written = [[token for token in ids if token not in special] for ids in completions]
        texts = decoded(given.base, written)
        return [replace(row, completion=text) for row, text in zip(rows, texts, strict=True)]

    fills = [
        filled(row, given.choices, taken).tolist()
        for row, taken in zip(given.rows, given.null[0], strict=True)
    ]
    return said([row.ids[row.start :] for row in given.rows]), said(fills)


def _taken(num: int, seed: int) -> list[int]:
    order = np.random.default_rng(derive_seed(seed, "surface")).permutation(num)
    return sorted(order[:_ROWS].tolist())


def _centred(scores_NT: NDArray[np.float64]) -> NDArray[np.float64]:
    if scores_NT.shape[1] < 3:  # of two, one would be the other with the sign turned
        return scores_NT
    centred: NDArray[np.float64] = scores_NT - scores_NT.mean(1, keepdims=True)
    return centred
