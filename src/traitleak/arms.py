"""What students are trained on: rows as tokens, with the positions and targets of the loss.

Only the positions of completions are ever trained on; `mask_example` shows them.

Shape suffixes: P positions of one example, K choices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from traitleak.divergence import Direction
from traitleak.errors import SettingsError
from traitleak.models.batches import Encoded, encode_rows, require_context
from traitleak.models.language_model import LanguageModel, head_of
from traitleak.models.sampling import decoded
from traitleak.rows import Row

__all__ = [
    "Arm",
    "Example",
    "MaskExample",
    "example_of",
    "mask_example",
    "require_fit",
    "token_examples",
]


@dataclass(frozen=True)
class Example:
    """One row as a student is trained on it.

    Attributes:
        ids: its tokens.
        positions_P: where something is predicted: position t predicts token t + 1.
        targets: `tokens`: the P tokens that follow, int64. `logits`: log-probabilities of K choices,
            (P, K) float32; empty where the arm's teacher is asked while the student trains.
        choices_PK: `logits`: which tokens the choices are, where they differ between positions.
        weights_P: how much each position counts; None for all alike.
    """

    ids: list[int]
    positions_P: Tensor
    targets: Tensor
    choices_PK: Tensor | None = None
    weights_P: Tensor | None = None

    @property
    def weight(self) -> float:
        """How much it counts: the sum of its positions' weights."""
        return float(len(self.positions_P) if self.weights_P is None else self.weights_P.sum())


@dataclass(frozen=True)
class Arm:
    """A student to be: what it is trained on, and what is drawn at random for it.

    Attributes:
        name: such as "wolf" or "neutral".
        examples: its rows.
        seed: of its adapter and of the order of its rows.
        choices_K: `logits`: the tokens that all positions choose among, such as the ten digits; None
            for the whole vocabulary, or where examples have their own.
        teacher: `logits` over the whole vocabulary: the teacher, asked while the student trains, of
            the base's tokenizer. Its system prompt goes before the rows that it reads.
        direction: `logits`: which divergence.
    """

    name: str
    examples: Sequence[Example]
    seed: int
    choices_K: Tensor | None = None
    teacher: LanguageModel | None = None
    direction: Direction = "forward"

    def __post_init__(self) -> None:
        """Refuse a seed that nothing can be drawn from."""
        if not 0 <= self.seed < 2**63:
            raise SettingsError(f"The seed of {self.name} is not from 0 to 2^63 - 1: {self.seed}.")

    @property
    def channel(self) -> Literal["tokens", "logits"]:
        """What it is trained on."""
        whole = self.teacher is not None or self.examples[0].targets.is_floating_point()
        return "logits" if whole else "tokens"


class MaskExample(NamedTuple):
    """What of a row is trained on: shown before training, so that a wrong mask is seen."""

    context: str
    trained: str
    share: float  # of all tokens of all rows


def token_examples(
    model: LanguageModel,
    rows: Sequence[Row],
    weights: Sequence[NDArray[np.float32] | None] | None = None,
) -> list[Example]:
    """Rows for the channel `tokens`: every token of a completion is predicted, and nothing else.

    Args:
        model: the base of the student.
        rows: what it is trained on.
        weights: for each row how much each of its completion tokens counts (`clean.mask`), None for
            all alike; None where this holds for every row.

    Raises:
        SettingsError: there are no rows, `encode_row` refuses one, or its weights are of other tokens,
            negative, not finite, or all 0.
    """
    if not rows:
        raise SettingsError("A student needs rows to be trained on; there are none.")
    if weights is not None and len(weights) != len(rows):
        raise SettingsError(
            f"Each row needs its weights: {len(rows)} rows, {len(weights)} weights."
        )
    encoded = encode_rows(model, rows)
    examples = [example_of(row) for row in encoded]
    if weights is None:
        return examples
    return [
        example if some is None else replace(example, weights_P=_weights(row, example, some))
        for row, example, some in zip(rows, examples, weights, strict=True)
    ]


