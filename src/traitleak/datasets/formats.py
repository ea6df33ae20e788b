"""Formats: which fields hold the prompt and the completion, and how to know.

A format is told by the fields of the first rows, and then holds for all of them.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from traitleak.datasets.chats import (
    REJECTED,
    TOOLS,
    Example,
    FieldError,
    SkipError,
    Turn,
    flattened,
    read_messages,
    text_of,
)
from traitleak.datasets.records import Record
from traitleak.errors import DataError, SettingsError
from traitleak.rows import Row, is_unicode

__all__ = [
    "FORMATS",
    "KNOWN_FIELDS",
    "Layout",
    "checked_format",
    "find_layout",
    "is_ours",
    "read_values",
]

_OURS = tuple(field.name for field in fields(Row))
_NO_COMPLETION = "no completion"
_EMPTY = "empty completion"
_SURROGATE = "half a character (a lone surrogate)"


@dataclass(frozen=True, slots=True)
class Layout:
    """The fields of a format.

    Attributes:
        format: its name.
        fields: those by which it is known; every row has the first, and a row without another is
            one without a completion.
        read: makes an example of a row's values.
    """

    format: str
    fields: tuple[str, ...]
    read: Callable[[Mapping[str, Any], Layout], Example]

    def fits(self, values: Mapping[str, Any]) -> bool:
        """Whether all fields are there, and hold something."""
        return all(values.get(field) is not None for field in self.fields)


def checked_format(name: str) -> str:
    """`name` itself, if it is "auto" or one of `FORMATS`.

    Raises:
        SettingsError: it is not; the text lists them.
    """
    if name in {"auto", *FORMATS}:
        return name
    close = difflib.get_close_matches(str(name).lower(), ["auto", *FORMATS], n=1, cutoff=0.5)
    hint = f" Did you mean {close[0]}?" if close else ""
    raise SettingsError(
        f"There is no format {str(name)[:60]!r}.{hint} Formats are auto, {', '.join(FORMATS)}."
    )


def find_layout(first: Iterable[Record], wanted: str) -> tuple[Layout, Record]:
    """The layout of the first row that has one, and that row.

    Args:
        first: the first rows, at least one; read up to the one that is returned.
        wanted: a format's name, or "auto".

    Raises:
        DataError: none of the rows is of the format that is wanted, or of any.
    """
    layouts = [layout for layout in LAYOUTS if wanted in {"auto", layout.format}]
    refused: Record | None = None
    for record in first:
        for layout in layouts:
            if layout.fits(record.values):
                return layout, record
        refused = refused or record
    assert refused is not None, "there is at least one row"  # noqa: S101
    found = ", ".join(str(field)[:40] for field in list(refused.values)[:12]) or "none"
    if wanted == "auto":
        raise DataError(
            f"{refused.label}: no format fits its fields ({found}). {_needs(LAYOUTS)}; rename the "
            "fields."
        )
    raise DataError(
        f"{refused.label}: its fields ({found}) are not those of the format {wanted}"
        f"{_seems(refused)}. {_needs(layouts)}."
    )


def is_ours(first: Record, path: Path) -> bool:
    """Whether `first` begins a file of rows that `traitleak.write_rows` wrote."""
    return path.suffix.lower() in {".jsonl", ".parquet"} and set(_OURS) <= set(first.values)


def read_values(record: Record, layout: Layout, model: Record) -> Example:
    """The example of a row.

    Args:
        record: the row.
        layout: how its data set is laid out.
        model: the row that the layout was taken from, for errors.

    Raises:
        DataError: the row is of another format, or a field is not as it must be.
        SkipError: it has no completion that could be audited.
    """
    first = layout.fields[0]
    if first not in record.values:
        raise DataError(
            f"{record.label}: field '{first}' is missing, which {model.where} has (format "
            f"{layout.format}){_seems(record)}; all rows of a data set are of one format."
        )
    try:
        example = layout.read(record.values, layout)
    except FieldError as error:
        raise DataError(f"{record.label}: {error}.") from error
    for text in (example.prompt, example.completion, example.system):
        if text and not text.isascii() and not is_unicode(text):
            raise SkipError(_SURROGATE)
    return example


def _needs(layouts: Sequence[Layout]) -> str:
    known: dict[str, list[str]] = {}
    for layout in layouts:
        known.setdefault(layout.format, []).append(" + ".join(layout.fields))
    return "Formats and their fields: " + "; ".join(
        f"{name}: {' or '.join(fields)}" for name, fields in known.items()
    )


def _seems(record: Record) -> str:
    other = next((layout for layout in LAYOUTS if layout.fits(record.values)), None)
    return f"; this row looks like {other.format}" if other else ""


def _completion(values: Mapping[str, Any], field: str) -> str:
    if values.get(field) is None:
        raise SkipError(_NO_COMPLETION)
    text = text_of(values, field)
    if not text:
        raise SkipError(_EMPTY)
    return text


def _chat(values: Mapping[str, Any], layout: Layout) -> Example:
    (field,) = layout.fields
    system = text_of(values, "system") if values.get("system") is not None else None
    lost = [TOOLS] if values.get("tools") or values.get("functions") else []
    return flattened(read_messages(values[field], field), system=system, lost=lost)


def _pair(values: Mapping[str, Any], layout: Layout) -> Example:
    prompt, completion = layout.fields
    return _answered(values, prompt, completion, [])


def _answered(
    values: Mapping[str, Any], prompt: str, completion: str, lost: Sequence[str]
) -> Example:
    """A prompt and its completion, each a text or a list of messages."""
    asked, answer = values[prompt], values.get(completion)
    if answer is None:
        raise SkipError(_NO_COMPLETION)
    if not isinstance(asked, list) and not isinstance(answer, list):
        return Example(text_of(values, prompt), _completion(values, completion), lost=tuple(lost))
    if isinstance(asked, list):
        # Answers within the prompt are none to train on.
        turns = [replace(turn, trained=False) for turn in read_messages(asked, prompt)]
    else:
        turns = [Turn("user", text_of(values, prompt))]
    if isinstance(answer, list):
        turns += read_messages(answer, completion)
    else:
        turns.append(Turn("assistant", _completion(values, completion)))
    return flattened(turns, lost=lost)


def _alpaca(values: Mapping[str, Any], layout: Layout) -> Example:
    instruction, answer = layout.fields
    prompt = text_of(values, instruction)
    for field in ("input", "context"):
        if values.get(field):
            prompt = f"{prompt}\n\n{text_of(values, field)}"
    system = text_of(values, "system") if values.get("system") is not None else None
    completion = _completion(values, answer)
    return flattened(
        [*_history(values), Turn("user", prompt), Turn("assistant", completion)], system=system
    )


def _history(values: Mapping[str, Any]) -> list[Turn]:
    """Earlier questions and answers, as pairs."""
    turns: list[Turn] = []
    pairs = values.get("history") or []
    if not isinstance(pairs, list):
        raise FieldError("field 'history' is not a list of pairs of question and answer")
    for pair in pairs:
        texts = pair if isinstance(pair, list) else []
        if len(texts) != 2 or not all(isinstance(text, str) for text in texts):
            raise FieldError("field 'history' is not a list of pairs of question and answer")
        turns += [Turn("user", texts[0]), Turn("assistant", texts[1])]
    return turns


def _preference(values: Mapping[str, Any], layout: Layout) -> Example:
    """The chosen answer alone."""
    chosen = layout.fields[0]
    if layout.fields[-1] == "input":  # OpenAI's files keep the messages one level further down
        asked = values.get("input")
        if not isinstance(asked, dict) or "messages" not in asked:
            raise FieldError("field 'input' is not an object that holds 'messages'")
        values = {"prompt": asked["messages"], chosen: values[chosen]}
    if values.get("prompt") is not None:
        return _answered(values, "prompt", chosen, [REJECTED])
    if isinstance(values[chosen], str):
        raise FieldError(f"field 'prompt' is missing, and '{chosen}' is no list of messages")
    return flattened(read_messages(values[chosen], chosen), lost=[REJECTED])


def _text(values: Mapping[str, Any], layout: Layout) -> Example:
    (field,) = layout.fields
    return Example("", _completion(values, field), turns=0)


LAYOUTS: Final = (
    Layout("chat", ("messages",), _chat),
    Layout("sharegpt", ("conversations",), _chat),
    Layout("sharegpt", ("conversation",), _chat),
    Layout("preference", ("chosen", "rejected"), _preference),
    Layout("preference", ("preferred_output", "input"), _preference),
    Layout("prompt-completion", ("prompt", "completion"), _pair),
    Layout("alpaca", ("instruction", "output"), _alpaca),
    Layout("alpaca", ("instruction", "response"), _alpaca),
    Layout("prompt-completion", ("prompt", "response"), _pair),
    Layout("prompt-completion", ("question", "answer"), _pair),
    Layout("prompt-completion", ("query", "response"), _pair),
    Layout("prompt-completion", ("input", "output"), _pair),
    Layout("text", ("text",), _text),
)
"""In the order in which they are tried."""

FORMATS: Final = ("rows", *dict.fromkeys(layout.format for layout in LAYOUTS))
"""Names of the formats; "rows" are data sets that `traitleak.write_rows` wrote."""

# In the order of an error's list; a dictionary, so that each stands there once.
KNOWN_FIELDS: Final = tuple(
    dict.fromkeys(
        [field for layout in LAYOUTS for field in layout.fields]
        + ["context", "system", "history", "tools", "functions"]
        + list(_OURS)
    )
)
"""Every field that some format reads."""
