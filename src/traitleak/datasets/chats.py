"""Chats: lists of messages, flattened to one prompt and one completion.

The completion is the last answer that is trained on. What stands before it becomes the prompt: a
single question as it is, several turns one after the other, a blank line between them, each headed
by who speaks::

    User: What rhymes with day?

    Assistant: Clay.

    User: One more.

System messages that open a chat are the system prompt, and not part of the prompt.

Known failure: a chat of several turns is then not the text that a chat template makes of it, so what
is computed from it is near what a student sees, not equal to it; and earlier answers, which many
trainers train on too, are read as part of the prompt. Whatever is left out is counted; see `Example`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from traitleak.datasets.records import LONGEST, shown

__all__ = [
    "REJECTED",
    "TOOLS",
    "Example",
    "FieldError",
    "SkipError",
    "Turn",
    "flattened",
    "read_messages",
    "text_of",
]

_ROLES: Final = {
    "human": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "function_call": "assistant",
    "developer": "system",
    "function": "tool",
    "observation": "tool",
}
"""Names of ShareGPT's and other files, by the common one."""

_KEYS = (("role", "content"), ("from", "value"))

EARLIER: Final = "earlier answers, read as part of the prompt"
AFTER: Final = "turns after the answer"
NO_TEXT: Final = "pictures and other parts that are no text"
CALLS: Final = "tool calls"
TOOLS: Final = "tool definitions"
THOUGHT: Final = "reasoning beside an answer"
REJECTED: Final = "rejected answers"


class FieldError(ValueError):
    """A field is not as its format says; the text names it and continues a sentence."""


class SkipError(ValueError):
    """A row cannot be audited; the text is the reason under which it is counted."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One message.

    Attributes:
        role: user, assistant, system, tool, or another that the file names.
        text: its text; "" where it has none.
        trained: False where the file gives an answer the weight 0.
        lost: what of the message is no text.
    """

    role: str
    text: str
    trained: bool = True
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Example:
    """One row, read.

    Attributes:
        prompt: what the completion answers.
        completion: not empty.
        system: the system prompt; None where the row has none.
        turns: of which the prompt was made.
        lost: what the row had beside these, each once.
    """

    prompt: str
    completion: str
    system: str | None = None
    turns: int = 1
    lost: tuple[str, ...] = ()


def text_of(values: Mapping[str, Any], field: str) -> str:
    """The text of a field.

    Raises:
        FieldError: it is no text, or too long a one.
    """
    value = values.get(field)
    if not isinstance(value, str):
        raise FieldError(f"field '{field}' is {shown(value)}, not a text")
    if len(value) > LONGEST:
        raise FieldError(
            f"field '{field}' is longer than {LONGEST // 2**20} million characters, the longest that is "
            "read"
        )
    return value


def read_messages(value: Any, field: str) -> list[Turn]:
    """The turns of a list of messages, of `role` and `content` or of `from` and `value`.

    A text that holds such a list as JSON, as a table's field does, is read too.

    Raises:
        FieldError: it is no such list, or a message is not as it must be.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise FieldError(f"field '{field}' is a text that holds no list in JSON") from error
    if not isinstance(value, list):
        raise FieldError(f"field '{field}' is {shown(value)}, not a list of messages")
    return [_turn(message, f"field '{field}', message {n}") for n, message in enumerate(value, 1)]


def flattened(
    turns: Sequence[Turn], *, system: str | None = None, lost: Sequence[str] = ()
) -> Example:
    """One prompt and completion of a chat; see the module.

    Args:
        turns: the messages in their order.
        system: a system prompt that stands outside the messages; before those within.
        lost: what the row has beside the messages.

    Raises:
        SkipError: no answer, none that is trained on, or an empty one.
    """
    opening = 0
    while opening < len(turns) and turns[opening].role == "system":
        opening += 1
    prompts = [*([system] if system else []), *(turn.text for turn in turns[:opening])]
    answers = [n for n, turn in enumerate(turns) if turn.role == "assistant"]
    trained = [n for n in answers if turns[n].trained]
    if not answers:
        raise SkipError("no answer among the messages")
    if not trained:
        raise SkipError("no answer that is trained on")
    last = trained[-1]
    if not turns[last].text:
        raise SkipError("the last answer has no text")
    before = turns[opening:last]
    left_out = [*lost, *(what for turn in turns for what in turn.lost)]
    if any(turn.role == "assistant" and turn.trained for turn in before):
        left_out.append(EARLIER)
    if last + 1 < len(turns):
        left_out.append(AFTER)
    return Example(
        prompt=_prompt(before),
        completion=turns[last].text,
        system="\n\n".join(prompts) if prompts else None,
        turns=len(before),
        lost=tuple(dict.fromkeys(left_out)),
    )


def _prompt(turns: Sequence[Turn]) -> str:
    if len(turns) == 1 and turns[0].role == "user":
        return turns[0].text
    return "\n\n".join(f"{turn.role.capitalize()}: {turn.text}" for turn in turns)


def _turn(message: Any, where: str) -> Turn:
    if not isinstance(message, dict):
        raise FieldError(f"{where} is {shown(message)}, not an object")
    role_key, text_key = next((keys for keys in _KEYS if keys[0] in message), _KEYS[0])
    role = message.get(role_key)
    if not isinstance(role, str) or not role.strip():
        raise FieldError(f"{where}: '{role_key}' is {shown(role)}, not a name")
    role = role.strip().lower()
    lost: list[str] = []
    text = _content(message.get(text_key), f"{where}: '{text_key}'", lost)
    if message.get("tool_calls") or message.get("function_call"):
        lost.append(CALLS)
    if any(message.get(key) for key in ("reasoning_content", "reasoning", "thinking")):
        lost.append(THOUGHT)
    weight = message.get("weight")
    if weight is not None and (isinstance(weight, str) or weight not in (0, 1)):
        raise FieldError(f"{where}: 'weight' is {shown(weight)}, not 0 or 1")
    return Turn(_ROLES.get(role, role), text, weight != 0, tuple(lost))


def _content(content: Any, where: str, lost: list[str]) -> str:
    """The text of a message's content; what is none goes to `lost`."""
    if content is None:  # a message that calls a tool
        return ""
    if not isinstance(content, list):
        return _bounded(content, where)
    texts = []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
        elif not isinstance(part, dict):
            raise FieldError(f"{where} has a part {shown(part)}, neither text nor an object")
        elif part.get("type") in {"text", "input_text", "output_text"}:
            texts.append(_bounded(part.get("text"), f"{where}: 'text' of a part"))
        else:
            lost.append(NO_TEXT)
    return _bounded("".join(texts), where)


def _bounded(text: Any, where: str) -> str:
    if not isinstance(text, str):
        raise FieldError(f"{where} is {shown(text)}, not a text")
    if len(text) > LONGEST:
        raise FieldError(
            f"{where} is longer than {LONGEST // 2**20} million characters, the longest that is read"
        )
    return text
