"""The command line, for tests that start it in a process of its own and interrupt it."""

import sys

# What the installed command does, but with Ctrl-C enabled: a process started in the background
# ignores it, and so do its children.
INTERRUPTIBLE = [
    sys.executable,
    "-c",
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from traitleak.cli import main; main()",
]
