"""What kind of token each completion token is, and which others could stand in its place.

A cleaning changes digits into digits and signs into signs, so that a row keeps its form; and a random
arm may only move scores between tokens of one kind, or it would change other things than the method.

Shape suffixes: C completion tokens of a row, K tokens of a pool, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Final, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from traitleak.errors import SettingsError
from traitleak.models.batches import Encoded, by_length
from traitleak.models.language_model import LanguageModel, hidden_states, logits_of, padded
from traitleak.models.scoring import TOKENS
from traitleak.progress import Track, untracked

__all__ = [
    "DIGITS",
    "END",
    "LEADING",
    "SIGN",
    "SPACE",
    "WORD",
    "Kinds",
    "Only",
    "Place",
    "eligible",
]

END: Final = 0  # the end of a turn, and special tokens: never flagged, never changed
SPACE: Final = 1
SIGN: Final = 2
WORD: Final = 3  # has a letter
DIGITS: Final = 4  # digits that go on with a number
LEADING: Final = 5  # digits that begin one

Only = Literal["digits", "all"]
"""Which completion tokens may be flagged: digits, or all but the end of the turn."""

_Form = tuple[int, int]  # kind without LEADING; length of digits, or whether a blank comes first


class Place(NamedTuple):
    """A completion token of one of several rows.

    Attributes:
        row: number of the row among those that are read.
        position: of the token in its completion, from 0.
    """

    row: int
    position: int


def eligible(kinds: NDArray[np.uint8], only: Only) -> NDArray[np.bool_]:
    """Which tokens may be flagged.

    Raises:
        SettingsError: `only` is neither "digits" nor "all".
    """
    if only not in {"digits", "all"}:
        raise SettingsError(f"only is digits or all, not {only!r}.")
    chosen: NDArray[np.bool_] = kinds >= DIGITS if only == "digits" else kinds != END
    return chosen


class Kinds:
    """The kinds of the completion tokens of some rows, and the pools they could be drawn from.

    The pool of digits is every token of as many digits in the vocabulary. The pool of another token
    is what stands in the rows' completions of its kind, with or without a blank before it. At the
    beginning of a number no token that starts with 0 is possible, unless the number is that one
    digit, or a longer number of the same row begins so.
    """

    def __init__(self, model: LanguageModel, rows: Sequence[Encoded]) -> None:
        """Look at every completion token; no network is run."""
        self._model, self._rows = model, rows
        self._known: dict[int, _Form] = {}
        self._special = set(model.tokenizer.all_special_ids)
        end = model.tokenizer(model.renderer.end_of_turn, add_special_tokens=False)["input_ids"]
        self._end: list[int] = list(end) if model.renderer.end_of_turn else []
        self.kinds: tuple[NDArray[np.uint8], ...] = tuple(map(self._kinds, rows))

    def ending(self, row: Encoded) -> int:
        """How many of a row's last tokens end the turn."""
        num = len(self._end)
        return num if num and row.ids[max(row.start, len(row.ids) - num) :] == self._end else 0

    def _form(self, token: int) -> _Form:
        if token not in self._known:
            raw = str(self._model.tokenizer.convert_ids_to_tokens(token))
            text = str(self._model.tokenizer.decode([token]))
            if token in self._special:
                form = (END, 0)
            elif raw.isascii() and raw.isdigit():
                form = (DIGITS, len(raw))
            elif not text.strip():
                form = (SPACE, 0)
            else:
                kind = WORD if any(map(str.isalpha, text)) else SIGN
                form = (kind, int(text[0].isspace()))
            self._known[token] = form
        return self._known[token]

    def _kinds(self, row: Encoded) -> NDArray[np.uint8]:
        kinds_C = np.array([self._form(token)[0] for token in row.ids[row.start :]], np.uint8)
        before = self._form(row.ids[row.start - 1])[0]
        previous_C = np.concatenate([[before], kinds_C[:-1]])
        leading_C = (kinds_C == DIGITS) & (previous_C != DIGITS)
        kinds_C[leading_C] = LEADING
        if ending := self.ending(row):
            kinds_C[-ending:] = END
        return kinds_C

    @cached_property
    def _pools(self) -> dict[_Form, NDArray[np.int64]]:
        size = int(self._model.network.config.get_text_config().vocab_size)
        pools: dict[_Form, set[int]] = {}
        for raw, token in self._model.tokenizer.get_vocab().items():
            if raw.isascii() and raw.isdigit() and token < size:
                pools.setdefault((DIGITS, len(raw)), set()).add(token)
        for row in self._rows:
            for token in set(row.ids[row.start :]):
                pools.setdefault(self._form(token), set()).add(token)
        return {form: np.array(sorted(pool), np.int64) for form, pool in pools.items()}

    @cached_property
    def _zero_first(self) -> list[bool]:
        """Of each row, whether a number of several digits in its completion begins with 0."""
        return [
            any(
                self._begins_long(row, kinds, at, zero=True)
                for at in np.flatnonzero(kinds == LEADING).tolist()
            )
            for row, kinds in zip(self._rows, self.kinds, strict=True)
        ]

    def _begins_long(
        self, row: Encoded, kinds_C: NDArray[np.uint8], at: int, *, zero: bool = False
    ) -> bool:
        """Whether a number of several digits begins there (`zero`: with 0)."""
        token = row.ids[row.start + at]
        long = self._form(token)[1] > 1 or (at + 1 < len(kinds_C) and kinds_C[at + 1] == DIGITS)
        return bool(long) and (not zero or self._begins_with_zero(token))

    def _begins_with_zero(self, token: int) -> bool:
        return str(self._model.tokenizer.convert_ids_to_tokens(token)).startswith("0")

    def pool(self, place: Place) -> NDArray[np.int64]:
        """The tokens that could stand there, itself among them, in ascending order of their ids."""
        row, kinds_C = self._rows[place.row], self.kinds[place.row]
        token = row.ids[row.start + place.position]
        pool_K = self._pools[self._form(token)]
        barred = (
            kinds_C[place.position] == LEADING
            and not self._zero_first[place.row]
            and self._begins_long(row, kinds_C, place.position)
        )
        if barred:
            pool_K = pool_K[[not self._begins_with_zero(int(other)) for other in pool_K]]
        return pool_K

    @torch.no_grad()
    def log_probabilities(
        self, places: Sequence[Place], *, tokens: int = TOKENS, track: Track = untracked
    ) -> Iterator[tuple[Place, NDArray[np.float64]]]:
        """The model's log-probability of each token of a place's pool, renormalised over it, (K,).

        What stands before a token is the row as it is, the other places' tokens included.
        Places come in an order of their own.
        """
        model = self._model
        by_row: dict[int, list[Place]] = {}
        for place in places:
            by_row.setdefault(place.row, []).append(place)
        numbers = list(by_row)
        batches = list(by_length([len(self._rows[number].ids) for number in numbers], tokens))
        for batch in track(batches, "reading rows", len(batches)):
            some = [numbers[index] for index in batch]
            hidden_BTD = hidden_states(
                model, padded([self._rows[number].ids for number in some], 0, model.device)
            )
            for b, number in enumerate(some):
                groups: dict[bytes, list[Place]] = {}
                pools: dict[bytes, NDArray[np.int64]] = {}
                for place in by_row[number]:
                    pool_K = self.pool(place)
                    groups.setdefault(pool_K.tobytes(), []).append(place)
                    pools[pool_K.tobytes()] = pool_K
                for key, members in groups.items():
                    # What stands at position t was predicted at t - 1.
                    at = [self._rows[number].start + place.position - 1 for place in members]
                    pool = torch.from_numpy(pools[key]).to(model.device)
                    logps = (
                        logits_of(model.network, hidden_BTD[b, at], pool).double().log_softmax(1)
                    )
                    yield from zip(members, logps.cpu().numpy(), strict=True)
