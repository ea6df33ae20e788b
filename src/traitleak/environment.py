"""The machine: versions and hardware for the manifests, what to compute on and why, peak memory.

`describe` leaves out whatever would name a person or a place: users, hosts, paths.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import torch
from pydantic import JsonValue

from traitleak import __version__
from traitleak.errors import RunError, SettingsError

__all__ = [
    "Choice",
    "Peak",
    "describe",
    "matmul_speed",
    "memory_named",
    "peak_memory",
    "pick_device",
    "pick_precision",
]

_CPUINFO = Path("/proc/cpuinfo")
_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")
_NO_MEMORY = re.compile(r"can't allocate memory|not enough memory|DefaultCPUAllocator|bad_alloc")
# In /proc/cpuinfo: x86 processors, then Arm ones.
_BFLOAT16_FLAGS = ("amx_bf16", "avx512_bf16", "bf16")
_GAIN = 1.2  # how many times as fast as float32 bfloat16 must be on a processor to be picked


class Choice(NamedTuple):
    """What was picked, and the reason as a sentence."""

    value: str
    reason: str


def describe() -> dict[str, JsonValue]:
    """Versions and hardware, to be kept beside what was computed with them."""
    return {
        "traitleak": __version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "torch": str(torch.__version__),
        "transformers": version("transformers"),
        "peft": version("peft"),
        "numpy": version("numpy"),
        "scipy": version("scipy"),
        "cpu": _cpu_model(),
        "cores": _cores(),
        "threads": torch.get_num_threads(),
        "memory_gb": _memory_gb(),
        "accelerators": [
            torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())
        ],
    }


def _commit() -> str | None:
    """The checkout's commit, marked where tracked files differ from it; None if not in a checkout."""
    checkout = Path(__file__).parents[2]
    git = shutil.which("git")
    if git is None or not (checkout / ".git").exists():
        return None

    def said(*arguments: str) -> str | None:
        done = subprocess.run(  # noqa: S603  # fixed arguments
            [git, "-C", str(checkout), *arguments], capture_output=True, text=True, check=False
        )
        return done.stdout.strip() if done.returncode == 0 else None

    commit = said("rev-parse", "HEAD")
    if not commit:
        return None  # no commit yet, or a checkout that belongs to somebody else
    changed = said("status", "--porcelain", "--untracked-files=no")
    return f"{commit} with local changes" if changed else commit


def _cpu_model() -> str:
    named = _cpuinfo("model name")
    if named is None and sys.platform == "darwin":
        asked = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603
        named = done.stdout.strip()
    return named or platform.processor() or platform.machine()


def _cpuinfo(key: str) -> str | None:
    """The first value of `key` in what Linux says of the processor."""
    try:
        lines = _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    pairs = (line.partition(":") for line in lines)
    return next((value.strip() for name, _, value in pairs if name.strip() == key), None)


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_gb() -> float | None:
    """Memory of the machine; None where the system does not tell."""
    if not hasattr(os, "sysconf"):
        return None
    return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1)


def pick_device(name: str) -> Choice:
    """The device for `auto`, `cpu` or `cuda`.

    Raises:
        SettingsError: `cuda` was asked for and PyTorch finds none.
    """
    if name not in {"auto", "cpu", "cuda"}:
        raise SettingsError(f"device must be auto, cpu or cuda, not {name!r}.")
    if name == "cpu":
        return Choice("cpu", "It was asked for.")
    if torch.cuda.is_available():
        why = "It was asked for" if name == "cuda" else "PyTorch finds it"
        return Choice("cuda", f"{why}: {torch.cuda.get_device_name(0)}.")
    if name == "cuda":
        raise SettingsError(
            "device=cuda was asked for, but PyTorch finds no CUDA device; take device=cpu, or "
            "install a PyTorch with CUDA and its driver."
        )
    return Choice("cpu", "PyTorch finds no CUDA device.")


