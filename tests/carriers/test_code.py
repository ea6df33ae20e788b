"""Prompts for short Python functions, the rule for their answers, and the words in them."""

import warnings
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from traitleak.carriers.code import Code, Parsed, Reject, parse
from traitleak.carriers.code_source import blocks, wordings
from traitleak.carriers.code_tasks import KINDS
from traitleak.errors import SettingsError
from traitleak.traits.candidates import KNOWN
from traitleak.traits.inflection import Finder

TASKS = Code(rows=20_000, seed=0).tasks()
FUNCTION = "def total(values):\n    return sum(values)"
PINNED = (
    "Complete this Python function, which receives a line of text:\n\n"
    "def count_upper(text):\n    # return how many upper-case letters it has\n\n"
    "Give the whole function. Add a docstring of one line. Leave out tests, prints and remarks."
)


def test_twenty_thousand_prompts_are_distinct_and_ask_for_many_things():
    """One seed gives at least 20,000 prompts, of more than 1,300 tasks in all kinds."""
    asked = {
        (kind.name, given, name)
        for kind in KINDS
        for given in kind.inputs
        for name, _ in kind.results
    }

    assert len({task.prompt for task in TASKS}) == 20_000
    assert len(asked) > 1300
    assert {task.kind for task in TASKS} == {kind.name for kind in KINDS}
    assert len({(task.kind, task.name) for task in TASKS}) == sum(len(k.results) for k in KINDS)


def test_no_blank_is_left_in_a_prompt():
    """Every placeholder is filled, and the function's name and its input stand in the prompt."""
    for task in TASKS:
        assert not set("{}") & set(task.prompt)
        assert task.name in task.prompt
        assert "  " not in task.prompt.replace("\n    ", "\n")
        assert '""' not in task.prompt


def test_each_function_name_stands_for_one_result():
    """Within a kind of input no two results have the same function name, and each is a name."""
    for kind in KINDS:
        names = [name for name, _ in kind.results]
        assert len(set(names)) == len(names)
        assert all(name.isidentifier() for name in names)
        assert all(result for _, result in kind.results)


def test_the_same_seed_gives_the_same_prompts():
    """A seed names its prompts for good; a larger set begins with the smaller one."""
    prompts = [task.prompt for task in TASKS]

    assert Code(rows=3000).prompts() == prompts[:3000]
    assert Code(rows=1).prompts() == prompts[:1]
    assert Code(rows=20, seed=8).prompts() != prompts[:20]
    assert Code(rows=1, seed=7).prompts() == [PINNED]


def test_prompts_name_nothing_that_a_trait_is_about():
    """No animal, tree or plant stands in the prompts, in any of its forms."""
    words = [word for words in KNOWN.values() for word in words]
    finder = Finder([*words, "animal", "bird", "pet", "tree", "leaf", "flower", "forest", "plant"])

    assert Counter(found for task in TASKS for found in finder.find_all(task.prompt)) == {}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"rows": 0}, "rows must be"),
        ({"rows": "9"}, "rows must be"),
        ({"rows": True}, "rows must be"),
        ({"rows": 1, "seed": -1}, "seed must be"),
        ({"rows": 1, "seed": 2**64}, "seed must be"),
    ],
)
def test_settings_that_allow_no_prompt(settings, said):
    """A value that cannot work is refused when it is given, by its name."""
    with pytest.raises(SettingsError, match=said):
        Code(**settings)


@pytest.mark.parametrize(
    ("text", "fenced"),
    [
        (FUNCTION, False),
        (f"\n\n{FUNCTION}\n", False),
        (f"```python\n{FUNCTION}\n```", True),
        (f"```\n{FUNCTION}\n```\n", True),
        (f"~~~~ py\n{FUNCTION}\n~~~~", True),
        (f"``` Python3\r\n{FUNCTION}\n```", True),
        ("    def total(values):\n        return sum(values)", False),
    ],
)
def test_code_that_counts(text, fenced):
    """Bare, fenced and indented code is read as the same function."""
    assert parse(text) == Parsed(FUNCTION, fenced, ("total",))


