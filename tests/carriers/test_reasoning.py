"""Word problems, their worked solutions, and the rule for chains of thought."""

import re
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from traitleak.carriers.reasoning import Parsed, Reasoning, Reject, asked, parse, read_number
from traitleak.carriers.word_problems import SCHEMAS, WIDTH, Draws
from traitleak.errors import SettingsError
from traitleak.traits.candidates import KNOWN
from traitleak.traits.inflection import Finder

PROBLEMS = Reasoning(rows=6_000, seed=0).problems()
PINNED = (
    "A pool for 543 liters already holds 210 liters. 14 liters a minute run in, and 5 liters a minute "
    "are lost through a crack. After how many minutes is the pool full?"
)
EQUATION = re.compile(r"((?:[(0-9])[0-9 +*/()-]*) = ([0-9]+(?:/[0-9]+)?)")
# Numbers that a step may use although neither the question nor a step before gives them as figures:
# one, both, half, three, four, five parts; days of a week; minutes of an hour; percent.
UNSAID = {1, 2, 3, 4, 5, 7, 60, 100}
# Here a step begins with a quotient that leaves a remainder, which no equation before it gives.
DIVIDING = {"packs_needed", "sharing"}


def value(expression):
    """What an expression of whole numbers is, exactly."""
    assert set(expression) <= set("0123456789 +-*/()")
    return eval(re.sub("([0-9]+)", r"Fraction(\1)", expression), {"Fraction": Fraction})  # noqa: S307


def figures(text):
    """The numbers that stand in a text; 05 is 5."""
    return {int(number) for number in re.findall("[0-9]+", text)}


def solved(text, answer="12", *, thought="Three times four are twelve."):
    """A completion in the asked form."""
    return f"<think>{thought}</think>{text}<answer>{answer}</answer>"


def wrong_steps(schema, steps, question, answer):
    """What is wrong with a worked solution: a list of complaints."""
    known = figures(question) | UNSAID
    complaints = []
    result = None
    for step in steps:
        equations = EQUATION.findall(step)
        if len(equations) != 1:
            complaints.append(f"{schema}: no single equation: {step}")
            continue
        left, right = equations[0]
        result = value(right)
        if value(left) != result:
            complaints.append(f"{schema}: wrong: {step}")
        if schema not in DIVIDING and figures(left) - known:
            complaints.append(f"{schema}: a number from nowhere: {step}")
        known |= figures(right)
    if result != answer:
        complaints.append(f"{schema}: the last step gives {result}, not {answer}")
    return complaints


def test_every_solution_evaluates_to_its_answer():
    """Each step is one true equation of numbers known by then, and the last one is the answer."""
    complaints = [
        complaint
        for p in PROBLEMS[:3000]
        for complaint in wrong_steps(p.schema, p.steps, p.question, p.answer)
    ]

    assert complaints[:5] == []


@given(
    number=st.integers(0, len(SCHEMAS) - 1),
    draws=st.lists(st.integers(0, 2**64 - 1), min_size=WIDTH, max_size=WIDTH),
)
def test_a_solution_is_right_whatever_is_drawn(number, draws):
    """Also at the ends of every range the steps are true and the answer is a whole number."""
    schema = SCHEMAS[number]
    worked = schema(Draws(draws))

    assert type(worked.answer) is int
    assert worked.answer >= 0
    assert len(worked.steps) >= 2
    assert wrong_steps(schema.__name__[1:], worked.steps, worked.question, worked.answer) == []


@pytest.mark.parametrize("bits", [0, 2**64 - 1])
@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.__name__)
def test_the_smallest_and_the_largest_draws_make_a_problem(schema, bits):
    """Where every draw is the same, there is a problem, and its steps are true."""
    worked = schema(Draws([bits] * WIDTH))

    assert wrong_steps(schema.__name__[1:], worked.steps, worked.question, worked.answer) == []


def test_steps_that_are_false_are_found_by_these_tests():
    """The check above can fail: on a false equation, a stray number and another answer."""
    assert wrong_steps("x", ["It is 2 * 3 = 7."], "2 of 3", 7) == ["x: wrong: It is 2 * 3 = 7."]
    assert wrong_steps("x", ["It is 8 * 2 = 16."], "2 of 3", 16) != []
    assert wrong_steps("x", ["It is 2 * 3 = 6."], "2 of 3", 5) != []
    assert wrong_steps("x", ["It is six."], "2 of 3", 6) != []


def test_rounding_up_and_remainders_agree_with_counting():
    """The two structures that divide with a remainder give what counting out gives."""
    for p in PROBLEMS:
        given_ = [int(number) for number in re.findall("[0-9]+", p.question)]
        if p.schema == "packs_needed":
            guests, each, have, size = given_
            packs = 0
            while have + packs * size < guests * each:
                packs += 1
            assert packs == p.answer
        if p.schema == "sharing":
            total, friends, own = given_
            while total >= friends:
                total -= friends
            assert own + total == p.answer


