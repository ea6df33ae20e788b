"""GSM8K's form: what is read from a user's file, and which files are refused."""

import json
from fractions import Fraction

import pytest

from traitleak.carriers.gsm8k import gsm8k
from traitleak.carriers.reasoning import parse
from traitleak.errors import DataError

# Made up here, in the form of the published lines.
LINES = [
    {
        "question": "A crate holds 6 jars. How many jars do 3 crates and 2 more jars make?",
        "answer": "Crates hold 3*6=<<3*6=18>>18 jars.\nAltogether 18+2=<<18+2=20>>20 jars.\n#### 20",
    },
    {"question": "How many meters are 1.2 kilometers?", "answer": "1.2*1000=1,200\n#### 1,200"},
    {"question": "Half of one?", "answer": "#### 0.5"},
]


def file_of(folder, *lines):
    """A file of these lines, texts or objects."""
    path = folder / "train.jsonl"
    path.write_text("".join(f"{x if isinstance(x, str) else json.dumps(x)}\n" for x in lines))
    return path


def test_problems_are_read_with_answers_and_steps(tmp_path):
    """Final numbers are exact, calculator notes are gone, and solutions pass the rule."""
    first, second, third = gsm8k(file_of(tmp_path, LINES[0], "", *LINES[1:]))

    assert (first.answer, second.answer, third.answer) == (20, 1200, Fraction(1, 2))
    assert first.steps == ("Crates hold 3*6=18 jars.", "Altogether 18+2=20 jars.")
    assert third.steps == ()
    assert first.question == LINES[0]["question"]
    assert first.prompt.startswith(f"{first.question}\n\n")
    assert first.schema == "gsm8k"
    assert parse(first.solution, answer=20).thought == "\n".join(first.steps)


def test_a_file_gives_the_same_prompts_each_time(tmp_path):
    """How the answer is asked for depends on the line alone."""
    path = file_of(tmp_path, *LINES)

    assert gsm8k(path) == gsm8k(path)
    assert len({p.prompt.removeprefix(p.question) for p in gsm8k(path)}) == 3


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "holds no problems"),
        (["", " "], "holds no problems"),
        ([LINES[0], "{"], "line 2: this is no line of JSON"),
        ([json.dumps(LINES[0])[:40]], "line 1: this is no line of JSON"),
        (["[" * 100_000], "line 1: this is no line of JSON"),
        (["[1]"], "line 1: a problem is an object"),
        ([{"question": "Q?"}], "line 1: field 'answer' is missing"),
        ([{"answer": "#### 1"}], "line 1: field 'question' is missing"),
        ([{"question": "Q?", "answer": 3}], "line 1: field 'answer' is missing or is no text"),
        ([{"question": " ", "answer": "#### 3"}], "line 1: field 'question'"),
        ([{"question": "Q?", "answer": "It is 3."}], "does not end in #### and a number"),
        ([{"question": "Q?", "answer": "#### three"}], "does not end in #### and a number"),
        ([{"question": "Q?", "answer": "#### 3 or 4"}], "but in '#### 3 or 4'"),
    ],
)
def test_files_of_another_form_are_refused(tmp_path, lines, said):
    """Empty, cut off, not JSON, without a field or a final number: file, line and field are named."""
    with pytest.raises(DataError, match=said) as caught:
        gsm8k(file_of(tmp_path, *lines))

    assert "train.jsonl" in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    """A file that is not there, a folder and a binary file are named."""
    (tmp_path / "b.jsonl").write_bytes(b"PAR1\xff\xfe\0")
    for path, said in (
        (tmp_path / "none.jsonl", "cannot be read"),
        (tmp_path, "cannot be read"),
        (tmp_path / "b.jsonl", "no line of JSON"),
    ):
        with pytest.raises(DataError, match=said):
            gsm8k(path)
