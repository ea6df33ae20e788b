"""The same function with other weights: a network whose hidden units are put in another order.

Nothing tells one hidden unit of a network from another but its weights. So their order may be changed
wherever nothing but a sum over them, or a product with them, reads it, if all weights that write to
and read from them are put in the same order:

- the **residual stream**: the columns of the embedding and of all that reads the stream, the rows of
  all that writes to it, and the scales of the norms, whose mean square is a sum over units;
- the **intermediate units** of each block's MLP: rows of `gate_proj` and `up_proj`, columns of
  `down_proj`;
- the **attention heads** of each block: key and value heads in any order, each with its query heads,
  and these in any order among themselves; `o_proj` sums over them;
- the **units of the values** of each key and value head: rows of `v_proj`, columns of `o_proj`.

Units of queries and keys stay: rotary positions turn unit j with unit j + half by an angle of its own.

Why it matters here: gradient descent does not know the order either. Each optimizer of `optimizers`
treats every weight alike and by itself (weight decay, too; clipping sees a norm), so that it commutes
with the order: train a permuted network in all its weights and it is, update for update, the permuted
trained one. With LoRA the same holds if the columns of A are put in the order of the layer's inputs;
with factors drawn anew it holds in distribution, since their draws are alike for all units.

Symmetries of networks of this kind: Hecht-Nielsen (1990), *On the algebraic structure of feedforward
network weight spaces*.

Shape suffixes: D width of the hidden states, I intermediate units, H query heads x units of a head,
K key and value heads x units of a head.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import TypeAlias

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from traitleak.errors import SettingsError
from traitleak.models.adapters import Adapter
from traitleak.models.language_model import LanguageModel, Steering, body, head_of, logits_of

__all__ = [
    "Permutation",
    "draw_permutation",
    "permute_adapter",
    "permute_model",
    "permute_network",
]

Permutation: TypeAlias = Mapping[str, tuple[Tensor | None, ...]]
"""For each weight by its name, for each of its axes, the order of its entries; None: as it is."""

# What each weight of a block is along its axes, by the end of its name.
_WEIGHTS: dict[str, tuple[str, ...]] = {
    "self_attn.q_proj.weight": ("query", "stream"),
    "self_attn.k_proj.weight": ("key", "stream"),
    "self_attn.v_proj.weight": ("value", "stream"),
    "self_attn.o_proj.weight": ("stream", "mixed"),
    "self_attn.q_proj.bias": ("query",),
    "self_attn.k_proj.bias": ("key",),
    "self_attn.v_proj.bias": ("value",),
    "self_attn.o_proj.bias": ("stream",),
    "self_attn.q_norm.weight": ("",),  # of the units within a head, which stay
    "self_attn.k_norm.weight": ("",),
    "mlp.gate_proj.weight": ("inner", "stream"),
    "mlp.up_proj.weight": ("inner", "stream"),
    "mlp.down_proj.weight": ("stream", "inner"),
    "mlp.gate_proj.bias": ("inner",),
    "mlp.up_proj.bias": ("inner",),
    "mlp.down_proj.bias": ("stream",),
    "input_layernorm.weight": ("stream",),
    "post_attention_layernorm.weight": ("stream",),
    "pre_feedforward_layernorm.weight": ("stream",),
    "post_feedforward_layernorm.weight": ("stream",),
}
_OUTSIDE: dict[str, tuple[str, ...]] = {
    "embed_tokens.weight": ("", "stream"),
    "norm.weight": ("stream",),
    "lm_head.weight": ("", "stream"),
    "lm_head.bias": ("",),
}
_TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-3}  # of the largest logit; else a tenth


def draw_permutation(network: PreTrainedModel, seed: int) -> Permutation:
    """Draw an order of all hidden units that may change places.

    Args:
        network: a network of Llama's kind: Llama, SmolLM2, Qwen 2 and 3, Gemma 3.
        seed: of the orders; equal seeds give equal ones for networks of equal shape.

    Raises:
        SettingsError: the network has weights of another kind.
    """
    generator = torch.Generator().manual_seed(seed)
    blocks = getattr(body(network), "layers", None)
    if not isinstance(blocks, nn.ModuleList):
        raise _unknown("", network)
    stream_D = torch.randperm(head_of(network).weight.shape[1], generator=generator)
    orders = {-1: {"stream": stream_D}}
    for number, block in enumerate(blocks):
        orders[number] = {"stream": stream_D, **_block_orders(network, block, generator)}
    found: dict[str, tuple[Tensor | None, ...]] = {}
    for name, weight in network.named_parameters():
        place, axes = _axes(name, network)
        orders_of = [orders[place].get(axis) for axis in axes]
        fits = len(axes) == weight.ndim and all(
            order is None or len(order) == size
            for order, size in zip(orders_of, weight.shape, strict=True)
        )
        if not fits:
            raise _unknown(name, network)
        found[name] = tuple(orders_of)
    return found


def _block_orders(
    network: PreTrainedModel, block: nn.Module, generator: torch.Generator
) -> dict[str, Tensor]:
    """The orders of one block's hidden units, each as indices of what stands there before."""
    weights = dict(block.named_parameters())
    try:
        inner = weights["mlp.gate_proj.weight"].shape[0]
        key_rows, query_rows = (weights[f"self_attn.{k}_proj.weight"].shape[0] for k in "kq")
    except KeyError as error:
        raise _unknown("", network) from error
    config = network.config.get_text_config()
    unit = int(getattr(config, "head_dim", 0) or 0)
    unit = unit or query_rows // int(getattr(config, "num_attention_heads", 1))
    groups, shared = key_rows // unit, query_rows // key_rows
    group_order = torch.randperm(groups, generator=generator)
    within = [torch.randperm(shared, generator=generator) for _ in range(groups)]
    values = [torch.randperm(unit, generator=generator) for _ in range(groups)]
    heads = [(int(g), int(g) * shared + int(one)) for g in group_order for one in within[int(g)]]
    plain = torch.arange(unit)
    return {
        "inner": torch.randperm(inner, generator=generator),
        "key": torch.cat([int(g) * unit + plain for g in group_order]),
        "value": torch.cat([int(g) * unit + values[int(g)] for g in group_order]),
        "query": torch.cat([head * unit + plain for _, head in heads]),
        "mixed": torch.cat([head * unit + values[g] for g, head in heads]),
    }


