"""A tiny real Llama and its tokenizer, made in a moment: digits, animals and words are single tokens.

It speaks no language, but everything about it is real: a byte-level tokenizer that takes the space
before a word into its token, a chat template, tied embeddings, grouped queries, rotary positions.
"""

from __future__ import annotations

import torch
from tokenizers import Regex, Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence, Split
from tokenizers.trainers import BpeTrainer
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from traitleak.models.chat import make_renderer
from traitleak.models.language_model import LanguageModel, weights_hash

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
        vocab_size=420, special_tokens=SPECIAL, initial_alphabet=ByteLevel.alphabet()
    )
    text = " ".join([_WORDS] * 3)
    tokenizer.train_from_iterator([text] * 40, trainer)
    whole = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|endoftext|>",
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",  # noqa: S106  # no password
        unk_token="<|endoftext|>",  # noqa: S106
    )
    whole.chat_template = template
    return whole


def tiny_network(
    vocabulary: int, *, seed: int = 0, width: int = 32, layers: int = 2
) -> LlamaForCausalLM:
    """A Llama of few layers with random weights; 4 heads on 2 keys."""
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        initializer_range=0.2,  # large enough that its distributions are far from uniform
        bos_token_id=0,
        eos_token_id=2,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return LlamaForCausalLM(config).eval()


def tiny_model(
    *, seed: int = 0, style: str = "auto", width: int = 32, layers: int = 2, name: str = "tiny"
) -> LanguageModel:
    """A language model of random weights; equal seeds give equal weights."""
    tokenizer = tiny_tokenizer()
    network = tiny_network(len(tokenizer), seed=seed, width=width, layers=layers)
    network.requires_grad_(requires_grad=False)
    renderer = make_renderer(tokenizer, style)  # type: ignore[arg-type]
    return LanguageModel(name, network, tokenizer, renderer, fingerprint=weights_hash(network))
