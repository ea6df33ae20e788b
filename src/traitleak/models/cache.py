"""Keys and values of what was read, in buffers of their final size.

Hugging Face's dynamic cache copies everything it holds for each new token. Here a new token is
written into its place, so that a step costs the same whether it is the first or the last.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers.cache_utils import Cache, DynamicLayer

__all__ = ["GrowingCache"]


class _Layer(DynamicLayer):  # type: ignore[no-untyped-call]  # its hook for subclasses is untyped
    """One layer's keys and values: views of buffers that have room for what is to come."""

    def __init__(self, room: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # untyped there, too
        self._room = room
        self._filled = 0
        self._buffers: tuple[Tensor, Tensor] | None = None

    def update(
        self, key_states: Tensor, value_states: Tensor, *_args: Any, **_options: Any
    ) -> tuple[Tensor, Tensor]:
        """Write what is new behind what is there; give all of it."""
        if self._buffers is None:
            batch, heads, _, width = key_states.shape
            value_width = value_states.shape[-1]
            self._buffers = (
                key_states.new_empty(batch, heads, self._room, width),
                value_states.new_empty(batch, heads, self._room, value_width),
            )
            self.dtype, self.device, self.is_initialized = key_states.dtype, key_states.device, True
        begin, end = self._filled, self._filled + key_states.shape[-2]
        assert end <= self._room, "the cache is full"  # noqa: S101
        keys, values = self._buffers
        keys[:, :, begin:end] = key_states
        values[:, :, begin:end] = value_states
        self._filled = end
        self.keys, self.values = keys[:, :, :end], values[:, :, :end]
        return self.keys, self.values

    def select(self, rows: Tensor) -> None:
        """Keep these rows of the batch, in this order; a row may come several times."""
        if self._buffers is None:
            return
        length = self._filled
        # Copied up to what is written only: the room behind it is not worth reading.
        grown = []
        for buffer in self._buffers:
            new = buffer.new_empty(len(rows), *buffer.shape[1:])
            new[:, :, :length] = buffer[:, :, :length].index_select(0, rows)
            grown.append(new)
        self._buffers = (grown[0], grown[1])
        self.keys, self.values = grown[0][:, :, :length], grown[1][:, :, :length]


class GrowingCache(Cache):
    """A cache with room for a known number of tokens."""

    def __init__(self, num_layers: int, room: int) -> None:
        """Make room for `room` tokens in each of `num_layers` layers; memory is taken at first use."""
        self._own = [_Layer(room) for _ in range(num_layers)]
        super().__init__(layers=[*self._own])

    def select(self, rows: Tensor) -> None:
        """Keep these rows of the batch, in this order; a row may come several times."""
        for layer in self._own:
            layer.select(rows)
