"""The picture of two updates: its numbers against the formula, its file against the eye's needs."""

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from traitleak.errors import SettingsError
from traitleak.mechanism.didactic import Angles, draw_angles, eight_parameters, measure_angles
from traitleak.mechanism.theorem import check_step


def test_network_has_two_inputs_eight_parameters_and_one_output():
    """It is the network that the picture's title speaks of."""
    network = eight_parameters(np.random.default_rng(0))

    assert sum(p.numel() for p in network.parameters()) == 8
    assert network(torch.zeros(3, 2, dtype=torch.float64)).shape == (3, 1)


def test_inner_product_is_the_square_of_the_teachers_change_in_output():
    """For one output and one point, d_S . d_T = 2 eps (grad g . d_T)^2 to leading order."""
    rng = np.random.default_rng(3)
    network = eight_parameters(rng)
    point = torch.from_numpy(rng.standard_normal((1, 2)))
    direction = {
        n: torch.from_numpy(rng.standard_normal(tuple(p.shape)))
        for n, p in network.named_parameters()
    }
    slopes = torch.autograd.grad(network(point).sum(), list(network.parameters()))
    change = sum(float((g * d).sum()) for g, d in zip(slopes, direction.values(), strict=True))

    step = check_step(network, point, teacher=direction, loss="squared", eps=1e-5, alpha=1)

    assert step.inner_product == pytest.approx(2e-5 * change**2, rel=1e-3)


def test_shared_starts_stay_within_a_right_angle_and_others_do_not():
    """The picture shows what the theorem says, whatever the seed."""
    for seed in range(3):
        angles = measure_angles(20, seed=seed)
        assert max(angles.shared) <= 90
        assert min(angles.other) < 90 < max(angles.other)


def test_picture_has_no_ground_and_is_the_same_each_time(tmp_path):
    """Its corners are transparent, and equal angles give equal bytes."""
    angles = Angles(shared=(30.0, 80.0), other=(60.0, 120.0, 100.0))
    draw_angles(angles, tmp_path / "a.png")
    draw_angles(angles, tmp_path / "b.png")

    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    pixels = imread(tmp_path / "a.png")
    assert pixels[0, 0, 3] == pixels[-1, -1, 3] == 0
    assert (pixels[..., 3] == 1).mean() > 0.005  # and something is drawn


def test_a_picture_of_no_students_is_refused():
    """Zero students is an error with a sentence."""
    with pytest.raises(SettingsError, match="at least one student"):
        measure_angles(0)
