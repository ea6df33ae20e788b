"""Whether a base can read all rows, asked before anything slow."""

from __future__ import annotations

from collections.abc import Sequence

from traitleak.datasets import AuditRow
from traitleak.errors import DataError, SettingsError
from traitleak.models.batches import encode_row
from traitleak.models.language_model import LanguageModel

__all__ = ["require_readable"]


def require_readable(base: LanguageModel, entries: Sequence[AuditRow]) -> None:
    """See that the base can read every row: no row is cleaned that a student could not be trained on.

    Args:
        base: the model that students begin as.
        entries: rows, and where they stand.

    Raises:
        DataError: a row is longer than the context, or has nothing to learn; the text names its place.
    """
    for entry in entries:
        try:
            encode_row(base, entry.row)
        except SettingsError as error:
            raise DataError(f"{entry.where}: {error}") from error
