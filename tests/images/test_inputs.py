"""Input streams: their distributions, and that every batch follows from its step alone."""

import math

import pytest
import torch

from traitleak.errors import SettingsError
from traitleak.images.data import Digits
from traitleak.images.inputs import InputStream, LabelledBatches

IMAGES = torch.rand(50, 784, generator=torch.Generator().manual_seed(0)) * 2 - 1
KINDS = ["noise", "gaussian", "binary", "digits", "shuffled-digits"]


def stream(kind: str = "noise", **changes) -> InputStream:
    """A small stream of a kind."""
    return InputStream(
        **{"kind": kind, "batch": 16, "images": IMAGES, "num_inputs": None, **changes}
    )


@pytest.mark.parametrize(
    ("kind", "variance"), [("noise", 1 / 3), ("gaussian", 1 / 3), ("binary", 1)]
)
def test_noises_have_the_stated_mean_and_variance(kind, variance):
    """Mean 0 and the stated variance, within five standard errors."""
    sample = stream(kind, batch=512).at(0)
    count = sample.numel()

    assert abs(sample.mean().item()) < 5 * math.sqrt(variance / count)
    assert sample.var().item() == pytest.approx(variance, abs=5 * variance * math.sqrt(2 / count))


def test_uniform_noise_fills_its_range_and_binary_noise_has_two_values():
    """Noise lies in [-1, 1] and reaches both ends; binary noise is -1 or 1."""
    noise = stream(batch=512).at(0)

    assert -1 <= noise.min() < -0.999
    assert 0.999 < noise.max() <= 1
    assert stream("binary").at(0).unique().tolist() == [-1.0, 1.0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_follows_from_its_seed_and_step_alone(kind):
    """The same step gives the same batch in any order; another step or seed gives another."""
    forward = [stream(kind).at(step) for step in range(4)]
    backward = [stream(kind).at(step) for step in reversed(range(4))][::-1]

    assert all(torch.equal(a, b) for a, b in zip(forward, backward, strict=True))
    assert not torch.equal(forward[0], forward[1])
    assert not torch.equal(forward[0], stream(kind, seed=1).at(0))


def test_a_limited_number_of_inputs_is_revisited():
    """With 40 inputs in batches of 16 every third step sees the same images again."""
    limited = stream(num_inputs=40)

    assert torch.equal(limited.at(0), limited.at(3))
    assert torch.equal(limited.at(2), limited.at(5))
    assert not torch.equal(limited.at(0), limited.at(2))


def test_own_inputs_differ_between_networks_and_depend_on_the_network_alone():
    """Network 5 sees the same noise in any stack, and other noise than network 4."""
    stack = stream(networks=3, first_network=4).at(7)
    alone = stream(networks=1, first_network=5).at(7)

    assert stack.shape == (3, 16, 784)
    assert torch.equal(stack[1], alone[0])
    assert not torch.equal(stack[0], stack[1])


def test_batches_are_uncorrelated_over_steps():
    """Noise of neighbouring steps has no correlation beyond chance."""
    a, b = stream(batch=256).at(0).flatten(), stream(batch=256).at(1).flatten()
    correlation = torch.corrcoef(torch.stack([a, b]))[0, 1].item()

    assert abs(correlation) < 5 / math.sqrt(a.numel())


def test_shuffled_digits_keep_the_pixels_and_lose_their_places():
    """Each image holds the pixels of one digit, in an order of its own."""
    shuffled, plain = stream("shuffled-digits").at(0), stream("digits").at(0)

    assert torch.equal(shuffled.sort(1).values, plain.sort(1).values)
    assert not torch.equal(shuffled, plain)
    order = shuffled.argsort(1)
    assert not torch.equal(order[0], order[1])


@pytest.mark.parametrize("batch", [7, 50, 120])
def test_every_image_comes_once_an_epoch(batch):
    """Whatever the batch, each epoch holds every training image once, in a fresh order."""
    labels = torch.arange(50)
    batches = LabelledBatches(Digits(IMAGES, labels), batch=batch, seed=3)
    seen = torch.cat([batches.at(step).labels for step in range(math.ceil(150 / batch))])

    for epoch in range(3):
        assert sorted(seen[50 * epoch : 50 * (epoch + 1)].tolist()) == list(range(50))
    assert seen[:50].tolist() != seen[50:100].tolist()


def test_labels_stay_with_their_images():
    """A labelled batch pairs each image with its own label."""
    batch = LabelledBatches(Digits(IMAGES, torch.arange(50)), batch=20, seed=1).at(4)

    assert torch.equal(batch.images, IMAGES[batch.labels])


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch": 0},
        {"num_inputs": 0},
        {"networks": 0},
        {"kind": "nois"},
        {"kind": "digits", "images": None},
        {"kind": "shuffled-digits", "images": IMAGES[:0]},
    ],
)
def test_streams_that_could_give_no_batch_are_refused(wrong):
    """Impossible settings are an error before the first batch."""
    with pytest.raises(SettingsError):
        stream(**wrong)


def test_labelled_batches_need_digits():
    """No digits or no batch is an error."""
    with pytest.raises(SettingsError):
        LabelledBatches(Digits(IMAGES[:0], torch.arange(0)), batch=4)
    with pytest.raises(SettingsError):
        LabelledBatches(Digits(IMAGES, torch.arange(50)), batch=0)