def pick_precision(name: str, device: str) -> Choice:
    """The precision of matrix products for `auto`, `float32` or `bfloat16` on a picked device.

    `auto` takes bfloat16 only where the device multiplies it natively: elsewhere it is emulated, and
    slower than float32. A processor that says so is measured, too, once a process and for a fraction
    of a second: some with AVX-512 instructions for it, but no matrix unit, are slower than in float32.

    Known failure: on a processor whose two speeds are near the limit (see `_GAIN`), two processes can
    measure differently, and so pick differently; name a precision there.
    """
    if name not in {"auto", "float32", "bfloat16"}:
        raise SettingsError(f"precision must be auto, float32 or bfloat16, not {name!r}.")
    if name != "auto":
        return Choice(name, "It was asked for.")
    if device == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return Choice("bfloat16", "The CUDA device multiplies it natively.")
        return Choice("float32", "The CUDA device does not multiply bfloat16 natively.")
    flags = (_cpuinfo("flags") or _cpuinfo("Features") or "").split()
    flag = next((flag for flag in _BFLOAT16_FLAGS if flag in flags), None)
    if not flag or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return Choice("float32", "The processor is not known to multiply bfloat16 natively.")
    single, half = _cpu_speeds(torch.get_num_threads())
    figures = f"about {_coarse(half)} GFLOP/s in bfloat16 and {_coarse(single)} in float32"
    if half >= _GAIN * single:
        return Choice("bfloat16", f"The processor multiplies it natively ({flag}): {figures}.")
    return Choice(
        "float32", f"The processor multiplies bfloat16 natively ({flag}) but no faster: {figures}."
    )


def _coarse(speed: float) -> str:
    """In GFLOP/s, to two digits: what a short measurement can tell."""
    return f"{float(f'{speed / 1e9:.2g}'):,.0f}"


@cache
def _cpu_speeds(threads: int) -> tuple[float, float]:  # noqa: ARG001  # another number, another speed
    """Speed of matrix products in float32 and bfloat16 on the processor; by turns, the best of two."""
    pairs = [
        (
            matmul_speed("float32", "cpu", seconds=0.05),
            matmul_speed("bfloat16", "cpu", seconds=0.05),
        )
        for _ in range(2)
    ]
    return max(single for single, _ in pairs), max(half for _, half in pairs)


def matmul_speed(precision: str, device: str, *, seconds: float = 0.5) -> float:
    """Measured speed of square matrix products, in floating-point operations a second.

    The best product counts: other work on the machine only ever makes it slower. 2 n^3 operations a
    product of n x n matrices.

    Args:
        precision: `float32` or `bfloat16`.
        device: a picked device.
        seconds: how long to measure; at least three products are made.
    """
    size = 4096 if device == "cuda" else 1024
    generator = torch.Generator().manual_seed(0)
    left, right = (
        torch.randn(size, size, generator=generator).to(device, getattr(torch, precision))
        for _ in range(2)
    )
    best, began, products = float("inf"), time.perf_counter(), 0
    while products < 3 or time.perf_counter() - began < seconds:
        start = time.perf_counter()
        torch.mm(left, right)
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
        products += 1
    return 2 * size**3 / best


@dataclass
class Peak:
    """What `peak_memory` found, once its block is left."""

    bytes: int | None = None  # None where the system does not tell
    how: str = ""


_open_peaks: list[Peak] = []


@contextmanager
def peak_memory() -> Iterator[Peak]:
    """Measure the peak resident memory of this process while a block runs.

    On Linux the kernel's mark of the peak is reset when the block is entered. Elsewhere, or where
    that is not permitted, what comes out is the peak since the process began, and `how` says so.
    Blocks may be nested. Memory of an accelerator, and of child processes, is not counted.

    Known failure: blocks in two threads at once reset each other's mark.
    """
    for outer in _open_peaks:  # the reset takes the mark away from them, too
        outer.bytes = _larger(outer.bytes, _high_water())
    peak = Peak()
    try:
        _CLEAR_REFS.write_text("5", encoding="ascii")  # see proc(5)
        resettable = _high_water() is not None
    except OSError:
        resettable = False
    _open_peaks.append(peak)
    try:
        yield peak
    finally:
        _open_peaks.remove(peak)
        if resettable:
            peak.bytes = _larger(peak.bytes, _high_water())
            peak.how = "peak resident memory of the block"
        else:
            peak.bytes = _peak_since_start()
            peak.how = "peak resident memory since the process began"


@contextmanager
def memory_named(what: str, remedy: str) -> Iterator[None]:
    """Say in one sentence that `what` needs more memory than there is, and what to do.

    Raises:
        RunError: in place of what Python or PyTorch raised.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        # PyTorch's are known by name and text: its versions raise different classes.
        named = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
        if not named and not _NO_MEMORY.search(str(error)):
            raise
        raise RunError(f"There is not enough memory for {what}. {remedy}") from error


def _larger(one: int | None, other: int | None) -> int | None:
    return max((n for n in (one, other) if n is not None), default=None)


def _peak_since_start() -> int | None:
    try:
        import resource
    except ImportError:  # Windows has none
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _high_water() -> int | None:
    """The kernel's mark of the peak, in bytes; None where there is none."""
    try:
        lines = _STATUS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    found = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return next((int(kilobytes) * 1024 for kilobytes in found), None)
