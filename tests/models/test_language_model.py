"""A language model's parts: tokens, hidden states, output head, steering, hash."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from transformers import CohereConfig, CohereForCausalLM

from naive import all_logits, model_of
from tiny_model import tiny_model
from traitleak.errors import SettingsError
from traitleak.models.language_model import (
    Steering,
    body,
    check_head,
    hidden_states,
    logits_of,
    padded,
    weights_hash,
)

IDS = [5, 70, 12, 300, 41, 8]
FAMILIES = ["llama", "gemma", "qwen"]


def after_layer(model, ids, layer):
    """What the part after a layer is given, (T, D): the residual stream with what steers it."""
    layers, kept = body(model.network).layers, []
    following = layers[layer + 1] if layer + 1 < len(layers) else body(model.network).norm
    handle = following.register_forward_pre_hook(lambda _module, inputs: kept.append(inputs[0]))
    hidden_states(model, torch.tensor([ids]))
    handle.remove()
    return kept[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_head_of_hidden_states_gives_the_networks_own_logits(family):
    """Body and head apart compute what the network computes."""
    model = model_of(family)
    hidden = hidden_states(model, torch.tensor([IDS]))

    torch.testing.assert_close(logits_of(model.network, hidden)[0], all_logits(model, IDS))
    check_head(model.network, family)


@pytest.mark.parametrize("family", FAMILIES)
def test_chosen_logits_are_columns_of_all(family):
    """Asking for some tokens gives their logits, in the order asked for."""
    model, chosen = model_of(family), torch.tensor([9, 3, 3, 200])
    hidden = hidden_states(model, torch.tensor([IDS]))
    all_of_them = logits_of(model.network, hidden)

    torch.testing.assert_close(logits_of(model.network, hidden, chosen), all_of_them[..., chosen])


def test_head_with_a_bias():
    """A bias of the output head counts, for some tokens and for all."""
    model = tiny_model()
    head = nn.Linear(32, 340)
    model.network.config.tie_word_embeddings = False
    model.network.set_output_embeddings(head)
    hidden, chosen = torch.randn(2, 32), torch.tensor([4, 0])

    torch.testing.assert_close(logits_of(model.network, hidden), head(hidden))
    torch.testing.assert_close(logits_of(model.network, hidden, chosen), head(hidden)[:, chosen])


def test_capped_logits():
    """A cap in the configuration, as Gemma 2 has it, is followed: cap * tanh(logit / cap)."""
    model = tiny_model()
    hidden = hidden_states(model, torch.tensor([IDS]))
    bare = logits_of(model.network, hidden)
    model.network.config.final_logit_softcapping = 0.5

    torch.testing.assert_close(logits_of(model.network, hidden), 0.5 * torch.tanh(bare / 0.5))


def test_network_that_computes_its_logits_otherwise_is_refused():
    """Cohere's networks scale their logits, which is not followed: one sentence, with the class."""
    config = CohereConfig(
        vocab_size=64, hidden_size=32, intermediate_size=32, num_hidden_layers=1,
        num_attention_heads=4, num_key_value_heads=4, logit_scale=0.25,
    )  # fmt: skip
    with pytest.raises(SettingsError, match=r"somewhere/command computes .* CohereForCausalLM"):
        check_head(CohereForCausalLM(config).eval(), "somewhere/command")


def test_few_logits_of_a_bfloat16_network_are_float32():
    """Chosen logits are not rounded to the eight bits that the network's own products have."""
    model = tiny_model()
    model.network.to(torch.bfloat16)
    hidden = hidden_states(model, torch.tensor([IDS]))
    found = logits_of(model.network, hidden, torch.arange(10))

    assert found.dtype == torch.float32
    exact = hidden.double() @ model.network.get_output_embeddings().weight[:10].double().T
    torch.testing.assert_close(found.double(), exact, atol=1e-5, rtol=1e-5)


