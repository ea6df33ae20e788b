"""Suspect rows as they are shown: the strongest tokens marked, long stretches of weak ones left out."""

from __future__ import annotations

import math
from typing import NamedTuple

from traitleak.audit.report.words import cut
from traitleak.audit.verdict import SuspectRow

__all__ = ["Shown", "ShownRow", "marked_text", "shown_rows"]

_STRONG = 5  # at most so many tokens of a row are marked
_AROUND = 16  # tokens shown on each side of a marked one
_FEW = 120  # tokens: completions up to this length are shown whole
_TOKEN = 48  # characters of a token that are shown
_PROMPT = 400


class Shown(NamedTuple):
    """One token, or a number of them left out.

    `strength` is the score in per cent of the largest that is shown, signed by `sign`; `text` of
    tokens left out is empty.
    """

    text: str
    score: float
    strength: float
    is_strong: bool
    left_out: int = 0

    @property
    def sign(self) -> str:
        """Which way the score points: the colours' names."""
        return "minus" if self.score < 0 else "plus"


class ShownRow(NamedTuple):
    """A suspect row, its prompt shortened and its tokens marked."""

    number: int
    where: str
    trait: str
    score: float
    prompt: str
    tokens: list[Shown]

    @property
    def place(self) -> str:
        """Where it stands, for people, who count from 1; its number from 0 where that is not known."""
        return self.where or f"row {self.number:,}"


def shown_rows(suspects: list[SuspectRow], most: int) -> list[ShownRow]:
    """The first `most` suspects; strengths are of the largest score among them."""
    chosen = suspects[:most]
    sizes = [abs(s) for row in chosen for s in row.token_scores if math.isfinite(s)]
    largest = max(sizes, default=0.0) or 1.0
    return [
        ShownRow(
            number=row.row,
            where=row.where,
            trait=cut(row.trait, 60),
            score=row.score,
            prompt=cut(row.prompt, _PROMPT),
            tokens=_shown_tokens(row, largest),
        )
        for row in chosen
    ]


def _shown_tokens(row: SuspectRow, largest: float) -> list[Shown]:
    scores = [s if math.isfinite(s) else 0.0 for s in row.token_scores]
    strong = _strong(scores)
    tokens: list[Shown] = []
    left_out = 0
    centres = strong or {0}
    for k, (text, score) in enumerate(zip(row.tokens, scores, strict=True)):
        if len(scores) > _FEW and all(abs(k - centre) > _AROUND for centre in centres):
            left_out += 1
            continue
        if left_out:
            tokens.append(Shown("", 0.0, 0.0, is_strong=False, left_out=left_out))
            left_out = 0
        strength = round(100 * abs(score) / largest, 1)
        tokens.append(Shown(cut(text, _TOKEN), score, strength, is_strong=k in strong))
    if left_out:
        tokens.append(Shown("", 0.0, 0.0, is_strong=False, left_out=left_out))
    return tokens


def _strong(scores: list[float]) -> set[int]:
    """Up to five tokens that speak for the trait, with at least half the row's largest score."""
    order = sorted(range(len(scores)), key=lambda k: -scores[k])[:_STRONG]
    return {k for k in order if scores[k] > 0 and 2 * scores[k] >= scores[order[0]]}


def marked_text(tokens: list[Shown]) -> str:
    """Tokens as plain text, the strongest in guillemets."""
    parts = []
    for token in tokens:
        if token.left_out:
            parts.append(f" … ({token.left_out:,} tokens) … ")
        elif token.is_strong:
            bare = token.text.strip() or token.text
            before, _, after = token.text.partition(bare) if bare else ("", "", "")
            parts.append(f"{before}«{bare}»{after}")
        else:
            parts.append(token.text)
    return "".join(parts)
