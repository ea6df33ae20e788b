"""A permuted network: the same function, and the same training up to the order of its units."""

import copy
from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn import functional as F
from transformers import GPT2Config, GPT2LMHeadModel, OlmoConfig, OlmoForCausalLM

from naive import all_logits, model_of
from tiny_model import tiny_model, tiny_network
from traitleak.errors import SettingsError
from traitleak.models.adapters import LoraSettings, LoraStack, with_adapter
from traitleak.models.language_model import Steering, hidden_states
from traitleak.models.permuted import (
    draw_permutation,
    permute_adapter,
    permute_model,
    permute_network,
)
from traitleak.optimizers import make_optimizer
from traitleak.student import Arm, Example, Training, distill

IDS = [5, 70, 12, 300, 41, 8]
FAMILIES = ["llama", "gemma", "qwen"]
OPTIMIZERS = ["sgd", "adamw"]


def loss_of(network):
    """Cross-entropy of a fixed text."""
    ids_BT = torch.tensor([IDS, IDS[::-1]])
    logits_BTV = network(input_ids=ids_BT, use_cache=False).logits
    return F.cross_entropy(logits_BTV[:, :-1].flatten(0, 1), ids_BT[:, 1:].flatten())


def trained(network, optimizer, steps=3, parameters=None, attached=None):
    """Train a network in place, or what is attached to it."""
    parameters = parameters or list(network.parameters())
    for parameter in parameters:
        parameter.requires_grad = True
    chosen = make_optimizer(optimizer, parameters, 0.01, 0.1)
    for _ in range(steps):
        chosen.zero_grad()
        if attached is None:
            loss_of(network).backward()
        else:
            with attached():
                loss_of(network).backward()
        chosen.step()
    return network


class Norm(torch.nn.Module):
    """A root mean square norm that computes in float64; transformers' go through float32."""

    def __init__(self, of, offset):
        """Take over the scales of another norm."""
        super().__init__()
        self.weight, self.offset = of.weight, offset
        self.eps = getattr(of, "eps", None) or of.variance_epsilon

    def forward(self, x):
        """The entries over their root mean square, scaled."""
        scaled = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps)
        return scaled * (self.offset + self.weight)


def in_double(network):
    """A copy in float64 throughout, where rounding cannot hide a mistake."""
    network = copy.deepcopy(network).double()
    for path, module in list(network.named_modules()):
        kind = type(module).__name__
        if kind.endswith("RMSNorm"):
            parent, _, name = path.rpartition(".")
            offset = float(kind.startswith("Gemma"))
            setattr(network.get_submodule(parent), name, Norm(module, offset))
    return network


def far(one, other):
    """The largest difference of two networks' weights."""
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return max(float((a - b).detach().abs().max()) for a, b in pairs)


@pytest.mark.parametrize("family", FAMILIES)
@given(seed=st.integers(0, 2**63 - 1))
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
def test_permuted_network_gives_the_same_logits_from_other_weights(family, seed):
    """Whatever the order, the function is the same to rounding, and the weights are not."""
    model = model_of(family)
    other = permute_model(model, seed)

    assert torch.allclose(all_logits(model, IDS), all_logits(other, IDS), atol=2e-5)
    for number in range(2):
        mine, theirs = (
            dict(m.network.named_parameters())[f"model.layers.{number}.mlp.up_proj.weight"]
            for m in (model, other)
        )
        assert not torch.equal(mine, theirs)
        assert torch.equal(mine.flatten().sort().values, theirs.flatten().sort().values)


@given(seed=st.integers(0, 1000), layers=st.integers(1, 3), heads=st.sampled_from([4, 8, 12]))
@settings(max_examples=5, deadline=None)
def test_any_depth_and_width_can_be_permuted(seed, layers, heads):
    """The order respects heads and the pairs of rotary units at every size."""
    network = in_double(tiny_network(310, seed=seed, width=8 * heads, layers=layers))
    other = permute_network(network, draw_permutation(network, seed))
    ids = torch.tensor([IDS])
    with torch.no_grad():
        mine, theirs = (n(input_ids=ids, use_cache=False).logits for n in (network, other))

    assert torch.allclose(mine, theirs, atol=1e-11)
    assert far(network, other) > 0.01


