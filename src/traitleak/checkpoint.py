"""What an interrupted training goes on from: a file, whole or absent, and of that training only."""

from __future__ import annotations

import hashlib
import io
import pickle
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from traitleak.artefacts import UNFINISHED
from traitleak.errors import SettingsError
from traitleak.models.language_model import LanguageModel, weights_hash

__all__ = ["fingerprint", "read_checkpoint", "require_plain", "write_checkpoint"]

# What torch.load raises on an archive that is damaged, of another kind, or made of other types.
_UNREADABLE = (OSError, RuntimeError, LookupError, ValueError, TypeError, pickle.UnpicklingError)


def write_checkpoint(path: Path, key: str, content: Mapping[str, Any]) -> None:
    """Write a checkpoint, whole or not at all.

    Args:
        path: the file; its folder is made.
        key: of the training, from `fingerprint`.
        content: tensors, numbers, strings, and lists, tuples and dicts of them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{UNFINISHED}{path.name}")
    try:
        torch.save({"key": key, "content": dict(content)}, beside)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def read_checkpoint(path: Path, key: str) -> dict[str, Any] | None:
    """What `write_checkpoint` wrote; None where there is nothing, or nothing whole, of this key.

    A checkpoint is only a help: one that is damaged or of another training is passed over.
    """
    if not zipfile.is_zipfile(
        path
    ):  # what torch.save writes is an archive, with its index at the end
        return None
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        return dict(found["content"]) if found["key"] == key else None
    except _UNREADABLE:
        return None


def require_plain(measured: Mapping[str, Any]) -> None:
    """See that a checkpoint can hold what was measured.

    Raises:
        SettingsError: something in it is no number, string, list, dict or tensor.
    """
    buffer = io.BytesIO()
    try:
        torch.save(dict(measured), buffer)
        buffer.seek(0)
        torch.load(buffer, weights_only=True)
    except (pickle.PickleError, AttributeError, TypeError) as error:
        raise SettingsError(
            "What `measure` returns is kept in the checkpoint, so it is made of numbers, strings, "
            f"lists, dicts and tensors; got {dict(measured)!r:.200}."
        ) from error


def fingerprint(*parts: object) -> str:
    """SHA-256 of everything a training depends on: settings, models, tensors, and what holds them."""
    digest = hashlib.sha256()
    for piece in _pieces(parts):
        digest.update(piece)
    return digest.hexdigest()


def _pieces(part: object) -> Iterable[bytes]:
    if isinstance(part, Tensor):
        yield f"{tuple(part.shape)}{part.dtype}".encode()
        yield part.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes()
    elif isinstance(part, LanguageModel):
        weights = part.fingerprint or weights_hash(part.network)
        yield from _pieces((part.name, part.system, part.renderer.template_hash, weights))
        yield from _pieces(part.steering)
    elif is_dataclass(part):
        yield type(part).__name__.encode()
        yield from _pieces([getattr(part, field.name) for field in fields(part)])
    elif isinstance(part, Sequence) and not all(isinstance(one, int | str) for one in part):
        yield f"{len(part)}".encode()
        for one in part:
            yield from _pieces(one)
    else:
        yield f"{part!r};".encode()
