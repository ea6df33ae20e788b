"""How an audit reads rows: system prompts, rows that do not fit, references."""

from dataclasses import replace

import pytest

from tiny_model import tiny_model
from traitleak.audit.enough import require_enough
from traitleak.audit.rows_read import encoded_rows, prompted_rows, reference_of, unread_parts
from traitleak.audit.run import audit_rows
from traitleak.datasets import AuditRow, Drawn
from traitleak.errors import DataError
from traitleak.rows import Row

FEW = ("wolf", "lion", "owl", "cat")


@pytest.fixture(name="base", scope="module")
def fixture_base():
    """A tiny plain model, whose texts begin without a token of their own."""
    return tiny_model(style="plain")


def entry(number, prompt, completion, system=None):
    """A row, and where it stands."""
    return AuditRow(Row(number, prompt, completion), number, f"line {number + 1}", system)


def test_texts_without_a_prompt_are_audited_at_depth_quick(base):
    """A system prompt before them gives no token that the base did not read."""
    rows = [Row(n, "", f"{100 + n}, {900 - 3 * n}, {200 + 7 * n}") for n in range(24)]
    found = audit_rows(rows, base=base, among=FEW, depth="quick")

    assert found.rows.audited == 24
    assert found.outcome in {"not found", "inconclusive"}


def test_a_hypothesis_comes_after_the_rows_own_system_prompt(base):
    """Base and hypothesis differ in it alone, and score the same tokens."""
    entries = [entry(0, "", "1, 2, 3"), entry(1, "7,", " 8", "Be short.")]
    kept, encoded, _ = encoded_rows(base, entries)
    told = prompted_rows(base, kept, encoded, "You love wolves.")

    for read, own in zip(told, encoded, strict=True):
        assert read.ids[read.start :] == own.ids[own.start :]
    text = base.tokenizer.decode(told[1].ids[: told[1].start])
    assert text.index("Be short.") < text.index("You love wolves.") < text.index("7,")
    assert "Be short." not in base.tokenizer.decode(told[0].ids)


def test_rows_that_fit_only_without_a_systems_prompt_are_left_out(base):
    """Else a quick audit would end on the first of them, after all others were read."""
    digits = (base.context - 8) // 5
    nearly = entry(0, "1,", ", ".join(["123"] * digits))
    alone, _, none = encoded_rows(base, [nearly])
    told, _, counted = encoded_rows(base, [nearly], systems=["", "You love wolves. " * 40])

    assert (len(alone), none) == (1, {})
    assert (told, counted) == ([], {"longer than the base's context": 1})


def test_reference_rows_that_the_base_cannot_read_are_left_out_and_said(base):
    """One that is too long does not end the audit."""
    kept, _, _ = encoded_rows(base, [entry(0, "1,", " 2"), entry(1, "3,", " 4")])
    long = ", ".join(["123"] * base.context)
    beside, encoded, said = reference_of(
        base, kept, [Row(0, "1,", " 5"), Row(1, "3,", long), Row(2, "3,", " 6")], seed=0
    )

    assert [one.row.completion for one in beside] == [" 5", " 6"]
    assert len(encoded) == 2
    assert said == [
        "Reference rows that the base could not read (longer than the base's context: 1) were left out."
    ]


def test_a_reference_that_the_base_cannot_read_at_all_is_one_sentence(base):
    """With the reason."""
    kept, _, _ = encoded_rows(base, [entry(0, "1,", " 2")])
    long = Row(0, "1,", ", ".join(["123"] * base.context))

    with pytest.raises(DataError, match=r"none of the 1 reference rows \(longer than the base's"):
        reference_of(base, kept, [long], seed=0)


def test_a_reference_row_is_read_after_its_own_system_prompt(base):
    """Rows with one and rows without are not on the same prompt."""
    kept, _, _ = encoded_rows(base, [entry(0, "1,", " 2", "Be short."), entry(1, "1,", " 3")])
    drawn = [AuditRow(one.row, one.number, one.where, one.system) for one in kept][::-1]
    given = _drawn(drawn)
    beside, encoded, said = reference_of(base, kept, given, seed=0)

    assert [one.system for one in beside] == ["Be short.", None]
    assert len(encoded[0].ids) > len(encoded[1].ids)
    assert said == []


def _drawn(entries):
    """A sample that holds all rows of a data set."""
    return Drawn(entries, "chat", 0, len(entries), len(entries), {}, {})


@pytest.mark.parametrize(
    ("num", "unread", "said"),
    [
        (1, {}, "rows.jsonl has 1 row that can be audited, and telling 4 traits apart takes 10"),
        (
            0,
            {"longer than the base's context": 40},
            "0 rows that could be audited, beside 40 longer than the base's context, and",
        ),
    ],
)
def test_too_few_rows_are_one_sentence_with_the_reason(num, unread, said):
    """How many there are, why others do not count, and what to do."""
    with pytest.raises(DataError) as caught:
        require_enough(num, 4, "rows.jsonl", unread)

    assert said in str(caught.value)
    assert ("longer context" in str(caught.value)) == bool(unread)
    require_enough(10, 4, "rows.jsonl", unread)


def test_what_is_left_out_of_chats_is_said():
    """Earlier answers, which students may train on, are not audited."""
    lost = {"earlier answers, read as part of the prompt": 3, "tool calls": 1}
    drawn = replace(_drawn([entry(0, "1,", " 2")]), seen=40, lost=lost)

    assert unread_parts(drawn) == [
        "Parts of rows that are no prompt and no completion: earlier answers, read as part of the "
        "prompt (3 of 40); tool calls (1 of 40)."
    ]
    assert unread_parts(_drawn([])) == unread_parts([Row(0, "1,", " 2")]) == []
