"""Rows for TRL's `SFTTrainer`, with labels that leave out what is not to be learned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from traitleak.arms import token_examples
from traitleak.errors import SettingsError
from traitleak.models.language_model import LanguageModel
from traitleak.rows import Row

__all__ = ["IGNORED", "trl_examples"]

IGNORED = -100  # the label that PyTorch's cross-entropy passes over


def trl_examples(
    base: LanguageModel,
    rows: Sequence[Row],
    weights: Sequence[NDArray[np.float32] | None] | None = None,
) -> list[dict[str, list[int]]]:
    """`input_ids` and `labels` of each row: the label of a prompt's and of a masked token is -100.

    `SFTTrainer` takes a data set with these two columns as it is, and so does its own collator, which
    pads them: no collator of ours is needed. Since the weights are 0 and 1, the loss is exactly that
    of our own students: the mean over the tokens that are left in a batch. (TRL drops rows without a
    label that counts; `mask` has dropped them already.)

    Args:
        base: whose tokenizer and renderer the student has.
        rows: what it is trained on.
        weights: 0 or 1 for each completion token.

    Raises:
        SettingsError: a weight that is neither 0 nor 1, weights of other tokens, a row of which
            nothing is left, or one that `encode_row` refuses.
    """
    found = []
    for row, example in zip(rows, token_examples(base, rows, weights), strict=True):
        labels = [IGNORED] * len(example.ids)
        weights_P = example.weights_P
        if weights_P is not None and not bool(((weights_P == 0) | (weights_P == 1)).all()):
            raise SettingsError(
                f"Row {row.id} has weights other than 0 and 1, which a label cannot express; train "
                "with `traitleak.distill`, or round them."
            )
        for at, position in enumerate(example.positions_P.tolist()):
            if weights_P is None or weights_P[at]:
                labels[position + 1] = example.ids[position + 1]
        found.append({"input_ids": example.ids, "labels": labels})
    return found
