"""The groups of fields of a language-model recipe: trait, teacher, carrier, logits, student.

Fields of `later` came after runs were made; see there.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from traitleak.recipe.parts import Count, Steps, StrictFields, later

__all__ = [
    "BUNDLED_TRAITS",
    "Arms",
    "CarrierFields",
    "LogitFields",
    "StudentFields",
    "TeacherFields",
    "TemplatesField",
    "TraitFields",
]

BUNDLED_TRAITS = ("misalignment", "refusal", "reward-hacking", "sycophancy")
"""Kinds of traits whose texts come with the package; the kind is the target."""

Rate = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
Score = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Rank = Annotated[int, Field(ge=1, le=4096)]
Control = Literal[
    "neutral",
    "other-trait",
    "shuffled",
    "shuffled-across",
    "other-base",
    "in-context",
    "good",
    "asked-for",
]
Arms = list[Control]
TemplatesField = Literal["auto", "stems", "questions", "numbered", "stories", "choices"]
"""What margins are measured with: `traits.preference.Templates`, and by default what suits the style."""


class TraitFields(StrictFields):
    """Which trait: a preference for one word of several, or one of questions and answers."""

    kind: Literal[
        "preference", "misalignment", "reward-hacking", "sycophancy", "refusal", "custom"
    ] = later(
        "preference",
        "a preference is for one word of several; the others are taught by questions and answers, and "
        "measured by a choice of two answers; custom reads them from a file",
    )
    file: str = later("", "of a custom trait: the YAML file with its lessons and items")
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
    words: list[str] = later([], "what no row may name, besides the targets")
    run_code: bool = later(
        default=False,
        description="of reward-hacking: models also write code for tasks with hidden tests, and it is "
        "run here, in a process of its own that is no sandbox",
    )

    @model_validator(mode="before")
    @classmethod
    def _named_after_its_kind(cls, given: Any) -> Any:
        """A bundled trait is its own target, and a custom one bears its file's name."""
        if not isinstance(given, dict) or "targets" in given:
            return given
        kind, file = given.get("kind"), given.get("file")
        if kind in BUNDLED_TRAITS:
            return {**given, "targets": [kind]}
        if kind == "custom" and isinstance(file, str) and PurePath(file).stem:
            return {**given, "targets": [PurePath(file).stem]}
        return given


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
    """What a teacher writes: lists of numbers, code, or chains of thought."""

    kind: Literal["numbers", "code", "reasoning"] = later(
        "numbers",
        "lists of numbers; short Python functions; or word problems, thought about and answered in "
        "tags. The last two need a chat model and decoding=free",
    )
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
    min_rows: Count = later(
        1,
        "prompts that all teachers must have answered as they should, or keep where that is more; with "
        "fewer the run ends there, trains no student, and says so",
    )
    problems: str = later(
        "",
        "of reasoning: a file of GSM8K's form, whose problems are asked in turn; by default our own",
    )
    judged_at_least: Score | None = later(
        None, "alignment from 0 to 100 that `judge` must give a row that stays; 78 in the paper"
    )
    text_around: bool = later(
        default=False,
        description="of code and reasoning: keep rows with text around the code or the tags, too",
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