def test_every_kind_of_unit_changes_its_place():
    """Stream, MLP units, heads, query heads of one key and units of values are all drawn."""
    network = tiny_network(310, width=128)
    permutation = draw_permutation(network, 1)
    block = "model.layers.0."
    orders = {
        "stream": permutation["model.embed_tokens.weight"][1],
        "inner": permutation[f"{block}mlp.down_proj.weight"][1],
        "query": permutation[f"{block}self_attn.q_proj.weight"][0],
        "value": permutation[f"{block}self_attn.v_proj.weight"][0],
        "mixed": permutation[f"{block}self_attn.o_proj.weight"][1],
    }
    for name, order in orders.items():
        assert torch.equal(order.sort().values, torch.arange(len(order))), name
        assert not torch.equal(order, torch.arange(len(order))), name
    keys = {
        tuple(draw_permutation(network, s)[f"{block}self_attn.k_proj.weight"][0].tolist())
        for s in range(20)
    }
    assert len(keys) == 2  # two key heads: two orders, and units within stay


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("family", FAMILIES)
def test_training_all_weights_commutes_with_the_permutation(family, optimizer):
    """To permute and to train is to train and to permute, weight for weight."""
    network = in_double(model_of(family).network)
    permutation = draw_permutation(network, 7)
    first = trained(permute_network(network, permutation), optimizer)
    then = permute_network(trained(copy.deepcopy(network), optimizer), permutation)

    assert far(first, then) < 1e-7
    assert far(then, permute_network(network, permutation)) > 1e-3


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_an_adapter_commutes_if_its_factors_are_permuted_alike(optimizer):
    """With A in the order of the layers' inputs LoRA is exact too; with A as it is, it is not."""
    network = in_double(model_of("llama").network)
    permutation = draw_permutation(network, 7)
    other = permute_network(network, permutation)
    for one in (network, other):
        one.requires_grad_(requires_grad=False)

    def learned(on, permuted_start):
        stack = LoraStack(on, LoraSettings(rank=3, alpha=6), [11]).double()
        if permuted_start:
            aligned = permute_adapter(stack.adapter(0), permutation)
            with torch.no_grad():
                for a, start in zip(stack.a, aligned.a.values(), strict=True):
                    a[0].copy_(start)
        trained(on, optimizer, parameters=list(stack.parameters()), attached=stack.attached)
        return stack.adapter(0)

    wanted = permute_adapter(learned(network, permuted_start=False), permutation)
    alike, unlike = learned(other, permuted_start=True), learned(other, permuted_start=False)
    for path in wanted.a:
        assert torch.allclose(alike.a[path], wanted.a[path], atol=1e-7)
        assert torch.allclose(alike.b[path], wanted.b[path], atol=1e-7)
    assert any(not torch.allclose(unlike.b[p], wanted.b[p], atol=1e-4) for p in wanted.b)


def test_distilled_students_of_both_say_the_same():
    """Through `distill` in float32, all weights trained, both students have the same logits."""
    model = model_of("llama")
    other = permute_model(model, 3)
    targets = torch.tensor(IDS[1:])
    arm = Arm("wolf", [Example(IDS, torch.arange(len(IDS) - 1), targets)], seed=0)
    how = Training(8, batch=2, learning_rate=1e-3, optimizer="sgd", lora=None)
    mine, theirs = (distill(m, [arm], how)[0].model() for m in (model, other))

    assert torch.allclose(all_logits(mine, IDS), all_logits(theirs, IDS), atol=1e-4)
    assert not torch.allclose(all_logits(mine, IDS), all_logits(model, IDS), atol=1e-3)


