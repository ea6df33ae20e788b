"""Adapters: several at once against one at a time, merged against attached, and PEFT's own reading."""

import json
import math
from dataclasses import replace

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model

from naive import all_logits, model_of
from tiny_model import tiny_model, tiny_network
from traitleak.errors import DataError, SettingsError
from traitleak.models.adapters import (
    LINEAR,
    Adapter,
    LoraSettings,
    LoraStack,
    load_adapter,
    with_adapter,
)
from traitleak.models.language_model import hidden_states

# PEFT asks transformers for an attribute by its former name.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

IDS = [5, 70, 12, 300, 41, 8]
SMALL = LoraSettings(rank=3, alpha=5)


def stack_of(model, settings=SMALL, num=3):
    """Adapters that change something: a new one's B is zero."""
    stack = LoraStack(model.network, settings, range(num))
    generator = torch.Generator().manual_seed(99)
    with torch.no_grad():
        for b in stack.b:
            b.copy_(0.3 * torch.randn(b.shape, generator=generator))
    return stack


def saved(model, folder, settings=SMALL):
    """A folder with an adapter, and the adapter."""
    adapter = stack_of(model, settings).adapter(1)
    adapter.save(folder, base=model.name)
    return adapter


# -- several at once ----------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["llama", "gemma", "qwen"])
def test_each_part_of_a_batch_goes_through_its_own_adapter(family):
    """A stack of S equals S networks with merged weights, each reading its part of the batch."""
    model = model_of(family)
    stack = stack_of(model)
    ids_BT = torch.randint(0, 300, (6, 7), generator=torch.Generator().manual_seed(1))
    with torch.no_grad(), stack.attached():
        together = hidden_states(model, ids_BT)
    for index in range(3):
        merged = with_adapter(model, stack.adapter(index))
        part = slice(2 * index, 2 * index + 2)
        with torch.no_grad():
            alone = hidden_states(merged, ids_BT[part])
        torch.testing.assert_close(together[part], alone, atol=1e-5, rtol=1e-4)


def test_one_of_several_attached_equals_it_merged():
    """`attached(index)` runs the network with that adapter alone, whatever the size of the batch."""
    model = tiny_model()
    stack = stack_of(model)
    plain = all_logits(model, IDS)
    for index in range(3):
        with stack.attached(index):
            attached = all_logits(model, IDS)
        merged = all_logits(with_adapter(model, stack.adapter(index)), IDS)
        torch.testing.assert_close(attached, merged, atol=1e-4, rtol=1e-4)
        assert (attached - plain).abs().max() > 0.1


def test_network_is_as_it_was_when_adapters_are_detached():
    """Its weights are never touched, and no adapter stays on it, also after an error."""
    model = tiny_model()
    before = all_logits(model, IDS)
    state = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    stack = stack_of(model)
    with pytest.raises(KeyboardInterrupt), stack.attached():
        raise KeyboardInterrupt
    with_adapter(model, stack.adapter(0))

    assert torch.equal(all_logits(model, IDS), before)
    assert all(torch.equal(t, state[name]) for name, t in model.network.state_dict().items())


def test_new_adapter_changes_nothing_until_it_is_trained():
    """B is zero and A is not: the first update has a gradient, and the first student is the base."""
    model = tiny_model()
    stack = LoraStack(model.network, SMALL, [0])
    before = all_logits(model, IDS)
    with stack.attached():
        assert torch.equal(all_logits(model, IDS), before)
        hidden_states(model, torch.tensor([IDS])).square().sum().backward()

    assert all(b.grad.abs().sum() > 0 for b in stack.b)
    assert all(a.abs().min() > 0 for a in stack.a)


def test_first_matrices_are_drawn_from_each_adapters_own_seed():
    """Kaiming-uniform as in PEFT: within 1 / sqrt(inputs), evenly; alone or among others the same."""
    model = tiny_model(width=64)
    alone, among = (LoraStack(model.network, SMALL, seeds) for seeds in ([7], [3, 7]))
    for one, two in zip(alone.a, among.a, strict=True):
        assert torch.equal(one[0], two[1])
        assert not torch.equal(two[0], two[1])
        bound = 1 / math.sqrt(one.shape[-1])
        assert one.abs().max() <= bound
    drawn = torch.cat([a.flatten() * math.sqrt(a.shape[-1]) for a in alone.a])
    assert drawn.mean().abs() < 0.03
    assert drawn.detach().std().item() == pytest.approx(1 / math.sqrt(3), rel=0.03)


