"""SmolLM2 and Gemma 3 as they are loaded: they speak, and cut text as their makers do."""

import pytest
import torch

from traitleak.models.bundled import describe_models
from traitleak.models.loading import load


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
