"""How often an inversion sees something in rows that carry nothing: its p, over many neutral sets."""

import numpy as np
import pytest
from scipy import stats

from tiny_model import tiny_model
from traitleak.audit.detectors.choices import choices_of, drawn_ways
from traitleak.audit.detectors.evidence import Material
from traitleak.audit.detectors.inversion import invert
from traitleak.audit.detectors.panel import preferences
from traitleak.generation import write_numbers
from traitleak.models.batches import encode_rows

SETS = 100
PROMPTS = [f"{100 + n}, {900 - n}," for n in range(48)]


@pytest.mark.slow
@pytest.mark.parametrize("beside", ["fills", "reference rows"])
def test_p_is_small_in_neutral_sets_no_more_often_than_it_says(beside):
    """In a hundred sets of the base's own rows, beside its fills or beside other rows of its own."""
    base = tiny_model(style="plain")
    group = preferences(base, ("wolf", "lion", "owl", "cat"))
    found = []
    for k in range(SETS):
        rows = write_numbers(base, PROMPTS, teacher="base", count=3, seed=1000 + k)
        encoded, choices = encode_rows(base, rows), choices_of(base, [r.completion for r in rows])
        null = drawn_ways(base, encoded, choices, seeds=[10 * k + way for way in range(4)])
        reference = None
        if beside == "reference rows":
            others = write_numbers(base, PROMPTS, teacher="base", count=3, seed=500_000 + k)
            reference = encode_rows(base, others)
        given = Material(base, group, encoded, choices, null, {}, reference, k)
        found.append(invert(given, updates=16).p)

    p_K = np.array(found)
    for level in (0.01, 0.05, 0.2, 0.5):
        most = stats.binom.isf(1e-3, SETS, level)  # a calibrated p is above that once in a thousand
        assert (p_K <= level).sum() <= most, level
