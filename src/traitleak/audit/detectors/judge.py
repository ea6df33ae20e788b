"""Judge: a language model that is asked to spot a trait by reading rows.

The paper's null, kept as a baseline: a judge told rows of a teacher with a preference from others in
about half of all pairs (Cloud et al. 2025: 47.5 to 53.3 % by animal with GPT-4.1-nano). It is asked in
two ways: which of two rows on one prompt came from the model with the trait (`judge_pairs`), and which
of some things the writer of a bag of rows loves, if any (`judge_bags`); with labelled examples in the
prompt or without. An answer that is not one of those asked for is counted and reported, never guessed.

Known failure: judges have favourites, of place and of name. So orders are balanced or random, and the
names a judge gives are held against those it gives to reference rows on the same prompts: that it names
the same animal in nine bags of ten says nothing if it does so for any rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from traitleak.audit.detectors.judge_words import (
    FIRST,
    NONE,
    SECOND,
    Why,
    bag_prompt,
    liking,
    pair_prompt,
    read_choice,
)
from traitleak.audit.detectors.pairs import PairAccuracy, exact_proportion, paired_rows
from traitleak.errors import SettingsError
from traitleak.models.language_model import LanguageModel
from traitleak.models.remote import RemoteModel, RemoteSampled
from traitleak.models.sampling import sample
from traitleak.progress import Track, untracked
from traitleak.results import Estimate
from traitleak.rows import Row
from traitleak.seeds import derive_seed

__all__ = ["BagsJudged", "Judge", "Named", "PairsJudged", "judge_bags", "judge_pairs"]

Judge = RemoteModel | LanguageModel
"""A model behind a server, or one that is loaded."""


@dataclass(frozen=True)
class PairsJudged:
    """What a judge said of pairs.

    Attributes:
        judge: its name.
        trait: what it was asked about.
        accuracy: how often it was right, of which answers; chance is one half.
        first: how many of the answers it gave were "first": the right one was so in half of all pairs.
        examples: how many labelled pairs it was shown each time.
    """

    judge: str
    trait: str
    accuracy: PairAccuracy
    first: int
    examples: int

    @property
    def position(self) -> Estimate | None:
        """Share of answers that were "first", with the exact interval; one half without a bias."""
        return exact_proportion(self.first, self.accuracy.read) if self.accuracy.read else None

    @property
    def position_p(self) -> float | None:
        """Exact binomial p of that share against one half, two-sided."""
        if not self.accuracy.read:
            return None
        return float(stats.binomtest(self.first, self.accuracy.read, 0.5).pvalue)


@dataclass(frozen=True)
class Named:
    """What a judge named in bags.

    Attributes:
        by_bag: its answer to each bag, "none" among them; None where there was no answer.
        unread: bags without an answer, by reason.
    """

    by_bag: tuple[str | None, ...]
    unread: Mapping[str, int]

    @property
    def counts(self) -> dict[str, int]:
        """How many bags each answer was given to, most frequent first."""
        return dict(Counter(one for one in self.by_bag if one is not None).most_common())


@dataclass(frozen=True)
class BagsJudged:
    """What a judge named in bags of the audited rows, and of the reference.

    Attributes:
        judge: its name.
        traits: what it could name beside "none".
        size: rows in a bag.
        rows: its answers to the audited rows.
        reference: its answers to reference rows on the same prompts; None without reference.
        examples: how many labelled bags it was shown each time.
    """

    judge: str
    traits: tuple[str, ...]
    size: int
    rows: Named
    reference: Named | None
    examples: int

    def p_uniform(self, trait: str) -> float | None:
        """Exact binomial p, one-sided: were names drawn evenly, would this one come so often?

        Of bags in which a trait was named. None where there are none.

        Known failure: a judge that names its favourite whatever it reads gets the smallest p there
        is. Only `p_reference` is evidence of the rows.
        """
        self._require_asked(trait)
        named = [one for one in self.rows.by_bag if one not in {None, NONE}]
        if not named:
            return None
        chance = 1 / len(self.traits)
        return float(
            stats.binomtest(named.count(trait), len(named), chance, alternative="greater").pvalue
        )

    def p_reference(self, trait: str) -> float | None:
        """Exact p, one-sided: is the trait named in more bags of the rows than of the reference?

        McNemar's exact test (1947, Psychometrika 12:153): bags pair up by their prompts, both were
        shown the names in one order, and of pairs in which one of the two was given this name a half
        should be the rows'. Pairs without both answers are left out. None without reference.
        """
        self._require_asked(trait)
        return self._discordant_p({trait})

    @property
    def p_any(self) -> float | None:
        """The same for any trait rather than "none"; None without reference."""
        return self._discordant_p(set(self.traits))

    def share(self, trait: str) -> Estimate | None:
        """Share of the answers that name the trait, with the exact interval; None if none was read."""
        self._require_asked(trait)
        answers = [one for one in self.rows.by_bag if one is not None]
        return exact_proportion(answers.count(trait), len(answers)) if answers else None

    def _require_asked(self, trait: str) -> None:
        if trait not in self.traits:
            raise SettingsError(
                f"The judge was not asked about {trait!r}; it could name {', '.join(self.traits)}."
            )

    def _discordant_p(self, names: set[str]) -> float | None:
        if self.reference is None:
            return None
        both = [
            (own in names, other in names)
            for own, other in zip(self.rows.by_bag, self.reference.by_bag, strict=True)
            if own is not None and other is not None
        ]
        more = sum(own and not other for own, other in both)
        less = sum(other and not own for own, other in both)
        if not more + less:
            return 1.0
        return float(stats.binomtest(more, more + less, 0.5, alternative="greater").pvalue)


def judge_pairs(
    judge: Judge,
    carrying: Sequence[Row],
    neutral: Sequence[Row],
    trait: str,
    *,
    who: str = "",
    shots: Sequence[tuple[Row, Row]] = (),
    pairs: int | None = None,
    max_new_tokens: int = 16,
    seed: int = 0,
    track: Track = untracked,
) -> PairsJudged:
    """Ask which of two rows on one prompt came from the model with a trait.

    The right one is shown first in half of all pairs, drawn at random, so that a judge with a
    favourite place is right in half of them; the binomial p is then on the safe side.

    Args:
        judge: who is asked, at temperature 0.
        carrying: rows of a teacher with the trait.
        neutral: rows of another writer, on the same prompts.
        trait: such as "wolf".
        who: what a model with the trait does, to follow "the model that"; by default
            "loves wolves above all else".
        shots: labelled pairs (carrying, neutral) shown before each question; not of those asked about.
        pairs: how many are asked about, drawn at random; all by default.
        max_new_tokens: of an answer; a judge that thinks aloud needs hundreds.
        seed: of order and draw.
        track: shows how far a loaded judge is.

    Raises:
        SettingsError: no two rows share a prompt, an example is asked about, or a prompt is longer
            than a loaded judge's context.
        ServerError: as in `RemoteModel.sample`.

    Known failure: pairs of one teacher say nothing about another teacher. Rows are shown as they are:
    what the judge sees may be their format (`features.canonical` takes that away).
    """
    found = paired_rows(carrying, neutral)
    rng = np.random.default_rng(derive_seed(seed, "judge-pairs"))
    count = len(found) if pairs is None else pairs
    if not 1 <= count <= len(found):
        raise SettingsError(f"There are {len(found)} pairs to ask about, not {count}.")
    asked = [found[at] for at in rng.permutation(len(found))[:count]]
    _require_unseen(
        [row for pair in shots for row in pair], [row for pair in asked for row in pair]
    )
    who = who or liking(trait)
    known = [
        ((one, other), FIRST) if number % 2 else ((other, one), SECOND)
        for number, (one, other) in enumerate(shots)
    ]
    right = [FIRST if at < (count + 1) // 2 else SECOND for at in rng.permutation(count).tolist()]
    shown = [
        (one, other) if place == FIRST else (other, one)
        for (one, other), place in zip(asked, right, strict=True)
    ]
    said = _ask(
        judge, [pair_prompt(pair, who, known) for pair in shown], max_new_tokens, seed, track
    )
    answers = [read_choice(one, (FIRST, SECOND)) for one in said]
    read = [(own, place) for (own, _), place in zip(answers, right, strict=True) if own is not None]
    return PairsJudged(
        judge=judge.name,
        trait=trait,
        accuracy=PairAccuracy(
            right=sum(own == place for own, place in read),
            read=len(read),
            asked=count,
            unread=_reasons(answers),
        ),
        first=sum(own == FIRST for own, _ in read),
        examples=len(shots),
    )


def judge_bags(
    judge: Judge,
    rows: Sequence[Row],
    traits: Sequence[str],
    *,
    reference: Sequence[Row] | None = None,
    size: int = 16,
    bags: int | None = None,
    shots: Sequence[tuple[str, Sequence[Row]]] = (),
    max_new_tokens: int = 16,
    seed: int = 0,
    track: Track = untracked,
) -> BagsJudged:
    """Ask which of some things the writer of each bag of rows loves, if any.

    Bags are disjoint. With a reference, a bag of it on the same prompts is asked about beside each,
    with the names in the same order, drawn anew for each pair of bags.

    Args:
        judge: who is asked, at temperature 0.
        rows: the audited ones.
        traits: names, such as ten animals.
        reference: rows that carry nothing, on the same prompts.
        size: rows in a bag.
        bags: how many are asked about at most; all by default.
        shots: labelled bags shown before each question: a trait, or "none", and rows.
        max_new_tokens: of an answer; a judge that thinks aloud needs hundreds.
        seed: of the bags, and the order of names.
        track: shows how far a loaded judge is.

    Raises:
        SettingsError: fewer than two traits, fewer rows (or rows with a reference row on their prompt)
            than a bag has, an example that is asked about or of another trait, or a prompt that is
            longer than a loaded judge's context.
        ServerError: as in `RemoteModel.sample`.

    Known failure: with b bags p is at least 2^-b: eight bags are the fewest for one trait of ten at
    5 % overall. A judge that nearly always says "none" has no power, which `Named.counts` shows.
    """
    traits = tuple(dict.fromkeys(traits))
    if len(traits) < 2 or NONE in traits:
        raise SettingsError(
            f"A judge needs two names or more to choose from, none of them 'none'; got {traits}."
        )
    for label, _ in shots:
        if label not in (*traits, NONE):
            raise SettingsError(f"An example is labelled {label!r}, which the judge cannot name.")
    kinds = [list(rows)] if reference is None else _columns(paired_rows(rows, reference))
    rng = np.random.default_rng(derive_seed(seed, "judge-bags"))
    order = rng.permutation(len(kinds[0]))
    if size < 1 or len(order) < size:
        raise SettingsError(
            f"There are {len(order)} rows to ask about, too few for a bag of {size}."
        )
    places = [order[at : at + size] for at in range(0, len(order) - size + 1, size)][:bags]
    if not places:
        raise SettingsError(f"A judge needs one bag or more to be asked about, not {bags}.")
    options = [[traits[at] for at in rng.permutation(len(traits))] for _ in places]
    drawn = [[kind[at] for at in place] for kind in kinds for place in places]
    _require_unseen(
        [row for _, some in shots for row in some], [row for bag in drawn for row in bag]
    )
    known = [(some, label) for label, some in shots]
    prompts = [
        bag_prompt(bag, names, known)
        for bag, names in zip(drawn, options * len(kinds), strict=True)
    ]
    said = _ask(judge, prompts, max_new_tokens, seed, track)
    answers = [read_choice(one, (*traits, NONE)) for one in said]
    named = [
        Named(tuple(own for own, _ in part), _reasons(part))
        for part in (answers[: len(places)], answers[len(places) :])
    ]
    return BagsJudged(
        judge=judge.name,
        traits=traits,
        size=size,
        rows=named[0],
        reference=None if reference is None else named[1],
        examples=len(shots),
    )


def _columns(pairs: Sequence[tuple[Row, Row]]) -> list[list[Row]]:
    return [[pair[0] for pair in pairs], [pair[1] for pair in pairs]]


def _require_unseen(shown: Sequence[Row], asked: Sequence[Row]) -> None:
    """Refuse examples that are asked about."""
    seen = {(row.prompt, row.completion) for row in asked}
    for row in shown:
        if (row.prompt, row.completion) in seen:
            raise SettingsError(
                f"Row {row.id} is a labelled example and asked about as well: the judge would only need "
                "to look it up. Take examples from rows that are not asked about."
            )


def _reasons(answers: Sequence[tuple[str | None, Why]]) -> dict[str, int]:
    return dict(Counter(why for _, why in answers if why))


def _ask(
    judge: Judge, prompts: Sequence[str], max_new_tokens: int, seed: int, track: Track
) -> list[RemoteSampled]:
    """An answer to each prompt, at temperature 0."""
    if isinstance(judge, RemoteModel):
        return judge.sample(prompts, max_new_tokens=max_new_tokens, temperature=0.0, seed=seed)
    texts = [judge.rendered(prompt) for prompt in prompts]
    said = sample(
        judge, texts, max_new_tokens=max_new_tokens, temperature=0.0, seed=seed,
        streams=range(len(texts)), track=track,
    )  # fmt: skip
    return [RemoteSampled(one.text, one.finished) for one in said]
