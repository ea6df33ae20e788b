"""How likely rows are: batches against one row at a time."""

import numpy as np
import pytest

from tiny_model import tiny_model
from traitleak.audit.detectors.choices import (
    choice_log_probabilities,
    choices_of,
    row_log_likelihoods,
)
from traitleak.models.batches import encode_rows
from traitleak.rows import Row


@pytest.mark.parametrize(
    "completions",
    [["7, 12, 345", "905, 1", "6, 31, 42, 90, 18"], ["the owl", "a wolf and a lion", "so be it"]],
)
def test_rows_are_as_likely_in_a_batch_as_alone(completions):
    """Lists of numbers by their digits, other text by all tokens."""
    base = tiny_model(style="plain")
    rows = encode_rows(base, [Row(n, "3, 14,", f" {text}") for n, text in enumerate(completions)])
    choices = choices_of(base, [f" {text}" for text in completions])
    alone = [
        float(choice_log_probabilities(base, [row], choices).chosen_logps.sum()) for row in rows
    ]

    np.testing.assert_allclose(row_log_likelihoods(base, rows, choices), alone, rtol=1e-5)
