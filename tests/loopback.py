"""A small real server on loopback that speaks as OpenAI-compatible ones do, for tests."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    """Answers chat completions as `answer` says, which gets the request and its number.

    `answer` gives a status and a body, a dict for JSON or bytes to be sent as they are, and if need be
    headers that go in the place of the usual ones.
    """

    daemon_threads = True

    def __init__(self, answer: Callable[[dict, int], tuple]) -> None:
        """Listen on a free port."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = answer
        self.requests: list[dict] = []
        self.keys: list[str] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """The base address."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server

    def do_POST(self) -> None:
        """A chat completion."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.requests.append(asked)
            self.server.keys.append(self.headers["Authorization"])
            number = len(self.server.requests)
        self.reply(*self.server.answer(asked, number))

    def do_GET(self) -> None:
        """The list of models."""
        self.reply(200, {"object": "list", "data": [{"id": "wolf-7b", "object": "model"}]})

    def reply(self, status: int, body: object, changed: Mapping[str, str] | None = None) -> None:
        """Send a body, as JSON unless it is bytes."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(content)),
            "retry-after-ms": "1",  # the tests need not wait
            **(changed or {}),
        }
        try:
            self.send_response(status)
            for name, value in headers.items():
                if value:
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the client has given up

    def log_message(self, *_: object) -> None:
        """Write nothing."""


def said(text: str | None, *, finish: str | None = "stop", **more: object) -> tuple[int, object]:
    """A completion as servers write it."""
    message = {"role": "assistant", "content": text, **more}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return 200, {
        "id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]
    }  # fmt: skip


@contextmanager
def serving() -> Iterator[Callable[[Callable[[dict, int], tuple]], Server]]:
    """Gives what starts a server that answers as it is told; all are stopped at the end."""
    servers = []

    def start(answer: Callable[[dict, int], tuple[int, object]]) -> Server:
        server = Server(answer)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        servers.append(server)
        return server

    try:
        yield start
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
