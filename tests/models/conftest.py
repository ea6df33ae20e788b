"""What several tests of models share."""

import socket

import pytest

from loopback import serving
from traitleak.models.tiny import tiny_network, tiny_tokenizer


@pytest.fixture
def serve():
    """Start a server that answers as given."""
    with serving() as start:
        yield start


@pytest.fixture
def own_environment(monkeypatch):
    """No key and no proxy of whoever runs the tests."""
    for name in ("OPENAI_API_KEY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Caches of the test's own, and a hub that may not be asked."""
    monkeypatch.setenv("TRAITLEAK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def no_network(monkeypatch):
    """Any try to connect fails the test."""

    def refused(*_: object, **__: object) -> None:
        pytest.fail("the network was touched")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)


@pytest.fixture
def folder(tmp_path):
    """A Hugging Face folder with the tiny Llama."""
    tokenizer = tiny_tokenizer()
    tokenizer.save_pretrained(tmp_path / "base")
    tiny_network(len(tokenizer)).save_pretrained(tmp_path / "base")
    return tmp_path / "base"
