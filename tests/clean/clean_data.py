"""Number rows of a tiny base, and scores for their tokens, as the tests of cleaning take them."""

import numpy as np

from tiny_model import tiny_model
from traitleak.carriers.numbers import Numbers
from traitleak.clean.token_scores import token_scores
from traitleak.generation import write_numbers
from traitleak.models.batches import encode_row

PROMPTS = Numbers(24, seed=0, style="plain", examples=(3, 3)).prompts()


def plain_base():
    """A tiny model that continues text."""
    return tiny_model(style="plain")


def number_rows(base, teacher="wolf", seed=3, count=4, prompts=PROMPTS):
    """Lists of three-digit numbers that the base wrote."""
    return write_numbers(base, prompts, teacher=teacher, count=count, seed=seed)


def lengths(base, rows):
    """Completion tokens of each row."""
    return [len(found.ids) - found.start for found in (encode_row(base, row) for row in rows)]


def random_scores(base, rows, seed=0):
    """Scores from a normal distribution."""
    rng = np.random.default_rng(seed)
    values = [rng.normal(size=num).astype(np.float32) for num in lengths(base, rows)]
    return token_scores(base, rows, values, trait="wolf", detector="noise")
