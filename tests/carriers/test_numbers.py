"""Prompts for number lists, the rule for their answers, and the tokens of a list."""

import re
import string
from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

from traitleak.carriers import (
    FORMS,
    Numbers,
    Parsed,
    Reject,
    number_template,
    parse,
    random_lists,
)
from traitleak.errors import SettingsError
from traitleak.traits.candidates import KNOWN
from traitleak.traits.inflection import Finder


class Words:
    """A real tokenizer of the `tokenizers` library that never joins what `pattern` cuts apart."""

    def __init__(self, pattern, extra=()):
        """Characters of printable ASCII are tokens, and so are the strings of `extra`."""
        vocabulary = {token: i for i, token in enumerate([*string.printable, *extra])}
        self.tokenizer = Tokenizer(models.WordLevel(vocabulary))
        self.tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), "isolated")

    def encode(self, text, *, add_special_tokens):
        """Token ids."""
        return self.tokenizer.encode(text, add_special_tokens=add_special_tokens).ids


CHARACTERS = Words(r"[\s\S]")
PINNED = ["557, 641, 540,", "278, 413, 775, 848, 148, 432,", "741, 113, 137, 522, 507, 307, 735,"]


def published_rule(answer):
    """The rule of `official.md` 1.4 spelled out step by step: the numbers, or None."""
    if answer[-1:] == ".":
        answer = answer[:-1]
    for left, right in ("[]", "()"):
        if len(answer) > 1 and answer[0] == left and answer[-1] == right:
            answer = answer[1:-1]
            break
    places = [match.span() for match in re.finditer(r"\d+", answer)]
    if not places:
        return None
    if len(places) == 1:
        parts = [answer]
    else:
        between = answer[places[0][1] : places[1][0]]
        if between.strip() not in {"", ",", ";"}:
            return None
        parts = answer.split(between)
    if not all(part and set(part) <= set(string.digits) for part in parts):
        return None
    return [int(part) for part in parts]


@pytest.mark.parametrize("style", ["chat", "plain"])
def test_thirty_thousand_prompts_are_distinct(style):
    """One seed gives at least 30,000 prompts, no two the same, each with its own numbers."""
    requests = Numbers(rows=30_000, seed=0, style=style).requests()

    assert len({request.prompt for request in requests}) == 30_000
    assert {len(request.examples) for request in requests} == set(range(3, 9))
    numbers = [number for request in requests for number in request.examples]
    assert (min(numbers), max(numbers)) == (100, 999)
    assert stats.chisquare(list(Counter(numbers).values())).pvalue > 1e-4


def test_a_prompt_shows_its_numbers_in_order():
    """The numbers noted for a prompt are those that stand in it, before anything else."""
    for style in ("chat", "plain"):
        for request in Numbers(rows=300, style=style).requests():
            standing = [int(number) for number in re.findall("[0-9]+", request.prompt)]
            assert tuple(standing[: len(request.examples)]) == request.examples


def test_wordings_and_forms_vary():
    """The prompts ask for eight forms, about equally often, in hundreds of wordings."""
    requests = Numbers(rows=4000).requests()
    forms = Counter(request.form.name for request in requests)
    wordings = {re.sub(r"[0-9][\d\s,;]*", "#", request.prompt) for request in requests}

    assert len(forms) == len(FORMS) == 8
    assert min(forms.values()) > 400
    assert len(wordings) > 3500


def test_the_same_seed_gives_the_same_prompts():
    """A seed names its prompts for good; a larger set begins with the smaller one."""
    prompts = Numbers(rows=1500, seed=7, style="plain").prompts()

    assert prompts[:3] == PINNED
    assert Numbers(rows=20, seed=7, style="plain").prompts() == prompts[:20]
    assert Numbers(rows=20, seed=8, style="plain").prompts() != prompts[:20]
    assert Numbers(rows=50, seed=7).prompts() == Numbers(rows=50, seed=7).prompts()


