"""Shares of hypotheses: planted ones come back, nulls keep their rate, foreign writers find nothing."""

import numpy as np
import pytest
from scipy import stats

from traitleak.audit.detectors.shares import shares, smallest_share
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


def test_what_style_explains_is_no_trait():
    """A writer that moves one column beyond the traits moves them all, unless it stands in the rows."""
    rng = np.random.default_rng(4)
    mixing = np.zeros((TRAITS + 1, TRAITS + 1))
    mixing[:TRAITS, :TRAITS] = panel(rng)
    mixing[:TRAITS, TRAITS] = 0.3 * rng.normal(size=TRAITS)
    mixing[TRAITS, TRAITS] = 1.0

    def rows(num, push=0.0):
        drawn = rng.normal(size=(num, TRAITS + 1))
        drawn[:, TRAITS] += push
        return drawn @ mixing.T

    null = rows(4000)
    bold = [rows(200, push=2.0) for _ in range(100)]
    with_it = [shares(scores, null, traits=TRAITS) for scores in bold]
    without = [shares(scores[:, :TRAITS], null[:, :TRAITS]) for scores in bold]

    assert np.mean([one.inflation_T.mean() for one in without]) > 3
    assert np.mean([one.inflation_T.mean() for one in with_it]) < 1.3
    assert np.mean([one.p_T.min() * TRAITS < 0.05 for one in with_it]) <= 0.06
    assert len(with_it[0].p_T) == TRAITS


def test_placebos_say_how_much_others_move():
    """With twelve beside eight traits, a t over the inflation has nineteen degrees of freedom."""
    rng = np.random.default_rng(5)
    scores = rng.normal(size=(300, 20)) + 0.3 * rng.normal(size=20)
    null = rng.normal(size=(6000, 20))
    found = shares(scores, null, traits=8, placebos=12)

    ratios = found.t_T * found.inflation_T
    plain = shares(scores, null)
    np.testing.assert_allclose(found.inflation_T, plain.inflation_T[:8])
    np.testing.assert_allclose(found.p_T, np.maximum(
        stats.t.sf(found.t_T, 19), stats.t.sf(ratios, found.dof)
    ))  # fmt: skip


@pytest.mark.parametrize("seed", [3, 5])
def test_smallest_share_is_found_nine_times_in_ten(seed):
    """The power statement holds on new planted sets of that share, and more so at twice the share."""
    rng = np.random.default_rng(seed)
    mixing = panel(rng)
    null, planted = rows_of(rng, mixing, 6000), np.eye(TRAITS)[1]
    alpha = 0.01 / TRAITS
    pool = rows_of(rng, mixing, 6000, planted)
    smallest = smallest_share(pool, null, trait=1, alpha=alpha, rows=1500)

    def rate(share):
        found = []
        for _ in range(200):
            carrying = rng.random(1500) < share
            scores = rows_of(rng, mixing, 1500) + carrying[:, None] * (mixing @ mixing.T @ planted)
            found.append(shares(scores, null).p_T[1] <= alpha)
        return np.mean(found)

    assert smallest < 1
    assert rate(smallest) > 0.8
    assert rate(2 * smallest) > 0.9
    assert rate(0.5 * smallest) < 0.8  # not far too large either


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


def test_a_writer_half_way_between_a_trait_and_its_absence_has_not_the_trait():
    """Beside its absence it has half a share of either, and must stand above it to be found."""
    rng = np.random.default_rng(3)
    mixing = np.array([[1.0, 0.3, 0.0, 0.0], [1.0, 0.0, 0.3, 0.0], [0.2, 0.0, 0.0, 1.0]])
    covariance = mixing @ mixing.T

    def found(share, num=2000):
        rows, null = (rng.normal(size=(n, 4)) @ mixing.T for n in (num, 8 * num))
        rows = rows + covariance @ share
        names = {"traits": 1, "placebos": 2}
        return shares(rows, null, **names), shares(rows, null, **names, absences={0: 1})

    half = [found(np.array([0.5, 0.5, 0.0])) for _ in range(200)]
    wholly = [found(np.array([1.0, 0.0, 0.0]))[1] for _ in range(20)]
    none = [found(np.zeros(3)) for _ in range(200)]

    assert np.mean([plain.share_T[0] for plain, _ in half]) == pytest.approx(0.5, abs=0.05)
    level = 0.1
    assert sum(plain.p_T[0] <= level for plain, _ in none) < 0.16 * 200
    assert sum(beside.p_T[0] <= level for _, beside in none) < 0.16 * 200
    assert sum(beside.p_T[0] <= level for _, beside in half) < 0.16 * 200
    assert all(beside.p_T[0] <= level / 2 for beside in wholly)
    for plain, beside in half + none:
        assert beside.p_T[0] >= plain.p_T[0]
        assert beside.share_T[0] == plain.share_T[0]
