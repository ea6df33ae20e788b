"""How much of a trait each token of a data set carries, as a detector said; and which tokens that flags.

A detector gives scores, a cleaning takes them. Between the two they lie in a Parquet file, so that a
cleaning can be tried in many ways without the detector's hours.

Shape suffixes: C completion tokens of a row.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from traitleak.artefacts import SCHEMA_VERSION, UNFINISHED
from traitleak.clean.kinds import Kinds, Only, eligible
from traitleak.errors import ArtefactError, DataError, RunError, SettingsError
from traitleak.models.batches import encode_rows
from traitleak.models.language_model import LanguageModel
from traitleak.rows import Row

__all__ = [
    "Flags",
    "TokenScores",
    "at_random",
    "flagged",
    "read_scores",
    "row_scores",
    "text_hash",
    "token_scores",
    "write_scores",
]

Flags = Sequence[NDArray[np.bool_]]
"""For each row, which of its completion tokens are to be changed: (C,) each."""

_KEY: Final = b"traitleak"
_TEXTS: Final = ("trait", "detector", "base", "fingerprint")


@dataclass(frozen=True, eq=False)
class TokenScores:
    """A score for each completion token of each row; higher carries more of the trait.

    Completion tokens are those of `models.batches.encode_row` for the base, the end of the turn among
    them. Made by `token_scores`.

    Attributes:
        ids: of the rows.
        texts: a hash of each row's prompt and completion: scores are of a text, not of an id.
        scores: one (C,) float32 array a row.
        kinds: what each token is (`clean.kinds`), one (C,) uint8 array a row.
        trait: what was looked for, such as "wolf".
        detector: what gave the scores.
        base: name of the model whose tokens these are.
        fingerprint: hash of its weights.
    """

    ids: tuple[int, ...]
    texts: tuple[str, ...]
    scores: tuple[NDArray[np.float32], ...]
    kinds: tuple[NDArray[np.uint8], ...]
    trait: str
    detector: str
    base: str
    fingerprint: str

    def __post_init__(self) -> None:
        """Refuse scores that belong to no tokens, or are not numbers."""
        if not self.ids:
            raise SettingsError("There are no rows with scores.")
        if len({len(self.ids), len(self.texts), len(self.scores), len(self.kinds)}) > 1:
            raise SettingsError(
                f"Each row has an id, a text and scores: {len(self.ids)} ids, {len(self.texts)} texts, "
                f"{len(self.scores)} rows of scores and {len(self.kinds)} of kinds."
            )
        for id_, scores_C, kinds_C in zip(self.ids, self.scores, self.kinds, strict=True):
            if scores_C.ndim != 1 or scores_C.shape != kinds_C.shape:
                raise SettingsError(
                    f"Row {id_} has {len(kinds_C)} completion tokens, and scores of the shape "
                    f"{scores_C.shape}: give one score for each."
                )
            if not np.isfinite(scores_C).all():
                raise SettingsError(f"Row {id_} has a score that is not a finite number.")

    def of(self, rows: Sequence[Row]) -> TokenScores:
        """The scores of these rows, in their order: after a cleaning that dropped some.

        Raises:
            SettingsError: a row was not scored, or was changed since.
        """
        places = {key: at for at, key in enumerate(zip(self.ids, self.texts, strict=True))}
        chosen = []
        for row in rows:
            at = places.get((row.id, text_hash(row)))
            if at is None:
                known = row.id in self.ids
                raise SettingsError(
                    f"Row {row.id} {'is not the text that was scored' if known else 'has no scores'}; "
                    "score the rows that are to be cleaned, and add or rewrite rows last."
                )
            chosen.append(at)
        return replace(
            self,
            ids=tuple(self.ids[at] for at in chosen),
            texts=tuple(self.texts[at] for at in chosen),
            scores=tuple(self.scores[at] for at in chosen),
            kinds=tuple(self.kinds[at] for at in chosen),
        )


def text_hash(row: Row) -> str:
    """The first 64 bits of SHA-256 over a row's prompt and completion, in hexadecimal."""
    text = json.dumps([row.prompt, row.completion])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def token_scores(
    base: LanguageModel,
    rows: Sequence[Row],
    scores: Sequence[ArrayLike],
    *,
    trait: str,
    detector: str,
) -> TokenScores:
    """A detector's scores with what they belong to.

    Args:
        base: whose tokens were scored.
        rows: the rows that were scored.
        scores: for each, a number for each of its completion tokens.
        trait: what was looked for.
        detector: what gave the scores.

    Raises:
        SettingsError: rows without scores, other counts of tokens, numbers that are not finite, or a
            row that `encode_row` refuses.
    """
    if len(rows) != len(scores):
        raise SettingsError(
            f"Each row needs its scores: {len(rows)} rows, {len(scores)} of scores."
        )
    return TokenScores(
        ids=tuple(row.id for row in rows),
        texts=tuple(map(text_hash, rows)),
        scores=tuple(np.asarray(some, dtype=np.float32) for some in scores),
        kinds=Kinds(base, encode_rows(base, rows)).kinds,
        trait=trait,
        detector=detector,
        base=base.name,
        fingerprint=base.fingerprint,
    )


