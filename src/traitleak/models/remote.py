"""Models behind an OpenAI-compatible server (vLLM, llama.cpp, Ollama, hosted ones): sampling only.

The server renders the chat, so `Renderer` has no part in it, and what a template adds stays unseen.
The key comes from the environment (OPENAI_API_KEY) and is written nowhere; servers on one's own
machine mostly want none.

Known failure: most servers give the same text for the same seed only on the same machine with the
same load, some take no heed of it at all, and rows of two teachers cannot share random streams as
they do with a model that is loaded here.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from traitleak.errors import MissingExtraError, ServerError, SettingsError
from traitleak.models.names import parse_name

if TYPE_CHECKING:
    import openai
    from openai.types.chat import ChatCompletionMessageParam

__all__ = ["RemoteModel", "RemoteSampled", "remote_model"]

_KEY: Final = "OPENAI_API_KEY"
_NO_KEY: Final = "none"  # what is sent where there is none: the SDK does not begin without one
_LISTED = 8  # models of a server that an error names


@dataclass(frozen=True)
class RemoteSampled:
    """What a server's model wrote.

    Attributes:
        text: its answer; "" where it gave none.
        finished: False where it was cut off at the token limit or by a content filter.
        refusal: the server's words where it refused to answer; "" elsewhere.
    """

    text: str
    finished: bool
    refusal: str = ""


@dataclass(frozen=True)
class RemoteModel:
    """A model behind a server.

    Attributes:
        name: the server's name for it.
        base_url: the server's address, such as `http://localhost:8000/v1`.
        concurrency: how many requests are under way at once.
        retries: how often a request is sent again after a failure that may pass (429, 5xx, a broken
            connection, a time-out), each time after a longer wait or the one that the server asks for.
        timeout: seconds that one request may take.
    """

    name: str
    base_url: str
    concurrency: int = 8
    retries: int = 4
    timeout: float = 120.0

    def sample(
        self,
        prompts: Sequence[str],
        *,
        system: str | None = None,
        max_new_tokens: int,
        temperature: float = 1.0,
        seed: int,
        streams: Sequence[int] | None = None,
    ) -> list[RemoteSampled]:
        """One answer to each prompt, in the order of the prompts.

        Args:
            prompts: users' turns, unrendered.
            system: a system prompt; None for none of ours.
            max_new_tokens: where an answer is cut off.
            temperature: 0 for the likeliest answer.
            seed: with a prompt's stream it gives the seed that is sent for it.
            streams: a number for each prompt; by default its place.

        Raises:
            ServerError: the server cannot be reached, does not know the model, refuses the key or the
                request, or still fails after the retries.
            SettingsError: a setting cannot work.
            MissingExtraError: the extra [api] is not installed.
        """
        if max_new_tokens < 1 or temperature < 0 or self.concurrency < 1:
            raise SettingsError(
                "Sampling needs max_new_tokens and concurrency of at least 1 and a temperature of at "
                f"least 0, not {max_new_tokens}, {self.concurrency} and {temperature}."
            )
        streams = range(len(prompts)) if streams is None else streams
        if len(streams) != len(prompts):
            raise SettingsError(f"{len(prompts)} prompts need as many streams, not {len(streams)}.")
        client = self._client()

        def one(prompt: str, stream: int) -> RemoteSampled:
            messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": prompt}]
            if system is not None:
                messages.insert(0, {"role": "system", "content": system})
            return self._ask(client, messages, max_new_tokens, temperature, _seed(seed, stream))

        with client, ThreadPoolExecutor(self.concurrency) as pool:
            waiting = [pool.submit(one, *pair) for pair in zip(prompts, streams, strict=True)]
            try:
                return [future.result() for future in waiting]
            except BaseException:  # Ctrl-C, too: what has not begun is not sent any more
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _client(self) -> openai.OpenAI:
        try:
            from openai import OpenAI
        except ImportError as error:
            raise MissingExtraError("A model behind a server", "api") from error
        return OpenAI(
            api_key=os.environ.get(_KEY) or _NO_KEY,
            base_url=self.base_url,
            max_retries=self.retries,
            timeout=self.timeout,
        )

    def _ask(
        self,
        client: openai.OpenAI,
        messages: list[ChatCompletionMessageParam],
        max_new_tokens: int,
        temperature: float,
        seed: int,
    ) -> RemoteSampled:
        import openai

        try:
            answer = client.chat.completions.create(
                model=self.name,
                messages=messages,
                max_tokens=max_new_tokens,
                temperature=temperature,
                seed=seed,
            )
        except openai.AuthenticationError as error:
            how = "is not accepted" if os.environ.get(_KEY) else "is missing"
            raise ServerError(
                f"{self.base_url} refuses access: the key in {_KEY} {how}."
            ) from error
        except openai.NotFoundError as error:
            raise ServerError(
                f"{self.base_url} knows no model {self.name!r}, or is not the base of an "
                f"OpenAI-compatible server; {self._known(client)}."
            ) from error
        except openai.RateLimitError as error:
            raise ServerError(
                f"{self.base_url} still limits the rate of requests after {self.retries} retries "
                f"({_said(error)}); lower concurrency (now {self.concurrency}), or try later."
            ) from error
        except openai.APIStatusError as error:
            again = f" after {self.retries} retries" if error.status_code >= 500 else ""
            raise ServerError(
                f"{self.base_url} answered with error {error.status_code}{again}: {_said(error)}."
            ) from error
        except openai.APITimeoutError as error:
            raise ServerError(
                f"{self.base_url} gave no answer within {self.timeout:g} seconds, nor after "
                f"{self.retries} retries; raise timeout, or lower concurrency."
            ) from error
        except openai.APIConnectionError as error:
            raise ServerError(
                f"{self.base_url} cannot be reached ({error.__cause__ or error}); is the server "
                "running, and the address right?"
            ) from error
        except (openai.OpenAIError, ValueError) as error:
            raise self._not_understood(str(error)) from error
        return self._read(answer)

    def _read(self, answer: object) -> RemoteSampled:
        choices = getattr(answer, "choices", None)
        if not choices or getattr(choices[0], "message", None) is None:
            raise self._not_understood(str(answer))
        message = choices[0].message
        refusal = getattr(message, "refusal", None) or ""
        finished = choices[0].finish_reason in {"stop", None}  # some servers leave it out
        return RemoteSampled(message.content or "", finished and not refusal, refusal)

    def _not_understood(self, said: str) -> ServerError:
        return ServerError(
            f"{self.base_url} gave an answer that is not one of an OpenAI-compatible server "
            f"({said[:200]!r}); the base address mostly ends in /v1."
        )

    def _known(self, client: openai.OpenAI) -> str:
        import openai

        try:
            names = [model.id for model in client.with_options(max_retries=0).models.list()]
        except (openai.OpenAIError, ValueError, AttributeError, TypeError):
            names = []
        if not names:
            return "the base address mostly ends in /v1"
        more = ", ..." if len(names) > _LISTED else ""
        return f"its models are {', '.join(names[:_LISTED])}{more}"


def remote_model(name: str) -> RemoteModel:
    """The model that `openai/<model>@<base url>` names.

    Raises:
        SettingsError: the name has another form.
    """
    parsed = parse_name(name)
    if parsed.kind != "openai":
        raise SettingsError(
            f"{name} is not behind a server; such a name is openai/<model>@<base url>."
        )
    return RemoteModel(parsed.target, parsed.url)


def _seed(seed: int, stream: int) -> int:
    """A seed of 31 bits, the most that all servers take; seed 0, stream 1 is not seed 1, stream 0."""
    digest = hashlib.sha256(f"{seed}/{stream}".encode()).digest()
    return int.from_bytes(digest[:4]) >> 1


def _said(error: openai.APIStatusError) -> str:
    """A server's own words."""
    body = error.body
    message = body.get("message") if isinstance(body, dict) else body
    return str(message or error.message).strip().rstrip(".")[:300]
