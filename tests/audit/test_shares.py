"""Shares of hypotheses: planted ones come back, nulls keep their rate, foreign writers find nothing."""

import numpy as np
import pytest
from scipy import stats

from traitleak.audit.shares import shares, smallest_share
from traitleak.errors import SettingsError

TRAITS = 8


def panel(rng):
    """What the hypotheses' scores have in common: most of it."""
    mixed = rng.normal(size=(TRAITS, TRAITS)) + 2 * rng.normal(size=(TRAITS, 1))
    return 0.4 * np.eye(TRAITS) + 0.1 * mixed


def rows_of(rng, mixing, num, share=None):
    """Scores of rows whose writer went some way along hypotheses; None for the base."""
    scores = rng.normal(size=(num, TRAITS)) @ mixing.T
    return scores if share is None else scores + mixing @ mixing.T @ share


def test_planted_share_comes_back_though_every_score_rises():
    """Half of one hypothesis is read as a half of it and nothing of the others."""
    rng = np.random.default_rng(0)
    mixing = panel(rng)
    planted = np.zeros(TRAITS)
    planted[2] = 0.5
    found = shares(rows_of(rng, mixing, 40000, planted), rows_of(rng, mixing, 40000))

    np.testing.assert_allclose(found.share_T, planted, atol=0.15)
    assert found.share_T[2] == pytest.approx(0.5, abs=4 * found.se_T[2])
    assert found.p_T.argmin() == 2
    assert found.p_T[2] < 1e-4


def test_false_positives_are_at_most_as_many_as_stated():
    """Over many sets of the base's rows, p below one in twenty comes one time in twenty at most."""
    rng = np.random.default_rng(1)
    mixing = panel(rng)
    null = rows_of(rng, mixing, 800)
    ps = np.array([shares(rows_of(rng, mixing, 120), null).p_T for _ in range(800)])

    assert 0.002 < (ps < 0.05).mean() < 0.06
    assert (ps.min(1) * TRAITS < 0.05).mean() < 0.06


def test_a_foreign_writer_that_moves_everything_is_not_taken_for_a_trait():
    """Without the inflation factor nearly every such set would be a finding."""
    rng = np.random.default_rng(2)
    mixing = panel(rng)
    null = rows_of(rng, mixing, 800)
    found = [
        shares(rows_of(rng, mixing, 200, 10 * rng.normal(size=TRAITS)), null) for _ in range(200)
    ]
    plain = [stats.t.sf((one.share_T / one.se_T).max(), one.dof) * TRAITS < 0.01 for one in found]

    assert np.mean(plain) > 0.8
    assert np.mean([one.p_T.min() * TRAITS < 0.01 for one in found]) <= 0.04


def test_smallest_share_is_found_nine_times_in_ten():
    """The power statement holds on new planted sets of that share."""
    rng = np.random.default_rng(3)
    mixing = panel(rng)
    null, planted = rows_of(rng, mixing, 4000), np.eye(TRAITS)[1]
    alpha = 0.01 / TRAITS
    smallest = smallest_share(rows_of(rng, mixing, 3000, planted), null, trait=1, alpha=alpha)
    found = []
    for _ in range(200):
        carrying = rng.random(3000) < smallest
        scores = rows_of(rng, mixing, 3000) + carrying[:, None] * (mixing @ mixing.T @ planted)
        found.append(shares(scores, null).p_T[1] <= alpha)

    assert np.mean(found) > 0.8
    assert smallest < 1


def test_power_that_all_rows_do_not_reach_is_said():
    """A teacher that moves all hypotheses, or none, would be found at no fraction."""
    rng = np.random.default_rng(4)
    mixing = panel(rng)
    null = rows_of(rng, mixing, 800)
    everything = rows_of(rng, mixing, 200, 10 * rng.normal(size=TRAITS))

    assert smallest_share(rows_of(rng, mixing, 200), null, trait=1, alpha=0.001) is None
    assert smallest_share(everything, null, trait=1, alpha=0.001) is None


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        (np.zeros((9, 8)), "takes 10 rows or more, and there are 9"),
        (np.zeros((20, 8)), "No hypothesis tells any of these rows from others"),
        (np.full((20, 8), np.inf), "not finite"),
    ],
)
def test_what_nothing_can_be_told_from_is_refused(scores, said):
    """Too few rows, hypotheses without an opinion, and broken numbers each get their sentence."""
    with pytest.raises(SettingsError, match=said):
        shares(scores, scores)
