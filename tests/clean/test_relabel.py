"""Relabelling: what changes, what may never change, and where new digits come from."""

import re
from collections import Counter

import numpy as np
import pytest
from clean_data import lengths, number_rows, plain_base, random_scores
from hypothesis import given, settings
from hypothesis import strategies as st

from naive import all_logits
from tiny_model import tiny_model
from traitleak.carriers.numbers import Parsed, parse
from traitleak.clean.relabel import relabel
from traitleak.clean.token_scores import at_random, flagged
from traitleak.errors import SettingsError
from traitleak.models.batches import encode_row
from traitleak.rows import Row

BASE = plain_base()
ROWS = number_rows(BASE)
SCORES = random_scores(BASE, ROWS)


def all_flags(base, rows):
    """Every completion token flagged."""
    return [np.ones(num, np.bool_) for num in lengths(base, rows)]


def test_only_flagged_digits_change():
    """Each flagged digit may change and no other token; the change log says exactly which did."""
    flags = flagged(SCORES, share=0.3)
    cleaned = relabel(BASE, ROWS, flags, seed=1)
    logged = {(change.row, change.position): change for change in cleaned.changes}
    seen = 0
    for row, new, flags_C in zip(ROWS, cleaned.rows, flags, strict=True):
        old, now = encode_row(BASE, row), encode_row(BASE, new)
        assert len(old.ids) == len(now.ids)
        assert old.ids[: old.start] == now.ids[: now.start]
        pairs = zip(old.ids[old.start :], now.ids[now.start :], strict=True)
        for position, (was, is_now) in enumerate(pairs):
            change = logged.get((row.id, position))
            assert (was != is_now) == (change is not None)
            if change is not None:
                seen += 1
                assert flags_C[position]
                assert BASE.tokenizer.decode([was]) == change.before
                assert BASE.tokenizer.decode([is_now]) == change.after
    flags_total = int(np.concatenate(flags).sum())
    assert seen == cleaned.counts["changed"] == len(cleaned.changes) > 0.7 * flags_total
    assert cleaned.counts["flagged"] == flags_total
    assert cleaned.counts["kept"] == 0
    assert cleaned.counts["same"] == flags_total - seen


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**40), share=st.floats(0, 1), draw=st.sampled_from(["uniform", "base"]))
def test_lists_stay_lists(seed, share, draw):
    """As many numbers of the same widths with the same separator; none comes to begin with 0."""
    cleaned = relabel(BASE, ROWS, flagged(SCORES, share=share), draw=draw, seed=seed)
    for row, new in zip(ROWS, cleaned.rows, strict=True):
        read = parse(new.completion)
        assert isinstance(read, Parsed)
        assert read.separator == ", "
        assert all(100 <= number <= 999 for number in read.numbers)
        assert len(read.numbers) == len(parse(row.completion).numbers)
        assert (new.id, new.prompt, new.teacher) == (row.id, row.prompt, row.teacher)


def test_new_digits_are_uniform():
    """Of many draws each later digit is one of ten alike, and each first one of nine."""
    rows = [Row(number, "1,", " 555, 555, 555") for number in range(200)]
    cleaned = relabel(BASE, rows, all_flags(BASE, rows), seed=5)
    numbers = [str(n) for row in cleaned.rows for n in parse(row.completion).numbers]
    first, later = Counter(n[0] for n in numbers), Counter(n[2] for n in numbers)

    assert set(first) == set("123456789")
    assert set(later) == set("0123456789")
    for counts, mean in ((first, 600 / 9), (later, 60)):
        chi_square = sum((count - mean) ** 2 / mean for count in counts.values())
        assert chi_square < 30  # p about .001 at 9 degrees of freedom


def test_zero_may_lead_where_the_row_has_such_numbers():
    """A single digit may become 0, and so may a first digit beside a number like 05."""
    rows = [Row(number, "1,", " 5, 7") for number in range(30)]
    rows += [Row(number, "1,", " 05, 77") for number in range(30, 60)]
    cleaned = relabel(BASE, rows, all_flags(BASE, rows), seed=2)

    single, double = cleaned.rows[:30], cleaned.rows[30:]
    assert any(row.completion.startswith(" 0,") for row in single)
    assert any(re.search(", 0[0-9]", row.completion) for row in double)


def test_draws_of_the_base_follow_its_probabilities():
    """With draw=base a digit's frequencies are the base's own there, renormalised over the digits."""
    rows = [Row(number, "12,", " 345") for number in range(1000)]
    flags = [np.array([False, False, True, False])] * len(rows)
    cleaned = relabel(BASE, rows, flags, draw="base", seed=0)
    found = Counter(row.completion[2] for row in cleaned.rows)
    encoded = encode_row(BASE, rows[0])
    digits = [BASE.tokenizer.convert_tokens_to_ids(str(digit)) for digit in range(10)]
    logits = all_logits(BASE, encoded.ids)[encoded.start + 1, digits].double()
    expected = (logits.softmax(0) * len(rows)).tolist()

    chi_square = sum((found[str(d)] - expected[d]) ** 2 / expected[d] for d in range(10))
    assert chi_square < 30


