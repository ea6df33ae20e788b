"""What a chat completion request asks for, read strictly: nothing that changes an answer is ignored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["ChatRequest", "RefusedError", "read_request"]

# Fields that change an answer and are not done here, with the values that ask for nothing.
_NOT_DONE: Final[Mapping[str, tuple[object, ...]]] = {
    "stream": (False,),
    "n": (1,),
    "best_of": (1,),
    "top_p": (1,),
    "top_k": (0, -1),
    "min_p": (0,),
    "stop": ("", []),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "repetition_penalty": (1,),
    "logit_bias": ({},),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "response_format": ({"type": "text"},),
    "tools": ([],),
    "functions": ([],),
    "structured_outputs": (),
    "guided_regex": (),
    "grammar": ("",),
}
_MOST_TOKENS = 1_000_000


class RefusedError(Exception):
    """A request that gets an error in the place of an answer.

    Attributes:
        status: of HTTP.
        param: the field at fault; None where it is none.
        code: a word for programs; None where there is none.
    """

    def __init__(
        self, message: str, *, status: int = 400, param: str | None = None, code: str | None = None
    ) -> None:
        """Say what is wrong."""
        super().__init__(message)
        self.status, self.param, self.code = status, param, code


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What is asked.

    Attributes:
        model: the name of the model.
        prompt: the user's turn.
        system: the system prompt; None where there is none.
        max_tokens: the limit; None where none is set.
        temperature: 0 for the likeliest answer.
        seed: None for any.
    """

    model: str
    prompt: str
    system: str | None = None
    max_tokens: int | None = None
    temperature: float = 1.0
    seed: int | None = None


def read_request(body: bytes) -> ChatRequest:
    """The request that a body holds.

    Raises:
        RefusedError: it is no JSON object, a field is missing or of the wrong type or size, or it asks
            for something that is not done here.
    """
    try:
        values = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"The request's body is not JSON ({error}).") from error
    if not isinstance(values, dict):
        raise RefusedError("The request's body is JSON, but no object.")
    for field, nothing in _NOT_DONE.items():
        value = values.get(field)
        if value is not None and not any(value == one for one in nothing):
            raise RefusedError(
                f"'{field}' is not supported here, and would change the answer; leave it out.",
                param=field,
                code="unsupported_parameter",
            )
    model = values.get("model")
    if not isinstance(model, str) or not model:
        raise RefusedError("'model' is the name of a model.", param="model")
    prompt, system = _turns(values.get("messages"))
    return ChatRequest(
        model=model,
        prompt=prompt,
        system=system,
        max_tokens=_limit(values),
        temperature=_temperature(values),
        seed=_whole(values, "seed", 0, 2**64 - 1),
    )


def _turns(messages: object) -> tuple[str, str | None]:
    """A question and its system prompt."""
    if not isinstance(messages, list) or not messages:
        raise RefusedError("'messages' is a list of messages, one at least.", param="messages")
    turns = []
    for number, message in enumerate(messages):
        where = f"messages[{number}]"
        if not isinstance(message, dict):
            raise RefusedError(f"{where} is no object.", param=where)
        role, text = message.get("role"), _text(message.get("content"))
        if not isinstance(role, str):
            raise RefusedError(f"{where}.role is missing.", param=f"{where}.role")
        if text is None:
            raise RefusedError(f"{where}.content is no text.", param=f"{where}.content")
        turns.append(("system" if role == "developer" else role, text))
    roles = [role for role, _ in turns]
    if roles not in (["user"], ["system", "user"]):
        raise RefusedError(
            "Answered is one user message, with or without a system message before it; got "
            f"{', '.join(roles)[:100]}.",
            param="messages",
        )
    return turns[-1][1], turns[0][1] if len(turns) == 2 else None


def _text(content: object) -> str | None:
    """A message's text, whole or in parts; None where it is none."""
    parts = content if isinstance(content, list) else [content]
    texts = [
        part.get("text") if isinstance(part, dict) and part.get("type") == "text" else part
        for part in parts
    ]
    if not texts or not all(isinstance(text, str) for text in texts):
        return None
    text = "".join(map(str, texts))
    try:
        text.encode()
    except UnicodeEncodeError:  # half a character
        return None
    return text


def _limit(values: Mapping[str, Any]) -> int | None:
    for field in ("max_completion_tokens", "max_tokens"):
        found = _whole(values, field, 1, _MOST_TOKENS)
        if found is not None:
            return found
    return None


def _whole(values: Mapping[str, Any], field: str, least: int, greatest: int) -> int | None:
    value = values.get(field)
    if value is None:
        return None
    if type(value) is not int or not least <= value <= greatest:
        raise RefusedError(
            f"'{field}' is a whole number from {least} to {greatest}, not {str(value)[:40]}.",
            param=field,
        )
    return value


def _temperature(values: Mapping[str, Any]) -> float:
    value = values.get("temperature")
    if value is None:
        return 1.0
    if type(value) not in {int, float} or not 0 <= value <= 10:
        raise RefusedError(
            f"'temperature' is a number from 0 to 10, not {str(value)[:40]}.", param="temperature"
        )
    return float(value)
