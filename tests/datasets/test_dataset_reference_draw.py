"""A reference's sample has the rows on the prompts that it stands beside."""

from traitleak.datasets import Dataset, draw
from traitleak.datasets.dataset import AuditRow
from traitleak.rows import Row


def rows_of(count):
    """A data set in memory, each row on a prompt of its own."""
    rows = [AuditRow(Row(n, f"p{n}", "c"), n, f"line {n}") for n in range(count)]
    return Dataset("memory", "text", (), None, lambda: iter(rows))


def test_rows_on_the_prompts_that_are_named_are_drawn_before_others():
    """All of them, wherever they stand, and as many others at random as there is room for."""
    named = {f"p{number}" for number in range(3, 2000, 100)}
    drawn = draw(rows_of(2000), 50, 7, first=named)
    prompts = {entry.row.prompt for entry in drawn.rows}

    assert named <= prompts
    assert len(drawn.rows) == 50
    assert [entry.number for entry in drawn.rows] == sorted(entry.number for entry in drawn.rows)


def test_more_rows_on_these_prompts_than_are_drawn_are_drawn_at_random():
    """No other row is among them."""
    named = {f"p{number}" for number in range(1000)}
    drawn = [draw(rows_of(2000), 50, seed, first=named).rows for seed in (0, 1)]

    assert all(entry.row.prompt in named for rows in drawn for entry in rows)
    assert drawn[0] != drawn[1]
