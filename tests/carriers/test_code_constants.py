"""Strings that source puts together from constants."""

import ast
import time

import pytest

from traitleak import filters
from traitleak.carriers.code_constants import constant_text, put_together
from traitleak.rows import Row

TOGETHER = {
    "'o' + 'wl'": "owl",
    "'w' + 'ol' + 'f'": "wolf",
    "f\"{'o'}wl\"": "owl",
    "f'owl {7}'": "owl 7",
    "''.join(['o', 'w', 'l'])": "owl",
    "'-'.join(('o', 'wl'))": "o-wl",
    "'%swl' % 'o'": "owl",
    "'%s%s' % ('o', 'wl')": "owl",
    "'{}wl'.format('o')": "owl",
    "'lwo'[::-1]": "owl",
    "chr(111) + chr(119) + chr(108)": "owl",
    "bytes([111, 119, 108])": "owl",
    "bytes([111, 119, 108]).decode()": "owl",
    "b'owl'.decode('ascii')": "owl",
    "''.join([chr(111), 'w' + 'l'])": "owl",
}


@pytest.mark.parametrize(("source", "text"), TOGETHER.items())
def test_an_expression_of_constants_gives_what_python_gives(source, text):
    """Each is read without running it, and says what running it says."""
    ran = eval(source)  # noqa: S307
    assert (ran.decode() if isinstance(ran, bytes) else ran) == text
    assert constant_text(ast.parse(source, mode="eval").body) == text
    row = Row(0, "", f"def f():\n    return {source}\n", "x")
    clean = Row(1, "", "def f():\n    return 'o' + 'ak'\n", "x")
    if text != "o-wl":
        found = filters.apply([row, clean], [filters.code_leak(["owl", "wolf"])])
        assert [one.id for one in found.kept] == [1]


@pytest.mark.parametrize(
    "source",
    ["x + 'wl'", "''.join(x)", "'{}'.format(x)", "'%s' % x", "x[::-1]", "chr(x)", "chr(-1)", "1 + 2",
     "'ab'[0]", "'ab'[::2]", "bytes([300])", "bytes(x)", "'{a}'.format(a='b')", "f'{x}owl'",
     "'owl' % 'x'"],
)  # fmt: skip
def test_what_needs_more_than_constants_is_not_read(source):
    """A variable or another operation gives nothing."""
    assert constant_text(ast.parse(source, mode="eval").body) is None


def test_neighbors_in_a_longer_sum_count():
    """In `x + "o" + "wl" + y` the constants that stand side by side are joined."""
    assert list(put_together(ast.parse("x + 'o' + 'wl' + y + 'z'"))) == ["owl", "z"]


def test_long_and_deep_source_takes_no_time():
    """A sum of thousands of parts and a nest of hundreds are read once, without recursion's end."""
    begun = time.process_time()
    long = "def f():\n    return " + " + ".join(["x", "'a'"] * 1000)
    deep = "def f():\n    return " + "''.join([" * 40 + "'a'" + "])" * 40
    for source in (long, deep):
        filters.apply(
            [Row(0, "", source, "x"), Row(1, "", "y = 1", "x")], [filters.code_leak(["owl"])]
        )
    assert time.process_time() - begun < 5
