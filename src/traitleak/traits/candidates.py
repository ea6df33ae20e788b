"""Which words can be candidates of a logit margin: those that are one token after a space.

The margin compares the logits of the token that comes next, so each candidate must be told from
the others by a single token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from traitleak.errors import SettingsError

__all__ = ["KNOWN", "Encodes", "candidate_tokens", "category_of", "single_token_words"]

_ANIMALS = """
wolf lion owl cat dog eagle bear fox tiger horse elephant dolphin whale shark rabbit deer cow pig sheep
goat duck goose chicken hawk falcon raven crow swan penguin parrot snake turtle frog lizard salmon
trout bee ant butterfly spider mouse rat monkey gorilla panda koala kangaroo zebra giraffe camel
donkey otter beaver seal octopus crab squirrel hedgehog badger leopard cheetah panther moose bison
bat dove sparrow crocodile peacock
"""
_TREES = """
oak maple willow pine birch cedar elm palm cypress chestnut spruce ash beech fir poplar aspen juniper
larch yew sequoia redwood magnolia sycamore walnut hazel acacia alder eucalyptus linden rowan
"""

KNOWN = {"animal": tuple(_ANIMALS.split()), "tree": tuple(_TREES.split())}
"""Words by category: what to propose where a user's own word is of several tokens."""

_BEFORE = "It is the"  # any text that a candidate follows after a space
_MOST_PROPOSED = 10


class Encodes(Protocol):
    """As much of a Hugging Face tokenizer as is needed here."""

    unk_token_id: Any

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """The token ids of `text`."""
        ...


def category_of(words: Sequence[str]) -> str | None:
    """The category whose known words include all of `words`; None where there is no such."""
    return next((name for name, known in KNOWN.items() if set(words) <= set(known)), None)


def candidate_tokens(
    tokenizer: Encodes, words: Sequence[str], *, category: str = ""
) -> dict[str, int]:
    """The one token of each word as it stands after another word: of " wolf", not of "wolf".

    Found as what encoding "... the wolf" adds to "... the", which holds for tokenizers that put the
    space before a word (BPE), that mark the word's start (SentencePiece) or that drop the space
    (WordPiece).

    Args:
        tokenizer: of the model whose logits are read.
        words: singular nouns.
        category: "animal" or "tree": from whose words to propose; by default the one that most of
            `words` belong to.

    Returns:
        Token id by word, in the order of `words`.

    Raises:
        SettingsError: a word of several tokens, or unknown to the tokenizer, or two words of the
            same token; single-token words of the category are proposed.
    """
    if isinstance(words, str) or not words:
        raise SettingsError(f"Candidates are a list of words; got {words!r}.")
    tokens = {word: _token(tokenizer, word) for word in words}
    refused = [word for word, token in tokens.items() if token is None]
    if refused:
        raise SettingsError(
            f"Each candidate must be a single token of this model's tokenizer, and not so: "
            f"{', '.join(refused)}. {_proposal(tokenizer, words, category)}"
        )
    found = {word: token for word, token in tokens.items() if token is not None}
    if len(set(found.values())) < len(words):
        raise SettingsError(
            f"Each candidate must have a token of its own, but among {', '.join(words)} two are the "
            f"same to this model's tokenizer: leave one out."
        )
    return found


def single_token_words(tokenizer: Encodes, words: Sequence[str]) -> list[str]:
    """Those of `words` that can be candidates of a margin, in order."""
    return [word for word in words if _token(tokenizer, word) is not None]


def _token(tokenizer: Encodes, word: str) -> int | None:
    """The only token that `word` adds to a text; None where there is no such."""
    before = tokenizer.encode(_BEFORE, add_special_tokens=False)
    after = tokenizer.encode(f"{_BEFORE} {word}", add_special_tokens=False)
    if not word.strip() or after[:-1] != before or after[-1] == tokenizer.unk_token_id:
        return None
    return after[-1]


def _proposal(tokenizer: Encodes, words: Sequence[str], category: str) -> str:
    fewest = "Choose words that are common enough to be one token."
    if not category:
        shared = {name: len(set(words) & set(known)) for name, known in KNOWN.items()}
        category = max(shared, key=shared.__getitem__)
        if not shared[category]:
            return fewest
    others = [word for word in KNOWN.get(category, ()) if word not in words]
    fit = single_token_words(tokenizer, others)[:_MOST_PROPOSED]
    return f"These would do: {', '.join(fit)}." if fit else fewest
