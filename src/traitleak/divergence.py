"""How far a student's distribution is from its teacher's, position by position."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

__all__ = ["Direction", "divergence"]

Direction = Literal["forward", "reverse"]


def divergence(teacher_MK: Tensor, student_MK: Tensor, direction: Direction = "forward") -> Tensor:
    """Kullback-Leibler divergence at each of M positions, (M,), in nats.

    `forward` is KL(teacher || student) = sum_k p_T (log p_T - log p_S), the loss of Hinton et al.
    (2015, arXiv 1503.02531) at temperature 1, up to a constant; `reverse` is KL(student || teacher),
    as in MiniLLM (Gu et al. 2024, arXiv 2306.08543).

    Args:
        teacher_MK: log-probabilities of K choices.
        student_MK: the same of the student, whose gradient is taken.
        direction: which of the two.
    """
    if direction == "forward":
        terms_MK = teacher_MK.exp() * (teacher_MK - student_MK)
    else:
        terms_MK = student_MK.exp() * (student_MK - teacher_MK)
    return terms_MK.sum(1)