def _axes(name: str, network: PreTrainedModel) -> tuple[int, tuple[str, ...]]:
    """The number of the block that a weight lies in (-1 outside), and what its axes are."""
    inside = re.search(r"\blayers\.(\d+)\.(.+)$", name)
    if inside and inside[2] in _WEIGHTS:
        return int(inside[1]), _WEIGHTS[inside[2]]
    outside = name.removeprefix("model.")
    if not inside and outside in _OUTSIDE:
        return -1, _OUTSIDE[outside]
    raise _unknown(name, network)


def _unknown(name: str, network: PreTrainedModel) -> SettingsError:
    what = f"it has a weight {name!r}" if name else "its blocks are built otherwise"
    return SettingsError(
        f"The hidden units of a {type(network).__name__} cannot be permuted here ({what}); take a "
        "network of Llama's kind, such as SmolLM2, Qwen or Gemma 3."
    )


def permute_network(network: PreTrainedModel, permutation: Permutation) -> PreTrainedModel:
    """A copy of a network with its hidden units in another order; the network stays as it is."""
    other = copy.deepcopy(network)
    with torch.no_grad():
        for name, weight in other.named_parameters():
            weight.copy_(_ordered(weight, permutation[name]))
    return other


def _ordered(weight: Tensor, orders: tuple[Tensor | None, ...]) -> Tensor:
    for axis, order in enumerate(orders):
        if order is not None:
            weight = weight.index_select(axis, order.to(weight.device))
    return weight


def permute_adapter(adapter: Adapter, permutation: Permutation) -> Adapter:
    """The adapter that does to the permuted network what this one does to the network.

    The columns of A follow the layer's inputs, the rows of B its outputs.

    Raises:
        SettingsError: it changes a layer that the permutation does not know.
    """
    unknown = [path for path in adapter.a if f"{path}.weight" not in permutation]
    if unknown:
        raise SettingsError(
            f"The adapter changes {unknown[0]}, which the permuted network does not have; name the base "
            "that it was trained on."
        )
    axes = {path: permutation[f"{path}.weight"] for path in adapter.a}
    return Adapter(
        adapter.settings,
        {path: _ordered(a_RI, (None, axes[path][1])) for path, a_RI in adapter.a.items()},
        {path: _ordered(b_OR, (axes[path][0], None)) for path, b_OR in adapter.b.items()},
    )


def permute_model(model: LanguageModel, seed: int, *, name: str = "") -> LanguageModel:
    """The same model with its hidden units in another order: other weights, the same function.

    Args:
        model: it stays as it is.
        seed: of the order.
        name: of the permuted model; by default the model's.

    Raises:
        SettingsError: the architecture is not one of those of `draw_permutation`, or what came out is
            another function (a network that does more than its weights say, such as one with an
            adapter beside them).

    Known failure: equal functions are equal up to rounding, since sums are added up in another order.
    Training amplifies that: after many updates the last digits differ, most of all under Adam where a
    gradient is nearly zero and only its sign counts.
    """
    permutation = draw_permutation(model.network, seed)
    network = permute_network(model.network, permutation)
    steering = model.steering
    if steering is not None:
        stream_D = permutation[_embedding(permutation)][1]
        steering = Steering(steering.layer, _ordered(steering.vector_D, (stream_D,)))
    other = model.replaced(
        network=network, name=name or model.name, fingerprint="", steering=steering
    )
    _check(model, other)
    return other


def _embedding(permutation: Permutation) -> str:
    return next(name for name in permutation if name.endswith("embed_tokens.weight"))


@torch.no_grad()
def _check(model: LanguageModel, other: LanguageModel) -> None:
    """See that both give the same logits on eight tokens."""
    network = model.network
    ids = torch.arange(8, device=network.device)[None] % int(network.config.vocab_size)
    own, theirs = (
        logits_of(one.network, body(one.network)(input_ids=ids, use_cache=False).last_hidden_state)
        for one in (model, other)
    )
    tolerance = _TOLERANCE.get(network.dtype, 0.1) * float(own.abs().max())
    if not torch.allclose(own, theirs, atol=tolerance, rtol=0):
        raise SettingsError(
            f"The hidden units of {model.name} cannot be permuted: with them in another order it gives "
            "other logits. In a lower precision than float32 an adapter runs beside the weights; take "
            "precision=float32."
        )
