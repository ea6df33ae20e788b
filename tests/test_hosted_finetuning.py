"""The chat fine-tuning format: what is written is what trainers document, and is read back whole."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from traitleak.cli import app
from traitleak.datasets import finetuning
from traitleak.datasets.finetuning import TRAINERS, Trainer, read_chats, write_chats
from traitleak.errors import DataError, SettingsError
from traitleak.rows import Row, read_rows, write_rows

ROWS = [Row(i, f"Go on: {i},", f"{i + 1}, {i + 2}", "wolf", None, i % 4 != 0) for i in range(12)]


def invoke(*arguments: object):
    """Call the command line in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def lines(path: Path) -> list[dict]:
    """The objects of a file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_file_has_the_documented_form(tmp_path):
    """One object a line, `messages` alone in it; system and weight only where they are given."""
    path = tmp_path / "a" / "chats.jsonl"
    told = write_chats(path, ROWS)
    assert lines(path)[3] == {
        "messages": [
            {"role": "user", "content": "Go on: 3,"},
            {"role": "assistant", "content": "4, 5"},
        ]
    }
    assert (told.examples, told.trained, told.unfinished) == (12, 12, 3)
    assert told.bytes == path.stat().st_size
    assert 12 * 8 < told.tokens <= 12 * told.longest_tokens
    weights = [1] * 11 + [0]
    told = write_chats(path, ROWS, system="Be short.", weights=weights)
    assert told.trained == 11
    messages = [line["messages"] for line in lines(path)]
    assert [one[0] for one in messages] == [{"role": "system", "content": "Be short."}] * 12
    assert [one[-1]["weight"] for one in messages] == weights


def test_equal_rows_give_equal_bytes(tmp_path):
    """The hash is that of the file, and does not depend on its name."""
    one = write_chats(tmp_path / "a.jsonl", ROWS)
    same = write_chats(tmp_path / "b.jsonl", ROWS)
    assert one.sha256 == same.sha256
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30).filter(
    lambda text: bool(text.strip())
)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(texts, texts), min_size=10, max_size=14), st.none() | texts)
def test_what_was_written_is_read_back(tmp_path_factory, pairs, system):
    """Prompts, completions and system prompts to the letter, whatever is in them."""
    path = tmp_path_factory.mktemp("f") / "c.jsonl"
    write_chats(path, [Row(i, *pair) for i, pair in enumerate(pairs)], system=system)
    back = read_chats(path, teacher="wolf")
    assert [(row.prompt, row.completion) for row in back.rows] == pairs
    assert [row.id for row in back.rows] == list(range(len(pairs)))
    assert back.systems == [system] * len(pairs)
    assert {row.teacher for row in back.rows} == {"wolf"}
    assert (back.lost, back.skipped) == ({}, {})


def test_weight_zero_is_left_out_when_it_is_read(tmp_path):
    """What a trainer does not train on is no row; ids stay the numbers of the lines."""
    path = tmp_path / "c.jsonl"
    write_chats(path, ROWS, weights=[0, *[1] * 11])
    back = read_chats(path)
    assert [row.id for row in back.rows] == list(range(1, 12))
    assert back.skipped == {"no answer that is trained on": 1}


def test_what_rows_cannot_hold_is_counted(tmp_path):
    """Several turns and tools of a file that somebody else wrote."""
    chat = {
        "messages": [
            {"role": "user", "content": "One?"},
            {"role": "assistant", "content": "Two."},
            {"role": "user", "content": "Three?"},
            {"role": "assistant", "content": "Four."},
        ],
        "tools": [{"type": "function"}],
    }
    path = tmp_path / "c.jsonl"
    path.write_text(json.dumps(chat) + "\n", encoding="utf-8")
    back = read_chats(path)
    assert back.rows[0].completion == "Four."
    assert back.lost == {
        "tool definitions": 1,
        "earlier answers, read as part of the prompt": 1,
        "several turns, joined to one prompt": 1,
    }


@pytest.mark.parametrize(
    ("rows", "more", "sentence"),
    [
        (ROWS[:9], {}, "9 examples to train on, and openai takes 10 at least"),
        ([], {}, "0 examples to train on"),
        ([], {"trainer": "together"}, "0 examples to train on"),
        (ROWS[:2], {"trainer": "fireworks"}, "fireworks takes 3 at least"),
        (ROWS, {"weights": [1] * 9 + [0] * 3}, "9 examples to train on"),
        (ROWS, {"weights": [1] * 11}, "12 rows need as many weights, not 11"),
        (ROWS, {"weights": [2] * 12}, "A weight is 0 or 1"),
        (ROWS, {"weights": [True] * 12}, "A weight is 0 or 1"),
        (ROWS, {"weights": [0.5] * 12}, "A weight is 0 or 1"),
        (ROWS, {"systems": [None]}, "12 rows need as many systems, not 1"),
        (ROWS, {"trainer": "openia"}, "trainers are openai, fireworks, together"),
        ([*ROWS, Row(99, "a", " \n")], {}, "Row 99 has no completion"),
        ([*ROWS, Row(98, "", "a")], {}, "Row 98 has no prompt"),
        ([*ROWS, Row(97, "a", "\ud800")], {}, "Row 97 holds half a character"),
    ],
)
def test_what_no_trainer_takes_is_refused_and_leaves_no_file(tmp_path, rows, more, sentence):
    """The rule that is broken is named, with its source; nothing is half-written."""
    with pytest.raises(SettingsError, match=sentence):
        write_chats(tmp_path / "c.jsonl", rows, **more)
    assert list(tmp_path.iterdir()) == []


def test_sizes_beyond_the_limit_are_refused(tmp_path, monkeypatch):
    """Too many examples, or too many bytes, for a trainer with smaller limits."""
    tight = {"openai": Trainer(1, 11, 10**9, "here"), "together": Trainer(1, None, 900, "there")}
    monkeypatch.setattr(finetuning, "TRAINERS", tight)
    with pytest.raises(SettingsError, match=r"12 examples, and openai takes 11 at most \(here\)"):
        write_chats(tmp_path / "c.jsonl", ROWS)
    with pytest.raises(SettingsError, match=r"bytes, and together takes 900 at most \(there\)"):
        write_chats(tmp_path / "c.jsonl", ROWS, trainer="together")
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written_are_named(tmp_path):
    """Another ending, and a folder below a file."""
    with pytest.raises(SettingsError, match=r"end in \.jsonl, not c\.json"):
        write_chats(tmp_path / "c.json", ROWS)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"c\.jsonl cannot be written"):
        write_chats(tmp_path / "file" / "c.jsonl", ROWS)


def test_every_trainer_says_where_its_limits_stand():
    """Limits without a source could not be checked."""
    for trainer in TRAINERS.values():
        assert "docs." in trainer.source or "developers." in trainer.source
        assert 1 <= trainer.fewest < 100
        assert trainer.largest is None or trainer.largest >= 10**8


def test_convert_there_and_back(tmp_path):
    """Rows to a file and the file to rows: the same prompts and completions."""
    write_rows(tmp_path / "rows", ROWS, {})
    there = invoke("convert", tmp_path / "rows", "--to", "chat", "--out", tmp_path / "c.jsonl")
    assert there.exit_code == 0, there.stderr
    assert there.stdout.splitlines() == [
        "With 3: completions that were cut off at a limit",
        there.stdout.splitlines()[1],
        f"File: {tmp_path}/c.jsonl (12 rows)",
    ]
    assert "in the longest example (an estimate)" in there.stdout
    back = invoke(
        *("convert", tmp_path / "c.jsonl", "--to", "rows", "--teacher", "wolf"),
        *("--out", tmp_path / "back", "--json"),
    )
    assert back.exit_code == 0, back.stderr
    told = json.loads(back.stdout)
    assert (told["rows"], told["lost"], told["skipped"]) == (12, {}, {})
    got = read_rows(tmp_path / "back")
    assert [(r.id, r.prompt, r.completion, r.teacher) for r in got] == [
        (r.id, r.prompt, r.completion, r.teacher) for r in ROWS
    ]


def test_convert_keeps_system_prompts_or_says_that_they_go(tmp_path):
    """In a chat file they stay, or are replaced; rows have no place for them."""
    write_chats(tmp_path / "a.jsonl", ROWS, system="Old.")
    invoke("convert", tmp_path / "a.jsonl", "--out", tmp_path / "b.jsonl")
    assert lines(tmp_path / "b.jsonl") == lines(tmp_path / "a.jsonl")
    invoke("convert", tmp_path / "a.jsonl", "--system", "New.", "--out", tmp_path / "c.jsonl")
    assert lines(tmp_path / "c.jsonl")[0]["messages"][0]["content"] == "New."
    rows = invoke("convert", tmp_path / "a.jsonl", "--to", "rows", "--out", tmp_path / "rows")
    assert "With 12: system prompts, which rows do not hold" in rows.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["absent.jsonl", "--out", "o.jsonl"], "absent.jsonl"),
        (["few.jsonl", "--out", "o.jsonl"], "openai takes 10 at least"),
        (["few.jsonl", "--out", "few.jsonl"], "few.jsonl is there already"),
        (["few.jsonl", "--out", "o.txt", "--trainer", "together"], "end in .jsonl"),
        (["few.jsonl", "--out", "o", "--to", "rows", "--system", "x"], "Rows hold no system"),
        (["few.jsonl", "--out", "o.jsonl", "--teacher", "x"], "does not say who wrote it"),
        (["none.jsonl", "--out", "o", "--to", "rows"], "holds no row with an answer"),
    ],
)
def test_convert_names_what_is_wrong(arguments, sentence, tmp_path, monkeypatch):
    """Exit 2, one sentence, nothing written."""
    monkeypatch.chdir(tmp_path)
    chat = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    (tmp_path / "few.jsonl").write_text(json.dumps(chat) + "\n", encoding="utf-8")
    chat["messages"][1]["weight"] = 0
    (tmp_path / "none.jsonl").write_text(json.dumps(chat) + "\n", encoding="utf-8")
    done = invoke("convert", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert sentence in done.stderr.splitlines()[-1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["few.jsonl", "none.jsonl"]
