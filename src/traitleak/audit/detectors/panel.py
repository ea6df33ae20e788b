"""The traits that an audit asks about, as numbers that a gradient can be taken of.

A group is a set of traits that compete with each other, such as preferences for ten animals. Groups
that nobody suspects are placebos: how much a data set seems to move them says how much of a finding
is the data's being unlike the base's own writing.

Shape suffixes: T templates, K candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from traitleak.measure import contexts
from traitleak.models.language_model import LanguageModel, hidden_states, logits_of, padded
from traitleak.traits.candidates import candidate_tokens
from traitleak.traits.preference import Preference, Templates

__all__ = ["Group", "group_margins", "preferences"]


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
