"""Cleanings of whole rows: trim, dilute, canonicalise; and that one follows on another."""

from dataclasses import replace

import numpy as np
import pytest
from clean_data import number_rows, plain_base, random_scores
from hypothesis import given, settings
from hypothesis import strategies as st

from traitleak.carriers.number_wordings import FORMS, ListForm
from traitleak.clean.canonicalise import canonicalise
from traitleak.clean.dilute import dilute
from traitleak.clean.mask import mask
from traitleak.clean.relabel import relabel
from traitleak.clean.rewriting import write_again
from traitleak.clean.token_scores import flagged, row_scores
from traitleak.clean.trim import trim
from traitleak.errors import SettingsError
from traitleak.rows import Row
from traitleak.student import token_examples

BASE = plain_base()
ROWS = number_rows(BASE)
NEUTRAL = number_rows(BASE, "neutral", seed=8)
SCORES = random_scores(BASE, ROWS)

# -- trim ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [{"share": 0.25}, {"count": 6}])
def test_the_rows_with_the_highest_scores_go(how):
    """A quarter is gone, each with a higher mean than any that stays; the order is kept."""
    cleaned = trim(ROWS, SCORES, **how)
    means = row_scores(SCORES)
    kept = [row.id for row in cleaned.rows]
    gone = [change.row for change in cleaned.changes]

    assert (len(kept), len(gone)) == (18, 6)
    assert kept == sorted(kept)
    assert min(means[gone]) > max(means[kept])
    assert cleaned.counts == {"dropped": 6, "left": 18}
    assert cleaned.changes[0].before == ROWS[gone[0]].completion


def test_ties_between_rows_are_broken_by_the_seed():
    """Equal scores: another seed drops other rows."""
    even = replace(SCORES, scores=tuple(np.zeros_like(some) for some in SCORES.scores))
    kept = [[row.id for row in trim(ROWS, even, count=8, seed=seed).rows] for seed in (0, 0, 1)]

    assert kept[0] == kept[1] != kept[2]


@pytest.mark.parametrize(
    "how",
    [{}, {"share": 0.1, "count": 2}, {"share": 1.0}, {"share": -0.5}, {"count": 24}, {"count": -1}],
)
def test_trims_that_cannot_be(how):
    """Neither or both of share and count, and those that leave nothing, are refused."""
    with pytest.raises(SettingsError):
        trim(ROWS, SCORES, **how)


# -- dilute -------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(ratio=st.floats(0.05, 1), seed=st.integers(0, 1000))
def test_neutral_rows_stand_beside(ratio, seed):
    """The rows as they were, then so many neutral rows of their prompts, each once."""
    cleaned = dilute(ROWS, NEUTRAL[::-1], ratio=ratio, seed=seed)
    added = cleaned.rows[len(ROWS) :]

    assert list(cleaned.rows[: len(ROWS)]) == ROWS
    assert len(added) == round(ratio * len(ROWS)) == cleaned.counts["added"]
    assert set(added) <= set(NEUTRAL)
    assert len(set(added)) == len(added)


def test_the_base_writes_what_it_is_diluted_with():
    """A function that writes rows is asked for the chosen prompts alone."""
    asked = []

    def writes(rows):
        asked.extend(rows)
        return write_again(BASE, rows, teacher="neutral", seed=8)

    cleaned = dilute(ROWS, writes, ratio=0.5)

    assert len(asked) == 12
    assert list(cleaned.rows[24:]) == [NEUTRAL[row.id] for row in asked]


@pytest.mark.parametrize(
    ("neutral", "says"),
    [
        (NEUTRAL[:-1], "neutral row 23 is missing"),
        ([*NEUTRAL[:-1], replace(NEUTRAL[-1], prompt="1,")], "neutral row 23 is of another prompt"),
        (lambda rows: rows[1:], "one for each row"),
    ],
)
def test_neutral_rows_of_other_prompts_are_refused(neutral, says):
    """A missing row and one of another prompt are told apart."""
    with pytest.raises(SettingsError, match=says):
        dilute(ROWS, neutral)


@pytest.mark.parametrize("ratio", [0, -1, 1.5, float("nan")])
def test_ratios_that_cannot_be(ratio):
    """A ratio is greater than 0 and at most 1."""
    with pytest.raises(SettingsError, match="ratio"):
        dilute(ROWS, NEUTRAL, ratio=ratio)


