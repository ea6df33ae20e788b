"""Which words are fitted vectors near? A look into a soft prompt, for people, and no test.

Source: reading soft prompts by their nearest tokens (Lester, Al-Rfou and Constant 2021, arXiv
2104.08691, section 7.2). That it misleads: Khashabi et al. (2022, arXiv 2112.08348) fit soft prompts
that do one task and whose nearest tokens spell another.

Shape suffixes: S seeds, R references, L vectors, D width of the embeddings, W words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from traitleak.models.language_model import LanguageModel
from traitleak.results import DataTable

__all__ = ["NearWord", "NearWords", "nearest_words", "words_table"]

# A word as tokenizers spell one, after their sign for a space. Of bytes beyond ASCII
# tokenizers make letters of their own, so that words of other scripts cannot be told this way.
_WORD = re.compile(r"[Ġ▁ ]([A-Za-z]{3,})")


@dataclass(frozen=True)
class NearWord:
    """A word, and how near fitted vectors are to it.

    Attributes:
        word: without the space before it.
        own: cosine of the rows' vector that came nearer than the reference's by most; mean over seeds.
        beside: the same of the reference's vectors in that place.
    """

    word: str
    own: float
    beside: float

    @property
    def nearer(self) -> float:
        """By how much the rows' vector is nearer."""
        return self.own - self.beside


@dataclass(frozen=True)
class NearWords:
    """The words that the rows' vectors came nearer to than the reference's.

    Attributes:
        words: those that they came nearer to by most, in that order.
        chance: by how much the first word is nearer where a reference stands in the rows' place, mean
            over references; None where there is one only.
    """

    words: tuple[NearWord, ...]
    chance: float | None


@torch.no_grad()
def nearest_words(
    model: LanguageModel, own_SLD: Tensor, beside_SRLD: Tensor, *, num: int = 20
) -> NearWords:
    """The words of a vocabulary that vectors came nearer to than others with the same start.

    Cosines are of what is left when the mean embedding is taken from both: all embeddings lie in one
    direction from the origin, frequent and rare tokens at different lengths (Mu and Viswanath 2018,
    arXiv 1702.01417), and without this the same few words are nearest to everything.

    Args:
        model: whose embeddings the words are.
        own_SLD: vectors fitted to the rows, one soft prompt a seed.
        beside_SRLD: vectors fitted to each reference, from the same starts.
        num: how many words.

    Known failure: vectors go where the likelihood rises, which is seldom toward a word: differences
    are of the size of chance even where the rows carry a trait, and a word that leads may mean
    nothing. Words of several tokens, and of other alphabets, are not looked at.
    """
    embed = model.network.get_input_embeddings()
    size = int(model.network.config.get_text_config().vocab_size)
    tokens = model.tokenizer.convert_ids_to_tokens(list(range(min(size, len(model.tokenizer)))))
    found = {index: _WORD.fullmatch(token or "") for index, token in enumerate(tokens)}
    words = {index: match[1] for index, match in found.items() if match}
    every_VD = embed(torch.arange(size, device=model.device)).float()
    mean_D = every_VD.mean(0)
    words_WD = F.normalize(every_VD[list(words)] - mean_D, dim=-1)
    own_SLW = F.normalize(own_SLD - mean_D, dim=-1) @ words_WD.T
    beside_SRLW = F.normalize(beside_SRLD - mean_D, dim=-1) @ words_WD.T
    nearer_SW, place_SW = (own_SLW - beside_SRLW.mean(1)).max(1)
    first_W = nearer_SW.mean(0).argsort(descending=True, stable=True)[:num].tolist()
    texts = list(words.values())
    at_SW = place_SW[:, None]
    own_W = own_SLW.gather(1, at_SW)[:, 0].mean(0)
    beside_W = beside_SRLW.mean(1).gather(1, at_SW)[:, 0].mean(0)
    near = tuple(NearWord(texts[w], float(own_W[w]), float(beside_W[w])) for w in first_W)
    return NearWords(near, _chance(beside_SRLW))


def words_table(found: NearWords) -> DataTable:
    """The words as a table, with what speaks against reading it as a finding."""
    notes = [
        "Known failure: vectors that are fitted to rows seldom point at the words that describe them. "
        "This table is to look at; nothing follows from a word that leads it, or is missing from it."
    ]
    if found.chance is not None:
        notes.insert(
            0,
            "With vectors that were fitted to the reference in the rows' place, the first word is "
            f"nearer by {found.chance:.3f} by chance alone.",
        )
    return DataTable(
        title="Words nearest to the soft prompt",
        caption=(
            "Cosine between vectors of the soft prompt and the embedding of a word, each less the mean "
            "embedding; ordered by how much nearer the rows' vectors are than the reference's."
        ),
        head=["word", "these rows", "reference", "nearer by"],
        rows=[
            [one.word, f"{one.own:.3f}", f"{one.beside:.3f}", f"{one.nearer:+.3f}"]
            for one in found.words
        ],
        notes=notes,
    )


def _chance(beside_SRLW: Tensor) -> float | None:
    """By how much the first word is nearer where each reference is held against the others."""
    num = beside_SRLW.shape[1]
    if num < 2:
        return None
    largest: Sequence[float] = []
    for r in range(num):
        others_SLW = beside_SRLW[:, [other for other in range(num) if other != r]].mean(1)
        nearer_W = (beside_SRLW[:, r] - others_SLW).max(1).values.mean(0)
        largest = [*largest, float(nearer_W.max())]
    return sum(largest) / num
