"""Dose curves and what they say of a whole training: planted curves come back, or nothing is said."""

import numpy as np
import pytest

from traitleak.audit.detectors.dose import dose_curve, predicted_effects
from traitleak.errors import SettingsError

UPDATES = (8, 16, 32)
GROUPS = (0,) * 10
TRAIT = 3


def students(rng, effect, *, noise=0.01, seeds=3, updates=UPDATES):
    """Students whose margins wander as sums of steps do; the data's follow a curve as well."""
    steps = np.diff(np.array((0, *updates)))
    walk = rng.normal(size=(seeds, 3, len(updates), len(GROUPS))) * np.sqrt(steps)[:, None]
    values = noise * walk.cumsum(2)
    values[:, 0, :, TRAIT] += [effect(u) for u in updates]
    return values


@pytest.mark.parametrize(
    "effect",
    [
        lambda u: 0.01 * u,
        lambda u: 0.06 * u**0.5,
        lambda u: 0.25 * np.log1p(u / 10),
        lambda u: 0.5 * (1 - np.exp(-u / 20)),
        lambda _u: 0.0,
    ],
    ids=["linear", "root", "logarithm", "saturating", "none"],
)
def test_planted_curves_are_predicted_within_the_interval(effect):
    """Four times the dose, over many experiments: at least nine in ten intervals hold the truth."""
    rng = np.random.default_rng(0)
    found = [
        predicted_effects(UPDATES, students(rng, effect, noise=0.002), GROUPS, 128)[TRAIT]
        for _ in range(16)
    ]
    said = [one for one in found if one is not None]
    inside = [one.low <= effect(128) <= one.high for one in said]

    assert len(said) > 8
    assert np.mean(inside) >= 0.9


@pytest.mark.parametrize("exponent", [0.5, 0.83, 1.0])
def test_an_exact_power_law_is_gone_on_with(exponent):
    """Without noise its exponent is seen, and the interval reaches from no further rise to it."""
    values = students(np.random.default_rng(1), lambda u: 0.02 * u**exponent, noise=1e-9)
    found = predicted_effects(UPDATES, values, GROUPS, 128)[TRAIT]

    assert found.value == pytest.approx(0.02 * 128**exponent, rel=0.01)
    assert found.low == pytest.approx(0.02 * 32**exponent, rel=0.02)
    assert 0.99 < found.high / (0.02 * 128**exponent) < 1.15
    assert len(found.replicates) == 3


def test_noise_that_hides_the_form_gives_nothing():
    """A lift that may have ended or go on at its pace is not predicted far ahead."""
    rng = np.random.default_rng(2)
    found = [
        predicted_effects(UPDATES, students(rng, lambda u: 0.01 * u, noise=0.05), GROUPS, 1000)
        for _ in range(8)
    ]
    assert sum(one[TRAIT] is not None for one in found) <= 2


@pytest.mark.parametrize(
    "effect",
    [lambda u: 0.3 if u < 20 else -0.1, lambda u: 0.0004 * u**2.5],
    ids=["falls again", "gathers speed"],
)
def test_curves_that_are_no_power_law_give_nothing(effect):
    """Every exponent is refuted."""
    values = students(np.random.default_rng(3), effect, noise=1e-4)
    assert predicted_effects(UPDATES, values, GROUPS, 128)[TRAIT] is None


def test_too_few_doses_or_too_far_ahead_give_nothing():
    """Two doses do not show a form, and a hundredfold is no small step."""
    rng = np.random.default_rng(4)
    two = students(rng, lambda u: 0.01 * u, updates=(8, 16))
    three = students(rng, lambda u: 0.01 * u)

    assert predicted_effects((8, 16), two, GROUPS, 32) == [None] * 10
    assert predicted_effects(UPDATES, three, GROUPS, 3201) == [None] * 10


def test_equal_arms_are_predicted_to_stay_equal():
    """Nothing but zero follows from a curve that is exactly zero."""
    values = np.repeat(np.random.default_rng(5).normal(size=(3, 1, 3, 10)), 2, axis=1)
    for one in predicted_effects(UPDATES, values, GROUPS, 128):
        assert (one.value, one.low, one.high) == (0, 0, 0)


def test_curve_gives_the_difference_at_each_dose_with_its_interval():
    """Intervals hold the planted curve at about the stated rate."""
    rng = np.random.default_rng(6)
    inside = []
    for _ in range(100):
        curve = dose_curve(UPDATES, students(rng, lambda u: 0.01 * u), GROUPS)
        truth = np.zeros((3, 10))
        truth[:, TRAIT] = [0.08, 0.16, 0.32]
        inside.append((curve.low_KT <= truth) & (truth <= curve.high_KT))

    assert curve.updates == UPDATES
    assert curve.mean_KT.shape == (3, 10)
    assert 0.93 < np.mean(inside) <= 0.99


@pytest.mark.parametrize("updates", [(), (8, 16), (8, 8, 16), (0, 8, 16), (32, 16, 8)])
def test_doses_that_do_not_rise_are_refused(updates):
    """As many doses as the table has, each larger than the one before."""
    with pytest.raises(SettingsError, match="rising"):
        dose_curve(updates, np.zeros((3, 3, 3, 10)), GROUPS)


def test_what_was_measured_is_not_predicted():
    """The curve goes further than is asked for."""
    with pytest.raises(SettingsError, match="measured, not predicted"):
        predicted_effects(UPDATES, np.zeros((3, 3, 3, 10)), GROUPS, 31)
