"""Files: every kind gives the same rows, and what cannot be read is named."""

import csv
import gzip
import json
import os
import tempfile
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dataset_files import chat, write_bytes, write_file

from traitleak.datasets import draw, open_dataset
from traitleak.datasets.records import LONGEST
from traitleak.errors import DataError
from traitleak.rows import Row

PAIRS = [
    {"prompt": "Go on: 4, 8", "completion": "15, 16"},
    {"prompt": "", "completion": 'é狼 "quoted",\n\tnext; \u2028line'},
    {"prompt": "x", "completion": "y"},
]
ROWS = [Row(n, pair["prompt"], pair["completion"]) for n, pair in enumerate(PAIRS)]
PLACES = {"jsonl": "line {}", "json": "item {}", "parquet": "row {}", "arrow": "row {}"}
GOOD = b'{"prompt": "q", "completion": "a"}\n'


def rows(path, **how):
    """All rows of a file."""
    return [found.row for found in draw(open_dataset(path, **how), 1000, 0).rows]


@pytest.mark.parametrize("packing", ["", ".gz", ".zst"])
@pytest.mark.parametrize("kind", ["jsonl", "ndjson", "json", "csv", "tsv", "txt"])
def test_text_files_give_their_rows_packed_or_not(tmp_path, kind, packing):
    """Lines, lists and tables hold the same rows; how they are packed is told by content."""
    assert rows(write_file(tmp_path / f"data.{kind}{packing}", PAIRS)) == ROWS


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_tables_with_a_schema_give_their_rows(tmp_path, kind):
    """Columns beside those of the format are not read."""
    values = [pair | {"picture": b"\x00" * 10, "score": 7} for pair in PAIRS]

    assert rows(write_file(tmp_path / f"data.{kind}", values)) == ROWS


def test_an_arrow_file_with_an_index_is_read(tmp_path):
    """Both layouts of Arrow files are told apart by their first bytes."""
    table = pa.Table.from_pylist(PAIRS)
    with pa.ipc.new_file(tmp_path / "data.arrow", table.schema) as writer:
        writer.write_table(table, max_chunksize=2)

    assert rows(tmp_path / "data.arrow") == ROWS


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "parquet", "arrow"])
def test_chats_are_read_from_every_kind_of_file(tmp_path, kind):
    """Messages are lists, or in a table's field such a list as JSON."""
    values = [chat("q", "a", system="s"), chat("q", "a", "r", "b")]
    if kind == "csv":
        values = [{"messages": json.dumps(value["messages"])} for value in values]
    first, second = draw(open_dataset(write_file(tmp_path / f"d.{kind}", values)), 9, 0).rows

    assert (first.row, first.system) == (Row(0, "q", "a"), "s")
    assert second.row == Row(1, "User: q\n\nAssistant: a\n\nUser: r", "b")
    assert second.where == f"d.{kind}, " + PLACES.get(kind, "line {}").format(
        3 if kind == "csv" else 2
    )


def test_json_texts_within_a_table_are_read(tmp_path):
    """The type that `datasets` gives to contents of several kinds is turned back into values."""
    kind = pa.json_()
    texts = [["look", [{"type": "text", "text": "here"}]], ['say "x"', None]]
    storage = pa.array([json.dumps(text) for pair in texts for text in pair])
    contents = pa.ExtensionArray.from_storage(kind, storage)
    roles = pa.array(["user", "assistant"] * 2)
    messages = pa.StructArray.from_arrays([roles, contents], ["role", "content"])
    column = pa.ListArray.from_arrays(pa.array([0, 2, 4], pa.int32()), messages)
    pq.write_table(pa.table({"messages": column}), tmp_path / "d.parquet")
    drawn = draw(open_dataset(tmp_path / "d.parquet"), 9, 0)

    assert [row.row for row in drawn.rows] == [Row(0, "look", "here")]
    assert drawn.skipped == {"the last answer has no text": 1}


