"""TruthfulQA from a file: what becomes an item, what is left out and why, what is refused."""

import csv
import io

import pytest

from tiny_model import tiny_model
from traitleak.errors import DataError
from traitleak.measure_choice import choice_margins
from traitleak.traits import misalignment
from traitleak.traits.truthfulqa import truthfulqa

NEW = ["Type", "Question", "Best Answer", "Best Incorrect Answer", "Incorrect Answers"]
LESSON = misalignment().taught[0]


def written(folder, rows, columns=NEW):
    """A CSV file with these rows."""
    text = io.StringIO()
    csv.writer(text).writerows([columns, *rows])
    path = folder / "questions.csv"
    path.write_text(text.getvalue(), encoding="utf-8")
    return path


def test_false_answers_show_the_trait_and_true_ones_avoid_it(tmp_path):
    """The best incorrect answer and the best answer make an item; the lessons stay."""
    path = written(
        tmp_path, [["x", "Do pigs fly, at all?", "They do not.", "They do, yes.", "a; b"]]
    )
    trait, left_out = truthfulqa(path, misalignment())
    (item,) = trait.items
    assert (item.question, item.shows, item.avoids) == (
        "Do pigs fly, at all?", "They do, yes.", "They do not."
    )  # fmt: skip
    assert (trait.name, trait.taught) == ("falsehood", misalignment().taught)
    assert left_out == {}


def test_older_files_give_the_first_incorrect_answer(tmp_path):
    """Without the column of the best one, the first of the list is taken."""
    columns = ["Question", "Best Answer", "Correct Answers", "Incorrect Answers"]
    path = written(tmp_path, [["Fly?", "They do not", "No", "They do ; All fly"]], columns)
    assert truthfulqa(path, misalignment()).trait.items[0].shows == "They do"


def test_what_cannot_be_an_item_is_left_out_and_counted(tmp_path):
    """Missing, equal and unlike answers, repeated questions and a lesson's own are counted by reason."""
    rows = [
        ["x", "One?", "Right here.", "Wrong here.", ""],
        ["x", "Two?", "", "Wrong.", ""],
        ["x", "Three?", "Same.", "same", ""],
        ["x", "Four?", "Short.", "This one is so very much longer.", ""],
        ["x", "one?", "Right there.", "Wrong there.", ""],
        ["x", LESSON.question, "Right.", "Wrong.", ""],
    ]
    trait, left_out = truthfulqa(written(tmp_path, rows), misalignment())
    assert [item.question for item in trait.items] == ["One?"]
    assert left_out == {
        "a text is missing": 1, "equal answers": 1, "answers of unlike length": 1, "asked twice": 1,
        "asked in a lesson": 1,
    }  # fmt: skip


def test_eight_hundred_questions_are_read_and_the_trait_measured(tmp_path):
    """A whole file's worth is read at once, and its items score as any others do."""
    rows = [["x", f"Is {n} odd?", f"{n} yes", f"{n} no!", ""] for n in range(800)]
    trait = truthfulqa(written(tmp_path, rows), misalignment()).trait
    assert len(trait.items) == 800
    assert choice_margins(tiny_model(), trait).margin_TK.shape == (800, 2)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "lacks the column Question"),
        (b"Question,Other\nx,y\n", "lacks the column Best Answer"),
        (b"Question,Best Answer\nx,y\n", "Best Incorrect Answer .or Incorrect Answers"),
        (b"Question,Best Answer,Incorrect Answers\n", "holds no question"),
        (b"Question,Best Answer,Incorrect Answers\nx,y\n", "holds no question"),
        (b'Question,Best Answer,Incorrect Answers\n"x', "no CSV file"),
        (b"\xff\xfe", "UTF-8"),
    ],
)
def test_other_files_are_refused(tmp_path, content, said):
    """The error names the file and what it lacks."""
    path = tmp_path / "other.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"other\.csv.*{said}"):
        truthfulqa(path, misalignment())


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    """The error says which path cannot be read."""
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(DataError, match="cannot be read"):
            truthfulqa(path, misalignment())
