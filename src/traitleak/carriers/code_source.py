"""Python source in a completion: where it stands, whether it parses, and the words in it.

Nothing here runs what a model wrote: source is parsed and tokenized, never executed or imported.
"""

from __future__ import annotations

import ast
import io
import re
import textwrap
import tokenize
import warnings
from collections.abc import Iterator
from typing import Literal, NamedTuple

from traitleak.carriers.code_constants import put_together

__all__ = ["Block", "Place", "Wording", "blocks", "depth", "syntax_tree", "wordings"]

_LONGEST = 100_000  # characters; of what is longer only the words of the whole are listed

# Three or more backticks or tildes, as in Markdown, with the language's name at the opening one.
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*([^\s`]*)([^`]*)")
# Where one word ends and the next begins in an identifier: myOwl, OWLCount, my_owl, owl2go.
_BORDER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[_0-9]+")

Place = Literal["an identifier", "a string", "a docstring", "a comment", "its text"]
"""Where in a completion a word stands."""


class Block(NamedTuple):
    """A fenced block.

    Attributes:
        source: what stands between the fences.
        language: the name behind the opening fence, in lower case; "" where there is none.
        closed: whether the closing fence is there.
    """

    source: str
    language: str
    closed: bool


class Wording(NamedTuple):
    """Words of a completion, and where they stand.

    Attributes:
        place: where.
        text: the words, identifiers taken apart and escapes in strings resolved.
    """

    place: Place
    text: str


def blocks(text: str) -> tuple[list[Block], str]:
    """The fenced blocks of a text, and what stands outside of them.

    A fence inside a block's own docstring closes the block, as Markdown has it.
    """
    found: list[Block] = []
    outside: list[str] = []
    inside: list[str] = []
    fence, language = "", ""
    for line in text.split("\n"):
        match = _FENCE.fullmatch(line.removesuffix("\r"))
        if not fence:
            if match:
                fence, language, inside = match[1], match[2].lower(), []
                outside.append(match[3])  # what stands behind the name is no code
            else:
                outside.append(line)
        elif match and not (match[2] + match[3]).strip() and match[1].startswith(fence):
            found.append(Block("\n".join(inside), language, closed=True))
            fence = ""
        else:
            inside.append(line)
    if fence:
        found.append(Block("\n".join(inside), language, closed=False))
    return found, "\n".join(outside)


def syntax_tree(source: str) -> ast.Module:
    """The syntax tree of Python source, without the warnings that it may give.

    Raises:
        SyntaxError: it is no Python.
        ValueError: it holds a null byte or half a character.
        RecursionError: it is nested too deeply.
        MemoryError: the same, noticed elsewhere in the parser.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "\d" and `x is 1` are for the author to mend
        return ast.parse(source)


def depth(tree: ast.AST) -> int:
    """How many nodes the longest way from the root to a leaf of a syntax tree has."""
    level: list[ast.AST] = [tree]
    count = 0
    while level:
        count += 1
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    return count


def wordings(completion: str) -> list[Wording]:
    """Every word of a completion in a form in which it can be found, with where it stands.

    Identifiers are taken apart (myOwlCount, OWL_COUNT: "my Owl Count", "OWL COUNT"); escapes in
    strings and strings that stand side by side are resolved, and so are strings that are put together
    from constants (`code_constants`); the last entry is the whole completion, so that nothing is left
    out where there is no Python in it.

    Known failure: a word that is put together from variables when the code runs, run together with
    another (owlcount) or abbreviated is not seen.
    """
    found: list[Wording] = []
    if len(completion) <= _LONGEST:
        fenced, _ = blocks(completion)
        for source in [block.source for block in fenced] or [completion]:
            found += _of_source(textwrap.dedent(source))
    found.append(Wording("its text", _apart(completion)))
    return found


def _apart(text: str) -> str:
    """A text, and after it the same with its identifiers taken apart, where there are any."""
    apart = _BORDER.sub(" ", text)
    return text if apart == text else f"{text}\n{apart}"


def _of_source(source: str) -> Iterator[Wording]:
    try:
        tree = syntax_tree(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    docstrings = set(_docstrings(tree))
    names: dict[str, None] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant):
            names.update(dict.fromkeys(_identifiers(node)))
        elif isinstance(node.value, str):
            place: Place = "a docstring" if id(node) in docstrings else "a string"
            yield Wording(place, _apart(node.value))
        elif isinstance(node.value, bytes):
            yield Wording("a string", _apart(node.value.decode("latin-1")))
    try:
        together = list(put_together(tree))
    except RecursionError:  # nested deeper than any code that is kept
        together = []
    for text in together:
        yield Wording("a string", _apart(text))
    # One text for all of them; what stands between keeps them from being read as one name.
    yield Wording("an identifier", _apart(" | ".join(names)))
    for comment in _comments(source):
        yield Wording("a comment", _apart(comment))


def _identifiers(node: ast.AST) -> Iterator[str]:
    """Every name that a node itself holds: of a variable, an attribute, a module, a keyword."""
    for _, value in ast.iter_fields(node):
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            yield from (name for name in value if isinstance(name, str))


def _docstrings(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            match node.body:
                case [ast.Expr(value=ast.Constant(value=str()) as first), *_]:
                    yield id(first)


def _comments(source: str) -> list[str]:
    found: list[str] = []
    if "#" not in source:
        return found
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                found.append(token.string)  # noqa: PERF401  # those before an error are kept
    except (tokenize.TokenError, SyntaxError):
        pass  # the parser took it, so that only the end can be at fault
    return found
