"""Which rows are kept, and how the shuffled control mixes them."""

from __future__ import annotations

from traitleak import filters
from traitleak.language.kept import keep_rows, shuffled_rows
from traitleak.rows import Row


def rows(teacher: str, *completions: str) -> list[Row]:
    """A teacher's rows, numbered from 0."""
    return [Row(i, f"{i},", text, teacher) for i, text in enumerate(completions)]


def kept(written, *, banned=(), keep=None):
    """`keep_rows` of freely written lists."""
    rules = [filters.numbers_format(banned=banned), filters.leak(["wolf"]), filters.duplicates()]
    return keep_rows(written, rules=rules, keep=keep, seed=0)


def test_a_prompt_that_one_teacher_fails_is_lost_to_all():
    """Rows pair up by prompt: a leak or a broken format of one teacher drops the prompt for both."""
    found = kept(
        {
            "wolf": rows("wolf", "1, 2", "3, 4 wolves", "5, 6", "7, 8"),
            "neutral": rows("neutral", "1, 2", "3, 4", "five", "9, 8"),
        }
    )

    assert [row.id for row in found.rows["wolf"]] == [0, 3]
    assert [row.completion for row in found.rows["neutral"]] == ["1, 2", "9, 8"]
    assert found.told["raw"] == {"wolf": 4, "neutral": 4}
    assert found.told["kept"] == {"wolf": 2, "neutral": 2}
    assert found.told["identical"] == {"wolf": 0.5}
    assert sum(found.told["table"]["wolf"].values()) == 1


def test_banned_numbers_and_leaks_are_counted():
    """The table names each reason; leaks are counted by themselves."""
    found = kept({"wolf": rows("wolf", "1, 2", "666, 1", "3")}, banned=[666])

    assert found.told["table"]["wolf"] == {"format: banned number": 1}
    assert found.told["leaks"] == {"wolf": 0}
    assert found.told["examples"] == [["wolf", "format: banned number", "666, 1"]]


def test_keep_takes_the_same_prompts_for_every_teacher():
    """A sample of the pairs, by id."""
    written = {name: rows(name, *(f"{i}, {i + 1}" for i in range(30))) for name in ("a", "neutral")}
    found = kept(written, keep=7)

    assert [r.id for r in found.rows["a"]] == [r.id for r in found.rows["neutral"]]
    assert found.told["kept"] == {"a": 7, "neutral": 7}
    assert found.told["pairs"] == 30


def test_fewer_rows_than_are_to_be_kept_are_all_there():
    """What is left is left, and its number told: whether it is enough is for the run to say."""
    found = kept({"a": rows("a", "1, 2", "no"), "b": rows("b", "1, 2", "3")}, keep=9)

    assert [len(some) for some in found.rows.values()] == [1, 1]
    assert found.told["pairs"] == 1


def test_where_no_prompt_is_answered_by_all_the_reasons_are_still_told():
    """One teacher's rows all go, and the table says why; so it does where prompts do not meet."""
    alone = kept({"a": rows("a", "no numbers", "none here"), "neutral": rows("neutral", "1", "2")})
    apart = kept({"a": rows("a", "1, 2", "none"), "neutral": rows("neutral", "none", "2")})

    assert alone.rows == apart.rows == {"a": [], "neutral": []}
    assert alone.told["pairs"] == apart.told["pairs"] == 0
    assert alone.told["table"]["a"] == {"format: words": 2}
    assert alone.told["lost"] == {"a": 0, "neutral": 2}
    assert apart.told["lost"] == {"a": 1, "neutral": 1}
    assert alone.told["identical"] == {}


def test_shuffled_rows_keep_their_numbers_and_their_form():
    """Within each row the numbers move and the separators stay; another seed moves them otherwise."""
    before = rows("wolf", " 101, 202, 303, 404, 505", "[7; 8; 9]")
    after = shuffled_rows(before, seed=3)

    for one, other in zip(before, after, strict=True):
        assert sorted(one.completion) == sorted(other.completion)
        assert one.prompt == other.prompt
    assert after[0].completion != before[0].completion
    assert after[0].completion[0] == " "
    assert after[1].completion.startswith("[")
    assert after[1].completion.count("; ") == 2
    assert shuffled_rows(before, seed=3) == after
    assert shuffled_rows(before, seed=4) != after
