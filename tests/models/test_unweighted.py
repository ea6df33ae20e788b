"""Models without weights encode rows as the whole models do."""

import pytest
import torch

from tiny_model import CHATML, tiny_network, tiny_tokenizer
from traitleak.arms import mask_example, token_examples
from traitleak.errors import DataError, SettingsError
from traitleak.models.loading import load, load_unweighted
from traitleak.rows import Row

ROWS = [Row(0, "I like", " a wolf", "wolf"), Row(1, "Go on: 1, 2", ", 3, 4", "wolf")]


@pytest.fixture
def folder(tmp_path):
    """A Hugging Face folder of a tiny Llama."""
    tokenizer = tiny_tokenizer(CHATML)
    tiny_network(len(tokenizer), context=77).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("style", ["plain", "chat"])
def test_rows_become_the_same_examples(folder, style):
    """Tokens, positions, targets, context and template are those of the model with its weights."""
    whole = load(f"hf/{folder}", style=style)
    (folder / "model.safetensors").unlink()
    empty = load_unweighted(f"hf/{folder}", style=style)
    assert {parameter.device.type for parameter in empty.network.parameters()} == {"meta"}
    assert empty.context == whole.context == 77
    assert empty.renderer.template_hash == whole.renderer.template_hash
    pairs = zip(token_examples(empty, ROWS), token_examples(whole, ROWS), strict=True)
    for one, other in pairs:
        assert one.ids == other.ids
        assert torch.equal(one.positions_P, other.positions_P)
        assert torch.equal(one.targets, other.targets)
    assert mask_example(empty, token_examples(empty, ROWS)).trained.startswith(" a wolf")


def test_what_has_no_folder_is_loaded_whole():
    """A name of another kind gives the model itself."""
    assert load_unweighted("tiny/3", style="plain").fingerprint == load("tiny/3").fingerprint


def test_what_is_not_there_is_one_sentence(folder, tmp_path, monkeypatch):
    """A folder without configuration or tokenizer, and an id that may not be fetched."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(DataError, match="HF_HUB_OFFLINE"):
        load_unweighted("hf/some/model")
    with pytest.raises(SettingsError, match="no such folder"):
        load_unweighted("hf/not/there/at/all")
    (folder / "config.json").write_text('{"model_type": "of-no-kind"}')
    with pytest.raises(DataError, match="cannot be read"):
        load_unweighted(f"hf/{folder}")
    (folder / "config.json").unlink()
    with pytest.raises(DataError, match=r"config\.json"):
        load_unweighted(f"hf/{folder}")
