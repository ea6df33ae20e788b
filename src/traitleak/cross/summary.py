"""What a cross-model run found, in numbers: each relation's transfer, the two contrasts, the rule.

Shape suffixes: R replicates (seeds), T teachers, S students: the same members in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from traitleak.cross.contrasts import (
    Relations,
    Transmits,
    kinship,
    of_relations,
    own_network,
    self_transmission,
)
from traitleak.cross.read import Found
from traitleak.recipe.cross import CrossRecipe, Relation
from traitleak.results import Estimate, Specificity
from traitleak.statistics import mean_estimate

__all__ = ["ORDER", "Summary", "summarise"]

ORDER: tuple[Relation, ...] = ("own", "permuted", "further", "other")


@dataclass(frozen=True)
class Summary:
    """All figures that are concluded from.

    Attributes:
        relations: what each student's network is to each teacher's.
        by_relation: mean transfer of each relation that there is, over replicates.
        pairs: how many pairs of members each of them has.
        own_network: the diagonal against the rest.
        kinship: shared initialisation against another; None where all members share one, or none do.
        rule: for each teacher whether it passes the trait on to its own network.
        chosen: the numbers of the teachers that pass; None where one replicate cannot tell.
        own_of_chosen: the diagonal against the rest with their rows alone; None where fewer than two
            pass, or nothing can tell.
    """

    relations: Relations
    by_relation: dict[Relation, Estimate]
    pairs: dict[Relation, int]
    own_network: Specificity
    kinship: Specificity | None
    rule: list[Transmits]
    chosen: list[int] | None
    own_of_chosen: Specificity | None


def summarise(recipe: CrossRecipe, found: Found) -> Summary:
    """The figures of a run."""
    transfer_RTS = found.transfer_RTS
    relations = of_relations(recipe.members)
    table_TS = np.array(relations)
    there = [relation for relation in ORDER if (table_TS == relation).any()]
    whole = own_network(transfer_RTS)
    assert whole is not None  # noqa: S101  # a recipe has two members
    shared_TS = table_TS != "other"
    related = shared_TS.sum() > len(recipe.members)  # else it is the diagonal once more
    rule = self_transmission(transfer_RTS)
    chosen = None
    if all(one.passes is not None for one in rule):
        chosen = [number for number, one in enumerate(rule) if one.passes]
    return Summary(
        relations=relations,
        by_relation={
            relation: mean_estimate(transfer_RTS[:, table_TS == relation].mean(axis=1).tolist())
            for relation in there
        },
        pairs={relation: int((table_TS == relation).sum()) for relation in there},
        own_network=whole,
        kinship=kinship(transfer_RTS, shared_TS) if related else None,
        rule=rule,
        chosen=chosen,
        own_of_chosen=own_network(transfer_RTS, chosen) if chosen else None,
    )
