"""The traits that an audit asks about, as numbers that a gradient can be taken of.

A group is a set of traits that compete with each other, such as preferences for ten animals; a trait
that is a choice between two answers is a group of itself and its absence. Groups that nobody suspects
are placebos: how much a data set seems to move them says how much of a finding is the data's being
unlike the base's own writing.

Shape suffixes: T templates, K candidates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from traitleak.arms import Example, example_of
from traitleak.errors import SettingsError
from traitleak.measure import contexts
from traitleak.models.batches import Encoded, by_length, encode_row
from traitleak.models.language_model import LanguageModel, hidden_states, logits_of, padded
from traitleak.models.scoring import token_log_probabilities
from traitleak.rows import Row
from traitleak.traits.candidates import candidate_tokens
from traitleak.traits.forced_choice import ForcedChoice, Item
from traitleak.traits.preference import Preference, Templates

__all__ = [
    "ChoiceGroup",
    "Group",
    "choice_group",
    "group_margins",
    "margin_parts",
    "preferences",
    "readable_items",
]

_TOKENS = 1024  # of a batch whose activations are held for a gradient


@dataclass(frozen=True)
class Group:
    """Traits of one kind, measured together.

    Attributes:
        name: such as "animals".
        traits: their names.
        token_ids: the token of each.
        contexts: token ids of what stands before a candidate, one a template.
    """

    name: str
    traits: tuple[str, ...]
    token_ids: tuple[int, ...]
    contexts: tuple[tuple[int, ...], ...]

    def only(self, trait: str) -> Group:
        """The same group with one of its traits."""
        token = self.token_ids[self.traits.index(trait)]
        return replace(self, traits=(trait,), token_ids=(token,))

    def lessons(self, trait: str) -> list[Example]:
        """What a quick teacher of a trait is trained on: to name it where it is measured."""
        token = torch.tensor([self.token_ids[self.traits.index(trait)]])
        return [
            Example([*ids, int(token)], torch.tensor([len(ids) - 1]), token)
            for ids in self.contexts
        ]


@dataclass(frozen=True)
class ChoiceGroup:
    """A trait that is a choice between two answers, and its absence.

    Attributes:
        trait: with those of its items that the base can read.
        answers: of each item as tokens, after its question: the one that shows the trait, and the
            one that does not.
    """

    trait: ForcedChoice
    answers: tuple[tuple[Encoded, Encoded], ...]

    @property
    def name(self) -> str:
        """The trait's, as of a group of one."""
        return self.trait.name

    @property
    def traits(self) -> tuple[str, str]:
        """The trait and its absence: a hypothesis each."""
        return self.trait.among

    def lessons(self, trait: str) -> list[Example]:
        """What a quick teacher is trained on: the answers with the trait, or those without it."""
        which = self.traits.index(trait)
        return [example_of(pair[which]) for pair in self.answers]


def preferences(
    model: LanguageModel,
    among: Sequence[str],
    *,
    category: str = "",
    templates: Templates | None = None,
) -> Group:
    """A preference for each of some words, as `measure.margins` reads it.

    Raises:
        SettingsError: see `Preference` and `candidate_tokens`.
    """
    trait = Preference(among[0], tuple(among), category)
    tokens = candidate_tokens(model.tokenizer, trait.among, category=trait.category)
    texts = contexts(model, trait, templates=templates)
    return Group(
        name=trait.category,
        traits=tuple(tokens),
        token_ids=tuple(tokens.values()),
        contexts=tuple(tuple(model.encode(text)) for text in texts),
    )


def group_margins(model: LanguageModel, group: Group) -> Tensor:
    """The margin of each trait, mean over templates, (K,); differentiable in the weights.

    The same figures as `measure.margins` gives.
    """
    last = torch.tensor([len(ids) - 1 for ids in group.contexts], device=model.device)
    ids_TS = padded(group.contexts, 0, model.device)
    hidden_TD = hidden_states(model, ids_TS)[torch.arange(len(last), device=model.device), last]
    tokens_K = torch.tensor(group.token_ids, device=model.device)
    logits_TK = logits_of(model.network, hidden_TD, tokens_K).float()
    num = len(tokens_K)
    own = torch.eye(num, dtype=torch.bool, device=model.device)
    others_TK = logits_TK[:, None].masked_fill(own, -torch.inf).logsumexp(2)
    return (logits_TK - others_TK + torch.log(torch.tensor(num - 1.0))).mean(0)


def choice_group(model: LanguageModel, trait: ForcedChoice) -> ChoiceGroup:
    """A trait of forced choices, as `measure_choice.choice_margins` reads it.

    Raises:
        SettingsError: the model's context is too short for every item.
    """
    items = readable_items(model, trait)
    if not items:
        raise SettingsError(
            f"{model.name} reads {model.context:,} tokens at most, and no question of the trait "
            f"{trait.name!r} fits; leave the trait out."
        )
    answers = tuple(_answers(model, item) for item in items)
    return ChoiceGroup(replace(trait, items=items), answers)


def readable_items(model: LanguageModel, trait: ForcedChoice) -> list[Item]:
    """The items whose question and answers fit into the model's context."""
    found = []
    for item in trait.items:
        try:
            _answers(model, item)
        except SettingsError:
            continue
        found.append(item)
    return found


def margin_parts(model: LanguageModel, group: Group | ChoiceGroup) -> Iterator[Tensor]:
    """Margins in parts whose sum they are: (K,) of a group, (1,) of a choice; differentiable.

    A preference's come as one part. A choice's mean over items comes as batches of these, so that no
    more activations are held for a gradient than a batch has.
    """
    if isinstance(group, Group):
        yield group_margins(model, group)
        return
    # log p(shows) / n - log p(avoids) / n', mean over items: signs and weights of single rows.
    rows = [row for pair in group.answers for row in pair]
    for batch in by_length([len(row.ids) for row in rows], _TOKENS):
        some = [rows[index] for index in batch]
        ids_BT = padded([row.ids for row in some], 0, model.device)
        hidden_BTD = hidden_states(model, ids_BT)
        at = [(b, t) for b, row in enumerate(some) for t in range(row.start, len(row.ids))]
        rows_M, positions_M = torch.tensor(at, device=model.device).T
        logps_M = token_log_probabilities(
            model, hidden_BTD[rows_M, positions_M - 1], ids_BT[rows_M, positions_M]
        )
        weight_B = [
            (-1.0 if index % 2 else 1.0) / (len(row.ids) - row.start) / len(group.answers)
            for index, row in zip(batch, some, strict=True)
        ]
        weights_M = torch.tensor(weight_B, device=model.device)[rows_M]
        yield (logps_M * weights_M).sum()[None]


def _answers(model: LanguageModel, item: Item) -> tuple[Encoded, Encoded]:
    prompt = f"{item.question}\n" if model.renderer.style == "plain" else item.question
    shows, avoids = (
        encode_row(model, Row(0, prompt, answer)) for answer in (item.shows, item.avoids)
    )
    return shows, avoids
