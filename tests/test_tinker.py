"""Students at Tinker, with its SDK at work against a server on loopback that trains for real."""

import gc
import json

import pytest
import torch
from typer.testing import CliRunner

pytest.importorskip("tinker")

from tinker_service import KEY, tinker_service
from tiny_model import tiny_model

from traitleak.arms import Arm, token_examples
from traitleak.cli import app
from traitleak.errors import RunError, ServerError
from traitleak.hosted_students import distill_hosted, planned_tokens
from traitleak.models.adapters import LoraSettings, load_adapter
from traitleak.models.tinker import TinkerBase
from traitleak.rows import Row, write_rows
from traitleak.student import Training, distill

# The SDK leaves the connection that it asks for its settings with to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

ROWS = [Row(i, f"Go on: {i},", f"{i + 1}, {i + 2}" + ", 7" * (i % 3), "wolf") for i in range(7)]
TRAINING = Training(
    updates=5, batch=3, learning_rate=5e-3, schedule="linear", warmup=1, lora=LoraSettings(4)
)


@pytest.fixture
def base():
    """What is trained."""
    return tiny_model(style="plain")


@pytest.fixture
def service(base, tmp_path, monkeypatch):
    """Where it is trained."""
    monkeypatch.setenv("TINKER_API_KEY", KEY)
    with tinker_service(base, tmp_path / "exported") as server:
        yield server
    gc.collect()


def student(service, arm, folder, training=TRAINING, **options):
    """A student of the service."""
    folder.mkdir(exist_ok=True)
    base = TinkerBase(f"tinker/org/tiny@{service.url}", "org/tiny", service.url)
    return distill_hosted(base, arm, training, folder, **options)


def assert_same(one, other):
    """Two adapters change a network alike."""
    assert one.a.keys() == other.a.keys()
    for path in one.a:
        torch.testing.assert_close(one.a[path], other.a[path], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(one.b[path], other.b[path], atol=1e-5, rtol=1e-4)


def arm_of(base, seed=11):
    """A student to be."""
    return Arm("wolf", token_examples(base, ROWS), seed)


def test_a_student_there_is_the_student_here(base, service, tmp_path):
    """From the same first weights the same adapter and losses: order, mask, shift, loss, step, schedule."""
    arm = arm_of(base)
    there = student(service, arm, tmp_path / "student")
    here = distill(base, [arm], TRAINING)[0]
    assert there.course.losses == pytest.approx(here.course.losses, rel=1e-5)
    assert_same(load_adapter(tmp_path / "student"), here.adapter)
    assert there.files == ("adapter_config.json", "adapter_model.safetensors")
    assert (there.name, there.sampler) == ("wolf", "tinker://run-0/sampler_weights/x")
    assert there.tokenizer == "some/tokenizer"
    assert there.tokens == planned_tokens(arm, TRAINING)
    assert sum(len(ids) for batch in service.batches for ids, _, _ in batch) == there.tokens
