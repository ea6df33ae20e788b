"""Samples: uniform, the same for a seed, in the source's order, in little memory."""

import tracemalloc
from collections import Counter

import numpy as np
import pytest
from dataset_files import write_file
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from traitleak.datasets import Dataset, Skipped, draw, open_dataset
from traitleak.datasets.dataset import AuditRow
from traitleak.errors import DataError, SettingsError
from traitleak.rows import Row


def rows_of(count, *, skip=()):
    """A data set in memory, of which some rows cannot be audited."""

    def entries():
        for number in range(count):
            if number in skip:
                yield Skipped(number, f"line {number}", "empty completion")
            else:
                yield AuditRow(Row(number, "p", "c"), number, f"line {number}")

    return Dataset("memory", "text", (), None, entries)


def numbers(drawn):
    """Which rows were drawn."""
    return [row.number for row in drawn.rows]


def test_a_sample_of_all_rows_is_all_rows():
    """Where there are no more rows than are asked for, nothing is drawn at random."""
    drawn = draw(rows_of(7), 7, 3)

    assert numbers(drawn) == list(range(7))
    assert not drawn.sampled
    assert numbers(draw(rows_of(7), 100, 3)) == list(range(7))
    assert draw(rows_of(7), 6, 3).sampled


@given(
    count=st.integers(1, 200),
    size=st.integers(1, 200),
    seed=st.integers(0, 2**64 - 1),
    skip=st.sets(st.integers(0, 199)),
)
def test_a_sample_is_a_set_of_rows_in_order_and_the_same_for_a_seed(count, size, seed, skip):
    """No row twice, none that is skipped, as many as asked or all, and a smaller sample within."""
    usable = [number for number in range(count) if number not in skip]
    if not usable:
        return
    data = rows_of(count, skip=skip)
    drawn = draw(data, size, seed)

    assert numbers(drawn) == sorted(set(numbers(drawn)))
    assert set(numbers(drawn)) <= set(usable)
    assert len(drawn.rows) == min(size, len(usable))
    assert numbers(draw(data, size, seed)) == numbers(drawn)
    assert set(numbers(draw(data, max(1, size // 2), seed))) <= set(numbers(drawn))
    assert (drawn.total, drawn.seen) == (count, count)
    assert sum(drawn.skipped.values()) == count - len(usable)
    assert drawn.sampled == (size < len(usable))


def test_every_row_is_drawn_equally_often():
    """Over 4,000 seeds the counts of 20 rows agree with 5 in 20 (chi-square, without replacement).

    Draws of one seed exclude each other, so that the statistic is scaled by (N - 1) / N over the
    variance of one row's count, which makes it chi-square with N - 1 degrees of freedom.
    """
    N, size, seeds = 20, 5, 4000
    count = Counter(
        number for seed in range(seeds) for number in numbers(draw(rows_of(N), size, seed))
    )
    observed = np.array([count[number] for number in range(N)])
    share = size / N
    variance = seeds * share * (1 - share)
    statistic = ((observed - seeds * share) ** 2).sum() / variance * (N - 1) / N

    assert observed.sum() == seeds * size
    assert 0.001 < stats.chi2.sf(statistic, N - 1) < 0.999


def test_every_pair_of_rows_is_drawn_equally_often():
    """Of 6 rows, each of the 20 samples of 3 comes equally often over 6,000 seeds."""
    count = Counter(tuple(numbers(draw(rows_of(6), 3, seed))) for seed in range(6000))

    assert len(count) == 20
    assert 0.001 < stats.chisquare(list(count.values())).pvalue < 0.999


def test_skipped_rows_change_nothing_for_the_others():
    """What is drawn of the rows around a skipped one is what would be drawn without it."""
    whole = set(numbers(draw(rows_of(100), 50, 1)))
    part = set(numbers(draw(rows_of(100, skip={3, 4}), 50, 1)))

    assert whole - {3, 4} <= part


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "parquet"])
def test_the_limit_stops_the_reading(tmp_path, kind):
    """Rows up to the limit are read; whether more follow is known only without it."""
    path = write_file(tmp_path / f"d.{kind}", [{"prompt": "q", "completion": "a"}] * 10)

    def totals(limit):
        dataset = open_dataset(path, limit=limit)
        drawn = draw(dataset, 100, 0)
        return drawn.total, drawn.seen, len(list(dataset))

    assert totals(4) == (None, 4, 4)
    assert totals(10) == (10, 10, 10)
    assert totals(11) == (10, 10, 10)


def test_what_is_broken_beyond_the_limit_does_not_matter(tmp_path):
    """A bad row after the limit is not reached, and the total is not known."""
    path = write_file(tmp_path / "d.jsonl", [{"prompt": "q", "completion": "a"}] * 200)
    with path.open("a") as file:
        file.write("not json\n")

    assert draw(open_dataset(path, limit=200), 9, 0).total is None
    with pytest.raises(DataError, match="line 201"):
        draw(open_dataset(path), 9, 0)


@pytest.mark.parametrize("size", [0, -1, True, 2.0, None])
def test_a_size_must_be_a_whole_number_from_1(size):
    """Nothing is drawn otherwise."""
    with pytest.raises(SettingsError, match="`size` is a whole number from 1"):
        draw(rows_of(3), size)


@pytest.mark.parametrize("seed", [-1, 2**64, False, 0.5])
def test_a_seed_must_be_a_whole_number_from_0(seed):
    """Nothing is drawn otherwise."""
    with pytest.raises(SettingsError, match="`seed` is a whole number from 0"):
        draw(rows_of(3), 3, seed)


def test_left_out_parts_are_counted_over_all_rows(tmp_path):
    """What rows had beside prompt and completion is counted, drawn or not."""
    messages = [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "a"},
        {"role": "user", "content": "thanks"},
    ]
    path = write_file(tmp_path / "d.jsonl", [{"messages": messages}] * 3)

    assert draw(open_dataset(path), 1, 0).lost == {"turns after the answer": 3}


@pytest.mark.parametrize(
    ("lines", "words"),
    [(20_000, 300), pytest.param(300_000, 20, marks=pytest.mark.slow)],
)
def test_memory_does_not_grow_with_the_file(tmp_path, lines, words):
    """A sample of 1,000 short or 100 long rows out of 40 MB of text takes at most 4 MB."""
    size = 20_000 // words
    path = tmp_path / "many.jsonl"
    with path.open("w") as file:
        file.writelines(
            f'{{"prompt": "Go on from {n}: {"7, 8, " * words}", "completion": "{n}, 9, 10"}}\n'
            for n in range(lines)
        )
    assert path.stat().st_size > 35e6
    dataset = open_dataset(path)
    tracemalloc.start()
    try:
        drawn = draw(dataset, size, 0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert (drawn.total, len(drawn.rows)) == (lines, size)
    assert peak < 4e6
