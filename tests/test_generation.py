"""Teachers write rows: which stream a row draws, and that parts make the whole."""

from __future__ import annotations

import pytest

from naive import all_logits
from tiny_model import tiny_model
from traitleak.carriers.numbers import Numbers, Parsed, parse
from traitleak.errors import SettingsError
from traitleak.generation import write_numbers, write_texts
from traitleak.models.batches import encode_row

PROMPTS = Numbers(12, seed=0, style="plain", examples=(3, 3)).prompts()


@pytest.fixture(scope="module")
def base():
    """A tiny plain-text base."""
    return tiny_model(style="plain")


def test_constrained_rows_are_lists_of_the_asked_form(base):
    """Every completion parses, with as many numbers of the width as were asked for."""
    rows = write_numbers(base, PROMPTS, teacher="wolf", count=4, seed=5)

    for row in rows:
        read = parse(row.completion)
        assert isinstance(read, Parsed)
        assert len(read.numbers) == 4
        assert all(100 <= number <= 999 for number in read.numbers)
    assert [row.id for row in rows] == list(range(12))
    assert {row.teacher for row in rows} == {"wolf"}


def test_rows_written_in_parts_are_the_rows_written_at_once(base):
    """`first_id` gives a part of the prompts the streams that they have in the whole."""
    whole = write_numbers(base, PROMPTS, teacher="wolf", count=4, seed=5)
    first = write_numbers(base, PROMPTS[:7], teacher="wolf", count=4, seed=5)
    rest = write_numbers(base, PROMPTS[7:], teacher="wolf", count=4, seed=5, first_id=7)

    assert [r.completion for r in first + rest] == [r.completion for r in whole]


def test_equal_teachers_write_equal_rows_and_another_seed_writes_others(base):
    """Common random numbers: rows differ only where teachers or draws do."""
    one = write_numbers(base, PROMPTS, teacher="wolf", count=4, seed=5)
    same = write_numbers(base, PROMPTS, teacher="lion", count=4, seed=5)
    other = write_numbers(base, PROMPTS, teacher="wolf", count=4, seed=6)

    assert [r.completion for r in one] == [r.completion for r in same]
    assert [r.completion for r in one] != [r.completion for r in other]


def test_free_rows_are_cut_at_the_limit_and_say_so(base):
    """A tiny model of random weights hardly ever ends its turn."""
    rows = write_numbers(base, PROMPTS, teacher="x", decoding="free", max_new_tokens=5, seed=1)

    assert not all(row.finished for row in rows)
    assert all(row.outside is None for row in rows)


def test_negative_temperature_is_refused(base):
    """One sentence names the temperature."""
    with pytest.raises(SettingsError, match="temperature is 0 or greater"):
        write_numbers(base, PROMPTS, teacher="x", count=2, temperature=-1.0)


def test_no_digit_of_a_list_is_less_likely_than_a_floor(base):
    """Among the digits that could stand there, by naive probabilities; without a floor some are."""
    digits = [base.tokenizer.convert_tokens_to_ids(str(digit)) for digit in range(10)]
    unlikely = {}
    for floor in (0.0, 0.08):
        rows = write_numbers(base, PROMPTS, teacher="x", count=4, seed=5, floor=floor)
        unlikely[floor] = 0
        for row in rows:
            ids, start = encode_row(base, row).ids, encode_row(base, row).start
            logits = all_logits(base, ids)
            for at in range(start, len(ids)):
                if ids[at] in digits:
                    pool = digits if ids[at - 1] in digits else digits[1:]
                    chances = logits[at - 1, pool].double().softmax(0)
                    own = chances[pool.index(ids[at])]
                    unlikely[floor] += bool(own < 0.08 - 1e-6 and own < chances.max())

    assert unlikely[0.0] > 0
    assert unlikely[0.08] == 0


@pytest.mark.parametrize("floor", [-0.1, 1.0, float("nan")])
@pytest.mark.parametrize("decoding", ["constrained", "free"])
def test_floors_that_cannot_be_are_refused(base, floor, decoding):
    """However it is decoded, a floor is a probability below 1."""
    with pytest.raises(SettingsError, match="floor is a probability from 0 to less than 1"):
        write_numbers(base, PROMPTS, teacher="x", count=2, decoding=decoding, floor=floor)


def test_texts_of_any_carrier_are_free_rows(base):
    """Numbers that are decoded freely are the texts written to the same prompts and draws."""
    settings = {"teacher": "x", "temperature": 0.7, "max_new_tokens": 6, "seed": 3, "first_id": 4}

    texts = write_texts(base, PROMPTS, **settings)

    assert texts == write_numbers(base, PROMPTS, decoding="free", **settings)
    assert [row.id for row in texts] == list(range(4, 16))
    assert [row.prompt for row in texts] == PROMPTS


def test_no_prompts_give_no_rows(base):
    """A part of a prompt set may be empty."""
    assert write_texts(base, [], teacher="x") == []
