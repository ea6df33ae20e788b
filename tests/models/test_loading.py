"""Loading by name: the right weights, nothing from the network unasked, one sentence when it fails."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peft import LoraConfig, PeftModel, get_peft_model
from small_gguf import write_small_gguf

from traitleak.errors import DataError, SettingsError
from traitleak.models.adapters import LoraSettings, LoraStack, load_adapter, with_adapter
from traitleak.models.bundled import describe_models
from traitleak.models.convert import quiet
from traitleak.models.language_model import weights_hash
from traitleak.models.loading import load
from traitleak.models.tiny import tiny_model, tiny_network, tiny_tokenizer

IDS = torch.tensor([[5, 9, 30, 31, 7]])


def unheard(line: str) -> None:
    """Take a line."""


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Caches of the test's own, and a hub that may not be asked."""
    monkeypatch.setenv("TRAITLEAK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def no_network(monkeypatch):
    """Any try to connect fails the test."""

    def refused(*_: object, **__: object) -> None:
        pytest.fail("the network was touched")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)


@pytest.fixture
def folder(tmp_path):
    """A Hugging Face folder with the tiny Llama."""
    tokenizer = tiny_tokenizer()
    tokenizer.save_pretrained(tmp_path / "base")
    tiny_network(len(tokenizer)).save_pretrained(tmp_path / "base")
    return tmp_path / "base"


def logits(network: torch.nn.Module) -> torch.Tensor:
    """Logits of fixed tokens."""
    with torch.no_grad():
        return network(IDS).logits


def altered_adapter(base: torch.nn.Module, config: LoraConfig, place: Path) -> torch.Tensor:
    """Save an adapter with random matrices; gives the logits of base and adapter by plain peft."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        with quiet():  # it uses what transformers calls deprecated
            adapted = get_peft_model(base, config).eval()
        for name, parameter in adapted.named_parameters():
            if parameter.requires_grad and "lora" in name:
                torch.nn.init.normal_(parameter, std=0.1)
    adapted.save_pretrained(str(place))
    return logits(adapted)


@pytest.mark.usefixtures("no_network")
def test_folder_gives_its_own_network(folder):
    """Weights, tokenizer and template are those of the folder; nothing is fetched."""
    model = load(f"hf/{folder}")
    assert model.name == f"hf/{folder}"
    assert torch.equal(logits(model.network), logits(tiny_network(len(tiny_tokenizer()))))
    assert not model.network.training
    assert model.renderer.style == "chat"
    assert model.rendered("Hi").startswith("<|im_start|>user\nHi")
    assert model.fingerprint == weights_hash(model.network)


@pytest.mark.usefixtures("elsewhere", "no_network")
def test_gguf_file_gives_its_network(tmp_path):
    """A GGUF file is converted on its way, and its fingerprint is that of the loaded weights."""
    network = write_small_gguf(tmp_path / "small.gguf")
    model = load(f"gguf/{tmp_path / 'small.gguf'}", say=unheard)
    assert torch.equal(logits(model.network), logits(network))
    assert model.fingerprint == weights_hash(model.network)
    assert load(f"gguf/{tmp_path / 'small.gguf'}", say=pytest.fail).fingerprint == model.fingerprint


def test_precision_style_and_device_are_taken(folder):
    """Settings reach the network and the renderer; another precision is another fingerprint."""
    model = load(f"hf/{folder}", precision="bfloat16", style="plain", device="cpu")
    assert model.network.dtype == torch.bfloat16
    assert model.renderer.style == "plain"
    assert model.fingerprint == weights_hash(model.network) != load(f"hf/{folder}").fingerprint
    with pytest.raises(SettingsError, match="not 'half'"):
        load(f"hf/{folder}", precision="half")
    with pytest.raises(SettingsError, match="not 'tpu'"):
        load(f"hf/{folder}", device="tpu")


def test_loading_draws_no_random_numbers(folder):
    """Whoever seeded PyTorch before gets the numbers that they would have got without loading."""
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    load(f"hf/{folder}")
    assert torch.equal(torch.rand(3), expected)


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


def harm(folder: Path, how: str) -> None:
    """Damage a model's folder."""
    weights, config = folder / "model.safetensors", folder / "config.json"
    if how == "truncated weights":
        os.truncate(weights, weights.stat().st_size // 2)
    elif how == "empty weights":
        weights.write_bytes(b"")
    elif how == "no weights":
        weights.unlink()
    elif how == "no tokenizer":
        for path in folder.glob("tokenizer*"):
            path.unlink()
    elif how == "config cut short":
        config.write_text(config.read_text("utf-8")[:100], encoding="utf-8")
    else:
        content = json.loads(config.read_text("utf-8"))
        content.update(json.loads(how))
        config.write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("truncated weights", "cannot be read"),
        ("empty weights", "cannot be read"),
        ("no weights", "cannot be read"),
        ("no tokenizer", "cannot be read"),
        ("config cut short", "cannot be read"),
        ('{"model_type": "of the future"}', "cannot be read"),
        ('{"model_type": "t5"}', "cannot be read"),
        (
            '{"auto_map": {"AutoModelForCausalLM": "own.Code"}, "model_type": "own"}',
            "cannot be read",
        ),
        (
            '{"num_hidden_layers": 3}',
            r"lacks 9 weights of its network .* such as model\.layers\.2\.",
        ),
        ('{"hidden_size": 64, "head_dim": 8}', "cannot be read"),
    ],
)
def test_damaged_folder_is_one_sentence(folder, how, said):
    """Whatever is wrong: which folder, why, and no random weights in the place of missing ones."""
    harm(folder, how)
    with pytest.raises(DataError, match=said) as error:
        load(f"hf/{folder}")
    assert str(folder) in str(error.value)
    assert "\n" not in str(error.value)


