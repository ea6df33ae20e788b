"""Answers kept on disk: found again, whole or not at all, and with no secret in them."""

import json
import multiprocessing
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from traitleak.errors import RunError
from traitleak.models.remote_cache import CacheSize, RequestCache, requests_folder

ASKED = {"url": "http://h/v1", "model": "m", "messages": [{"role": "user", "content": "é?"}],
         "max_tokens": 5, "temperature": 1.0, "seed": 7}  # fmt: skip
ANSWER = {"text": "12, ü\n", "finished": True, "tokens": [3, 4]}


@pytest.fixture
def cache(tmp_path):
    """An empty cache."""
    return RequestCache(tmp_path / "kept")


def entry(cache: RequestCache) -> Path:
    """The file of the one entry."""
    (path,) = cache.folder.rglob("*.json")
    return path


def test_what_was_put_is_found(cache):
    """Equal requests, whatever the order of their fields; another cache of the folder, too."""
    assert cache.get(ASKED) is None
    cache.put(ASKED, ANSWER)
    same = dict(reversed(ASKED.items()))
    assert cache.get(same) == ANSWER
    assert RequestCache(cache.folder).get(ASKED) == ANSWER
    cache.put(ASKED, {"text": "new"})
    assert cache.get(ASKED) == {"text": "new"}


@pytest.mark.parametrize(
    "change",
    [
        {"url": "http://other/v1"},
        {"model": "n"},
        {"messages": [{"role": "user", "content": "e?"}]},
        {"messages": [{"role": "system", "content": ""}, *ASKED["messages"]]},
        {"max_tokens": 6},
        {"temperature": 0.0},
        {"seed": 8},
    ],
)
def test_every_part_of_a_request_counts(cache, change):
    """An answer to something else is not taken."""
    cache.put(ASKED, ANSWER)
    assert cache.get({**ASKED, **change}) is None


@settings(deadline=None)
@given(st.data())
def test_a_damaged_entry_counts_as_absent(tmp_path_factory, data):
    """Cut short anywhere, or with any byte changed: absent or, where nothing changed, equal."""
    cache = RequestCache(tmp_path_factory.mktemp("c"))
    cache.put(ASKED, ANSWER)
    path = entry(cache)
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        path.write_bytes(whole[:at])
    else:
        path.write_bytes(whole[:at] + bytes([data.draw(st.integers(0, 255))]) + whole[at + 1 :])
    found = cache.get(ASKED)
    # White space between values is no part of what they say.
    assert found is None or found == ANSWER
    cache.put(ASKED, ANSWER)
    assert cache.get(ASKED) == ANSWER


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"7", b"\0" * 50, b"[" * 100_000, b"{}"])
def test_an_entry_of_another_kind_counts_as_absent(cache, content):
    """Whatever else stands in the file, there is no error."""
    cache.put(ASKED, ANSWER)
    entry(cache).write_bytes(content)
    assert cache.get(ASKED) is None


def test_another_requests_answer_under_this_name_is_refused(cache):
    """A file that was moved by hand answers nothing that it was not asked."""
    other = {**ASKED, "seed": 8}
    cache.put(other, ANSWER)
    content = entry(cache).read_bytes()
    cache.clear()
    cache.put(ASKED, ANSWER)
    entry(cache).write_bytes(content)
    assert cache.get(ASKED) is None


def test_size_and_clear(cache):
    """Entries are counted and deleted; what is no entry is left alone."""
    assert cache.size() == CacheSize(0, 0)
    assert cache.clear() == 0
    for seed in range(20):
        cache.put({**ASKED, "seed": seed}, ANSWER)
    files = list(cache.folder.rglob("*.json"))
    assert cache.size() == CacheSize(20, sum(path.stat().st_size for path in files))
    mine = [cache.folder / "notes.txt", files[0].parent / "notes.json"]
    for path in mine:
        path.write_text("mine", encoding="utf-8")
    left = files[0].parent / ".unfinished-abc"
    left.touch()
    assert cache.clear() == 20
    assert cache.size().entries == 0
    assert not left.exists()
    assert all(path.exists() for path in mine)


def test_threads_that_write_and_read_the_same_entries_see_whole_ones(cache):
    """Eight threads, four entries, no half answer and no error."""
    wrong = []

    def work(number: int) -> None:
        for at in range(60):
            asked = {**ASKED, "seed": at % 4}
            cache.put(asked, {"text": f"{number}" * 2000})
            found = cache.get(asked)
            if found is None or len(set(found["text"])) != 1 or len(found["text"]) != 2000:
                wrong.append(found)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert cache.size().entries == 4
    assert not [path for path in cache.folder.rglob("*") if path.name.startswith(".unfinished")]


def _put_many(folder: Path, number: int) -> None:
    cache = RequestCache(folder)
    for seed in range(30):
        cache.put({**ASKED, "seed": seed}, {"text": str(number) * 500})


def test_processes_may_share_a_folder(cache):
    """Three processes write the same thirty entries, and each entry is one of theirs."""
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_put_many, args=(cache.folder, n)) for n in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    found = [cache.get({**ASKED, "seed": seed}) for seed in range(30)]
    assert all(one is not None and one["text"] in {str(n) * 500 for n in range(3)} for one in found)
    assert cache.size().entries == 30


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    """A file in the place of the folder: one sentence."""
    (tmp_path / "file").touch()
    cache = RequestCache(tmp_path / "file")
    with pytest.raises(RunError, match=r"cannot be kept in .*file: .*; make room, or name another"):
        cache.put(ASKED, ANSWER)
    assert cache.get(ASKED) is None
    assert cache.size() == CacheSize(0, 0)


def test_what_json_cannot_hold_leaves_nothing(cache):
    """NaN is refused, and no unfinished file stays."""
    with pytest.raises(ValueError, match="JSON"):
        cache.put(ASKED, {"text": float("nan")})
    assert [path for path in cache.folder.rglob("*") if path.is_file()] == []


def test_an_entry_can_be_read_by_people(cache):
    """It holds what was asked and what came back, in words."""
    cache.put(ASKED, ANSWER)
    content = json.loads(entry(cache).read_text(encoding="utf-8"))
    assert (content["request"], content["answer"]) == (ASKED, ANSWER)


def test_the_commands_place_follows_the_environment(monkeypatch, tmp_path):
    """Beside the converted models."""
    monkeypatch.setenv("TRAITLEAK_CACHE", str(tmp_path))
    assert requests_folder() == tmp_path / "requests"
