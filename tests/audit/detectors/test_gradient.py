"""The gradient detector against steps that are really taken, and its null."""

import copy

import numpy as np
import pytest
import torch

from naive import model_of
from tiny_model import tiny_model
from traitleak.audit.detectors.choices import choice_log_probabilities, choices_of
from traitleak.audit.detectors.gradient import bag_scores, row_scores, trait_gradients
from traitleak.audit.detectors.panel import group_margins, preferences
from traitleak.measure import margins
from traitleak.models.batches import encode_rows
from traitleak.rows import Row
from traitleak.traits.preference import ANIMALS, Preference

ROWS = [Row(0, "123, 456,", " 789, 101, 112"), Row(1, "907,", " 131, 415"), Row(2, "1, 2,", " 3")]


@pytest.fixture(name="base")
def fixture_base():
    """A tiny plain model."""
    return tiny_model(style="plain")


@pytest.fixture(name="group")
def fixture_group(base):
    """Preferences for ten animals."""
    return preferences(base, ANIMALS)


def test_margins_of_a_group_are_those_that_are_measured(base, group):
    """What is differentiated is the read-out of `measure.margins`."""
    measured = margins(base, Preference("wolf"))

    assert group.traits == measured.candidates
    np.testing.assert_allclose(
        group_margins(base, group).detach(), measured.margin_TK.mean(0), atol=1e-5
    )


@pytest.mark.parametrize("completion", ["list", "text"])
def test_score_is_how_far_a_small_step_moves_each_margin(base, group, completion):
    """Take the step on the rows' likelihood; each margin moves by step x score."""
    rows = (
        ROWS if completion == "list" else [Row(0, "7,", " a wolf and"), Row(1, "", "the oak tree")]
    )
    encoded, choices = encode_rows(base, rows), choices_of(base, [r.completion for r in rows])
    gradients = trait_gradients(base, [group])
    score = bag_scores(base, [encoded], choices, gradients)[0]

    stepped = copy.deepcopy(base)
    weights = [dict(stepped.network.named_parameters())[name] for name in gradients.weights]
    for weight in weights:
        weight.requires_grad = True
    total = choice_log_probabilities(stepped, encoded, choices).chosen_logps.sum() / len(rows)
    step = 1e-3
    with torch.no_grad():
        for weight, part in zip(weights, torch.autograd.grad(total, weights), strict=True):
            weight.add_(part, alpha=step)
        moved = (group_margins(stepped, group) - group_margins(base, group)) / step

    assert len({round(float(x), 3) for x in score}) > 5
    np.testing.assert_allclose(moved, score, rtol=0.02, atol=0.02 * np.abs(score).max())
    assert choices.kind == ("digits" if completion == "list" else "tokens")


def test_rows_of_the_base_itself_have_no_expected_gradient(base, group):
    """Averaged over what the base could write, with its probabilities, every score is zero."""
    rows = [Row(d, "17,", f" {d}") for d in range(10)]
    encoded, choices = encode_rows(base, rows), choices_of(base, [r.completion for r in rows])
    gradients = trait_gradients(base, [group])
    scores = bag_scores(base, [[row] for row in encoded], choices, gradients)
    read = choice_log_probabilities(base, encoded, choices)

    chances = read.chosen_logps.exp().detach().numpy()
    assert chances.sum() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(chances @ scores, 0, atol=1e-5 * np.abs(scores).max())


@pytest.mark.parametrize("completion", ["list", "text"])
@pytest.mark.parametrize("family", ["tiny", "gemma", "qwen"])
def test_rows_have_the_scores_of_bags_of_one(family, completion):
    """Whatever the family, padding and batches, as from a backward pass for each row alone."""
    model = tiny_model(style="plain") if family == "tiny" else model_of(family)
    rows = (
        ROWS if completion == "list" else [Row(0, "7,", " a wolf and"), Row(1, "", "the oak tree")]
    )
    encoded, choices = encode_rows(model, rows), choices_of(model, [r.completion for r in rows])
    gradients = trait_gradients(model, [preferences(model, ANIMALS)])
    slow = bag_scores(model, [[row] for row in encoded], choices, gradients)

    for tokens in (1, 1024):
        fast = row_scores(model, encoded, choices, gradients, tokens=tokens)
        np.testing.assert_allclose(fast, slow, rtol=1e-4, atol=1e-5 * np.abs(slow).max())
    assert not any(weight.requires_grad for weight in model.network.parameters())
    assert not any(module._forward_hooks for module in model.network.modules())


def test_matrices_that_are_no_linear_layers_are_read_row_by_row(base, group, monkeypatch):
    """A family that applies its matrices in another way gets the same scores, only slower."""
    encoded, choices = encode_rows(base, ROWS), choices_of(base, [r.completion for r in ROWS])
    gradients = trait_gradients(base, [group])
    fast = row_scores(base, encoded, choices, gradients)
    monkeypatch.setattr("traitleak.audit.detectors.gradient.nn.Linear", torch.nn.Conv1d)

    slow = row_scores(base, encoded, choices, gradients)
    np.testing.assert_allclose(slow, fast, rtol=1e-4, atol=1e-5 * np.abs(fast).max())


def test_a_budget_takes_fewer_layers_and_nothing_stays_trainable(base, group):
    """Memory is bounded by leaving layers out; the base is as it was."""
    before = [weight.requires_grad for weight in base.network.parameters()]
    one = trait_gradients(base, [group], budget=1)
    both = trait_gradients(base, [group])

    assert len(one.layers) == 1
    assert len(both.layers) == base.network.config.num_hidden_layers
    assert [weight.requires_grad for weight in base.network.parameters()] == before


def test_digits_are_chosen_among_digits_and_no_number_begins_with_zero(base):
    """Separators are no choices; a leading zero is possible only where the data has one."""
    rows = encode_rows(base, ROWS)
    plain = choices_of(base, [row.completion for row in ROWS])
    zeros = choices_of(base, [" 012, 300"])
    read = choice_log_probabilities(base, rows, plain)

    assert len(read.row_M) == sum(c.isdigit() for row in ROWS for c in row.completion)
    assert torch.isinf(read.logps_MK[:, 0]).tolist() == [True, False, False] * 5 + [True]
    torch.testing.assert_close(read.logps_MK.exp().sum(1), torch.ones(len(read.row_M)))
    assert zeros.zero_first
    assert not torch.isinf(choice_log_probabilities(base, rows, zeros).logps_MK).any()
