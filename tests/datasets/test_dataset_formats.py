"""Formats: each is told by its fields, and gives the prompts and completions that it holds."""

import json

import pytest
from dataset_files import chat, write_file

from traitleak.datasets import FORMATS, draw, open_dataset
from traitleak.errors import DataError, SettingsError
from traitleak.rows import Row, write_rows

MESSAGES = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]


def read(path, **how):
    """All rows of a file."""
    return draw(open_dataset(path, **how), 1000, 0)


def one(tmp_path, values, **how):
    """The one row of a file that holds one."""
    (row,) = read(write_file(tmp_path / "data.jsonl", [values]), **how).rows
    return row


@pytest.mark.parametrize(
    ("format_", "values"),
    [
        ("chat", {"messages": MESSAGES}),
        ("chat", {"messages": MESSAGES, "prompt": "q", "completion": "x", "score": 1}),
        ("prompt-completion", {"prompt": "q", "completion": "a"}),
        ("prompt-completion", {"prompt": MESSAGES[:1], "completion": MESSAGES[1:]}),
        ("prompt-completion", {"prompt": MESSAGES[:1], "completion": "a"}),
        ("prompt-completion", {"prompt": "q", "completion": MESSAGES[1:]}),
        ("prompt-completion", {"prompt": "q", "response": "a"}),
        ("prompt-completion", {"question": "q", "answer": "a"}),
        ("prompt-completion", {"query": "q", "response": "a"}),
        ("prompt-completion", {"input": "q", "output": "a"}),
        ("alpaca", {"instruction": "q", "input": "", "output": "a"}),
        ("alpaca", {"instruction": "q", "context": None, "response": "a"}),
        ("sharegpt", {"conversations": [{"from": "human", "value": "q"},
                                        {"from": "gpt", "value": "a"}]}),
        ("sharegpt", {"conversation": MESSAGES}),
        ("preference", {"prompt": "q", "chosen": "a", "rejected": "b"}),
        ("preference", {"chosen": MESSAGES, "rejected": MESSAGES[:1]}),
        ("preference", {"input": {"messages": MESSAGES[:1], "tools": []},
                        "preferred_output": MESSAGES[1:], "non_preferred_output": []}),
    ],
)  # fmt: skip
def test_each_format_is_told_by_its_fields(tmp_path, format_, values):
    """The same question and answer are read from the fields of every format."""
    path = write_file(tmp_path / "data.jsonl", [values])
    drawn = read(path)

    assert drawn.format == format_ == read(path, format=format_).format
    (row,) = drawn.rows
    assert row.row == Row(0, "q", "a")
    assert (row.number, row.where, row.system, row.turns) == (0, "data.jsonl, line 1", None, 1)


def test_a_text_alone_is_a_completion_without_prompt(tmp_path):
    """The whole text is what a student learns, so all of it is the completion."""
    row = one(tmp_path, {"text": "Once upon a time"})

    assert (row.row, row.turns) == (Row(0, "", "Once upon a time"), 0)


def test_alpacas_input_follows_the_instruction(tmp_path):
    """Instruction, blank line, input; a system prompt and earlier turns are kept as such."""
    plain = one(tmp_path, {"instruction": "Add", "input": "2, 3", "output": "5"})
    rich = one(
        tmp_path,
        {"instruction": "And?", "output": "5", "system": "Be brief", "history": [["2+2", "4"]]},
    )

    assert plain.row.prompt == "Add\n\n2, 3"
    assert rich.row.prompt == "User: 2+2\n\nAssistant: 4\n\nUser: And?"
    assert (rich.system, rich.turns) == ("Be brief", 3)
    assert rich.lost == ("earlier answers, read as part of the prompt",)


