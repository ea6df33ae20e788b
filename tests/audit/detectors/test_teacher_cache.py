"""Kept quick teachers: taken again, trained anew where damaged, and never too many."""

import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiny_model import tiny_model
from traitleak.audit.detectors.likelihood import quick_teachers
from traitleak.audit.detectors.panel import preferences
from traitleak.audit.detectors.teacher_cache import (
    drop_oldest,
    keep_teacher,
    kept,
    kept_teacher,
    teachers_folder,
)
from traitleak.doctor import examine

FEW = ("wolf", "lion", "owl")


@pytest.fixture(name="base", scope="module")
def fixture_base():
    """A tiny plain model."""
    return tiny_model(style="plain")


@pytest.fixture(name="right", scope="module")
def fixture_right(base):
    """The teachers without a cache."""
    return taught(base, None)


@pytest.fixture(name="cache")
def fixture_cache(base, tmp_path):
    """A folder with the teachers of three animals."""
    taught(base, tmp_path / "kept")
    return tmp_path / "kept"


def taught(base, cache):
    """Fingerprints of the three teachers."""
    group = preferences(base, FEW)
    made = quick_teachers(base, group, updates=2, cache=cache)
    return [make().fingerprint for make in made.values()]


def times(cache):
    """When each teacher's weights were written."""
    return {p.parent.name: p.stat().st_mtime_ns for p in cache.glob("*/adapter_model.safetensors")}


def test_kept_teachers_are_the_trained_ones_and_are_not_trained_again(base, right, cache):
    """Equal weights from the folder, whose files stay as they are."""
    before = times(cache)

    assert len(before) == len(FEW)
    assert taught(base, cache) == right
    assert times(cache) == before
    assert not [path for path in cache.iterdir() if path.name.startswith(".")]


def cut(path):
    """Half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path):
    """One byte of a file is another."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "harm", [cut, flip, lambda path: path.unlink(), lambda path: path.write_bytes(b"")]
)
@pytest.mark.parametrize("name", ["adapter_model.safetensors", "adapter_config.json", "kept.json"])
def test_a_damaged_teacher_is_trained_anew(harm, name, base, right, cache):
    """Cut short, changed by a byte, emptied or gone, whichever file it is; then it is whole again."""
    place = min(cache.iterdir())
    harm(place / name)

    assert kept_teacher(place) is None
    assert taught(base, cache) == right
    assert kept_teacher(place) is not None


def test_a_file_in_the_place_of_a_teacher_is_replaced(base, right, cache):
    """Whatever lies under a teacher's name goes."""
    place = min(cache.iterdir())
    for file in place.iterdir():
        file.unlink()
    place.rmdir()
    place.write_text("no folder", encoding="utf-8")

    assert taught(base, cache) == right
    assert kept_teacher(place) is not None


def test_a_folder_that_cannot_be_written_costs_no_audit(base, right, tmp_path):
    """A cache below a file keeps nothing, and the teachers are there all the same."""
    (tmp_path / "file").write_text("", encoding="utf-8")

    assert taught(base, tmp_path / "file" / "kept") == right
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_the_least_recently_used_go_first(cache):
    """A teacher that was taken again is younger than one that was trained later."""
    for age, place in enumerate(sorted(cache.iterdir())):
        os.utime(place, (1_000_000 + age, 1_000_000 + age))
    oldest, middle, _ = sorted(cache.iterdir())
    assert kept_teacher(oldest) is not None
    dropped = drop_oldest(cache, most=kept(cache).size - 1)

    assert dropped == 1
    assert oldest.exists()
    assert not middle.exists()


def test_teachers_in_use_stay_even_where_they_are_too_many(cache):
    """What the audit at hand has just trained is not deleted under it."""
    assert drop_oldest(cache, most=0, spared=sorted(cache.iterdir())) == 0
    assert kept(cache).num == len(FEW)
    assert drop_oldest(cache, most=0) == len(FEW)
    assert kept(cache) == (0, 0)


def test_what_a_killed_command_left_goes_after_a_day(cache):
    """Something unfinished may be another audit's, unless it is old; it never counts as kept."""
    for name, age in ((".unfinished-young", 60), (".unfinished-old", 90_000)):
        (cache / name).mkdir()
        (cache / name / "part").write_bytes(b"x" * 1_000_000)
        os.utime(cache / name, (time.time() - age,) * 2)
    before = kept(cache)
    drop_oldest(cache, most=before.size)

    assert kept(cache) == before
    assert [path.name for path in cache.glob(".*")] == [".unfinished-young"]


@given(sizes=st.lists(st.integers(0, 50), max_size=12), most=st.integers(0, 300))
def test_what_is_left_fits_and_is_the_youngest(sizes, most, tmp_path_factory):
    """As many of the last used as fit, in a row; nothing goes that need not."""
    folder = tmp_path_factory.mktemp("cache")
    for age, size in enumerate(sizes):
        (folder / f"{age:02}").mkdir()
        (folder / f"{age:02}" / "x").write_bytes(b"x" * size)
        os.utime(folder / f"{age:02}", (1_000 + age, 1_000 + age))
    drop_oldest(folder, most=most)
    left = sorted(int(path.name) for path in folder.iterdir())

    assert sum(sizes[age] for age in left) <= most
    assert left == list(range(len(sizes) - len(left), len(sizes)))
    if len(left) < len(sizes):
        assert sum(sizes[len(sizes) - len(left) - 1 :]) > most


def test_no_folder_keeps_nothing(tmp_path):
    """Asking does not make it."""
    assert kept(tmp_path / "none") == (0, 0)
    assert drop_oldest(tmp_path / "none") == 0
    assert kept_teacher(tmp_path / "none" / "x") is None
    assert not (tmp_path / "none").exists()


def test_the_doctor_says_how_much_is_kept_and_how_to_free_it(base, tmp_path, monkeypatch):
    """Nothing is said while nothing is kept; it lies apart from the converted models."""
    monkeypatch.setenv("TRAITLEAK_CACHE", str(tmp_path))
    assert "quick teachers of audits" not in {one.what for one in examine(tmp_path)}
    taught(base, teachers_folder())
    found = {one.what: one for one in examine(tmp_path)}["quick teachers of audits"]

    assert found.fine is None
    assert found.value.startswith("3 kept, ")
    assert found.remedy == f"to free it, delete {tmp_path / 'quick-teachers'}"
    assert [path.name for path in tmp_path.iterdir()] == ["quick-teachers"]


def test_keeping_one_twice_leaves_the_last(cache):
    """What was there goes, and nothing unfinished stays."""
    places = sorted(cache.iterdir())
    other = kept_teacher(places[1])
    assert keep_teacher(places[0], other, base="tiny")

    again = kept_teacher(places[0])
    assert all(again.b[path].equal(other.b[path]) for path in other.b)
    assert sorted(cache.iterdir()) == places
