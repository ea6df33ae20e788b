"""GSM8K (Cobbe et al. 2021) as problems of the reasoning carrier, from a file that the user has."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path

from traitleak.carriers.reasoning import Problem, asked, read_number
from traitleak.errors import DataError

__all__ = ["gsm8k"]

_ANSWER = "####"  # stands before the final number
_CALCULATOR = re.compile(r"<<[^<>]*>>")  # notes for a calculator inside of the solutions


def gsm8k(path: Path) -> list[Problem]:
    """The problems of a file of GSM8K's form, in its order.

    Args:
        path: JSON lines with `question` and `answer`, whose last line is "#### 18".

    Returns:
        Problems whose steps are the lines of the published solution. How the answer is asked for
        goes around the 16 wordings line by line.

    Raises:
        DataError: no such file, or one that is empty, no JSON lines, or has a line without a question
            or without a final number; the text names file, line and field.

    Known failure: models have seen GSM8K, its test part too; what they know by heart is no reasoning.
    """
    path = Path(path)
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    problems = [
        _problem(line, f"{path}, line {number}", number)
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]
    if not problems:
        raise DataError(f"{path} holds no problems.")
    return problems


def _problem(line: bytes, where: str, number: int) -> Problem:
    try:
        values = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise DataError(
            f"{where}: this is no line of JSON; GSM8K is read from JSON lines with the fields "
            "'question' and 'answer'."
        ) from error
    if not isinstance(values, dict):
        raise DataError(f"{where}: a problem is an object with fields, not {str(values)[:40]!r}.")
    for field in ("question", "answer"):
        if not isinstance(values.get(field), str) or not values[field].strip():
            raise DataError(f"{where}: field {field!r} is missing or is no text.")
    solution, mark, final = values["answer"].rpartition(_ANSWER)
    answer = read_number(final)
    if not mark or not isinstance(answer, Fraction):
        raise DataError(
            f"{where}: field 'answer' does not end in {_ANSWER} and a number, but in "
            f"{values['answer'].strip()[-40:]!r}."
        )
    steps = [text.strip() for text in _CALCULATOR.sub("", solution).splitlines()]
    question = values["question"].strip()
    return Problem(
        asked(question, number - 1), question, answer, tuple(filter(None, steps)), "gsm8k"
    )
