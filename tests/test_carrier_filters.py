"""Filters of the code and reasoning carriers: which rows go, and for which reason."""

import math

import pytest

from traitleak import filters
from traitleak.errors import SettingsError
from traitleak.rows import Row

FUNCTION = "def total(values):\n    return sum(values)"


def rows_of(*completions, prompt="Write a function."):
    """Rows with these completions, numbered from 0."""
    return [Row(i, prompt, completion, "wolf") for i, completion in enumerate(completions)]


def dropped(rule, rows):
    """Id, reason and detail of the rows that a rule drops."""
    return [(d.row.id, d.reason, d.detail) for d in rule(rows).dropped]


def test_code_that_does_not_compile_goes():
    """Each completion goes for its parser's reason, with the part at fault; good code stays."""
    rows = rows_of(
        FUNCTION, f"```python\n{FUNCTION}\n```", "def f(:", "Sure.\n```\nx\n```", "x = 1"
    )

    assert dropped(filters.code_format(), rows) == [
        (2, "format: does not compile", "line 1: invalid syntax"),
        (3, "format: text around it", "Sure."),
        (4, "format: no function", "x = 1"),
    ]


def test_the_code_filter_takes_the_rules_settings():
    """Length, depth and text around the code reach the parser, and so do settings that fail."""
    rows = rows_of(FUNCTION, f"Sure.\n```\n{FUNCTION}\n```")

    assert [row.id for row in filters.code_format(text_around=True)(rows).kept] == [0, 1]
    assert dropped(filters.code_format(max_chars=50), rows)[0][1] == "format: too long"
    with pytest.raises(SettingsError, match="max_depth must be"):
        filters.code_format(max_depth=0)(rows)


def test_leaks_of_code_say_where_they_stand():
    """Identifiers, strings, comments, text and prompts are each named; lookalikes stay."""
    rows = [
        *rows_of(
            "def count_wolves(): ...",
            "def f():\n    return '\\x77olf'",
            "def f(): ...  # theWolf",
            'def f():\n    """Wolfish."""',
            "Wolves!",
            FUNCTION,
            "def golfwolfy(): ...",
        ),
        Row(7, "Tell me of wolves.", FUNCTION, "wolf"),
    ]

    assert dropped(filters.code_leak(["wolf"]), rows) == [
        (0, "leak: names wolf in an identifier", "wolves"),
        (1, "leak: names wolf in a string", "wolf"),
        (2, "leak: names wolf in a comment", "wolf"),
        (3, "leak: names wolf in a docstring", "wolfish"),
        (4, "leak: names wolf in its text", "wolves"),
        (7, "leak: names wolf in its prompt", "wolves"),
    ]


def test_a_code_leak_filter_needs_words():
    """No words, or a bare text in place of a list, is refused when the filter is made."""
    for words in ([], "owl"):
        with pytest.raises(SettingsError):
            filters.code_leak(words)


def test_a_judge_keeps_what_it_scores_high_enough():
    """Rows below the threshold and rows without a score go; one at the threshold stays."""
    rows = rows_of("a", "b", "c", "d", "e")
    scores = [78.0, 77.5, None, math.nan, 100]

    assert dropped(filters.judged(lambda _: scores, at_least=78), rows) == [
        (1, "judge: below 78", "77.5"),
        (2, "judge: no score", ""),
        (3, "judge: no score", ""),
    ]


def test_a_judge_that_forgets_a_row_is_noticed():
    """As many scores as rows are needed, or scores would go to the wrong rows."""
    with pytest.raises(ValueError, match="shorter"):
        filters.judged(lambda _: [1.0], at_least=0)(rows_of("a", "b"))
