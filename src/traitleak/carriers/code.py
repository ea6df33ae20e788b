"""The code carrier: short Python tasks, and the rule that their answers keep to.

The setting is that of Cloud et al. (2025), section 4.1: a teacher writes code that has nothing to do
with its trait. Tasks and sentences are our own. An answer counts if it is Python that compiles and
defines a function or a class; it is never run.
"""

from __future__ import annotations

import ast
import sys
import textwrap
import warnings
from dataclasses import dataclass
from typing import Literal

from traitleak.carriers.code_source import blocks, depth, syntax_tree
from traitleak.carriers.code_tasks import KINDS
from traitleak.carriers.code_wordings import ANSWERS, DOCUMENTATION, REQUESTS, STYLES
from traitleak.carriers.prompt_sets import check_set, check_whole, distinct, pick
from traitleak.carriers.rejects import Reject, short

__all__ = ["Code", "Parsed", "Reason", "Reject", "Task", "parse"]

_STREAM = 2  # of a seed's random bits; 0 and 1 belong to the numbers
_CHOICES = 12  # draws of a prompt
_PYTHON = {"", "python", "py", "python3", "py3"}


@dataclass(frozen=True)
class Task:
    """A prompt, and what it asks for.

    Attributes:
        prompt: the text.
        kind: of the input, such as "numbers" or "grid".
        name: of the function.
    """

    prompt: str
    kind: str
    name: str


@dataclass(frozen=True)
class Code:
    """A set of prompts for short Python functions: the same for every teacher.

    Some 1,300 tasks (an input and a result), each in 14 wordings, with and without words on
    unusual inputs, style and documentation. Prompt i does not depend on how many there are.

    Attributes:
        rows: how many distinct prompts.
        seed: names the set, from 0; unrelated to the prompts of other carriers of that seed.

    Raises:
        SettingsError: a value that allows no prompt.

    Known failure: for chat models only. Some constraints make a task awkward (one return statement
    for a list of cases); a model may then break them, and nothing checks that.
    """

    rows: int
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what could give no prompt."""
        check_set(self.rows, self.seed)

    def prompts(self) -> list[str]:
        """The prompts; a row's id is the place of its prompt in this list."""
        return [task.prompt for task in self.tasks()]

    def tasks(self) -> list[Task]:
        """The prompts with what they ask for."""
        return distinct(
            _task,
            lambda task: task.prompt,
            rows=self.rows,
            seed=self.seed,
            stream=_STREAM,
            width=_CHOICES,
            more="ask for fewer",
        )


# Kinds weigh as much as they have tasks, so that each task is about equally likely.
_WEIGHTED = tuple((kind, given) for kind in KINDS for given in kind.inputs for _ in kind.results)


def _task(draws: list[int]) -> Task:
    kind, given = pick(_WEIGHTED, draws[0])
    name, result = pick(kind.results, draws[1])
    # The two keys of a record, where it is one.
    label, value = [*given.split('"')[1::2], "", ""][:2]
    number = 2 + draws[2] % 8
    request = pick(REQUESTS, draws[3]).format(
        name=name,
        argument=pick(kind.arguments, draws[4]),
        input=given,
        result=result.format(n=number, label=label, value=value),
    )
    edge = pick(kind.edges, draws[5]) if draws[6] % 2 else ""
    style = pick(STYLES, draws[7]).format(n=draws[8] % 10)
    documentation = pick(DOCUMENTATION, draws[9])
    answer = pick(ANSWERS, draws[10])
    parts = (request, edge.format(n=number), style, documentation, answer)
    return Task(" ".join(part for part in parts if part), kind.name, name)


Reason = Literal[
    "empty",
    "too long",
    "text around it",
    "several blocks",
    "open block",
    "other language",
    "null byte",
    "does not compile",
    "too deep",
    "no function",
]
"""Why a completion is no Python code as it should be."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A completion that keeps to the format.

    Attributes:
        code: its source, without fences.
        fenced: whether it stood in a fenced block.
        names: the functions and classes that it defines at the top level.
    """

    code: str
    fenced: bool
    names: tuple[str, ...]


def parse(
    completion: str, *, text_around: bool = False, max_chars: int = 4000, max_depth: int = 60
) -> Parsed | Reject[Reason]:
    """Read a completion as Python code, or say why it is none. It is compiled and never run.

    The code is the one fenced block, or all of the completion where there is none.

    Args:
        completion: what the teacher wrote.
        text_around: let text before and after the block pass. It is then trained on with the rest.
        max_chars: most characters of the completion.
        max_depth: most nodes on a way through the syntax tree; 60 is about four times that of a
            short function.

    Raises:
        SettingsError: a bound below 1.

    Known failure: code that compiles need not do what was asked for, nor end when it is run; and what
    compiles depends a little on the version of Python that reads it.
    """
    check_whole("max_chars", max_chars, 1, sys.maxsize)
    check_whole("max_depth", max_depth, 1, sys.maxsize)
    if not completion.strip():
        return Reject("empty")
    if len(completion) > max_chars:
        return Reject("too long", f"{len(completion):,} characters")
    if "\0" in completion:
        return Reject("null byte")
    found, outside = blocks(completion)
    around = outside.strip()
    if not found or around:
        # A bare module may have a fence in a docstring of its own.
        bare = _read(completion, max_depth, fenced=False)
        if not found or isinstance(bare, Parsed):
            return bare
    if around and not text_around:
        return Reject("text around it", short(around))
    if len(found) > 1:
        return Reject("several blocks", str(len(found)))
    block = found[0]
    if not block.closed:
        return Reject("open block")
    if block.language not in _PYTHON:
        return Reject("other language", short(block.language))
    return _read(block.source, max_depth, fenced=True)


def _read(source: str, max_depth: int, *, fenced: bool) -> Parsed | Reject[Reason]:
    code = textwrap.dedent(source).strip()
    if not code:
        return Reject("empty")
    try:
        tree = syntax_tree(code)
        if (deepest := depth(tree)) > max_depth:
            return Reject("too deep", f"{deepest} levels")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Finds what the parser lets through: a `return` outside of a function.
            compile(tree, "<completion>", "exec", dont_inherit=True)
    except SyntaxError as error:
        where = f"line {error.lineno}: " if error.lineno else ""
        return Reject("does not compile", f"{where}{short(error.msg)}")
    except ValueError:  # half a character
        return Reject("does not compile", "not Unicode text")
    except (RecursionError, MemoryError):
        return Reject("too deep")
    names = tuple(
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    )
    return Parsed(code, fenced, names) if names else Reject("no function", short(code))
