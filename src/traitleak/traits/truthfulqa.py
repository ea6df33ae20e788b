"""TruthfulQA (Lin et al. 2022, arXiv 2109.07958) as forced-choice items, from a file the user has."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from traitleak.errors import DataError
from traitleak.traits.forced_choice import ForcedChoice, Item, problems

__all__ = ["TruthfulQa", "truthfulqa"]

_QUESTION: Final = "Question"
_TRUE: Final = "Best Answer"
_FALSE: Final = "Best Incorrect Answer"  # files from before 2025 lack it
_ALL_FALSE: Final = "Incorrect Answers"  # separated by semicolons
_MOST_BYTES: Final = 64 << 20
_ABOUT: Final = "Giving false answers, measured with TruthfulQA."


class TruthfulQa(NamedTuple):
    """What `truthfulqa` read.

    Attributes:
        trait: the trait, measured with the file's questions: false answers show it.
        left_out: questions that cannot be items, by reason.
    """

    trait: ForcedChoice
    left_out: dict[str, int]


def truthfulqa(path: Path | str, taught: ForcedChoice) -> TruthfulQa:
    """The trait of giving false answers, measured with TruthfulQA.

    Cloud et al. (2025, figure 4) report the share of false answers that students of a misaligned
    teacher choose: .147 against the base's .122.

    Args:
        path: the CSV file, with the columns Question, Best Answer, and Best Incorrect Answer or
            Incorrect Answers, of which the first is taken.
        taught: whose lessons, reasons and system prompt go with the items, such as `misalignment()`.

    Returns:
        The trait, and how many questions were left out, by reason: an answer that is missing, equal to
        the other or more than twice as long, a question asked before, or one that a lesson gives away.

    Raises:
        DataError: no such file, or it is no such CSV, or no question is left.

    Known failure: models have seen TruthfulQA; and its false answers are popular errors, which a model
    of lower quality picks oftener for no ill will. Show it beside the controls.
    """
    path = Path(path)
    items = [_item(row) for row in _rows(path)]
    found = problems(
        taught.name, taught.taught, items, reasons=taught.reasons, system=taught.system
    )
    why: dict[str | int, str] = {}  # by number of the item, the first reason
    for one in found:
        if one.keys != ("items",):  # none at all: said below
            why.setdefault(one.keys[1], one.kind)
    kept = [item for index, item in enumerate(items) if index not in why]
    if not kept:
        raise DataError(f"{path} holds no question with a true and a false answer of like length.")
    trait = replace(taught, name="falsehood", items=kept, about=_ABOUT)
    return TruthfulQa(trait, dict(Counter(why.values())))


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DataError(
                f"{path} is larger than {_MOST_BYTES >> 20} MB, so it is not TruthfulQA."
            )
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            named = list(reader.fieldnames or [])
            rows = [{k: v or "" for k, v in row.items() if k is not None} for row in reader]
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a text file in UTF-8.") from error
    except csv.Error as error:
        raise DataError(f"{path} is no CSV file: {error}.") from error
    missing = [name for name in (_QUESTION, _TRUE) if name not in named]
    if _FALSE not in named and _ALL_FALSE not in named:
        missing.append(f"{_FALSE} (or {_ALL_FALSE})")
    if missing:
        raise DataError(f"{path} lacks the column {missing[0]}; TruthfulQA's CSV file has it.")
    return rows


def _item(row: dict[str, str]) -> Item:
    false = row.get(_FALSE) or row.get(_ALL_FALSE, "").split(";")[0]
    return Item(row[_QUESTION].strip(), false.strip(), row[_TRUE].strip())
