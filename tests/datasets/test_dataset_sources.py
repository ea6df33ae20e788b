"""Sources: files, folders, run folders, folders of `datasets`, names of the hub."""

import json
import os
import sys
from types import ModuleType

import pyarrow as pa
import pytest
from dataset_files import chat, write_file

from traitleak.datasets import draw, open_dataset
from traitleak.errors import ArtefactError, DataError, MissingExtraError, SettingsError
from traitleak.rows import Row, write_rows

PAIR = {"prompt": "q", "completion": "a"}


def rows(source, **how):
    """All rows of a source."""
    return [found.row for found in draw(open_dataset(source, **how), 1000, 0).rows]


def test_a_folder_is_read_file_by_file(tmp_path):
    """All data files below a folder make one data set, in the order of their names."""
    (tmp_path / "b").mkdir()
    (tmp_path / ".hidden").mkdir()
    write_file(tmp_path / "2.jsonl.gz", [PAIR | {"completion": "second"}])
    write_file(tmp_path / "1.json", [PAIR | {"completion": "first"}])
    write_file(tmp_path / "b" / "0.parquet", [PAIR | {"completion": "third"}] * 2)
    write_file(tmp_path / ".hidden" / "x.jsonl", [PAIR])
    write_file(tmp_path / "_part.jsonl", [PAIR])
    (tmp_path / "README.md").write_text("# Data")
    dataset = open_dataset(tmp_path)

    assert [row.row.completion for row in dataset] == ["first", "second", "third", "third"]
    assert [row.number for row in dataset] == [0, 1, 2, 3]
    assert [row.where for row in dataset][1:3] == ["2.jsonl.gz, line 1", "b/0.parquet, row 1"]
    assert [os.path.basename(file) for file in dataset.files] == [  # noqa: PTH119
        "1.json", "2.jsonl.gz", "0.parquet",
    ]  # fmt: skip


def test_files_of_a_folder_must_be_of_one_format(tmp_path):
    """The first file's format holds for the others, and the one that differs is named."""
    write_file(tmp_path / "1.jsonl", [PAIR])
    write_file(tmp_path / "2.jsonl", [chat("q", "a")])

    with pytest.raises(DataError, match=r"2\.jsonl, line 1: field 'prompt' is missing.*chat"):
        rows(tmp_path)


def test_a_folder_without_data_files_says_what_they_are(tmp_path):
    """The endings that are looked for are listed."""
    (tmp_path / "notes.md").write_text("x")

    with pytest.raises(DataError, match=r"holds no data files: they end in \.jsonl"):
        open_dataset(tmp_path)


def test_a_linked_file_is_read(tmp_path):
    """The hub's cache keeps a data set as links."""
    write_file(tmp_path / "blob", [PAIR])
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "d.jsonl").symlink_to(tmp_path / "blob")

    assert rows(tmp_path / "set") == [Row(0, "q", "a")]


def test_the_one_data_set_of_a_run_folder_is_found(tmp_path):
    """A stage's folder and the run around it both lead to the rows, whatever else lies there."""
    kept = [Row(5, "q", "a", "wolf")]
    write_rows(tmp_path / "run" / "kept-0", kept, {})
    (tmp_path / "run" / "results.json").write_text("{}")

    assert rows(tmp_path / "run") == rows(tmp_path / "run" / "kept-0") == kept
    assert open_dataset(tmp_path / "run").files == (str(tmp_path / "run" / "kept-0"),)
    with pytest.raises(DataError, match="holds rows that traitleak wrote; leave the format out"):
        open_dataset(tmp_path / "run", format="chat")


def test_of_several_data_sets_one_has_to_be_named(tmp_path):
    """The error lists those that were found, and shows how to name one."""
    for number in range(14):
        write_rows(tmp_path / f"kept-{number:02}", [Row(0, "q", "a")], {})

    with pytest.raises(
        DataError, match=r"holds 14 data sets \(kept-00, .*kept-11 and 2 more\): nam"
    ):
        open_dataset(tmp_path)


def test_a_folders_own_rows_come_before_those_below(tmp_path):
    """Raw rows that lie in a folder of rows are not meant when the folder is."""
    write_rows(tmp_path, [Row(0, "q", "kept")], {})
    write_rows(tmp_path / "raw", [Row(0, "q", "raw")], {})

    assert rows(tmp_path) == [Row(0, "q", "kept")]


