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
from loaded_models import logits
from small_gguf import write_small_gguf

from traitleak.errors import DataError, SettingsError
from traitleak.models.language_model import weights_hash
from traitleak.models.loading import load
from traitleak.models.tiny import tiny_model, tiny_network, tiny_tokenizer


def unheard(line: str) -> None:
    """Take a line."""


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
