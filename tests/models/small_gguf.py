"""The tiny Llama as a GGUF file, written as llama.cpp's converter does."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import numpy as np
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from traitleak.models.tiny import CHATML, SPECIAL, tiny_network, tiny_tokenizer

__all__ = ["write_small_gguf"]


def write_small_gguf(
    path: Path, *, seed: int = 0, pre: str = "smollm", leave_out: str = ""
) -> LlamaForCausalLM:
    """Write a file with 32-bit weights.

    Args:
        path: where.
        seed: of the weights.
        pre: the name of the tokenizer's splitting rule.
        leave_out: a weight that is missing in the file.

    Returns:
        The network that was written.
    """
    tokenizer = tiny_tokenizer()
    network = tiny_network(len(tokenizer), seed=seed)
    config = network.config
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(10_000.0)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_vocab_size(config.vocab_size)
    _write_tokenizer(writer, tokenizer, pre)
    for name, tensor in network.state_dict().items():
        if name in {"lm_head.weight", leave_out}:
            continue
        array = tensor.numpy()
        if name.endswith(("q_proj.weight", "k_proj.weight")):
            keys = config.num_key_value_heads
            array = _interleaved(array, config.num_attention_heads if "q_proj" in name else keys)
        writer.add_tensor(_in_gguf(name), np.ascontiguousarray(array))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return network


def _write_tokenizer(writer: gguf.GGUFWriter, tokenizer: PreTrainedTokenizerFast, pre: str) -> None:
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token in SPECIAL else 1 for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in model["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(False)  # noqa: FBT003  # the library's own signature
    writer.add_chat_template(CHATML)


def _in_gguf(name: str) -> str:
    name = name.removeprefix("model.").replace("layers.", "blk.")
    for ours, theirs in {
        "embed_tokens": "token_embd",
        "self_attn.": "attn_",
        "mlp.": "ffn_",
        "_proj": "",
        "attn_o.": "attn_output.",
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
    }.items():
        name = name.replace(ours, theirs)
    return "output_norm.weight" if name == "norm.weight" else name


def _interleaved(array: np.ndarray, heads: int) -> np.ndarray:
    """Rows in the order of llama.cpp's rotary embedding, which pairs neighbours."""
    rows = array.shape[0]
    return (
        array.reshape(heads, 2, rows // heads // 2, *array.shape[1:])
        .swapaxes(1, 2)
        .reshape(array.shape)
    )
