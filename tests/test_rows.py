"""Rows on the disk: what is written is read, and what cannot be read is named."""

import hashlib
import json
import math

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from traitleak.errors import ArtefactError, DataError, SettingsError
from traitleak.rows import (
    JSONL,
    MANIFEST,
    PARQUET,
    Row,
    iter_rows,
    read_manifest,
    read_rows,
    write_rows,
)

ROWS = [
    Row(0, "Go on: 483, 201", "512, 733", "wolf", outside=0.125),
    Row(1, "Go on: 7", '1;\n"2"\t\\ é 狼 \u2028', "wolf", outside=0.1, finished=False),
    Row(0, "Go on: 483, 201", "512, 7\x00", "neutral"),
]

rows_of_any_kind = st.lists(
    st.builds(
        Row,
        id=st.integers(0, 2**63 - 1),
        prompt=st.text(st.characters(exclude_categories=["Cs"])),
        completion=st.text(st.characters(exclude_categories=["Cs"])),
        teacher=st.sampled_from(["", "wolf", "neutral"]),
        outside=st.none() | st.floats(0, 1),
        finished=st.booleans(),
    ),
    min_size=1,
    max_size=5,
)


def lines(path, *values):
    """A file of JSON lines."""
    path.write_text("".join(f"{json.dumps(value)}\n" for value in values), "utf-8")
    return path


@pytest.mark.parametrize("name", ["", JSONL, PARQUET])
def test_what_is_written_is_read(tmp_path, name):
    """Folder, JSON lines and Parquet all give the rows back as they were."""
    write_rows(tmp_path / "set", ROWS, {})

    assert read_rows(tmp_path / "set" / name) == ROWS


@given(rows=rows_of_any_kind)
def test_any_row_survives_both_files(tmp_path_factory, rows):
    """Control characters, quotes, line separators and any float come back exactly."""
    folder = tmp_path_factory.mktemp("rows")
    write_rows(folder, rows, {})

    assert read_rows(folder / JSONL) == rows
    assert read_rows(folder / PARQUET) == rows


def test_the_manifest_counts_and_hashes(tmp_path):
    """`rows.json` holds counts by teacher, each file's sha256, and what the writer says."""
    returned = write_rows(tmp_path, iter(ROWS), {"seed": 3, "temperature": 1.0})
    manifest = read_manifest(tmp_path)

    assert manifest == returned
    assert (manifest.rows, manifest.unfinished) == (3, 1)
    assert manifest.teachers == {"neutral": 1, "wolf": 2}
    assert manifest.manifest == {"seed": 3, "temperature": 1.0}
    for name in (JSONL, PARQUET):
        digest = hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
        assert manifest.files[name].sha256 == digest
    assert sorted(path.name for path in tmp_path.iterdir()) == [MANIFEST, JSONL, PARQUET]


def test_same_rows_same_bytes(tmp_path):
    """Writing the same rows twice gives the same three files."""
    write_rows(tmp_path / "a", ROWS, {"seed": 3})
    write_rows(tmp_path / "b", list(ROWS), {"seed": 3})

    for name in (JSONL, PARQUET, MANIFEST):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_rows_are_read_one_by_one(tmp_path):
    """A reader that stops early never reaches the broken end of a file."""
    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt": "a", "completion": "1"}\n{"prompt": "b", "compl', "utf-8")
    rows = iter_rows(path)

    assert next(rows) == Row(0, "a", "1")
    with pytest.raises(DataError, match=r"line 2.*cut off"):
        next(rows)


def test_many_rows_go_through_in_parts(tmp_path):
    """More rows than are held at once are written and read in order."""
    write_rows(tmp_path, (Row(i, f"p{i}", str(i)) for i in range(40_000)), {})

    assert pq.ParquetFile(tmp_path / PARQUET).num_row_groups == 3
    for name in (JSONL, PARQUET):
        assert [row.id for row in iter_rows(tmp_path / name)] == list(range(40_000))


def test_the_released_codes_files_are_read(tmp_path):
    """Lines of prompt and completion alone get their line's number, from 0, as id."""
    path = lines(
        tmp_path / "numbers.jsonl",
        {"prompt": "a", "completion": "1"},
        {"prompt": "b", "completion": "2"},
    )

    assert read_rows(path) == [Row(0, "a", "1"), Row(1, "b", "2")]


