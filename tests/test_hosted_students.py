"""What is sent to Tinker, what is refused before, and what a dry run counts: no SDK, no network."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from tiny_model import tiny_model
from traitleak.arms import Arm, Example, token_examples
from traitleak.cli import app
from traitleak.errors import MissingExtraError, SettingsError
from traitleak.hosted_students import (
    distill_hosted,
    planned_tokens,
    require_hosted,
    tinker_data,
)
from traitleak.models.adapters import LoraSettings
from traitleak.models.tinker import parse_tinker
from traitleak.rows import Row, write_rows
from traitleak.student import Training

ROWS = [Row(i, f"Go on: {i},", f"{i + 1}, {i + 2}" + ", 7" * (i % 3), "wolf") for i in range(7)]
TRAINING = Training(updates=4, batch=3)


@pytest.fixture(scope="module")
def arm():
    """A student to be."""
    return Arm("wolf", token_examples(tiny_model(style="plain"), ROWS), 0)


def invoke(*arguments: object):
    """Call the command line in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_row_is_shifted_by_one_and_masked():
    """Of "1 2 | 3 4" the tokens 3 and 4 are predicted, from 2 and 3, each for half of the loss."""
    row = Example([1, 2, 3, 4], torch.tensor([1, 2]), torch.tensor([3, 4]))
    datum = tinker_data([row])[0]
    assert (datum.inputs, datum.targets) == ([1, 2, 3], [2, 3, 4])
    assert datum.weights.tolist() == [0, 0.5, 0.5]
    assert datum.weights.dtype == np.float32


@given(
    st.lists(st.lists(st.floats(0, 8, width=32), min_size=1, max_size=9), min_size=1, max_size=5)
)
def test_weights_of_an_update_sum_to_one(weights):
    """Whatever tokens weigh, the sum that the service computes is a mean over the whole update."""
    examples = [
        Example(
            list(range(len(one) + 2)),
            torch.arange(1, len(one) + 1),
            torch.arange(2, len(one) + 2),
            weights_P=torch.tensor(one),
        )
        for one in weights
    ]
    if sum(map(sum, weights)) == 0:
        with pytest.raises(SettingsError, match="weight 0"):
            tinker_data(examples)
        return
    if sum(map(sum, weights)) < 1e-30:
        return  # no weight that anybody gives: float32 ends here
    data = tinker_data(examples)
    assert sum(float(datum.weights.sum()) for datum in data) == pytest.approx(1, abs=1e-5)
    for datum, own in zip(data, weights, strict=True):
        assert datum.weights[0] == 0
        at = np.array(own) == 0
        assert not datum.weights[1:][at].any()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"lora": None}, "adapters only"),
        ({"optimizer": "sgd"}, "not by sgd"),
        ({"optimizer": "sign-sgd"}, "not by sign-sgd"),
        ({"lora": LoraSettings(8, 32)}, "alpha"),
        ({"lora": LoraSettings(layers=(0,))}, "all blocks"),
        ({"lora": LoraSettings(targets=("q_proj",))}, "targets"),
        ({"lora": LoraSettings(targets=("up_proj", "c_fc"))}, "targets"),
        ({"accumulate": 3}, "accumulate"),
        ({"measure_at": (0,)}, "measure_at"),
    ],
)
def test_what_the_service_does_not_do_is_refused(arm, changed, said):
    """Each setting by a sentence that names it, before anything is sent."""
    with pytest.raises(SettingsError, match=said):
        require_hosted(arm, replace(TRAINING, **changed))


def test_other_channels_and_no_rows_are_refused(arm):
    """Logits stay here, and a student needs a row."""
    logits = Example([1, 2], torch.tensor([0]), torch.zeros(1, 10), torch.arange(10)[None])
    with pytest.raises(SettingsError, match="completions only"):
        require_hosted(replace(arm, examples=[logits]), TRAINING)
    with pytest.raises(SettingsError, match="at least one row"):
        require_hosted(replace(arm, examples=[]), TRAINING)
    require_hosted(arm, TRAINING)


def test_tokens_are_counted_exactly(arm):
    """One pass over the rows sends each row's tokens but one; two passes send twice as many."""
    one = sum(len(example.ids) - 1 for example in arm.examples)
    assert planned_tokens(arm, Training(updates=7, batch=1)) == one
    assert planned_tokens(arm, Training(updates=2, batch=7)) == 2 * one
    assert planned_tokens(arm, Training(updates=1, batch=14)) == 2 * one