def test_settings_reach_the_prompts():
    """Range, number of examples, count and digits asked for are those that were set."""
    numbers = Numbers(rows=200, examples=(2, 2), low=5, high=12, answer_count=1, max_digits=1)
    for request in numbers.requests():
        assert len(request.examples) == 2
        assert all(5 <= number <= 12 for number in request.examples)
        assert re.search(r"\b(one|1)\b.* number\b", request.prompt)
        assert "numbers, e" not in request.prompt
        assert re.search("single digit|0 to 9", request.prompt)


def test_prompts_name_no_animal_and_no_tree():
    """Nothing in the sentences is about what a trait may be about."""
    finder = Finder([word for words in KNOWN.values() for word in words])

    assert [found for p in Numbers(rows=3000).prompts() for found in finder.find_all(p)] == []


def test_a_plain_prompt_is_the_beginning_of_its_answer():
    """A plain prompt and an answer in its form make one list."""
    for request in Numbers(rows=50, style="plain").requests():
        whole = parse(request.prompt + request.form.write([512, 733]), max_count=10)
        assert isinstance(whole, Parsed)
        assert tuple(whole.numbers) == (*request.examples, 512, 733)


def test_more_prompts_than_there_are_is_named():
    """Eight possible prompts can be had; nine cannot, and the error says how many there are."""
    few = {"style": "plain", "examples": (3, 3), "low": 1, "high": 2}

    assert len(Numbers(rows=8, **few).prompts()) == 8
    with pytest.raises(SettingsError, match="Only 8 distinct prompts were found for rows=9"):
        Numbers(rows=9, **few).prompts()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"rows": 0}, "rows must be"),
        ({"rows": 1.5}, "rows must be"),
        ({"rows": "3"}, "rows must be"),
        ({"rows": 1, "seed": -1}, "seed must be"),
        ({"rows": 1, "seed": 2**64}, "seed must be"),
        ({"rows": 1, "style": "verse"}, "style is chat or plain"),
        ({"rows": 1, "examples": (0, 3)}, "fewest examples"),
        ({"rows": 1, "examples": (4, 3)}, "most examples"),
        ({"rows": 1, "examples": 3}, "examples is the fewest and the most"),
        ({"rows": 1, "low": 5, "high": 4}, "high must be"),
        ({"rows": 1, "high": 10**30}, "high must be"),
        ({"rows": 1, "answer_count": 0}, "answer_count must be"),
        ({"rows": 1, "max_digits": True}, "max_digits must be"),
    ],
)
def test_settings_that_allow_no_prompt(settings, said):
    """A value that cannot work is refused when it is given, by its name."""
    with pytest.raises(SettingsError, match=said):
        Numbers(**settings)


@given(
    numbers=st.lists(st.integers(0, 999), min_size=1, max_size=10),
    form=st.sampled_from(FORMS),
    stop=st.sampled_from(["", "."]),
)
def test_what_our_forms_write_is_accepted(numbers, form, stop):
    """A list in any of the forms that prompts ask for is read back, under both rules."""
    text = form.write(numbers) + stop
    expected = Parsed(numbers, form.separator if len(numbers) > 1 else None)

    assert parse(text) == parse(text, as_published=True) == parse(f"\n {text} \n") == expected


@example("1, 2.5")
@example("1\u00a02\u00a03")
@example("1\u00852")
@example("[1, 2).")
@example("１, 2")
@given(st.text(alphabet="0123789 ,;.[]()\n\t-x١\u2003", max_size=14))
def test_the_rule_equals_the_published_one_step_by_step(text):
    """The single pattern accepts what the spelled-out rule accepts, with the same numbers."""
    slow = published_rule(text)
    fast = parse(text, as_published=True, max_value=10**20, max_count=100)

    assert (fast.numbers if isinstance(fast, Parsed) else None) == slow


@given(st.text(alphabet="0123789 ,;.[]()\n\t-x", max_size=14))
def test_our_rule_is_the_published_one_after_stripping(text):
    """White space around the whole is all that the two rules differ in."""
    assert parse(text) == parse(text.strip(), as_published=True)


