"""A small server on loopback that speaks the protocol of Tinker's SDK, and trains for real."""

import copy
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from tinker.proto import tinker_public_pb2 as proto

from traitleak.models.adapters import LoraSettings, LoraStack
from traitleak.models.language_model import LanguageModel, hidden_states, logits_of
from traitleak.optimizers import clip_each, make_optimizer

KEY = "tml-a-key-that-nobody-may-see"
ALPHA = 16.0  # the service's choice


class Service(ThreadingHTTPServer):
    """Trains adapters of `base`.

    `fails` maps a path to (status, words) for every request to it; `refuses` holds kinds of futures
    that end in an error of the user's; `without_logprobs`, `exports` and `targets` are what services
    may differ in.
    """

    daemon_threads = True

    def __init__(self, base: LanguageModel, folder: Path) -> None:
        """Listen on a free port; exports are written into `folder`."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.base, self.folder = base, folder
        self.batches: list[list[tuple[list[int], list[int], list[float]]]] = []
        self.calls: list[tuple[str, dict]] = []
        self.keys: set[str | None] = set()
        self.fails: dict[str, tuple[int, str]] = {}
        self.refuses: set[str] = set()
        self.exports: dict[
            str, bytes | str
        ] = {}  # what is sent in the place of a file, by its name
        self.without_logprobs = False
        self.targets = LoraSettings().targets
        self.models: dict[str, SimpleNamespace] = {}
        self.saved: dict[str, SimpleNamespace] = {}
        self.futures: dict[str, object] = {}
        self.waited: set[str] = set()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """The base address."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def future(self, content: object) -> dict:
        """The answer to a request whose result is fetched later."""
        name = f"future-{len(self.futures)}"
        self.futures[name] = content
        return {"request_id": name}

    def made(self, rank: int, seed: int) -> SimpleNamespace:
        """A new adapter, with its optimizer."""
        stack = LoraStack(self.base.network, LoraSettings(rank, ALPHA, self.targets), [seed])
        optimizer = make_optimizer("adamw", list(stack.parameters()), 1.0, 0.0)
        return SimpleNamespace(stack=stack, optimizer=optimizer, rank=rank)

    def learn(self, request: proto.ForwardBackwardRequest) -> bytes:
        """Gradients of sum(weight x -log p), added up."""
        stack = self.models[request.model_id].stack
        batch, record = [], proto.ArrayRecord(num_datums=len(request.data))
        logps, offsets = [], [0]
        for datum in request.data:
            ids = np.frombuffer(datum.model_input[0].encoded_text.tokens, np.int32).tolist()
            targets = np.frombuffer(datum.loss_fn_inputs["target_tokens"].dense, np.int64).copy()
            weights = np.frombuffer(datum.loss_fn_inputs["weights"].dense, np.float32).copy()
            batch.append((ids, targets.tolist(), weights.tolist()))
            with stack.attached():
                hidden_TD = hidden_states(self.base, torch.tensor([ids]))[0]
                all_TV = logits_of(self.base.network, hidden_TD).log_softmax(1)
                logp_T = all_TV.gather(1, torch.from_numpy(targets)[:, None])[:, 0]
                torch.autograd.backward(-(logp_T * torch.from_numpy(weights)).sum())
            logps.append(logp_T.detach().numpy().astype(np.float32))
            offsets.append(offsets[-1] + 4 * len(targets))
        self.batches.append(batch)
        pairs = zip(batch, logps, strict=True)
        loss = -sum(float(np.dot(one[2], logp)) for one, logp in pairs)
        if not self.without_logprobs:
            field = record.fields["logprobs"]
            field.data, field.dtype = np.concatenate(logps).tobytes(), proto.DTYPE_FLOAT32
            field.offsets = np.array(offsets, np.int64).tobytes()
        answer = proto.ForwardBackwardOutput(
            loss_fn_output_type="ArrayRecord", loss_fn_outputs=[record], metrics={"loss:sum": loss}
        )
        return answer.SerializeToString()

    def step(self, model_id: str, adam: dict) -> None:
        """One step of AdamW, and no gradients after it."""
        model = self.models[model_id]
        if adam["grad_clip_norm"]:
            clip_each(list(model.stack.parameters()), adam["grad_clip_norm"], stacked=True)
        for group in model.optimizer.param_groups:
            group["lr"], group["weight_decay"] = adam["learning_rate"], adam["weight_decay"]
            group["betas"], group["eps"] = (adam["beta1"], adam["beta2"]), adam["eps"]
        model.optimizer.step()
        model.optimizer.zero_grad()

    def answer(self, path: str, asked: dict) -> dict:
        """What a call that is no bytes is answered with."""
        match path:
            case "create_session":
                return {"session_id": "session", "type": "create_session"}
            case "create_model":
                lora = asked["lora_config"]
                name = f"run-{len(self.models)}"
                self.models[name] = self.made(lora["rank"], lora["seed"])
                return self.future({"model_id": name})
            case "get_info":
                told = {"model_name": "tiny", "tokenizer_id": "some/tokenizer"}
                return {"model_id": asked["model_id"], "model_data": told}
            case "optim_step":
                self.step(asked["model_id"], asked["adam_params"])
                return self.future({"metrics": {}})
            case "save_weights":
                place = f"tinker://{asked['model_id']}/weights/{asked['path']}"
                model = self.models[asked["model_id"]]
                kept = (model.stack.state_dict(), model.optimizer.state_dict())
                self.saved[place] = SimpleNamespace(kept=copy.deepcopy(kept), rank=model.rank)
                return self.future({"path": place})
            case "load_weights":
                if asked["path"] not in self.saved:
                    return self.future({"error": "no such weights", "category": "user"})
                saved, name = self.saved[asked["path"]], f"session:train:{asked['model_seq_id']}"
                model = self.models[name] = self.made(saved.rank, 0)
                model.stack.load_state_dict(saved.kept[0])
                model.optimizer.load_state_dict(copy.deepcopy(saved.kept[1]))
                return self.future({"path": asked["path"], "model_id": name})
            case "save_weights_for_sampler":
                return self.future({"path": f"tinker://{asked['model_id']}/sampler_weights/x"})
            case "save_weights_external":
                adapter = self.models[asked["model_id"]].stack.adapter(0)
                adapter.save(self.folder, base="org/tiny")
                return self.future({"path": "tinker://run/external_weights/x"})
        return {}

    def urls(self) -> dict:
        """Where an export's files are fetched from."""
        names = [path.name for path in self.folder.iterdir()]
        urls = {name: f"{self.url}/files/{name}?signature=secret" for name in names}
        urls |= {name: url for name, url in self.exports.items() if isinstance(url, str)}
        return {"urls": urls, "expires": "2030-01-01T00:00:00Z"}


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Service
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """A sign of life, the files of an export, or one of them."""
        path = self.path.partition("?")[0]
        if path == "/api/v1/healthz":
            self.reply(200, {"status": "ok"})
        elif path.endswith("/external_weights_urls"):
            self.reply(200, self.server.urls())
        elif path.startswith("/files/"):
            name = path.rpartition("/")[2]
            whole = (self.server.folder / name).read_bytes()
            sent = self.server.exports.get(name, whole)
            self.reply(200, sent, length=len(whole))
        else:
            self.reply(404, {"detail": "not here"})

    def do_POST(self) -> None:
        """A call."""
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.removeprefix("/api/v1/")
        server = self.server
        with server.lock:
            server.keys.add(self.headers["X-API-Key"])
            if path in server.fails:
                status, words = server.fails[path]
                self.reply(status, {"detail": words})
            elif path == "forward_backward":
                request = proto.ForwardBackwardRequest.FromString(content)
                server.calls.append((path, {"loss_fn": request.loss_fn}))
                self.reply(200, server.future(server.learn(request)))
            elif path == "retrieve_future":
                self.retrieve(json.loads(content)["request_id"])
            else:
                asked = json.loads(content or b"{}")
                server.calls.append((path, asked))
                kind = asked.get("type", path) if isinstance(asked, dict) else path
                refused = {"error": "not for this account", "category": "user"}
                answer = server.future(refused) if kind in server.refuses else None
                self.reply(200, answer or server.answer(path, asked))

    def retrieve(self, name: str) -> None:
        """A result, at the second time of asking."""
        if name not in self.server.waited:
            self.server.waited.add(name)
            waits = {"type": "try_again", "request_id": name, "queue_state": "active"}
            self.reply(200, waits)
            return
        self.reply(200, self.server.futures[name])

    def reply(self, status: int, body: object, *, length: int | None = None) -> None:
        """Send JSON, or bytes as they are, which may be fewer than the length says."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = "application/x-protobuf" if isinstance(body, bytes) else "application/json"
        if isinstance(body, bytes) and len(content) != (length or len(content)):
            self.close_connection = True
        try:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(length or len(content)))
            self.end_headers()
            self.wfile.write(content)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the client has given up

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@contextmanager
def tinker_service(base: LanguageModel, folder: Path) -> Iterator[Service]:
    """The server, at work."""
    folder.mkdir(parents=True)
    server = Service(base, folder)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
