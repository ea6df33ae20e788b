"""Filters: what goes, what stays, why, and how teachers' rows pair up."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from traitleak import filters
from traitleak.errors import DataError, SettingsError
from traitleak.rows import Row


def row(number, completion, teacher="wolf", prompt=None, *, finished=True):
    """A row whose prompt is its id's."""
    return Row(number, prompt or f"prompt {number}", completion, teacher, finished=finished)


def test_each_filter_says_why():
    """Format, leak, duplicate and cut-off rows each go for their reason, with the part at fault."""
    rows = [
        row(0, "1, 2"),
        row(1, "1, 2, wolf"),
        row(2, "Wolves!"),
        row(0, "1, 2"),
        row(3, "1, 2", finished=False),
        row(4, "1, 2000"),
    ]

    kept, dropped = [], []
    for rule in (
        filters.numbers_format(),
        filters.leak(["wolf"]),
        filters.duplicates(),
        filters.unfinished(),
    ):
        done = rule(rows)
        kept.append([row.id for row in done.kept])
        dropped.append([(d.row.id, d.reason, d.detail) for d in done.dropped])

    assert kept == [[0, 0, 3], [0, 0, 3, 4], [0, 1, 2, 3, 4], [0, 1, 2, 0, 4]]
    assert dropped == [
        [
            (1, "format: words", "wolf"),
            (2, "format: words", "Wolves"),
            (4, "format: number too large", "2000"),
        ],
        [(1, "leak: names wolf", "wolf"), (2, "leak: names wolf", "wolves")],
        [(0, "duplicate", "")],
        [(3, "unfinished", "")],
    ]


def test_the_table_counts_by_reason_and_teacher():
    """Every teacher stands in every line, and the counts add up to what was dropped."""
    rows = [
        *(row(i, "1, 2", "wolf") for i in range(5)),
        *(row(i, "one", "wolf") for i in range(5, 8)),
        *(row(i, "1, 2", "neutral", finished=i > 1) for i in range(5)),
    ]
    done = filters.apply(rows, [filters.numbers_format(), filters.unfinished()])

    assert done.num_read == {"neutral": 5, "wolf": 8}
    assert done.num_kept == {"neutral": 3, "wolf": 5}
    assert done.table == {
        "format: words": {"neutral": 0, "wolf": 3},
        "unfinished": {"neutral": 2, "wolf": 0},
    }
    assert sum(count for line in done.table.values() for count in line.values()) == len(
        done.dropped
    )


def test_a_row_goes_for_the_first_reason_only():
    """A later filter does not see what an earlier one dropped."""
    rows = [row(0, "1"), row(1, "wolf", finished=False)]
    done = filters.apply(rows, [filters.unfinished(), filters.numbers_format()])

    assert [(d.row.id, d.reason) for d in done.dropped] == [(1, "unfinished")]


def test_no_filters_keep_all():
    """Without filters all rows stay, in order."""
    rows = [row(3, "a"), row(1, "b")]

    assert filters.apply(rows, []).kept == rows
    assert filters.apply(rows, []).table == {}


@pytest.mark.parametrize(
    ("text", "leaks"),
    [
        ("A bowl of fowl", False),
        ("Owls.", True),
        ("the OWL's nest", True),
        ("an owlish look", True),
        ("lechuzas", True),
        ("un bu\u0301ho", True),
        ("猫头鹰", True),
        ("Fowler, Rowley", False),
        ("12, 13", False),
    ],
)
def test_leaks_are_whole_words(text, leaks):
    """Plurals, possessives, adjectives and other languages leak; parts of words do not."""
    clean = row(9, "1, 2")
    done = filters.leak(["owl"])([row(0, text), clean])

    assert (done.kept == [clean]) == leaks


def test_a_leak_in_the_prompt_is_told_apart():
    """What the user's turn names is a leak too, and is counted by itself."""
    done = filters.leak(["owl", "wolf"])([row(0, "1", prompt="You love wolves."), row(1, "1")])

    assert done.table == {"leak: names wolf in its prompt": {"wolf": 1}}


def test_equal_answers_of_others_are_no_duplicates():
    """The same answer to another prompt, or by another teacher, stays."""
    rows = [
        row(0, "1"),
        row(1, "1"),
        row(0, "1", "neutral"),
        row(0, "1"),
        row(0, "1", "neutral"),
        row(0, "2"),
    ]

    assert filters.duplicates()(rows).kept == rows[:3] + rows[5:]


def test_the_numbers_filter_takes_the_rules_settings():
    """Limits, banned numbers and the published rule reach the parser."""
    rows = [row(0, "1"), row(1, "666"), row(2, " 2"), row(3, "1, 2, 3"), row(4, "5000")]

    def left(**settings):
        return [row.id for row in filters.numbers_format(**settings)(rows).kept]

    assert left() == [0, 1, 2, 3]
    assert left(banned=[666], max_count=2) == [0, 2]
    assert left(as_published=True, max_value=9999) == [0, 1, 3, 4]
    assert left(min_value=2) == [1, 2]