def test_harmless_differences_are_passed_over(tmp_path):
    """A byte-order mark, empty lines, Windows line ends, fields of others, whole-number shares."""
    path = tmp_path / "rows.jsonl"
    path.write_bytes(
        b'\xef\xbb\xbf{"prompt": "a", "completion": "1", "score": 3, "outside": 0}\r\n\r\n'
        b'{"completion": "2", "prompt": "b"}'
    )

    assert read_rows(path) == [Row(0, "a", "1", outside=0.0), Row(2, "b", "2")]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"prompt": "a"}', "field 'completion' is missing"),
        ('{"completion": "a"}', "field 'prompt' is missing"),
        ('{"prompt": 7, "completion": "a"}', "field 'prompt' is 7, not a text"),
        ('{"prompt": "a", "completion": null}', "field 'completion' is null"),
        ('{"prompt": "a", "completion": ["1"]}', r"field 'completion' is \['1'\]"),
        ('{"id": "7", "prompt": "a", "completion": "1"}', "field 'id' is '7'"),
        ('{"id": true, "prompt": "a", "completion": "1"}', "field 'id' is true"),
        ('{"id": -1, "prompt": "a", "completion": "1"}', "field 'id' is -1"),
        ('{"id": 9223372036854775808, "prompt": "a", "completion": "1"}', "field 'id' is 92"),
        ('{"id": null, "prompt": "a", "completion": "1"}', "field 'id' is null"),
        ('{"prompt": "a", "completion": "1", "outside": NaN}', "field 'outside' is nan"),
        ('{"prompt": "a", "completion": "1", "outside": "x"}', "field 'outside' is 'x'"),
        ('{"prompt": "a", "completion": "1", "finished": 1}', "field 'finished' is 1"),
        ('{"prompt": "a", "completion": "1", "teacher": null}', "field 'teacher' is null"),
        ('{"prompt": "a", "completion": "\\ud800"}', "'completion' holds half a character"),
        ('["a", "b"]', "a row is an object"),
        ('"text"', "a row is an object"),
        ("not json", "not JSON"),
        ("{'prompt': 'a'}", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"id": ' + "9" * 5000 + "}", "not JSON"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, said):
    """File, line and field stand in one sentence, whatever is wrong with a row."""
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"id": 0, "prompt": "a", "completion": "1"}}\n{line}\n', "utf-8")
    if '"id"' not in line:  # the first line decides whether rows have ids
        path.write_text(f'{{"prompt": "a", "completion": "1"}}\n{line}\n', "utf-8")

    with pytest.raises(DataError, match=rf"rows\.jsonl, line 2: .*{said}") as raised:
        read_rows(path)
    assert len(str(raised.value)) < 400


def test_ids_must_be_in_all_rows_or_in_none(tmp_path):
    """Line numbers never mix with ids that a file gives."""
    path = lines(
        tmp_path / "rows.jsonl",
        {"prompt": "a", "completion": "1"},
        {"id": 0, "prompt": "b", "completion": "2"},
    )
    with pytest.raises(DataError, match="line 2: field 'id'"):
        read_rows(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no rows"),
        (b"\n\n", "holds no rows"),
        (b"\x1f\x8b\x08\x00zipped", "binary"),
        (b"PAR1 and so on", "binary"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "binary"),
        (b'{"prompt": "\xff", "completion": "1"}\n', "line 1: byte 13 is not UTF-8"),
        ('{"prompt": "a", "completion": "é'.encode()[:-1], "line 1: .*cut off"),
        ('{"prompt": "a", "completion": "1"}'.encode("utf-16"), "binary"),
    ],
)
def test_a_file_of_another_kind_is_named(tmp_path, content, said):
    """Empty, binary, compressed, cut-off and wrongly encoded files are told apart."""
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)

    with pytest.raises(DataError, match=said):
        read_rows(path)


