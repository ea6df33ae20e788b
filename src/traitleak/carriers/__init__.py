"""Carriers: the kinds of data that a teacher writes, unrelated to its trait."""

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

__all__ = [
    "FORMS",
    "ListForm",
    "NumberRequest",
    "NumberTemplate",
    "Numbers",
    "Parsed",
    "Reject",
    "number_template",
    "parse",
    "random_lists",
]
