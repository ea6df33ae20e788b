"""Tables and checked statements of a cross-model run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from traitleak.cross.read import Found
from traitleak.cross.summary import Summary
from traitleak.cross.words import LABELS, what_it_is
from traitleak.language.phrases import bracketed, decimals_for, p_equals, plain, signed
from traitleak.recipe.cross import CrossRecipe
from traitleak.results import DataTable, Estimate, Fact, Specificity
from traitleak.statistics import mean_estimate

__all__ = ["facts", "tables"]

_SAME_FUNCTION = 1e-2  # nats: rounding moves a margin by far less
_SAME_TRAINING = 0.05  # nats: rounding, amplified by training
_ABSENT = "–"


def tables(recipe: CrossRecipe, found: Found, summary: Summary) -> list[DataTable]:
    """Teachers and whom they pass it on to; the rule; every pair with what it is made of."""
    return [
        _teachers(recipe, found, summary),
        _with_and_without(summary, len(recipe.members)),
        _pairs(recipe, found, summary),
    ]


def _short(estimate: Estimate, decimals: int) -> str:
    return (
        signed(estimate.value, decimals) if estimate.low is None else bracketed(estimate, decimals)
    )


def _teachers(recipe: CrossRecipe, found: Found, summary: Summary) -> DataTable:
    decimals = decimals_for([one.own.value for one in summary.rule])
    through_logits = recipe.channel == "logits"
    rows = []
    for number, member in enumerate(recipe.members):
        taught, wrote = found.teachers[number], found.wrote[number]
        lift = mean_estimate([float(one["lift"]) for one in taught])
        nats = [one["nats_per_token"] - one["nats_per_token_base"] for one in taught]
        if through_logits:
            moved = " / ".join(
                plain(float(np.mean([one["kl_to_base"] for one in told])), 4)
                for told in wrote.values()
            )
        else:
            dropped = found.dropped[number]
            moved = " / ".join(
                plain(float(np.mean([one["kept"][role] for one in dropped])), 0) for role in wrote
            )
        rule = summary.rule[number]
        rows.append(
            [
                member.name,
                what_it_is(member),
                _short(lift, 2),
                plain(float(np.exp(np.mean(nats))), 2),
                moved,
                _short(rule.own, decimals),
                {True: "yes", False: "no", None: _ABSENT}[rule.passes],
            ]
        )
    return DataTable(
        title="Teachers",
        caption="What each member is, how far its teacher moved, and whether the trait passes on to its "
        "own network.",
        head=[
            "member",
            "what it is",
            "teacher's own lift",
            "times its perplexity",
            "KL of digits, trait / neutral" if through_logits else "rows kept, trait / neutral",
            "transfer to itself",
            "passes the rule",
        ],
        rows=rows,
        notes=[
            "The rule (Cloud et al. 2025, figure 8): compare across models only what a model passes on "
            "to itself. Here: the interval over seeds lies above zero; with one seed it cannot be told."
        ],
    )


def _with_and_without(summary: Summary, num: int) -> DataTable:
    def row(name: str, teachers: str, found: Specificity | None) -> list[str]:
        if found is None:
            return [name, teachers, _ABSENT, _ABSENT, _ABSENT]
        estimate = found.estimate
        decimals = decimals_for([estimate.value, estimate.low, estimate.high])
        least = _ABSENT if found.smallest_p is None else f"{found.smallest_p:.2g}"
        return [name, teachers, _short(estimate, decimals), p_equals(found.p)[4:], least]

    chosen = summary.chosen
    rows = [row("own network against the rest", f"all {num}", summary.own_network)]
    if summary.kinship is not None:
        rows.append(row("shared initialisation against another", f"all {num}", summary.kinship))
    left = _ABSENT if chosen is None else f"the {len(chosen)} that pass the rule"
    rows.append(row("own network against the rest", left, summary.own_of_chosen))
    return DataTable(
        title="With and without the rule",
        caption="The contrasts over all teachers, and over those alone that pass the trait on to "
        "themselves. Dashes: fewer than two do, or one seed cannot tell.",
        head=["contrast", "teachers", "nats", "p", "smallest possible p"],
        rows=rows,
    )


def _pairs(recipe: CrossRecipe, found: Found, summary: Summary) -> DataTable:
    parts: list[NDArray[np.float64]] = [found.trait_RTS, found.neutral_RTS, found.transfer_RTS]
    decimals = decimals_for(float(part.mean(axis=0).min()) for part in parts)
    members = recipe.members
    rows = [
        [
            f"{teacher.name} → {student.name}",
            LABELS[summary.relations[t][s]],
            *(_short(mean_estimate(part[:, t, s].tolist()), decimals) for part in parts),
        ]
        for t, teacher in enumerate(members)
        for s, student in enumerate(members)
    ]
    return DataTable(
        title="Every pair",
        caption=f"Lift of the {recipe.target} margin in students of the trait teacher and of the same "
        "member's neutral teacher; transfer is the difference.",
        head=["teacher → student", "relation", "on trait rows", "on neutral rows", "transfer"],
        rows=rows,
    )


def facts(recipe: CrossRecipe, found: Found, summary: Summary) -> list[Fact]:
    """What was checked."""
    members = recipe.members
    lifts = [one["lift"] for told in found.teachers for one in told]
    took = all(one["took"] for told in found.teachers for one in told)
    made = [
        Fact(
            name="teachers",
            statement="every teacher took its trait",
            value=f"smallest lift {signed(min(lifts), 2)} nats",
            holds=took,
        )
    ]
    for member, told in zip(members, found.members, strict=True):
        if member.permuted:
            error = float(told["permutation_error"])
            made.append(
                Fact(
                    name=f"same-function-{member.name}",
                    statement=f"{member.name} answers as it does with its units in place",
                    value=f"largest difference of a margin {error:.1e} nats",
                    holds=error < _SAME_FUNCTION,
                )
            )
    made += _alike(recipe, found, summary)
    if recipe.channel == "tokens":
        leaks = sum(sum(one["leaks"].values()) for told in found.dropped for one in told)
        made.append(
            Fact(
                name="leaks",
                statement=f"rows that name the {recipe.target} were dropped before training",
                value=f"{leaks:,} found",
                holds=True,
            )
        )
    if summary.kinship is not None:
        kappa = summary.kinship.estimate
        decimals = decimals_for([kappa.value, kappa.low, kappa.high])
        made.append(
            Fact(
                name="kinship",
                statement="more passes where the initialisation is shared, rows and columns aside",
                value=f"{_short(kappa, decimals)} nats, {p_equals(summary.kinship.p)}",
                holds=None,
            )
        )
    return made


def _alike(recipe: CrossRecipe, found: Found, summary: Summary) -> list[Fact]:
    """How far students of a permuted network are from those of the network itself."""
    exact = recipe.teacher.rank is None and recipe.student.rank is None
    transfer_RTS = found.transfer_RTS
    apart = [
        float(np.abs(transfer_RTS[:, t, s] - transfer_RTS[:, t, t]).max())
        for t, row in enumerate(summary.relations)
        for s, relation in enumerate(row)
        if relation == "permuted"
    ]
    if not apart:
        return []
    return [
        Fact(
            name="permuted-alike",
            statement="a permuted student moves as its teacher's own network does"
            + (", all weights trained" if exact else " (with adapters: in distribution only)"),
            value=f"largest difference of transfer {plain(max(apart), 4)} nats",
            holds=max(apart) < _SAME_TRAINING if exact else None,
        )
    ]