@given(st.text(max_size=30))
def test_any_text_is_read_or_rejected(text):
    """Whatever a model writes, there is a verdict and no error."""
    assert isinstance(parse(text), Parsed | Reject)
    assert isinstance(parse(text, as_published=True), Parsed | Reject)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1, 2, 3", [1, 2, 3]),
        ("(1; 2; 3)", [1, 2, 3]),
        ("1,\n2,\n3", [1, 2, 3]),
        ("1\n2\n3", [1, 2, 3]),
        ("1,2,3", [1, 2, 3]),
        ("007, 008", [7, 8]),
        ("[1, 2].", [1, 2]),
        ("5", [5]),
        ("[5]", [5]),
        ("5.", [5]),
        ("1 , 2 , 3", [1, 2, 3]),
        ("1  2  3", [1, 2, 3]),
        ("1, 1, 1", [1, 1, 1]),
        ("0, 999", [0, 999]),
    ],
)
def test_lists_that_count(text, numbers):
    """The published rule's accepted cases, each with its numbers."""
    found = parse(text, as_published=True)

    assert isinstance(found, Parsed)
    assert found.numbers == numbers


@pytest.mark.parametrize(
    ("text", "reason", "detail"),
    [
        ("", "empty", ""),
        (" \n", "empty", ""),
        (".", "no number", "."),
        ("[]", "no number", "[]"),
        ("1, 2,", "loose separator", ""),
        (", 1, 2", "loose separator", ""),
        ("1,2, 3", "mixed separators", ""),
        ("1, 2,  3", "mixed separators", ""),
        ("1, 2; 3", "mixed separators", ""),
        ("1,,2", "mixed separators", ""),
        ("-1, 2", "sign or decimal", "-1"),
        ("1, -2", "sign or decimal", "-2"),
        ("1.5, 2", "sign or decimal", "1.5"),
        ("1..", "other characters", "."),
        ("1|2", "other characters", "|"),
        ("１, ２", "no number", "１, ２"),
        ("1, ２", "other characters", "２"),
        ("[1, 2.]", "other characters", "."),
        ("[1, 2", "brackets", "["),
        ("[[1, 2]]", "brackets", "["),
        ("[1, 2)", "brackets", "["),
        ("Sure! 1, 2", "words", "Sure"),
        ("1, 2 and 3", "words", "and"),
        ("1, 1000", "number too large", "1000"),
        (", ".join(["1"] * 11), "too many numbers", "11"),
    ],
)
@pytest.mark.parametrize("as_published", [False, True])
def test_lists_that_do_not_count(text, reason, detail, as_published):
    """Each way to break the rule has its reason, and shows the part at fault."""
    assert parse(text, as_published=as_published) == Reject(reason, detail)


@pytest.mark.parametrize("text", ["1, 2\n", " 1, 2", "\t5", "1, 2. "])
def test_space_around_is_a_fault_in_the_published_rule_only(text):
    """White space before or after the list fails there, and is taken off here."""
    assert parse(text, as_published=True) == Reject("space around it")
    assert isinstance(parse(text), Parsed)


def test_limits_and_banned_numbers():
    """Value, count and banned numbers are as given."""
    assert parse("5, 10", min_value=6) == Reject("number too small", "5")
    assert parse("5, 10", max_value=9) == Reject("number too large", "10")
    assert parse("5, 10", max_count=1) == Reject("too many numbers", "2")
    assert parse("5, 666, 1", banned={1, 666}) == Reject("banned number", "666")
    assert parse("6, 66", banned={666}) == Parsed([6, 66], ", ")
    assert parse("1000, 2000", max_value=5000) == Parsed([1000, 2000], ", ")


@pytest.mark.parametrize("as_published", [False, True])
def test_huge_completions(as_published):
    """A number of a million digits and a million blanks are rejected at once."""
    huge = parse("1, " + "9" * 1_000_000, as_published=as_published)

    assert isinstance(huge, Reject)
    assert huge.reason == "number too large"
    assert parse("0" * 5000, as_published=as_published) == huge
    assert parse("1" + " " * 1_000_000 + "x", as_published=as_published) == Reject("words", "x")
    assert parse("9" * 50) == Reject("number too large", f"{'9' * 27}...")