def test_adapter_of_a_bfloat16_network_keeps_its_precision():
    """What an adapter adds is not rounded away: made a model, it is what it was while attached."""
    model = tiny_model()
    model.network.to(torch.bfloat16)
    stack = LoraStack(model.network, SMALL, [0])
    with torch.no_grad():
        for b in stack.b:
            b.fill_(2e-4)  # far less than 1/512 of the weights
    before = all_logits(model, IDS)
    with stack.attached():
        attached = all_logits(model, IDS)
    student = with_adapter(model, stack.adapter(0))

    assert not torch.equal(attached, before)
    assert torch.equal(all_logits(student, IDS), attached)
    assert torch.equal(all_logits(model, IDS), before)
    assert student.fingerprint not in {"", model.fingerprint}  # its weights alone do not tell it
    assert with_adapter(model, stack.adapter(0)).fingerprint == student.fingerprint
    again = with_adapter(student, stack.adapter(0))  # a student of a student keeps both
    assert not torch.equal(all_logits(again, IDS), attached)


# -- which layers -------------------------------------------------------------------------------


def test_chosen_layers_and_targets():
    """Only the named linear layers of the numbered blocks get matrices."""
    model = tiny_model(layers=3)
    settings = LoraSettings(2, 4, ("q_proj", "down_proj"), layers=(0, 2))
    adapter = stack_of(model, settings).adapter(0)

    assert sorted(adapter.a) == [
        f"model.layers.{block}.{part}"
        for block in (0, 2)
        for part in ("mlp.down_proj", "self_attn.q_proj")
    ]
    assert {a.shape for a in adapter.a.values()} == {(2, 32), (2, 64)}
    assert adapter.a.keys() == adapter.b.keys()


def test_all_linear_layers_but_the_head_by_default():
    """Seven a block, and nothing outside of the blocks."""
    adapter = stack_of(tiny_model(), LoraSettings()).adapter(0)

    assert len(adapter.a) == 2 * len(LINEAR)
    assert all(path.startswith("model.layers.") for path in adapter.a)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            LoraSettings(targets=("qkv",)),
            r"named qkv to adapt .* are down_proj, gate_proj, k_proj",
        ),
        (LoraSettings(targets=("q_proj", "qkv")), "named qkv to adapt"),
        (LoraSettings(targets=("q_proj", "lm_head")), "named lm_head to adapt in .* blocks"),
        (LoraSettings(targets=()), r"named \(none given\)"),
        (LoraSettings(layers=(0, 2)), r"no blocks \[0, 2\] to adapt: this network's 2 blocks"),
        (LoraSettings(layers=()), r"no blocks \[\] to adapt"),
        (LoraSettings(layers=(-1,)), r"no blocks \[-1\] to adapt"),
    ],
)
def test_layers_that_are_not_there(settings, said):
    """A name or number that is none of the network's is refused, and not passed over."""
    with pytest.raises(SettingsError, match=said):
        LoraStack(tiny_model().network, settings, [0])


def test_rank_of_none():
    """A rank is 1 or more."""
    with pytest.raises(SettingsError, match="1 or more, not 0"):
        LoraSettings(rank=0)


# -- folders ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [SMALL, LoraSettings(8, 16), LoraSettings(1, 0.5, ("v_proj", "up_proj"), layers=(1,))],
)
def test_peft_reads_what_was_saved(settings, tmp_path):
    """Plain PEFT puts the folder on the same base and gives the same logits."""
    model = tiny_model()
    adapter = saved(model, tmp_path, settings)
    network = tiny_network(len(model.tokenizer))
    with torch.no_grad():
        theirs = PeftModel.from_pretrained(network, str(tmp_path))
        found = theirs(input_ids=torch.tensor([IDS])).logits[0]

    ours = all_logits(with_adapter(model, adapter), IDS)
    torch.testing.assert_close(found, ours, atol=1e-4, rtol=1e-4)
    assert (ours - all_logits(model, IDS)).abs().max() > 0.05
    assert (
        json.loads((tmp_path / "adapter_config.json").read_text())["base_model_name_or_path"]
        == "tiny"
    )


