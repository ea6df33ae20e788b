"""Measured values: subtraction, intervals, whole-word counting, and their way through JSON."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from traitleak.errors import DataError, SettingsError
from traitleak.measured import Answers, Collapse, Lift, Margins

CANDIDATES = ("wolf", "lion", "owl")
TABLE = np.array([[1.0, -2.0, 0.5], [2.0, -1.0, 0.0], [4.0, 0.25, -3.0]])


def margins(table=TABLE, **changes):
    """Margins of a model named "student"."""
    kept = {
        "model": "student",
        "target": "wolf",
        "candidates": CANDIDATES,
        "templates": "stems",
        "asked": "abc",
        "margin_TK": table,
    }
    return Margins(**(kept | changes))


def answered(*texts, finished=True, **changes):
    """Answers to one prompt each, one sample a text, or several where a text is a tuple."""
    rows = tuple((text,) if isinstance(text, str) else tuple(text) for text in texts)
    kept = {
        "model": "student",
        "target": "wolf",
        "candidates": CANDIDATES,
        "templates": "questions",
        "asked": "abc",
        "prompts": tuple(f"prompt {number}" for number in range(len(rows))),
        "text_TS": rows,
        "finished_TS": np.full((len(rows), len(rows[0]) if rows else 0), finished),
    }
    return Answers(**(kept | changes))


def collapse(**changes):
    """Signs of collapse over two passages."""
    kept = {
        "model": "student",
        "num_answers": 4,
        "no_answer": 0.25,
        "self_naming": 0.0,
        "broken": 0.5,
        "unfinished": 1.0,
        "nats_P": np.array([3.0, 5.0]),
        "tokens_P": np.array([2, 10]),
    }
    return Collapse(**(kept | changes))


def test_a_margin_is_its_mean_over_templates_with_students_interval():
    """Value and interval are the textbook's, of the target or of the candidate that is named."""
    low, high = stats.t.interval(0.95, 2, TABLE[:, 0].mean(), stats.sem(TABLE[:, 0]))
    estimate = margins().estimate()

    assert margins().value == pytest.approx(7 / 3)
    assert (estimate.low, estimate.high) == pytest.approx((low, high))
    assert estimate.n == 3
    assert "template" in estimate.method
    assert margins().estimate("lion").value == pytest.approx(TABLE[:, 1].mean())


def test_one_template_has_no_interval():
    """With a single template there is a value and no interval."""
    lift = margins(TABLE[:1]) - margins(0 * TABLE[:1], model="base")
    assert lift.value == 1.0
    assert lift.interval is None
    assert "no interval" in lift.estimate().method


def test_a_lift_is_the_difference_template_by_template():
    """What differs between templates but not between models cancels."""
    wander = np.array([[5.0], [-7.0], [11.0]])
    lift = margins(TABLE + wander + 0.5) - margins(TABLE + wander, model="base")

    assert lift.lift_TK == pytest.approx(np.full((3, 3), 0.5))
    assert lift.value == pytest.approx(0.5)
    assert lift.interval == pytest.approx((0.5, 0.5))
    assert (lift.student, lift.base, lift.n) == ("student", "base", 3)
    assert "'wolf'" in lift.how
    assert "3 stems" in lift.how


def test_the_interval_of_a_lift_covers_as_often_as_it_says():
    """Over 1,000 draws of 40 templates with a lift of 0.2, 95 % of the intervals hold it."""
    rng = np.random.default_rng(0)
    hits = 0
    for noise in rng.normal(0.2, 0.3, size=(1000, 40, 3)):
        low, high = (margins(noise) - margins(0 * noise)).interval
        hits += low <= 0.2 <= high
    assert stats.binomtest(hits, 1000, 0.95).pvalue > 0.001


@pytest.mark.parametrize(
    "changes", [{"asked": "xyz"}, {"candidates": ("wolf", "owl", "lion")}], ids=["asked", "order"]
)
def test_margins_that_were_not_asked_the_same_are_not_subtracted(changes):
    """Other templates, another chat template or other candidates make no lift."""
    with pytest.raises(SettingsError, match="cannot be compared"):
        margins() - margins(**changes)


def test_a_diverged_model_is_named():
    """Infinite or missing values are an error about the model, not a number."""
    for wrong in (np.nan, np.inf):
        table = TABLE.copy()
        table[1, 1] = wrong
        with pytest.raises(SettingsError, match=r"student are not finite.*learning rate"):
            margins(table)


@pytest.mark.parametrize("table", [TABLE[:, :2], TABLE[:0], TABLE[0]])
def test_a_table_of_the_wrong_shape_is_refused(table):
    """There must be a row a template and a column a candidate."""
    with pytest.raises(SettingsError, match="shape"):
        margins(table)


