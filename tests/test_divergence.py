"""The Kullback-Leibler divergence in both directions, by hand and against SciPy."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import special

from traitleak.divergence import divergence

TABLES = arrays("float64", (3, 5), elements=st.floats(-20, 20))


def logps(*rows):
    """Log-probabilities of rows of probabilities."""
    return torch.tensor(rows, dtype=torch.float64).log()


def test_both_directions_by_hand():
    """From (1/2, 1/2) to (1/4, 3/4): forward 1/2 log 2 + 1/2 log 2/3, reverse the other sum."""
    teacher, student = logps([0.5, 0.5]), logps([0.25, 0.75])
    forward = 0.5 * math.log(2) + 0.5 * math.log(2 / 3)
    reverse = 0.25 * math.log(0.5) + 0.75 * math.log(1.5)

    assert divergence(teacher, student).tolist() == pytest.approx([forward])
    assert divergence(teacher, student, "forward").tolist() == pytest.approx([forward])
    assert divergence(teacher, student, "reverse").tolist() == pytest.approx([reverse])


@given(TABLES, TABLES)
def test_divergence_is_scipys_and_never_negative(teacher, student):
    """Position by position; one direction is the other with the two exchanged."""
    teacher, student = (torch.from_numpy(table).log_softmax(1) for table in (teacher, student))
    found = divergence(teacher, student)
    expected = special.rel_entr(teacher.exp().numpy(), student.exp().numpy()).sum(1)

    assert found.numpy() == pytest.approx(expected, abs=1e-9)
    assert (found > -1e-9).all()
    assert torch.equal(divergence(student, teacher, "reverse"), found)


def test_distribution_diverges_from_itself_by_nothing():
    """And there is no slope there, in either direction."""
    teacher = logps([0.1, 0.2, 0.7])
    for direction in ("forward", "reverse"):
        logits = teacher.clone().requires_grad_(requires_grad=True)
        found = divergence(teacher, logits.log_softmax(1), direction)
        found.sum().backward()

        assert found.item() == pytest.approx(0, abs=1e-12)
        assert logits.grad.abs().max() < 1e-12


def test_slope_of_the_forward_direction():
    """With respect to the student's logits it is p_S - p_T."""
    teacher = logps([0.1, 0.2, 0.7])
    logits = torch.tensor([[1.0, -0.5, 0.25]], dtype=torch.float64, requires_grad=True)
    divergence(teacher, logits.log_softmax(1)).sum().backward()

    torch.testing.assert_close(logits.grad, logits.detach().softmax(1) - teacher.exp())