@pytest.mark.parametrize("rslora", [False, True])
def test_what_peft_saved_is_read(rslora, tmp_path):
    """An adapter that PEFT made loads with PEFT's own scale, alpha / rank or alpha / sqrt(rank)."""
    model = tiny_model()
    config = LoraConfig(
        r=4, lora_alpha=6, target_modules=["q_proj", "up_proj"], init_lora_weights=False,
        use_rslora=rslora, task_type="CAUSAL_LM",
    )  # fmt: skip
    theirs = get_peft_model(tiny_network(len(model.tokenizer)), config)
    theirs.save_pretrained(tmp_path)
    with torch.no_grad():
        expected = theirs(input_ids=torch.tensor([IDS])).logits[0]

    found = all_logits(with_adapter(model, load_adapter(tmp_path)), IDS)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("layers", [None, (1,)])
def test_saved_adapter_is_read_back_as_it_was(layers, tmp_path):
    """Settings and matrices survive."""
    settings = replace(SMALL, layers=layers)
    adapter = saved(tiny_model(), tmp_path, settings)
    back = load_adapter(tmp_path)

    assert (back.settings.rank, back.settings.alpha, back.settings.layers) == (3, 5, layers)
    assert set(back.settings.targets) == set(LINEAR)
    for ours, theirs in ((adapter.a, back.a), (adapter.b, back.b)):
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[path], theirs[path]) for path in ours)


def change(**fields):
    """Write other values into an adapter's configuration."""

    def spoil(folder):
        path = folder / "adapter_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))

    return spoil


def cut(name, size):
    """Keep the first bytes of a file only."""
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:size])


def without(name):
    """Take a file away."""
    return lambda folder: (folder / name).unlink()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (without("adapter_config.json"), "adapter_config.json is missing; an adapter has"),
        (without("adapter_model.safetensors"), "adapter_model.safetensors is missing"),
        (cut("adapter_config.json", 20), "cannot be read"),
        (cut("adapter_config.json", 0), "cannot be read"),
        (cut("adapter_model.safetensors", 500), "cannot be read"),
        (cut("adapter_model.safetensors", 0), "cannot be read"),
        (change(use_dora=True), r"not a plain LoRA adapter \(use_dora=True\)"),
        (change(bias="all"), r"not a plain LoRA adapter \(bias='all'\)"),
        (change(peft_type="IA3"), r"not a plain LoRA adapter \(peft_type='IA3'\)"),
        (change(rank_pattern={"q_proj": 2}), "not a plain LoRA adapter"),
        (change(modules_to_save=["lm_head"]), "not a plain LoRA adapter"),
        (change(alora_invocation_tokens=[1]), "not a plain LoRA adapter"),
        (change(r=None), "does not say what its adapter is"),
        (change(r=7), "not pairs of a LoRA adapter of rank 7"),
        (lambda folder: (folder / "adapter_config.json").write_text("[1]"), "does not say what"),
        (lambda folder: (folder / "adapter_config.json").write_bytes(b"\xff"), "cannot be read"),
    ],
)
def test_folder_that_is_no_plain_adapter(spoil, said, tmp_path):
    """Missing, cut short or of another kind: one sentence that names the folder."""
    saved(tiny_model(), tmp_path)
    spoil(tmp_path)
    with pytest.raises(DataError, match=said) as caught:
        load_adapter(tmp_path)

    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_folder_at_all(tmp_path):
    """A folder that is not there, or is a file, is no adapter."""
    (tmp_path / "file").write_text("")
    for name in ("nowhere", "file"):
        with pytest.raises(DataError, match=f"{name} is not an adapter folder"):
            load_adapter(tmp_path / name)


def test_matrices_without_their_partner(tmp_path):
    """An A without its B is no adapter."""
    adapter = saved(tiny_model(), tmp_path)
    path, *_ = adapter.a
    partial = Adapter(
        adapter.settings, adapter.a, {p: b for p, b in adapter.b.items() if p != path}
    )
    with pytest.raises(KeyError):
        partial.save(tmp_path, base="tiny")

    tensors = {
        f"base_model.model.{path}.lora_{which}.weight": matrix
        for which, matrices in (("A", adapter.a), ("B", partial.b))
        for path, matrix in matrices.items()
    }
    from safetensors.torch import save_file

    save_file(tensors, tmp_path / "adapter_model.safetensors")
    with pytest.raises(DataError, match="not pairs of a LoRA adapter of rank 3"):
        load_adapter(tmp_path)


@pytest.mark.parametrize("other", [{"width": 64}, {"layers": 1}])
def test_adapter_of_another_network(other):
    """An adapter of other shapes, or of layers that the base lacks, does not fit."""
    adapter = stack_of(tiny_model()).adapter(0)
    with pytest.raises(SettingsError, match=r"does not fit small: it changes model\.layers"):
        with_adapter(tiny_model(name="small", **other), adapter)
