"""The command line: `traitleak`, and `python -m traitleak`."""

from traitleak.cli.commands import app, main

__all__ = ["app", "main"]
