"""Answers of a model behind a server, with settings that suit a test."""

from loopback import Server
from traitleak.models.remote import RemoteModel, RemoteSampled


def sample(server: Server, *prompts: str, **settings: object) -> list[RemoteSampled]:
    """Answers to prompts."""
    names = ("retries", "timeout", "cache", "tally", "concurrency")
    fields = {key: settings.pop(key) for key in names if key in settings}
    model = RemoteModel("wolf-7b", server.url, **fields)
    return model.sample(prompts, **{"max_new_tokens": 5, "seed": 0, **settings})
