"""Number lists token by token: which tokens are forced and which are a digit to choose.

A small model seldom keeps to a format. Decoding constrained to one leaves it the digits alone: the
separators are put in, not sampled, and every choice is among ten tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from traitleak.carriers.numbers import random_lists
from traitleak.errors import SettingsError

__all__ = ["Encodes", "NumberTemplate"]

_EXAMPLES = 64  # whole lists on which a template is checked


class Encodes(Protocol):
    """As much of a Hugging Face tokenizer as is needed here."""

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """The token ids of `text`."""
        ...


@dataclass(frozen=True)
class NumberTemplate:
    """The tokens of a list of `count` numbers of `width` digits each.

    Attributes:
        digit_ids: token ids of the digits 0 to 9.
        slots: one entry a token: its id where it is forced, None where a digit is to be chosen.
        leading: one entry a token: whether it is the first digit of a number.
        first_digit_nonzero: whether those may not be 0.
        count: numbers a list.
        width: digits a number.
    """

    digit_ids: tuple[int, ...]
    slots: tuple[int | None, ...]
    leading: tuple[bool, ...]
    first_digit_nonzero: bool
    count: int
    width: int

    def fill(self, digits: Sequence[int]) -> list[int]:
        """Token ids of the list with these count x width digits, in order.

        Raises:
            SettingsError: too many digits, too few, or one that is none.
        """
        if len(digits) != self.count * self.width or not set(digits) <= set(range(10)):
            raise SettingsError(f"The list has {self.count} x {self.width} digits from 0 to 9.")
        left = iter(digits)
        return [self.digit_ids[next(left)] if slot is None else slot for slot in self.slots]


def number_template(
    tokenizer: Encodes,
    *,
    count: int = 10,
    width: int = 3,
    separator: str = ", ",
    opening: str = "",
    closing: str = "",
    before: str = "",
    first_digit_nonzero: bool = True,
) -> NumberTemplate:
    """The template of a list for one tokenizer, found and checked by encoding whole lists.

    Args:
        tokenizer: of the model that decodes.
        count: numbers a list.
        width: digits a number, all of them the same.
        separator: between two numbers.
        opening: before the first number, such as "[", or " " after a plain prompt.
        closing: after the last number.
        before: text that the list follows, such as the end of a rendered prompt: the list's tokens
            must not merge with it.
        first_digit_nonzero: no number begins with 0.

    Raises:
        SettingsError: the tokenizer has no token of its own for each digit, or joins digits to each
            other, to the separator, or to the text before.

    Known failure: numbers of a fixed width are a format that the teacher did not choose, so that
    whatever its choice of format would carry is lost.
    """
    lists = random_lists(_EXAMPLES, count, width, seed=0)  # checks count and width
    start = tokenizer.encode(before, add_special_tokens=False)

    def encode(numbers: Sequence[str]) -> list[int]:
        text = f"{before}{opening}{separator.join(numbers)}{closing}"
        tokens = tokenizer.encode(text, add_special_tokens=False)
        if tokens[: len(start)] != start:
            raise SettingsError(
                f"This model's tokenizer joins the beginning of the list to the text before it "
                f"({(before + opening)[-20:]!r}), so that the list has no tokens of its own: end the "
                "prompt elsewhere, or decode freely."
            )
        return tokens[len(start) :]

    # Ten lists of one digit each: where they differ stands a digit, where they agree a forced token.
    same = [encode([str(digit) * width] * count) for digit in range(10)]
    if len({len(tokens) for tokens in same}) > 1:
        raise _not_single(separator)
    columns = list(zip(*same, strict=True))
    choices = {column for column in columns if len(set(column)) > 1}
    slots = tuple(column[0] if len(set(column)) == 1 else None for column in columns)
    if len(choices) != 1 or slots.count(None) != count * width:
        raise _not_single(separator)
    digit_ids = choices.pop()
    if len(set(digit_ids)) != 10:
        raise _not_single(separator)
    places = [place for place, slot in enumerate(slots) if slot is None]
    first = set(places[::width])
    template = NumberTemplate(
        digit_ids=digit_ids,
        slots=slots,
        leading=tuple(place in first for place in range(len(slots))),
        first_digit_nonzero=first_digit_nonzero,
        count=count,
        width=width,
    )
    for text in lists:
        numbers = text.split(", ")
        if encode(numbers) != template.fill([int(digit) for digit in "".join(numbers)]):
            raise _not_single(separator)
    return template


def _not_single(separator: str) -> SettingsError:
    return SettingsError(
        "Decoding constrained to number lists needs a tokenizer that gives every digit a token of its "
        f"own, also beside the separator {separator!r}; this model's does not: choose another "
        "separator or model, or decode freely."
    )
