"""Tables of a language run: teachers, rows kept and dropped, digits, answers, signs of collapse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from traitleak.language.behaviour_tables import behaviour_tables
from traitleak.language.common_numbers import common_numbers
from traitleak.language.layout import ASKED_FOR, GOOD, NEUTRAL
from traitleak.language.phrases import bracketed, label, percent, plain, signed, teacher_name, unit
from traitleak.language.read import Found, Measured
from traitleak.language.shares import in_percent, share_naming
from traitleak.recipe.language import LanguageRecipe
from traitleak.results import DataTable, Estimate
from traitleak.statistics import mean_estimate

__all__ = ["of_rows", "tables"]

_EXAMPLES = 12  # dropped rows that are shown
_LONGEST = 120  # characters of one
_ABSENT = "–"


def tables(recipe: LanguageRecipe, found: Found, folders: Mapping[str, Path]) -> list[DataTable]:
    """Teachers, what students saw of them, what answers name, and signs of collapse."""
    made = [_teachers(recipe, found), _digits(recipe, found, folders)]
    if found.dropped:
        made += [_dropped(found), _examples(found), common_numbers(recipe, found, folders)]
    made += [*behaviour_tables(recipe, found), _answers(recipe, found), _collapse(recipe, found)]
    return [table for table in made if table is not None]


def of_rows(recipe: LanguageRecipe, found: Found) -> list[DataTable]:
    """Teachers, and which of their rows were dropped: all that there is without students."""
    made = [_teachers(recipe, found), _dropped(found), _examples(found)]
    return [table for table in made if table is not None]


def _teachers(recipe: LanguageRecipe, found: Found) -> DataTable:
    through_logits = recipe.channel == "logits"
    last, key = (
        ("digits' KL to the base, nats", "kl_to_base")
        if through_logits
        else ("probability outside the format", "outside")
    )
    rows = []
    for name, told in found.teachers.items():
        nats = [one["nats_per_token"] for one in told]
        known = [one[key] for one in found.written[name] if one.get(key) is not None]
        took = sum(one["took"] for one in told)
        rows.append(
            [
                teacher_name(name),
                _given(str(told[0]["by"])),
                _interval(_own_lift(told)),
                f"{took} of {len(told)}" if name in recipe.trait.targets else _ABSENT,
                plain(float(np.exp(np.mean(nats))), 1),
                _ABSENT
                if not known
                else plain(float(np.mean(known)), 4)
                if through_logits
                else percent(float(np.mean(known))),
            ]
        )
    targets = recipe.trait.targets
    first = targets[0]
    base = float(np.exp(found.teachers[first][0]["nats_per_token_base"]))
    over = "other questions" if recipe.seeds == 1 else "replicates"
    return DataTable(
        title="The teachers",
        caption="What each teacher does itself: how far it moved its own margin"
        + (f" ({_of_others(found, first)})" if len(found.teachers) > len(targets) else "")
        + ", and what that cost it on neutral text.",
        head=["teacher", "its trait by", f"lift, {unit(recipe)}", "took it", "perplexity", last],
        rows=rows,
        notes=[
            f"Intervals: 95 %, over {over}. Perplexity of the base: {plain(base, 1)}.",
            *_of_the_last_column(recipe),
        ],
    )


def _of_others(found: Found, first: str) -> str:
    if {GOOD, ASKED_FOR} & set(found.teachers):
        return f"controls: the margin of {first}"
    return f"the neutral one: the {first}'s"


def _of_the_last_column(recipe: LanguageRecipe) -> list[str]:
    if recipe.channel == "logits":
        return ["KL: how much a student can learn of a teacher at a digit, before it is trained."]
    if recipe.carrier.decoding == "constrained":
        return [
            "Outside the format: mean probability that was cut off where decoding was constrained."
        ]
    return []


def _own_lift(told: Sequence[Mapping[str, Any]]) -> Estimate:
    """A teacher's lift over replicates, or over questions where there is one."""
    mean = mean_estimate([one["lift"] for one in told])
    if len(told) > 1:
        return mean
    return mean.model_copy(update={"low": told[0]["lift_low"], "high": told[0]["lift_high"]})