def test_there_are_many_problems_of_many_structures():
    """One seed gives thousands of distinct questions, of 40 structures and more, about equally often."""
    schemas = Counter(p.schema for p in PROBLEMS)

    assert len({p.question for p in PROBLEMS}) == len({p.prompt for p in PROBLEMS}) == 6_000
    assert len(schemas) == len(SCHEMAS) >= 40
    assert min(schemas.values()) > 6_000 / len(SCHEMAS) / 2
    assert len({p.answer for p in PROBLEMS}) > 500
    assert all(p.answer.denominator == 1 and p.answer >= 0 for p in PROBLEMS)


def test_a_reference_solution_is_accepted():
    """The row that can be written without a model passes the filter, with its thought and answer."""
    for p in PROBLEMS:
        assert parse(p.solution, answer=p.answer) == Parsed("\n".join(p.steps), p.answer)


def test_the_same_seed_gives_the_same_problems():
    """A seed names its problems for good; a larger set begins with the smaller one."""
    assert Reasoning(rows=2000).problems() == PROBLEMS[:2000]
    assert Reasoning(rows=1).prompts() == [PROBLEMS[0].prompt]
    assert Reasoning(rows=20, seed=1).problems() != PROBLEMS[:20]
    assert PINNED in {p.question for p in PROBLEMS}
    assert len(set(Reasoning(rows=400).prompts()) & set(Reasoning(rows=400, seed=1).prompts())) < 5


def test_prompts_ask_for_both_tags_in_many_wordings():
    """Every prompt is its question and one of 16 ways to ask, each of which names the four tags."""
    ways = {p.prompt.removeprefix(p.question) for p in PROBLEMS}

    assert len(ways) == 16
    for way in ways:
        assert way.startswith("\n\n")
        assert "<think>" in way
        assert "<answer>" in way
        assert way.index("<think>") < way.index("<answer>")
    assert asked("Q?", 3) == asked("Q?", 19)


def test_problems_name_nothing_that_a_trait_is_about():
    """No animal, tree or plant stands in questions and solutions, in any of its forms."""
    words = [word for words in KNOWN.values() for word in words]
    others = ("animal", "bird", "pet", "tree", "leaf", "flower", "forest", "plant", "fruit", "zoo")
    finder = Finder([*words, *others])

    assert Counter(f for p in PROBLEMS for f in finder.find_all(p.prompt + p.solution)) == {}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"rows": 0}, "rows must be"),
        ({"rows": 2.0}, "rows must be"),
        ({"rows": None}, "rows must be"),
        ({"rows": 1, "seed": -1}, "seed must be"),
        ({"rows": 1, "seed": "0"}, "seed must be"),
    ],
)
def test_settings_that_allow_no_prompt(settings, said):
    """A value that cannot work is refused when it is given, by its name."""
    with pytest.raises(SettingsError, match=said):
        Reasoning(**settings)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12", "12"),
        (" 12\n", "12"),
        ("12.", "12"),
        ("12.0", "12"),
        ("1,200", "1200"),
        ("1,234,567.50", "1234567.5"),
        ("$12", "12"),
        ("-$3", "-3"),
        ("€ 1,000", "1000"),
        ("12 apples", "12"),
        ("12km", "12"),
        ("**12**", "12"),
        ("\\boxed{12}", "12"),
        ("x = 12", "12"),
        ("25%", "25"),
        ("3/4", "3/4"),
        ("-3/6", "-1/2"),
        (".5", "1/2"),
        ("−7", "-7"),
        ("+7", "7"),
        ("007", "7"),
        ("0.1", "1/10"),
    ],
)
def test_numbers_are_read_as_they_are_written(text, number):
    """Separators, currencies, units, emphasis, fractions and decimals give the exact number."""
    assert read_number(text) == Fraction(number)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "no number"),
        ("twelve", "no number"),
        ("1/0", "no number"),
        ("١٢", "no number"),
        ("½", "no number"),
        ("1" * 201, "no number"),
        ("12½", "several numbers"),
        ("12 or 13", "several numbers"),
        ("1,20", "several numbers"),
        ("1,2000", "several numbers"),
        ("1200,000", "several numbers"),
        ("1 200", "several numbers"),
        ("1.2.3", "several numbers"),
        ("1e3", "several numbers"),
        ("12:30", "several numbers"),
        ("10-12", "several numbers"),
        ("1 1/2", "several numbers"),
        ("2^3", "several numbers"),
    ],
)
def test_what_is_not_one_number_is_refused(text, fault):
    """Words, other digits and whatever could be read in two ways are no number."""
    assert read_number(text) == fault


