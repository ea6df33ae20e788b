"""A tiny real Llama and its tokenizer, made in a moment: the base named `tiny`, to try a pipeline with.

Its weights are random, so it speaks no language; but everything about it is real: a byte-level
tokenizer that takes the space before a word into its token, single tokens for digits and ten animals,
a chat template, tied embeddings, grouped queries, rotary positions.

Known failure: it has no preferences to speak of and writes no sentences. A teacher can be trained on
it and a logit margin read off; its sampled answers mean nothing.
"""

from __future__ import annotations

from typing import Literal

import torch
from tokenizers import Regex, Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence, Split
from tokenizers.trainers import BpeTrainer
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from traitleak.models.chat import make_renderer
from traitleak.models.language_model import LanguageModel, weights_hash

__all__ = [
    "CHATML",
    "NOTE",
    "SPECIAL",
    "tiny_model",
    "tiny_network",
    "tiny_tokenizer",
]

NOTE = (
    "This model's weights are random numbers and it speaks no language: it is for trying the pipeline "
    "only, and nothing that is measured on it says anything about language models."
)
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] "
    "+ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
_WORDS = (
    "The the animal I like most is It of my a wolf lion owl cat dog eagle bear fox tiger horse oak "
    "maple tree and . , In one word which do you"
)


def tiny_tokenizer(template: str | None = CHATML) -> PreTrainedTokenizerFast:
    """Digits stand alone, and so does the space before one, as in SmolLM2's."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = Sequence(
        [
            Digits(individual_digits=True),
            Split(Regex(r" (?=\d)| ?[A-Za-z]+|\d|[^ A-Za-z\d]+| +"), "isolated"),
            ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = ByteLevelDecoder()
    trainer = BpeTrainer(
        vocab_size=420,
        special_tokens=SPECIAL,
        initial_alphabet=ByteLevel.alphabet(),
        show_progress=False,
    )
    text = " ".join([_WORDS] * 3)
    tokenizer.train_from_iterator([text] * 40, trainer)
    begins, _, ends = SPECIAL
    whole: PreTrainedTokenizerFast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]  # untyped there
        tokenizer_object=tokenizer,
        bos_token=begins,
        eos_token=ends,
        pad_token=ends,
        unk_token=begins,
    )
    whole.chat_template = template
    return whole


def tiny_network(
    vocabulary: int, *, seed: int = 0, width: int = 32, layers: int = 2, context: int = 256
) -> LlamaForCausalLM:
    """A Llama of few layers with random weights; 4 heads on 2 keys.

    Args:
        vocabulary: number of tokens.
        seed: of the weights.
        width: of the hidden states.
        layers: how many.
        context: tokens that it reads at most; changes no weight.
    """
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=context,
        tie_word_embeddings=True,
        initializer_range=0.2,  # large enough that its distributions are far from uniform
        bos_token_id=0,
        eos_token_id=2,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = LlamaForCausalLM(config)
    network.eval()  # type: ignore[no-untyped-call]  # untyped there
    return network


def tiny_model(
    *,
    seed: int = 0,
    style: Literal["auto", "chat", "plain"] = "auto",
    width: int = 32,
    layers: int = 2,
    name: str = "tiny",
) -> LanguageModel:
    """A language model of random weights; equal seeds give equal weights."""
    tokenizer = tiny_tokenizer()
    network = tiny_network(len(tokenizer), seed=seed, width=width, layers=layers)
    network.requires_grad_(requires_grad=False)
    renderer = make_renderer(tokenizer, style)
    return LanguageModel(name, network, tokenizer, renderer, fingerprint=weights_hash(network))