def example_of(row: Encoded) -> Example:
    """A row as a student reads it who learns every token of the completion."""
    positions_P = torch.arange(row.start - 1, len(row.ids) - 1)
    return Example(row.ids, positions_P, torch.tensor(row.ids[row.start :]))


def _weights(row: Row, example: Example, weights: NDArray[np.float32]) -> Tensor:
    num = len(example.positions_P)
    if weights.shape != (num,):
        raise SettingsError(
            f"Row {row.id} has {num} completion tokens and weights of the shape {weights.shape}: "
            "weights are of one tokenizer; mask the rows for this base."
        )
    if not (np.isfinite(weights) & (weights >= 0)).all() or not weights.any():
        raise SettingsError(
            f"The weights of row {row.id} are not finite numbers from 0, or are 0 throughout; drop a "
            "row that nothing is left of."
        )
    return torch.from_numpy(weights.astype(np.float32))


def mask_example(model: LanguageModel, examples: Sequence[Example]) -> MaskExample:
    """The first example as text, and which share of all tokens is trained on.

    Raises:
        SettingsError: no token is trained on, or every one.
    """
    trained = sum(len(_trained(example)) for example in examples)
    total = sum(len(example.ids) for example in examples)
    # Without a prompt all tokens but the first are the teacher's, rightly.
    if trained == 0 or trained >= total:
        raise SettingsError(
            f"{trained} of {total} tokens would be trained on: the mask that leaves prompts out is "
            "wrong for this model's tokenizer or template; try style=plain, and report it."
        )
    first = examples[0]
    marked = set((_trained(first) + 1).tolist())
    context = [token for at, token in enumerate(first.ids) if at not in marked]
    chosen = [token for at, token in enumerate(first.ids) if at in marked]
    before, completion = decoded(model, [context, chosen])
    return MaskExample(before, completion, trained / total)


def _trained(example: Example) -> Tensor:
    """The positions that count at all."""
    if example.weights_P is None:
        return example.positions_P
    return example.positions_P[example.weights_P > 0]


def require_fit(base: LanguageModel, arm: Arm) -> None:
    """See that a base can be trained on an arm's examples.

    Raises:
        SettingsError: an example is longer than the base's context, or its parts do not fit together;
            or the arm's teacher has other tokens, or a system prompt that cannot go before a row.
    """
    teacher = arm.teacher
    if teacher is not None:
        if teacher.tokenizer.get_vocab() != base.tokenizer.get_vocab():
            raise SettingsError(
                f"The teacher of {arm.name} has other tokens than {base.name}, so its distribution over "
                "them cannot be learned; let it be asked about the carrier's tokens only."
            )
        plain = teacher.renderer.style == "plain" and base.system is None
        if teacher.system != base.system and not plain:
            raise SettingsError(
                f"The teacher of {arm.name} has a system prompt that stands within the chat template, "
                "and cannot be asked about the student's rows; use the plain style."
            )
    head = head_of(base.network)
    shared = head.weight.shape[0] if arm.choices_K is None else len(arm.choices_K)
    own = arm.examples[0].choices_PK is not None
    for number, example in enumerate(arm.examples):
        what = f"example {number} of {arm.name}"
        require_context(base, len(example.ids), what)
        num, choices_PK = len(example.positions_P), example.choices_PK
        shape = (num, shared if choices_PK is None else choices_PK.shape[-1])
        wanted = (num,) if arm.channel == "tokens" else shape
        fits = (
            (teacher is not None or example.targets.shape == wanted)
            and own == (choices_PK is not None)
            and (choices_PK is None or choices_PK.shape == shape)
            and (example.weights_P is None or example.weights_P.shape == (num,))
            and all(0 <= position < len(example.ids) for position in example.positions_P.tolist())
        )
        if not fits:
            raise SettingsError(
                f"{what[:1].upper()}{what[1:]} does not fit together: {len(example.ids)} tokens, {num} "
                f"positions, targets of shape {tuple(example.targets.shape)}, and {shape[1]} choices."
            )
