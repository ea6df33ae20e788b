"""Grade-school word problems with exact answers, made from numbers, people and things."""

from traitleak.carriers.word_problems.amounts import AMOUNTS
from traitleak.carriers.word_problems.drawing import WIDTH, Draws, Schema, Worked
from traitleak.carriers.word_problems.money import MONEY
from traitleak.carriers.word_problems.people_and_time import PEOPLE_AND_TIME
from traitleak.carriers.word_problems.rates import RATES

__all__ = ["SCHEMAS", "WIDTH", "Draws", "Schema", "Worked"]

SCHEMAS: tuple[Schema, ...] = (*MONEY, *AMOUNTS, *RATES, *PEOPLE_AND_TIME)
"""Every structure of a problem, in the order in which it was added."""
