"""The two contrasts of teachers and students, against planted effects and slow counting."""

import itertools

import numpy as np
import pytest
from cross_run import SHARED, cross_recipe
from hypothesis import given, settings
from hypothesis import strategies as st

from traitleak.cross.contrasts import kinship, of_relations, own_network, self_transmission
from traitleak.errors import SettingsError


def noise(seed, *shape):
    """Normal numbers."""
    return np.random.default_rng(seed).normal(size=shape)


@given(seed=st.integers(0, 1000), planted=st.floats(-3, 3))
@settings(max_examples=25, deadline=None)
def test_rows_and_columns_change_neither_contrast(seed, planted):
    """What a teacher adds to all students, and a student takes from all teachers, is taken out."""
    rng = np.random.default_rng(seed)
    additive = rng.normal(size=(2, 4, 1)) + rng.normal(size=(2, 1, 4))
    found = kinship(planted * SHARED + additive, SHARED)

    assert found.estimate.replicates == pytest.approx([planted] * 2)
    assert own_network(planted * np.eye(4) + additive).estimate.value == pytest.approx(planted)


def test_p_counts_every_permutation_of_the_teachers():
    """The p of one replicate is that of counting all 24 orders of the rows by hand."""
    table_TS = noise(3, 4, 4)
    centred = SHARED - SHARED.mean(0) - SHARED.mean(1, keepdims=True) + SHARED.mean()
    sums = [(table_TS[list(order)] * centred).sum() for order in itertools.permutations(range(4))]
    observed = (table_TS * centred).sum()
    wanted = np.mean([value >= observed - 1e-9 for value in sums])
    found = kinship(table_TS[None], SHARED)

    assert found.p == pytest.approx(wanted)
    assert found.smallest_p == pytest.approx(1 / 4)
    assert min(np.mean([v >= s - 1e-9 for v in sums]) for s in sums) >= found.smallest_p - 1e-9


def test_a_null_is_called_found_about_as_often_as_the_level_says():
    """Of 200 null matrices in three replicates about one in sixteen has p at or below 1/16."""
    ps = [kinship(noise(seed, 3, 4, 4), SHARED).p for seed in range(200)]
    assert 3 <= sum(p <= 1 / 16 for p in ps) <= 25


def test_kinship_of_strangers_is_the_diagonal():
    """Where each shares with itself alone, both contrasts agree."""
    transfer = noise(1, 2, 3, 3)
    mine, theirs = kinship(transfer, np.eye(3)), own_network(transfer)
    assert mine.estimate.replicates == pytest.approx(theirs.estimate.replicates)
    assert mine.p == pytest.approx(theirs.p)
    assert mine.smallest_p == pytest.approx(theirs.smallest_p)


def test_what_cannot_be_told_is_none():
    """One family gives no kinship, and one teacher no diagonal."""
    assert kinship(noise(0, 1, 3, 3), np.ones((3, 3))) is None
    assert own_network(noise(0, 1, 3, 3), [1]) is None
    with pytest.raises(SettingsError, match="each teacher and student"):
        kinship(noise(0, 1, 3, 3), np.ones((2, 2)))


def test_chosen_teachers_keep_their_own_columns():
    """With some teachers left out, each of the others is still compared with its own network."""
    transfer = np.zeros((1, 4, 4))
    transfer[0, 1, 1] = transfer[0, 3, 3] = 2.0
    assert own_network(transfer, [1, 3]).estimate.value == pytest.approx(2.0)
    assert own_network(transfer, [0, 2]).estimate.value == pytest.approx(0.0)


def test_the_rule_reads_the_interval_over_seeds():
    """A teacher passes where the interval of its own transfer lies above zero; one seed cannot tell."""
    transfer = np.zeros((3, 2, 2))
    transfer[:, 0, 0] = [1.0, 1.1, 0.9]
    transfer[:, 1, 1] = [1.0, -1.0, 0.1]
    assert [one.passes for one in self_transmission(transfer)] == [True, False]
    assert [one.passes for one in self_transmission(transfer[:1])] == [None, None]


def test_relations_follow_from_what_members_are():
    """Own, permuted, further trained and strange are told apart, labels of hub models included."""
    own = cross_recipe().members
    assert of_relations(own)[0] == ["own", "further", "permuted", "other"]
    assert of_relations(own)[3] == ["other", "other", "other", "own"]
    labelled = cross_recipe(
        members=[
            {"name": "chat", "base": "hf/a/chat", "initialisation": "a"},
            {"name": "code", "base": "hf/a/code", "initialisation": "a"},
        ]
    ).members
    assert of_relations(labelled)[0] == ["own", "further"]