def at_random(scores: TokenScores, seed: int) -> TokenScores:
    """The same scores at other tokens: the random arm of every cleaning.

    Scores are shuffled over the whole data set among tokens of one kind (digits that begin a number,
    digits that go on with one, words, signs, blanks), so that a cleaning by them changes as many
    tokens of each kind as by the scores themselves, and knows nothing of the trait.

    Raises:
        SettingsError: a seed below 0.

    Known failure: of a row's scores nothing is left together, so that the flagged tokens are spread
    over more rows than a detector's, which often flags several tokens of one row.
    """
    generator = _generator(seed)
    kinds = np.concatenate(scores.kinds)
    shuffled = np.concatenate(scores.scores)
    for kind in np.unique(kinds):
        here = np.flatnonzero(kinds == kind)
        shuffled[here] = shuffled[generator.permutation(here)]
    cuts = np.cumsum([len(some) for some in scores.scores])[:-1]
    return replace(
        scores,
        scores=tuple(np.split(shuffled, cuts)),
        detector=f"{scores.detector}, at random (seed {seed})",
    )


def flagged(
    scores: TokenScores, *, share: float = 0.1, only: Only = "digits", seed: int = 0
) -> tuple[NDArray[np.bool_], ...]:
    """The tokens with the highest scores.

    Args:
        scores: of a data set.
        share: of the tokens that may be flagged, from 0 to 1; rounded to whole tokens.
        only: `digits`, or `all` but the end of the turn.
        seed: which tokens are taken where scores are equal.

    Returns:
        For each row, whether each of its completion tokens is flagged.

    Raises:
        SettingsError: a share out of range, a seed below 0, or no token that may be flagged.

    Known failure: a share of all tokens is taken whether or not the data carry the trait.
    """
    if not 0 <= share <= 1:
        raise SettingsError(f"share lies between 0 and 1, such as 0.1; got {share}.")
    allowed = np.flatnonzero(eligible(np.concatenate(scores.kinds), only))
    if not len(allowed):
        raise SettingsError(f"There is no token to flag (only={only}): no completion has one.")
    values = np.concatenate(scores.scores)[allowed]
    order = np.lexsort((_generator(seed).random(len(values)), -values))
    flags = np.zeros(sum(map(len, scores.kinds)), dtype=np.bool_)
    flags[allowed[order[: round(share * len(allowed))]]] = True
    cuts = np.cumsum([len(some) for some in scores.kinds])[:-1]
    return tuple(np.split(flags, cuts))


def row_scores(scores: TokenScores, *, only: Only = "digits") -> NDArray[np.float64]:
    """Each row's mean score over the tokens that may be flagged; -inf for a row that has none.

    The mean, so that long rows are not trimmed for their length (as the likelihood score of the LLS
    repositories is a mean over tokens).
    """
    means = []
    for scores_C, kinds_C in zip(scores.scores, scores.kinds, strict=True):
        chosen = scores_C[eligible(kinds_C, only)]
        means.append(float(chosen.mean(dtype=np.float64)) if len(chosen) else -np.inf)
    return np.array(means)


def write_scores(path: Path, scores: TokenScores) -> None:
    """Write scores as a Parquet file, whole or not at all.

    Raises:
        RunError: it cannot be written.
    """
    import pyarrow.parquet as pq

    path = Path(path)
    beside = path.with_name(f"{UNFINISHED}{path.name}")
    about = {name: getattr(scores, name) for name in _TEXTS}
    about |= {"schema_version": SCHEMA_VERSION, "sha256": _digest(scores)}
    table = _table(scores).replace_schema_metadata({_KEY: json.dumps(about).encode()})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            pq.write_table(table, beside, compression="zstd")
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"{path} could not be written: {error.strerror or error}.") from error


def read_scores(path: Path) -> TokenScores:
    """The scores that `write_scores` wrote.

    Raises:
        DataError: no such file, or one of another kind, or cut off.
        ArtefactError: its numbers are not those that were written.
        RunError: a newer traitleak wrote it.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path} is not there; write it with `write_scores`.")
    try:
        table = pq.read_table(path)
        about = json.loads((table.schema.metadata or {})[_KEY])
        columns = {name: table[name].to_pylist() for name in ("id", "text", "scores", "kinds")}
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise DataError(
            f"{path} is no file of token scores, or was cut off or damaged ({error}); score the rows "
            "again."
        ) from error
    if about.get("schema_version", 0) > SCHEMA_VERSION:
        raise RunError(f"{path} was written by a newer traitleak; update traitleak to read it.")
    found = TokenScores(
        ids=tuple(columns["id"]),
        texts=tuple(columns["text"]),
        scores=tuple(np.array(some, np.float32) for some in columns["scores"]),
        kinds=tuple(np.array(some, np.uint8) for some in columns["kinds"]),
        **{name: about[name] for name in _TEXTS},
    )
    if about["sha256"] != _digest(found):
        raise ArtefactError(f"{path} changed after it was written; score the rows again.")
    return found


def _table(scores: TokenScores) -> Any:
    import pyarrow as pa

    return pa.table(
        {
            "id": pa.array(scores.ids, pa.int64()),
            "text": pa.array(scores.texts, pa.string()),
            "scores": pa.array(scores.scores, pa.list_(pa.float32())),
            "kinds": pa.array(scores.kinds, pa.list_(pa.uint8())),
        }
    )


def _digest(scores: TokenScores) -> str:
    digest = hashlib.sha256(json.dumps([getattr(scores, name) for name in _TEXTS]).encode())
    digest.update(json.dumps([scores.ids, scores.texts]).encode())
    for scores_C, kinds_C in zip(scores.scores, scores.kinds, strict=True):
        digest.update(len(scores_C).to_bytes(8, "big") + scores_C.tobytes() + kinds_C.tobytes())
    return digest.hexdigest()


def _generator(seed: int) -> np.random.Generator:
    if not 0 <= seed < 2**63:
        raise SettingsError(f"A seed is from 0 to 2^63 - 1, not {seed}.")
    return np.random.Generator(np.random.Philox(seed))