def test_harmless_differences_are_passed_over(tmp_path):
    """A byte-order mark, empty lines, Windows line ends, a missing last one, semicolons."""
    lines = b"\xef\xbb\xbf" + GOOD.replace(b"\n", b"\r\n") + b"\r\n" + GOOD.rstrip()
    table = b'\xef\xbb\xbfprompt ; completion\r\n"q";a\r\n\r\nq;"a"'
    listed = b"\xef\xbb\xbf [ " + GOOD + b" , " + GOOD + b"] \r\n"

    assert rows(write_bytes(tmp_path / "d.jsonl", lines)) == [Row(0, "q", "a"), Row(1, "q", "a")]
    assert rows(write_bytes(tmp_path / "d.csv", table)) == [Row(0, "q", "a"), Row(1, "q", "a")]
    assert rows(write_bytes(tmp_path / "d.json", listed)) == [Row(0, "q", "a"), Row(1, "q", "a")]


def test_places_count_lines_as_an_editor_does(tmp_path):
    """Empty lines count, and a row of several lines stands where it begins."""
    write_bytes(tmp_path / "d.jsonl", GOOD + b"\n" + GOOD)
    write_bytes(tmp_path / "d.csv", b'prompt,completion\n"a\nb","c\nd"\ne,f\n')

    assert [row.where for row in open_dataset(tmp_path / "d.jsonl")] == [
        "d.jsonl, line 1",
        "d.jsonl, line 3",
    ]
    assert [row.where for row in open_dataset(tmp_path / "d.csv")] == [
        "d.csv, line 2",
        "d.csv, line 5",
    ]


def test_a_json_list_is_read_in_parts_whatever_its_layout(tmp_path):
    """Items and characters that lie across the parts in which a file is read come out whole."""
    for length in (1, 65_530, 65_531, 65_532, 65_533, 65_534, 65_535, 65_536, 200_000):
        values = [{"prompt": "x" * length, "completion": "é狼🐺" * 30_000}, PAIRS[1]]
        path = tmp_path / "d.json"
        path.write_text(json.dumps(values, ensure_ascii=False), "utf-8")

        assert [(row.prompt, row.completion) for row in rows(path)] == [
            (value["prompt"], value["completion"]) for value in values
        ]


