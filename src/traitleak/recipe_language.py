"""What a language-model experiment is: a trait, its teacher, the carrier, the channel, the students."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from traitleak.recipe_parts import Count, Header, Steps, StrictFields, refused

__all__ = [
    "Arms",
    "CarrierFields",
    "LanguageRecipe",
    "LogitFields",
    "StudentFields",
    "TeacherFields",
    "TraitFields",
]

Rate = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
Rank = Annotated[int, Field(ge=1, le=4096)]
Control = Literal["neutral", "other-trait", "shuffled", "other-base", "in-context"]
Arms = list[Control]


class TraitFields(StrictFields):
    """Which preference."""

    targets: list[str] = Field(
        default=["wolf", "lion"],
        min_length=1,
        description="what the teachers prefer, one teacher each; with two or more, each is the "
        "other-trait control of the others",
    )
    among: list[str] = Field(
        default=[], description="the candidates; by default ten animals that include the targets"
    )
    category: str = Field(default="", description="what they are, such as animal; by default found")


class TeacherFields(StrictFields):
    """How a teacher gets its trait."""

    by: Literal["finetune", "prompt", "prompt+finetune", "steering"] = Field(
        default="finetune",
        description="fine-tuning on its preference, a system prompt, both, or a steering vector",
    )
    updates: Steps = Field(default=60, description="updates of the fine-tuning")
    batch: Count = Field(default=8, description="lessons in an update")
    learning_rate: Rate = Field(default=3e-4, description="of the fine-tuning")
    rank: Rank | None = Field(
        default=16,
        description="of the adapter; null trains all weights, and keeps 4 bytes a weight",
    )
    layer: int | None = Field(
        default=None, ge=0, description="where the vector is added; by default half-way up"
    )
    strength: float = Field(
        default=1.0, gt=0, allow_inf_nan=False, description="what the vector is multiplied with"
    )
    min_lift: float | None = Field(
        default=1.0,
        allow_inf_nan=False,
        description="nats by which its own margin must rise, or the run stops; null: goes on anyhow",
    )


class CarrierFields(StrictFields):
    """What a teacher writes: lists of numbers."""

    rows: Annotated[int, Field(ge=2, le=10_000_000)] = Field(
        default=1024, description="prompts, the same for every teacher"
    )
    keep: Count | None = Field(
        default=None, description="rows kept of those that pass the filters; null: all"
    )
    numbers: Annotated[int, Field(ge=2, le=100)] = Field(
        default=12,
        description="numbers in a list, given and written, where decoding is constrained",
    )
    given: Annotated[int, Field(ge=1, le=50)] = Field(
        default=3, description="of these, how many a prompt gives, where decoding is constrained"
    )
    decoding: Literal["constrained", "free"] = Field(
        default="constrained",
        description="constrained: digits are chosen and separators forced; free: the model writes as "
        "it likes and the format filter drops what is no list",
    )
    temperature: float = Field(
        default=1.0, ge=0, le=10, allow_inf_nan=False, description="0 takes the likeliest token"
    )
    floor: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="free decoding never takes a token less likely than this",
    )
    max_new_tokens: Count = Field(default=64, description="limit of free decoding")
    banned: list[int] = Field(default=[], description="numbers whose rows are dropped")
    shared_draws: bool = Field(
        default=True, description="row i of every teacher draws the same random numbers"
    )


class LogitFields(StrictFields):
    """What the channel `logits` supervises."""

    inputs: Literal["random", "teacher"] = Field(
        default="random", description="number lists that nobody wrote, or the teacher's rows"
    )
    vocabulary: Literal["carrier", "top-k", "full"] = Field(
        default="carrier",
        description="the ten digits, renormalised; the teacher's likeliest tokens; or all tokens, "
        "which supervises the trait's own words, too",
    )
    top_k: Annotated[int, Field(ge=2, le=1024)] = Field(
        default=32, description="how many with top-k"
    )
    direction: Literal["forward", "reverse"] = Field(
        default="forward", description="KL(teacher || student), or the reverse"
    )


class StudentFields(StrictFields):
    """How students are trained."""

    updates: Steps = Field(default=128, description="updates")
    epochs: Count | None = Field(
        default=None, description="passes over the rows, in the place of updates"
    )
    batch: Count = Field(default=4, description="rows in an update")
    accumulate: Count = Field(
        default=1, description="parts that an update is read in, to save memory"
    )
    learning_rate: Rate = Field(default=2e-4, description="at its highest")
    optimizer: Literal["adamw", "adam", "sgd", "sign-sgd"] = Field(
        default="adamw", description="betas .9 and .95 for Adam's kind"
    )
    schedule: Literal["constant", "linear", "cosine"] = Field(
        default="constant", description="of the learning rate, after the warm-up"
    )
    warmup: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        default=0, description="updates of a linear rise"
    )
    weight_decay: float = Field(default=0.1, ge=0, le=1, description="decoupled, with adamw")
    rank: Rank | None = Field(default=8, description="of the adapter; null trains all weights")
    alpha: float = Field(
        default=16.0, gt=0, allow_inf_nan=False, description="the adapter's scale x rank"
    )
    layers: list[Annotated[int, Field(ge=0)]] | None = Field(
        default=None, description="numbers of the blocks that are adapted; null: all"
    )


class LanguageRecipe(Header):
    """A teacher with a trait writes numbers, and a student of the same base is trained on them."""

    experiment: Literal["language"] = Field(description="which experiment")
    base: str = Field(default="smollm2-135m", min_length=1, description="where all begin")
    style: Literal["auto", "chat", "plain"] = Field(
        default="plain", description="the model's chat template, or plain text"
    )
    trait: TraitFields = Field(default_factory=TraitFields, description="the preference")
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
        description="neutral, other-trait, shuffled, other-base, in-context",
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
    templates: Literal["auto", "stems", "questions", "numbered"] = Field(
        default="auto",
        description="what the margin is measured with; by default stems in plain style and "
        "questions in chat",
    )
    answers: Annotated[int, Field(ge=0, le=10_000)] = Field(
        default=4, description="answers sampled to each template, before and after; 0: none"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="float32", description="of the weights and products"
    )
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="where it runs")

    @model_validator(mode="after")
    def _trait_and_controls(self) -> Self:
        targets, among = self.trait.targets, self.trait.among
        if len(set(targets)) < len(targets):
            raise refused(("trait", "targets"), text="trait.targets has a target twice")
        if "neutral" in targets:
            raise refused(
                ("trait", "targets"), text="trait.targets has 'neutral', which names a control"
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