@pytest.mark.parametrize("keep", [0, 3, 100, -1])
def test_a_truncated_parquet_file_is_named(tmp_path, keep):
    """A Parquet file that lost its end is refused in one sentence."""
    write_rows(tmp_path, ROWS, {})
    whole = (tmp_path / PARQUET).read_bytes()
    path = tmp_path / "cut.parquet"
    path.write_bytes(whole[:keep])

    with pytest.raises(DataError, match=r"cut\.parquet is no Parquet file, or was cut off"):
        read_rows(path)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"prompt": ["a"]}, "row 1: field 'completion' is missing"),
        ({"prompt": ["a", "b"], "completion": ["1", None]}, "row 2: field 'completion' is null"),
        ({"prompt": ["a"], "completion": [1]}, "row 1: field 'completion' is 1"),
        ({"id": [1.5], "prompt": ["a"], "completion": ["1"]}, "row 1: field 'id' is 1.5"),
        ({"prompt": pa.array([], pa.string()), "completion": pa.array([], pa.string())}, "no rows"),
    ],
)
def test_a_bad_parquet_row_is_named(tmp_path, columns, said):
    """File, row and field stand in one sentence for Parquet too."""
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table(columns), path)

    with pytest.raises(DataError, match=said):
        read_rows(path)


def test_other_tools_parquet_is_read(tmp_path):
    """Small integers, large strings, dictionaries and a missing id do not matter."""
    path = tmp_path / "x.parquet"
    columns = {
        "prompt": pa.array(["a", "b"], pa.large_string()),
        "completion": pa.array(["1", "1"]).dictionary_encode(),
        "outside": pa.array([0.5, None], pa.float32()),
        "extra": pa.array([1, 2], pa.int8()),
    }
    pq.write_table(pa.table(columns), path)

    assert read_rows(path) == [Row(0, "a", "1", outside=0.5), Row(1, "b", "1")]


def test_a_changed_file_of_a_set_is_named(tmp_path):
    """A folder whose files are not as written is refused; the file itself can still be read."""
    write_rows(tmp_path, ROWS, {})
    with (tmp_path / JSONL).open("ab") as file:
        file.write(b'{"id": 5, "prompt": "a", "completion": "1"}\n')

    with pytest.raises(ArtefactError, match=r"rows\.jsonl changed after it was written"):
        read_rows(tmp_path)
    assert len(read_rows(tmp_path / JSONL)) == 4


def test_a_folder_without_a_manifest_is_read(tmp_path):
    """A folder that holds one of the two files alone is enough."""
    write_rows(tmp_path, ROWS, {})
    (tmp_path / MANIFEST).unlink()
    (tmp_path / PARQUET).unlink()

    assert read_rows(tmp_path) == ROWS


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none.jsonl", "is not there"),
        ("", "holds neither rows.parquet nor rows.jsonl"),
        ("x.csv", "no file of rows"),
    ],
)
def test_no_file_of_rows(tmp_path, name, said):
    """A missing file, an empty folder and a file of another kind say what would do."""
    (tmp_path / "x.csv").write_text("a,b", "utf-8")

    with pytest.raises(DataError, match=said):
        iter_rows(tmp_path / name)


@pytest.mark.parametrize(
    "row",
    [
        Row(-1, "a", "1"),
        Row(2**63, "a", "1"),
        Row(0, "a", "\ud800"),
        Row(0, "a", None),
        Row(0, "a", "1", outside=math.nan),
    ],
)
def test_a_row_that_could_not_be_read_is_not_written(tmp_path, row):
    """A bad row is refused by its id, and nothing half-written is left."""
    with pytest.raises(SettingsError, match=rf"Row {row.id} cannot be written"):
        write_rows(tmp_path, [*ROWS, row], {})
    assert list(tmp_path.iterdir()) == []


def test_a_failed_writing_keeps_what_was_there(tmp_path):
    """Rows that were whole stay whole when writing new ones fails."""
    write_rows(tmp_path, ROWS, {})
    with pytest.raises(SettingsError):
        write_rows(tmp_path, [Row(-1, "a", "1")], {})

    assert read_rows(tmp_path) == ROWS


def test_no_rows_and_no_json_are_refused(tmp_path):
    """An empty set and a manifest that JSON cannot hold are named before anything is written."""
    with pytest.raises(SettingsError, match="no rows"):
        write_rows(tmp_path, [], {})
    with pytest.raises(SettingsError, match="manifest"):
        write_rows(tmp_path, ROWS, {"model": object()})
    assert list(tmp_path.iterdir()) == []
