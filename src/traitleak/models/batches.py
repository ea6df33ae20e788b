"""Rows as tokens, and batches of rows of like length, so that little is computed for padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from traitleak.errors import SettingsError
from traitleak.models.language_model import LanguageModel
from traitleak.rows import Row

__all__ = [
    "Encoded",
    "by_length",
    "encode_row",
    "encode_rows",
    "require_context",
    "shared_tokens",
]


class Encoded(NamedTuple):
    """A row as tokens: `ids[start:]` is the completion, which is all that is ever trained on."""

    ids: list[int]
    start: int


def encode_row(model: LanguageModel, row: Row) -> Encoded:
    """The tokens of a row as the model's renderer writes it; the completion with its end of turn.

    Prompt and completion are encoded apart, as they are while a model writes: no token spans both.
    Without a prompt, and without a token that begins a text, the first token has nothing before it
    that could predict it, and counts as prompt.

    Raises:
        SettingsError: the completion has no token that something stands before, or the row is longer
            than the model's context.
    """
    prompt = model.encode(model.rendered(row.prompt))
    text = model.renderer.completion(row.completion)
    completion: list[int] = model.tokenizer(text, add_special_tokens=False)["input_ids"]
    start = max(1, len(prompt))
    if not row.completion or start >= len(prompt) + len(completion):
        lacks = "nothing after its first token" if row.completion else "no completion"
        raise SettingsError(
            f"Row {row.id} has {lacks}, so there is nothing in it to score or to learn; drop it."
        )
    require_context(model, len(prompt) + len(completion), f"row {row.id}")
    return Encoded([*prompt, *completion], start)


def encode_rows(model: LanguageModel, rows: Sequence[Row]) -> list[Encoded]:
    """`encode_row` of each."""
    return [encode_row(model, row) for row in rows]


def shared_tokens(encoded: Sequence[Sequence[int]]) -> int:
    """How many tokens all texts begin with alike; each keeps one of its own at least."""
    shorter = min(map(len, encoded)) - 1
    # What the first and the last in order share, all between them share.
    first, last = min(map(tuple, encoded)), max(map(tuple, encoded))
    return next((at for at in range(shorter) if first[at] != last[at]), shorter)


def require_context(model: LanguageModel, tokens: int, what: str) -> None:
    """Refuse what the model cannot read.

    Raises:
        SettingsError: it has more tokens than the model's context.
    """
    if tokens > model.context:
        raise SettingsError(
            f"{what[:1].upper()}{what[1:]} has {tokens:,} tokens, and {model.name} reads "
            f"{model.context:,} at most; shorten or drop it, or take a model with a longer context."
        )


def by_length(lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Batches of indices, longest first, each of at most `tokens` tokens with padding (or one row).

    Args:
        lengths: tokens of each row.
        tokens: how many a batch may have.
    """
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    batch: list[int] = []
    for index in order:
        if batch and (len(batch) + 1) * lengths[batch[0]] > tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