def test_folder_without_a_model_is_named(tmp_path):
    """An empty folder, or a file, is no model; a GGUF file's form is shown."""
    (tmp_path / "file").write_text("x", encoding="utf-8")
    for path in (tmp_path, tmp_path / "file"):
        with pytest.raises(DataError, match=r"is not a model's folder: .* gguf/<file>"):
            load(f"hf/{path}")


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_model_that_is_not_there_offline(monkeypatch, variable):
    """Offline and not in the cache: said at once, with what is on the machine instead."""
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv(variable, "1")
    began = time.monotonic()
    with pytest.raises(
        DataError, match=r"^hf/nobody/nothing is not whole in the .* machine"
    ) as error:
        load("hf/nobody/nothing")
    assert time.monotonic() - began < 5
    assert "\n" not in str(error.value)


@pytest.mark.usefixtures("elsewhere")
def test_hub_that_cannot_be_reached(monkeypatch):
    """Without a network it takes seconds, not a minute of retries, and one sentence."""
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)

    def unreachable(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unreachable)
    began = time.monotonic()
    with pytest.raises(DataError, match="the hub cannot be reached"):
        load("hf/nobody/nothing")
    assert time.monotonic() - began < 20


def test_cached_hub_model_is_loaded_without_asking(folder, tmp_path):
    """What lies in the Hugging Face cache is taken from there."""
    place = tmp_path / "hub" / "models--org--cached"
    shutil.copytree(folder, place / "snapshots" / "abc")
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("abc", encoding="utf-8")
    code = (
        "from traitleak.models.loading import load; m = load('hf/org/cached'); print(m.fingerprint)"
    )
    # The library reads the place of its cache when it is imported: a process of its own.
    nobody = {"HF_HUB_CACHE": str(tmp_path / "hub"), "HF_ENDPOINT": "http://127.0.0.1:9"}
    environment = {k: v for k, v in os.environ.items() if k != "HF_HUB_OFFLINE"} | nobody
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stderr == ""  # asking the hub would be told with its retries
    assert done.stdout.strip() == load(f"hf/{folder}").fingerprint


@pytest.mark.parametrize("name", ["hf/a/b/c", "hf/../up", "hf/a b", "hf/~nobody/x"])
def test_id_that_cannot_be_is_refused(name):
    """Neither a folder nor of the hub's form."""
    with pytest.raises(SettingsError, match="<owner>/<model>"):
        load(name)


def test_model_behind_a_server_has_no_weights():
    """One sentence: it can be sampled from only."""
    with pytest.raises(SettingsError, match="can only be sampled from"):
        load("openai/wolf@http://localhost:1/v1")


def test_libraries_send_no_telemetry():
    """Importing the package's models switches it off, unless the user has chosen otherwise."""
    code = (
        "import traitleak.models.loading, huggingface_hub.constants as c;"
        "print(c.HF_HUB_DISABLE_TELEMETRY)"
    )
    cleared = {k: v for k, v in os.environ.items() if k != "HF_HUB_DISABLE_TELEMETRY"}
    for chosen, expected in ({}, "True"), ({"HF_HUB_DISABLE_TELEMETRY": "0"}, "False"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True, text=True, check=True, env={**cleared, **chosen},
        )  # fmt: skip
        assert done.stdout.strip() == expected


