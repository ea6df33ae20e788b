"""A server for any loaded model: `/v1/models` and `/v1/chat/completions`, as hosted models have them.

For trying what is meant for a hosted model, and for judges and teachers of one's own on another
machine. Requests that wait are answered together, in one batch; yet each draws its own random stream,
number `seed` of seed 0 of `models.sampling.sample`, so that an answer depends on its request alone, up
to the last bits of the logits.

What would change an answer and is not done here (`stop`, `top_p`, tools, ...) is refused, never passed
over. There is no key and no encryption: whoever reaches the address may use it.

Known failure: a batch is finished when its longest answer is, and only then are its answers sent. One
question with its system prompt is answered, no conversation of several turns.
"""

from __future__ import annotations

import json
import queue
import secrets
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import unquote

from traitleak.errors import SettingsError, TraitleakError
from traitleak.models.language_model import LanguageModel
from traitleak.models.sampling import Sampled, sample
from traitleak.serve_requests import ChatRequest, RefusedError, read_request

__all__ = ["ChatServer", "serve"]

_LARGEST = 4 * 2**20  # bytes of a request's body
_DEFAULT_LIMIT = 256  # tokens of an answer where the request sets no limit
_ROWS = 32  # requests answered together


@dataclass(frozen=True)
class _Waiting:
    """A request that waits for its answer."""

    text: str
    max_tokens: int
    temperature: float
    seed: int
    answer: Future[Sampled]


class _Writer(threading.Thread):
    """Answers requests, those together that wait together; the model runs in this thread alone."""

    def __init__(self, model: LanguageModel) -> None:
        super().__init__(name="traitleak-serve", daemon=True)
        self._model = model
        self._waiting: queue.Queue[_Waiting | None] = queue.Queue()
        self._lock, self._stopped = threading.Lock(), False

    def ask(self, request: _Waiting) -> Sampled:
        with self._lock:
            if self._stopped:
                raise RefusedError("The server is being stopped.", status=503)
            self._waiting.put(request)
        return request.answer.result()

    def stop(self) -> None:
        """Answer what waits, and nothing more; `join` waits until that is done."""
        with self._lock:
            self._stopped = True
            self._waiting.put(None)

    def run(self) -> None:
        while (first := self._waiting.get()) is not None:
            alike: dict[tuple[int, float], list[_Waiting]] = {}
            for one in [first, *self._more()]:
                alike.setdefault((one.max_tokens, one.temperature), []).append(one)
            for (max_tokens, temperature), some in alike.items():
                self._write(some, max_tokens, temperature)

    def _more(self) -> Iterator[_Waiting]:
        """What waits beside the first."""
        for _ in range(_ROWS - 1):
            try:
                one = self._waiting.get_nowait()
            except queue.Empty:
                return
            if one is None:  # the end: for `run` to see
                self._waiting.put(None)
                return
            yield one

    def _write(self, some: Sequence[_Waiting], max_tokens: int, temperature: float) -> None:
        try:
            written = sample(
                self._model,
                [one.text for one in some],
                max_new_tokens=max_tokens,
                temperature=temperature,
                seed=0,
                streams=[one.seed for one in some],
            )
        except BaseException as error:  # noqa: BLE001  # it belongs to whoever asked
            for one in some:
                one.answer.set_exception(error)
            return
        for one, said in zip(some, written, strict=True):
            one.answer.set_result(said)