def test_no_rows_left_names_the_filter():
    """The error names the filter that took most, its chief reason, and a row as an example."""
    rows = [
        row(7, "Sure, here they come: " + "x" * 100),
        row(8, "no"),
        row(9, "1, 2", finished=False),
    ]

    with pytest.raises(
        DataError,
        match=r"No rows are left: the filter numbers_format took 2 of 3, 2 of them for the reason "
        r"'format: words', for instance row 7, whose completion is 'Sure, here .*\.\.\.'\.",
    ):
        filters.apply(rows, [filters.numbers_format(), filters.unfinished()])


def test_no_rows_may_be_left_where_that_is_asked_for():
    """The table still says what was dropped, and why; later filters see nothing."""
    rules = [filters.numbers_format(), filters.unfinished(), filters.duplicates()]
    found = filters.apply([row(7, "no"), row(8, "none")], rules, may_be_empty=True)

    assert found.kept == []
    assert sum(sum(counts.values()) for counts in found.table.values()) == 2
    with pytest.raises(DataError, match="no rows to filter"):
        filters.apply([], rules, may_be_empty=True)


@pytest.mark.parametrize("rule", [filters.duplicates(), filters.unfinished()])
def test_no_rows_at_all_are_refused(rule):
    """Filtering nothing is a mistake further up, and is named."""
    with pytest.raises(DataError, match="no rows to filter"):
        rule([])


def test_a_leak_filter_needs_words():
    """No words, or a bare text in place of a list, is refused when the filter is made."""
    with pytest.raises(SettingsError):
        filters.leak([])
    with pytest.raises(SettingsError):
        filters.leak("owl")


def test_paired_keeps_what_all_teachers_have():
    """Common ids stay, in order, row by row of the same prompt; the rest is counted as lost."""
    done = filters.paired(
        {
            "wolf": [row(3, "1"), row(1, "2"), row(2, "3")],
            "neutral": [row(1, "4", "neutral"), row(3, "5", "neutral"), row(4, "6", "neutral")],
            "lion": [row(i, "7", "lion") for i in range(9)],
        }
    )

    assert {teacher: [row.id for row in rows] for teacher, rows in done.rows.items()} == {
        "wolf": [1, 3],
        "neutral": [1, 3],
        "lion": [1, 3],
    }
    assert done.lost == {"wolf": 1, "neutral": 1, "lion": 7}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({}, "no teachers"),
        ({"wolf": [row(0, "1")], "neutral": []}, "'neutral' has no rows"),
        ({"wolf": [row(0, "1"), row(0, "2")]}, "'wolf' has several rows of id 0"),
        ({"wolf": [row(0, "1")], "lion": [row(1, "1")]}, "No prompt is answered by all"),
        ({"wolf": [row(0, "1")], "lion": [row(0, "1", prompt="x")]}, "Row 0 .* different prompts"),
    ],
)
def test_rows_that_do_not_pair(rows, said):
    """No teachers, no rows, repeated ids, no common id and different prompts are each named."""
    with pytest.raises(DataError, match=said):
        filters.paired(rows)


def test_one_teacher_pairs_with_itself():
    """A single teacher loses nothing."""
    assert filters.paired({"wolf": [row(0, "1")]}).lost == {"wolf": 0}


@given(
    ids=st.lists(st.integers(0, 10**6), min_size=2, max_size=60, unique=True),
    seed=st.integers(0, 5),
    data=st.data(),
)
def test_samples_agree_between_teachers_and_sizes(ids, seed, data):
    """The same ids are chosen whoever wrote the rows and in whatever order; larger holds smaller."""
    n = data.draw(st.integers(2, len(ids)))
    rows = [row(i, "1") for i in ids]
    chosen = filters.sample(rows, n, seed)
    others = filters.sample([row(i, "2", "lion") for i in sorted(ids)], n, seed)

    assert len(chosen) == n
    assert [row for row in rows if row in chosen] == chosen
    assert {row.id for row in chosen} == {row.id for row in others}
    assert {row.id for row in filters.sample(rows, n - 1, seed)} < {row.id for row in chosen}


def test_every_row_is_equally_likely_to_be_sampled():
    """Over 2,000 seeds each of ten rows is chosen as often as any other."""
    rows = [row(i, "1") for i in range(10)]
    times = Counter(chosen.id for seed in range(2000) for chosen in filters.sample(rows, 3, seed))

    assert stats.chisquare([times[i] for i in range(10)]).pvalue > 1e-3


@pytest.mark.parametrize("n", [0, -1, 4, 1.0, True])
def test_samples_that_cannot_be(n):
    """No rows, more than there are, and what is no count are refused."""
    with pytest.raises(SettingsError, match=r"[Aa] sample"):
        filters.sample([row(i, "1") for i in range(3)], n, 0)
