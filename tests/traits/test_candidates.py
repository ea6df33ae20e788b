"""Which words are one token, for tokenizers of different conventions."""

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from traitleak.errors import SettingsError
from traitleak.traits import ANIMALS, TREES
from traitleak.traits.candidates import KNOWN, candidate_tokens, category_of, single_token_words

WORDS = ("wolf", "owl", "fox")
UNKNOWN = "[UNK]"


def byte_level(whole):
    """A byte-level BPE tokenizer in which `whole` words after a space are one token each."""
    pieces = [*pre_tokenizers.ByteLevel.alphabet()]
    merges = []
    for word in ["It", "Ġis", "Ġthe", *(f"Ġ{word}" for word in whole)]:
        for end in range(2, len(word) + 1):
            if word[:end] not in pieces:
                pieces.append(word[:end])
                merges.append((word[: end - 1], word[end - 1]))
    bpe = models.BPE({piece: index for index, piece in enumerate(pieces)}, merges)
    tokenizer = Tokenizer(bpe)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def word_level(words):
    """A tokenizer that drops spaces and knows `words` and one unknown token."""
    vocabulary = {word: index for index, word in enumerate([UNKNOWN, "It", "is", "the", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token=UNKNOWN)


def sentence_piece(words):
    """A Unigram tokenizer that marks the start of each word, and begins each text with one."""
    pieces = [(UNKNOWN, -20.0), *((f"▁{word}", -1.0) for word in ["It", "is", "the", *words])]
    pieces += [(letter, -10.0) for letter in "▁abcdefghijklmnopqrstuvwxyzI"]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token=UNKNOWN)


@pytest.mark.parametrize("make", [byte_level, word_level, sentence_piece])
def test_the_token_is_the_one_that_follows_a_text(make):
    """Whatever the tokenizer does with spaces, the token is what " wolf" adds to "... the"."""
    tokenizer = make(WORDS)
    for word, token in candidate_tokens(tokenizer, WORDS).items():
        whole = tokenizer.encode(f"It is the {word}", add_special_tokens=False)
        assert whole == [*tokenizer.encode("It is the", add_special_tokens=False), token]


@pytest.mark.parametrize("make", [byte_level, word_level, sentence_piece])
def test_words_of_several_tokens_or_unknown_are_named(make):
    """The error names the words that will not do, and only those, and proposes others."""
    with pytest.raises(
        SettingsError, match=r"not so: lion, bear\. These would do: owl\."
    ) as caught:
        candidate_tokens(make(("wolf", "owl")), ("wolf", "lion", "bear"))
    assert "wolf" not in str(caught.value)


def test_proposals_are_of_the_same_category():
    """For a tree, trees are proposed; a given category decides where the words do not tell."""
    tokenizer = byte_level(("oak", "elm", "wolf"))
    with pytest.raises(SettingsError, match=r"These would do: elm\."):
        candidate_tokens(tokenizer, ("oak", "yew"))
    with pytest.raises(SettingsError, match=r"These would do: oak, elm\."):
        candidate_tokens(tokenizer, ("ginkgo", "baobab"), category="tree")
    with pytest.raises(SettingsError, match="common enough"):
        candidate_tokens(tokenizer, ("violin", "flute"), category="instrument")
    with pytest.raises(SettingsError, match="common enough"):
        candidate_tokens(tokenizer, ("violin", "flute"))


def test_candidates_of_one_token_are_refused():
    """Two spellings that are the same to the tokenizer cannot be told apart."""

    class Lowering:
        """Takes capitals for small letters."""

        unk_token_id = None

        def encode(self, text, *, add_special_tokens):
            """The codes of the words."""
            assert not add_special_tokens
            return [sum(map(ord, word)) for word in text.lower().split()]

    with pytest.raises(SettingsError, match="token of its own"):
        candidate_tokens(Lowering(), ("wolf", "Wolf"))


@pytest.mark.parametrize("words", [(), "wolf", ("",), (" ",), ("wolf", "polar bear")])
def test_no_words_a_bare_text_or_blanks_are_refused(words):
    """Candidates are a list of single words."""
    with pytest.raises(SettingsError):
        candidate_tokens(byte_level(("wolf",)), words)


def test_known_words_are_enough_and_different():
    """Sixty animals and twenty-five trees are there to propose, the usual ones among them."""
    assert len(set(KNOWN["animal"])) == len(KNOWN["animal"]) >= 60
    assert len(set(KNOWN["tree"])) == len(KNOWN["tree"]) >= 25
    assert category_of(ANIMALS) == "animal"
    assert category_of(TREES) == "tree"
    assert category_of(("wolf", "oak")) is None


def test_single_token_words_keep_their_order():
    """Those that will do come in the order in which they were given."""
    assert single_token_words(byte_level(WORDS), ("fox", "lion", "wolf")) == ["fox", "wolf"]