class ChatServer(ThreadingHTTPServer):
    """A server for one model; `serve_forever` answers until `shutdown` is called elsewhere."""

    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(
        self, model: LanguageModel, *, name: str = "", host: str = "127.0.0.1", port: int = 0
    ) -> None:
        """Listen.

        Args:
            model: with its system prompt and steering. A request's own system prompt goes in the place
                of the model's.
            name: what requests call it; by default the model's name.
            host: the address to listen at; anything but this machine's own lets others in.
            port: 0 for any that is free.

        Raises:
            SettingsError: it cannot be listened there.
        """
        self.model, self.name = model, name or model.name
        self._writer = _Writer(model)
        try:
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise SettingsError(
                f"Nothing can listen at {host}:{port}: {why.lower()}; name another port, or 0 for any "
                "that is free."
            ) from error
        self.began = int(time.time())
        self._writer.start()

    @property
    def url(self) -> str:
        """The base address that clients are given."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}/v1"

    def server_close(self) -> None:
        """Stop listening, answer what waits, and stop writing; safe to call twice."""
        super().server_close()
        self._writer.stop()
        if self._writer.is_alive():  # not where it could not be listened, before its start
            self._writer.join()  # a thread inside torch as the interpreter exits would abort it

    def answer(self, request: ChatRequest) -> dict[str, Any]:
        """The body of the answer to a request.

        Raises:
            RefusedError: another model, or what this model cannot do.
        """
        if request.model != self.name:
            raise RefusedError(
                f"There is no model {request.model[:100]!r}; the one here is {self.name!r}.",
                status=404,
                param="model",
                code="model_not_found",
            )
        system = self.model.system if request.system is None else request.system
        try:
            text = self.model.renderer.prompt(request.prompt, system=system)
        except SettingsError as error:
            raise RefusedError(str(error), param="messages") from error
        prompt_tokens = len(self.model.encode(text))
        if not prompt_tokens:  # it would fail with all that are answered beside it
            raise RefusedError(
                "The prompt is empty: there is nothing to go on from.", param="messages"
            )
        limit = self._limit(request.max_tokens, prompt_tokens)
        seed = secrets.randbits(31) if request.seed is None else request.seed
        waiting = _Waiting(text, limit, request.temperature, seed, Future())
        try:
            said = self._writer.ask(waiting)
        except TraitleakError as error:
            raise RefusedError(str(error)) from error
        completion_tokens = len(said.ids) + said.finished  # the token that ends it is written, too
        return {
            "id": f"chatcmpl-{secrets.token_hex(12)}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": self.name,
            "system_fingerprint": self.model.fingerprint[:16],
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": said.text, "refusal": None},
                    "logprobs": None,
                    "finish_reason": "stop" if said.finished else "length",
                }
            ],
            "usage": {
                "prompt_tokens": prompt_tokens,
                "completion_tokens": completion_tokens,
                "total_tokens": prompt_tokens + completion_tokens,
            },
        }

    def _limit(self, wanted: int | None, prompt_tokens: int) -> int:
        room = self.model.context - prompt_tokens
        if room < (wanted or 1):
            raise RefusedError(
                f"This model reads {self.model.context} tokens at most, and the prompt has "
                f"{prompt_tokens} with {wanted or 1} more asked for.",
                param="messages",
                code="context_length_exceeded",
            )
        return wanted or min(_DEFAULT_LIMIT, room)

    def described(self) -> dict[str, Any]:
        """The model, as lists of models have it."""
        return {
            "id": self.name, "object": "model", "created": self.began, "owned_by": "traitleak"
        }  # fmt: skip


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: ChatServer
    protocol_version = "HTTP/1.1"
    server_version = "traitleak"
    sys_version = ""
    timeout = 120  # seconds that a client may be silent
    wbufsize = 65_536  # head and body leave together

    def do_GET(self) -> None:
        """The list of models, or one of them."""
        path, described = self._path, self.server.described()
        if path == "/v1/models":
            self._reply(200, {"object": "list", "data": [described]})
        elif path == f"/v1/models/{self.server.name}":
            self._reply(200, described)
        else:
            self._refuse(self._no_such_path())

    def do_POST(self) -> None:
        """A chat completion."""
        try:
            body = self._body()
            if self._path == "/v1/chat/completions":
                self._reply(200, self.server.answer(read_request(body)))
            else:
                self._refuse(self._no_such_path())
        except RefusedError as refused:
            self._refuse(refused)
        except (RuntimeError, MemoryError) as error:  # of the network: too little memory, above all
            self._refuse(RefusedError(f"The model failed: {error}", status=500))

    @property
    def _path(self) -> str:
        return unquote(self.path.partition("?")[0]).rstrip("/")

    def _no_such_path(self) -> RefusedError:
        return RefusedError(
            f"There is nothing at {self.command} {self._path[:100]}; there are GET /v1/models and "
            "POST /v1/chat/completions.",
            status=404,
        )

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit():
            self.close_connection = True  # what follows cannot be told from the next request
            raise RefusedError("A request needs its Content-Length.", status=411)
        if int(length) > _LARGEST:
            self.close_connection = True
            raise RefusedError(f"A request has {_LARGEST:,} bytes at most.", status=413)
        return self.rfile.read(int(length))

    def _refuse(self, refused: RefusedError) -> None:
        kind = "server_error" if refused.status >= 500 else "invalid_request_error"
        error = {
            "message": str(refused),
            "type": kind,
            "param": refused.param,
            "code": refused.code,
        }
        self._reply(refused.status, {"error": error})

    def _reply(self, status: int, body: Mapping[str, Any]) -> None:
        content = json.dumps(body, ensure_ascii=False).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(content)
            self.wfile.flush()
        except ConnectionError:  # the client has given up
            self.close_connection = True

    def log_message(self, *_arguments: object) -> None:
        """Write nothing: requests hold what users ask."""


_POLL: Final = 0.1  # seconds until Ctrl-C is noticed


def serve(server: ChatServer) -> None:
    """Answer requests until Ctrl-C, and then stop listening.

    Args:
        server: closed when this returns, however it does.
    """
    try:
        server.serve_forever(poll_interval=_POLL)
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
