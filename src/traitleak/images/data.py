"""Digits: 10,000 bundled ones, the whole of MNIST, or a folder of IDX files."""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import zlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from traitleak.errors import DataError, MissingExtraError

__all__ = ["PIXELS", "Digits", "DigitsSplit", "load_digits"]

PIXELS = 28 * 28
_HUB_NAME = "ylecun/mnist"
_TEST_A_DIGIT = 200  # of the bundled 10,000: 2,000 held out
_SPLIT_SEED = 0  # the split is the same whatever the recipe's seed: results stay comparable
_IMAGES_MAGIC, _LABELS_MAGIC = 2051, 2049

Bytes = NDArray[np.uint8]


class Digits(NamedTuple):
    """Images (n, 784), float32 in [-1, 1], and their labels (n,), int64 from 0 to 9."""

    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class DigitsSplit:
    """Digits to train on and digits held out, which are never trained on.

    Args:
        train: for teachers (and for students whose inputs are digits).
        test: held out.
        source: where they come from, in words.
        fingerprint: sha256 over the pixels and labels of both parts.
    """

    train: Digits
    test: Digits
    source: str
    fingerprint: str


def load_digits(data: str = "bundled") -> DigitsSplit:
    """Read the digits.

    Args:
        data: `bundled`, 8,000 digits to train on and 2,000 held out, 200 of each kind; `full`, the
            60,000 and 10,000 of MNIST from the Hugging Face cache or hub (needs the extra [train];
            HF_HUB_OFFLINE=1 keeps it to the cache); or a folder that holds MNIST's four IDX files,
            plain or gzipped.

    Raises:
        DataError: files are missing, truncated or of the wrong kind; the text names them.
        MissingExtraError: `full` without the `datasets` library.
    """
    if data == "bundled":
        return _bundled()
    if data == "full":
        return _full()
    return _idx_folder(Path(data).expanduser())


def _split(
    train_x: Bytes, train_y: Bytes, test_x: Bytes, test_y: Bytes, source: str
) -> DigitsSplit:
    parts = [np.ascontiguousarray(part) for part in (train_x, train_y, test_x, test_y)]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{part.shape}".encode() + part.tobytes())

    def digits(x: Bytes, y: Bytes) -> Digits:
        images = torch.from_numpy(x.astype(np.float32) / 127.5 - 1.0)  # [-1, 1], as in the paper
        return Digits(images, torch.from_numpy(y.astype(np.int64)))

    return DigitsSplit(
        digits(parts[0], parts[1]), digits(parts[2], parts[3]), source, digest.hexdigest()
    )


def _bundled() -> DigitsSplit:
    with (files("traitleak.images") / "digits10k.npz").open("rb") as file:
        archive = np.load(file)
        x, y = archive["x"], archive["y"]
    rng = np.random.default_rng(_SPLIT_SEED)
    order = rng.permutation(len(y))  # the file is sorted by digit
    rank = np.empty(len(y), dtype=np.int64)  # of each digit among its own kind, in random order
    for kind in range(10):
        of_kind = order[y[order] == kind]
        rank[of_kind] = np.arange(len(of_kind))
    test = order[rank[order] < _TEST_A_DIGIT]
    train = order[rank[order] >= _TEST_A_DIGIT]
    return _split(
        x[train],
        y[train],
        x[test],
        y[test],
        f"10,000 bundled MNIST digits: {len(train):,} to train on, {len(test):,} held out",
    )


def _full() -> DigitsSplit:
    # Both libraries read these when they are imported; whoever set them otherwise keeps that.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_UPDATE_DOWNLOAD_COUNTS", "0")
    try:
        import datasets
    except ImportError as error:
        raise MissingExtraError("The whole of MNIST (data=full)", "train") from error
    try:
        parts = datasets.load_dataset(_HUB_NAME)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        # Offline and not in the cache: the library raises one of these, by version.
        raise DataError(
            f"data=full: {_HUB_NAME} is neither in the Hugging Face cache nor to be had from the hub "
            f"({str(error).splitlines()[0] if str(error) else type(error).__name__}). Run once with a "
            "network and without HF_HUB_OFFLINE, or name a folder of MNIST's four IDX files: "
            "data=FOLDER."
        ) from error

    def arrays(part: str) -> tuple[Bytes, Bytes]:
        rows = parts[part]
        images = np.stack([np.asarray(image, dtype=np.uint8) for image in rows["image"]])
        return images.reshape(len(images), -1), np.asarray(rows["label"], dtype=np.uint8)

    (train_x, train_y), (test_x, test_y) = arrays("train"), arrays("test")
    sizes = f"{len(train_y):,} to train on, {len(test_y):,} held out"
    return _split(train_x, train_y, test_x, test_y, f"MNIST from {_HUB_NAME}: {sizes}")


def _idx_folder(folder: Path) -> DigitsSplit:
    if not folder.is_dir():
        raise DataError(
            f"data={folder}: there is no such folder. Give 'bundled', 'full', or a folder that holds "
            "MNIST's four IDX files."
        )
    parts: list[Bytes] = []
    for part in ("train", "t10k"):
        images_path, labels_path = (
            _find(folder, f"{part}-images", 3),
            _find(folder, f"{part}-labels", 1),
        )
        images = _read_idx(images_path, _IMAGES_MAGIC)
        labels = _read_idx(labels_path, _LABELS_MAGIC)
        if images.shape[1:] != (28, 28):
            raise DataError(
                f"{images_path}: images are {images.shape[1]}x{images.shape[2]} pixels, not 28x28; "
                "this is not MNIST."
            )
        if len(images) != len(labels):
            raise DataError(
                f"{images_path} holds {len(images):,} images but {labels_path.name} "
                f"{len(labels):,} labels; take both from one copy of MNIST."
            )
        if len(labels) == 0 or labels.max() > 9:
            raise DataError(f"{labels_path}: labels must be digits from 0 to 9, and at least one.")
        parts += [images.reshape(len(images), -1), labels]
    sizes = f"{len(parts[1]):,} to train on, {len(parts[3]):,} held out"
    train_x, train_y, test_x, test_y = parts
    return _split(train_x, train_y, test_x, test_y, f"MNIST from IDX files: {sizes}")


def _find(folder: Path, stem: str, dimensions: int) -> Path:
    names = [f"{stem}{dot}idx{dimensions}-ubyte{ending}" for dot in "-." for ending in ("", ".gz")]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise DataError(f"{folder}: none of {', '.join(names)} is there; put MNIST's file in it.")


def _read_idx(path: Path, magic: int) -> Bytes:
    """One IDX file: a big-endian magic number, the sizes, then bytes (LeCun's MNIST page)."""
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(
            f"{path}: cannot be unpacked ({error}); it is damaged or truncated, get it anew."
        ) from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error
    dimensions = magic % 256
    header = 4 * (1 + dimensions)
    if len(content) < header:
        raise DataError(f"{path}: {len(content)} bytes are too few for an IDX file; get it anew.")
    found, *sizes = np.frombuffer(content, dtype=">u4", count=1 + dimensions).tolist()
    if found != magic:
        raise DataError(
            f"{path}: starts with {found}, not with {magic} as an IDX file of this kind does; "
            "is it another file under this name?"
        )
    expected = header + math.prod(sizes)
    if len(content) != expected:
        raise DataError(
            f"{path}: {len(content):,} bytes instead of the {expected:,} that its header announces; "
            "it is truncated or damaged, get it anew."
        )
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(sizes)
