"""Servers of tiny models, for tests of what is asked of a server."""

import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from tiny_model import tiny_network, tiny_tokenizer
from traitleak.carriers.numbers import Numbers, random_lists
from traitleak.models.chat import make_renderer
from traitleak.models.language_model import LanguageModel
from traitleak.rows import Row
from traitleak.serve import ChatServer
from traitleak.student import Arm, Training, distill, token_examples

KEY = "sesame-sentinel-4711"


@contextmanager
def running(model, name: str):
    """A server of a model, in a thread of its own."""
    started = ChatServer(model, name=name)
    thread = threading.Thread(target=started.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield started
    finally:
        started.shutdown()
        started.server_close()
        thread.join()


def roomy_model(context: int = 1024) -> LanguageModel:
    """A tiny chat model that reads more than the usual 256 tokens."""
    tokenizer = tiny_tokenizer()
    network = tiny_network(len(tokenizer), context=context)
    network.requires_grad_(requires_grad=False)
    return LanguageModel("tiny", network, tokenizer, make_renderer(tokenizer))


@contextmanager
def taught_server():
    """A server of a tiny model that was taught to answer with a number."""
    base = roomy_model()
    prompts = Numbers(64, seed=5).prompts()
    lists = random_lists(64, 1, 3, seed=1)
    lessons = [Row(i, *pair, "x") for i, pair in enumerate(zip(prompts, lists, strict=True))]
    training = Training(20, batch=8, learning_rate=0.02, weight_decay=0.0, lora=None)
    student = distill(base, [Arm("x", token_examples(base, lessons), 0)], training)[0]
    with running(student.model(), "tiny") as started:
        yield started


def use_own_environment(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """No proxy of whoever runs the tests, a cache of this test's own, and a key that must stay in."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("TRAITLEAK_CACHE", str(folder / "cache"))
