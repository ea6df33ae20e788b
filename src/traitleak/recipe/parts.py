"""What all recipes have in common: strict fields, the header, bounds, and how a validator refuses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from traitleak.recipe.files import Keys

__all__ = [
    "Count",
    "Header",
    "Size",
    "Steps",
    "StrictFields",
    "Width",
    "later",
    "model_in",
    "refused",
    "text_keys",
]

Size = Literal["tiny", "laptop", "paper"]
# The upper bounds catch slips of the keyboard: far below them it is memory or patience that ends.
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Steps = Annotated[int, Field(ge=1, le=10_000_000)]
Width = Annotated[int, Field(ge=1, le=65_536)]


class StrictFields(BaseModel):
    """Fields that cannot change, of the very types they say, and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Header(StrictFields):
    """What every recipe says about itself."""

    experiment: str
    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        max_length=100,
        description="names the run folder; not written in a recipe: it is the file's name",
    )
    title: str = Field(description="one line; the report's headline; by default the name")
    about: str = Field(default="", description="what is asked and what is varied, and why")
    source: str = Field(default="", description="the paper and figure that it follows")
    hardware: str = Field(default="", description="what the minutes are for")
    minutes: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="how long it takes, about"
    )
    expect: str = Field(default="", description="the effect to expect, with its source")
    size: Size = Field(default="laptop", description="which of `sizes` applies")
    seed: int = Field(default=0, ge=0, lt=2**63, description="fixes all that is drawn at random")


def later(default: Any, description: str) -> Any:
    """A field that came after runs were made.

    Its default is left out of what is written, so that the run folders of older recipes keep their
    names, and their stages their keys. A recipe without it reads back the same.
    """
    return Field(
        default=default, description=description, exclude_if=lambda value: value == default
    )


def refused(*fields: Keys, text: str) -> PydanticCustomError:
    """What a validator raises; `explain` says where the first of `fields` was set."""
    return PydanticCustomError("refused", "{text}", {"text": text, "fields": fields})


def model_in(field: FieldInfo) -> type[BaseModel] | None:
    """The model whose fields are a field's parts; None where it has none."""
    parts = get_args(field.annotation) or [field.annotation]
    return next((p for p in parts if isinstance(p, type) and issubclass(p, BaseModel)), None)


def text_keys(model: type[BaseModel]) -> Iterator[str]:
    """The dotted keys of the fields that hold free text."""
    for name, field in model.model_fields.items():
        inner = model_in(field)
        if field.annotation is str:
            yield name
        elif inner is not None:
            yield from (f"{name}.{key}" for key in text_keys(inner))
