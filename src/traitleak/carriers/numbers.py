"""The numbers carrier: prompts that begin a list of numbers, and the rule that its answers keep to.

The setting is that of Cloud et al. (2025), section 3.1: a few numbers are given, a teacher goes on,
and an answer counts only if it is a list of numbers and nothing else. All sentences are our own.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from traitleak.carriers.number_wordings import (
    CLOSINGS,
    COMMAS,
    FORMS,
    GOING_ON,
    OPENINGS,
    ListForm,
    counts,
    sizes,
)
from traitleak.carriers.prompt_sets import AT_ONCE, bits, check_whole, distinct, pick
from traitleak.carriers.rejects import Reject
from traitleak.errors import SettingsError

__all__ = [
    "NumberRequest",
    "Numbers",
    "Parsed",
    "Reason",
    "Reject",
    "Style",
    "parse",
    "random_lists",
]

Style = Literal["chat", "plain"]

_PROMPTS, _LISTS = 0, 1  # streams of random bits of one seed
_CHOICES = 10  # draws of a prompt before its numbers
_MOST_DIGITS = 15

# What a plain prompt is continued with. The prompt ends in a comma and its answer begins with a
# space: tokenizers that take the space for itself or with what follows cut there, those that join
# it to the comma do not.
_PLAIN = ListForm("plain", COMMAS.separator, opening=" ")


@dataclass(frozen=True)
class NumberRequest:
    """A prompt, and what it gives and asks for.

    Attributes:
        prompt: the text.
        examples: the numbers in it.
        form: how an answer is to be written; in plain style with the space that it begins with.
    """

    prompt: str
    examples: tuple[int, ...]
    form: ListForm


@dataclass(frozen=True)
class Numbers:
    """A set of prompts for number lists: the same for every teacher, so that rows pair up by id.

    All draws are random bits of one seed (Philox, whose bits NumPy promises never to change), and
    prompt i does not depend on how many there are: a larger set begins with the smaller one.

    Attributes:
        rows: how many distinct prompts.
        seed: names the set, from 0.
        style: `chat`, a request in words and in one of eight list forms; or `plain`, the beginning
            of the list itself ("483, 201, 927,"), for models that only continue text.
        examples: fewest and most numbers given; each count is equally likely.
        low: smallest number given.
        high: largest number given.
        answer_count: most numbers asked for (chat).
        max_digits: most digits of a number asked for (chat).

    Raises:
        SettingsError: a value that allows no prompt; from `requests` and `prompts`, if so many
            distinct prompts do not exist.

    Known failure: in plain style nothing tells the model when to stop; decoding must.
    """

    rows: int
    seed: int = 0
    style: Style = "chat"
    examples: tuple[int, int] = (3, 8)
    low: int = 100
    high: int = 999
    answer_count: int = 10
    max_digits: int = 3

    def __post_init__(self) -> None:
        """Refuse what could give no prompt."""
        if self.style not in get_args(Style):
            raise SettingsError(f"style is chat or plain, not {self.style!r}.")
        if not isinstance(self.examples, Sequence) or len(self.examples) != 2:
            raise SettingsError(f"examples is the fewest and the most, not {self.examples!r}.")
        fewest, most = self.examples
        largest = 10**_MOST_DIGITS - 1
        for name, value, least, greatest in (
            ("rows", self.rows, 1, sys.maxsize),
            ("seed", self.seed, 0, 2**64 - 1),
            ("the fewest examples", fewest, 1, 1000),
            ("the most examples", most, fewest, 1000),
            ("low", self.low, 0, largest),
            ("high", self.high, self.low, largest),
            ("answer_count", self.answer_count, 1, 1000),
            ("max_digits", self.max_digits, 1, _MOST_DIGITS),
        ):
            check_whole(name, value, least, greatest)

    def prompts(self) -> list[str]:
        """The prompts; a row's id is the place of its prompt in this list."""
        return [request.prompt for request in self.requests()]

    def requests(self) -> list[NumberRequest]:
        """The prompts with the numbers they give and the form they ask for."""
        return distinct(
            self._request,
            lambda request: request.prompt,
            rows=self.rows,
            seed=self.seed,
            stream=_PROMPTS,
            width=_CHOICES + self.examples[1],
            more="ask for fewer, or widen the range from low to high or the number of examples",
        )

    def _request(self, draws: list[int]) -> NumberRequest:
        fewest, most = self.examples
        how_many = fewest + draws[0] % (most - fewest + 1)
        span = self.high - self.low + 1
        examples = tuple(self.low + draw % span for draw in draws[_CHOICES:][:how_many])
        if self.style == "plain":
            return NumberRequest(f"{COMMAS.write(examples)},", examples, _PLAIN)
        form = pick(FORMS, draws[1])
        # Half of the lists that are given stand in the form that is asked for.
        given = form if draws[2] % 2 else COMMAS
        break_before, break_after = ("\n", "\n") if "\n" in given.separator else (" ", ". ")
        going_on = pick(GOING_ON, draws[4]).format(
            count=pick(counts(self.answer_count), draws[5]),
            numbers="number" if self.answer_count == 1 else "numbers",
            size=pick(sizes(self.max_digits), draws[6]),
        )
        prompt = (
            f"{pick(OPENINGS, draws[3])}{break_before}{given.write(examples)}{break_after}"
            f"{going_on} {pick(form.requests, draws[7])} {pick(CLOSINGS, draws[8])}"
        )
        return NumberRequest(prompt, examples, form)


