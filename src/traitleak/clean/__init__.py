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
from traitleak.clean.mask import mask
from traitleak.clean.relabel import relabel
from traitleak.clean.rewriting import write_again
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
from traitleak.clean.verify import Verified, compare, measure_seed, summarise, verify

__all__ = [
    "Change",
    "Cleaned",
    "CleaningManifest",
    "Step",
    "TokenScores",
    "Verified",
    "at_random",
    "canonicalise",
    "compare",
    "dilute",
    "flagged",
    "mask",
    "measure_seed",
    "read_cleaned",
    "read_scores",
    "relabel",
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
    "write_cleaned",
    "write_scores",
]