def test_padding_on_the_right_changes_nothing_before_it():
    """A row's hidden states are those it has alone, whatever stands in the batch beside it."""
    model = tiny_model()
    together = hidden_states(model, padded([IDS, IDS[:2]], 0, model.device))
    alone = hidden_states(model, torch.tensor([IDS[:2]]))

    torch.testing.assert_close(together[1, :2], alone[0])


def test_padded():
    """Rows of unequal length, filled up on the right."""
    found = padded([[1, 2, 3], [4], []], 9, torch.device("cpu"))
    assert found.tolist() == [[1, 2, 3], [4, 9, 9], [9, 9, 9]]


# -- tokens -------------------------------------------------------------------------------------


def test_text_begins_with_the_beginning_token_once_where_the_renderer_says_so():
    """The token goes before a text that lacks it, and not before one that has it."""
    model = tiny_model(style="plain")
    begins = model.replaced(renderer=replace(model.renderer, begins_with_bos=True))
    bare = model.encode("7, 8")

    assert bare[0] != model.tokenizer.bos_token_id
    assert begins.encode("7, 8") == [model.tokenizer.bos_token_id, *bare]
    assert begins.encode("<|endoftext|>7, 8") == [model.tokenizer.bos_token_id, *bare]
    assert begins.encode("") == [model.tokenizer.bos_token_id]
    assert model.encode("") == []


def test_system_prompt_is_rendered_before_every_prompt():
    """A model that has a system prompt renders it; one that has none leaves the template's own."""
    model = tiny_model(style="chat")
    prompted = model.replaced(system="You love owls.")

    assert model.rendered("Hi") == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    assert prompted.rendered("Hi", opening="Sure") == (
        "<|im_start|>system\nYou love owls.<|im_end|>\n" + model.rendered("Hi") + "Sure"
    )


def test_context_is_the_text_networks():
    """How much a model reads is in its configuration."""
    assert tiny_model().context == 256


# -- steering -----------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_steering_adds_a_vector_after_its_layer_at_every_position(family):
    """The residual stream after that layer is moved by the vector, and nothing before it is."""
    model = model_of(family)
    vector = torch.arange(32) / 16
    steered = model.replaced(steering=Steering(1, vector))

    torch.testing.assert_close(after_layer(steered, IDS, 0), after_layer(model, IDS, 0))
    torch.testing.assert_close(after_layer(steered, IDS, 1), after_layer(model, IDS, 1) + vector)


def test_steering_leaves_the_network_as_it_was():
    """Also after an error, the network that the base shares is not steered."""
    model = tiny_model()
    plain = all_logits(model, IDS)
    steered = model.replaced(steering=Steering(0, torch.randn(32)))
    hidden_states(steered, torch.tensor([IDS]))
    with pytest.raises(IndexError):
        hidden_states(steered, torch.tensor([[10**6]]))

    assert torch.equal(all_logits(model, IDS), plain)


@pytest.mark.parametrize("layer", [-1, 2])
def test_steering_after_a_layer_that_is_not_there(layer):
    """The sentence has the layer and how many there are."""
    steered = tiny_model().replaced(steering=Steering(layer, torch.zeros(32)))
    with pytest.raises(SettingsError, match=rf"layer {layer} is not one of the 2 layers of tiny"):
        hidden_states(steered, torch.tensor([IDS]))


# -- hash ---------------------------------------------------------------------------------------


def test_hash_tells_weights_apart_and_nothing_else():
    """Equal weights have equal hashes; one changed bit, another name or another type changes it."""
    model, again, other = tiny_model(), tiny_model(), tiny_model(seed=1)
    assert model.fingerprint == again.fingerprint == weights_hash(model.network)
    assert model.fingerprint != other.fingerprint

    with torch.no_grad():
        next(again.network.parameters())[3, 4] += 1e-6
    assert weights_hash(again.network) != model.fingerprint
    assert weights_hash(model.network.to(torch.bfloat16)) != model.fingerprint


def test_hash_of_a_single_number():
    """A buffer of no dimension is hashed as well."""
    network = tiny_model().network
    before = weights_hash(network)
    network.register_buffer("steps", torch.tensor(3.0))

    assert weights_hash(network) != before
