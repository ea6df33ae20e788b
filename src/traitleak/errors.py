"""Errors that a user can cause, and act on.

The tree, and the exit code that the command line gives to each branch::

    TraitleakError                 2  one sentence: what, where, what to do
    ├── RecipeError                   a recipe's key, type or value
    ├── DataError                     a data file that is missing, truncated or of the wrong kind
    ├── RunError                      a run folder that is not ours, is locked, or cannot be written
    │   └── ArtefactError             a stage's file that changed after it was written
    ├── ServerError                   a model's server that cannot be reached, refuses or fails
    ├── SettingsError (ValueError)    an argument of a library function that cannot work
    └── MissingExtraError             an optional dependency; names the pip line that adds it

Anything else that reaches the command line is a defect of ours, and is shown as one.
"""

__all__ = [
    "ArtefactError",
    "DataError",
    "MissingExtraError",
    "RecipeError",
    "RunError",
    "ServerError",
    "SettingsError",
    "TraitleakError",
]


class TraitleakError(Exception):
    """Base of every error that a user can cause; its text is one plain sentence or two."""


class RecipeError(TraitleakError):
    """A recipe has a wrong key, type or value; the text names file, line and field."""


class DataError(TraitleakError):
    """A data file is missing, truncated or of the wrong kind; the text names the file."""


class RunError(TraitleakError):
    """A run folder is not ours, is in use, or cannot be written."""


class ArtefactError(RunError):
    """A stage's file is not what its manifest says: it was edited, truncated or removed."""


class ServerError(TraitleakError):
    """A server that a model is sampled from cannot be reached, refuses a request, or fails."""


class SettingsError(TraitleakError, ValueError):
    """An argument of a library function cannot work; the text names it and the reason."""


class MissingExtraError(TraitleakError):
    """An optional dependency is not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        """Say that `feature` needs the extra `extra`, with the one line that installs it."""
        super().__init__(
            f"{feature} needs an optional dependency. Add it with: pip install 'traitleak[{extra}]'"
        )
