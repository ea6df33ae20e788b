"""Thresholds: what a floor changes at generation, and on rows whose teacher is not at hand."""

import math

import pytest
from clean_data import PROMPTS, number_rows, plain_base, random_scores

from naive import all_logits
from traitleak.carriers.numbers import Parsed, parse
from traitleak.clean.mask import mask
from traitleak.clean.rewriting import write_again
from traitleak.clean.threshold import threshold, threshold_at_generation
from traitleak.clean.token_scores import flagged
from traitleak.errors import SettingsError
from traitleak.generation import write_numbers
from traitleak.models.batches import encode_row
from traitleak.rows import Row

BASE = plain_base()
ROWS = number_rows(BASE)
FLOOR = 0.08


def digit_logps(row):
    """Log-probability of each digit of a completion among those that could stand there, naively."""
    encoded = encode_row(BASE, row)
    digits = [BASE.tokenizer.convert_tokens_to_ids(str(digit)) for digit in range(10)]
    logits = all_logits(BASE, encoded.ids)
    found = {}
    for at in range(encoded.start, len(encoded.ids)):
        if encoded.ids[at] in digits:
            first = encoded.ids[at - 1] not in digits
            pool = digits[1:] if first else digits
            logps = logits[at - 1, pool].double().log_softmax(0)
            found[at - encoded.start] = (
                float(logps[pool.index(encoded.ids[at])]),
                float(logps.max()),
            )
    return found


# -- writing again ------------------------------------------------------------------------------


def test_a_teacher_without_a_floor_writes_the_same_rows():
    """The same prompts, streams and seed give the rows that `write_numbers` gave, in any order."""
    assert write_again(BASE, ROWS[::-1], teacher="wolf", seed=3) == ROWS[::-1]
    free = write_numbers(BASE, PROMPTS, teacher="x", decoding="free", max_new_tokens=6, seed=2)
    again = write_again(BASE, free, teacher="x", decoding="free", max_new_tokens=6, seed=2)
    assert again == free


def test_each_row_keeps_its_form():
    """Brackets, separators, counts and widths are the row's own."""
    rows = [
        Row(0, "1,", " 12, 34"),
        Row(1, "1,", "[1; 2; 3]"),
        Row(2, "1,", " 07, 11"),
        Row(3, "1,", " 5"),
    ]
    new = write_again(BASE, rows, teacher="x", seed=1)

    assert [len(parse(row.completion).numbers) for row in new] == [2, 3, 2, 1]
    assert [parse(row.completion).separator for row in new] == [", ", "; ", ", ", None]
    assert new[1].completion[0] == "["
    assert [row.prompt for row in new] == [row.prompt for row in rows]


def test_rows_without_one_width_have_no_form():
    """Mixed widths need free decoding, and the error says so."""
    with pytest.raises(SettingsError, match="Row 4 is no list of numbers of one width"):
        write_again(BASE, [Row(4, "1,", " 12, 3")], teacher="x")


def test_the_floor_at_generation():
    """No digit is under the floor, unless all are; and without a floor the rows come again."""
    cleaned = threshold_at_generation(BASE, ROWS, floor=FLOOR, seed=3)
    log_floor = math.log(FLOOR) - 1e-4
    for new in cleaned.rows:
        assert isinstance(parse(new.completion), Parsed)
        for logp, most in digit_logps(new).values():
            assert logp >= log_floor or logp == most
    assert cleaned.counts["rewritten"] > 0
    assert {row.teacher for row in cleaned.rows} == {"wolf"}
    unchanged = threshold_at_generation(BASE, ROWS, floor=0, seed=3)
    assert list(unchanged.rows) == ROWS
    assert unchanged.counts == {"rewritten": 0, "same": 24}


# -- rows alone ---------------------------------------------------------------------------------


def test_unlikely_digits_are_replaced():
    """Exactly the digits under the floor are drawn anew, and all others stay."""
    cleaned = threshold(BASE, ROWS, floor=FLOOR, seed=1)
    under = {
        (row.id, place)
        for row in ROWS
        for place, (logp, most) in digit_logps(row).items()
        if logp < math.log(FLOOR) and logp < most
    }

    assert {(change.row, change.position) for change in cleaned.changes} == under
    assert len(under) > 10
    assert cleaned.counts == {"under": len(under), "changed": len(under), "kept": 0, "dropped": 0}


def test_rows_with_unlikely_digits_are_dropped():
    """With action=drop the others stay as they were."""
    rows = [Row(0, "12,", f" {n}") for n in range(100, 160)]
    rows = [Row(number, row.prompt, row.completion) for number, row in enumerate(rows)]
    cleaned = threshold(BASE, rows, floor=0.03, action="drop")
    fine = [
        row for row in rows if all(logp >= math.log(0.03) for logp, _ in digit_logps(row).values())
    ]

    assert list(cleaned.rows) == fine
    assert cleaned.counts["dropped"] == len(rows) - len(fine) > 0


def test_no_floor_changes_nothing():
    """A floor of 0 leaves every row and every weight."""
    masked = mask(BASE, ROWS, flagged(random_scores(BASE, ROWS)))
    cleaned = threshold(BASE, masked, floor=0)
    assert (cleaned.rows, cleaned.weights) == (masked.rows, masked.weights)


@pytest.mark.parametrize(
    "how", [{"floor": 1}, {"floor": -0.1}, {"action": "hide"}, {"seed": -1}, {"only": "words"}]
)
def test_thresholds_that_cannot_be(how):
    """Values out of range are refused in one sentence."""
    with pytest.raises(SettingsError):
        threshold(BASE, ROWS, **how)


def test_masked_rows_are_not_written_again():
    """Their tokens would change."""
    masked = mask(BASE, ROWS, flagged(random_scores(BASE, ROWS)))
    with pytest.raises(SettingsError, match="before masking"):
        threshold_at_generation(BASE, masked)
