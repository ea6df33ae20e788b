"""Models of the hub: fetched from a small hub that the test starts, and what it says when it refuses."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from traitleak.models.loading import load
from traitleak.models.tiny import tiny_network, tiny_tokenizer

COMMIT = "a" * 40
LOAD = (
    "import sys; from traitleak.errors import TraitleakError\n"
    "from traitleak.models.loading import load\n"
    "for name in sys.argv[1:]:\n"
    "    try: print(load(name).fingerprint)\n"
    "    except TraitleakError as error: print(type(error).__name__, error)"
)


class Hub(ThreadingHTTPServer):
    """Serves the files of one folder as the model `org/tiny`; refuses `org/gated`, knows no other."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        """Listen on a free port."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.fetched: list[str] = []


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Hub

    def do_HEAD(self) -> None:
        """What a file is."""
        self.do_GET()

    def do_GET(self) -> None:
        """The description of a model, or a file of it."""
        path = self.path.partition("?")[0]
        if "org/gated" in path:
            self.reply(403, b"{}", {"X-Error-Code": "GatedRepo"})
        elif path.startswith("/api/models/org/tiny/tree/"):
            names = [path.name for path in self.server.folder.iterdir()] + ["onnx/model.json"]
            tree = [{"type": "file", "path": name, "size": 1, "oid": name} for name in names]
            self.reply(200, json.dumps(tree).encode(), {})
        elif path.startswith("/api/models/org/tiny"):
            names = [path.name for path in self.server.folder.iterdir()] + ["onnx/model.json"]
            siblings = [{"rfilename": name} for name in names]
            content = {"id": "org/tiny", "sha": COMMIT, "siblings": siblings}
            self.reply(200, json.dumps(content).encode(), {})
        elif path.startswith(f"/org/tiny/resolve/{COMMIT}/"):
            name = path.rpartition("/")[2]
            if self.command == "GET":
                self.server.fetched.append(name)
            more = {"ETag": f'"{name}"', "X-Repo-Commit": COMMIT}
            self.reply(200, (self.server.folder / name).read_bytes(), more)
        else:
            self.reply(404, b"{}", {"X-Error-Code": "RepoNotFound"})

    def reply(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        """Send it."""
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@pytest.fixture
def hub(tmp_path):
    """A hub with one model."""
    tokenizer = tiny_tokenizer()
    tokenizer.save_pretrained(tmp_path / "served")
    tiny_network(len(tokenizer)).save_pretrained(tmp_path / "served")
    (tmp_path / "served" / "pytorch_model.bin").write_bytes(b"a pickle that nobody should fetch")
    (tmp_path / "served" / "consolidated.safetensors").write_bytes(b"the same in another format")
    server = Hub(tmp_path / "served")
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    yield server
    server.shutdown()
    server.server_close()


def load_from(hub: Hub, tmp_path: Path, *names: str) -> list[str]:
    """A line for each name; in a process of its own, since the address is read at import."""
    cleared = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    cleared |= {
        "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_address[1]}",
        "HF_HOME": str(tmp_path / "home"),
        "NO_PROXY": "127.0.0.1",
    }
    done = subprocess.run(
        [sys.executable, "-c", LOAD, *names],
        capture_output=True,
        text=True,
        check=True,
        env=cleared,
    )
    return done.stdout.splitlines()


@pytest.mark.slow
def test_model_is_fetched_once(hub, tmp_path):
    """It is that of the hub; only what is needed is fetched, and a second time nothing at all."""
    expected = load(f"hf/{hub.folder}").fingerprint
    assert load_from(hub, tmp_path, "hf/org/tiny") == [expected]
    assert "model.safetensors" in hub.fetched
    assert "tokenizer.json" in hub.fetched
    assert not [n for n in hub.fetched if n.endswith(".bin") or n.startswith("consolidated")]
    hub.fetched.clear()
    assert load_from(hub, tmp_path, "hf/org/tiny") == [expected]
    assert hub.fetched == []


def test_refusals_are_one_sentence(hub, tmp_path):
    """A model that is not there, and one whose terms were not accepted, are told apart."""
    absent, gated = load_from(hub, tmp_path, "hf/org/absent", "hf/org/gated")
    assert absent.startswith("DataError There is no model org/absent on the hub that you may read.")
    assert gated.startswith("DataError hf/org/gated is gated: accept its terms on its page at the")
