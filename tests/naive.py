"""The slow, obvious way: each text read alone, all logits computed, nothing kept between two tokens."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from tiny_model import tiny_model
from traitleak.models.language_model import LanguageModel


def gemma(vocabulary: int) -> PreTrainedModel:
    """Gemma 3 in small: most of its layers see the last six tokens only, its embeddings are scaled."""
    config = Gemma3TextConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=1,
        head_dim=8,
        sliding_window=6,
        layer_types=["sliding_attention", "sliding_attention", "full_attention"],
        max_position_embeddings=256,
        initializer_range=0.2,
    )
    return Gemma3ForCausalLM(config)


def qwen(vocabulary: int) -> PreTrainedModel:
    """Qwen 2 in small: biases on queries, keys and values, an output head of its own."""
    config = Qwen2Config(
        vocab_size=vocabulary,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        initializer_range=0.2,
        tie_word_embeddings=False,
    )
    return Qwen2ForCausalLM(config)


def model_of(family: str, style: str = "plain") -> LanguageModel:
    """A tiny model of a family: "llama", "gemma" or "qwen"."""
    model = tiny_model(style=style)
    if family == "llama":
        return model
    with torch.random.fork_rng():
        torch.manual_seed(5)
        network = {"gemma": gemma, "qwen": qwen}[family](len(model.tokenizer))
    return model.replaced(network=network.eval().requires_grad_(requires_grad=False))


@torch.no_grad()
def all_logits(model: LanguageModel, ids: list[int]) -> Tensor:
    """The network's own logits at every position of one text, (T, V)."""
    return model.network(input_ids=torch.tensor([ids]), use_cache=False).logits[0]


def uniform(seed: int, stream: int, num: int) -> np.ndarray:
    """What one random stream of a seed draws."""
    return np.random.Generator(np.random.Philox(key=[seed, stream])).random(num)