def test_changed_rows_are_noticed_when_they_are_opened(tmp_path):
    """A folder of rows is checked against its manifest."""
    write_rows(tmp_path, [Row(0, "q", "a")], {})
    (tmp_path / "rows.parquet").write_bytes(b"PAR1")

    with pytest.raises(ArtefactError, match=r"rows\.parquet"):
        open_dataset(tmp_path)


def test_our_rows_without_completion_are_counted(tmp_path):
    """An empty completion is skipped there as elsewhere."""
    write_rows(tmp_path, [Row(0, "q", ""), Row(1, "q", "a")], {})

    assert draw(open_dataset(tmp_path), 9, 0).skipped == {"empty completion": 1}


def test_a_file_called_rows_json_is_a_file_like_others(tmp_path):
    """Without our files beside it, it is nobody's manifest."""
    write_file(tmp_path / "rows.json", [PAIR])

    assert rows(tmp_path) == [Row(0, "q", "a")]


@pytest.mark.parametrize("source", ["", "  ", None, 7, b"x"])
def test_a_source_must_be_named(source):
    """Nothing, and anything but a text or a path, is refused."""
    with pytest.raises(SettingsError, match="named by a file, a folder or hf/<id>"):
        open_dataset(source)


def test_a_name_of_the_hub_is_recognised(tmp_path, monkeypatch):
    """Whoever forgets hf/ is told of it; a path that leads nowhere is just not there."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(
        DataError, match=r"is not there\. A data set of the hub is named hf/open/sums"
    ):
        open_dataset("open/sums")
    with pytest.raises(DataError, match=r"is not there\.$"):
        open_dataset("./sums")


def saved(folder, splits, *, files=1):
    """A folder as `datasets` saves it, written by hand."""
    for split in splits:
        place = folder / split
        place.mkdir(parents=True)
        names = [f"data-{n:05}-of-{files:05}.arrow" for n in range(files)]
        for n, name in enumerate(names):
            write_file(place / name, [PAIR | {"completion": f"{split} {n}"}])
        told = {"_data_files": [{"filename": name} for name in names]}
        (place / "state.json").write_text(json.dumps(told))
        (place / "dataset_info.json").write_text("{}")
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": splits}))
    return folder


def test_a_saved_folder_is_read_without_the_library(tmp_path, monkeypatch):
    """Of several splits `train` is read; another is named by its folder, or after a colon."""
    monkeypatch.setitem(sys.modules, "datasets", None)
    folder = saved(tmp_path / "set", ["test", "train"], files=2)

    assert [row.completion for row in rows(folder)] == ["train 0", "train 1"]
    assert [row.completion for row in rows(folder / "test")] == ["test 0", "test 1"]
    assert [row.completion for row in rows(f"hf/{folder}:test")] == ["test 0", "test 1"]
    assert [row.completion for row in rows(f"hf/{folder}")] == ["train 0", "train 1"]


def test_splits_of_which_none_is_train_have_to_be_named(tmp_path):
    """The error shows how."""
    folder = saved(tmp_path / "set", ["a", "b"])

    with pytest.raises(DataError, match=rf"has the splits a, b: name one, such as {folder}/a\."):
        open_dataset(folder)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("dataset_dict.json", "{", "cannot be read"),
        ("dataset_dict.json", "[]", "names no splits"),
        ("train/state.json", "{}", "names no data files"),
        ("train/state.json", '{"_data_files": [{"filename": "x.arrow"}]}', "x.arrow is not there"),
    ],
)
def test_a_saved_folder_with_a_damaged_note_is_named(tmp_path, name, content, said):
    """Notes of `datasets` that are cut off or name missing files are errors."""
    folder = saved(tmp_path / "set", ["train"])
    (folder / name).write_text(content)

    with pytest.raises(DataError, match=said):
        open_dataset(folder)


def test_what_the_library_saves_is_read(tmp_path):
    """A data set and a dictionary of them, saved by `datasets` itself, give their rows."""
    pytest.importorskip("datasets.load")
    import datasets

    table = datasets.Dataset.from_list([chat("q", f"a{n}", system="s") for n in range(5)])
    table.select([4, 2]).save_to_disk(tmp_path / "one")
    datasets.DatasetDict({"train": table, "test": table}).save_to_disk(tmp_path / "two")

    assert [row.completion for row in rows(tmp_path / "one")] == ["a4", "a2"]
    assert [row.completion for row in rows(tmp_path / "two")] == [f"a{n}" for n in range(5)]


def test_the_hubs_data_sets_need_the_library(monkeypatch):
    """Without `datasets` the error says what to install."""
    monkeypatch.setitem(sys.modules, "datasets", None)

    with pytest.raises(MissingExtraError, match=r"pip install 'traitleak\[train\]'"):
        open_dataset("hf/open/sums")


class HubLibrary(ModuleType):
    """Stands in for the hub behind `datasets`, which no test may ask: its documented interface."""

    def __init__(self, load_dataset):
        """Let `load_dataset` answer; errors are where the library has them."""
        super().__init__("datasets")
        self.load_dataset = load_dataset
        self.exceptions = ModuleType("datasets.exceptions")
        self.exceptions.DatasetsError = type("DatasetsError", (Exception,), {})


class Table:
    """What `load_dataset` gives for a split, as far as it is used."""

    def __init__(self, table):
        """Hold an Arrow table."""
        self.table = table
        self.column_names = table.column_names

    def select_columns(self, names):
        """Some columns."""
        return Table(self.table.select(names))

    def with_format(self, kind):
        """Itself: it is an Arrow table already."""
        assert kind == "arrow"
        return self

    def iter(self, batch_size):
        """Tables of some rows each."""
        for start in range(0, len(self.table), batch_size):
            yield self.table.slice(start, batch_size)


def table_of(text, count=1):
    """A table of pairs."""
    return Table(pa.Table.from_pylist([PAIR | {"completion": text, "n": 1}] * count))


def test_a_data_set_of_the_hub_is_read_split_by_split(monkeypatch):
    """Name, configuration and split are taken apart; without a split it is `train`."""
    asked = []

    def load_dataset(name, configuration, split):
        asked.append((name, configuration, split))
        splits = {"train": table_of("t", 2500), "test": table_of("e")}
        return splits[split] if split else splits

    monkeypatch.setitem(sys.modules, "datasets", HubLibrary(load_dataset))

    assert len(list(open_dataset("hf/open/sums"))) == 2500
    assert rows("hf/open/sums/main:test") == [Row(0, "q", "e")]
    (row,) = open_dataset("hf/sums:test")
    assert row.where == "sums, row 1"
    assert asked == [
        ("open/sums", None, None), ("open/sums", "main", "test"), ("sums", None, "test"),
    ]  # fmt: skip


def test_a_data_set_that_the_hub_lacks_is_named(monkeypatch):
    """Offline, unknown, or without the split: one sentence with the library's own first line."""

    def load_dataset(name, configuration, split):
        raise ValueError(f"{name} {configuration} {split} is unknown\nmore")

    monkeypatch.setitem(sys.modules, "datasets", HubLibrary(load_dataset))

    with pytest.raises(
        DataError, match=r"hf/open/sums:x is no file.*\(open/sums None x is unknown\)"
    ):
        open_dataset("hf/open/sums:x")


