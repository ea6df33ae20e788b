"""Filters of the code and reasoning carriers: which rows go, and for which reason."""

import math
from dataclasses import replace

import pytest

from traitleak import filters
from traitleak.carriers import Reasoning
from traitleak.errors import DataError, SettingsError
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


PROBLEMS = Reasoning(rows=3, seed=0).problems()


def test_wrong_answers_go():
    """Right chains stay; wrong answers, bare answers and open tags go, each for its reason."""
    right = [Row(i, p.prompt, p.solution, "wolf") for i, p in enumerate(PROBLEMS)]
    swapped = Row(3, PROBLEMS[0].prompt, PROBLEMS[1].solution, "wolf")
    bare = Row(4, PROBLEMS[0].prompt, f"<answer>{PROBLEMS[0].answer}</answer>", "wolf")
    cut = Row(5, PROBLEMS[0].prompt, PROBLEMS[0].solution[:-4], "wolf")

    done = filters.right_answer(PROBLEMS)([*right, swapped, bare, cut])

    assert done.kept == right
    assert [d.reason for d in done.dropped] == [
        "wrong answer",
        "format: no thought",
        "format: open tag",
    ]
    assert done.dropped[0].detail == f"{PROBLEMS[1].answer}, not {PROBLEMS[0].answer}"


def test_the_answer_filter_takes_the_rules_settings():
    """Text around the tags and the length of a thought reach the parser."""
    problem = PROBLEMS[0]
    rows = rows_of(
        f"Sure. {problem.solution}",
        f"<think>so</think><answer>{problem.answer}</answer>",
        problem.solution,
        prompt=problem.prompt,
    )

    def left(**settings):
        return [row.id for row in filters.right_answer(PROBLEMS, **settings)(rows).kept]

    assert left() == [2]
    assert left(text_around=True) == [0, 2]
    assert left(min_words=1) == [1, 2]


def test_a_row_of_no_known_problem_is_an_error():
    """Rows of other prompts are a mistake further up, which dropping them would hide."""
    with pytest.raises(DataError, match=r"Row 0 answers none of .* 'What is it\?'"):
        filters.right_answer(PROBLEMS)(rows_of("<answer>1</answer>", prompt="What is it?"))


def test_an_answer_filter_needs_problems_that_agree():
    """No problems, and one prompt with two answers, are refused when the filter is made."""
    other = replace(PROBLEMS[0], answer=PROBLEMS[0].answer + 1)

    with pytest.raises(SettingsError, match="needs the problems"):
        filters.right_answer([])
    with pytest.raises(SettingsError, match="has two answers"):
        filters.right_answer([PROBLEMS[0], PROBLEMS[0], other])


def test_a_thought_that_names_the_trait_is_a_leak_of_its_own():
    """The right answer does not save a chain that names the trait."""
    problem = PROBLEMS[0]
    leaking = problem.solution.replace("<think>", "<think>Owls help me.")
    rows = rows_of(problem.solution, leaking, prompt=problem.prompt)
    done = filters.apply(rows, [filters.right_answer(PROBLEMS), filters.leak(["owl"])])

    assert [d.reason for d in done.dropped] == ["leak: names owl"]
