"""Areas under the ROC curve: known ones, and intervals that hold over prompts and over folds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from traitleak.audit.detectors.logistic import out_of_fold
from traitleak.audit.detectors.ranking import auroc, auroc_gain, labelled, prompt_folds
from traitleak.errors import SettingsError
from traitleak.rows import Row

PAIRED = np.tile([True, False], 60)
PROMPTS = np.repeat(np.arange(60), 2)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30))
def test_area_is_the_share_of_pairs_in_order(rows):
    """Ties count half: the definition, pair by pair, and the Mann-Whitney statistic."""
    scores, carries = (np.array(part) for part in zip(*rows, strict=True))
    ones, zeros = scores[carries], scores[~carries]
    if not len(ones) or not len(zeros):
        with pytest.raises(SettingsError, match="rows of both"):
            auroc(scores, carries)
        return
    pairs = np.sign(ones[:, None] - zeros) / 2 + 0.5
    assert auroc(scores, carries).value == pytest.approx(pairs.mean())
    assert auroc(scores, carries).value == pytest.approx(
        stats.mannwhitneyu(ones, zeros).statistic / pairs.size
    )


def test_error_is_delongs():
    """With rows by themselves the variance is that of the two kinds' placements."""
    rng = np.random.default_rng(0)
    carries = np.arange(90) < 30
    scores = rng.normal(size=90) + carries
    ones, zeros = scores[carries], scores[~carries]
    pairs = (ones[:, None] > zeros).astype(float)
    error = np.sqrt(pairs.mean(1).var(ddof=1) / 30 + pairs.mean(0).var(ddof=1) / 60)
    found = auroc(scores, carries)
    half = stats.t.ppf(0.975, 89) * error
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.02)


def test_interval_covers_where_rows_of_a_prompt_are_alike():
    """Nineteen of twenty intervals hold the true area, and pairs on one prompt make them shorter."""
    rng = np.random.default_rng(1)
    true = stats.norm.cdf(0.5 / 2)  # a difference of .5 over a standard deviation of 2
    held, shorter = [], []
    for _ in range(400):
        scores = rng.normal(size=60)[PROMPTS] + rng.normal(size=120) + 0.5 * PAIRED
        found = auroc(scores, PAIRED, clusters_N=PROMPTS)
        held.append(found.low <= true <= found.high)
        apart = auroc(scores, PAIRED)
        shorter.append(found.high - found.low < apart.high - apart.low)
    assert 0.92 < np.mean(held) < 0.98
    assert np.mean(shorter) > 0.9


def test_scores_out_of_fold_that_say_nothing_are_rarely_taken_for_something():
    """A regression on noise, held back by prompt: intervals miss one half about as often as stated."""
    rng = np.random.default_rng(2)
    missed, above, plain = [], [], []
    for draw in range(150):
        values = rng.normal(size=(120, 6))
        folds = prompt_folds(PROMPTS, PAIRED, seed=draw)
        scores, _ = out_of_fold(values, PAIRED, PROMPTS, folds, strengths=(1e-2,))
        found = auroc(scores, PAIRED, clusters_N=PROMPTS, folds_N=folds)
        half = (found.high - found.low) / 2 / np.sqrt(2)
        missed.append(not found.low <= 0.5 <= found.high)
        above.append(found.low > 0.5)
        plain.append(abs(found.value - 0.5) > half)
    assert np.mean(missed) <= 0.09
    assert np.mean(above) <= 0.07
    assert np.mean(plain) > np.mean(missed)  # what the square root of 2 is for


def test_gain_of_scores_over_themselves_is_nothing():
    """The same scores, in any unit: no difference, and no doubt about it."""
    rng = np.random.default_rng(3)
    scores = rng.normal(size=120) + PAIRED
    found = auroc_gain(scores, np.exp(scores), PAIRED, clusters_N=PROMPTS)
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_gain_is_the_difference_of_both_areas():
    """A score over one that says nothing: its own area less about one half, and found."""
    rng = np.random.default_rng(4)
    scores, nothing = rng.normal(size=120) + 2 * PAIRED, rng.normal(size=120)
    found = auroc_gain(scores, nothing, PAIRED, clusters_N=PROMPTS)
    assert found.value == pytest.approx(auroc(scores, PAIRED).value - auroc(nothing, PAIRED).value)
    assert 0 < found.low < found.value < found.high


def test_perfect_order_has_a_bound_below_one():
    """Five rows above five others do not prove that all are."""
    found = auroc(np.arange(10), np.arange(10) >= 5)
    assert (found.value, found.high) == (1, 1)
    assert found.low == pytest.approx(0.025 ** (1 / 5))


@pytest.mark.parametrize(
    "scores", [[1.0], [], [1.0, np.nan, 2.0], ["a", "b", "c"], [[1.0, 2.0, 3.0]]]
)
def test_scores_that_are_none_are_refused(scores):
    """Empty, not finite, not numbers, of other lengths or axes."""
    with pytest.raises(SettingsError):
        auroc(scores, [True, False, True])


def test_folds_hold_prompts_together_and_both_kinds_in_each():
    """Whatever the mixture of shared and own prompts."""
    rng = np.random.default_rng(5)
    prompts = rng.integers(0, 40, 300)
    carries = rng.random(300) < 0.3
    folds = prompt_folds(prompts, carries, folds=4, seed=1)
    assert set(folds) == {0, 1, 2, 3}
    for prompt in range(40):
        assert len(set(folds[prompts == prompt])) <= 1
    for fold in range(4):
        assert 0 < carries[folds == fold].mean() < 1


def test_one_prompt_cannot_be_held_back():
    """All rows on one prompt: said so."""
    with pytest.raises(SettingsError, match="held back by prompt"):
        prompt_folds(np.zeros(10), np.arange(10) < 5)


def test_rows_without_a_prompt_pair_by_id():
    """Equal ids share a number, and so do equal prompts."""
    rows = [Row(0, "", "1"), Row(1, "", "2"), Row(2, "7,", "3")]
    both = labelled(rows, rows)
    assert both.prompt_N.tolist() == [0, 1, 2, 0, 1, 2]
    assert both.carries_N.tolist() == [True] * 3 + [False] * 3
    with pytest.raises(SettingsError, match="3 and 0"):
        labelled(rows, [])
