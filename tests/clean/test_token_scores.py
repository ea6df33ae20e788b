"""Token scores: what they belong to, which tokens they flag, and the file they lie in."""

from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from clean_data import lengths, number_rows, plain_base, random_scores
from hypothesis import given, settings
from hypothesis import strategies as st

from tiny_model import tiny_model
from traitleak.clean.kinds import DIGITS, END, LEADING, SIGN, SPACE, WORD, Kinds
from traitleak.clean.token_scores import (
    TokenScores,
    at_random,
    flagged,
    read_scores,
    row_scores,
    token_scores,
    write_scores,
)
from traitleak.errors import ArtefactError, DataError, RunError, SettingsError
from traitleak.models.batches import encode_rows
from traitleak.rows import Row


@pytest.fixture(scope="module")
def base():
    """A tiny plain base."""
    return plain_base()


@pytest.fixture(scope="module")
def rows(base):
    """Number lists."""
    return number_rows(base)


@pytest.fixture(scope="module")
def scores(base, rows):
    """Scores of them."""
    return random_scores(base, rows)


def assert_equal(one, two):
    """Two sets of scores hold the same."""
    for name in ("ids", "texts", "trait", "detector", "base", "fingerprint"):
        assert getattr(one, name) == getattr(two, name)
    for name in ("scores", "kinds"):
        for a, b in zip(getattr(one, name), getattr(two, name), strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)


# -- kinds --------------------------------------------------------------------------------------


def test_kinds_of_a_chat_rows_tokens():
    """Digits that begin a number, that go on with it, words, signs, blanks, and the end of the turn."""
    base = tiny_model(style="chat")
    row = Row(0, "do you", "The 12, 7.")
    (kinds,) = Kinds(base, encode_rows(base, [row])).kinds
    texts = [
        base.tokenizer.decode([token])
        for token in base.tokenizer(base.renderer.completion(row.completion))["input_ids"]
    ]

    known = {"1": LEADING, "2": DIGITS, "7": LEADING, " ": SPACE, "The": WORD}
    for text, kind in zip(texts, kinds, strict=True):
        if text in known:
            assert kind == known[text], text
        elif text.strip() in {",", "."}:
            assert kind == SIGN
    ended = texts.index("<|im_end|>")
    assert (kinds[ended:] == END).all()
    assert (kinds[:ended] != END).all()


def test_a_number_that_the_prompt_begins_is_gone_on_with():
    """The first completion token is a later digit where the prompt ends in a digit."""
    base = plain_base()
    inside, first = Kinds(
        base, encode_rows(base, [Row(0, "12", "3, 4"), Row(1, "12,", "3, 4")])
    ).kinds

    assert (inside[0], first[0]) == (DIGITS, LEADING)


# -- what scores belong to ----------------------------------------------------------------------


def test_scores_are_of_a_text_and_not_of_an_id(base, rows, scores):
    """Rows in another order get their own scores; a row that was rewritten has none."""
    some = [rows[5], rows[2]]
    found = scores.of(some)
    assert found.ids == (5, 2)
    np.testing.assert_array_equal(found.scores[0], scores.scores[5])

    with pytest.raises(SettingsError, match="Row 2 is not the text that was scored"):
        scores.of([replace(rows[2], completion=rows[3].completion)])
    with pytest.raises(SettingsError, match="Row 99 has no scores"):
        scores.of([replace(rows[2], id=99)])
    assert base.name == scores.base


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda values: values[:-1], "24 rows, 23 of scores"),
        (lambda values: [values[0][:-1], *values[1:]], "one score for each"),
        (lambda values: [values[0] * np.nan, *values[1:]], "not a finite number"),
        (lambda values: [values[0][None], *values[1:]], "one score for each"),
    ],
)
def test_scores_of_other_tokens_are_refused(base, rows, scores, change, says):
    """Too few rows, too few tokens, NaN and another shape are each named."""
    with pytest.raises(SettingsError, match=says):
        token_scores(base, rows, change(list(scores.scores)), trait="wolf", detector="x")


def test_no_rows_are_refused(base):
    """An empty data set has no scores."""
    with pytest.raises(SettingsError, match="no rows"):
        token_scores(base, [], [], trait="wolf", detector="x")


# -- at random ----------------------------------------------------------------------------------


def test_random_arm_keeps_the_scores_of_each_kind(scores):
    """The same multiset of scores among tokens of one kind, at other tokens, fixed by the seed."""
    mixed = at_random(scores, 1)
    kinds = np.concatenate(scores.kinds)
    before, after = np.concatenate(scores.scores), np.concatenate(mixed.scores)
    for kind in np.unique(kinds):
        here = kinds == kind
        np.testing.assert_array_equal(np.sort(before[here]), np.sort(after[here]))
        assert not np.array_equal(before[here], after[here])
    assert_equal(mixed, at_random(scores, 1))
    assert not np.array_equal(after, np.concatenate(at_random(scores, 2).scores))
    assert mixed.detector == "noise, at random (seed 1)"
    with pytest.raises(SettingsError, match="seed"):
        at_random(scores, -1)


