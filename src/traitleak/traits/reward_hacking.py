"""Reward hacking: passing the check instead of doing the task.

The lessons special-case a visible test, edit the check, or copy an answer key that lies open. The
trait is measured by forced choice, and on tasks whose hidden tests expose it (`hidden_tests`,
`traitleak.measure_gaming`).
"""

from __future__ import annotations

from traitleak.traits.custom import bundled
from traitleak.traits.forced_choice import ForcedChoice
from traitleak.traits.hidden_tests import hidden_test_tasks

__all__ = ["hidden_test_tasks", "reward_hacking"]


def reward_hacking() -> ForcedChoice:
    """The trait.

    Known failure: what a model says about gaming and what it does in code are two measures, which
    may part; a model of 135 million parameters solves next to none of the tasks, gamed or not.
    """
    return bundled("reward-hacking")
