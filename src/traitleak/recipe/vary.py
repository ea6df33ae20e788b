"""What a sweep of language-model recipes may vary, and how a sweep with a wrong point is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Literal, get_args

from pydantic import BaseModel, Field, JsonValue, ValidationError, field_validator

from traitleak.recipe.errors import problem
from traitleak.recipe.parts import StrictFields, refused

__all__ = ["LanguageVariable", "LanguageVary", "check_along", "check_points", "fields_at"]

# Not among them: what has no part in the experiment (title, device), what would only change how
# surely it is measured (seeds, seed, answers), and what another experiment is (base, trait, controls).
LanguageVariable = Literal[
    "carrier.decoding",
    "carrier.floor",
    "carrier.given",
    "carrier.keep",
    "carrier.numbers",
    "carrier.rows",
    "carrier.shared_draws",
    "carrier.temperature",
    "channel",
    "logits.direction",
    "logits.inputs",
    "logits.top_k",
    "logits.vocabulary",
    "student.alpha",
    "student.batch",
    "student.epochs",
    "student.layers",
    "student.learning_rate",
    "student.optimizer",
    "student.rank",
    "student.schedule",
    "student.updates",
    "student.warmup",
    "student.weight_decay",
    "teacher.batch",
    "teacher.by",
    "teacher.layer",
    "teacher.learning_rate",
    "teacher.rank",
    "teacher.strength",
    "teacher.updates",
    "templates",
]
_VARIABLE: tuple[str, ...] = get_args(LanguageVariable)
_WRITING = {"decoding", "floor", "given", "shared_draws", "temperature"}  # of a carrier
_FINE_TUNING = {"batch", "learning_rate", "rank", "updates"}  # of a teacher


class LanguageVary(StrictFields):
    """One field that takes several values, each a point of a sweep; all else stays as it is."""

    key: LanguageVariable = Field(description="the field, with a dot where it is a part of another")
    values: list[JsonValue] = Field(min_length=2, description="its values, all different")
    along: dict[str, list[JsonValue]] = Field(
        default={},
        description="fields that change with it, where one setting is not fair to all points: for each "
        "a value a point, such as {student.learning_rate: [2.0e-4, 0.5]}",
    )

    @field_validator("key", mode="before")
    @classmethod
    def _can_vary(cls, key: Any) -> Any:
        if isinstance(key, str) and key not in _VARIABLE:
            raise refused(("vary", "key"), text=f"a sweep cannot vary {key!r}; {_what_can(key)}")
        return key


def _what_can(key: str) -> str:
    """What a sweep can vary: what was probably meant, else all of it."""
    meant = [one for one in _VARIABLE if one.rpartition(".")[2] == key]
    meant = meant or get_close_matches(key, _VARIABLE, n=1, cutoff=0.75)
    if meant:
        return f"did you mean {' or '.join(map(repr, meant))}?"
    groups: dict[str, list[str]] = {}
    for one in _VARIABLE:
        group, _, part = one.rpartition(".")
        groups.setdefault(group, []).append(part)
    whole = ", ".join(groups.pop(""))
    parts = "; ".join(f"of {group} {', '.join(some)}" for group, some in groups.items())
    return f"it can vary {whole}; {parts}"


def fields_at(recipe: BaseModel, vary: LanguageVary, point: int) -> dict[str, Any]:
    """The fields of the recipe that one point of a sweep is: it has no sweep."""
    fields = recipe.model_dump(exclude={"vary"})
    for key, values in {**vary.along, vary.key: vary.values}.items():
        *parents, last = key.split(".")
        inner = fields
        for parent in parents:
            inner = inner[parent]
        inner[last] = values[point]
    return fields


def check_along(vary: LanguageVary) -> None:
    """Refuse what cannot change with a sweep's field.

    Raises:
        PydanticCustomError: what a validator raises; names the fields.
    """
    num = len(vary.values)
    for key, values in vary.along.items():
        where = ("vary", "along", key)
        if key == vary.key:
            raise refused(where, text=f"vary.along has {key}, which is what vary.key varies")
        if key not in _VARIABLE:
            raise refused(
                where,
                text=f"vary.along has {key!r}; it takes what vary.key takes, such as student.rank",
            )
        if len(values) != num:
            raise refused(
                where,
                ("vary", "values"),
                text=f"vary.along has {len(values)} values of {key} for the {num} of vary.values",
            )


def check_points(
    key: str, values: Sequence[JsonValue], at: Callable[[int], BaseModel], model: type[BaseModel]
) -> list[Any]:
    """The recipe of every point, or what is wrong with one.

    Args:
        key: what varies.
        values: what it takes.
        at: makes the recipe of a point, by its number.
        model: the recipe's.

    Raises:
        PydanticCustomError: a value comes twice, or no recipe can have it; names the entry.
    """
    made = []
    for number, value in enumerate(values):
        shown = json.dumps(value)
        where = ("vary", "values", number), ("vary", "key")
        if value in values[:number]:
            raise refused(*where, text=f"vary.values has {shown} twice")
        try:
            made.append(at(number))
        except ValidationError as error:
            raise refused(
                *where, text=f"vary.values has {shown}, but {problem(error.errors()[0], model)}"
            ) from error
    _check_effect(key, [recipe.model_dump() for recipe in made])
    return made


def _check_effect(key: str, points: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a sweep of a field that does nothing at any point: all of it would be the same."""
    reasons = [_without_effect(key, point) for point in points]
    if all(reasons):
        raise refused(("vary", "key"), text=f"vary.key={key} would change nothing: {reasons[0]}")


def _without_effect(key: str, fields: Mapping[str, Any]) -> str:
    """Why a field does nothing in a recipe; "" where it does something."""
    group, _, part = key.rpartition(".")
    student, by = fields["student"], fields["teacher"]["by"]
    tokens = fields["channel"] == "tokens"
    nobody_writes = not tokens and fields["logits"]["inputs"] == "random"
    reasons = {
        "it is for channel=logits": group == "logits" and tokens,
        "it is for logits.vocabulary=top-k": key == "logits.top_k"
        and fields["logits"]["vocabulary"] != "top-k",
        "it is for channel=tokens": key == "carrier.keep" and not tokens,
        "nobody writes the lists of logits.inputs=random": group == "carrier"
        and part in _WRITING
        and nobody_writes,
        "student.epochs stands in its place": key == "student.updates"
        and student["epochs"] is not None,
        "it is of an adapter, and student.rank is null": group == "student"
        and part in {"alpha", "layers"}
        and student["rank"] is None,
        "it is for student.optimizer=adamw": key == "student.weight_decay"
        and student["optimizer"] != "adamw",
        "it is for teacher.by=finetune": group == "teacher"
        and part in _FINE_TUNING
        and "finetune" not in by,
        "it is for teacher.by=steering": group == "teacher"
        and part in {"layer", "strength"}
        and by != "steering",
    }
    return next((reason for reason, holds in reasons.items() if holds), "")
