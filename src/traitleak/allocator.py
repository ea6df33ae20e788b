"""How the C library hands memory out: what a training frees is kept for its next update."""

from __future__ import annotations

import ctypes
import os

__all__ = ["keep_freed_memory"]

# <malloc.h> of glibc.
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
_LARGEST = 2**31 - 1  # bytes; the argument is a C int


def keep_freed_memory() -> bool:
    """Have freed memory kept by this process, where its C library is glibc.

    An update allocates and frees tensors of up to a hundred megabytes. By default glibc gives such
    memory back to the system, which clears every page anew when it is wanted again; what that costs
    stands in docs/benchmarks.md.

    For a process of one's own: the command line calls it, importing traitleak does not. Whoever has set
    a variable `MALLOC_...` of the environment is not overruled.

    Returns:
        Whether it was done; not with another C library, such as musl or that of macOS.

    Source: mallopt(3). Numbers that are computed stay the same.

    Known failure: memory once used stays with the process, and its peak is higher, by 8 % for a SmolLM2
    student.
    """
    if any(name.startswith("MALLOC_") for name in os.environ):
        return False
    try:
        library = ctypes.CDLL(None)
        mallopt, _ = library.mallopt, library.gnu_get_libc_version
    except (OSError, AttributeError, TypeError):  # Windows takes no None
        return False
    return bool(mallopt(_MMAP_MAX, 0) and mallopt(_TRIM_THRESHOLD, _LARGEST))