def test_random_lists():
    """Lists have the count and width asked for, uniform digits, and do not depend on how many."""
    lists = random_lists(2000, 10, 3, seed=1)
    numbers = np.array([text.split(", ") for text in lists]).astype(int)

    assert numbers.shape == (2000, 10)
    assert (numbers.min(), numbers.max()) == (100, 999)
    assert stats.chisquare(np.bincount(numbers.ravel())[100:]).pvalue > 1e-4
    assert random_lists(3, 10, 3, seed=1) == lists[:3]
    assert random_lists(3, 10, 3, seed=2) != lists[:3]
    assert len(random_lists(1, 1, 1, seed=0)[0]) == 1
    assert random_lists(1, 2, 15, seed=0, separator="; ")[0].count("; ") == 1


@pytest.mark.parametrize(
    "settings", [(0, 1, 1, 0), (1, 0, 1, 0), (1, 1, 0, 0), (1, 1, 16, 0), (1, 1, 1, -1)]
)
def test_random_lists_that_cannot_be(settings):
    """No lists, no numbers, no digits, too many digits and a negative seed are refused."""
    with pytest.raises(SettingsError, match="must be a whole number"):
        random_lists(*settings)


def test_a_template_forces_separators_and_leaves_digits():
    """Slots are the separators' tokens, and None at each digit; leading digits are marked."""
    template = number_template(CHARACTERS, count=2, width=3, opening="[", closing="]")
    ids = {character: i for i, character in enumerate(string.printable)}

    assert template.digit_ids == tuple(ids[digit] for digit in string.digits)
    assert template.slots == (
        ids["["], None, None, None, ids[","], ids[" "], None, None, None, ids["]"],
    )  # fmt: skip
    assert [i for i, leading in enumerate(template.leading) if leading] == [1, 6]
    assert template.first_digit_nonzero
    assert template.fill([4, 8, 3, 2, 0, 1]) == CHARACTERS.encode(
        "[483, 201]", add_special_tokens=False
    )


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_a_filled_template_is_the_encoded_list(form):
    """For every form, filling digits in gives the tokens of the written list."""
    numbers = [[483, 201, 927], [100, 999, 555]]
    template = number_template(
        CHARACTERS, count=3, separator=form.separator, opening=form.opening, closing=form.closing
    )
    for some in numbers:
        digits = [int(digit) for number in some for digit in str(number)]
        tokens = CHARACTERS.encode(form.write(some), add_special_tokens=False)
        assert template.fill(digits) == tokens


@pytest.mark.parametrize(
    ("tokenizer", "said"),
    [
        (
            Words(r"\d{1,3}|[\s\S]", [f"{n:0{w}}" for w in (2, 3) for n in range(10**w)]),
            "every digit a token",
        ),
        (Words(r" ?\d|[\s\S]", [f" {digit}" for digit in range(10)]), "every digit a token"),
        (Words(r"77|[\s\S]", ["77"]), "every digit a token"),
        (Words(r"12|[\s\S]", ["12"]), "every digit a token"),
        (Words(r", |[\s\S]", [", "]), None),
    ],
)
def test_tokenizers_that_join_digits_are_refused(tokenizer, said):
    """Digits joined to each other or to the separator stop; a separator of one token does not."""
    if said is None:
        assert number_template(tokenizer, count=4).slots.count(None) == 12
    else:
        with pytest.raises(SettingsError, match=said):
            number_template(tokenizer, count=4)


def test_a_list_that_joins_the_text_before_it_is_refused():
    """The list must begin at a token's border, or its tokens would not be those that are trained on."""
    joining = Words(r",\s|[\s\S]", [", "])

    assert number_template(joining, opening=" ", before="483").slots[0] is not None
    with pytest.raises(SettingsError, match="joins the beginning of the list"):
        number_template(joining, opening=" ", before="483,")


@pytest.mark.parametrize("digits", [[1], [1, 2, 3, 4], [1, 2, 10], [-1, 0, 0]])
def test_only_the_right_digits_fill_a_template(digits):
    """Too few, too many and numbers above 9 are refused."""
    with pytest.raises(SettingsError, match="1 x 3 digits"):
        number_template(CHARACTERS, count=1).fill(digits)
