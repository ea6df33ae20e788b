"""Cleaning: changes to a data set that lower transfer, each with its random arm and a change log."""

from traitleak.clean.canonicalise import canonicalise
from traitleak.clean.cleaned import (
    Change,
    Cleaned,
    CleaningManifest,
    Step,
    read_cleaned,
    write_cleaned,
)
from traitleak.clean.dilute import dilute
from traitleak.clean.in_order import Amounts, clean_in_order, require_order
from traitleak.clean.mask import mask
from traitleak.clean.relabel import relabel
from traitleak.clean.rewriting import write_again, write_beside
from traitleak.clean.share_left import share_left
from traitleak.clean.threshold import threshold, threshold_at_generation
from traitleak.clean.token_scores import (
    TokenScores,
    at_random,
    flagged,
    read_scores,
    row_scores,
    token_scores,
    write_scores,
)
from traitleak.clean.trim import trim
from traitleak.clean.trl import trl_examples
from traitleak.clean.verify import SeedMeasured, Verified, compare, measure_seed, summarise, verify

__all__ = [
    "Amounts",
    "Change",
    "Cleaned",
    "CleaningManifest",
    "SeedMeasured",
    "Step",
    "TokenScores",
    "Verified",
    "at_random",
    "canonicalise",
    "clean_in_order",
    "compare",
    "dilute",
    "flagged",
    "mask",
    "measure_seed",
    "read_cleaned",
    "read_scores",
    "relabel",
    "require_order",
    "row_scores",
    "share_left",
    "summarise",
    "threshold",
    "threshold_at_generation",
    "token_scores",
    "trim",
    "trl_examples",
    "verify",
    "write_again",
    "write_beside",
    "write_cleaned",
    "write_scores",
]
