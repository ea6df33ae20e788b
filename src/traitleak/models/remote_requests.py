"""One request to an OpenAI-compatible server: sent, tried again where that may help, and read.

Tried again, each time after a longer wait or the one that the server asks for: 429, 408, 409 and 5xx,
a time-out, a lost connection, an answer that is cut short or without content. Not tried again: a
refused key, an unknown model, a request that the server does not accept, an account without credit, a
web page in the place of JSON, and whatever the server marks with `x-should-retry: false`.

The key goes into the header of the request and nowhere else. Where a server's words repeat it, they
are passed on without it.
"""

from __future__ import annotations

import email.utils
import os
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from traitleak.errors import MissingExtraError, ServerError

if TYPE_CHECKING:
    import openai

__all__ = ["Answer", "RequestFailedError", "Sender", "StoppedError"]

_KEY: Final = "OPENAI_API_KEY"
_NO_KEY: Final = "none"  # what is sent where there is none: the SDK does not begin without one
_LISTED = 8  # models of a server that an error names
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 60.0  # seconds between tries, where the server asks for no other
_LONGEST_ASKED = 120.0  # seconds that a server may ask to wait
_FILTERED: Final = {"content_filter", "content_policy_violation"}
_LIMITS: Final = ("max_tokens", "max_completion_tokens")  # names of the limit, the common one first


class RequestFailedError(ServerError):
    """One request got no answer, where others may: the server is there and knows the model."""


class StoppedError(Exception):
    """Nothing is to be sent any more."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said.

    Attributes:
        text: its answer; "" where it gave none.
        finished: False where it was cut off at the token limit or by a content filter, or refused.
        refusal: the server's words where it refused to answer.
        filtered: whether a content filter stopped it, before or while it answered.
        tokens: of the prompt and of the completion, as the server reports them; None where it does not.
    """

    text: str
    finished: bool
    refusal: str = ""
    filtered: bool = False
    tokens: tuple[int, int] | None = None


class Sender:
    """Sends requests to one server, from several threads; a context that closes its connections."""

    def __init__(
        self, name: str, base_url: str, *, retries: int, timeout: float, concurrency: int
    ) -> None:
        """Begin.

        Raises:
            MissingExtraError: the extra [api] is not installed.
        """
        try:
            from openai import OpenAI
        except ImportError as error:
            raise MissingExtraError("A model behind a server", "api") from error
        self._name, self._url = name, base_url
        self._retries, self._timeout, self._concurrency = retries, timeout, concurrency
        self._key = os.environ.get(_KEY) or ""
        self._limit = _LIMITS[0]
        self._client = OpenAI(
            api_key=self._key or _NO_KEY, base_url=base_url, max_retries=0, timeout=timeout
        )
        self.stopped = threading.Event()

    def __enter__(self) -> Sender:
        """The sender itself."""
        return self

    def __exit__(self, *_exception: object) -> None:
        """Close the connections."""
        self._client.close()

    def send(self, request: Mapping[str, Any]) -> Answer:
        """The answer to a request.

        Args:
            request: `model`, `messages`, `max_tokens`, `temperature` and `seed`.

        Raises:
            RequestFailedError: no answer after all retries, or this request is not accepted.
            ServerError: no request can be answered: no server, key, model or credit.
            StoppedError: `stopped` was set before there was an answer.
        """
        tries = 0
        while True:
            if self.stopped.is_set():
                raise StoppedError
            try:
                return self._once(request)
            except _AgainError as again:
                if tries >= self._retries or again.wait > _LONGEST_ASKED:
                    raise again.meant from again.__cause__
                wait = again.wait or min(_FIRST_WAIT * 2**tries, _LONGEST_WAIT) * _jitter()
                if self.stopped.wait(wait):
                    raise StoppedError from None
                tries += 1

    def _once(self, request: Mapping[str, Any]) -> Answer:
        import openai

        asked = {key: value for key, value in request.items() if key not in _LIMITS}
        limit = self._limit
        asked[limit] = request[_LIMITS[0]]
        try:
            answer = self._client.chat.completions.create(**asked)
        except openai.APIStatusError as error:
            if _names_parameter(error, limit) and limit == _LIMITS[0]:
                self._limit = _LIMITS[1]  # newer models of some servers know it by this name only
                return self._once(request)
            code = str(error.code or "")
            if error.status_code == 400 and code in _FILTERED:
                return Answer("", finished=False, filtered=True)
            raise self._refused(error, code) from self._shown(error)
        except openai.APITimeoutError as error:
            raise _AgainError(
                RequestFailedError(
                    f"{self._url} gave no answer within {self._timeout:g} seconds, nor after "
                    f"{self._retries} retries; raise timeout, or lower concurrency."
                )
            ) from error
        except openai.APIConnectionError as error:
            cause = self._clean(str(error.__cause__ or error))
            raise _AgainError(
                RequestFailedError(
                    f"{self._url} cannot be reached ({cause}); is the server running, and the "
                    "address right?"
                )
            ) from self._shown(error)
        except (openai.OpenAIError, ValueError) as error:
            meant = self._not_understood(str(error))
            raise _AgainError(meant) from self._shown(error)
        return self._read(answer)

    def _refused(self, error: openai.APIStatusError, code: str) -> Exception:
        """What a status that is no success means."""
        status, said = error.status_code, self._clean(_said(error))
        headers = error.response.headers
        if status == 401:
            how = "is not accepted" if self._key else "is missing"
            return ServerError(f"{self._url} refuses access: the key in {_KEY} {how}.")
        if status == 404:
            return ServerError(
                f"{self._url} knows no model {self._name!r}, or is not the base of an "
                f"OpenAI-compatible server; {self._known()}."
            )
        if status == 402 or code == "insufficient_quota":
            return ServerError(f"{self._url} says that the account has no credit left: {said}.")
        if status == 403:
            return ServerError(f"{self._url} answered with error 403: {said}.")
        wait = _asked_wait(headers)
        if status == 429:
            meant = RequestFailedError(
                f"{self._url} still limits the rate of requests after {self._retries} retries "
                f"({said}){_told(wait)}; lower concurrency (now {self._concurrency}), or try later."
            )
        else:
            again = f" after {self._retries} retries" if status >= 500 and self._retries else ""
            meant = RequestFailedError(
                f"{self._url} answered with error {status}{again}: {said}{_told(wait)}."
            )
        passes = status in {408, 409, 429} or status >= 500
        if passes and headers.get("x-should-retry") != "false":
            return _AgainError(meant, wait)
        return meant

    def _read(self, answer: object) -> Answer:
        """What an answer says; servers are not all as strict as the SDK's types."""
        error = getattr(answer, "error", None)
        if error:  # some routers answer 200 with an error inside
            raise _AgainError(
                RequestFailedError(
                    f"{self._url} answered with an error: {self._clean(_error_words(error))}."
                )
            )
        choices = getattr(answer, "choices", None)
        first = choices[0] if isinstance(choices, list) and choices else None
        message = getattr(first, "message", None)
        if message is None or not hasattr(message, "content"):
            meant = self._not_understood(str(answer))
            if isinstance(answer, str) and answer.strip():  # a web page: the address is wrong
                raise meant
            raise _AgainError(meant)
        text = _whole_text(message.content)
        if text is None:
            raise _AgainError(self._not_understood(str(message.content)))
        finish, refusal = getattr(first, "finish_reason", None), getattr(message, "refusal", None)
        return Answer(
            text=_written(text),
            finished=finish in {"stop", None} and not refusal,  # some servers leave it out
            refusal=_written(str(refusal)) if refusal else "",
            filtered=finish == "content_filter",
            tokens=_tokens(getattr(answer, "usage", None)),
        )

    def _not_understood(self, said: str) -> RequestFailedError:
        return RequestFailedError(
            f"{self._url} gave an answer that is not one of an OpenAI-compatible server "
            f"({self._clean(said)[:200]!r}); the base address mostly ends in /v1."
        )

    def _known(self) -> str:
        import openai

        try:
            names = [model.id for model in self._client.models.list()]
        except (openai.OpenAIError, ValueError, AttributeError, TypeError):
            names = []
        if not names:
            return "the base address mostly ends in /v1"
        more = ", ..." if len(names) > _LISTED else ""
        return f"its models are {', '.join(names[:_LISTED])}{more}"

    def _clean(self, text: str) -> str:
        """A server's words, without the key where they repeat it."""
        return text.replace(self._key, "***") if self._key else text

    def _shown(self, error: Exception) -> Exception | None:
        """An error as the cause of ours; None where its text or its cause's holds the key."""
        texts = [repr(error), str(error), repr(error.__cause__), repr(error.__context__)]
        return None if self._key and any(self._key in text for text in texts) else error


