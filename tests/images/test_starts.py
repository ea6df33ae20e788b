"""Seeds, derangements and blended initialisations."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from traitleak.errors import SettingsError
from traitleak.images.networks import Networks, Shape
from traitleak.images.starts import blend, derangement
from traitleak.seeds import derive_seed

SHAPE = Shape(hidden=(9, 7), aux=2, classes=4, inputs=6)
SHARED = Networks.initialise(SHAPE, [0, 1])
FRESH = Networks.initialise(SHAPE, [2, 3])


@given(st.integers(2, 60), st.integers(0, 2**32))
def test_no_student_is_ever_paired_with_its_own_teacher(count, seed):
    """A derangement is a permutation without fixed point."""
    order = derangement(count, seed)

    assert sorted(order) == list(range(count))
    assert all(position != other for position, other in enumerate(order))


def test_one_network_has_no_other():
    """With a single network there is no control, and the error says so."""
    with pytest.raises(SettingsError, match="at least two networks"):
        derangement(1, 0)


def test_seeds_of_different_purposes_do_not_collide():
    """Purpose, index and seed each change the derived seed."""
    seeds = {
        derive_seed(seed, purpose, index)
        for seed in range(10)
        for purpose in ("initialisation", "noise")
        for index in range(50)
    }
    assert len(seeds) == 10 * 2 * 50


def test_nothing_fresh_is_the_shared_start():
    """amount=0 gives the teachers' own initialisation, bit for bit."""
    for a, b in zip(blend(SHARED, FRESH).tensors, SHARED.tensors, strict=True):
        assert torch.equal(a, b)


def test_all_fresh_points_the_fresh_way_with_the_shared_norm():
    """amount=1 is the fresh draw at the length of the shared one."""
    start = blend(SHARED, FRESH, amount=1.0)

    for got, shared, fresh in zip(start.weights, SHARED.weights, FRESH.weights, strict=True):
        for n in range(2):
            torch.testing.assert_close(got[n].norm(), shared[n].norm())
            cosine = torch.cosine_similarity(got[n].flatten(), fresh[n].flatten(), dim=0)
            assert cosine.item() == pytest.approx(1.0)


@pytest.mark.parametrize("amount", [0.1, 0.5, 0.9])
def test_a_blend_keeps_each_layers_norm(amount):
    """Every layer of every network keeps the norm that it has under the shared start."""
    start = blend(SHARED, FRESH, amount=amount)

    for got, shared in zip(start.weights, SHARED.weights, strict=True):
        torch.testing.assert_close(got.norm(dim=(1, 2)), shared.norm(dim=(1, 2)))


def test_head_and_body_share_complementary_layers():
    """`head` keeps the last layer of the shared start and takes the rest fresh; `body` the reverse."""
    head, body = blend(SHARED, FRESH, part="head"), blend(SHARED, FRESH, part="body")

    assert torch.equal(head.weights[-1], SHARED.weights[-1])
    assert all(torch.equal(head.weights[i], FRESH.weights[i]) for i in (0, 1))
    assert torch.equal(body.weights[-1], FRESH.weights[-1])
    assert all(torch.equal(body.weights[i], SHARED.weights[i]) for i in (0, 1))


@pytest.mark.parametrize("amount", [-0.1, 1.1])
def test_amounts_outside_the_unit_interval_are_refused(amount):
    """A blend outside [0, 1] is an error."""
    with pytest.raises(SettingsError, match="amount"):
        blend(SHARED, FRESH, amount=amount)