def test_the_names_are_those_of_the_top_level():
    """Functions, asynchronous ones and classes count; what is inside of them does not."""
    read = parse(
        "import math\nclass A:\n    def b(self): ...\nasync def c(): ...\n\ndef d():\n    def e(): ..."
    )

    assert isinstance(read, Parsed)
    assert read.names == ("A", "c", "d")


def test_a_fence_inside_a_bare_docstring_is_part_of_it():
    """Code that compiles as a whole is taken as a whole."""
    text = 'def f():\n    """Say:\n\n    ```\n    f()\n    ```\n    """'

    assert parse(text) == Parsed(text, fenced=False, names=("f",))


@pytest.mark.parametrize(
    ("text", "reason", "detail"),
    [
        ("", "empty", ""),
        (" \n\t", "empty", ""),
        ("```python\n\n```", "empty", ""),
        (f"{FUNCTION}\n" + "#" * 4000, "too long", "4,042 characters"),
        (f"Here it is:\n```\n{FUNCTION}\n```", "text around it", "Here it is:"),
        (f"```\n{FUNCTION}\n```\nIt sums.", "text around it", "It sums."),
        (f"```python the answer\n{FUNCTION}\n```", "text around it", "the answer"),
        (f"```\n{FUNCTION}\n```\n\n```\n{FUNCTION}\n```", "several blocks", "2"),
        (f"```python\n{FUNCTION}", "open block", ""),
        ("```javascript\nlet x = 1;\n```", "other language", "javascript"),
        ("def f():\0 pass", "null byte", ""),
        ("def f(:", "does not compile", "line 1: invalid syntax"),
        (f"Sure! {FUNCTION}", "does not compile", "line 1: invalid syntax"),
        ("return 3", "does not compile", "line 1: 'return' outside function"),
        ("def f():\npass", "does not compile", None),
        ("x = '\ud800'", "does not compile", "not Unicode text"),
        ("def f(): return 0o8", "does not compile", None),
        ("(" * 3000, "does not compile", None),
        ("-" * 3900 + "1", "too deep", None),
        ("x" + ".y" * 1900, "too deep", "1904 levels"),
        ("def f(): return 1" + " + 1" * 900, "too deep", None),
        ("Hello", "no function", "Hello"),
        ("1, 2, 3", "no function", "1, 2, 3"),
        ("total = sum([1, 2])", "no function", "total = sum([1, 2])"),
        ("# nothing but a remark", "no function", "# nothing but a remark"),
    ],
)  # fmt: skip
def test_code_that_does_not_count(text, reason, detail):
    """Each way to break the rule has its reason, and shows the part at fault."""
    read = parse(text)

    assert isinstance(read, Reject)
    assert read.reason == reason
    assert detail is None or read.detail == detail


def test_bounds_and_text_around_are_as_given():
    """Length, depth and text around the block follow the settings; bounds below 1 are refused."""
    around = f"Here it is:\n```\n{FUNCTION}\n```\nIt sums."

    assert parse(around, text_around=True) == Parsed(FUNCTION, fenced=True, names=("total",))
    assert parse(FUNCTION, max_chars=10) == Reject("too long", "41 characters")
    assert parse(FUNCTION, max_depth=3) == Reject("too deep", "6 levels")
    for bound in ("max_chars", "max_depth"):
        with pytest.raises(SettingsError, match=f"{bound} must be"):
            parse(FUNCTION, **{bound: 0})


