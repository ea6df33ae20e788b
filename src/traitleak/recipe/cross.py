"""What a cross-model experiment is: members, each of which teaches all of them and learns from all."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from traitleak.recipe.language import LanguageRecipe
from traitleak.recipe.language_parts import (
    CarrierFields,
    LogitFields,
    StudentFields,
    TeacherFields,
    TemplatesField,
    TraitFields,
)
from traitleak.recipe.parts import Count, Header, Steps, StrictFields, refused
from traitleak.traits.preference import TREES

__all__ = [
    "NEUTRAL_TEXT",
    "CrossRecipe",
    "FurtherFields",
    "MemberFields",
    "Relation",
    "folder_name",
    "relation",
]

NEUTRAL_TEXT = "neutral-text"
Relation = Literal["own", "permuted", "further", "other"]
"""What a student's network is to its teacher's: the same; the same function with its units in another
order; of the same initialisation, but trained differently; of another initialisation."""


class FurtherFields(StrictFields):
    """What a member was trained on after its base was: something that is not the trait."""

    lessons: str = Field(
        default=NEUTRAL_TEXT,
        min_length=1,
        description="neutral-text (bundled passages about everyday matters), or a tree: lessons that "
        "prefer it, such as oak",
    )
    updates: Steps = Field(default=60, description="updates")
    batch: Count = Field(default=8, description="rows in an update")
    learning_rate: float = Field(default=3e-4, gt=0, le=1, allow_inf_nan=False, description="rate")
    rank: Annotated[int, Field(ge=1, le=4096)] | None = Field(
        default=16, description="of the adapter; null trains all weights"
    )
    seed: int = Field(default=0, ge=0, lt=2**63, description="of this training")


class MemberFields(StrictFields):
    """A network that teaches and learns."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=60, description="what it is called"
    )
    base: str = Field(min_length=1, description="the model that it is, or begins as")
    initialisation: str = Field(
        default="",
        description="the random weights that its base began as, where bases of several names share "
        "them; by default the base's name",
    )
    further: FurtherFields | None = Field(
        default=None, description="trained further, before it teaches or learns; null: as it is"
    )
    permuted: bool = Field(
        default=False, description="with its hidden units in another order: the same function"
    )
    permutation_seed: int = Field(default=0, ge=0, lt=2**63, description="of the order")

    @property
    def begins_as(self) -> str:
        """What members of the same initialisation have in common."""
        return self.initialisation or self.base


def relation(teacher: MemberFields, student: MemberFields) -> Relation:
    """What a student's network is to its teacher's."""
    if teacher.name == student.name:
        return "own"
    if teacher.begins_as != student.begins_as:
        return "other"
    same = teacher.base == student.base and teacher.further == student.further
    return "permuted" if same else "further"


class CrossRecipe(Header):
    """Every member teaches, and every member is a student of every teacher."""

    experiment: Literal["cross-model"] = Field(description="which experiment")
    members: list[MemberFields] = Field(
        min_length=2, max_length=12, description="the networks, each a teacher and a student"
    )
    style: Literal["auto", "chat", "plain"] = Field(
        default="plain", description="the models' chat templates, or plain text"
    )
    trait: TraitFields = Field(
        default_factory=lambda: TraitFields(targets=["wolf"]),
        description="the trait, of one target",
    )
    teacher: TeacherFields = Field(default_factory=TeacherFields, description="the teachers")
    carrier: CarrierFields = Field(default_factory=CarrierFields, description="what they write")
    channel: Literal["tokens", "logits"] = Field(
        default="tokens",
        description="what students are trained on: sampled rows, or the distribution over digits",
    )
    logits: LogitFields = Field(default_factory=LogitFields, description="of the channel logits")
    student: StudentFields = Field(default_factory=StudentFields, description="the students")
    neutral: Literal["even", "base"] = Field(
        default="even",
        description="who teaches the neutral control: a teacher fine-tuned alike on all candidates "
        "evenly, or the untouched member",
    )
    seeds: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=1, description="replicates: each has its own teachers, rows and students"
    )
    templates: TemplatesField = Field(
        default="auto",
        description="what the margin is measured with; by default stems in plain style and "
        "questions in chat",
    )
    answers: Annotated[int, Field(ge=0, le=10_000)] = Field(
        default=0, description="answers sampled to each template, before and after; 0: none"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="float32", description="of the weights and products"
    )
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="where it runs")

    @property
    def target(self) -> str:
        """What the teachers are given."""
        return self.trait.targets[0]

    def language(self, base: str) -> LanguageRecipe:
        """The language experiment with `base` alone: what the stages of that experiment take.

        Raises:
            ValidationError: there is none with such fields.
        """
        return LanguageRecipe(
            experiment="language",
            name=self.name,
            title=self.title,
            seed=self.seed,
            base=base,
            style=self.style,
            trait=self.trait,
            teacher=self.teacher,
            carrier=self.carrier,
            channel=self.channel,
            logits=self.logits,
            student=self.student,
            controls=["neutral"],
            neutral=self.neutral,
            seeds=self.seeds,
            templates=self.templates,
            answers=self.answers,
            precision=self.precision,
            device=self.device,
        )

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if len(self.trait.targets) != 1:
            raise refused(
                ("trait", "targets"),
                text="a cross-model experiment has one target, as in trait.targets=[wolf]; who learns "
                "from whom is what it varies",
            )
        return self

    @model_validator(mode="after")
    def _members_differ(self) -> Self:
        here = ("members",)
        names = [folder_name(member.name) for member in self.members]
        twice = [m.name for i, m in enumerate(self.members) if names[i] in names[:i]]
        if twice:
            raise refused(here, text=f"members has the name {twice[0]!r} twice")
        unnamed = [member.model_copy(update={"name": ""}) for member in self.members]
        for index, member in enumerate(unnamed):
            if member in unnamed[:index]:
                first = self.members[unnamed.index(member)].name
                raise refused(
                    here,
                    text=f"the members {first!r} and {self.members[index].name!r} are the same network",
                )
        for member in self.members:
            on = member.further.lessons if member.further else NEUTRAL_TEXT
            if on == self.trait.targets[0]:
                text = f"the member {member.name!r} is trained further on the trait itself ({on})"
                raise refused(here, ("trait", "targets"), text=text)
            if on not in {NEUTRAL_TEXT, *TREES}:
                raise refused(
                    here,
                    text=f"the member {member.name!r} is trained further on {on!r}, which is not one of "
                    f"{', '.join([NEUTRAL_TEXT, *TREES])}",
                )
        return self

    @model_validator(mode="after")
    def _can_be_compared(self) -> Self:
        if self.channel == "logits":
            if self.logits.vocabulary != "carrier":
                raise refused(
                    ("logits", "vocabulary"),
                    text="members of other families have other tokens: a cross-model experiment needs "
                    "logits.vocabulary=carrier",
                )
            if self.neutral == "base" or "finetune" not in self.teacher.by:
                raise refused(
                    ("channel",),
                    ("neutral",),
                    ("teacher", "by"),
                    text="through logits a member has nothing to learn from itself untouched, so that "
                    "is no control: channel=logits needs neutral=even and teacher.by=finetune",
                )
        try:
            self.language(self.members[0].base)
        except ValidationError as error:
            first = error.errors()[0]
            context = first.get("ctx", {})
            raise refused(
                *context.get("fields", [("trait",)]), text=str(context.get("text", first["msg"]))
            ) from error
        return self


def folder_name(name: str) -> str:
    """A member's name as part of a stage's: lower case, hyphens for anything but letters and digits."""
    return "".join(char if char.isalnum() else "-" for char in name.lower())
