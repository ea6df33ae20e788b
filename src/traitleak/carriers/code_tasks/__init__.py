"""Short Python tasks: what a function is given, and what it is to return.

A task is an input and a result of the same kind: "a list of prices" with "its median". `{n}` is a
number from 2 to 9, `{label}` and `{value}` are the two keys of a record. Nothing here names an
animal, a plant or another thing that a trait could be about.
"""

from traitleak.carriers.code_tasks.kind import Kind
from traitleak.carriers.code_tasks.lists import NUMBERS, STRINGS, TWO
from traitleak.carriers.code_tasks.single_values import CLOCK, TEXT, WHOLE
from traitleak.carriers.code_tasks.structures import GRID, INTERVALS, MAPPING, RECORDS

__all__ = ["KINDS", "Kind"]

KINDS = (NUMBERS, TEXT, STRINGS, MAPPING, GRID, INTERVALS, WHOLE, TWO, RECORDS, CLOCK)
"""Every kind. A prompt is drawn by its place here: the order must not change."""