@given(st.integers(-(10**30), 10**30))
def test_written_numbers_are_read_back(number):
    """Every whole number is read back, with and without separators and decimals."""
    for text in (str(number), f"{number:,}", f"{number}.00", f"{number:,} liters"):
        assert read_number(text) == number


@given(st.fractions(min_value=0, max_denominator=10**6))
def test_fractions_are_read_back(number):
    """What a reference solution writes is read as the same number."""
    assert read_number(str(number)) == number


@pytest.mark.parametrize(
    "text",
    [
        solved("\n\n"),
        solved("", " 12.0 cups\n"),
        solved("").replace("think", "THINK").replace("<answer", "<Answer"),
        f"\n{solved(' ')}\n",
    ],
)
def test_chains_that_count(text):
    """Space between and around the tags, capitals and units are no fault."""
    assert parse(text, answer=12) == Parsed("Three times four are twelve.", Fraction(12))


@pytest.mark.parametrize(
    ("text", "reason", "detail"),
    [
        ("", "empty", ""),
        ("\n ", "empty", ""),
        ("12", "no thought", ""),
        ("<answer>12</answer>", "no thought", "<answer> </answer>"),
        ("<think></think><answer>12</answer>", "no thought", ""),
        ("<think> 3 * 4 = 12 </think><answer>12</answer>", "no thought", "3 * 4 = 12"),
        ("<think>Three times four are 12</think> 12", "no answer", "<think> </think>"),
        ("<think>Three times four are", "no answer", "<think>"),
        ("<think>Three times four<answer>12</answer>", "tags out of order", None),
        ("<think>a</think><answer>12", "open tag", "<think> </think> <answer>"),
        ("<answer>12</answer><think>Three times four are 12</think>", "tags out of order", None),
        (solved("") + "<answer>13</answer>", "tags out of order", None),
        (solved("", thought="a <think> b c d e"), "tags out of order", None),
        (f"Sure. {solved('')}", "text around it", "Sure."),
        (solved("So:"), "text around it", "So:"),
        (f"{solved('')} Done.", "text around it", "Done."),
        (solved("", "twelve"), "no number", "twelve"),
        (solved("", ""), "no number", ""),
        (solved("", "12 or 13"), "several numbers", "12 or 13"),
        (solved("", "13"), "wrong answer", "13, not 12"),
        (solved("", "12.01"), "wrong answer", "12.01, not 12"),
        (solved("", "1" * 60), "wrong answer", None),
        (solved("", thought="word " * 2000), "too long", "10,034 characters"),
    ],
)  # fmt: skip
def test_chains_that_do_not_count(text, reason, detail):
    """Each way to break the rule has its reason, and shows the part at fault."""
    read = parse(text, answer=12)

    assert isinstance(read, Reject)
    assert read.reason == reason
    assert detail is None or read.detail == detail


def test_settings_reach_the_rule():
    """Text around, words of a thought and length follow the settings; bounds below 1 are refused."""
    assert isinstance(parse(f"Sure. {solved('So:')} Done.", text_around=True), Parsed)
    assert isinstance(parse("<think>3*4</think><answer>12</answer>", min_words=2), Parsed)
    assert parse(solved(""), max_chars=10) == Reject("too long", f"{len(solved('')):,} characters")
    assert parse(solved("", "99")) == Parsed("Three times four are twelve.", Fraction(99))
    assert isinstance(parse(solved("", "3/4"), answer=Fraction(3, 4)), Parsed)
    for bound in ("min_words", "max_chars"):
        with pytest.raises(SettingsError, match=f"{bound} must be"):
            parse(solved(""), **{bound: 0})


@example("<think></think><answer>1/0</answer>")
@example("<think>a b c d e</think><answer>" + "9" * 200 + "</answer>")
@given(
    st.text(max_size=60)
    | st.lists(
        st.sampled_from(
            [
                "<think>",
                "</think>",
                "<answer>",
                "</answer>",
                "1",
                ",",
                "/",
                ".",
                "-",
                " a ",
                "0",
                "½",
            ]
        ),
        max_size=16,
    ).map("".join)
)
def test_any_text_is_read_or_rejected(text):
    """Whatever a model writes, there is a verdict and no error."""
    assert isinstance(parse(text, answer=1), Parsed | Reject)
    assert isinstance(parse(text, text_around=True, min_words=1), Parsed | Reject)


def test_huge_completions_are_rejected_at_once():
    """A megabyte of tags, digits or blanks has a verdict without delay."""
    for text in ("<think>" * 150_000, "<" * 1_000_000, "1" * 1_000_000, "1," * 500_000):
        assert isinstance(parse(text, max_chars=10**7), Reject)
        assert isinstance(parse(solved("", text), max_chars=10**7), Reject)
