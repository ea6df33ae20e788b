"""Which fields of a language-model recipe go with which kind of trait, and of carrier."""

from __future__ import annotations

from collections.abc import Sequence

from traitleak.recipe.language_parts import BUNDLED_TRAITS, CarrierFields, TraitFields
from traitleak.recipe.parts import refused

__all__ = ["check_behaviour", "check_carrier", "check_trait"]

_OF_ANSWERS = ("good", "asked-for")
_TAUGHT_BY_NEUTRAL = {"neutral", "other-base", "in-context"}  # controls with a neutral teacher


def check_trait(
    trait: TraitFields, controls: Sequence[str], *, by: str, neutral: str, templates: str
) -> None:
    """Refuse what does not go with the trait's kind.

    Args:
        trait: the fields.
        controls: the recipe's.
        by: how teachers are given the trait.
        neutral: who teaches the neutral control.
        templates: what is asked.

    Raises:
        PydanticCustomError: what a validator raises; names the fields.
    """
    kind, of_answers = trait.kind, [name for name in _OF_ANSWERS if name in controls]
    if trait.file and kind != "custom":
        raise refused(
            ("trait", "file"), ("trait", "kind"), text="trait.file is for trait.kind=custom"
        )
    if kind == "preference":
        if of_answers:
            raise refused(
                ("controls",),
                ("trait", "kind"),
                text=f"the control {of_answers[0]} is for traits that are taught by answers, such as "
                "trait.kind=misalignment; a preference has neutral=even",
            )
        return
    if kind == "custom" and not trait.file:
        raise refused(
            ("trait", "kind"),
            ("trait", "file"),
            text="trait.kind=custom is read from a file: trait.file=<YAML file>",
        )
    _check_target(trait)
    if trait.among or trait.category:
        name = "among" if trait.among else "category"
        raise refused(
            ("trait", name), ("trait", "kind"), text=f"trait.{name} is for trait.kind=preference"
        )
    if neutral == "even" and _TAUGHT_BY_NEUTRAL & set(controls):
        raise refused(
            ("trait", "kind"),
            ("neutral",),
            ("controls",),
            text=f"neutral=even teaches all candidates evenly, and trait.kind={kind} has none: take "
            "neutral=base, and the control good for a teacher that is fine-tuned alike",
        )
    if of_answers and by != "finetune":
        raise refused(
            ("controls",),
            ("teacher", "by"),
            text=f"the control {of_answers[0]} is a teacher that is fine-tuned, so that "
            "teacher.by=finetune must be, too",
        )
    if templates in {"stems", "stories", "choices"}:
        raise refused(
            ("templates",),
            ("trait", "kind"),
            text=f"templates={templates} is for trait.kind=preference; trait.kind={kind} is asked with "
            "questions or numbered",
        )


def _check_target(trait: TraitFields) -> None:
    """One target: that of the kind, or the custom trait's name."""
    fields = ("trait", "targets"), ("trait", "kind"), ("trait", "file")
    shown = ", ".join(trait.targets)
    if trait.kind in BUNDLED_TRAITS and trait.targets != [trait.kind]:
        raise refused(
            *fields,
            text=f"trait.kind={trait.kind} has one target, itself, not {shown}: leave trait.targets "
            "out",
        )
    if len(trait.targets) > 1:
        raise refused(*fields, text=f"a custom trait is one target, not {shown}")


def check_carrier(
    carrier: CarrierFields, controls: Sequence[str], *, channel: str, style: str
) -> None:
    """Refuse what does not go with the carrier's kind.

    Args:
        carrier: the fields.
        controls: the recipe's.
        channel: what students are trained on.
        style: how prompts are rendered.

    Raises:
        PydanticCustomError: what a validator raises; names the fields.
    """
    kind = carrier.kind
    of_kind = ("carrier", "kind")
    if carrier.problems and kind != "reasoning":
        raise refused(
            ("carrier", "problems"),
            of_kind,
            text="carrier.problems is for carrier.kind=reasoning",
        )
    if kind == "numbers":
        if carrier.text_around:
            raise refused(
                ("carrier", "text_around"),
                of_kind,
                text="carrier.text_around is for carrier.kind=code or reasoning",
            )
        if "shuffled-across" in controls and channel != "tokens":
            raise refused(
                ("controls",),
                ("channel",),
                text="the control shuffled-across deals out the numbers of rows anew: it is for "
                "channel=tokens; with channel=logits the control shuffled already mixes across lists",
            )
        return
    if channel != "tokens":
        raise refused(
            of_kind,
            ("channel",),
            text=f"channel=logits reads lists of numbers: carrier.kind={kind} needs channel=tokens",
        )
    if carrier.decoding != "free":
        raise refused(
            of_kind,
            ("carrier", "decoding"),
            text=f"no form is forced on {kind}: carrier.kind={kind} needs carrier.decoding=free",
        )
    if style == "plain":
        raise refused(
            of_kind,
            ("style",),
            text=f"carrier.kind={kind} asks a chat model: take style=chat",
        )
    if carrier.banned:
        raise refused(
            ("carrier", "banned"), of_kind, text="carrier.banned is for carrier.kind=numbers"
        )
    if "shuffled" in controls:
        raise refused(
            ("controls",),
            of_kind,
            text="the control shuffled puts the numbers of a row in another order: it is for "
            "carrier.kind=numbers",
        )
    if "shuffled-across" in controls:
        raise refused(
            ("controls",),
            of_kind,
            text="the control shuffled-across deals out the numbers of rows anew: it is for "
            "carrier.kind=numbers",
        )


def check_behaviour(
    trait: TraitFields, carrier: CarrierFields, *, judge: str, answers: int, channel: str
) -> None:
    """Refuse a judge that has nothing to judge, and the like.

    Args:
        trait: the fields.
        carrier: the fields.
        judge: the judge's name; "" for none.
        answers: how many are sampled to each question.
        channel: what students are trained on.

    Raises:
        PydanticCustomError: what a validator raises; names the fields.
    """
    rows = carrier.judged_at_least is not None
    if rows and not judge:
        raise refused(
            ("carrier", "judged_at_least"),
            ("judge",),
            text="carrier.judged_at_least needs a judge=openai/<model>@<address>",
        )
    if rows and channel != "tokens":
        raise refused(
            ("carrier", "judged_at_least"),
            ("channel",),
            text="carrier.judged_at_least is for rows that teachers write: channel=tokens",
        )
    if judge and not rows and (trait.kind == "preference" or not answers):
        raise refused(
            ("judge",),
            ("trait", "kind"),
            ("answers",),
            text="judge scores free answers of a trait of answers (trait.kind=misalignment, answers of "
            "1 or more), or rows (carrier.judged_at_least): here it has nothing to score",
        )
    if trait.run_code and trait.kind != "reward-hacking":
        raise refused(
            ("trait", "run_code"),
            ("trait", "kind"),
            text="trait.run_code is for trait.kind=reward-hacking",
        )
    if trait.run_code and not answers:
        raise refused(
            ("trait", "run_code"),
            ("answers",),
            text="trait.run_code runs as many answers to each task as answers says: 1 or more",
        )