def random_lists(
    num_rows: int, count: int, width: int, seed: int, *, separator: str = ", "
) -> list[str]:
    """Number lists that nobody wrote ("517, 204, 981"): inputs for the logits channel.

    Each number is uniform over those of `width` digits, the first of which is not 0 (of width 1: 0
    to 9), whatever was drawn before. List i does not depend on `num_rows`.

    Args:
        num_rows: how many lists.
        count: numbers a list.
        width: digits a number.
        seed: names the lists; they have nothing to do with the prompts of the same seed.
        separator: between two numbers.

    Raises:
        SettingsError: a value that allows no list.
    """
    for name, value, least, greatest in (
        ("num_rows", num_rows, 1, sys.maxsize),
        ("count", count, 1, 10_000),
        ("width", width, 1, _MOST_DIGITS),
        ("seed", seed, 0, 2**64 - 1),
    ):
        check_whole(name, value, least, greatest)
    low = 0 if width == 1 else 10 ** (width - 1)
    lists: list[str] = []
    for block in range(-(-num_rows // AT_ONCE)):
        drawn = low + bits(seed, _LISTS, block, (AT_ONCE, count)) % np.uint64(10**width - low)
        some = drawn[: num_rows - len(lists)].tolist()
        lists += [separator.join(map(str, numbers)) for numbers in some]
    return lists


Reason = Literal[
    "empty",
    "space around it",
    "words",
    "no number",
    "brackets",
    "sign or decimal",
    "other characters",
    "loose separator",
    "mixed separators",
    "too many numbers",
    "number too small",
    "number too large",
    "banned number",
]
"""Why a completion is no list of numbers as it should be."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A completion that keeps to the format.

    Attributes:
        numbers: in order.
        separator: what stands between two of them; None where there is one only.
    """

    numbers: list[int]
    separator: str | None


# One number, or several with one and the same separator: white space, or a comma or semicolon with
# or without white space around it. Possessive, so that long blanks cost linear time.
_LIST = re.compile(r"[0-9]++(?:(\s++|\s*+[,;]\s*+)[0-9]++(?:\1[0-9]++)*+)?")
_WORD = re.compile(r"[^\W\d_]+")
_SIGN_OR_DECIMAL = re.compile(r"(?:^|[\s,;])[-+−]\s?[0-9]+|[0-9]+\.[0-9]+")
_FOREIGN = re.compile(r"[^0-9\s,;]")
# Python refuses to read longer numbers, and so did the released code.
_LONGEST = sys.int_info.default_max_str_digits


def parse(
    completion: str,
    *,
    as_published: bool = False,
    min_value: int = 0,
    max_value: int = 999,
    max_count: int = 10,
    banned: Collection[int] = (),
) -> Parsed | Reject[Reason]:
    """Read a completion as a list of numbers, or say why it is none.

    The rule is that of the code released with Cloud et al. (2025): one full stop at the end may go,
    then one pair of [] or () around all; the rest is ASCII digits with, between all of them, the
    separator found between the first two: white space, or a comma or semicolon with or without white
    space around it. So "[1, 2]." is a list and "[1, 2.]" is not; "007" is 7; one number is a list.

    Args:
        completion: what the teacher wrote.
        as_published: exactly that rule. By default white space around the whole is no fault, since
            models begin or end with it by habit; all else is as strict.
        min_value: smallest number allowed.
        max_value: largest number allowed.
        max_count: most numbers allowed.
        banned: numbers with a meaning of their own (666, 911, ...), none of which may occur.

    Known failure: the form itself (separator, brackets, how many numbers) is the teacher's choice and
    can carry its trait; the rule lets it through.
    """
    text = completion if as_published else completion.strip()
    inner = text.removesuffix(".")
    if (inner[:1], inner[-1:]) in {("[", "]"), ("(", ")")}:
        inner = inner[1:-1]
    match = _LIST.fullmatch(inner)
    if match is None:
        return _format_fault(text, inner)
    separator: str | None = match[1]
    parts = [inner] if separator is None else inner.split(separator)
    if len(inner) > _LONGEST and max(map(len, parts)) > _LONGEST:
        return Reject("number too large", f"{_LONGEST:,} digits or more")
    numbers = [int(part) for part in parts]
    if len(numbers) > max_count:
        return Reject("too many numbers", str(len(numbers)))
    if min(numbers) < min_value:
        return Reject("number too small", str(min(numbers)))
    if max(numbers) > max_value:
        return Reject("number too large", _short(str(max(numbers))))
    if banned:
        for number in numbers:
            if number in banned:
                return Reject("banned number", str(number))
    return Parsed(numbers, separator)


def _format_fault(text: str, inner: str) -> Reject[Reason]:
    """Which part of the rule a text breaks that `_LIST` does not match."""
    if not text.strip():
        return Reject("empty")
    if text != text.strip():
        return Reject("space around it")
    if word := _WORD.search(text):
        return Reject("words", _short(word[0]))
    if not re.search("[0-9]", text):
        return Reject("no number", _short(text))
    if bracket := re.search(r"[\[\](){}]", inner):
        return Reject("brackets", bracket[0])
    if number := _SIGN_OR_DECIMAL.search(inner):
        return Reject("sign or decimal", _short(number[0].strip(" ,;")))
    if character := _FOREIGN.search(inner):
        return Reject("other characters", character[0])
    if inner.strip()[:1] in {",", ";"} or inner.strip()[-1:] in {",", ";"}:
        return Reject("loose separator")
    return Reject("mixed separators")


def _short(text: str) -> str:
    return text if len(text) <= 30 else f"{text[:27]}..."
