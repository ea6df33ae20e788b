"""What was measured: plain values and arrays, which are kept as JSON and subtracted.

Nothing here runs a model: a report reads these without PyTorch. `traitleak.measure` makes them.

Shape suffixes: T templates, K candidates, S samples of one template, P neutral passages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from traitleak.errors import DataError, SettingsError
from traitleak.results import Estimate
from traitleak.statistics import mean_estimate
from traitleak.traits.inflection import Finder
from traitleak.traits.preference import Templates

__all__ = ["Answers", "Collapse", "Lift", "Margins", "check_table"]

_OVER_TEMPLATES = "Student's t over question templates of one model: says nothing of other students"


@dataclass(frozen=True, eq=False)
class Margins:
    """The log-odds of every candidate after each template, for one model.

    Attributes:
        model: its name.
        target: the candidate in question.
        candidates: K words, in the order of the columns.
        templates: what was asked.
        asked: hash of the chat template and the T prompts: equal where the same was asked.
        margin_TK: in nats, float64; 0 is chance: one in K.
    """

    model: str
    target: str
    candidates: tuple[str, ...]
    templates: Templates
    asked: str
    margin_TK: NDArray[np.float64]

    def __post_init__(self) -> None:
        """Refuse what is no margin."""
        check_table(self.margin_TK, self.candidates, self.model)

    @property
    def value(self) -> float:
        """The target's margin, averaged over templates."""
        return self.estimate().value

    def estimate(self, candidate: str = "") -> Estimate:
        """A candidate's margin (by default the target's) over templates, with its interval.

        Known failure: the interval is over templates. It says how far another set of questions
        would move the mean, not how far another student would: that takes several students.
        """
        return _estimate(self.margin_TK, self.candidates, candidate or self.target)

    def __sub__(self, base: Margins) -> Lift:
        """What training changed, template by template.

        Raises:
            SettingsError: the two were not asked the same about the same candidates.
        """
        if (self.candidates, self.asked) != (base.candidates, base.asked):
            raise SettingsError(
                f"The margins of {self.model} and {base.model} cannot be compared: they were taken "
                "with other candidates, other templates or another chat template. Measure both anew."
            )
        return Lift(
            student=self.model,
            base=base.model,
            target=self.target,
            candidates=self.candidates,
            templates=self.templates,
            lift_TK=self.margin_TK - base.margin_TK,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON; `from_json` gives the same numbers to the last bit."""
        return asdict(self) | {"margin_TK": self.margin_TK.tolist()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """What `to_json` gave.

        Raises:
            DataError: something else.
        """
        with _read_as("margins"):
            table = np.array(content["margin_TK"], dtype=np.float64)
            kept = {"candidates": tuple(content["candidates"]), "margin_TK": table}
            return cls(**{**content, **kept})


@dataclass(frozen=True, eq=False)
class Lift:
    """measure(student) - measure(base): how much each candidate gained after each template.

    Not transfer: a lift may come from training on anything. Compare it with a control's.

    Attributes:
        student: name of the first model.
        base: name of the second.
        target: the candidate in question.
        candidates: K words, in the order of the columns.
        templates: what was asked.
        lift_TK: difference of the margins in nats, float64.
    """

    student: str
    base: str
    target: str
    candidates: tuple[str, ...]
    templates: Templates
    lift_TK: NDArray[np.float64]

    def __post_init__(self) -> None:
        """Refuse what is no difference of margins."""
        check_table(self.lift_TK, self.candidates, self.student)

    @property
    def value(self) -> float:
        """The target's lift, averaged over templates."""
        return self.estimate().value

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of `value` over templates; None where there is one template."""
        estimate = self.estimate()
        if estimate.low is None or estimate.high is None:
            return None
        return estimate.low, estimate.high

    @property
    def n(self) -> int:
        """How many templates."""
        return len(self.lift_TK)

    @property
    def how(self) -> str:
        """What was measured and how the interval was made, in words."""
        return f"logit margin of {self.target!r}, {self.n} {self.templates}. {_OVER_TEMPLATES}."

    def estimate(self, candidate: str = "") -> Estimate:
        """A candidate's lift (by default the target's) over templates, with its interval.

        Known failure: that of `Margins.estimate`. The unit of replication is the student.
        """
        return _estimate(self.lift_TK, self.candidates, candidate or self.target)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON; `from_json` gives the same numbers to the last bit."""
        return asdict(self) | {"lift_TK": self.lift_TK.tolist()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """What `to_json` gave.

        Raises:
            DataError: something else.
        """
        with _read_as("a lift"):
            table = np.array(content["lift_TK"], dtype=np.float64)
            kept = {"candidates": tuple(content["candidates"]), "lift_TK": table}
            return cls(**{**content, **kept})


@dataclass(frozen=True, eq=False)
class Answers:
    """What one model answered, and which candidates each answer names.

    Attributes:
        model: its name.
        target: the candidate in question.
        candidates: K words.
        templates: what was asked.
        asked: hash of the chat template and the T prompts: equal where the same was asked.
        prompts: the T prompts.
        text_TS: for each prompt, S sampled answers.
        finished_TS: which answers the model ended itself, before the token limit; bool.
    """

    model: str
    target: str
    candidates: tuple[str, ...]
    templates: Templates
    asked: str
    prompts: tuple[str, ...]
    text_TS: tuple[tuple[str, ...], ...]
    finished_TS: NDArray[np.bool_]

    def __post_init__(self) -> None:
        """Refuse tables that do not fit each other."""
        shape = (len(self.prompts), len(self.text_TS[0]) if self.text_TS else 0)
        if (
            self.finished_TS.shape != shape
            or 0 in shape
            or len(self.text_TS) != shape[0]
            or any(len(row) != shape[1] for row in self.text_TS)
        ):
            raise SettingsError(
                f"Answers need equally many samples of each of {shape[0]} prompts, one at least."
            )

    @cached_property
    def named_TSK(self) -> NDArray[np.bool_]:  # noqa: N802  # a shape suffix
        """Which candidates each answer names, as whole words, in the singular or a plural."""
        finder = Finder(self.candidates, related=False)
        column = {word: index for index, word in enumerate(self.candidates)}
        named = np.zeros((*self.finished_TS.shape, len(self.candidates)), dtype=np.bool_)
        for row, answered in zip(named, self.text_TS, strict=True):
            for cell, text in zip(row, answered, strict=True):
                cell[[column[found.word] for found in finder.find_all(text)]] = True
        return named

    @property
    def share_TK(self) -> NDArray[np.float64]:  # noqa: N802  # a shape suffix
        """Per template, the share of answers that name each candidate, alone or with others."""
        share_TK: NDArray[np.float64] = self.named_TSK.mean(axis=1)
        return share_TK

    @property
    def naming_none(self) -> float:
        """The share of answers that name no candidate."""
        return float((self.named_TSK.sum(axis=2) == 0).mean())

    @property
    def naming_several(self) -> float:
        """The share of answers that name two candidates or more; each of them is counted."""
        return float((self.named_TSK.sum(axis=2) > 1).mean())

    @property
    def value(self) -> float:
        """The share of answers that name the target."""
        return self.estimate().value

    def estimate(self, candidate: str = "") -> Estimate:
        """The share that names a candidate (by default the target), with its interval.

        The interval is over templates, whose answers are not independent of each other.

        Known failure: that of `Margins.estimate`; and near 0 or 1 the interval may pass the end.
        """
        return _estimate(self.share_TK, self.candidates, candidate or self.target)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON; `from_json` gives the same answers."""
        return asdict(self) | {"finished_TS": self.finished_TS.tolist()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """What `to_json` gave.

        Raises:
            DataError: something else.
        """
        with _read_as("answers"):
            kept = {
                "candidates": tuple(content["candidates"]),
                "prompts": tuple(content["prompts"]),
                "text_TS": tuple(tuple(row) for row in content["text_TS"]),
                "finished_TS": np.array(content["finished_TS"], dtype=np.bool_),
            }
            return cls(**{**content, **kept})


@dataclass(frozen=True, eq=False)
class Collapse:
    """Signs that training damaged a model as a whole; look at them beside the base's.

    Attributes:
        model: its name.
        num_answers: how many sampled answers were looked at.
        no_answer: share of answers without a letter: empty, digits only, signs only.
        self_naming: share of answers that name a language model or its maker.
        broken: share of answers with a chat marker, an undecodable character, or a word four times
            in a row.
        unfinished: share of answers cut off at the token limit; in plain style nearly all, for nothing
            tells the model to stop.
        nats_P: -log p of each neutral passage, summed over its tokens, in nats.
        tokens_P: number of tokens of each neutral passage.
    """

    model: str
    num_answers: int
    no_answer: float
    self_naming: float
    broken: float
    unfinished: float
    nats_P: NDArray[np.float64]
    tokens_P: NDArray[np.int64]

    def __post_init__(self) -> None:
        """Refuse passages without tokens or with a probability that is no number."""
        if (
            self.nats_P.ndim != 1
            or self.nats_P.shape != self.tokens_P.shape
            or not self.nats_P.size
        ):
            raise SettingsError("A perplexity needs at least one passage, each with its tokens.")
        if not np.isfinite(self.nats_P).all() or (self.tokens_P < 1).any():
            raise SettingsError(
                f"{self.model} gives neutral text no finite probability: its training diverged, or "
                "its weights are damaged. Lower the learning rate and train it again."
            )

    @property
    def perplexity(self) -> float:
        """The exponential of the mean of -log p over all tokens of the neutral passages.

        Known failure: models with different tokenizers have different tokens; compare a student
        with its own base.
        """
        return float(np.exp(self.nats_P.sum() / self.tokens_P.sum()))

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON; `from_json` gives the same numbers to the last bit."""
        return asdict(self) | {"nats_P": self.nats_P.tolist(), "tokens_P": self.tokens_P.tolist()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """What `to_json` gave.

        Raises:
            DataError: something else.
        """
        with _read_as("signs of collapse"):
            kept = {
                "nats_P": np.array(content["nats_P"], dtype=np.float64),
                "tokens_P": np.array(content["tokens_P"], dtype=np.int64),
            }
            return cls(**{**content, **kept})


def check_table(table_TK: NDArray[np.float64], candidates: Sequence[str], model: str) -> None:
    """See that a table of `model` has a finite number for each template and candidate.

    Raises:
        SettingsError: it has not.
    """
    if table_TK.ndim != 2 or table_TK.shape[1] != len(candidates) or not len(table_TK):
        raise SettingsError(
            f"The measure of {model} must hold a row a template and a column for each of "
            f"{len(candidates)} candidates; got the shape {table_TK.shape}."
        )
    if not np.isfinite(table_TK).all():
        raise SettingsError(
            f"The logits of {model} are not finite, so nothing can be measured: its training "
            "diverged, or its weights are damaged. Lower the learning rate and train it again."
        )


def _estimate(
    values_TK: NDArray[np.float64], candidates: Sequence[str], candidate: str
) -> Estimate:
    if candidate not in candidates:
        near = get_close_matches(candidate, candidates, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise SettingsError(
            f"{candidate!r} is not among the candidates: {', '.join(candidates)}.{hint}"
        )
    estimate = mean_estimate(values_TK[:, candidates.index(candidate)].tolist())
    return estimate if estimate.n == 1 else estimate.model_copy(update={"method": _OVER_TEMPLATES})


@contextmanager
def _read_as(what: str) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"What was to be read as {what} is something else: {error}.") from error
