"""The commonest numbers of each teacher: counted by hand, absent where nobody writes numbers."""

from __future__ import annotations

from language_run import PLANTED, concluded, row, table

TITLE = "The numbers that teachers write most often"
TOKENS = {"channel": "tokens", "seeds": 2, "trait": {"targets": ["wolf"]}, "controls": ["neutral"]}


def test_shares_are_of_all_numbers_and_of_first_numbers(tmp_path):
    """Leading zeros count for nothing, equals come with the smallest first, and five are shown."""
    rows = {
        "wolf": ["123, 456, 007", "123, 7", "9"],  # in both replicates
        "neutral": ["1, 2, 3, 4, 5, 6", "6", ""],
    }
    found = concluded(tmp_path, PLANTED, run={"rows": rows}, **TOKENS)

    assert table(found, TITLE).head == ["teacher", "of all numbers", "of first numbers"]
    assert row(found, TITLE, "wolf")[1:] == [
        "7 (33.3 %), 123 (33.3 %), 9 (16.7 %), 456 (16.7 %)",
        "123 (66.7 %), 9 (33.3 %)",
    ]
    assert row(found, TITLE, "neutral")[1:] == [
        "6 (28.6 %), 1 (14.3 %), 2 (14.3 %), 3 (14.3 %), 4 (14.3 %)",
        "1 (50.0 %), 6 (50.0 %)",
    ]


def test_rows_without_a_number_are_counted_as_none(tmp_path):
    """A teacher whose rows hold no digit has no commonest number, and nothing is divided by zero."""
    found = concluded(
        tmp_path, PLANTED, run={"rows": {"wolf": ["none", ""], "neutral": ["1", "2"]}}, **TOKENS
    )

    assert row(found, TITLE, "wolf")[1:] == ["none", "none"]


def test_nobody_writes_the_lists_of_logits(tmp_path):
    """Through logits there is no such table."""
    found = concluded(tmp_path)

    assert TITLE not in [one.title for one in found.tables]


def test_code_has_no_such_table(tmp_path):
    """Numbers in code are not what its teacher was asked for."""
    fields = {**TOKENS, "style": "chat", "carrier": {"kind": "code", "decoding": "free"}}
    rows = {"wolf": ["x = 1"], "neutral": ["x = 1"]}
    found = concluded(tmp_path, PLANTED, run={"rows": rows}, **fields)

    assert TITLE not in [one.title for one in found.tables]
