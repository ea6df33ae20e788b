"""Text is written where a user said, and nothing else there is harmed."""

import os
import threading

import pytest

from traitleak.artefacts import put_text, require_place
from traitleak.errors import RunError


def test_a_link_stays_a_link(tmp_path):
    """Its target is written, or made where it was not there yet."""
    for name in ("there", "new"):
        target, link = tmp_path / name, tmp_path / f"link-{name}"
        link.symlink_to(target)
    (tmp_path / "there").write_text("old", encoding="utf-8")
    for name in ("there", "new"):
        require_place(tmp_path / f"link-{name}")
        put_text(tmp_path / f"link-{name}", "ä\n")

        assert (tmp_path / f"link-{name}").is_symlink()
        assert (tmp_path / name).read_text(encoding="utf-8") == "ä\n"


def test_a_pipe_stays_a_pipe(tmp_path):
    """Whoever reads it gets the text."""
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_text(encoding="utf-8")))
    reader.start()
    require_place(pipe)
    put_text(pipe, "said")
    reader.join(10)

    assert got == ["said"]
    assert pipe.is_fifo()


def test_a_place_that_cannot_be_written_is_named_before_the_work(tmp_path):
    """A folder, or a file in a folder that is not there; a file that is there may be replaced."""
    file = tmp_path / "file"
    file.write_text("old", encoding="utf-8")
    require_place(file)
    require_place(tmp_path / "new")
    with pytest.raises(RunError, match="is a folder; name a file in it"):
        require_place(tmp_path)
    with pytest.raises(RunError, match=r"the folder .*none is not there; make it first"):
        require_place(tmp_path / "none" / "file")
    with pytest.raises(RunError, match="is not there"):
        require_place(file / "below")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_named_before_the_work(tmp_path):
    """A file in it cannot be made."""
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(RunError, match="permission denied"):
            require_place(tmp_path / "file")
    finally:
        tmp_path.chmod(0o700)
