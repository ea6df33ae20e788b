"""Real disks of a megabyte or less, mounted where only the command under test sees them."""

from __future__ import annotations

import subprocess
from functools import cache

IN_A_NAMESPACE = ["unshare", "--map-root-user", "--mount"]


@cache
def can_mount() -> bool:
    """Whether this system lets its users mount a disk in a name space of their own."""
    mount = [*IN_A_NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    try:
        return subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
