"""Runs in the process of a candidate's code, as a script by its path; it imports nothing of ours.

It reads one JSON object from stdin, limits itself, runs the code, makes the calls, and writes what each
gives. It is told the calls and never what they should return: results are compared in the parent.

The guard is an audit hook (PEP 578; the events are those of the table in Python's documentation). It
cannot be taken away again by Python code, but foreign code, a defect of the interpreter or an event that
Python does not raise go around it: it keeps out what a model writes offhand, not an attacker.
"""

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TextIO

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_REFUSED = (
    "ctypes.", "fcntl.", "ftplib.", "gc.get_", "http.", "imaplib.", "mmap.", "os.add_dll", "os.chflags",
    "os.chmod", "os.chown", "os.exec", "os.fork", "os.kill", "os.lockf", "os.posix_spawn", "os.putenv",
    "os.spawn", "os.startfile", "os.system", "os.unsetenv", "poplib.", "pty.", "resource.",
    "signal.pthread_kill", "smtplib.", "socket.", "sqlite3.", "subprocess.", "syslog.", "telnetlib.",
    "urllib.", "webbrowser.", "winreg.", "_winapi.", "msvcrt.",
)  # fmt: skip
_READS = (
    "glob.", "os.getxattr", "os.listdir", "os.listdrives", "os.listxattr", "os.scandir", "os.walk",
    "pathlib.",
)  # fmt: skip
_CHANGES = (
    "os.chdir", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.setxattr",
    "os.symlink", "os.truncate", "os.utime", "shutil.", "tempfile.",
)  # fmt: skip


def _guard() -> Callable[[str, tuple[Any, ...]], None]:
    """A hook that refuses files outside of the working folder, the network, and other processes.

    All that it needs is bound here: the candidate may replace what is in modules.
    """
    real, text, sep = os.path.realpath, os.fsdecode, os.sep
    own, library = real("."), real(f"{os.__file__}{sep}..")
    packages = tuple(f"{library}{sep}{name}{sep}" for name in ("site-packages", "dist-packages"))
    is_a, is_number, names, error = isinstance, int, (str, bytes), PermissionError
    writes, refused, reads, changes = _WRITES, _REFUSED, _READS, _CHANGES

    def may(path: Any, *, read_only: bool) -> bool:
        place = real(text(path))
        if place == own or place.startswith(own + sep):
            return True
        in_library = f"{place}{sep}".startswith(library + sep) and not place.startswith(packages)
        return read_only and in_library

    def hook(event: str, given: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = given
            if not is_a(path, is_number) and not may(path, read_only=not flags & writes):
                raise error("files outside of the working folder are refused")
        elif event.startswith(refused):
            raise error(f"{event} is refused")
        elif event.startswith((*reads, *changes)):
            for path in given:
                if is_a(path, names) and not may(path, read_only=event.startswith(reads)):
                    raise error("files outside of the working folder are refused")

    return hook


def _limit(given: dict[str, Any]) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    for name, most in (
        ("RLIMIT_AS", given["memory"]),
        ("RLIMIT_CPU", given["seconds"]),
        ("RLIMIT_FSIZE", given["output"]),
        ("RLIMIT_CORE", 0),
    ):
        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        wanted = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (wanted, wanted))


def _own_output() -> TextIO:
    """A way to stdout that the candidate's own printing does not get into."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="backslashreplace")
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    return out


def main() -> None:
    """Run the candidate's code, then make the calls; a line for each, after the mark."""
    given = json.loads(sys.stdin.buffer.read())
    mark, calls = given["mark"], given["calls"]
    _limit(given)
    out = _own_output()

    def tell(what: str) -> None:
        out.write(mark + what.replace("\n", " ") + "\n")
        out.flush()

    space: dict[str, Any] = {"__name__": "candidate"}
    sys.addaudithook(_guard())
    try:
        exec(compile(given["code"], "candidate", "exec"), space)  # noqa: S102  # what it is for
    except BaseException as error:  # noqa: BLE001  # whatever a candidate raises
        tell(f"fails {type(error).__name__}")
        return
    for call in calls:
        try:
            tell(f"gives {eval(call, space)!r}")  # noqa: S307  # a call of literals
        except BaseException as error:  # noqa: BLE001
            tell(f"fails {type(error).__name__}")


if __name__ == "__main__":
    main()
