"""How the C library hands memory out: what a training frees is kept for its next update."""

from __future__ import annotations

import ctypes
import os

__all__ = ["keep_freed_memory"]

# <malloc.h> of glibc.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST_TRIM = 2**31 - 1  # bytes; the argument is a C int
_LARGEST_MMAP = 32 * 2**20  # bytes; glibc refuses more


def keep_freed_memory() -> bool:
    """Have freed memory kept by this process, where its C library is glibc.

    An update allocates and frees tensors of many megabytes. By default glibc gives such memory back to
    the system, which clears every page anew when it is wanted again: a quarter of the processor time of
    a SmolLM2 student on one core (docs/benchmarks.md). Tensors above 32 MB are given back even so.

    For a process of one's own: the command line calls it, importing traitleak does not. Whoever has set
    a variable `MALLOC_...` of the environment is not overruled.

    Returns:
        Whether it was done; not with another C library, such as musl or that of macOS.

    Source: mallopt(3). Numbers that are computed stay the same.

    Known failure: memory once used stays with the process, some hundredths more of it at its peak.
    """
    if any(name.startswith("MALLOC_") for name in os.environ):
        return False
    try:
        library = ctypes.CDLL(None)
        mallopt, _ = library.mallopt, library.gnu_get_libc_version
    except (OSError, AttributeError, TypeError):  # Windows takes no None
        return False
    return bool(mallopt(_TRIM_THRESHOLD, _LARGEST_TRIM) and mallopt(_MMAP_THRESHOLD, _LARGEST_MMAP))