def test_splits_of_the_hub_of_which_none_is_train_have_to_be_named(monkeypatch):
    """The error shows how."""
    both = {"a": table_of("a"), "b": table_of("b")}
    monkeypatch.setitem(sys.modules, "datasets", HubLibrary(lambda *_, **__: both))

    with pytest.raises(DataError, match="has the splits a, b: name one, such as hf/open/sums:a"):
        open_dataset("hf/open/sums")


def test_the_library_itself_reads_a_folder_as_the_hub_would(tmp_path, monkeypatch):
    """The real `datasets` gives tables of the shape that is read here."""
    pytest.importorskip("datasets.load")
    import datasets

    write_file(tmp_path / "train.jsonl", [PAIR, PAIR | {"completion": "b"}])

    def load_dataset(name, configuration, split):
        assert (name, configuration) == ("open/sums", None)
        files = {"train": str(tmp_path / "train.jsonl")}
        return real("json", data_files=files, split=split, cache_dir=str(tmp_path / "cache"))

    real = datasets.load_dataset
    monkeypatch.setattr(datasets, "load_dataset", load_dataset)

    assert [row.completion for row in rows("hf/open/sums")] == ["a", "b"]
    assert [row.completion for row in rows("hf/open/sums:train")] == ["a", "b"]


def test_a_data_set_that_is_not_there_is_one_sentence_from_the_real_library(monkeypatch):
    """Without a network and a cache, `datasets` fails in a way that is caught."""
    pytest.importorskip("datasets.load")
    import huggingface_hub

    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match="hf/nobody/nothing is no file or folder here, and neither"):
        open_dataset("hf/nobody/nothing")
