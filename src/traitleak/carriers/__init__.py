"""Carriers: the kinds of data that a teacher writes, unrelated to its trait."""

from traitleak.carriers.code import Code
from traitleak.carriers.gsm8k import gsm8k
from traitleak.carriers.number_template import NumberTemplate, number_template
from traitleak.carriers.number_wordings import FORMS, ListForm
from traitleak.carriers.numbers import (
    NumberRequest,
    Numbers,
    Parsed,
    Reject,
    parse,
    random_lists,
)
from traitleak.carriers.reasoning import Problem, Reasoning

__all__ = [
    "FORMS",
    "Code",
    "ListForm",
    "NumberRequest",
    "NumberTemplate",
    "Numbers",
    "Parsed",
    "Problem",
    "Reasoning",
    "Reject",
    "gsm8k",
    "number_template",
    "parse",
    "random_lists",
]
