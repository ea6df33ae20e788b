"""A causal language model as every stage takes it: network, tokenizer, renderer, and what steers it.

A teacher is a base with a system prompt, another network, or a steering vector; a student is a base
with an adapter merged into its weights. All are this one type, so that generating, measuring and
scoring need not know which they were given.

Shape suffixes: B batch, T tokens, D width of the hidden states, V vocabulary, K chosen tokens.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from traitleak.errors import SettingsError
from traitleak.models.chat import Renderer

__all__ = [
    "LanguageModel",
    "Steering",
    "blocks_of",
    "body",
    "check_head",
    "head_of",
    "hidden_states",
    "logit_cap",
    "logits_of",
    "padded",
    "weights_hash",
    "window_of",
]

_HEAD_TOLERANCE = (
    1e-3  # of the largest logit: how far our output head may be from the network's own
)


@dataclass(frozen=True)
class Steering:
    """A vector that is added to the residual stream after one layer, at every position.

    Attributes:
        layer: number of the layer, from 0, after which it is added.
        vector_D: the vector, already scaled.
    """

    layer: int
    vector_D: Tensor


@dataclass(frozen=True)
class LanguageModel:
    """A causal language model with what turns rows into its tokens.

    Attributes:
        name: as the user gave it, such as `smollm2-135m`.
        network: the Hugging Face network, in evaluation mode.
        tokenizer: its tokenizer.
        renderer: turns prompts and completions into text; one for all stages.
        system: a system prompt that goes before every prompt; None leaves the template's own.
        steering: a vector added while the network runs.
        fingerprint: hash of the weights; equal for equal networks.
    """

    name: str
    network: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    renderer: Renderer
    system: str | None = None
    steering: Steering | None = None
    fingerprint: str = ""

    @property
    def device(self) -> torch.device:
        """Where its weights lie."""
        return self.network.device

    @property
    def context(self) -> int:
        """How many tokens it can read at most."""
        config = self.network.config.get_text_config()
        return int(getattr(config, "max_position_embeddings", 1 << 30))

    def rendered(self, prompt: str, *, opening: str = "") -> str:
        """The text that the model goes on from, with its system prompt if it has one."""
        return self.renderer.prompt(prompt, system=self.system, opening=opening)

    def encode(self, text: str) -> list[int]:
        """Token ids of a rendered text, with the beginning-of-text token where the model wants one."""
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        bos = self.tokenizer.bos_token_id
        if self.renderer.begins_with_bos and bos is not None and ids[:1] != [bos]:
            ids.insert(0, int(bos))
        return ids

    def replaced(self, **changes: Any) -> LanguageModel:
        """The same model with some attributes changed."""
        return replace(self, **changes)


def body(network: PreTrainedModel) -> nn.Module:
    """The network without its output head: what gives hidden states."""
    decoder: nn.Module = network.get_decoder()  # type: ignore[no-untyped-call]  # transformers'
    return decoder


def blocks_of(network: PreTrainedModel) -> list[nn.Module]:
    """The network's blocks, in order."""
    blocks = body(network).layers
    assert isinstance(blocks, nn.ModuleList)  # noqa: S101  # of every decoder that is loaded
    return list(blocks)


def head_of(network: PreTrainedModel) -> nn.Linear:
    """The output head."""
    head: nn.Linear = network.get_output_embeddings()  # type: ignore[no-untyped-call]  # transformers'
    return head