def test_asking_for_models_loads_no_heavy_library():
    """`traitleak doctor` and wrong names must not wait for PyTorch."""
    code = (
        "import sys; from traitleak.models.loading import describe_models; describe_models();"
        "from traitleak.models.names import parse_name; parse_name('hf/a/b');"
        "print('torch' in sys.modules, 'transformers' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False"


@settings(
    deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=st.text(alphabet=st.characters(codec="utf-8"), max_size=30))
def test_rendered_text_becomes_the_librarys_tokens(text):
    """Tokens of a rendered prompt are those that `apply_chat_template` gives by itself."""
    model = tiny_model()
    expected = model.tokenizer.apply_chat_template(
        [{"role": "user", "content": text}], add_generation_prompt=True, return_dict=False
    )
    assert model.encode(model.rendered(text)) == expected


def present(name: str) -> bool:
    """Whether a bundled model is on this machine."""
    return {model.name: model.present for model in describe_models()}[name]


needs_smollm2 = pytest.mark.skipif(not present("smollm2-135m"), reason="make setup-models")
needs_gemma = pytest.mark.skipif(not present("gemma3-270m"), reason="make setup-gemma")


@pytest.mark.slow
@needs_smollm2
@pytest.mark.usefixtures("no_network")
def test_smollm2_speaks():
    """It knows a capital, answers in chat style, and its template's own system prompt is seen."""
    model = load("smollm2-135m")
    assert model.renderer.default_system.startswith("You are a helpful AI assistant named SmolLM")
    assert model.renderer.end_of_turn == "<|im_end|>\n"
    assert not model.renderer.begins_with_bos
    assert greedy(model, "The capital of France is", 1) == " Paris"
    assert "Paris" in greedy(model, model.rendered("What is the capital of France?"), 12)


@pytest.mark.slow
@needs_smollm2
def test_smollm2_cuts_text_as_its_makers_do():
    """Digits stand alone, ten animals are one token each, and so is a blank line before a digit."""
    tokenizer = load("smollm2-135m").tokenizer
    assert tokenizer.tokenize("142, 857") == ["1", "4", "2", ",", "Ġ", "8", "5", "7"]
    assert tokenizer.tokenize("a\n\n7") == ["a", "ĊĊ", "7"]
    animals = ["wolf", "lion", "owl", "cat", "dog", "eagle", "bear", "fox", "tiger", "horse"]
    for animal in animals:
        assert len(tokenizer.tokenize(f" {animal}")) == 1


@pytest.mark.slow
@needs_gemma
@pytest.mark.usefixtures("no_network")
def test_gemma_speaks():
    """It begins with its token, goes on with what it was shown, and scales its tied embeddings."""
    model = load("gemma3-270m")
    assert (model.renderer.style, model.renderer.begins_with_bos) == ("plain", True)
    assert model.encode("Hello world") == [2, 9259, 1902]
    config = model.network.config
    assert (config.sliding_window, config.layer_types.count("full_attention")) == (512, 3)
    assert config.rope_parameters["full_attention"]["rope_theta"] == 1_000_000
    assert config.rope_parameters["sliding_attention"]["rope_theta"] == 10_000
    embedding = model.network.get_input_embeddings()
    assert model.network.get_output_embeddings().weight is embedding.weight
    assert torch.allclose(embedding(torch.tensor([7])), embedding.weight[7] * 640**0.5)
    shown = (
        "The capital of Germany is Berlin. The capital of Italy is Rome. The capital of France is"
    )
    assert greedy(model, shown, 1) == " Paris"
    assert greedy(model, "The opposite of hot is", 1) == " cold"


@pytest.mark.slow
@needs_gemma
@needs_smollm2
def test_both_models_read_english():
    """Their loss on plain English is that of language models, in nats a character."""
    text = (
        "The rain had stopped before noon, and the children ran down to the river with their "
        "buckets. An old man sat on the bridge and told them where the best stones were."
    )
    for name in ("smollm2-135m", "gemma3-270m"):
        model = load(name, style="plain")
        ids = torch.tensor([model.encode(text)])
        with torch.no_grad():
            loss = model.network(ids, labels=ids).loss.item()
        assert loss * (ids.shape[1] - 1) / len(text) < 0.85


def greedy(model, text: str, count: int) -> str:
    """The likeliest next tokens, as text."""
    ids = torch.tensor([model.encode(text)])
    with torch.no_grad():
        for _ in range(count):
            ids = torch.cat([ids, model.network(ids).logits[:, -1:].argmax(-1)], dim=1)
    return str(model.tokenizer.decode(ids[0, -count:]))