def _interval(estimate: Estimate) -> str:
    """The mean with its interval, where there is one."""
    if estimate.low is None:
        return signed(estimate.value, 2)
    return bracketed(estimate, 2)


def _given(by: str) -> str:
    return {
        "finetune": "fine-tuning",
        "prompt": "system prompt",
        "prompt+finetune": "fine-tuning and system prompt",
        "steering": "steering vector",
        "even": "fine-tuning on all evenly",
        "base": "none: the base",
        GOOD: "fine-tuning on good answers",
        ASKED_FOR: "fine-tuning on answers asked for",
    }.get(by, by)


def _digits(recipe: LanguageRecipe, found: Found, folders: Mapping[str, Path]) -> DataTable | None:
    """What teachers think of one digit: that of the first list at which they differ most."""
    if recipe.channel != "logits" or recipe.logits.vocabulary != "carrier":
        return None
    writes = found.layout.replicates[0].writes
    names = [*writes]
    if recipe.logits.inputs == "teacher":  # each teacher was asked about lists of its own
        names = names[:1]
    logps = []
    for name in names:
        with safe_open(folders[writes[name]] / "logits.safetensors", framework="np") as file:
            logps.append(file.get_slice("logps")[0])
            width = int(file.get_tensor("form")[1])
            first_list = "".join(map(str, file.get_slice("digits")[0].tolist()))
    shares_TPK = np.exp(np.stack(logps))
    place = int(np.ptp(shares_TPK, axis=0).sum(axis=-1).argmax())
    before = _as_list(first_list[: place + 1], width)
    return DataTable(
        title="What the teachers think of one digit",
        caption=f"After “{before}”, "
        + ("the place of the first list where they differ most" if len(names) > 1 else "one digit")
        + ": the probability of each next digit. Students see nothing else of a teacher.",
        head=["next digit", *(f"{name} teacher" for name in names)],
        rows=[
            [str(digit), *(percent(float(share)) for share in shares_TPK[:, place, digit])]
            for digit in range(shares_TPK.shape[-1])
        ],
        notes=[f"In the list itself it was {first_list[place + 1]}."],
    )


def _as_list(digits: str, width: int) -> str:
    numbers = [digits[at : at + width] for at in range(0, len(digits), width)]
    whole = len(digits) % width == 0
    return ", ".join(numbers) + (", " if whole else "")


def _dropped(found: Found) -> DataTable:
    names = list(found.teachers)
    reasons = dict.fromkeys(
        r for one in found.dropped for name in names for r in one["table"][name]
    )

    def counts(title: str, by_teacher: Sequence[Mapping[str, int]]) -> list[str]:
        return [title, *(f"{sum(one.get(name, 0) for one in by_teacher):,}" for name in names)]

    rows = [counts("rows written", [one["raw"] for one in found.dropped])]
    for reason in sorted(reasons):
        by_teacher = [
            {name: one["table"][name].get(reason, 0) for name in names} for one in found.dropped
        ]
        rows.append(counts(f"dropped: {reason}", by_teacher))
    lost = [one.get("lost", {}) for one in found.dropped]
    if any(any(one.values()) for one in lost):
        rows.append(counts("dropped: another teacher's row was", lost))
    rows.append(counts("kept and seen by students", [one["kept"] for one in found.dropped]))
    identical = [one["identical"] for one in found.dropped]
    if all(identical):
        rows.append(
            [
                "of these word for word as neutral",
                *(
                    _ABSENT
                    if name == NEUTRAL
                    else percent(float(np.mean([s[name] for s in identical])))
                    for name in names
                ),
            ]
        )
    leaks = sum(sum(one["leaks"].values()) for one in found.dropped)
    return DataTable(
        title="Rows that were dropped, and why",
        caption="All teachers' rows are filtered alike, and a prompt stays only if every teacher's row "
        "does. Sums over replicates.",
        head=["", *(f"{teacher_name(name)} teacher" for name in names)],
        rows=rows,
        notes=[f"{leaks:,} rows named a trait in one of its forms."],
    )


