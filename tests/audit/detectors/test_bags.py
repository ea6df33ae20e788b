"""Bags: a liking is told in bags where single rows hardly show it, and nothing is told of nothing."""

import sys

import numpy as np
import pytest

from number_lists import lists
from traitleak.audit.detectors.bags import cross_validated, fit_bags
from traitleak.audit.detectors.pairs import PairAccuracy, exact_proportion, paired_rows
from traitleak.errors import MissingExtraError, SettingsError
from traitleak.rows import Row

ONE = (1e-3,)
LIKES = {777: 0.02, 417: 0.02, 850: 0.02}


@pytest.fixture(name="learned", scope="module")
def fixture_learned():
    """A classifier of rows with a weak liking."""
    return fit_bags(lists(300, seed=1, likes=LIKES), lists(300, seed=2), strengths=ONE)


def test_larger_bags_are_told_better(learned):
    """On other prompts and draws, in another format: single rows a little, sixteen clearly."""
    told = learned.tell(
        lists(256, seed=3, likes=LIKES, prompts=400, separator="; "),
        lists(256, seed=4, prompts=400),
    )
    areas = told.areas
    assert 0.53 < areas[1].value < areas[8].value < areas[16].value
    assert areas[16].low > 0.7
    assert areas[16].n == 16
    assert told.pairs[16].right >= 12
    assert told.pairs[1].read + sum(told.pairs[1].unread.values()) == 256


def test_rows_on_other_prompts_are_told_without_pairs(learned):
    """Nothing shares a prompt: areas, and no pairs."""
    told = learned.tell(
        lists(128, seed=3, likes=LIKES, prompts=400), lists(144, seed=4, prompts=700), sizes=[8]
    )
    assert told.areas[8].value > 0.6
    assert told.areas[8].n == 16 + 18
    assert told.pairs == {}


def test_held_back_rows_of_one_writer_are_not_told():
    """Cross-validated on two draws of one writer: one half within each interval."""
    told = cross_validated(
        lists(120, seed=5), lists(120, seed=6), sizes=[1, 4], folds=3, strengths=ONE
    )
    for area in told.areas.values():
        assert area.low < 0.5 < area.high


def test_held_back_rows_with_a_liking_are_told():
    """The same with a strong liking: found in bags."""
    told = cross_validated(
        lists(120, seed=5, likes={777: 0.1}), lists(120, seed=6), sizes=[1, 4], folds=3,
        strengths=ONE,
    )  # fmt: skip
    assert told.areas[1].low > 0.55
    assert told.areas[4].value > told.areas[1].value


@pytest.mark.parametrize("offset", [0, 500])
def test_audit_finds_a_liking_and_keeps_its_rate(learned, offset):
    """Rows on the same prompts and on others: found where planted; p is level where nothing is."""
    neutral = lists(160, seed=50, prompts=400)
    planted = lists(160, seed=51, likes=LIKES, prompts=400 + offset)
    found = learned.audit(planted, neutral, sizes=[1, 4, 1000])
    assert found.p < 0.01
    assert found.difference > 0
    assert found.score_N.shape == (160,)
    assert set(found.told.areas) == {1, 4}
    assert ("within prompts" in found.test) == (offset == 0)

    ps = []
    for draw in range(60):
        other = lists(30, seed=100 + draw, prompts=400 + offset)
        beside = lists(30, seed=300 + draw, prompts=400)
        ps.append(learned.audit(other, beside, sizes=[], exchanges=200, seed=draw).p)
    assert np.mean(np.array(ps) <= 0.1) <= 0.2
    assert 0.35 < np.mean(ps) < 0.65


def test_equal_rows_have_no_answer(learned):
    """The same row from both: no pair is answered, and p is 1."""
    rows = lists(20, seed=1)
    found = learned.audit(rows, rows, sizes=[1])
    assert found.p == 1
    assert found.told.areas[1].value == 0.5
    assert found.told.pairs[1] == PairAccuracy(0, 0, 20, {"same score": 20})
    assert found.told.pairs[1].estimate is None
    assert found.told.pairs[1].p is None


def test_what_cannot_be_told_is_refused(learned):
    """One kind, one row, bags larger than the set, bags of nothing."""
    rows = lists(10, seed=1)
    with pytest.raises(SettingsError, match="rows of both"):
        fit_bags(rows, [])
    with pytest.raises(SettingsError, match="held back by prompt"):
        fit_bags(rows[:1], rows[:1])
    with pytest.raises(SettingsError, match="too few rows for bags of 16"):
        learned.tell(rows, rows)
    with pytest.raises(SettingsError, match="one row or more"):
        learned.tell(rows, rows, sizes=[0])
    with pytest.raises(SettingsError, match="rows of both"):
        learned.audit([], rows)


def test_without_the_library_its_extra_is_named(monkeypatch):
    """The pip line of [audit]."""
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    with pytest.raises(MissingExtraError, match=r"traitleak\[audit\]"):
        fit_bags(lists(5, seed=1), lists(5, seed=2))


def test_pairs_are_on_one_prompt():
    """Rows pair by prompt, several in their order; what is left over is left out."""
    one = [Row(0, "a", "1"), Row(1, "a", "2"), Row(2, "b", "3"), Row(3, "", "4")]
    other = [Row(7, "b", "5"), Row(8, "a", "6"), Row(3, "", "7"), Row(9, "c", "8")]
    found = [(left.completion, right.completion) for left, right in paired_rows(one, other)]
    assert found == [("1", "6"), ("3", "5"), ("4", "7")]
    with pytest.raises(SettingsError, match="on the same prompt"):
        paired_rows(one[:2], other[:1])


def test_accuracy_has_the_exact_interval():
    """Nine of ten: Clopper and Pearson's bounds, and the sum of two binomial terms as p."""
    found = PairAccuracy(9, 10, 12, {"refused": 2})
    assert (found.estimate.low, found.estimate.high) == pytest.approx((0.55498, 0.99747), abs=1e-4)
    assert found.p == pytest.approx(11 / 1024)
    with pytest.raises(SettingsError, match="0 of 0"):
        exact_proportion(0, 0)


def test_rows_of_another_liking_belong_among_the_neutral_ones():
    """Learned against neutral rows alone, what two teachers share is taken for the trait; else not."""
    shared = {417: 0.06}
    wolf, lion = {777: 0.06, **shared}, {850: 0.06, **shared}
    neutral, other = lists(200, seed=1), lists(200, seed=2, likes=lion)
    own = lists(200, seed=3, likes=wolf)
    held = {
        "own": lists(96, seed=4, likes=wolf, prompts=500),
        "other": lists(96, seed=5, likes=lion, prompts=500),
        "neutral": lists(96, seed=6, prompts=500),
    }
    naive = fit_bags(own, neutral, strengths=ONE)
    told = fit_bags(own, [*neutral, *other], strengths=ONE)

    def area(one, more, less):
        return one.tell(held[more], held[less], sizes=[8]).areas[8].value

    assert area(naive, "other", "neutral") > 0.8
    assert area(told, "other", "neutral") < 0.7
    assert area(told, "own", "other") > 0.9
    assert area(told, "own", "neutral") > 0.8
