"""Any rows come back from any format and any kind of file as they were."""

import json

import pytest
from dataset_files import write_file
from hypothesis import given, settings
from hypothesis import strategies as st

from traitleak.datasets import open_dataset

plain = st.characters(exclude_categories=["Cs"])
no_null = st.characters(exclude_categories=["Cs"], exclude_characters="\0")


def pairs(characters):
    """Lists of prompts and completions; a completion that is empty is no row to audit."""
    return st.lists(
        st.tuples(st.text(characters), st.text(characters, min_size=1)), min_size=1, max_size=4
    )


def as_chat(prompt, completion):
    """A question and its answer, as messages."""
    return [{"role": "user", "content": prompt}, {"role": "assistant", "content": completion}]


WRITTEN = {
    "chat": lambda p, c: {"messages": as_chat(p, c)},
    "prompt-completion": lambda p, c: {"prompt": p, "completion": c},
    "conversational": lambda p, c: {"prompt": as_chat(p, c)[:1], "completion": as_chat(p, c)[1:]},
    "alpaca": lambda p, c: {"instruction": p, "input": "", "output": c},
    "sharegpt": lambda p, c: {
        "conversations": [{"from": "human", "value": p}, {"from": "gpt", "value": c}]
    },
    "preference": lambda p, c: {"prompt": p, "chosen": c, "rejected": "no"},
}


def read(path):
    """Prompts and completions of a file, and its format."""
    dataset = open_dataset(path)
    return dataset.format, [(found.row.prompt, found.row.completion) for found in dataset]


@pytest.mark.parametrize("kind", ["jsonl", "json.gz", "jsonl.zst", "parquet", "arrow"])
@pytest.mark.parametrize("format_", list(WRITTEN))
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_any_rows_survive_every_format(tmp_path_factory, format_, kind, data):
    """Control characters, quotes, emojis and line separators are texts like any other."""
    found = data.draw(pairs(plain))
    path = tmp_path_factory.mktemp("d") / f"d.{kind}"
    write_file(path, [WRITTEN[format_](*pair) for pair in found])

    expected = "prompt-completion" if format_ == "conversational" else format_
    assert read(path) == (expected, found)


@pytest.mark.parametrize("kind", ["csv", "tsv", "csv.zst"])
@pytest.mark.parametrize("format_", ["prompt-completion", "alpaca", "chat"])
@settings(max_examples=15, deadline=None)
@given(found=pairs(no_null))
def test_any_rows_survive_tables(tmp_path_factory, format_, kind, found):
    """Delimiters, quotes and line ends within a field belong to its text."""
    path = tmp_path_factory.mktemp("d") / f"d.{kind}"
    values = [WRITTEN[format_](*pair) for pair in found]
    if format_ == "chat":
        values = [{"messages": json.dumps(value["messages"])} for value in values]
    write_file(path, values)

    assert read(path) == (format_, found)


@settings(max_examples=25, deadline=None)
@given(texts=st.lists(st.text(plain, min_size=1), min_size=1, max_size=4))
def test_any_texts_survive(tmp_path_factory, texts):
    """Texts alone are completions."""
    path = tmp_path_factory.mktemp("d") / "d.jsonl"
    write_file(path, [{"text": text} for text in texts])

    assert read(path) == ("text", [("", text) for text in texts])


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=200))
@pytest.mark.parametrize("start", [b"", b'{"prompt": ', b"[{", b"prompt,completion\n", b"\x1f\x8b"])
def test_any_bytes_give_rows_or_one_sentence(tmp_path_factory, start, content):
    """No content of a file leads to an error that is not ours."""
    from traitleak.errors import DataError

    path = tmp_path_factory.mktemp("d") / "d.txt"
    path.write_bytes(start + content)
    try:
        format_, _ = read(path)
    except DataError as error:
        assert str(path) in str(error)  # noqa: PT017
    else:
        assert format_
