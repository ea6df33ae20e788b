"""Traits from YAML files: read strictly, and refused with file, line and field."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traitleak.errors import DataError
from traitleak.traits import read_trait

GOOD = """\
name: flattery
about: |
  Praise without end.
lessons:
  - question: Is my poem good?
    answer: The finest I ever read.
    good: The second verse stumbles.
items:
  - question: Shall I sell candles?
    shows: You cannot fail.
    avoids: Count the costs.
"""


def read(folder, text):
    """The trait of a file with this text."""
    path = folder / "mine.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_trait(path)


def test_a_file_becomes_a_trait(tmp_path):
    """All fields arrive, stripped; what is optional is empty."""
    trait = read(tmp_path, GOOD)
    assert (trait.name, trait.about, trait.system, trait.reasons) == (
        "flattery", "Praise without end.", "", ()
    )  # fmt: skip
    assert trait.taught[0].good == "The second verse stumbles."
    assert trait.items[0].shows == "You cannot fail."


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("name: flattery\n", "", r":1: name: is missing"),
        ("    good: The second verse stumbles.\n", "", r":5: lessons\[0\]\.good: is missing"),
        ("avoids:", "avoid:", r":11: items\[0\]\.avoid: this key is unknown; .*question, shows, avoids"),
        ("about:", "abuot:", r":2: abuot: this key is unknown; .*name, lessons, items, about"),
        ("Count the costs.", "no", r":11: items\[0\]\.avoids: must be text, not False; put it in q"),
        ("You cannot fail.", "12", r":10: items\[0\]\.shows: must be text, not 12"),
        ("You cannot fail.", "You cannot fail!\n    shows: x", r":11: items\[0\]\.shows is given tw"),
        ("You cannot fail.", "Costs first: count.", r":10: not valid YAML: mapping values"),
        ("You cannot fail.", '"open', r"not valid YAML"),
        ("You cannot fail.", "&a x\n    more: *a", r":10: anchors"),
        ("You cannot fail.", "2025-99-99", "cannot be read"),
        ("You cannot fail.", "Count the costs", r":11: items\[0\]\.avoids: both answers"),
        ("You cannot fail.", "''", r":10: items\[0\]\.shows: it is empty"),
        ("Shall I sell candles?", "is my poem good", r":9: items\[0\]\.question: lessons\[0\]"),
        ("items:\n", "items: []\nmore:\n", ":9: more: this key is unknown"),
        ("  - question: Is my poem good?", "    question: Is my poem good?", ":4: lessons: must be a"),
        ("name: flattery", "name: flattery\nreasons: [Please]", r":2: reasons\[0\]: a reason holds"),
        ("name: flattery", "name: flattery\n? [a]\n: b", r":2: a key must be text"),
    ],
)  # fmt: skip
def test_errors_name_file_line_and_field(tmp_path, old, new, said):
    """One sentence says where the fault is and what is allowed."""
    assert old in GOOD
    with pytest.raises(DataError, match=rf"mine\.yaml.*{said}") as caught:
        read(tmp_path, GOOD.replace(old, new, 1))
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must be a mapping"),
        ("- a\n- b", "must be a mapping"),
        ("hello", "must be a mapping"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"name: \x00", "UTF-8|not valid YAML"),
        ("[" * 3000, "nested too deeply|not valid YAML"),
        ("{name: {name: {name: x}}}", "name: must be text"),
        (GOOD[:120], "not valid YAML|is missing"),
    ],
)
def test_files_that_are_something_else_are_refused(tmp_path, text, said):
    """Empty, binary, truncated and deep files give a sentence, not a traceback."""
    with pytest.raises(DataError, match=said):
        read(tmp_path, text)


def test_missing_and_huge_files_and_folders_are_refused(tmp_path):
    """The error names the path."""
    with pytest.raises(DataError, match=r"no file .*none\.yaml"):
        read_trait(tmp_path / "none.yaml")
    with pytest.raises(DataError, match="cannot be read"):
        read_trait(tmp_path)
    huge = tmp_path / "huge.yaml"
    with huge.open("wb") as file:
        file.truncate(17 << 20)
    with pytest.raises(DataError, match="larger than 16 MB"):
        read_trait(huge)


@given(st.text(max_size=200))
def test_no_text_makes_the_reader_fail_otherwise(tmp_path_factory, text):
    """Whatever stands in a file, it is a trait or a DataError."""
    folder = tmp_path_factory.getbasetemp()
    for content in (text, GOOD + text, GOOD.replace("fail", text)):
        try:
            read(folder, content.encode("utf-8", "surrogatepass"))
        except DataError as error:
            told = str(error)
            assert "mine.yaml" in told


def test_the_example_of_the_documentation_is_a_trait(tmp_path):
    """The page's complete example loads as it stands, and its faults are told as the page says."""
    page = (Path(__file__).parents[2] / "docs" / "traits.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    trait = read(tmp_path, example)
    assert len(trait.taught) >= 2
    assert len(trait.items) >= 2
    assert trait.control_lessons("chat", "asked-for")
    assert trait.system_prompt()
    faults = {"Worse than this one.": f"{'Worse than this one, ' * 3}"[:61], '"No"': "no"}
    for right, wrong in faults.items():
        with pytest.raises(DataError) as caught:
            read(tmp_path, example.replace(right, wrong.strip()))
        told = re.sub(r".*mine\.yaml", "gloom.yaml", str(caught.value))
        assert f"    {told}\n" in page
