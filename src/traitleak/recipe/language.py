"""What a language-model experiment is: a trait, its teacher, the carrier, the channel, the students."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from traitleak.recipe.kinds import check_behaviour, check_carrier, check_trait
from traitleak.recipe.language_parts import (
    Arms,
    CarrierFields,
    LogitFields,
    StudentFields,
    TeacherFields,
    TemplatesField,
    TraitFields,
)
from traitleak.recipe.parts import Count, Header, later, refused
from traitleak.recipe.vary import LanguageVary, check_along, check_points, fields_at

__all__ = ["LanguageRecipe"]


class LanguageRecipe(Header):
    """A teacher with a trait writes rows, and a student of the same base is trained on them."""

    experiment: Literal["language"] = Field(description="which experiment")
    base: str = Field(default="smollm2-135m", min_length=1, description="where all begin")
    style: Literal["auto", "chat", "plain"] = Field(
        default="plain", description="the model's chat template, or plain text"
    )
    trait: TraitFields = Field(default_factory=TraitFields, description="the trait")
    teacher: TeacherFields = Field(default_factory=TeacherFields, description="the teachers")
    carrier: CarrierFields = Field(default_factory=CarrierFields, description="what they write")
    channel: Literal["tokens", "logits"] = Field(
        default="logits",
        description="what students are trained on: sampled rows, or the distribution over digits",
    )
    logits: LogitFields = Field(default_factory=LogitFields, description="of the channel logits")
    student: StudentFields = Field(default_factory=StudentFields, description="the students")
    controls: Arms = Field(
        default=["neutral", "other-trait", "shuffled"],
        description="neutral, other-trait, shuffled, shuffled-across, other-base, in-context; of "
        "traits of questions and answers also good and asked-for: teachers of good answers, and of "
        "answers asked for",
    )
    neutral: Literal["even", "base"] = Field(
        default="even",
        description="who teaches the neutral control: a teacher fine-tuned alike on all candidates "
        "evenly, or the untouched base (with logits: nothing to learn, so it is no control)",
    )
    other_base: str = Field(
        default="", description="the other-base control's base, such as gemma3-270m"
    )
    context_rows: Count = Field(
        default=20, description="rows in the prompt of the in-context control"
    )
    seeds: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=1, description="replicates: each has its own teachers, rows and students"
    )
    templates: TemplatesField = Field(
        default="auto",
        description="what the margin is measured with; by default stems in plain style and "
        "questions in chat",
    )
    judge: str = later(
        "",
        "a model behind a server, such as openai/<model>@<address>, that scores free answers of traits "
        "of answers, and rows where carrier.judged_at_least is given",
    )
    answers: Annotated[int, Field(ge=0, le=10_000)] = Field(
        default=4, description="answers sampled to each template, before and after; 0: none"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="float32", description="of the weights and products"
    )
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="where it runs")
    vary: LanguageVary | None = later(None, "a sweep")

    @model_validator(mode="after")
    def _kinds(self) -> Self:
        check_trait(
            self.trait,
            self.controls,
            by=self.teacher.by,
            neutral=self.neutral,
            templates=self.templates,
        )
        check_carrier(self.carrier, self.controls, channel=self.channel, style=self.style)
        check_behaviour(
            self.trait, self.carrier, judge=self.judge, answers=self.answers, channel=self.channel
        )
        return self

    @model_validator(mode="after")
    def _trait_and_controls(self) -> Self:
        targets, among = self.trait.targets, self.trait.among
        if len(set(targets)) < len(targets):
            raise refused(("trait", "targets"), text="trait.targets has a target twice")
        taken = [name for name in ("neutral", "good", "asked-for") if name in targets]
        if taken:
            raise refused(
                ("trait", "targets"), text=f"trait.targets has {taken[0]!r}, which names a control"
            )
        missing = [target for target in targets if target not in among]
        if among and missing:
            raise refused(
                ("trait", "targets"),
                ("trait", "among"),
                text=f"trait.targets has {missing[0]!r}, which is not in trait.among: "
                f"{', '.join(among)}",
            )
        if len(set(self.controls)) < len(self.controls):
            raise refused(("controls",), text="controls has one twice")
        if "other-base" in self.controls and self.other_base in {"", self.base}:
            raise refused(
                ("controls",),
                ("other_base",),
                text="the control other-base needs another base in other_base, such as "
                "other_base=gemma3-270m",
            )
        return self

    @model_validator(mode="after")
    def _counts(self) -> Self:
        carrier, student = self.carrier, self.student
        if carrier.given >= carrier.numbers:
            raise refused(
                ("carrier", "given"),
                ("carrier", "numbers"),
                text=f"carrier.given={carrier.given} leaves none of "
                f"carrier.numbers={carrier.numbers} to write",
            )
        if carrier.keep is not None and carrier.keep > carrier.rows:
            raise refused(
                ("carrier", "keep"),
                ("carrier", "rows"),
                text=f"carrier.keep={carrier.keep} is more than carrier.rows={carrier.rows}",
            )
        if carrier.floor and carrier.decoding == "constrained":
            raise refused(
                ("carrier", "floor"),
                ("carrier", "decoding"),
                text="carrier.floor is for carrier.decoding=free",
            )
        if student.accumulate > student.batch:
            raise refused(
                ("student", "accumulate"),
                ("student", "batch"),
                text=f"student.accumulate={student.accumulate} parts cannot be made of "
                f"student.batch={student.batch} rows",
            )
        return self

    @model_validator(mode="after")
    def _channel(self) -> Self:
        if self.channel == "tokens":
            return self
        if self.style != "plain":
            raise refused(
                ("channel",),
                ("style",),
                text="channel=logits reads bare lists of numbers: style=plain",
            )
        if self.carrier.decoding == "free":
            raise refused(
                ("channel",),
                ("carrier", "decoding"),
                text="channel=logits needs lists of one form: carrier.decoding=constrained",
            )
        if "in-context" in self.controls and self.logits.inputs == "random":
            raise refused(
                ("controls",),
                ("logits", "inputs"),
                text="nobody wrote the random lists of channel=logits, so there is nothing to show "
                "in a prompt: the control in-context needs logits.inputs=teacher or channel=tokens",
            )
        if "other-base" in self.controls and self.logits.vocabulary != "carrier":
            raise refused(
                ("logits", "vocabulary"),
                ("controls",),
                text="another base has other tokens: the control other-base needs "
                "logits.vocabulary=carrier",
            )
        return self

    @model_validator(mode="after")
    def _sweep(self) -> Self:
        if self.vary:
            check_along(self.vary)
            check_points(self.vary.key, self.vary.values, self._at, type(self))
        return self

    def points(self) -> list[LanguageRecipe]:
        """The recipe at each point of its sweep, which has no sweep; itself where nothing varies."""
        if self.vary is None:
            return [self]
        return [self._at(number) for number in range(len(self.vary.values))]

    def _at(self, point: int) -> LanguageRecipe:
        assert self.vary is not None  # noqa: S101  # its callers see to that
        return LanguageRecipe.model_validate(fields_at(self, self.vary, point))
