"""Files that are whole or absent, and checked by hash."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from small_disk import IN_A_NAMESPACE, can_mount
from traitleak.artefacts import (
    FileRecord,
    Files,
    Strict,
    check_files,
    content_hash,
    new_folder,
    put_folder,
    record_files,
    write_json,
    write_text,
)
from traitleak.errors import ArtefactError, RunError


class Holder(Strict):
    """Something with a list of files, as a manifest has."""

    files: Files


def test_records_name_files_in_subfolders_with_forward_slashes(tmp_path: Path) -> None:
    """A file's record has its path below the folder, its length and the SHA-256 of its bytes."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "abc.txt").write_bytes(b"abc")
    (tmp_path / "empty").touch()
    sha256_of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180
    records = record_files(tmp_path)
    assert list(records) == ["a/b/abc.txt", "empty"]
    assert records["a/b/abc.txt"] == FileRecord(sha256=sha256_of_abc, bytes=3)
    assert records["empty"].bytes == 0


def test_hashing_reads_all_of_a_large_file(tmp_path: Path) -> None:
    """A change in the last byte of a file of several chunks is noticed."""
    path = tmp_path / "large.bin"
    path.write_bytes(bytes(3_000_001))
    files = record_files(tmp_path)
    check_files(tmp_path, files, "restore it")
    path.write_bytes(bytes(3_000_000) + b"\x01")
    with pytest.raises(
        ArtefactError, match=r"large\.bin changed .* \(sha256 differs\); restore it"
    ):
        check_files(tmp_path, files, "restore it")


def test_a_truncated_file_is_named_with_both_sizes(tmp_path: Path) -> None:
    """The error says which file, how long it is, how long it was, and what to do."""
    path = tmp_path / "rows.jsonl"
    path.write_bytes(bytes(120))
    files = record_files(tmp_path)
    path.write_bytes(bytes(10))
    with pytest.raises(ArtefactError) as caught:
        check_files(tmp_path, files, "restore it")
    assert str(caught.value) == (
        f"{path} changed after it was written (sha256 differs, 10 instead of 120 bytes); "
        "restore it."
    )


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "", ".", "a\\..\\x"])
def test_no_manifest_leads_out_of_its_folder(name: str) -> None:
    """A manifest made elsewhere cannot make us read or write files outside its folder."""
    with pytest.raises(ValidationError, match="not a file inside the folder"):
        Holder.model_validate({"files": {name: {"sha256": "", "bytes": 0}}})


def test_content_hash_ignores_the_order_of_keys_only() -> None:
    """Equal settings have equal hashes however they are ordered; others differ."""
    assert content_hash({"a": 1, "b": [1, 2]}) == content_hash({"b": [1, 2], "a": 1})
    assert content_hash([1, 2]) != content_hash([2, 1])
    assert content_hash({"a": 1}) != content_hash({"a": "1"})
    with pytest.raises(ValueError, match="not JSON compliant"):
        content_hash({"a": float("nan")})


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    """Text that cannot be encoded half-way through does not touch what is there."""
    path = tmp_path / "report.md"
    write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "x" * 100_000 + "\ud800")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["report.md"]


def test_json_with_nan_is_not_written(tmp_path: Path) -> None:
    """NaN is not JSON: no file appears."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"a": float("inf")})
    assert not list(tmp_path.iterdir())


def test_putting_a_folder_replaces_all_of_the_old_one(tmp_path: Path) -> None:
    """After the rename only the new files are there, and no leftover."""
    for name, file in [("place", "old.txt"), ("whole", "new.txt")]:
        (tmp_path / name).mkdir()
        (tmp_path / name / file).touch()
    put_folder(tmp_path / "whole", tmp_path / "place")
    assert [p.relative_to(tmp_path).as_posix() for p in sorted(tmp_path.rglob("*"))] == [
        "place",
        "place/new.txt",
    ]


# Each library reports a full disk in its own way.
_WRITERS = {
    "text": "out.write_text('x' * 4_000_000)",
    "numpy": "import numpy as np; np.save(out, np.zeros(500_000))",
    "safetensors": """
import numpy as np
from safetensors.numpy import save_file
save_file({'a': np.zeros(500_000)}, out)
""",
    "torch": "import torch; torch.save(torch.zeros(1_000_000), out)",
}
_ON_FULL_DISK = """
import subprocess, sys
from pathlib import Path
from traitleak.artefacts import failures_named
from traitleak.errors import RunError
disk = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=True)
out = disk / "out"
try:
    with failures_named(out, disk):
        exec(sys.argv[2])
except RunError as error:
    print(error)
"""


@pytest.mark.skipif(not can_mount(), reason="needs a user namespace in which to mount a small disk")
@pytest.mark.parametrize("writer", _WRITERS)
def test_a_full_disk_is_said_plainly_whoever_writes(writer: str, tmp_path: Path) -> None:
    """On a real disk of 1 MB, whatever the writing library raises becomes one sentence."""
    done = subprocess.run(
        [*IN_A_NAMESPACE, sys.executable, "-c", _ON_FULL_DISK, tmp_path, _WRITERS[writer]],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(f"{tmp_path}/out could not be written: no room on the disk (")
    assert done.stdout.count("\n") == 1


def test_a_new_folder_is_whole_or_absent(tmp_path):
    """What is written takes its name when all is there; after an error nothing is left of it."""
    place = tmp_path / "deep" / "rows"
    with new_folder(place) as folder:
        (folder / "a").write_text("1", encoding="utf-8")
        assert not place.exists()
    assert [path.name for path in place.iterdir()] == ["a"]
    with pytest.raises(ZeroDivisionError), new_folder(tmp_path / "b") as folder:
        (folder / "a").write_text(str(1 / 0), encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]


def test_a_new_folder_never_takes_the_place_of_something(tmp_path):
    """A folder with something in it and a file are refused by name; an empty folder may be filled."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    (tmp_path / "file").touch()
    for name, said in (("full", "full is not empty"), ("file", "file is a file")):
        with pytest.raises(RunError, match=said), new_folder(tmp_path / name):
            pass
    with (
        pytest.raises(RunError, match="below could not be written"),
        new_folder(tmp_path / "file" / "below"),
    ):
        pass
    (tmp_path / "empty").mkdir()
    (tmp_path / ".unfinished-empty").mkdir()  # of a command that was killed
    with new_folder(tmp_path / "empty") as folder:
        (folder / "a").touch()
    assert (tmp_path / "empty" / "a").exists()
    assert not (tmp_path / ".unfinished-empty").exists()


def test_an_error_that_is_not_about_the_new_folder_stays_what_it_is(tmp_path):
    """A file that is missing elsewhere is not said to be the folder that could not be written."""
    with pytest.raises(FileNotFoundError), new_folder(tmp_path / "rows"):
        (tmp_path / "elsewhere").read_text(encoding="utf-8")
