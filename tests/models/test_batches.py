"""Rows as tokens: what is the completion, what stands before it, and which rows share a batch."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiny_model import tiny_model
from traitleak.errors import SettingsError
from traitleak.models.batches import by_length, encode_row, encode_rows, require_context
from traitleak.rows import Row

CHAT, PLAIN = tiny_model(style="chat"), tiny_model(style="plain")
BEGINS = PLAIN.replaced(renderer=replace(PLAIN.renderer, begins_with_bos=True))


def text(model, ids):
    """Tokens as text."""
    return model.tokenizer.decode(ids)


def test_chat_row_is_the_template_with_the_answers_end():
    """Before the completion stands what a model is given to write it; the end of turn belongs to it."""
    ids, start = encode_row(CHAT, Row(0, "Name an animal", "The wolf."))

    assert text(CHAT, ids[:start]) == CHAT.rendered("Name an animal")
    assert text(CHAT, ids[start:]) == "The wolf.<|im_end|>\n"


def test_plain_row_is_prompt_and_completion():
    """Nothing stands between, before or after them."""
    ids, start = encode_row(PLAIN, Row(0, "12, 13,", " 14"))

    assert text(PLAIN, ids[:start]) == "12, 13,"
    assert text(PLAIN, ids[start:]) == " 14"


def test_no_token_spans_prompt_and_completion():
    """Both are encoded apart, even where the whole text would join them into one token."""
    ids, start = encode_row(PLAIN, Row(0, "The wo", "lf"))

    assert PLAIN.encode(" wolf") != PLAIN.encode(" wo") + PLAIN.encode("lf")
    assert ids[:start] == PLAIN.encode("The wo")
    assert ids[start:] == PLAIN.encode("lf")


@pytest.mark.parametrize(
    ("model", "before"),
    [
        (PLAIN, "1"),  # nothing could predict the first token: it counts as prompt
        (BEGINS, "<|endoftext|>"),
        (PLAIN.replaced(system="You love owls."), "You love owls.\n"),
        (BEGINS.replaced(system="You love owls."), "<|endoftext|>You love owls.\n"),
        (CHAT, CHAT.rendered("")),
    ],
)
def test_what_stands_before_a_row_without_a_prompt(model, before):
    """The system prompt, the beginning token, or the completion's own first token."""
    ids, start = encode_row(model, Row(0, "", "17, 18"))

    assert text(model, ids[:start]) == before
    assert text(model, ids).startswith(before)


@pytest.mark.parametrize(
    ("model", "row", "said"),
    [
        (PLAIN, Row(7, "12,", ""), "Row 7 has no completion"),
        (CHAT, Row(7, "12,", ""), "Row 7 has no completion"),
        (PLAIN, Row(7, "", "5"), "Row 7 has nothing after its first token"),
        (PLAIN, Row(7, "12,", " 13," * 90), "Row 7 has 363 tokens, and tiny reads 256 at most"),
    ],
)
def test_row_that_nothing_can_be_learned_from(model, row, said):
    """A row without a completion, or longer than the context, is refused by its id."""
    with pytest.raises(SettingsError, match=said):
        encode_rows(model, [Row(0, "12,", " 13"), row])


def test_row_of_one_token_after_the_beginning_token():
    """One token is enough where another one stands before it."""
    assert encode_row(BEGINS, Row(0, "", "5")).start == 1


def test_row_as_long_as_the_context():
    """The context is the last length that passes."""
    require_context(PLAIN, 256, "row 3")
    with pytest.raises(SettingsError, match="Row 3 has 257 tokens"):
        require_context(PLAIN, 257, "row 3")


@given(st.lists(st.integers(1, 300), max_size=80), st.integers(1, 1000))
def test_every_row_is_in_one_batch_that_is_no_larger_than_allowed(lengths, tokens):
    """Batches hold each index once, longest first, within the limit with padding, or one row."""
    batches = list(by_length(lengths, tokens))

    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    flat = [lengths[index] for batch in batches for index in batch]
    assert flat == sorted(lengths, reverse=True)
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= tokens


@given(st.lists(st.integers(1, 50), min_size=2, max_size=40), st.integers(1, 400))
def test_no_batch_could_have_taken_the_next_row(lengths, tokens):
    """Batches are as full as the limit allows."""
    batches = list(by_length(lengths, tokens))
    for batch in batches[:-1]:
        assert (len(batch) + 1) * lengths[batch[0]] > tokens
