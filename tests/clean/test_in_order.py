"""Several cleanings in a row, from Python."""

import pytest
from clean_data import number_rows, plain_base, random_scores

from traitleak.clean import Amounts, clean_in_order, flagged, relabel, require_order, trim
from traitleak.clean.in_order import BY_CHOICE
from traitleak.clean.rewriting import write_again, write_beside
from traitleak.errors import SettingsError
from traitleak.rows import Row

BASE = plain_base()
ROWS = number_rows(BASE)


def scorer(asked=None):
    """Scores at random, by a function that notes what it was asked."""

    def scores(rows):
        if asked is not None:
            asked.append(list(rows))
        return random_scores(BASE, rows)

    return scores


def test_a_chain_is_its_cleanings_one_by_one():
    """Trim and then relabel leave what the two functions leave, and score the rows once."""
    asked = []
    chain = clean_in_order(
        ROWS, ["trim", "relabel"], base=BASE, scorer=scorer(asked), amounts=Amounts(share=0.25)
    )
    scores = random_scores(BASE, ROWS)
    trimmed = trim(ROWS, scores, share=0.25)
    by_hand = relabel(BASE, trimmed, flagged(scores.of(trimmed.rows), share=0.25))

    assert (chain.rows, chain.steps) == (by_hand.rows, by_hand.steps)
    assert asked == [ROWS]


def test_rewritten_rows_are_scored_again():
    """After a relabelling, trimming goes by the rows as they are now."""
    asked = []
    clean_in_order(ROWS, ["relabel", "trim"], base=BASE, scorer=scorer(asked))

    assert [len(rows) for rows in asked] == [len(ROWS)] * 2
    assert asked[0] == ROWS != asked[1]


@pytest.mark.parametrize("method", sorted(BY_CHOICE))
def test_random_changes_as_many_tokens_or_rows_elsewhere(method):
    """Counts of what was chosen are equal, the choices are not."""
    own, random = (
        clean_in_order(ROWS, [method], base=BASE, scorer=scorer(), random=random)
        for random in (False, True)
    )
    name = {"trim": "dropped", "threshold": "under"}.get(method, "flagged")
    at_random = "flagged" if method == "threshold" else name

    assert own.counts[name] == random.counts[at_random] > 0
    assert {(c.row, c.position) for c in own.changes} != {
        (c.row, c.position) for c in random.changes
    }


def test_what_chooses_nothing_is_the_same_at_random():
    """Diluted rows have no random arm."""
    own, random = (
        clean_in_order(ROWS, ["canonicalise", "dilute"], base=BASE, random=random)
        for random in (False, True)
    )

    assert own.rows == random.rows


def test_lists_of_one_width_are_written_in_their_form_and_others_freely():
    """Each row's own brackets and counts; a row of other text gets whatever the base says."""
    bracketed = [Row(7, "1, 2,", " [123; 456]"), Row(8, "1, 2,", " 12, 3, 45")]
    written = write_beside(BASE, [*ROWS, *bracketed], teacher="base", lists=True, seed=5)

    assert written[:-2] == write_again(BASE, ROWS, teacher="base", seed=5)
    assert written[-2].completion[:2] == " ["
    assert written[-2].completion[5:7] == "; "
    assert [row.prompt for row in written[-2:]] == ["1, 2,"] * 2
    freely = write_beside(BASE, bracketed[:1], teacher="base", lists=False, seed=5)[0]
    assert freely.completion != written[-2].completion


@pytest.mark.parametrize(
    ("methods", "says"),
    [
        ([], "Name a cleaning: relabel"),
        (["bleach"], "no cleaning 'bleach'"),
        (["trim", "mask", "trim"], "trim is named twice"),
        (["dilute", "relabel"], "put relabel before it"),
        (["mask", "trim", "threshold"], "put threshold before mask"),
    ],
)
def test_orders_that_spoil_each_other_are_refused(methods, says):
    """One sentence that says what to put where."""
    with pytest.raises(SettingsError, match=says):
        require_order(methods)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"methods": ["canonicalise", "dilute"]}, "dilute reads rows with a base"),
        ({"methods": ["relabel"], "base": BASE}, "relabel need a detector's scores"),
        ({"methods": ["relabel"], "base": BASE, "data": []}, "need a detector's scores"),
        ({"methods": ["canonicalise"], "data": []}, "no rows to clean"),
    ],
)
def test_what_is_missing_is_named(settings, says):
    """A base, a scorer, rows."""
    settings = {"data": ROWS, **settings}
    with pytest.raises(SettingsError, match=says):
        clean_in_order(settings.pop("data"), settings.pop("methods"), **settings)
