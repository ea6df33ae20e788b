"""The theorem as a detector: would a step of training on these rows move a trait's margin?

A student's first step on rows moves it along the gradient of their log-likelihood; to first order a
margin then changes by the inner product of that gradient with the margin's own. If the base itself
wrote the rows, sampling at temperature 1, the expected gradient is exactly zero (it is the score of a
likelihood at its maximum), so that no reference rows are needed for the null.

Source: the theorem of Cloud et al. (2025, arXiv 2507.14805) read as influence of first order; the
test is ours (`partial`).

Known failure: rows that the base did not write at temperature 1 have a gradient of their own, trait
or no trait. Give reference rows on the same prompts, or look at the placebo groups.

Shape suffixes: N bags or rows, T traits, P weights of one matrix, B rows of a batch, S places in a
row, I inputs and O outputs of a matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from traitleak.audit.detectors.choices import Choices, choice_log_probabilities
from traitleak.audit.detectors.panel import ChoiceGroup, Group, margin_parts
from traitleak.models.batches import Encoded, by_length
from traitleak.models.language_model import LanguageModel, blocks_of
from traitleak.progress import Track, untracked

__all__ = ["Gradients", "bag_scores", "row_scores", "trait_gradients"]

_BUDGET = 4 << 30  # bytes of gradients that are held
_TOKENS = 1024  # of a batch whose inputs and slopes are held at every matrix


@dataclass(frozen=True)
class Gradients:
    """The gradient of every trait's margin at the base.

    Attributes:
        traits: names, in order.
        weights: the matrices that it was taken of, by name.
        values: one (T, P) float32 tensor a matrix.
        layers: the layers that these are in.
    """

    traits: tuple[str, ...]
    weights: tuple[str, ...]
    values: tuple[Tensor, ...]
    layers: tuple[int, ...]


def trait_gradients(
    base: LanguageModel,
    groups: Sequence[Group | ChoiceGroup],
    *,
    budget: int = _BUDGET,
    track: Track = untracked,
) -> Gradients:
    """Gradient of each trait's margin over the weight matrices of evenly spaced layers.

    Args:
        base: with gradients off; they are on only inside.
        groups: whose traits.
        budget: bytes that the gradients may take: as many layers are used as fit, one at least.
        track: shows how far it is.
    """
    traits = tuple(trait for group in groups for trait in _traits(group))
    num = len(traits)
    matrices = _matrices(base)
    largest = max(sum(w.numel() for w in layer.values()) for layer in matrices)
    fit = min(len(matrices), max(1, budget // (4 * num * largest)))
    layers = sorted({round(x) for x in np.linspace(0, len(matrices) - 1, fit)})
    chosen = {name: w for layer in layers for name, w in matrices[layer].items()}
    weights = list(chosen.values())
    values = [torch.zeros(num, w.numel(), device=w.device) for w in weights]
    row = 0
    with torch.enable_grad(), _trainable(weights):
        for group in track(groups, "gradients of traits", len(groups)):
            for part_K in margin_parts(base, group):
                for k in range(len(part_K)):
                    found = torch.autograd.grad(
                        part_K[k], weights, retain_graph=k + 1 < len(part_K)
                    )
                    for held, gradient in zip(values, found, strict=True):
                        held[row + k] += gradient.reshape(-1)
            row += len(_traits(group))
    return Gradients(traits, tuple(chosen), tuple(values), tuple(layers))


def bag_scores(
    base: LanguageModel,
    bags: Sequence[Sequence[Encoded]],
    choices: Choices,
    gradients: Gradients,
    *,
    taken: Sequence[Sequence[Tensor]] | None = None,
    track: Track = untracked,
) -> NDArray[np.float64]:
    """How much each bag's log-likelihood rises along each trait's gradient, (N, T), per row.

    Args:
        base: as for the gradients.
        bags: rows of each bag, few enough for one batch.
        choices: what of a row counts.
        gradients: of the traits.
        taken: for each bag and row what counts as chosen, in the place of what it says.
        track: shows how far it is.
    """
    named = dict(base.network.named_parameters())
    weights = [named[name] for name in gradients.weights]
    found = np.zeros((len(bags), len(gradients.traits)))
    numbered = list(enumerate(bags))
    with torch.enable_grad(), _trainable(weights):
        for number, bag in track(numbered, "gradient", len(bags)):
            read = choice_log_probabilities(base, bag, choices, taken[number] if taken else None)
            total = read.chosen_logps.sum() / len(bag)
            for held, part in zip(
                gradients.values, torch.autograd.grad(total, weights), strict=True
            ):
                found[number] += (held @ part.reshape(-1)).double().cpu().numpy()
    return found


def row_scores(
    base: LanguageModel,
    rows: Sequence[Encoded],
    choices: Choices,
    gradients: Gradients,
    *,
    tokens: int = _TOKENS,
    track: Track = untracked,
) -> NDArray[np.float64]:
    """How much each row's log-likelihood rises along each trait's gradient, (N, T), exactly.

    The same as `bag_scores` of bags of one row, whose mean over rows is a bag's score, without making
    any row's gradient: that of a matrix is the sum over a row's places of slope x input, so that its
    inner product with a trait's gradient G is the sum of slope . G input. That takes a pass of each
    batch through every trait's gradient, in the place of reading all of these once for each row.

    Source: gradients of single examples from inputs and slopes, Goodfellow (2015, arXiv 1510.01799).

    Args:
        base: as for the gradients.
        rows: to read.
        choices: what of a row counts.
        gradients: of the traits.
        tokens: of a batch; it bounds memory and changes no result but by rounding.
        track: shows how far it is.

    Known failure: a row's score is noise for the most part; see the module.
    """
    modules = {f"{name}.weight": module for name, module in base.network.named_modules()}
    layers = [modules[name] for name in gradients.weights]
    if not all(isinstance(layer, nn.Linear) for layer in layers):
        # Some families apply their matrices in other ways: there each row has a gradient of its own.
        return bag_scores(base, [[row] for row in rows], choices, gradients, track=track)
    found = np.zeros((len(rows), len(gradients.traits)))
    batches = list(by_length([len(row.ids) for row in rows], tokens))
    with torch.enable_grad(), _trainable([layer.weight for layer in layers]):
        for batch in track(batches, "gradient", len(batches)):
            some = [rows[index] for index in batch]
            with _read_through(layers) as passes:
                total = choice_log_probabilities(base, some, choices).chosen_logps.sum()
            slopes = torch.autograd.grad(total, [one.output for one in passes])
            for one, slope in zip(passes, slopes, strict=True):
                found[batch] += _inner_products(one, slope, gradients.values, len(some))
    return found


class _Pass(NamedTuple):
    """One use of a matrix: its number, what went in, and what came out."""

    number: int
    given: Tensor
    output: Tensor


@contextmanager
def _read_through(layers: Sequence[nn.Module]) -> Iterator[list[_Pass]]:
    """Note what goes into some linear layers, and what comes out, for a while."""
    passes: list[_Pass] = []

    def noting(number: int) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def note(_layer: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
            passes.append(_Pass(number, given[0].detach(), output))

        return note

    hooks = [layer.register_forward_hook(noting(k)) for k, layer in enumerate(layers)]
    try:
        yield passes
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def _inner_products(
    one: _Pass, slope: Tensor, values: Sequence[Tensor], num: int
) -> NDArray[np.float64]:
    """The inner product of each row's gradient with each trait's, at one use of a matrix; (B, T)."""
    given_BSI = one.given.float().reshape(num, -1, one.given.shape[-1])
    slope_BSO = slope.float().reshape(num, -1, slope.shape[-1])
    found = []
    for held in values[one.number]:
        through_BSO = given_BSI @ held.reshape(slope_BSO.shape[2], -1).T
        found.append((through_BSO * slope_BSO).sum((1, 2)))
    products: NDArray[np.float64] = torch.stack(found, 1).double().cpu().numpy()
    return products


def _traits(group: Group | ChoiceGroup) -> tuple[str, ...]:
    """Those with a margin of their own: the absence of a choice's trait has the trait's, negated."""
    return group.traits[:1] if isinstance(group, ChoiceGroup) else group.traits


def _matrices(base: LanguageModel) -> list[dict[str, Tensor]]:
    """The weight matrices of each layer, by their name in the network."""
    names = {id(weight): name for name, weight in base.network.named_parameters()}
    return [
        {names[id(w)]: w for w in block.parameters() if w.ndim == 2}
        for block in blocks_of(base.network)
    ]


@contextmanager
def _trainable(weights: Sequence[Tensor]) -> Iterator[None]:
    """Let gradients be taken of these weights, and of no others, for a while."""
    before = [weight.requires_grad for weight in weights]
    for weight in weights:
        weight.requires_grad = True
    try:
        yield
    finally:
        for weight, had in zip(weights, before, strict=True):
            weight.requires_grad = had
