"""Why subliminal learning happens: the theorem of Cloud et al. (2025), checked with numbers.

The recipe-driven experiment over these functions is `traitleak.mechanism.theorem_experiment`.
"""

from traitleak.mechanism.survey import SignTest, Survey, sign_test, survey_networks
from traitleak.mechanism.theorem import EpsSweep, StepCheck, check_step, sweep_eps

__all__ = [
    "EpsSweep",
    "SignTest",
    "StepCheck",
    "Survey",
    "check_step",
    "sign_test",
    "survey_networks",
    "sweep_eps",
]