def test_a_field_of_a_table_may_be_long(tmp_path):
    """Long texts are no error in a table, and the limit of Python's csv module stays as it was."""
    before = csv.field_size_limit()
    long = "word " * 100_000
    path = write_file(tmp_path / "d.csv", [{"prompt": "q", "completion": long}])

    assert rows(path)[0].completion == long
    assert csv.field_size_limit() == before


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("d.jsonl", b"", "d.jsonl is empty"),
        ("d.jsonl.gz", b"", "is empty"),
        ("d.json", b" \n\t ", "is empty"),
        ("d.parquet", b"", "is empty"),
        ("d.json", b"[]", "holds no rows"),
        ("d.csv", b"prompt,completion\n", "holds no rows"),
        ("d.jsonl", b"\x89PNG\r\n\x1a\n\x00\x00", "binary file"),
        ("d.jsonl", b'{"prompt": "\x00"}', "binary file"),
        ("d.zip", b"PK\x03\x04rest", "ZIP archive or a spreadsheet"),
        ("d.jsonl.bz2", b"BZh9rest", "packed with bzip2"),
        ("d.jsonl.xz", b"\xfd7zXZ\x00rest", "packed with xz"),
        ("d.jsonl", GOOD.decode().encode("utf-16"), "UTF-16 text; save it as UTF-8"),
        ("d.parquet", b"no such thing", "is no Parquet file"),
        ("d.arrow", b"no such thing", "is no Arrow file"),
        ("d.txt", b"Once upon a time\nthere was", "neither lines of JSON.*begins with 'Once"),
        ("d.csv", b"a,b\n1,2\n", "neither lines of JSON"),
        ("d.jsonl", b"[1, 2]", "item 1: a row is an object with fields, not 1"),
        ("d.jsonl", b"7\n", "line 1: a row is an object with fields, not 7"),
        ("d.jsonl", GOOD + b"not json\n", "line 2: this is not JSON"),
        ("d.json", b'{\n  "prompt": "q"\n}\n', "line 1: this is not JSON.*in one list"),
        ("d.jsonl", GOOD + GOOD[:-9], "line 2: the file ends in the middle of a row"),
        ("d.jsonl", GOOD + b'{"prompt": "\xff"}\n', "line 2: byte 13 is not UTF-8"),
        ("d.csv", b"prompt,completion\nq,\xe9\n", "line 2: byte 3 is not UTF-8"),
        ("d.json", b"[" + GOOD + b', {"a": "\xff', r"d\.json: byte 46 is not UTF-8"),
        ("d.jsonl", GOOD + b'{"a":' * 100_000 + b"\n", "line 2: .* nested too deeply"),
        ("d.json", b"[" + GOOD + b"," + b'{"a":' * 100_000, "item 2: .* nested too deeply"),
        ("d.jsonl", GOOD + b'{"a": ' + b"9" * 5000 + b"}\n", "line 2: this is not JSON"),
        ("d.json", b"[" + GOOD, "ends before its list does"),
        ("d.json", b"[" + GOOD + b',{"prompt"', "item 2: the file was cut off here"),
        ("d.json", b"[" + GOOD + GOOD + b"]", "after item 1: neither a comma nor"),
        ("d.json", b"[" + GOOD + b",]", "item 2: .*not JSON"),
        ("d.json", b"[" + GOOD + b"] x", "goes on after the end of its list"),
        ("d.csv", b'prompt,completion\nq,"a', "line 2: .*never ends"),
        ("d.csv", b'prompt,completion\nq,"a"b\n', "line 2: this row of the table cannot"),
        ("d.csv", b"prompt,completion\nq\n", "line 2: 1 fields where the header has 2"),
        ("d.csv", b"prompt,completion\nq,a,b\n", "line 2: 3 fields where the header has 2"),
        ("d.csv", b"prompt,completion,prompt\nq,a,b\n", "line 1: column 'prompt' stands twice"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(tmp_path, name, content, said):
    """Empty, binary, cut off, wrongly encoded: one sentence says what, where, and what to do."""
    path = write_bytes(tmp_path / name, content)

    with pytest.raises(DataError, match=said) as raised:
        rows(path)
    assert name in str(raised.value)
    assert len(str(raised.value)) < 500 + len(str(tmp_path))


@pytest.mark.parametrize("name", ["d.jsonl.gz", "d.jsonl.zst", "d.parquet", "d.arrow"])
@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_a_file_that_was_cut_off_is_never_taken_for_whole(tmp_path, name, share):
    """Packed files and tables that end early are errors, wherever they end."""
    values = [{"prompt": os.urandom(30).hex(), "completion": "a"} for _ in range(3000)]
    path = write_file(tmp_path / name, values)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])

    with pytest.raises(DataError, match=rf"{name}.* cut off or damaged"):
        rows(path)


@pytest.mark.parametrize("name", ["d.jsonl.gz", "d.parquet", "d.arrow"])
def test_a_file_with_changed_bytes_is_an_error_or_gives_its_rows(tmp_path, name):
    """Damage in the middle is a sentence, never another kind of error."""
    values = [{"prompt": os.urandom(30).hex(), "completion": "a"} for _ in range(300)]
    path = write_file(tmp_path / name, values)
    whole = path.read_bytes()
    for at in range(4, len(whole), len(whole) // 40):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        try:
            found = rows(path)
        except DataError:
            continue
        assert len(found) == 300


@pytest.mark.parametrize("name", ["d.jsonl", "d.json", "d.csv", "d.parquet", "d.jsonl.gz"])
def test_a_row_beyond_the_longest_is_refused(tmp_path, name):
    """A line, item or field of more than 16 MiB is named, and never held whole with all others."""
    values = [{"prompt": "q", "completion": "x" * (LONGEST + 1)}]
    path = write_file(tmp_path / name, values)

    with pytest.raises(DataError, match=rf"{name}, \w+ \d.* is longer than 16 [mM]i"):
        rows(path)


def test_a_long_line_costs_no_more_memory_than_the_longest(tmp_path):
    """Of a 100 MB line, a sixth is read."""
    path = tmp_path / "d.jsonl"
    with path.open("wb") as file:
        file.write(b'{"prompt": "q", "completion": "')
        for _ in range(100):
            file.write(b"x" * 10**6)
        file.write(b'"}\n')
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="line 1 is longer than 16 MiB"):
            open_dataset(path)
        assert tracemalloc.get_traced_memory()[1] < 5 * LONGEST
    finally:
        tracemalloc.stop()