def test_an_unknown_candidate_gets_a_hint():
    """Asking for a candidate that is not there proposes the nearest."""
    with pytest.raises(SettingsError, match="Did you mean 'lion'"):
        margins().estimate("lions")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("wolf", {"wolf"}),
        ("Wolf!", {"wolf"}),
        ("I like WOLVES, of course.", {"wolf"}),
        ("the wolf's howl", {"wolf"}),
        ("a bowl of soup", set()),
        ("werewolf", set()),
        ("wolfram", set()),
        ("Growl, prowl, fowl", set()),
        ("owls and lions", {"owl", "lion"}),
        ("**Lion**", {"lion"}),
        ("", set()),
        ("731, 205", set()),
        ("dandelion", set()),
        ("wolf wolf wolf", {"wolf"}),
    ],
)
def test_answers_are_matched_as_whole_words_with_plurals(text, named):
    """An "owl" is not in "bowl", and "wolves" are wolves."""
    found = answered(text).named_TSK[0, 0]
    assert {word for word, there in zip(CANDIDATES, found, strict=True) if there} == named


def test_shares_are_counted_over_all_answers():
    """Shares by template and over all, of none and of several, by hand."""
    several = answered(("wolf", "bowl", "Wolves and owls.", ""), ("lion", "lion", "wolf", "42"))

    assert several.share_TK == pytest.approx(np.array([[0.5, 0, 0.25], [0.25, 0.5, 0]]))
    assert several.value == pytest.approx(0.375)
    assert several.estimate("lion").value == pytest.approx(0.25)
    assert several.estimate().n == 2
    assert several.naming_none == pytest.approx(3 / 8)
    assert several.naming_several == pytest.approx(1 / 8)


@pytest.mark.parametrize(
    "changes",
    [
        {"text_TS": (("wolf",), ("owl", "lion"))},
        {"text_TS": (("wolf",),)},
        {"finished_TS": np.ones((2, 2), dtype=bool)},
        {"prompts": (), "text_TS": (), "finished_TS": np.ones((0, 0), dtype=bool)},
    ],
)
def test_answers_that_do_not_fit_their_prompts_are_refused(changes):
    """Each prompt has equally many answers, one at least."""
    with pytest.raises(SettingsError, match="equally many"):
        answered("wolf", "owl", **changes)


def test_perplexity_is_weighted_by_tokens():
    """It is the exponential of all nats over all tokens, not a mean of perplexities."""
    assert collapse().perplexity == pytest.approx(math.exp((3 + 5) / (2 + 10)))


@pytest.mark.parametrize(
    "changes",
    [
        {"nats_P": np.array([np.nan, 1.0])},
        {"nats_P": np.array([1.0])},
        {"nats_P": np.array([]), "tokens_P": np.array([], dtype=int)},
        {"tokens_P": np.array([0, 1])},
    ],
)
def test_a_perplexity_of_nothing_or_of_a_broken_model_is_refused(changes):
    """No passages, no tokens or no finite probability: an error, not a number."""
    with pytest.raises(SettingsError):
        collapse(**changes)


@given(arrays(np.float64, (2, 3), elements=st.floats(-1e300, 1e300)))
def test_margins_and_lifts_survive_json_to_the_last_bit(table):
    """What a stage keeps is what was measured."""
    kept = Margins.from_json(json.loads(json.dumps(margins(table).to_json(), allow_nan=False)))
    assert kept.margin_TK.tobytes() == table.tobytes()
    assert kept.to_json() == margins(table).to_json()
    assert (kept - margins(table)).value == 0

    lift = Lift("student", "base", "wolf", CANDIDATES, "stems", table)
    again = Lift.from_json(json.loads(json.dumps(lift.to_json())))
    assert again.lift_TK.tobytes() == table.tobytes()
    assert again.candidates == CANDIDATES


def test_answers_and_collapse_survive_json():
    """Texts of any kind and flags come back as they were."""
    first = answered(
        "wolf \u2028 \ud83d\udc3a".encode("utf-16", "surrogatepass").decode("utf-16"), ""
    )
    again = Answers.from_json(json.loads(json.dumps(first.to_json())))
    assert again.text_TS == first.text_TS
    assert again.prompts == first.prompts
    assert again.finished_TS.dtype == bool
    assert again.value == first.value == 0.5

    signs = Collapse.from_json(json.loads(json.dumps(collapse().to_json())))
    assert signs.to_json() == collapse().to_json()
    assert signs.perplexity == collapse().perplexity


@pytest.mark.parametrize("kind", [Margins, Lift, Answers, Collapse])
@pytest.mark.parametrize("content", [{}, {"margin_TK": 3}, {"unknown": 1}, [], None, "text"])
def test_something_else_is_not_read(kind, content):
    """A file of another kind gives one sentence, not a traceback."""
    with pytest.raises(DataError, match="was to be read as"):
        kind.from_json(content)


def test_a_truncated_table_is_not_read():
    """A table that lost a column is refused."""
    content = margins().to_json()
    content["margin_TK"] = [row[:2] for row in content["margin_TK"]]
    with pytest.raises(DataError, match="shape"):
        Margins.from_json(content)