def test_rows_that_traitleak_wrote_stay_as_they_are(tmp_path):
    """A folder and both its files are read as rows, with their ids and teachers."""
    rows = [Row(7, "p", "1", "wolf", outside=0.5), Row(7, "p", "2", "owl", finished=False)]
    write_rows(tmp_path / "set", rows, {})

    for name in ("", "rows.jsonl", "rows.parquet"):
        drawn = read(tmp_path / "set" / name)
        assert drawn.format == "rows"
        assert [row.row for row in drawn.rows] == rows
        assert [row.number for row in drawn.rows] == [0, 1]
    assert drawn.rows[1].where == "rows.parquet, row 2"
    forced = read(tmp_path / "set" / "rows.parquet", format="prompt-completion")
    assert forced.format == "prompt-completion"
    assert [row.row for row in forced.rows] == [Row(0, "p", "1"), Row(1, "p", "2")]


def test_the_first_row_that_has_a_format_decides(tmp_path):
    """A row without completion at the start hides nothing, and is counted like any other."""
    path = write_file(tmp_path / "d.jsonl", [{"prompt": "q"}, {"prompt": "q", "completion": "a"}])
    drawn = read(path)

    assert drawn.skipped == {"no completion": 1}
    assert [row.row for row in drawn.rows] == [Row(1, "q", "a")]


def test_a_forced_format_wins_over_the_fields(tmp_path):
    """Of two formats that fit, the one that is named is read."""
    values = {"messages": MESSAGES, "text": "other"}

    assert one(tmp_path, values).row.completion == "a"
    assert one(tmp_path, values, format="text").row.completion == "other"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"prompt": "q"}, "no completion"),
        ({"prompt": "q", "completion": None}, "no completion"),
        ({"prompt": "q", "completion": ""}, "empty completion"),
        ({"prompt": "q", "completion": []}, "no answer among the messages"),
        ({"prompt": "q", "completion": "\ud800"}, "half a character (a lone surrogate)"),
        ({"prompt": "\udfff", "completion": "a"}, "half a character (a lone surrogate)"),
    ],
)
def test_rows_without_a_completion_are_counted(tmp_path, values, reason):
    """They do not stop the reading, and the numbers of the rows around them stay."""
    good = {"prompt": "q", "completion": "a"}
    path = tmp_path / "d.jsonl"
    path.write_text("".join(json.dumps(v) + "\n" for v in (good, values, good)))
    drawn = read(path)

    assert drawn.skipped == {reason: 1}
    assert [row.row.id for row in drawn.rows] == [0, 2]
    assert (drawn.total, drawn.seen) == (3, 3)


def test_a_set_without_any_completion_is_an_error(tmp_path):
    """When every row is skipped, the sentence says how many for which reason."""
    path = write_file(tmp_path / "d.jsonl", [{"prompt": "q", "completion": ""}] * 3)

    with pytest.raises(
        DataError, match=r"no row that can be audited, of 3 read \(empty comp.*: 3\)"
    ):
        read(path)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"prompt": 7, "completion": "a"}, "field 'prompt' is 7, not a text"),
        ({"prompt": None, "completion": "a"}, "field 'prompt' is null, not a text"),
        ({"prompt": "q", "completion": 7.5}, "field 'completion' is 7.5, not a text"),
        ({"prompt": "q", "completion": True}, "field 'completion' is true, not a text"),
        ({"prompt": "q", "completion": {"a": 1}}, "field 'completion' is {'a': 1}, not a text"),
        ({"prompt": [7], "completion": "a"}, "field 'prompt', message 1 is 7, not an object"),
        ({"completion": "a"}, r"field 'prompt' is missing, which d\.jsonl, line 1 has"),
        ({"messages": MESSAGES}, "this row looks like chat; all rows of a data set are of one"),
    ],
)
def test_a_wrong_field_names_file_line_and_field(tmp_path, values, said):
    """Numbers in a text's place and rows of another format stop the reading, with their place."""
    path = write_file(tmp_path / "d.jsonl", [{"prompt": "q", "completion": "a"}, values])

    with pytest.raises(DataError, match=rf"d\.jsonl, line 2: .*{said}") as raised:
        read(path)
    assert str(tmp_path) in str(raised.value)
    assert len(str(raised.value)) < 400 + len(str(tmp_path))