# -- canonicalise -------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(
    numbers=st.lists(st.integers(0, 10**30), min_size=1, max_size=40),
    form=st.sampled_from(FORMS),
    blank=st.sampled_from(["", " ", "\n"]),
    stop=st.sampled_from(["", "."]),
)
def test_lists_of_any_form_become_one(numbers, form, blank, stop):
    """Numbers, and nothing else, decide what is written."""
    row = Row(0, "1,", f"{blank}{form.write(numbers)}{stop}")
    (new,) = canonicalise([row], opening=" ").rows

    assert new.completion == " " + ", ".join(map(str, numbers))


def test_zeros_before_a_number_are_a_format_too():
    """007 is written as 7."""
    assert canonicalise([Row(0, "1", "007; 010")]).rows[0].completion == "7, 10"


def test_other_rows_stay():
    """Text is no list: it is counted and left alone."""
    rows = [Row(0, "a", "The wolf."), Row(1, "b", "1;2")]
    cleaned = canonicalise(rows)

    assert [row.completion for row in cleaned.rows] == ["The wolf.", "1, 2"]
    assert cleaned.counts == {"lists": 1, "rewritten": 1, "other": 1}
    assert [(change.row, change.before, change.after) for change in cleaned.changes] == [
        (1, "1;2", "1, 2")
    ]


def test_ordered_and_remapped():
    """Sorted values; and digits by one permutation that keeps 0 and every number's length."""
    rows = [Row(0, "a", "30, 1, 205"), Row(1, "b", "123456789")]
    assert canonicalise(rows, ordered=True).rows[0].completion == "1, 30, 205"

    first, second = (row.completion for row in canonicalise(rows, remap=3).rows)
    to = dict(zip("123456789", second, strict=True)) | {"0": "0"}
    assert sorted(second) == list("123456789")
    assert second != "123456789"
    assert first == "".join(to.get(character, character) for character in "30, 1, 205")


def test_lists_begin_as_most_of_them_do():
    """Without an opening, the commonest blanks before a list are taken."""
    rows = [Row(0, "a", " 1,2"), Row(1, "b", " 3,4"), Row(2, "c", "5,6")]
    found = canonicalise(rows, form=ListForm("x", ";"))
    assert [row.completion for row in found.rows] == [" 1;2", " 3;4", " 5;6"]


def test_canonical_lists_stay_as_they_are():
    """A second time changes nothing."""
    once = canonicalise(ROWS)
    twice = canonicalise(once)

    assert once.rows == twice.rows
    assert twice.counts["rewritten"] == 0


@pytest.mark.parametrize("how", [{"opening": "x"}, {"remap": -1}])
def test_canonical_forms_that_cannot_be(how):
    """An opening is made of blanks, a seed is not negative."""
    with pytest.raises(SettingsError):
        canonicalise(ROWS, **how)


# -- one after another --------------------------------------------------------------------------


def test_cleanings_follow_on_each_other():
    """Trim, then mask, then relabel, then dilute: weights and rows fit to the end."""
    trimmed = trim(ROWS, SCORES, share=0.5)
    flags = flagged(SCORES.of(trimmed.rows), share=0.2)
    masked = mask(BASE, trimmed, flags)
    others = [~flag & (np.arange(len(flag)) > 12) for flag in flags]
    whole = dilute(relabel(BASE, masked, others), NEUTRAL, ratio=0.5)

    assert whole.method == "trim+mask+relabel+dilute"
    assert len(whole.rows) == len(whole.weights) == 18
    assert whole.weights[12:] == (None,) * 6
    assert len(token_examples(BASE, whole.rows, whole.weights)) == 18
    assert len(whole.changes) == sum(len(step.changes) for step in whole.steps)
    assert whole.source == trimmed.source


def test_masked_rows_are_not_rewritten():
    """Weights and scores are of a text: what would change it, or has, is refused."""
    masked = mask(BASE, ROWS, flagged(SCORES))
    with pytest.raises(SettingsError, match="before masking"):
        canonicalise(masked)
    with pytest.raises(SettingsError, match="not the text that was scored"):
        trim(relabel(BASE, ROWS, flagged(SCORES)), SCORES, share=0.1)