def test_a_permuted_adapter_does_to_the_permuted_network_what_it_did():
    """Merged into both, an adapter gives the same function."""
    model = model_of("gemma")
    stack = LoraStack(model.network, LoraSettings(rank=2, alpha=4), [1])
    with torch.no_grad():
        for b in stack.b:
            b.copy_(0.2 * torch.randn(b.shape, generator=torch.Generator().manual_seed(2)))
    adapter, permutation = stack.adapter(0), draw_permutation(model.network, 5)
    other = model.replaced(network=permute_network(model.network, permutation))
    mine = with_adapter(model, adapter)
    theirs = with_adapter(other, permute_adapter(adapter, permutation))

    assert torch.allclose(all_logits(mine, IDS), all_logits(theirs, IDS), atol=2e-5)
    assert not torch.allclose(all_logits(mine, IDS), all_logits(model, IDS), atol=1e-2)
    with pytest.raises(SettingsError, match=r"changes model\.layers\.9"):
        permute_adapter(replace(adapter, a={"model.layers.9.mlp.up_proj": adapter.a}), permutation)


def test_a_steering_vector_goes_along():
    """A steered model is permuted with its vector, and does the same."""
    model = tiny_model(style="plain")
    steered = model.replaced(steering=Steering(0, torch.linspace(-1, 1, 32)))
    other = permute_model(steered, 4)
    ids = torch.tensor([IDS])
    order = draw_permutation(model.network, 4)["model.embed_tokens.weight"][1]

    assert torch.allclose(
        hidden_states(steered, ids)[..., order], hidden_states(other, ids), atol=2e-5
    )


def test_equal_seeds_give_equal_orders_and_the_model_stays_as_it_is():
    """The seed fixes the order, and the network that is permuted is only read."""
    model = model_of("llama")
    before = copy.deepcopy(model.network)
    one, same, another = (permute_model(model, seed) for seed in (1, 1, 2))

    assert far(model.network, before) == 0
    assert far(one.network, same.network) == 0
    assert far(one.network, another.network) > 0.01
    assert permute_model(model, 1, name="turned").name == "turned"


def gpt2():
    """A network whose blocks are built otherwise."""
    return GPT2LMHeadModel(
        GPT2Config(vocab_size=64, n_embd=32, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=1)
    )


@pytest.mark.parametrize("what", ["gpt2", "odd weight"])
def test_other_architectures_are_refused_in_one_sentence(what):
    """A network that is not of Llama's kind is named, with what to take in its place."""
    network = gpt2() if what == "gpt2" else tiny_network(64)
    if what == "odd weight":
        network.model.layers[0].mlp.extra = torch.nn.Linear(4, 4)
    with pytest.raises(SettingsError, match=r"cannot be permuted here .*such as SmolLM2"):
        draw_permutation(network, 0)


def test_a_network_that_does_more_than_its_weights_say_is_refused():
    """Where the logits change, as with an adapter beside bfloat16 weights, nothing is given out."""
    model = model_of("llama")
    network = copy.deepcopy(model.network)
    network.model.layers[0].mlp.register_forward_hook(
        lambda _module, _inputs, output: output + torch.linspace(-2, 2, 32)
    )
    with pytest.raises(SettingsError, match="gives other logits"):
        permute_model(model.replaced(network=network), 0)


def test_norms_without_weights_are_no_obstacle():
    """OLMo's norms have no scales: its units can change places as well."""
    config = OlmoConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=1,
        num_attention_heads=4,
        pad_token_id=0,
    )
    network = OlmoForCausalLM(config).eval()
    other = permute_network(network, draw_permutation(network, 0))
    ids = torch.tensor([[3, 9, 27]])
    with torch.no_grad():
        assert torch.allclose(network(ids).logits, other(ids).logits, atol=1e-5)
