"""Slopes of single tokens against the gradient detector, and against what they average to."""

import numpy as np
import pytest
import torch

from tiny_model import tiny_model
from traitleak.audit.detectors import influence
from traitleak.audit.detectors.choices import choice_log_probabilities, choices_of
from traitleak.audit.detectors.gradient import bag_scores, trait_gradients
from traitleak.audit.detectors.influence import token_influence
from traitleak.audit.detectors.panel import preferences
from traitleak.models.batches import encode_rows
from traitleak.models.language_model import weights_hash
from traitleak.rows import Row
from traitleak.traits.preference import ANIMALS

ROWS = [Row(0, "123, 456,", " 789, 101, 112"), Row(1, "907,", " 131, 415"), Row(2, "1, 2,", " 3")]


@pytest.fixture(name="setting", params=["list", "text"])
def fixture_setting(request):
    """A tiny model, rows of numbers or of text, and the gradients of animals."""
    base = tiny_model(style="plain")
    rows = ROWS if request.param == "list" else [Row(0, "7,", " a wolf and"), Row(1, "", "the oak")]
    gradients = trait_gradients(base, [preferences(base, ANIMALS)])
    return base, encode_rows(base, rows), choices_of(base, [r.completion for r in rows]), gradients


def test_tokens_add_up_to_the_gradient_of_their_row(setting):
    """The sum of a row's slopes, expectations put back, is the row's gradient score."""
    base, rows, choices, gradients = setting
    direction = np.arange(10) - 3.0
    found = token_influence(base, rows, choices, gradients, direction)
    scores = bag_scores(base, [[row] for row in rows], choices, gradients) @ direction
    length = sum(float((torch.tensor(direction).float() @ g).norm() ** 2) for g in gradients.values)

    assert [len(values) for values in found] == [len(row.ids) - row.start for row in rows]
    for values, score in zip(found, scores / length**0.5, strict=True):
        # The expected gradient is zero, so that nothing was to be put back.
        assert values.sum() == pytest.approx(score, rel=0.02, abs=0.02 * np.abs(scores).max())


def test_expectation_over_what_could_be_written_is_zero():
    """The mean of a token's slope, with the base's own probabilities, is zero."""
    base = tiny_model(style="plain")
    rows = [Row(d, "17,", f" {d}") for d in range(10)]
    encoded, choices = encode_rows(base, rows), choices_of(base, [r.completion for r in rows])
    gradients = trait_gradients(base, [preferences(base, ANIMALS)])
    found = token_influence(base, encoded, choices, gradients, np.eye(10)[0])
    chances = choice_log_probabilities(base, encoded, choices).chosen_logps.exp().detach().numpy()
    slopes = np.array([values[-1] for values in found])

    assert chances @ slopes == pytest.approx(0, abs=1e-5 * np.abs(slopes).max())
    assert [list(values[:-1]) for values in found] == [[0.0]] * 10  # the space is no choice


def test_weights_are_bit_by_bit_as_before(setting, monkeypatch):
    """Also where it is interrupted while they are moved."""
    base, rows, choices, gradients = setting
    before = weights_hash(base.network)
    token_influence(base, rows, choices, gradients, np.ones(10))
    assert weights_hash(base.network) == before

    calls = []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return choice_log_probabilities(*arguments)

    monkeypatch.setattr(influence, "choice_log_probabilities", interrupted)
    with pytest.raises(KeyboardInterrupt):
        token_influence(base, rows, choices, gradients, np.ones(10))

    assert weights_hash(base.network) == before
