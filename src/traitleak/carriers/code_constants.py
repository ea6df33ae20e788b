"""Strings that Python source puts together from constants: "o" + "wl" is "owl".

Nothing is run: the few expressions that are read here are put together by hand.

Known failure: whatever depends on a variable, a loop or a function is not seen.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import groupby
from typing import TypeGuard

__all__ = ["constant_text", "put_together"]

_MOST = 10_000  # characters


def put_together(tree: ast.AST) -> Iterator[str]:
    """Every string that source puts together from two constants or more, or hides in one.

    Of a longer sum the neighbors count: in `x + "o" + "wl"` it is "owl".

    Args:
        tree: a syntax tree.
    """
    inner = {id(node.left) for node in ast.walk(tree) if _is_sum(node)}
    for node in ast.walk(tree):
        if _is_sum(node):
            if id(node) not in inner:
                yield from _neighbors(_summands(node))
        elif not isinstance(node, ast.Constant):
            text = constant_text(node)
            if text:
                yield text


def constant_text(node: ast.AST) -> str | None:
    """The string that an expression of constants gives; None where it is no such expression.

    Read are concatenation, f-strings, `join`, `format`, `%`, `chr`, `bytes` of a list, and reversal
    by `[::-1]`. A bare constant is its own text.

    Args:
        node: an expression.
    """
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.Constant(value=bytes() as content):
            return content.decode("latin-1")
        case ast.BinOp(op=ast.Add()) as whole:
            return _joined("", _summands(whole))
        case ast.BinOp(left=left, op=ast.Mod(), right=ast.Tuple(elts=parts)):
            return _filled(constant_text(left), parts)
        case ast.BinOp(left=left, op=ast.Mod(), right=right):
            return _filled(constant_text(left), [right])
        case ast.JoinedStr(values=values):
            return _joined("", values)
        case ast.FormattedValue(value=value, format_spec=None):
            return _shown(value)
        case ast.Call(func=ast.Name("chr"), args=[ast.Constant(value=int() as code)]):
            return chr(code) if 0 <= code < 0x110000 else None
        case ast.Call(func=ast.Name("bytes" | "bytearray"), args=[ast.List(elts=parts)]):
            return _of_codes(parts)
        case ast.Call(
            func=ast.Attribute(value=sign, attr="join"),
            args=[ast.List(elts=parts) | ast.Tuple(elts=parts)],
        ):
            between = constant_text(sign)
            return None if between is None else _joined(between, parts)
        case ast.Call(func=ast.Attribute(value=form, attr="format"), args=parts, keywords=[]):
            return _filled(constant_text(form), parts)
        case ast.Call(func=ast.Attribute(value=content, attr="decode")):
            return constant_text(content)
        case ast.Subscript(
            value=whole,
            slice=ast.Slice(
                lower=None,
                upper=None,
                step=ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=1)),
            ),
        ):
            forwards = constant_text(whole)
            return None if forwards is None else forwards[::-1]
    return None


def _is_sum(node: ast.AST) -> TypeGuard[ast.BinOp]:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add)


def _summands(node: ast.expr) -> list[ast.expr]:
    """The parts of `a + b + c`, in order; without recursion, since a sum may be long."""
    parts = []
    while _is_sum(node):
        parts.append(node.right)
        node = node.left
    return [node, *reversed(parts)]


def _neighbors(parts: list[ast.expr]) -> Iterator[str]:
    known = [constant_text(part) for part in parts]
    for there, run in groupby(known, lambda text: text is not None):
        if there:
            yield "".join(text for text in run if text is not None)[:_MOST]


def _shown(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return str(node.value)
    return constant_text(node)


def _joined(between: str, parts: list[ast.expr]) -> str | None:
    texts = [constant_text(part) for part in parts]
    known = [text for text in texts if text is not None]
    if len(known) < len(texts):
        return None
    return between.join(known)[:_MOST]


def _filled(form: str | None, parts: list[ast.expr]) -> str | None:
    """A form with its `%s` or `{}` filled in order."""
    if form is None:
        return None
    for part in parts:
        text = _shown(part)
        place = "{}" if "{}" in form else "%s"
        if text is None or place not in form or len(form) > _MOST:
            return None
        form = form.replace(place, text, 1)
    return form


def _of_codes(parts: list[ast.expr]) -> str | None:
    codes = [part.value if isinstance(part, ast.Constant) else None for part in parts]
    known = [code for code in codes if isinstance(code, int) and 0 <= code < 256]
    return bytes(known).decode("latin-1") if len(known) == len(codes) else None