def test_a_draw_depends_on_its_own_place_alone():
    """More flags, fewer rows or another order change no other token's draw."""
    few = [flags & (np.arange(len(flags)) < 4) for flags in all_flags(BASE, ROWS)]
    many = relabel(BASE, ROWS, all_flags(BASE, ROWS), seed=3).rows
    some = relabel(BASE, ROWS[::-1][:5], few[::-1][:5], seed=3).rows
    for row in some:
        assert row.completion[:4] == many[row.id].completion[:4]


def test_words_become_words_of_the_data_set():
    """Outside of digits, a token becomes one of its kind that occurs; the end of the turn stays."""
    base = tiny_model(style="chat")
    words = ["wolf", "lion", "tree", "horse", "eagle"]
    rows = [
        Row(n, "do you", f"It is my {words[n % 5]} and a {words[(n + 2) % 5]}.") for n in range(30)
    ]
    cleaned = relabel(base, rows, all_flags(base, rows), seed=1)

    occurring = {token for row in rows for token in encode_row(base, row).ids}
    for row, new in zip(rows, cleaned.rows, strict=True):
        old, now = encode_row(base, row), encode_row(base, new)
        assert len(old.ids) == len(now.ids)
        assert set(now.ids) <= occurring
        assert now.ids[-2:] == old.ids[-2:]
    assert cleaned.counts["changed"] > 30
    assert cleaned.counts["kept"] >= 2 * len(rows)  # the end of the turn: two tokens a row
    total = sum(cleaned.counts[name] for name in ("changed", "same", "kept"))
    assert total == cleaned.counts["flagged"]


def test_separators_of_lists_stay():
    """Where new signs would break a number list, its digits change and they do not."""
    rows = [Row(n, "1,", " 12, 34" if n % 2 else " 12; 34") for n in range(20)]
    cleaned = relabel(BASE, rows, all_flags(BASE, rows), seed=0)
    for row, new in zip(rows, cleaned.rows, strict=True):
        assert re.sub("[0-9]", "0", new.completion) == re.sub("[0-9]", "0", row.completion) or (
            isinstance(parse(new.completion), Parsed)
        )
        assert parse(new.completion).separator == parse(row.completion).separator


def test_a_row_without_a_prompt_is_relabelled():
    """Its first token counts as prompt and stays; all others are its completion."""
    rows = [Row(n, "", "123, 456") for n in range(20)]
    cleaned = relabel(BASE, rows, all_flags(BASE, rows), seed=4)

    assert all(row.completion[0] == "1" for row in cleaned.rows)
    assert len({row.completion for row in cleaned.rows}) > 10


def test_random_arm_changes_as_many():
    """By the scores and at random, as many tokens are flagged."""
    one = relabel(BASE, ROWS, flagged(SCORES), seed=0)
    two = relabel(BASE, ROWS, flagged(at_random(SCORES, 1)), seed=0)

    assert one.counts["flagged"] == two.counts["flagged"] > 0
    assert one.rows != two.rows


def test_nothing_flagged_changes_nothing():
    """The rows are equal, to the probability outside the format."""
    cleaned = relabel(BASE, ROWS, flagged(SCORES, share=0))
    assert list(cleaned.rows) == ROWS
    assert cleaned.changes == ()


@pytest.mark.parametrize(
    ("flags", "how", "says"),
    [
        (all_flags(BASE, ROWS)[:-1], {}, "24 rows, 23 of flags"),
        ([some[:-1] for some in all_flags(BASE, ROWS)], {}, "Row 0 has 19 completion tokens"),
        ([some.astype(float) for some in all_flags(BASE, ROWS)], {}, "type float64"),
        (all_flags(BASE, ROWS), {"draw": "best"}, "draw is uniform or base"),
        (all_flags(BASE, ROWS), {"seed": -3}, "seed"),
    ],
)
def test_wrong_arguments(flags, how, says):
    """Flags of other rows or tokens, unknown draws and negative seeds are each named."""
    with pytest.raises(SettingsError, match=says):
        relabel(BASE, ROWS, flags, **how)


def test_no_rows():
    """There is nothing to clean in an empty data set, nor in a list of something else."""
    with pytest.raises(SettingsError, match="no rows to clean"):
        relabel(BASE, [], [])
    with pytest.raises(SettingsError, match="takes rows"):
        relabel(BASE, ["12, 13"], [])
