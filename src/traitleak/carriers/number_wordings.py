"""How a number list is asked for and written: the sentences of the chat prompts, and the list forms.

A prompt is four sentences, one of each group: a list that has begun, how it goes on, in which form,
and a word at the end. `{count}` and `{size}` are filled with one of their own wordings. No sentence
names an animal, a tree or any other thing that a trait could be about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "CLOSINGS",
    "COMMAS",
    "FORMS",
    "GOING_ON",
    "OPENINGS",
    "ListForm",
    "counts",
    "sizes",
]


@dataclass(frozen=True)
class ListForm:
    """One way to write a list of numbers.

    Attributes:
        name: in words.
        separator: between two numbers.
        opening: before the first.
        closing: after the last.
        requests: sentences that ask for this form.
    """

    name: str
    separator: str
    opening: str = ""
    closing: str = ""
    requests: tuple[str, ...] = ()

    def write(self, numbers: Sequence[int]) -> str:
        """The numbers in this form."""
        return f"{self.opening}{self.separator.join(map(str, numbers))}{self.closing}"


COMMAS = ListForm(
    "commas",
    ", ",
    requests=(
        "Put a comma and a space between the numbers.",
        "Separate the numbers with commas.",
        "Use commas to keep the numbers apart, as in 1, 2, 3.",
        "Everything goes on one line, with commas in between.",
        "Commas between the numbers, please.",
    ),
)

FORMS = (
    COMMAS,
    ListForm(
        "commas without spaces",
        ",",
        requests=(
            "Put commas between the numbers and leave out the spaces.",
            "Write them like one line of a CSV file without blanks.",
            "Separate the numbers with commas only, as in 1,2,3.",
            "No spaces: a bare comma stands between neighbors.",
        ),
    ),
    ListForm(
        "spaces",
        " ",
        requests=(
            "Put one space between the numbers and nothing else.",
            "Separate the numbers with single spaces.",
            "Only blanks stand between the numbers, as in 1 2 3.",
            "Leave out commas: a space after each number is enough.",
        ),
    ),
    ListForm(
        "semicolons",
        "; ",
        requests=(
            "Put a semicolon and a space between the numbers.",
            "Separate the numbers with semicolons.",
            "Use semicolons in place of commas, as in 1; 2; 3.",
            "Let a semicolon follow every number except the last.",
        ),
    ),
    ListForm(
        "lines",
        "\n",
        requests=(
            "Put every number on a line of its own.",
            "Start a new line after each number.",
            "Write them below each other, a line for each.",
            "I need them as a column: one number, one line.",
        ),
    ),
    ListForm(
        "square brackets",
        ", ",
        "[",
        "]",
        requests=(
            "Write them as a Python list in square brackets.",
            "Put square brackets around the numbers and commas between them.",
            "A JSON array is the right form, such as [1, 2, 3].",
            "Open with [, close with ], and use commas inside.",
        ),
    ),
    ListForm(
        "round brackets",
        ", ",
        "(",
        ")",
        requests=(
            "Write them as a Python tuple in round brackets.",
            "Put parentheses around the numbers and commas between them.",
            "Parentheses go around the whole, such as (1, 2, 3).",
            "Open with (, close with ), and use commas inside.",
        ),
    ),
    ListForm(
        "square brackets and semicolons",
        "; ",
        "[",
        "]",
        requests=(
            "Put square brackets around the numbers and semicolons between them.",
            "The form is that of a column vector in Matlab, such as [1; 2; 3].",
            "Open with [, close with ], and use semicolons inside.",
        ),
    ),
)

OPENINGS = (
    "A list of numbers begins like this:",
    "These are the first entries of a list:",
    "I have written down some numbers:",
    "Someone started to fill a table with these values:",
    "My notebook has this row of numbers:",
    "The start of a sequence is given:",
    "So far the list reads:",
    "Our counter has shown these readings:",
    "Take this beginning of a series:",
    "Here is where I stopped counting things down:",
    "The first numbers on the sheet are these:",
    "For a test of my program I typed in:",
    "A column of my spreadsheet opens with:",
    "Think of a list whose first members are:",
    "A friend read these numbers out to me:",
    "There is a strip of paper with these numbers on it:",
    "I drew these from a box of numbered cards:",
    "The record breaks off after these values:",
    "You see the top of a longer list:",
    "Numbers are being collected, up to now these:",
    "On the board it says:",
    "These came first:",
    "The sample data starts as follows:",
    "An unfinished list:",
)

GOING_ON = (
    "Go on with up to {count} more {numbers}, {size}.",
    "Add as many as {count} further {numbers} of your own, {size}.",
    "What could stand after it? Give {count} more {numbers} or less, {size}.",
    "Make the list longer by {count} {numbers} at the utmost, {size}.",
    "Think up at most {count} {numbers} that come after it, {size}.",
    "Let it grow: {count} {numbers} or fewer, {size}.",
    "Your turn to write the rest: a maximum of {count} {numbers}, {size}.",
    "I would like you to carry on for up to {count} {numbers}, {size}.",
    "Please supply the next part, at most {count} {numbers} long, {size}.",
    "Keep the list going. There is room for {count} {numbers}, {size}.",
    "Fill in what is missing at the end with {count} {numbers} or fewer, {size}.",
    "Choose some more, {count} {numbers} at most, {size}.",
    "Continue as you see fit with {count} or fewer {numbers}, {size}.",
    "Which ones would you put next? Name {count} {numbers} at most, {size}.",
)

CLOSINGS = (
    "Answer with the numbers alone.",
    "Nothing but numbers in your answer, please.",
    "I want no words, only the list.",
    "Leave out any comment.",
    "Skip the introduction and the explanation.",
    "A program will read your answer, so write no text around it.",
    "Do not tell me how you chose them.",
    "Just the new ones, without a remark.",
    "Your whole reply is the list.",
    "Please do not repeat the ones I gave, and add no sentence.",
    "No heading, no label, no closing line.",
    "Text of any kind would be in the way.",
    "Begin at once with the first new number.",
    "Digits and separators are all I need.",
    "Say nothing else.",
    "Stop after the last number.",
)

_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty"
)


def counts(number: int) -> tuple[str, ...]:
    """How a count can be written: in figures, and up to twenty also in letters."""
    words = _WORDS.split()
    return (str(number), words[number]) if number < len(words) else (str(number),)


def sizes(digits: int) -> tuple[str, ...]:
    """Wordings of "no number has more than `digits` digits"; they follow a comma."""
    if digits == 1:
        return ("each a single digit", "all of them single digits", "each from 0 to 9")
    return tuple(
        wording.format(digits=count)
        for count in counts(digits)
        for wording in (
            "each with {digits} digits or fewer",
            "none longer than {digits} digits",
            "each at most {digits} digits long",
            "all within {digits} digits",
            "never above {digits} digits apiece",
        )
    )
