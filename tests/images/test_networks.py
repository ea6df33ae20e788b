"""The stack of networks against plain PyTorch, one network at a time."""

from pathlib import Path

import pytest
import torch
from torch import nn

from traitleak.errors import DataError, SettingsError
from traitleak.images.networks import Networks, Shape, backward, forward

SHAPE = Shape(hidden=(9, 7), aux=2, classes=4, inputs=6)


def plain_gradients(module: nn.Sequential, inputs: torch.Tensor, by_logits: torch.Tensor):
    """Autograd's gradients of a plain module, in the order of `Networks.tensors`."""
    module(inputs).backward(by_logits)
    return [parameter.grad for parameter in module.parameters()]


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("hidden", [(9,), (9, 7), (5, 8, 3)])
def test_batched_passes_equal_autograd_of_each_plain_module(shared, hidden):
    """Logits and gradients of a stack are those of each network alone, whatever its inputs."""
    shape = Shape(hidden=hidden, aux=2, classes=4, inputs=6)
    networks = Networks.initialise(shape, [3, 1, 4]).to(torch.float64)
    generator = torch.Generator().manual_seed(0)
    size = (5, 6) if shared else (3, 5, 6)
    inputs = torch.randn(size, generator=generator, dtype=torch.float64)
    by_logits = torch.randn(3, 6, 5, generator=generator, dtype=torch.float64)

    done = forward(networks, inputs)
    gradients = backward(networks, done, by_logits)

    for n in range(3):
        module = networks.module(n).double()
        own = inputs if shared else inputs[n]
        torch.testing.assert_close(done.logits[n].T, module(own))
        for mine, plain in zip(
            gradients, plain_gradients(module, own, by_logits[n].T), strict=True
        ):
            torch.testing.assert_close(mine[n], plain)


def test_a_network_depends_on_its_own_seed_alone():
    """The same seed gives the same network in any stack and at any place."""
    alone = Networks.initialise(SHAPE, [11])
    among = Networks.initialise(SHAPE, [5, 11, 7])

    for a, b in zip(alone.tensors, among.tensors, strict=True):
        torch.testing.assert_close(a[0], b[1], rtol=0, atol=0)
    assert not torch.equal(among.weights[0][0], among.weights[0][2])


def test_initialisation_has_the_papers_scale():
    """Weights have variance 1 / fan-in and biases are zero."""
    networks = Networks.initialise(Shape(hidden=(256, 256)), [0, 1])

    for weight in networks.weights[:2]:
        fan_in = weight.shape[2]
        assert weight.var().item() * fan_in == pytest.approx(1.0, abs=0.02)
        assert weight.mean().abs().item() < 5 / (weight.numel() * fan_in) ** 0.5
    assert all(not bias.any() for bias in networks.biases)


def test_saved_networks_come_back_bit_for_bit(tmp_path: Path):
    """Saving and loading changes nothing."""
    networks = Networks.initialise(SHAPE, [0, 1])
    networks.save(tmp_path / "n.safetensors")

    for a, b in zip(
        networks.tensors, Networks.load(tmp_path / "n.safetensors", SHAPE).tensors, strict=True
    ):
        assert torch.equal(a, b)


def test_a_broken_or_foreign_file_is_named(tmp_path: Path):
    """Loading says which file is not what it should be."""
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"no such thing")
    with pytest.raises(DataError, match=r"broken\.safetensors"):
        Networks.load(broken, SHAPE)

    Networks.initialise(SHAPE, [0]).save(tmp_path / "other.safetensors")
    with pytest.raises(DataError, match="another shape"):
        Networks.load(tmp_path / "other.safetensors", Shape(hidden=(9, 8), aux=2, inputs=6))


@pytest.mark.parametrize("wrong", [{"hidden": ()}, {"hidden": (0,)}, {"aux": -1}])
def test_impossible_shapes_are_refused(wrong):
    """A shape without layers or units is an error at once."""
    with pytest.raises(SettingsError):
        Shape(**wrong)


def test_an_empty_stack_is_refused():
    """Zero networks is an error, not an empty result."""
    with pytest.raises(SettingsError, match="at least one network"):
        Networks.initialise(SHAPE, [])
