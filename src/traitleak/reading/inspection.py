"""A page on which a person reads blinded pairs of rows, and the answers that it saves.

The page needs nothing from elsewhere. Each pair has a salt and a hash: SHA-256 of salt, pair and the
letter under which the trait's row is shown. The page hashes the letter that was picked and compares.
So nobody sees the answers by looking at the page's source.

Known failure: it is no secret. Whoever wants to know a pair's answer tries both letters.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from pydantic import Field, ValidationError

from traitleak.artefacts import SCHEMA_VERSION, Strict, content_hash
from traitleak.errors import DataError, SettingsError
from traitleak.reading.judge import Pair
from traitleak.reading.verdicts import Told
from traitleak.seeds import derive_seed

__all__ = [
    "Inspection",
    "Saved",
    "ShownPair",
    "inspection",
    "inspection_page",
    "read_saved",
    "score",
]

KIND: Final = "traitleak inspection"

Letter = Literal["A", "B"]

_TEMPLATES = Environment(
    loader=ChoiceLoader([PackageLoader("traitleak.reading"), PackageLoader("traitleak.report")]),
    undefined=StrictUndefined,
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


class ShownPair(Strict):
    """Two rows on one prompt as a reader sees them.

    Attributes:
        number: its place on the page, from 0.
        prompt: what both writers were asked.
        texts: what they wrote, as A and B.
        carrying: which of the two the trait's teacher wrote.
        salt: goes into the hash.
    """

    number: int
    prompt: str
    texts: tuple[str, str]
    carrying: Letter
    salt: str

    def hashed(self, letter: str) -> str:
        """What stands in the page for a letter."""
        return hashlib.sha256(f"{self.salt}:{self.number}:{letter}".encode()).hexdigest()


class Inspection(Strict):
    """All pairs of a page, with the key.

    Attributes:
        page: names the page: answers to another one are refused.
        target: the trait.
        who: what its writer does.
        pairs: in the order of the page.
    """

    page: str
    target: str
    who: str
    pairs: tuple[ShownPair, ...]


class Saved(Strict):
    """What the page saves: who read, and the letters picked, by the pair's number."""

    schema_version: Literal[1] = SCHEMA_VERSION
    kind: Literal["traitleak inspection"]
    page: str
    reader: str = Field(max_length=200)
    answers: dict[str, Letter]


def inspection(
    pairs: Sequence[Pair], *, target: str, who: str, most: int = 40, seed: int = 0
) -> Inspection:
    """Draw pairs and their order; each row is as often A as B.

    Args:
        pairs: the trait's row and the neutral one.
        target: the trait.
        who: what its writer does, to follow "the writer that".
        most: pairs at most.
        seed: of what is drawn.

    Raises:
        SettingsError: no pairs, or none asked for.
    """
    if not pairs or most < 1:
        raise SettingsError("A page to read pairs of rows on needs one pair at least.")
    rng = np.random.default_rng(derive_seed(seed, "inspection"))
    chosen = [pairs[at] for at in rng.permutation(len(pairs))[:most]]
    as_a = rng.permutation(len(chosen)) < (len(chosen) + 1) // 2
    shown = []
    for number, ((own, other), first) in enumerate(zip(chosen, as_a.tolist(), strict=True)):
        texts = (own.completion, other.completion) if first else (other.completion, own.completion)
        shown.append(
            ShownPair(
                number=number,
                prompt=own.prompt,
                texts=texts,
                carrying="A" if first else "B",
                salt=f"{derive_seed(seed, 'salt', number):016x}",
            )
        )
    key = [[pair.prompt, pair.texts, pair.salt] for pair in shown]
    return Inspection(
        page=content_hash([target, key])[:16], target=target, who=who, pairs=tuple(shown)
    )


def inspection_page(content: Inspection) -> str:
    """The page as HTML that asks for nothing from elsewhere; the same content gives the same bytes."""
    pairs = [
        {
            "prompt": pair.prompt.strip(),
            "texts": [text.strip() for text in pair.texts],
            "salt": pair.salt,
            "key": pair.hashed(pair.carrying),
        }
        for pair in content.pairs
    ]
    data = json.dumps({"kind": KIND, "page": content.page, "pairs": pairs}, ensure_ascii=False)
    return _TEMPLATES.get_template("inspect.html.j2").render(
        target=content.target,
        who=content.who,
        count=len(pairs),
        page=content.page,
        # Nothing in a row can end the element that it stands in.
        data=data.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"),
    )


def read_saved(path: Path) -> Saved:
    """Answers that the page saved.

    Raises:
        DataError: the file is not there or is something else.
    """
    try:
        return Saved.model_validate_json(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    except ValidationError as error:
        first: Any = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise DataError(
            f"{path} holds no answers that an inspection page saved ({where or 'the file'}: "
            f"{first['msg']}): save it again with the page's button."
        ) from error


def score(saved: Saved, content: Inspection, *, where: str = "The answers") -> Told:
    """Count a person's answers; pairs that were passed over have no part in the share.

    Raises:
        DataError: they are answers to another page, to none of its pairs, or to a pair it lacks.
    """
    if saved.page != content.page:
        raise DataError(
            f"{where} belong to the page {saved.page}, not to this run's page {content.page}: rows, "
            "number of pairs or seed differ. Read this run's inspect.html."
        )
    numbers = {str(pair.number) for pair in content.pairs}
    unknown = sorted(set(saved.answers) - numbers)
    if unknown or not saved.answers:
        what = f"a pair {unknown[0]!r} that the page lacks" if unknown else "no pair at all"
        raise DataError(f"{where} answer {what}: save them again with the page's button.")
    picked = [
        (saved.answers[str(pair.number)], pair.carrying)
        for pair in content.pairs
        if str(pair.number) in saved.answers
    ]
    passed = len(content.pairs) - len(picked)
    right = sum(letter == carrying for letter, carrying in picked)
    first = sum(letter == "A" for letter, _ in picked)
    return Told(
        right=right,
        wrong=len(picked) - right,
        first=first,
        second=len(picked) - first,
        unread={"passed over": passed} if passed else {},
    )