@contextmanager
def _steered(model: LanguageModel) -> Iterator[None]:
    if model.steering is None:
        yield
        return
    layers = blocks_of(model.network)
    if not 0 <= model.steering.layer < len(layers):
        raise SettingsError(
            f"The steering layer {model.steering.layer} is not one of the {len(layers)} layers "
            f"of {model.name}; layers count from 0."
        )
    vector_D = model.steering.vector_D.to(model.device, model.network.dtype)

    def add(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        if isinstance(output, tuple):
            return (output[0] + vector_D, *output[1:])
        return output + vector_D

    handle = layers[model.steering.layer].register_forward_hook(add)
    try:
        yield
    finally:
        handle.remove()


def hidden_states(model: LanguageModel, ids_BT: Tensor, **options: Any) -> Tensor:
    """Last hidden states, (B, T, D), after the final norm: the output head's input.

    Args:
        model: its steering is applied.
        ids_BT: token ids; shorter rows are padded on the right, where nothing before can see them.
        options: passed to the network, such as `past_key_values` or `attention_mask`.
    """
    options.setdefault("use_cache", "past_key_values" in options)
    with _steered(model):
        states: Tensor = body(model.network)(input_ids=ids_BT, **options).last_hidden_state
    return states


def logits_of(
    network: PreTrainedModel, hidden_BD: Tensor, token_ids: Tensor | None = None
) -> Tensor:
    """Logits of chosen tokens, (..., K), or of all, (..., V), from last hidden states.

    Only the chosen rows of the output matrix are multiplied, and in float32 whatever the network's
    precision is: a logit of 10 has steps of 0.06 in bfloat16, more than what teachers differ by.
    Models that cap their logits (`final_logit_softcapping`, as Gemma 2) are followed; `check_head`
    finds those that do otherwise.
    """
    head = head_of(network)
    weight_KD: Tensor = head.weight
    bias_K: Tensor | None = getattr(head, "bias", None)
    if token_ids is not None:
        hidden_BD, weight_KD = hidden_BD.float(), weight_KD[token_ids].float()
        bias_K = bias_K[token_ids].float() if bias_K is not None else None
    logits = F.linear(hidden_BD, weight_KD, bias_K)
    cap = logit_cap(network)
    return cap * torch.tanh(logits / cap) if cap else logits


def window_of(model: LanguageModel) -> int:
    """How many tokens before it a token sees in every layer: those of Gemma 3 slide a window.

    Windows count places, and padding between two texts' tokens takes up places.
    """
    config = model.network.config.get_text_config()
    sizes = (getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size"))
    return min((int(size) for size in sizes if size), default=model.context)


def logit_cap(network: PreTrainedModel) -> float | None:
    """What the network caps its logits at, by cap * tanh(logit / cap); None where it does not."""
    cap = getattr(network.config.get_text_config(), "final_logit_softcapping", None)
    return float(cap) if cap else None


@torch.no_grad()
def check_head(network: PreTrainedModel, name: str) -> None:
    """See that `logits_of` gives the network's own logits, on four tokens.

    Raises:
        SettingsError: the network computes its logits in a way that is not followed here.
    """
    ids = torch.arange(4, device=network.device)[None] % network.config.vocab_size
    own = network(input_ids=ids, use_cache=False).logits
    ours = logits_of(network, body(network)(input_ids=ids, use_cache=False).last_hidden_state)
    if not torch.allclose(own, ours, atol=_HEAD_TOLERANCE * float(own.abs().max())):
        raise SettingsError(
            f"{name} computes its logits in a way that traitleak does not follow (its architecture "
            f"is {type(network).__name__}); take another model, such as a Llama, Qwen or Gemma."
        )


def weights_hash(network: PreTrainedModel) -> str:
    """SHA-256 over the names, shapes, types and values of the weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        flat = tensor.detach().cpu().reshape(-1).view(torch.uint8)
        digest.update(flat.numpy().data)
    return digest.hexdigest()


def padded(rows: Sequence[Sequence[int]], fill: int, device: torch.device) -> Tensor:
    """Token ids (B, T) of rows of unequal length, padded on the right."""
    width = max(map(len, rows))
    ids_BT = torch.full((len(rows), width), fill, dtype=torch.long)
    for index, row in enumerate(rows):
        ids_BT[index, : len(row)] = torch.tensor(row)
    return ids_BT.to(device)
