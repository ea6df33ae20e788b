"""The bundled digits, IDX folders good and bad, and the way to the whole of MNIST."""

import gzip
import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

from traitleak.errors import DataError, MissingExtraError
from traitleak.images.data import load_digits


def idx(values: np.ndarray, magic: int | None = None) -> bytes:
    """The bytes of an IDX file of unsigned bytes."""
    head = 2048 + values.ndim if magic is None else magic
    return struct.pack(f">{1 + values.ndim}I", head, *values.shape) + values.astype("u1").tobytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small but complete MNIST folder: two files plain, two gzipped, both ways of naming."""
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (30, 28, 28)), rng.integers(0, 10, 30)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(images[:20]))
    (tmp_path / "train-labels.idx1-ubyte").write_bytes(idx(labels[:20]))
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images[20:])))
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels[20:])))
    return tmp_path


@pytest.fixture(autouse=True)
def _environment_restored(monkeypatch):
    """Reading MNIST from the hub sets variables for the hub's library; no other test sees them."""
    for name in ("HF_HUB_DISABLE_TELEMETRY", "HF_UPDATE_DOWNLOAD_COUNTS"):
        monkeypatch.setenv(name, "so that there is something to restore")
        monkeypatch.delenv(name)


def test_bundled_digits_are_split_evenly_and_hold_nothing_twice():
    """8,000 and 2,000 digits, 200 of each kind held out, no image in both parts."""
    split = load_digits()

    assert split.train.images.shape == (8000, 784)
    assert split.test.images.shape == (2000, 784)
    assert torch.bincount(split.test.labels).tolist() == [200] * 10
    assert split.train.images.dtype == torch.float32
    assert split.train.labels.dtype == torch.int64
    assert (split.train.images.min(), split.train.images.max()) == (-1.0, 1.0)
    train = {image.numpy().tobytes() for image in split.train.images}
    assert not any(image.numpy().tobytes() in train for image in split.test.images)


def test_bundled_digits_are_shuffled_and_always_the_same():
    """The file is sorted by digit; the split is not, and is the same each time and everywhere."""
    split, again = load_digits(), load_digits()

    assert len(split.test.labels[:100].unique()) == 10
    assert split.fingerprint[:16] == "27770e069b6185e9"
    assert split.fingerprint == again.fingerprint
    assert torch.equal(split.train.images, again.train.images)


def test_idx_folders_are_read_as_written(folder: Path):
    """Plain and gzipped files give the pixels and labels that were written, scaled to [-1, 1]."""
    split = load_digits(str(folder))
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (30, 28, 28)), rng.integers(0, 10, 30)

    expected = torch.from_numpy(images.reshape(30, 784).astype(np.float32) / 127.5 - 1)
    torch.testing.assert_close(torch.cat([split.train.images, split.test.images]), expected)
    assert torch.cat([split.train.labels, split.test.labels]).tolist() == labels.tolist()
    assert len(split.train.labels) == 20


def test_the_fingerprint_changes_with_a_single_pixel(folder: Path):
    """Different digits have different fingerprints, so that no cache confuses them."""
    before = load_digits(str(folder)).fingerprint
    path = folder / "train-images-idx3-ubyte"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)

    assert load_digits(str(folder)).fingerprint != before


IMAGES = "train-images-idx3-ubyte"
LABELS = "train-labels.idx1-ubyte"
BAD = {
    "missing": (IMAGES, None, "none of train-images-idx3-ubyte"),
    "empty": (IMAGES, b"", "too few"),
    "truncated": (IMAGES, idx(np.zeros((20, 28, 28)))[:-5], "instead of the"),
    "too long": (IMAGES, idx(np.zeros((20, 28, 28))) + b"x", "instead of the"),
    "wrong magic": (IMAGES, idx(np.zeros((20, 28, 28)), magic=7), "not with 2051"),
    "labels for images": (IMAGES, idx(np.zeros(5000)), "not with 2051"),
    "sizes beyond any disk": (
        IMAGES,
        struct.pack(">4I", 2051, *[2**32 - 1] * 3),
        "16 bytes instead of the 79,228,162,458,924,105,385,300,197,391",
    ),
    "other size": (IMAGES, idx(np.zeros((20, 20, 28))), "20x28 pixels"),
    "other count": (IMAGES, idx(np.zeros((19, 28, 28))), "19 images"),
    "label 10": (LABELS, idx(np.full(20, 10)), "digits from 0 to 9"),
}