def test_a_row_that_lacks_what_the_others_have_is_found_far_in(tmp_path):
    """The format of the first rows holds for row 812 as well."""
    rows = [{"prompt": "q", "completion": "a"}] * 811
    path = write_file(tmp_path / "d.jsonl", [*rows, {"instruction": "q", "output": "a"}])
    dataset = open_dataset(path)

    with pytest.raises(DataError, match=r"line 812: field 'prompt' is missing.*looks like alpaca"):
        draw(dataset, 10, 0)


def test_no_format_lists_what_there_is_and_what_there_may_be(tmp_path):
    """Unknown fields are named beside those that formats need."""
    path = write_file(tmp_path / "d.jsonl", [{"foo": "q", "bar": "a"}])

    with pytest.raises(DataError, match=r"no format fits its fields \(foo, bar\).*chat: messages;"):
        open_dataset(path)
    with pytest.raises(DataError, match=r"not those of the format alpaca. Formats.*instruction \+"):
        open_dataset(path, format="alpaca")
    with pytest.raises(DataError, match="holds no rows that traitleak wrote"):
        open_dataset(path, format="rows")


def test_a_forced_format_that_does_not_fit_says_what_would(tmp_path):
    """The format that the fields belong to is named."""
    path = write_file(tmp_path / "d.jsonl", [{"text": "q"}])

    with pytest.raises(DataError, match="format chat; this row looks like text"):
        open_dataset(path, format="chat")


@pytest.mark.parametrize(
    ("name", "hint"),
    [("sharegtp", "Did you mean sharegpt?"), ("Chat", "Did you mean chat?"), ("x" * 5000, "xxx'")],
)
def test_an_unknown_format_lists_all(tmp_path, name, hint):
    """The error offers the nearest name and lists the others."""
    with pytest.raises(SettingsError) as raised:
        open_dataset(tmp_path, format=name)
    assert hint in str(raised.value)
    assert all(known in str(raised.value) for known in FORMATS)
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize("limit", [0, -1, True, 2.0, "3"])
def test_a_limit_must_be_a_whole_number_from_1(tmp_path, limit):
    """Anything else is refused before a file is read."""
    with pytest.raises(SettingsError, match="`limit` is a whole number from 1"):
        open_dataset(tmp_path, limit=limit)


def test_a_preference_without_prompt_must_hold_messages(tmp_path):
    """A chosen text alone says nothing of what it answers."""
    path = write_file(tmp_path / "d.jsonl", [{"chosen": "a", "rejected": "b"}])
    with pytest.raises(DataError, match="field 'prompt' is missing, and 'chosen' is no list"):
        read(path)
    path = write_file(tmp_path / "e.jsonl", [{"preferred_output": MESSAGES, "input": "q"}])
    with pytest.raises(DataError, match="field 'input' is not an object that holds 'messages'"):
        read(path)


@pytest.mark.parametrize("history", ["x", [["a"]], [["a", 7]], ["ab"]])
def test_a_history_must_be_pairs(tmp_path, history):
    """Alpaca's earlier turns are pairs of texts, or an error."""
    path = write_file(
        tmp_path / "d.jsonl", [{"instruction": "q", "output": "a", "history": history}]
    )
    with pytest.raises(DataError, match="field 'history' is not a list of pairs"):
        read(path)


def test_openai_files_are_chats(tmp_path):
    """Weights, tool definitions and names beside the messages are no obstacle."""
    values = chat("q", "bad", "again", "good") | {"parallel_tool_calls": False, "tools": [{"a": 1}]}
    values["messages"][1]["weight"] = 0
    values["messages"][3]["weight"] = 1
    row = one(tmp_path, values)

    assert row.row == Row(0, "User: q\n\nAssistant: bad\n\nUser: again", "good")
    assert row.lost == ("tool definitions",)
