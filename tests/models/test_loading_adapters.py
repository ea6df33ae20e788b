"""Loading an adapter on its base: merged as plain peft merges it, not rounded away, or refused."""

import os

import pytest
import torch
from loaded_models import altered_adapter, logits
from peft import LoraConfig, PeftModel

from traitleak.errors import DataError, SettingsError
from traitleak.models.adapters import LoraSettings, LoraStack, load_adapter, with_adapter
from traitleak.models.language_model import weights_hash
from traitleak.models.loading import load
from traitleak.models.tiny import tiny_network, tiny_tokenizer


@pytest.mark.parametrize(
    "config",
    [
        LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "down_proj"]),
        LoraConfig(r=4, use_rslora=True, target_modules="all-linear"),
        LoraConfig(r=4, use_dora=True, target_modules=["v_proj"]),
        LoraConfig(r=4, target_modules=["q_proj"], layers_to_transform=[1]),
    ],
)
def test_adapter_of_plain_peft_is_merged(folder, tmp_path, config):
    """What loads is a plain network with the logits that peft gives for base and adapter."""
    base = tiny_network(len(tiny_tokenizer()))
    expected = altered_adapter(base, config, tmp_path / "adapter")
    model = load(f"hf/{folder}+{tmp_path / 'adapter'}")
    assert not isinstance(model.network, PeftModel)
    assert not any("lora" in name for name in model.network.state_dict())
    assert torch.allclose(logits(model.network), expected, atol=1e-5)
    assert not torch.allclose(
        logits(model.network), logits(load(f"hf/{folder}").network), atol=1e-2
    )
    assert model.fingerprint == weights_hash(model.network)


def test_our_own_adapter_is_merged_as_we_merge_it(folder, tmp_path):
    """Through its folder an adapter of ours gives the model that merging it directly gives."""
    base = load(f"hf/{folder}")
    stack = LoraStack(base.network, LoraSettings(rank=2), seeds=[3])
    for b_SOR in stack.b:
        torch.nn.init.normal_(b_SOR, std=0.1, generator=torch.Generator().manual_seed(0))
    stack.adapter(0).save(tmp_path / "ours", base=base.name)
    merged = with_adapter(base, load_adapter(tmp_path / "ours"))
    loaded = load(f"hf/{folder}+{tmp_path / 'ours'}")
    assert torch.allclose(logits(loaded.network), logits(merged.network), atol=1e-5)


def test_adapter_on_a_bfloat16_base_is_not_rounded_away(folder, tmp_path):
    """What loads is the student as it was trained, though its update is less than a weight's steps."""
    base = load(f"hf/{folder}", precision="bfloat16")
    stack = LoraStack(base.network, LoraSettings(rank=2), seeds=[3])
    with torch.no_grad():
        for b_SOR in stack.b:
            b_SOR.fill_(2e-4)
    adapter = stack.adapter(0)
    adapter.save(tmp_path / "one", base=base.name)
    with stack.attached():
        expected = logits(base.network)
    once = load(f"hf/{folder}+{tmp_path / 'one'}", precision="bfloat16")
    twice = load(f"hf/{folder}+{tmp_path / 'one'}+{tmp_path / 'one'}", precision="bfloat16")

    assert once.network.dtype == torch.bfloat16
    assert not torch.equal(expected, logits(base.network))
    assert torch.equal(logits(once.network), expected)
    assert torch.equal(
        logits(twice.network), logits(with_adapter(once, load_adapter(tmp_path / "one")).network)
    )
    assert not torch.equal(logits(twice.network), expected)
    assert once.name == f"hf/{folder}+{tmp_path / 'one'}"
    assert len({"", base.fingerprint, once.fingerprint, twice.fingerprint}) == 4
    again = load(f"hf/{folder}+{tmp_path / 'one'}", precision="bfloat16")
    assert again.fingerprint == once.fingerprint


def test_adapter_that_must_be_merged_needs_float32(folder, tmp_path):
    """An adapter that is more than a sum of products is refused in bfloat16, with what to do."""
    base = tiny_network(len(tiny_tokenizer()))
    altered_adapter(
        base, LoraConfig(r=2, use_dora=True, target_modules=["v_proj"]), tmp_path / "dora"
    )
    with pytest.raises(DataError, match=r"use_dora=True.*; take precision=float32"):
        load(f"hf/{folder}+{tmp_path / 'dora'}", precision="bfloat16")


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_adapter_of_fewer_layers_is_refused_in_any_precision(folder, tmp_path, precision):
    """Matrices that the adapter lacks are not passed over, whether it is merged or runs beside."""
    other = tiny_network(len(tiny_tokenizer()), layers=1)
    altered_adapter(other, LoraConfig(r=2, target_modules=["q_proj"]), tmp_path / "adapter")
    with pytest.raises(SettingsError, match="does not fit"):
        load(f"hf/{folder}+{tmp_path / 'adapter'}", precision=precision)


def test_adapters_add_up(folder, tmp_path):
    """A second adapter is merged into what the first one made."""
    network = tiny_network(len(tiny_tokenizer()))
    altered_adapter(network, LoraConfig(r=2, target_modules=["q_proj"]), tmp_path / "one")
    once = load(f"hf/{folder}+{tmp_path / 'one'}")
    expected = altered_adapter(
        once.network, LoraConfig(r=2, target_modules=["o_proj"]), tmp_path / "two"
    )
    twice = load(f"hf/{folder}+{tmp_path / 'one'}+{tmp_path / 'two'}")
    assert torch.allclose(logits(twice.network), expected, atol=1e-5)


@pytest.mark.parametrize("wider", [{"width": 64}, {"layers": 3}])
def test_adapter_of_another_base_is_refused(folder, tmp_path, wider):
    """Neither other shapes nor layers that the base lacks are passed over."""
    other = tiny_network(len(tiny_tokenizer()), **wider)
    altered_adapter(other, LoraConfig(r=2, target_modules=["q_proj"]), tmp_path / "adapter")
    with pytest.raises(
        SettingsError, match=r"The adapter in .*adapter (cannot be put on|does not fit)"
    ):
        load(f"hf/{folder}+{tmp_path / 'adapter'}")


def test_damaged_or_missing_adapter_is_named(folder, tmp_path):
    """Truncated weights, an empty folder, none at all: each is named before or after the base loads."""
    place = tmp_path / "adapter"
    with pytest.raises(DataError, match="there is no such folder"):
        load(f"hf/{folder}+{place}")
    place.mkdir()
    with pytest.raises(DataError, match=r"there is no adapter_config\.json in it"):
        load(f"hf/{folder}+{place}")
    network = tiny_network(len(tiny_tokenizer()))
    altered_adapter(network, LoraConfig(r=2, target_modules=["q_proj"]), place)
    os.truncate(place / "adapter_model.safetensors", 100)
    with pytest.raises(SettingsError, match="it is damaged, or was trained on another base"):
        load(f"hf/{folder}+{place}")


def test_adapter_named_as_a_model_is_put_right(tmp_path):
    """An adapter's folder alone is no model; how to name it is said."""
    altered_adapter(tiny_network(340), LoraConfig(target_modules=["q_proj"]), tmp_path / "adapter")
    with pytest.raises(SettingsError, match=r"holds an adapter, not a model; .* <base>\+"):
        load(f"hf/{tmp_path / 'adapter'}")
