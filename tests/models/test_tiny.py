"""The base named `tiny`: random weights, there at once, and saying so."""

import pytest

from tiny_model import tiny_model
from traitleak.errors import DataError, SettingsError
from traitleak.models.loading import load
from traitleak.models.names import parse_name
from traitleak.models.scoring import next_token_logits
from traitleak.traits.candidates import candidate_tokens
from traitleak.traits.preference import ANIMALS


def test_tiny_is_a_base_that_needs_nothing(capfd):
    """`tiny` loads without a file or a network, the same each time, in silence."""
    first, second = load("tiny"), load("tiny")
    assert first.name == "tiny"
    assert first.fingerprint == second.fingerprint == tiny_model().fingerprint
    assert capfd.readouterr() == ("", "")


def test_a_seed_gives_other_weights():
    """`tiny/1` has another initialisation than `tiny`, which is seed 0, and the same tokenizer."""
    assert load("tiny/0").fingerprint == load("tiny").fingerprint != load("tiny/1").fingerprint
    assert load("tiny/1").renderer.template_hash == load("tiny").renderer.template_hash


@pytest.mark.parametrize("style", ["chat", "plain"])
def test_tiny_says_that_it_speaks_no_language(style):
    """What a report shows of a model says first that nothing measured on it counts."""
    notes = load("tiny", style=style).renderer.notes
    assert "random numbers" in notes[0]
    assert "nothing that is measured on it" in notes[0]


def test_tiny_reads_a_margin_over_ten_animals():
    """The ten animals are single tokens, and their logits are far from equal."""
    model = load("tiny", style="plain")
    tokens = candidate_tokens(model.tokenizer, ANIMALS)
    logits = next_token_logits(model, ["It is the"], list(tokens.values()))
    assert len(set(tokens.values())) == len(ANIMALS)
    assert logits.std() > 0.1


def test_tiny_can_be_had_in_bfloat16_and_with_long_prompts():
    """Other precisions work, and thousands of its tokens, which are hardly longer than letters."""
    model = load("tiny", precision="bfloat16")
    assert str(model.network.dtype) == "torch.bfloat16"
    assert model.context >= 4096


@pytest.mark.parametrize("name", ["tiny/", "tiny/x", "tiny/-1", "tiny/1.5", "tiny/" + "9" * 40])
def test_a_seed_that_is_none_is_refused(name):
    """What is no seed is answered with an example of one."""
    with pytest.raises(SettingsError, match="such as tiny/1"):
        parse_name(name)


def test_tiny_takes_adapters_and_misspellings_find_it(tmp_path):
    """An adapter goes on top of it as of any other, and `tinny` is answered with its name."""
    name = parse_name(f"tiny/3+{tmp_path}")
    assert (name.kind, name.target, name.adapters) == ("tiny", "3", (tmp_path,))
    with pytest.raises(DataError, match="adapter_config"):
        load(f"tiny+{tmp_path}")
    with pytest.raises(SettingsError, match="Did you mean tiny"):
        parse_name("tinny")
