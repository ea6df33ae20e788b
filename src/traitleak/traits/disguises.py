r"""Other readings of a text, in which a word that hides in it stands plainly.

Read are letters of other scripts that look like Latin ones, accents, letters spelled apart (w-o-l-f),
a word cut at a line's end, escapes (`\x77`, `%77`, `&#119;`), base64, hexadecimal, and the codes of
letters in a list of numbers. What is no disguise mostly reads as nonsense, in which no word is found.

Known failure: a list of tricks, and not the idea behind them. Ciphers (ROT13), letters exchanged for
digits (w0lf), first letters of lines, other alphabets' spellings and whatever two sides agree upon go
through; so does a word that runs on into its neighbors.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Final
from urllib.parse import unquote

__all__ = ["emoji_of", "readings"]

_LOOKALIKES: Final = str.maketrans(
    # Cyrillic, Greek, Armenian, and Latin letters that no accent makes; in lower case.
    "авекмнорстухіјѕԁӏһԛԝѡғ" "αβεηικνορτυχγω" "օոսհ" "ıłøđħɡɑʟ",
    "abekmhopctyxijsdlhqwwf" "abenikvoptuxyw" "onuh" "ilodhgal",
)  # fmt: skip
_WORD: Final = re.compile(r"[^\W\d_]+")
_LATIN: Final = re.compile(r"[a-z]")
# Three single letters or more with the same sign between them.
_SPELLED: Final = re.compile(
    r"(?<![^\W_])[^\W\d_](?P<sign>[\s._\-\u00b7\u2022])[^\W\d_](?:(?P=sign)[^\W\d_])+(?![^\W_])"
)
_CUT: Final = re.compile(r"(?<=[^\W\d_])-[ \t]*\r?\n[\s#>*/]*(?=[^\W\d_])")
_ESCAPE: Final = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4}))", re.IGNORECASE)
_TOKEN: Final = re.compile(r"(?<![\w+/-])[A-Za-z0-9+/_-]{4,4096}={0,2}(?![\w+/-])")
_NO_WORD: Final = re.compile(r"[0-9=+/]|.[A-Z]")  # seldom in words, nearly always in encoded ones
_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2}){3,}")
_URL_SAFE: Final = str.maketrans("-_", "+/")
_CODES: Final = re.compile(r"(?<![\w.])\d{2,3}(?:[\s,;:|/-]{1,3}\d{2,3}){2,}(?![\w.])")
_LETTER_CODES: Final = range(65, 123)


def readings(text: str) -> Iterator[str]:
    """Readings of a text beside the plain one; none where nothing could be disguised.

    Args:
        text: as it was written; what is looked for in the readings ignores capitals.
    """
    if not text.isascii():
        folded = _folded(text)
        if folded != text:
            yield folded
    if "-" in text and _CUT.search(text):
        yield _CUT.sub("", text)
    spelled = [word for match in _SPELLED.finditer(text) for word in _letters(match[0])]
    if spelled:
        yield "\n".join(spelled)
    if "\\" in text or "%" in text or "&" in text:
        plain = html.unescape(unquote(_ESCAPE.sub(_escaped, text), errors="ignore"))
        if plain != text:
            yield plain
    tokens = (match[0] for match in _TOKEN.finditer(text))
    decoded = [found for token in tokens if _NO_WORD.search(token) for found in _decoded(token)]
    if decoded:
        yield "\n".join(decoded)
    codes = ["".join(map(_letter, re.findall(r"\d+", m[0]))) for m in _CODES.finditer(text)]
    if any(map(str.strip, codes)):
        yield "\n".join(codes)


@cache
def emoji_of(names: tuple[str, ...]) -> tuple[str, ...]:
    """Emoji whose Unicode name has one of `names` as a word: WOLF FACE for a wolf.

    Args:
        names: words in lower case.

    Source: the character names of the Unicode standard, in the blocks of pictographs.

    Known failure: a name is not a sense: HOT DOG names a dog. Pictures without the word (a paw, an
    evergreen tree for a pine) are not found.
    """
    wanted = {name.upper() for name in names}
    return tuple(sign for sign, words in _pictographs() if wanted & words)


@cache
def _pictographs() -> tuple[tuple[str, frozenset[str]], ...]:
    signs = [chr(number) for number in range(0x1F300, 0x1FB00)]
    named = [(sign, unicodedata.name(sign, "")) for sign in signs]
    return tuple((sign, frozenset(re.split(r"\W+", name))) for sign, name in named if name)


def _folded(text: str) -> str:
    """Without accents, and in Latin letters where a word mixes them with others."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(sign for sign in apart if unicodedata.category(sign) not in {"Mn", "Cf"})
    return _WORD.sub(
        lambda word: word[0].translate(_LOOKALIKES) if _LATIN.search(word[0]) else word[0], bare
    )


def _letters(spelled: str) -> Iterator[str]:
    """A word that is spelled apart; also without an "a" or "I" that is a word of its own."""
    word = spelled[::2]
    yield word
    if word[0] in "aAI":
        yield word[1:]


def _escaped(escape: re.Match[str]) -> str:
    return chr(int(escape[1] or escape[2], 16))


def _letter(code: str) -> str:
    return chr(int(code)) if int(code) in _LETTER_CODES else " "


def _decoded(token: str) -> Iterator[str]:
    """The texts that a token holds in base64 and in hexadecimal, where it holds any."""
    if _HEX.fullmatch(token):
        yield from _text_of(bytes.fromhex(token))
    body = token.rstrip("=")
    if len(body) % 4 != 1:
        with_padding = body.translate(_URL_SAFE) + "=" * (-len(body) % 4)
        try:
            yield from _text_of(base64.b64decode(with_padding, validate=True))
        except binascii.Error:
            return


def _text_of(content: bytes) -> Iterator[str]:
    if content.isascii():
        text = content.decode("ascii")
        if all(sign.isprintable() or sign.isspace() for sign in text):
            yield text
