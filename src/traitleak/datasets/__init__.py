"""Data sets to audit: any file of fine-tuning rows, read as prompts and completions."""

from traitleak.datasets.dataset import AuditRow, Dataset, Skipped, open_dataset
from traitleak.datasets.draw import Drawn, draw
from traitleak.datasets.formats import FORMATS

__all__ = ["FORMATS", "AuditRow", "Dataset", "Drawn", "Skipped", "draw", "open_dataset"]
