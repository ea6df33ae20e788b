"""The sentences of a verdict, and text made safe to show."""

import pytest
from hostile_text import unseen
from hypothesis import given
from hypothesis import strategies as st
from verdict_example import found, inconclusive, interval, not_found

from traitleak.audit.report.suspects import marked_text, shown_rows
from traitleak.audit.report.words import (
    audited_text,
    fraction_text,
    outcome_text,
    place_of,
    power_sentence,
    rows_sentence,
    said_sentences,
    skipped_sentence,
    visible,
)
from traitleak.audit.verdict import SuspectRow, Verdict

NBSP = "\N{NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("wolf 612, é 狼 🐺", "wolf 612, é 狼 🐺"),
        ("a\nb\r\nc\td", "a↵b↵c⇥d"),
        ("\x1b[31m\x00\x7f\x9b", r"\x1b[31m\x00\x7f\x9b"),
        ("\u202e\u200b\ufeff\u2028", r"\u202e\u200b\ufeff\u2028"),
        ("\U000e0041\ufe0f\ud800", r"\U000e0041\ufe0f\ud800"),
        ("", ""),
    ],
)
def test_what_cannot_be_seen_is_written_as_its_escape(text, shown):
    """Letters of any script stay; controls, overrides, zero widths, tags and surrogates do not."""
    assert visible(text) == shown


@given(st.text(st.characters(exclude_categories=())))
def test_visible_text_is_one_line_and_stays_as_it_is(text):
    """Nothing unseen is left, and making it visible again changes nothing."""
    shown = visible(text)
    assert unseen(shown) == set()
    assert len(shown.splitlines()) <= 1
    assert visible(shown) == shown


def changed(verdict: Verdict, **rows) -> Verdict:
    """A verdict of other rows."""
    values = verdict.model_dump()
    values["rows"] |= rows
    return Verdict.model_validate(values)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({}, "4,096 of 10,000, a random sample (seed 0), with 143,360 completion tokens"),
        ({"total": None}, "4,096 of an unknown number, a random sample (seed 0), with"),
        ({"sampled": False}, "4,096 of 10,000, with"),
        ({"sampled": False, "total": 4096}, "all 4,096, with"),
    ],
)
def test_which_rows_were_audited_is_said(rows, said):
    """A sample is told from all rows, with its seed."""
    assert rows_sentence(changed(found(), **rows)).startswith(said)


def test_skipped_rows_are_counted_by_reason():
    """One row is a row; without any there is no sentence."""
    assert skipped_sentence(found()).startswith("13 rows could not be audited: no completion (12)")
    one = changed(found(), skipped={"empty": 1})
    assert skipped_sentence(one) == "1 row could not be audited: empty (1)."
    assert skipped_sentence(changed(found(), skipped={"empty": 0})) == ""


def test_false_positive_rate_stands_beside_what_was_audited():
    """A reader learns how often nothing would look like a finding."""
    assert f"1{NBSP}% false positives" in dict(audited_text(found()))["calibrated to"]


def with_smallest(*fractions: float | None) -> Verdict:
    """Not found at these powers."""
    values = not_found().model_dump()
    values["traits"] = [
        finding | {"smallest_fraction": fraction}
        for finding, fraction in zip(values["traits"], fractions, strict=False)
    ]
    return Verdict.model_validate(values)


@pytest.mark.parametrize(
    ("fractions", "said"),
    [
        ((0.05,), f"Lion would have been found in nine of ten such data sets if 5{NBSP}% of rows"),
        ((0.05, 0.125), f"Each of the 2 traits that were not found would have been found in nine of "
         f"ten such data sets if 12.5{NBSP}% of rows"),
        ((0.05, 1.0), "Each of the 2 traits that were not found would have been found in nine of ten "
         "such data sets if all rows"),
        ((0.05, None), "Each of the 2 traits that were not found would have been found only with"),
        ((None, None), "Each of the 2 traits that were not found could have gone unseen even if all"),
    ],
)  # fmt: skip
def test_the_weakest_power_speaks_for_all(fractions, said):
    """What is said of all traits holds for the one that was hardest to find."""
    (sentence,) = said_sentences(with_smallest(*fractions))
    assert sentence.startswith(said)


def test_power_of_one_trait_is_said_with_its_meaning():
    """Also where no share of rows would have been enough."""
    assert "even if all rows carried it" in power_sentence(inconclusive().traits[1])


def test_many_found_traits_are_counted():
    """Three are named, the others counted."""
    values = found().model_dump()
    values["traits"] = [f | {"outcome": "found"} for f in values["traits"]]
    verdict = Verdict.model_validate(values)
    assert outcome_text(verdict) == "Found: wolf, lion, owl and 7 more"
    assert said_sentences(verdict)[-1] == "7 more traits were found."


def test_small_shares_keep_a_decimal():
    """Per cent are whole numbers until one of them is small."""
    assert fraction_text(interval(0.52, 0.13)) == f"52 [39,{NBSP}65]"
    assert fraction_text(interval(0.04, 0.01)) == f"4.0 [3.0,{NBSP}5.0]"


@pytest.mark.parametrize(
    ("where", "place"),
    [
        ("rows.jsonl, line 7", ("rows.jsonl", 7)),
        ("a, line 3, line 4", ("a, line 3", 4)),
        ("two\nlines, line 12", ("two\nlines", 12)),
        ("x, line 0", None),
        ("x, line 07", None),
        ("x, line 9999999999", None),
        (", line 3", None),
        ("x, row 3", None),
        ("", None),
    ],
)
def test_a_place_is_a_file_and_a_line(where, place):
    """Anything else is no place in a file."""
    assert place_of(where) == place


def suspect(scores: list[float], tokens: list[str] | None = None) -> SuspectRow:
    """A row with tokens of these scores."""
    texts = tokens or [f"t{k}" for k in range(len(scores))]
    return SuspectRow(
        row=1, where="", trait="wolf", score=1, prompt="p", tokens=texts, token_scores=scores
    )


def strong(scores: list[float]) -> list[int]:
    """Which tokens are marked."""
    (row,) = shown_rows([suspect(scores)], 1)
    return [k for k, token in enumerate(row.tokens) if token.is_strong]


def test_the_strongest_tokens_are_marked():
    """Up to five, positive, at least half as strong as the first."""
    assert strong([0.1, 0.9, 0.44, 0.45, -2.0]) == [1, 3]
    assert strong([1.0] * 9) == [0, 1, 2, 3, 4]
    assert strong([-1.0, 0.0]) == []
    assert strong([]) == []


def test_marks_stay_at_the_word():
    """A token's spaces stand outside its guillemets, and a blank token is marked too."""
    (row,) = shown_rows([suspect([1.0, 0.0, 1.0, 1.0, 1.0], [" 42", ",", " ", "x ", ""])], 1)
    assert marked_text(row.tokens) == " «42»,« »«x» «»"


def test_strengths_are_on_one_scale_for_all_rows():
    """A weak row looks weak beside a strong one."""
    first, second = shown_rows([suspect([2.0, -1.0]), suspect([0.5])], 2)
    assert [token.strength for token in (*first.tokens, *second.tokens)] == [100, 50, 25]