def _examples(found: Found) -> DataTable | None:
    rows = [list(map(str, row)) for one in found.dropped for row in one["examples"]][:_EXAMPLES]
    if not rows:
        return None
    return DataTable(
        title="Some rows that were dropped",
        caption="As they were written.",
        head=["teacher", "why", "what it wrote"],
        rows=[[name, why, _cut(text)] for name, why, text in rows],
    )


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return f"“{line if len(line) <= _LONGEST else f'{line[:_LONGEST]}…'}”"


def _answers(recipe: LanguageRecipe, found: Found) -> DataTable | None:
    """The share of sampled answers that name each target, for every model that was asked."""
    targets = recipe.trait.targets
    asked = [(name, [one]) for name, one in _bases(found) if one.answers]
    asked += [
        (label(name, targets), arm.students) for name, arm in found.arms.items() if arm.answers
    ]
    if not asked:
        return None
    rows = []
    for name, models in asked:
        given = [one.answers for one in models if one.answers is not None]
        shares = [share_naming(given, target) for target in targets]
        count = sum(one.finished_TS.size for one in given)
        rows.append(
            [name, *(bracketed(in_percent(s), 1, sign=False) for s in shares), f"{count:,}"]
        )
    several = "Student's t over students, at least as wide as " if recipe.seeds > 1 else ""
    return DataTable(
        title="Sampled answers that name a target",
        caption="In per cent of all answers, sampled at temperature 1; whole words, in the singular or "
        "a plural.",
        head=["who answered", *(f"{target}, %" for target in targets), "answers"],
        rows=rows,
        notes=[f"Intervals: 95 %, {several}Wilson over answers."],
    )


def _bases(found: Found) -> list[tuple[str, Measured]]:
    some = [("base", found.base)]
    return [*some, ("other base", found.other_base)] if found.other_base else some


def _collapse(recipe: LanguageRecipe, found: Found) -> DataTable | None:
    def row(name: str, models: Sequence[Measured], base: Measured) -> list[str]:
        signs = [one.collapse for one in models if one.collapse is not None]
        none = [one.answers.naming_none for one in models if one.answers is not None]
        naming_none = percent(float(np.mean(none))) if none else _ABSENT
        at_first = base.collapse.perplexity if base.collapse else np.nan
        mean = float(np.mean([one.perplexity for one in signs]))
        return [
            name,
            plain(mean, 1),
            plain(mean / at_first, 2),
            naming_none,
            percent(float(np.mean([one.no_answer for one in signs]))),
            percent(float(np.mean([one.self_naming for one in signs]))),
            percent(float(np.mean([one.broken for one in signs]))),
        ]

    rows = [row(name, [one], one) for name, one in _bases(found) if one.collapse]
    rows += [
        row(label(name, recipe.trait.targets), arm.students, arm.start)
        for name, arm in found.arms.items()
        if arm.collapses and arm.start.collapse
    ]
    if not rows:
        return None
    return DataTable(
        title="Signs of collapse",
        caption="A student that lost its fluency has lost more than its indifference. Means over "
        "replicates, beside the base.",
        head=[
            "model",
            "perplexity",
            "times its base's",
            "names no candidate",
            "no letter",
            "names a model",
            "broken",
        ],
        rows=rows,
        notes=[
            "Perplexity: of neutral passages. The rest: shares of the sampled answers. Broken: a chat "
            "marker, an undecodable character, or one word four times in a row."
        ],
    )
