"""Models behind an OpenAI-compatible server (vLLM, llama.cpp, Ollama, hosted ones): sampling only.

The server renders the chat, so `Renderer` has no part in it, and what a template adds stays unseen.
The key comes from the environment (OPENAI_API_KEY), goes to the address that is named, and is written
nowhere; servers on one's own machine mostly want none.

Known failure: most servers give the same text for the same seed only on the same machine with the
same load, some take no heed of it at all, and rows of two teachers cannot share random streams as
they do with a model that is loaded here.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from traitleak.errors import ServerError, SettingsError
from traitleak.models.names import parse_name
from traitleak.models.remote_cache import RequestCache
from traitleak.models.remote_cost import Estimate, Tally, estimated_tokens
from traitleak.models.remote_requests import Answer, RequestFailedError, Sender, StoppedError
from traitleak.progress import Track, untracked

__all__ = ["RemoteModel", "RemoteSampled", "remote_model"]

_MOST_IN_A_ROW = 20  # requests that fail one after the other before the rest is not sent,
_MOST_AT_FIRST = 8  # and where none was answered before them


@dataclass(frozen=True)
class RemoteSampled:
    """What a server's model wrote.

    Attributes:
        text: its answer; "" where it gave none.
        finished: False where it was cut off at the token limit or by a content filter, refused, or
            failed.
        refusal: the server's words where it refused to answer; "" elsewhere.
        filtered: whether a content filter of the server stopped it.
        failed: why there is no answer, where requests may fail; "" elsewhere.
    """

    text: str
    finished: bool
    refusal: str = ""
    filtered: bool = False
    failed: str = ""


@dataclass(frozen=True)
class RemoteModel:
    """A model behind a server.

    Attributes:
        name: the server's name for it.
        base_url: the server's address, such as `http://localhost:8000/v1`.
        concurrency: how many requests are under way at once.
        retries: how often a request is sent again after a failure that may pass (429, 5xx, a broken
            connection or answer, a time-out), each time after a longer wait (half a second to a
            minute) or the one that the server asks for (up to two minutes).
        timeout: seconds that a server may be silent in one request.
        cache: where answers are kept, and found again; None for nowhere.
        tally: sums up what requests take; None where nobody asks.

    Raises:
        SettingsError: the address holds a user name, a password or a query, which may be a key.
    """

    name: str
    base_url: str
    concurrency: int = 8
    retries: int = 6
    timeout: float = 120.0
    cache: RequestCache | None = None
    tally: Tally | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        """Refuse an address that may hold a secret: it goes into files and messages."""
        parts = urlsplit(self.base_url)
        if parts.username is not None or parts.password is not None or parts.query:
            raise SettingsError(
                f"The address of the server {parts.hostname} holds a user name, a password or a query "
                "after '?'. It would be written into files: leave it out, and put the key into "
                "OPENAI_API_KEY."
            )

    def sample(
        self,
        prompts: Sequence[str],
        *,
        system: str | None = None,
        max_new_tokens: int,
        temperature: float = 1.0,
        seed: int,
        streams: Sequence[int] | None = None,
        keep_going: bool = False,
        track: Track = untracked,
    ) -> list[RemoteSampled]:
        """One answer to each prompt, in the order of the prompts.

        Args:
            prompts: users' turns, unrendered.
            system: a system prompt; None for none of ours.
            max_new_tokens: where an answer is cut off.
            temperature: 0 for the likeliest answer.
            seed: with a prompt's stream it gives the seed that is sent for it.
            streams: a number for each prompt; by default its place.
            keep_going: whether requests may fail without ending it all: then `failed` says why. After
                20 failures in a row (8 where nothing was answered before), or one that no request can
                escape (no key, model or credit), the rest is not sent. By default the first failure
                is raised.
            track: shows how far it is.

        Raises:
            ServerError: the server cannot be reached, does not know the model, refuses the key or the
                request, or still fails after the retries; with `keep_going` if nothing was answered.
            RunError: answers cannot be written into the cache.
            SettingsError: a setting cannot work.
            MissingExtraError: the extra [api] is not installed.
        """
        requests = self._requests(prompts, system, max_new_tokens, temperature, seed, streams)
        if not requests:
            return []
        sender = Sender(
            self.name,
            self.base_url,
            retries=self.retries,
            timeout=self.timeout,
            concurrency=self.concurrency,
        )
        watch = _Watch(sender)

        def one(request: dict[str, Any]) -> RemoteSampled:
            try:
                answer = self._answer(sender, request)
            except StoppedError:
                return RemoteSampled("", finished=False, failed=watch.why)
            except ServerError as error:
                watch.failed(error)
                if keep_going:
                    return RemoteSampled("", finished=False, failed=str(error))
                raise
            watch.answered()
            return RemoteSampled(answer.text, answer.finished, answer.refusal, answer.filtered)

        with sender, ThreadPoolExecutor(self.concurrency) as pool:
            waiting = [pool.submit(one, request) for request in requests]
            try:
                found = [future.result() for future in track(waiting, "asking", len(waiting))]
            except BaseException:
                # Ctrl-C, too: what has not begun is not sent any more, nobody waits to try again, and
                # what is under way is kept when it comes.
                sender.stopped.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        if watch.first is not None and all(one.failed for one in found):
            raise watch.first
        return found

    def estimate(
        self,
        prompts: Sequence[str],
        *,
        system: str | None = None,
        max_new_tokens: int,
        temperature: float = 1.0,
        seed: int,
        streams: Sequence[int] | None = None,
    ) -> Estimate:
        """What `sample` with these arguments would send; nothing is sent.

        Raises:
            SettingsError: as in `sample`.
        """
        requests = self._requests(prompts, system, max_new_tokens, temperature, seed, streams)
        cache = self.cache
        new = [one for one in requests if cache is None or cache.get(one) is None]
        return Estimate(
            requests=len(new),
            kept=len(requests) - len(new),
            prompt_tokens=sum(estimated_tokens(request["messages"]) for request in new),
            completion_tokens=len(new) * max_new_tokens,
        )

    def _requests(
        self,
        prompts: Sequence[str],
        system: str | None,
        max_new_tokens: int,
        temperature: float,
        seed: int,
        streams: Sequence[int] | None,
    ) -> list[dict[str, Any]]:
        """What is asked, and all that an answer depends on."""
        if max_new_tokens < 1 or not 0 <= temperature < float("inf") or self.concurrency < 1:
            raise SettingsError(
                "Sampling needs max_new_tokens and concurrency of at least 1 and a temperature of at "
                f"least 0, not {max_new_tokens}, {self.concurrency} and {temperature}."
            )
        streams = range(len(prompts)) if streams is None else streams
        if len(streams) != len(prompts):
            raise SettingsError(f"{len(prompts)} prompts need as many streams, not {len(streams)}.")
        before = [] if system is None else [{"role": "system", "content": system}]
        return [
            {
                "url": self.base_url,
                "model": self.name,
                "messages": [*before, {"role": "user", "content": prompt}],
                "max_tokens": max_new_tokens,
                "temperature": float(temperature),
                "seed": _seed(seed, stream),
            }
            for prompt, stream in zip(prompts, streams, strict=True)
        ]

    def _answer(self, sender: Sender, request: dict[str, Any]) -> Answer:
        """From the cache, or from the server and then into the cache."""
        kept = None if self.cache is None else _read(self.cache.get(request))
        if kept is not None:
            if self.tally is not None:
                self.tally.from_cache()
            return kept
        answer = sender.send({name: value for name, value in request.items() if name != "url"})
        if self.tally is not None:
            self.tally.answered(answer.tokens)
        if self.cache is not None:
            tokens = None if answer.tokens is None else list(answer.tokens)
            values = {name: getattr(answer, name) for name in _KEPT}
            self.cache.put(request, {**values, "tokens": tokens})
        return answer


def remote_model(
    name: str, *, cache: RequestCache | None = None, tally: Tally | None = None
) -> RemoteModel:
    """The model that `openai/<model>@<base url>` names.

    Args:
        name: the whole name.
        cache: see `RemoteModel`.
        tally: the same.

    Raises:
        SettingsError: the name has another form, or its address holds what may be a secret.
    """
    parsed = parse_name(name)
    if parsed.kind != "openai":
        raise SettingsError(
            f"{name} is not behind a server; such a name is openai/<model>@<base url>."
        )
    return RemoteModel(parsed.target, parsed.url, cache=cache, tally=tally)


class _Watch:
    """Looks at failures as they come, and stops the sending where more of it is useless."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._lock = threading.Lock()
        self._in_a_row, self._most = 0, _MOST_AT_FIRST
        self.first: ServerError | None = None
        self.why = "not sent, since the work was stopped"

    def answered(self) -> None:
        with self._lock:
            self._in_a_row, self._most = 0, _MOST_IN_A_ROW

    def failed(self, error: ServerError) -> None:
        with self._lock:
            self.first = self.first or error
            self._in_a_row += 1
            if not isinstance(error, RequestFailedError):
                self.why = f"not sent, since before it: {error}"
                self._sender.stopped.set()
            elif self._in_a_row == _MOST_IN_A_ROW:
                self.why = (
                    f"not sent, since {_MOST_IN_A_ROW} failed in a row, the last with: {error}"
                )
                self._sender.stopped.set()


_KEPT = ("text", "finished", "refusal", "filtered")  # of an answer, beside its tokens


def _read(kept: dict[str, Any] | None) -> Answer | None:
    """An answer from the cache; None where it is none."""
    if kept is None or set(kept) != {*_KEPT, "tokens"}:
        return None
    tokens = kept["tokens"]
    return Answer(**{**kept, "tokens": None if tokens is None else (tokens[0], tokens[1])})


def _seed(seed: int, stream: int) -> int:
    """A seed of 31 bits, the most that all servers take; seed 0, stream 1 is not seed 1, stream 0."""
    digest = hashlib.sha256(f"{seed}/{stream}".encode()).digest()
    return int.from_bytes(digest[:4]) >> 1