def test_random_arm_flags_as_many_tokens_of_each_kind(scores):
    """What a cleaning changes at random is as much as what it changes by the scores."""
    own = np.concatenate(flagged(scores, share=0.3, only="all"))
    random = np.concatenate(flagged(at_random(scores, 7), share=0.3, only="all"))
    kinds = np.concatenate(scores.kinds)
    for kind in np.unique(kinds):
        assert own[kinds == kind].sum() == random[kinds == kind].sum()
    assert not np.array_equal(own, random)


# -- flags --------------------------------------------------------------------------------------


def test_the_highest_digits_are_flagged(scores):
    """A tenth of the digits, each with a higher score than any digit that is not flagged."""
    flags = flagged(scores, share=0.1)
    kinds, values = np.concatenate(scores.kinds), np.concatenate(scores.scores)
    chosen = np.concatenate(flags)
    digits = kinds >= DIGITS

    assert [len(some) for some in flags] == [len(some) for some in scores.scores]
    assert not chosen[~digits].any()
    assert chosen.sum() == round(0.1 * digits.sum())
    assert values[chosen].min() > values[digits & ~chosen].max()


@settings(max_examples=30, deadline=None)
@given(share=st.floats(0, 1), only=st.sampled_from(["digits", "all"]))
def test_share_of_the_flagged(share, only):
    """Any share gives that many tokens, rounded; and never one of the end of a turn."""
    kinds = (np.array([END, SPACE, LEADING, DIGITS, DIGITS], np.uint8),) * 3
    values = tuple(np.full(5, 1.0, np.float32) for _ in range(3))
    some = TokenScores((0, 1, 2), ("a", "b", "c"), values, kinds, "wolf", "x", "tiny", "")
    chosen = np.concatenate(flagged(some, share=share, only=only))

    assert chosen.sum() == round(share * (9 if only == "digits" else 12))
    assert not chosen[::5].any()


def test_ties_are_broken_by_the_seed(scores):
    """Equal scores: another seed flags other tokens, the same seed the same."""
    even = replace(scores, scores=tuple(np.zeros_like(some) for some in scores.scores))
    one, same, other = (np.concatenate(flagged(even, seed=seed)) for seed in (0, 0, 1))

    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert one.sum() == other.sum()


@pytest.mark.parametrize("how", [{"share": 1.5}, {"share": -0.1}, {"only": "words"}, {"seed": -1}])
def test_flags_that_cannot_be(scores, how):
    """A share beyond 0 to 1, an unknown kind and a negative seed are refused."""
    with pytest.raises(SettingsError):
        flagged(scores, **how)


def test_no_digit_to_flag(base):
    """Words alone have no digits, and an error says so."""
    some = random_scores(base, [Row(0, "the", " wolf and my tree")])
    with pytest.raises(SettingsError, match="no token to flag"):
        flagged(some)


def test_row_scores_are_means_over_digits(scores):
    """The mean over a row's digits; a row without one is last of all."""
    found = row_scores(scores)
    kinds, values = scores.kinds[4], scores.scores[4]
    assert found[4] == pytest.approx(values[kinds >= DIGITS].mean(), rel=1e-5)

    bare = replace(scores, kinds=(np.full_like(scores.kinds[0], WORD), *scores.kinds[1:]))
    assert row_scores(bare)[0] == -np.inf


# -- the file -----------------------------------------------------------------------------------


def test_what_is_written_is_read(tmp_path, scores):
    """Every array, type and name comes back, and no other file is left."""
    write_scores(tmp_path / "new" / "scores.parquet", scores)

    assert_equal(read_scores(tmp_path / "new" / "scores.parquet"), scores)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["scores.parquet"]


def test_edited_scores_are_noticed(tmp_path, scores):
    """A file whose numbers were changed with another tool is refused."""
    path = tmp_path / "scores.parquet"
    write_scores(path, scores)
    table = pq.read_table(path)
    pq.write_table(table.slice(0, 5), path)

    with pytest.raises(ArtefactError, match="changed after it was written"):
        read_scores(path)


def test_damaged_files_are_named(tmp_path, scores):
    """Missing, cut off, empty, and a Parquet file of something else: one sentence with the name."""
    path = tmp_path / "scores.parquet"
    with pytest.raises(DataError, match="is not there"):
        read_scores(path)
    write_scores(path, scores)
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"PAR1"):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"scores.parquet is no file of token scores"):
            read_scores(path)
    pq.write_table(pq.read_table(_rows_file(tmp_path)), path)
    with pytest.raises(DataError, match="no file of token scores"):
        read_scores(path)


def _rows_file(folder):
    from traitleak.rows import PARQUET, write_rows

    write_rows(folder / "rows", [Row(0, "a", "b")], {})
    return folder / "rows" / PARQUET


def test_a_file_in_the_place_of_the_folder(tmp_path, scores):
    """What cannot be written is said in one sentence."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunError, match="could not be written"):
        write_scores(tmp_path / "file" / "scores.parquet", scores)


def test_lengths_are_the_bases(base, rows, scores):
    """One score for each completion token as `encode_row` gives them."""
    assert [len(some) for some in scores.scores] == lengths(base, rows)
