"""Students in blocks: planted effects are found, nulls keep their rate, style finds nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from traitleak.audit.detectors.contrast import centred, contrast, difference
from traitleak.errors import SettingsError

GROUPS = (0,) * 10 + (1,) * 10 + (2,) * 10 + (3,)


def students(rng, mixing, *, seeds=3, arms=3):
    """Traits of students that nothing tells apart; traits of a group vary together."""
    noise = rng.normal(size=(seeds, arms, len(mixing))) @ mixing
    return noise + 5 * rng.normal(size=(seeds, 1, mixing.shape[1]))  # what a seed does to all


def mixing_of(rng, directions=15, spread=0.4):
    """How few directions become many traits, some of which vary more than others."""
    num = len(GROUPS)
    return rng.normal(size=(directions, num)) * np.exp(spread * rng.normal(size=num))


def test_a_planted_effect_is_measured_found_and_first():
    """It is read in its own unit, whatever the seeds do to all students."""
    rng = np.random.default_rng(0)
    values = students(rng, 0.05 * mixing_of(rng), seeds=6)
    values[:, 0, 4] += 2.0
    plain, found = difference(values, GROUPS), contrast(values, GROUPS)

    assert plain.mean_T[4] == pytest.approx(2, abs=4 * plain.se_T[4])
    assert found.p_T.argmin() == 4
    assert found.p_T[4] < 0.001


@pytest.mark.parametrize(("seeds", "arms"), [(3, 3), (2, 3), (4, 2), (3, 2)])
def test_false_positives_are_at_most_as_many_as_stated(seeds, arms):
    """Also where variances are pooled, and traits of a group lie along few directions."""
    rng = np.random.default_rng(seeds)
    ps = []
    for number in range(600):
        if number % 50 == 0:
            mixing = mixing_of(rng, directions=4 + number % 12)
        ps.append(contrast(students(rng, mixing, seeds=seeds, arms=arms), GROUPS).p_T)
    table = np.array(ps)

    assert 0.005 < (table < 0.05).mean() < 0.06
    assert (table < 0.01).mean() < 0.014
    assert (table.min(1) * len(GROUPS) < 0.05).mean() < 0.07


def test_standard_errors_are_those_of_repeated_experiments():
    """The mean squared difference of nulls is the mean squared standard error."""
    rng = np.random.default_rng(7)
    mixing = mixing_of(rng)
    found = [difference(students(rng, mixing), GROUPS) for _ in range(800)]
    spread = np.mean([one.mean_T**2 for one in found], 0)
    stated = np.mean([one.se_T**2 for one in found], 0)

    assert spread.mean() == pytest.approx(stated.mean(), rel=0.08)


def test_variances_are_pooled_by_as_many_degrees_as_there_are_directions():
    """Traits that are one and the same are worth one; independent ones are worth many."""
    rng = np.random.default_rng(3)
    same = students(rng, np.ones((1, len(GROUPS))))
    apart = students(rng, np.eye(len(GROUPS)))

    assert difference(same, GROUPS).dof_T == pytest.approx(5)
    assert difference(apart, GROUPS).dof_T[:30].min() > 12
    assert difference(apart, GROUPS).dof_T[30] == 5  # a group of its own


def test_style_that_moves_every_trait_is_not_taken_for_one():
    """Without the inflation factor nearly every such data set would be a finding."""
    rng = np.random.default_rng(4)
    mixing = mixing_of(rng)
    found, plain = [], []
    for _ in range(200):
        values = students(rng, mixing)
        values[:, 0] += 8 * rng.normal(size=15) @ mixing
        one = contrast(values, GROUPS)
        found.append(one.p_T.min() * len(GROUPS) < 0.01)
        plain.append((one.z_T * one.inflation_T).max() > 4)

    assert np.mean(plain) > 0.5
    assert np.mean(found) < 0.05


def test_what_moves_a_whole_group_counts_for_nothing():
    """Margins of a group compete; groups of one or two have nothing to be centred by."""
    rng = np.random.default_rng(5)
    values = students(rng, mixing_of(rng))
    moved = values.copy()
    moved[:, 0, :10] += 3.0

    np.testing.assert_allclose(contrast(moved, GROUPS).z_T, contrast(values, GROUPS).z_T)
    np.testing.assert_allclose(centred(values, GROUPS)[..., :10].mean(-1), 0, atol=1e-12)
    np.testing.assert_array_equal(centred(values, GROUPS)[..., 30], values[..., 30])


def test_equal_arms_have_no_difference_and_no_evidence():
    """Zero over zero is a deviate of zero and a p of a half."""
    rng = np.random.default_rng(6)
    values = np.repeat(rng.normal(size=(3, 1, len(GROUPS))), 2, axis=1)
    found = contrast(values, GROUPS)

    assert (found.difference.mean_T == 0).all()
    assert (found.z_T == 0).all()
    np.testing.assert_allclose(found.p_T, 0.5)


@given(st.integers(2, 5), st.integers(2, 4), st.integers(0, 2**32 - 1), st.floats(-1e3, 1e3))
def test_scale_and_seeds_change_no_z(seeds, arms, seed, shift):
    """A deviate has no unit, and what a seed does to all its students is no matter."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(seeds, arms, len(GROUPS)))
    if seeds * (arms - 1) < 2:
        return
    other = 7 * values + shift * rng.normal(size=(seeds, 1, 1))

    np.testing.assert_allclose(
        contrast(other, GROUPS).z_T, contrast(values, GROUPS).z_T, rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("shape", [(1, 2, 31), (0, 2, 31), (3, 1, 31), (3, 3, 30), (3, 31)])
def test_too_few_students_are_refused(shape):
    """One seed and one reference, or a table of another shape, have no variance."""
    with pytest.raises(SettingsError):
        difference(np.zeros(shape), GROUPS)


def test_students_that_diverged_are_refused():
    """A value that is not finite is named for what it is."""
    values = np.zeros((3, 3, 31))
    values[1, 1, 1] = np.nan
    with pytest.raises(SettingsError, match="diverged"):
        contrast(values, GROUPS)
