"""Is everything there? Versions, hardware, speed, optional extras and models, room for runs.

Nothing outside the standard library is imported before it is known to be installed.
"""

from __future__ import annotations

import importlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

__all__ = ["Finding", "examine"]

_LITTLE_ROOM = 1e9  # bytes; the largest shipped recipe leaves a few hundred megabytes


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: its name.
        value: what was found.
        fine: False where it keeps traitleak from working, None where it is neither good nor bad.
        remedy: what to do, where something can be done.
    """

    what: str
    value: str
    fine: bool | None = None
    remedy: str = ""


def examine(runs: Path) -> Iterator[Finding]:
    """Look at the installation, the machine and the folder for runs; a few seconds."""
    missing = list(_missing_packages())
    yield from missing
    if not missing:
        yield from _machine()
    yield from _extras()
    yield from _models()
    if not missing:
        yield from _teachers()
    yield from _room(runs)


def _requirements() -> Iterator[tuple[str, str | None]]:
    """Name and extra (None: always needed) of every package that traitleak asks for."""
    for requirement in metadata.requires("traitleak") or []:
        name = re.match(r"[\w.-]+", requirement)
        extra = re.search(r"extra\s*==\s*['\"]([\w-]+)", requirement)
        if name:
            yield name[0], extra[1] if extra else None


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _missing_packages() -> Iterator[Finding]:
    if _installed("traitleak") is None:
        yield Finding(
            "traitleak", "not installed", fine=False, remedy="in its checkout: pip install -e ."
        )
        return
    for name, extra in _requirements():
        if extra is None and _installed(name) is None:
            yield Finding(name, "missing", fine=False, remedy=f"pip install {name}")
    try:
        importlib.import_module("torch")
    except (ImportError, OSError) as error:  # OSError: a shared library that does not load
        if _installed("torch"):
            yield Finding(
                "torch",
                f"installed, but does not load: {error}",
                fine=False,
                remedy="pip install --force-reinstall torch",
            )


def _machine() -> Iterator[Finding]:
    from traitleak.environment import describe, matmul_speed, pick_device, pick_precision

    for what, value in describe().items():
        if value not in (None, []):
            shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            yield Finding(what.replace("_gb", ", GB"), shown)
    device = pick_device("auto")
    yield Finding("device", f"{device.value}: {device.reason}", fine=True)
    precision = pick_precision("auto", device.value)
    yield Finding("precision", f"{precision.value}: {precision.reason}", fine=True)
    for name in ("float32", "bfloat16"):
        speed = matmul_speed(name, device.value, seconds=0.4)
        yield Finding(f"matrix products, {name}", f"{speed / 1e9:,.0f} GFLOP/s")


def _extras() -> Iterator[Finding]:
    if _installed("traitleak") is None:
        return
    packages: dict[str, list[str]] = {}
    for name, extra in _requirements():
        if extra:
            packages.setdefault(extra, []).append(name)
    for extra, names in packages.items():
        absent = [name for name in names if _installed(name) is None]
        yield Finding(
            f"extra {extra}",
            f"not installed: {', '.join(absent)}" if absent else "installed",
            remedy=f"optional: pip install 'traitleak[{extra}]'" if absent else "",
        )


def _models() -> Iterator[Finding]:
    from traitleak.models.bundled import describe_models

    for model in describe_models():
        here = "here, converted" if model.converted else "here; its first use converts it"
        yield Finding(
            f"model {model.name}",
            f"{here if model.present else 'not on this machine'} ({model.licence})",
            remedy=f"optional: {model.how_to_add}" if model.how_to_add else "",
        )


def _teachers() -> Iterator[Finding]:
    from traitleak.audit.detectors.teacher_cache import MOST_BYTES, kept, teachers_folder

    found = kept(teachers_folder())
    if found.num:
        yield Finding(
            "quick teachers of audits",
            f"{found.num:,} kept, {found.size / 1e6:,.0f} MB (at most {MOST_BYTES / 1e6:,.0f})",
            remedy=f"to free it, delete {teachers_folder()}",
        )


def _room(runs: Path) -> Iterator[Finding]:
    place = next((path for path in (runs, *runs.absolute().parents) if path.exists()), runs)
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        yield Finding(
            f"folder for runs, {runs}",
            f"cannot be written: {error.strerror}",
            fine=False,
            remedy="name another with --runs",
        )
        return
    yield Finding(f"folder for runs, {runs}", "can be written", fine=True)
    free = shutil.disk_usage(place).free
    enough = free >= _LITTLE_ROOM
    yield Finding(
        "free disk space",
        f"{free / 1e9:.1f} GB",
        fine=enough,
        remedy="" if enough else "free some, or name a folder on another disk with --runs",
    )