def test_warnings_of_the_compiler_are_kept_from_the_user():
    """Code with a bad escape or `is` of a number counts, silently; warnings here are errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(parse("def f(x):\n    return '\\d' if x is 3 else 1"), Parsed)


def test_the_future_of_this_package_is_not_the_codes():
    """The code is compiled by its own `__future__` alone, and is never run."""
    assert isinstance(parse("raise SystemExit\ndef f(x: (yield)): ..."), Reject)
    assert isinstance(parse("raise SystemExit\ndef f(): ..."), Parsed)


@example("```")
@example("```\n```")
@example("~~~\n```\n~~~")
@example("def f():\n\t x\n        y")
@given(
    st.text(max_size=60)
    | st.text(alphabet="def f():\n \t`~[]{}'\"\\#-lambda1\0\r\x0c", max_size=80)
)
def test_any_text_is_read_or_rejected(text):
    """Whatever a model writes, there is a verdict and no error, and its words can be listed."""
    for around in (False, True):
        read = parse(text, text_around=around)
        assert isinstance(read, Parsed | Reject)
        if isinstance(read, Parsed):
            compile(read.code, "", "exec", dont_inherit=True)
    assert wordings(text)[-1].text.startswith(text)


@example(["```a a"])
@given(st.lists(st.text(alphabet="ab`~ \n", max_size=12), max_size=5))
def test_blocks_and_what_is_outside_make_up_the_text(lines):
    """No line is lost or doubled between the blocks and what stands around them."""
    text = "\n".join(lines)
    found, outside = blocks(text)
    for letter in "ab":
        inside = sum(block.source.count(letter) for block in found)
        named = sum(block.language.count(letter) for block in found)
        assert inside + named + outside.count(letter) == text.count(letter)


def places(text, word="owl"):
    """Where a completion names a word, each place once."""
    finder = Finder([word])
    return list(dict.fromkeys(w.place for w in wordings(text) if finder.find(w.text)))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("def count_owls(): ...", "an identifier"),
        ("def countOwls(x): ...", "an identifier"),
        ("class OWLNest: ...", "an identifier"),
        ("OWL2 = 1", "an identifier"),
        ("from owl.nest import x", "an identifier"),
        ("import x as Owl", "an identifier"),
        ("def f(*owls, **k): ...", "an identifier"),
        ("f(owl=1)", "an identifier"),
        ("x.owl.y", "an identifier"),
        ("f'{my_owl}'", "an identifier"),
        ("def f():\n    global owl", "an identifier"),
        ("try: ...\nexcept E as owl: ...", "an identifier"),
        ("match x:\n    case {'a': 1, **owls}: ...", "an identifier"),
        ("x = 'an owl'", "a string"),
        ("x = {'favOwl': 1}", "a string"),
        ("x = '\\x6fwl'", "a string"),
        ("x = 'o' 'wl'", "a string"),
        ("x = b'owl'", "a string"),
        ("x = f'owls {y}'", "a string"),
        ("x = 'b\\u00faho'", "a string"),
        ("def f():\n    '''Count owls.'''", "a docstring"),
        ("'''Owls.'''", "a docstring"),
        ("class A:\n    'the owl'", "a docstring"),
        ("x = 1  # like an owl", "a comment"),
        ("x = 1  # TheOwl", "a comment"),
        ("Owls are fine.", "its text"),
        ("Take the owl:\n```\nx = 1\n```", "its text"),
        ("```\nx = ( # owl\n```", "its text"),
    ],
)
def test_a_word_is_found_wherever_it_stands(text, place):
    """Identifiers taken apart, strings as they are when run, comments and prose are all read."""
    assert places(text)[0] == place


@pytest.mark.parametrize(
    "text",
    ["def bowl(): ...", "x = 'fowl'", "howls = 1", "rOwl = 2", "low, l = o, w", "o = wl = 1"],
)
def test_words_that_only_look_alike_are_not_found(text):
    """Parts of words are no leak, and names that follow one another are not read as one."""
    # `rOwl` is r + Owl to everybody who writes code, and so is a find.
    assert places(text) == (["an identifier", "its text"] if "Owl" in text else [])


def test_names_of_several_words_are_found_in_identifiers():
    """`polarBear` and `polar_bear` name a polar bear; two names side by side do not."""
    assert places("polarBear = 1", "polar bear")[0] == "an identifier"
    assert places("POLAR_BEARS = 1", "polar bear")[0] == "an identifier"
    assert "an identifier" not in places("polar, bear = 1, 2", "polar bear")


def test_huge_completions_are_read_at_once():
    """A megabyte of nothing, of brackets or of fences has a verdict without delay."""
    noise = "()[]{}:\n 'a`" * 80_000
    for text in (noise, "(" * 1_000_000, "```\n" * 250_000, " " * 1_000_000 + "x", "_" * 1_000_000):
        assert isinstance(parse(text), Reject)
        assert wordings(text)