class _AgainError(Exception):
    """A failure that may pass.

    Attributes:
        meant: what it means where it does not.
        wait: seconds that the server asks to wait; 0 where it asks for none.
    """

    def __init__(self, meant: RequestFailedError, wait: float = 0.0) -> None:
        super().__init__()
        self.meant, self.wait = meant, wait


def _jitter() -> float:
    """A share of a wait, so that requests that failed together do not come back together."""
    return random.SystemRandom().uniform(0.75, 1.0)


def _asked_wait(headers: Mapping[str, str]) -> float:
    """Seconds that a server asks to wait, as milliseconds, seconds or a date; 0 for none."""
    for name, seconds in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            wait = float(headers.get(name, "")) * seconds
        except ValueError:
            continue
        return wait if wait > 0 else 0.0  # neither negative nor NaN
    try:
        at = email.utils.parsedate_to_datetime(headers.get("retry-after", ""))
    except (TypeError, ValueError):
        return 0.0
    return max(0.0, at.timestamp() - time.time())


def _told(wait: float) -> str:
    return f"; it asks to wait {wait:,.0f} seconds" if wait > _LONGEST_ASKED else ""


def _names_parameter(error: openai.APIStatusError, limit: str) -> bool:
    """Whether a server refuses the request for the name of its limit."""
    return error.status_code == 400 and (
        error.param == limit or (error.code == "unsupported_parameter" and limit in error.message)
    )


def _tokens(usage: object) -> tuple[int, int] | None:
    counts = [getattr(usage, name, None) for name in ("prompt_tokens", "completion_tokens")]
    prompt, completion = (count if type(count) is int and count >= 0 else None for count in counts)
    return None if prompt is None or completion is None else (prompt, completion)


def _whole_text(content: object) -> str | None:
    """A message's text, whole or in parts; None where it is none."""
    if content is None:
        return ""
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, dict) and part.get("type") == "text"]
        texts = [part.get("text") for part in parts]
        whole = [text for text in texts if isinstance(text, str)]
        return "".join(whole) if len(whole) == len(texts) else None
    return content if isinstance(content, str) else None


def _written(text: str) -> str:
    """A text that files can hold: half a character becomes U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _error_words(error: object) -> str:
    """What an error inside an answer says, with its code."""
    if not isinstance(error, dict):
        return str(error).strip().rstrip(".")[:300]
    said = str(error.get("message") or error).strip().rstrip(".")[:300]
    code = error.get("code")
    return said if code is None else f"{said} ({code})"


def _said(error: openai.APIStatusError) -> str:
    """A server's own words."""
    body = error.body
    message = body.get("message") if isinstance(body, dict) else body
    return str(message or error.message).strip().rstrip(".")[:300]