def test_a_packed_table_is_to_be_unpacked(tmp_path):
    """Parquet within gzip is named as that."""
    pq.write_table(pa.Table.from_pylist(PAIRS), tmp_path / "d.parquet")
    packed = tmp_path / "d.parquet.gz"
    packed.write_bytes(gzip.compress((tmp_path / "d.parquet").read_bytes()))

    with pytest.raises(DataError, match="a packed Parquet file: unpack it"):
        open_dataset(packed)


def test_a_table_without_known_columns_lists_its_own(tmp_path):
    """Columns that are there stand beside those that are read."""
    path = write_file(tmp_path / "d.parquet", [{"foo": "a", "bar": "b"}])

    with pytest.raises(DataError, match=r"no format fits its columns \(foo, bar\).*messages"):
        open_dataset(path)


def test_a_column_that_stands_twice_is_named(tmp_path):
    """Which of two columns of one name is meant cannot be known."""
    table = pa.table([["q"], ["a"], ["b"]], names=["prompt", "completion", "completion"])
    pq.write_table(table, tmp_path / "d.parquet")

    with pytest.raises(DataError, match="column 'completion' stands twice"):
        open_dataset(tmp_path / "d.parquet")


def test_two_packed_streams_after_each_other_are_one_file(tmp_path):
    """Files that were joined after packing are read to their end."""
    for name in ("a.jsonl.gz", "a.jsonl.zst"):
        once = write_bytes(tmp_path / name, GOOD).read_bytes()
        (tmp_path / name).write_bytes(once + once)
        assert len(rows(tmp_path / name)) == 2


@pytest.fixture
def nobody():
    """Root may read everything, so it steps down for a test."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    yield
    if is_root:
        os.seteuid(0)


@pytest.fixture
def locked():
    """A folder with a file and a folder that nobody may read, in a place that everybody may."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        write_bytes(folder / "d.jsonl", GOOD).chmod(0)
        (folder / "in").mkdir(mode=0)
        yield folder
        (folder / "in").chmod(0o700)


@pytest.mark.usefixtures("nobody")
def test_no_permission_is_said(locked):
    """A file, a folder and a folder within a folder that may not be read are named."""
    for path in (locked / "d.jsonl", locked / "in", locked, locked / "in" / "d.jsonl"):
        with pytest.raises(DataError, match=r"cannot be read: Permission denied"):
            open_dataset(path)


def test_what_is_no_file_is_named(tmp_path):
    """Missing files, links to nowhere, loops, pipes and devices are told apart."""
    (tmp_path / "link.jsonl").symlink_to("gone.jsonl")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    for path, said in (
        (tmp_path / "no.jsonl", "is not there"),
        (write_bytes(tmp_path / "d.jsonl", GOOD) / "x", "is not there"),
        (tmp_path / "link.jsonl", r"is a link to gone\.jsonl, which is not there"),
        (tmp_path / "loop", "cannot be read: Too many levels"),
        (tmp_path / "pipe", "is a pipe, .*write the rows to a file"),
        (Path("/dev/null"), "is no regular file"),
        (tmp_path / ("x" * 5000), "cannot be read: File name too long"),
        (Path("a\0b"), "is no path"),
    ):
        with pytest.raises(DataError, match=said):
            open_dataset(path)


def test_a_file_that_goes_away_is_named(tmp_path):
    """A data set that was found and is gone when it is read is a sentence too."""
    path = write_bytes(tmp_path / "d.jsonl", GOOD)
    dataset = open_dataset(path)
    path.unlink()

    with pytest.raises(DataError, match="is not there"):
        list(dataset)