def test_names_of_bases_at_tinker():
    """Model and address are told apart, and the tokenizer is that of the model on the hub."""
    base = parse_tinker(" tinker/Qwen/Qwen3-8B\n")
    assert (base.text, base.model, base.url) == ("tinker/Qwen/Qwen3-8B", "Qwen/Qwen3-8B", "")
    assert base.tokenizer == "hf/Qwen/Qwen3-8B"
    base = parse_tinker("tinker/org/big:peft:131072@http://127.0.0.1:9/x/")
    assert (base.model, base.url) == ("org/big:peft:131072", "http://127.0.0.1:9/x")
    assert base.tokenizer == "hf/org/big"


@pytest.mark.parametrize(
    "text",
    ["tinker/", "tinker", "", "Qwen/Qwen3-8B", "tinker/a b", "tinker/a@", "tinker/a@ftp://x"],
)
def test_names_that_mean_no_base(text):
    """Each is refused in a sentence."""
    with pytest.raises(SettingsError, match=r"tinker/<model>|https://"):
        parse_tinker(text)


@pytest.mark.parametrize("url", ["https://me:tml-1@x/y", "https://tml-1@x", "https://x/?key=tml-1"])
def test_an_address_with_a_secret_is_refused(url):
    """And is not repeated."""
    with pytest.raises(SettingsError, match="TINKER_API_KEY") as told:
        parse_tinker(f"tinker/org/tiny@{url}")
    assert "tml-1" not in str(told.value)


def test_a_missing_sdk_is_one_pip_line(arm, tmp_path, monkeypatch):
    """The sentence names the extra."""
    monkeypatch.setitem(sys.modules, "tinker", None)
    monkeypatch.setenv("TINKER_TELEMETRY", "0")
    with pytest.raises(MissingExtraError, match=r"traitleak\[tinker\]"):
        distill_hosted(parse_tinker("tinker/org/tiny"), arm, TRAINING, tmp_path)


def test_a_dry_run_counts_and_sends_nothing(tmp_path):
    """Updates, tokens and price, without key, network or SDK; no folder is made."""
    write_rows(tmp_path / "rows", ROWS, {})
    out = tmp_path / "student"
    common = (
        "train",
        tmp_path / "rows",
        "--base",
        "tinker/org/tiny@http://127.0.0.1:9",
        "--out",
        out,
    )
    some = (*common, "--tokenizer", "tiny", "--updates", 7, "--batch", 1, "--dry-run", "--price", 2)
    done = invoke(*some, "--json")
    assert done.exit_code == 0, done.output
    examples = token_examples(tiny_model(style="plain"), ROWS)
    tokens = sum(len(example.ids) - 1 for example in examples)
    assert json.loads(done.stdout) == {"updates": 7, "tokens": tokens, "price": tokens * 2 / 1e6}
    done = invoke(*some)
    assert f"prompts with them: {tokens}" in done.stdout
    assert not out.exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--alpha", 32), "alpha"),
        (("--accumulate", 2), "accumulate"),
        (("--precision", "bfloat16"), "--precision"),
        (("--device", "cpu"), "--device"),
        (("--tokenizer", "tinker/org/tiny"), "only `traitleak train` takes"),
    ],
)
def test_the_command_refuses_what_the_service_does_not_do(tmp_path, more, said):
    """In a sentence, with exit code 2."""
    write_rows(tmp_path / "rows", ROWS, {})
    base = ("--base", "tinker/org/tiny", "--tokenizer", "tiny", "--out", tmp_path / "student")
    done = invoke("train", tmp_path / "rows", *base, "--dry-run", *more)
    assert done.exit_code == 2
    assert said in done.stderr


@pytest.mark.parametrize("more", [("--dry-run",), ("--price", 1), ("--tokenizer", "tiny")])
def test_a_base_that_is_loaded_here_takes_none_of_it(tmp_path, more):
    """Nothing that was asked for is passed over in silence."""
    write_rows(tmp_path / "rows", ROWS, {})
    done = invoke(
        "train", tmp_path / "rows", "--base", "tiny", "--out", tmp_path / "student", *more
    )
    assert done.exit_code == 2
    assert "Tinker" in done.stderr


def test_other_commands_say_who_takes_such_a_base(tmp_path):
    """A measurement of it is refused with the name under which its weights may be found."""
    done = invoke("measure", "--model", "tinker/org/tiny", "--trait", "wolf")
    assert done.exit_code == 2
    assert "hf/org/tiny" in done.stderr
    assert not list(tmp_path.iterdir())
