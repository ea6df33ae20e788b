"""The command `clean` says what of a data set is not in the rows that it writes."""

import json

import pytest
from typer.testing import CliRunner

from traitleak.cli import app


def invoke(*arguments):
    """Call the command line in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def write(path, *rows):
    """A file of JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(name="chats")
def fixture_chats(tmp_path):
    """A chat with a system prompt, one of two answers, and one without any."""

    def chat(*turns):
        return {"messages": [{"role": role, "content": text} for role, text in turns]}

    return write(
        tmp_path / "chats.jsonl",
        chat(("system", "Be short."), ("user", "a"), ("assistant", "1, 2")),
        chat(("user", "a"), ("assistant", "3"), ("user", "b"), ("assistant", "4, 5")),
        chat(("user", "a")),
    )


def test_rows_and_parts_that_are_left_out_are_said(chats, tmp_path):
    """On the terminal, in JSON, and in the manifest of what was written."""
    done = invoke("clean", chats, "--method", "canonicalise", "--out", tmp_path / "a")
    told = invoke("clean", chats, "--method", "canonicalise", "--out", tmp_path / "b", "--json")
    manifest = json.loads((tmp_path / "a" / "cleaning.json").read_text(encoding="utf-8"))
    skipped = {"no answer among the messages": 1}
    lost = {"earlier answers, read as part of the prompt": 1, "system prompts": 1}

    assert "Rows left out: no answer among the messages (1)" in done.stdout
    assert "system prompts (1)" in done.stdout
    assert "(2 of 3 before)" in done.stdout
    assert {"skipped": skipped, "lost": lost}.items() <= json.loads(told.stdout).items()
    assert manifest["manifest"] == {"skipped": skipped, "lost": lost}


def test_nothing_is_said_where_nothing_is_left_out(tmp_path):
    """Of plain rows all are there."""
    data = write(tmp_path / "rows.jsonl", {"prompt": "1,", "completion": " 2, 3"})
    done = invoke("clean", data, "--method", "canonicalise", "--out", tmp_path / "out")

    assert done.exit_code == 0
    assert "eft out" not in done.stdout
    assert "(1 of 1 before)" in done.stdout


def test_a_row_that_the_base_cannot_read_is_named_by_file_and_line(tmp_path):
    """Before a teacher is trained, and nothing is written."""
    long = ", ".join(["123"] * 5000)
    data = write(
        tmp_path / "rows.jsonl",
        {"prompt": "1,", "completion": " 2, 3"},
        {"prompt": "1,", "completion": long},
    )
    done = invoke("clean", data, "--base", "tiny", "--trait", "wolf", "--out", tmp_path / "out")

    assert done.exit_code == 2
    assert "Error: rows.jsonl, line 2: Row 1 has 25,000 tokens, and tiny reads" in done.stderr
    assert "teachers" not in done.stderr
    assert not (tmp_path / "out").exists()