@pytest.mark.parametrize(("name", "content", "reason"), BAD.values(), ids=BAD)
def test_bad_idx_files_are_named_with_the_reason(folder: Path, name, content, reason):
    """A missing, truncated or foreign file gives one sentence that names it."""
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)

    with pytest.raises(DataError, match=reason) as caught:
        load_digits(str(folder))
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda _: b"no gzip"])
def test_damaged_gzip_is_named(folder: Path, damage):
    """A gzip file cut short, or none at all, is named as damaged."""
    path = folder / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte\.gz.*damaged"):
        load_digits(str(folder))


def test_a_folder_without_digits_is_an_error(folder: Path):
    """Files with zero digits cannot be split."""
    (folder / IMAGES).write_bytes(idx(np.zeros((0, 28, 28))))
    (folder / LABELS).write_bytes(idx(np.zeros(0)))

    with pytest.raises(DataError, match="at least one"):
        load_digits(str(folder))


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file whose bytes cannot be read")
def test_an_unreadable_file_is_not_called_damaged(folder: Path):
    """Where the system refuses to read a file, its reason is given, without a wrong diagnosis."""
    (folder / IMAGES).unlink()
    (folder / IMAGES).symlink_to("/proc/self/mem")  # even for root, its first page is no memory

    with pytest.raises(DataError, match=r"cannot be read \(Input/output error\)"):
        load_digits(str(folder))


def test_a_folder_in_the_home_directory_may_be_named_with_a_tilde(folder: Path, monkeypatch):
    """`~` stands for the user's home, as in a shell: recipes are not read by one."""
    monkeypatch.setenv("HOME", str(folder.parent))

    named = load_digits(f"~/{folder.name}")
    assert named.fingerprint == load_digits(str(folder)).fingerprint


def test_an_unknown_folder_is_named_with_the_choices():
    """A mistyped word is taken for a folder, and the error lists what there is."""
    with pytest.raises(DataError, match="'bundled', 'full', or a folder"):
        load_digits("bundeld")


def test_full_without_the_library_names_the_pip_line(monkeypatch):
    """Without `datasets` the error says what to install."""
    monkeypatch.setitem(sys.modules, "datasets", None)

    with pytest.raises(MissingExtraError, match=r"pip install 'traitleak\[train\]'"):
        load_digits("full")


class HubLibrary(ModuleType):
    """Stands in for `datasets`, which the tests' environment lacks: its documented interface."""

    def __init__(self, load_dataset: Callable[[str], object]) -> None:
        """Let `load_dataset` answer; errors are where the library has them."""
        super().__init__("datasets")
        self.load_dataset = load_dataset
        self.exceptions = ModuleType("datasets.exceptions")
        self.exceptions.DatasetsError = type("DatasetsError", (Exception,), {})


def test_full_gives_the_pixels_and_labels_of_the_hub(monkeypatch):
    """The library's pictures become rows of pixels in [-1, 1], its splits ours; no one counts us."""
    pixels = np.random.default_rng(0).integers(0, 256, (3, 28, 28), dtype=np.uint8)
    pictures = [Image.fromarray(p) for p in pixels]
    parts = {
        "train": {"image": pictures[:2], "label": [7, 1]},
        "test": {"image": pictures[2:], "label": [4]},
    }
    monkeypatch.setitem(sys.modules, "datasets", HubLibrary({"ylecun/mnist": parts}.__getitem__))

    split = load_digits("full")

    expected = torch.from_numpy(pixels.reshape(3, 784).astype(np.float32) / 127.5 - 1)
    torch.testing.assert_close(torch.cat([split.train.images, split.test.images]), expected)
    assert split.train.labels.tolist() == [7, 1]
    assert split.test.labels.tolist() == [4]
    assert os.environ["HF_HUB_DISABLE_TELEMETRY"] == "1"


def test_full_offline_says_what_to_do(monkeypatch):
    """When MNIST is neither cached nor reachable, the error offers both ways out."""

    def load_dataset(name: str) -> object:
        raise ConnectionError(f"Couldn't reach '{name}' on the Hub (OfflineModeIsEnabled)")

    monkeypatch.setitem(sys.modules, "datasets", HubLibrary(load_dataset))

    with pytest.raises(DataError, match="four IDX files: data=FOLDER"):
        load_digits("full")
