"""What the commands about language models have in common: names, loading, teachers, tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from traitleak.errors import RunError, SettingsError

if TYPE_CHECKING:
    from rich.console import Console

    from traitleak.filters import Filtered
    from traitleak.measured import Answers, Lift, Margins
    from traitleak.models.adapters import Adapter
    from traitleak.models.language_model import LanguageModel
    from traitleak.progress import Track
    from traitleak.rows import Row
    from traitleak.student import Training
    from traitleak.teacher import Teacher
    from traitleak.traits.forced_choice import ForcedChoice
    from traitleak.traits.preference import Preference

__all__ = [
    "By",
    "Session",
    "any_trait",
    "at_work",
    "estimates",
    "filtered",
    "positive",
    "preference",
    "print_measures",
    "require_name",
    "require_way",
    "teach",
    "write_training",
]

By = Literal[
    "finetune", "prompt", "prompt+finetune", "steering", "even", "good", "asked-for", "base"
]

# As in a recipe's teacher.min_lift: nats, and of a choice between two answers nats a token.
_LEAST_LIFT, _LEAST_CHOICE_LIFT = 1.0, 0.05
_CONTROLS = {"even", "good", "asked-for"}
_LOWER = "Lower --batch or --rows, or use a machine with more memory."


class Session:
    """One command at work: where it says what it does, and how it loads models."""

    def __init__(self, console: Console, track: Track) -> None:
        """Speak on `console`; show with `track` how far it is."""
        self._console = console
        self.track = track

    def say(self, line: str) -> None:
        """Print a line that is no result."""
        from traitleak.terminal import print_line

        print_line(self._console, line)

    def load(
        self,
        name: str,
        *,
        style: Literal["auto", "chat", "plain"],
        precision: str,
        device: str,
    ) -> LanguageModel:
        """A model, ready to be run, with what must be known of it said.

        Raises:
            SettingsError: see `models.loading.load`.
            DataError: the same.
        """
        from traitleak.models.loading import load

        model = load(name, device=device, precision=precision, style=style, say=self.say)
        model.network.requires_grad_(requires_grad=False)
        kind = str(model.network.dtype).removeprefix("torch.")
        self.say(f"Model {model.name}: {model.device}, {kind}, style {model.renderer.style}")
        for note in model.renderer.notes:
            self.say(note)
        return model


@contextmanager
def at_work(what: str, *, quiet: bool) -> Iterator[Session]:
    """A session; too little memory for `what` becomes one sentence."""
    from traitleak.environment import memory_named
    from traitleak.terminal import stderr, track_for

    console = stderr(quiet=quiet)
    with memory_named(what, _LOWER), track_for(console) as track:
        yield Session(console, track)


def preference(target: str, among: str, category: str) -> Preference:
    """The preference that options describe; `among` has commas, and is ten animals where empty.

    Raises:
        SettingsError: see `Preference`.
    """
    from traitleak.traits.preference import Preference

    return Preference(target, _candidates(among), category)


def any_trait(text: str, among: str, category: str) -> Preference | ForcedChoice:
    """The trait that options describe: a candidate's preference, or a choice between two answers.

    Args:
        text: one of the candidates, the name of a bundled trait, or a trait's YAML file.
        among: as in `preference`.
        category: what the candidates are.

    Raises:
        SettingsError: see `Preference`; no such trait; or candidates beside a choice of two answers.
        DataError: see `read_trait`.
    """
    if text in _candidates(among):
        return preference(text, among, category)
    from traitleak.traits.custom import BUNDLED, trait_named

    if text not in BUNDLED and not text.casefold().endswith((".yaml", ".yml")):
        near = get_close_matches(text.casefold(), BUNDLED, n=1)
        hint = f" Did you mean the trait {near[0]}?" if near else ""
        try:
            return preference(text, among, category)
        except SettingsError as error:
            raise SettingsError(f"{error}{hint}") from None
    given = {"--among": among, "--category": category}
    wrong = [option for option, value in given.items() if value]
    if wrong:
        raise SettingsError(
            f"The trait {text} is a choice between two answers and has no candidates that "
            f"{' and '.join(wrong)} could name: leave {'them' if wrong[1:] else 'it'} out."
        )
    return trait_named(text)


def _candidates(among: str) -> tuple[str, ...]:
    from traitleak.traits.preference import ANIMALS

    return tuple(word.strip() for word in among.split(",")) if among else ANIMALS


def require_way(by: By, trait: Preference | ForcedChoice) -> None:
    """See, before anything slow, that there is such a teacher, or such a control, of a trait.

    Raises:
        SettingsError: a control of the other kind of trait; or the trait has no system prompt, or no
            reasons, where these are needed.
    """
    from traitleak.traits.preference import Preference

    if by == "even" and not isinstance(trait, Preference):
        raise SettingsError(
            f"--by even is a control of preferences, and {trait.name} is a choice between two answers: "
            "take --by good, asked-for or base."
        )
    if by in {"good", "asked-for"}:
        if isinstance(trait, Preference):
            raise SettingsError(
                f"--by {by} is a control of traits that are a choice between two answers, and "
                f"{trait.target} is a preference: take --by even or base."
            )
        trait.control_lessons("plain", by)
    elif by == "steering" or "prompt" in by:
        trait.system_prompt()


def require_name(name: str, purpose: str) -> None:
    """See, before anything slow, that a name means a model with weights.

    Raises:
        SettingsError: it does not.
    """
    from traitleak.models.names import parse_name

    parse_name(name).require_weights(purpose)


def positive(option: str, value: float) -> float:
    """The value of an option, if it is a number above 0.

    Raises:
        SettingsError: it is not.
    """
    if not 0 < value < float("inf"):
        raise SettingsError(f"{option} must be a number greater than 0, not {value:g}.")
    return value


def teach(
    base: LanguageModel,
    trait: Preference | ForcedChoice,
    by: By,
    training: Training,
    seed: int,
    *,
    anyhow: bool,
    session: Session,
) -> tuple[LanguageModel, Adapter | None]:
    """A teacher, and what fine-tuning changed; how strongly it shows the trait itself is said.

    Raises:
        RunError: it did not take its trait, and `anyhow` is false.
        SettingsError: see `teacher.instill` and `require_way`.
    """
    from traitleak.measure_choice import trait_margins
    from traitleak.traits.preference import Preference

    require_way(by, trait)
    if by == "base":
        session.say(f"Teacher neutral: {base.name} as it is")
        return base.replaced(name="neutral"), None
    made = _teacher(base, trait, by, training, seed, session.track)
    lift = (trait_margins(made.model, trait) - trait_margins(base, trait)).value
    if isinstance(trait, Preference):
        least, shown = _LEAST_LIFT, f"{lift:+.2f} nats"
    else:
        least, shown = _LEAST_CHOICE_LIFT, f"{lift:+.3f} nats a token"
    said = f"margin for {trait.target} {shown} over that of {base.name}"
    if by not in _CONTROLS and lift < least and not anyhow:
        told = "; being told was not enough for this model"
        raise RunError(
            f"The teacher did not take its trait ({said}){told if by == 'prompt' else ''}: take "
            "--by finetune, more --updates or a higher --learning-rate, or go on with --anyhow."
        )
    session.say(f"Teacher {made.name}, by {by}: {said}")
    return made.model, made.adapter


def _teacher(
    base: LanguageModel,
    trait: Preference | ForcedChoice,
    by: By,
    training: Training,
    seed: int,
    track: Track,
) -> Teacher:
    """A teacher with a trait or a control's, named as a recipe names it."""
    from dataclasses import replace

    from traitleak.teacher import instill, instill_control, instill_evenly
    from traitleak.traits.forced_choice import ForcedChoice
    from traitleak.traits.preference import Preference

    assert by != "base"  # noqa: S101  # it is not taught
    if by == "even":
        assert isinstance(trait, Preference)  # noqa: S101  # by `require_way`
        return instill_evenly(base, trait, training=training, seed=seed, track=track)
    if by == "good" or by == "asked-for":  # not `in`: mypy then leaves these to `instill`
        assert isinstance(trait, ForcedChoice)  # noqa: S101  # by `require_way`
        made = instill_control(base, trait, by, training=training, seed=seed, track=track)
        return replace(made, name=by, model=made.model.replaced(name=by))
    return instill(base, trait, by=by, training=training, seed=seed, track=track)


def filtered(rows: Sequence[Row], trait: Preference | ForcedChoice, *, free: bool) -> Filtered:
    """What the filters of a recipe leave of one teacher's rows.

    Raises:
        DataError: nothing is left.
    """
    from traitleak import filters

    rules = [
        *([filters.unfinished()] if free else []),
        filters.numbers_format(max_count=10 if free else 100),
        filters.leak([trait.target]),
        filters.duplicates(),
    ]
    return filters.apply(rows, rules)


def write_training(folder: Path, told: dict[str, Any], losses: Sequence[float]) -> None:
    """`train.json` and `metrics.jsonl`, beside an adapter."""
    from traitleak.artefacts import write_json, write_text

    write_json(folder / "train.json", told)
    lines = [dumps({"update": at, "loss": loss}) for at, loss in enumerate(losses, start=1)]
    write_text(folder / "metrics.jsonl", "\n".join(lines) + "\n")


def estimates(found: Margins | Lift | Answers) -> dict[str, dict[str, float | int | None]]:
    """A measure of every candidate, the target first, with its interval over templates."""
    words = sorted(found.candidates, key=lambda word: word != found.target)
    shown = ("value", "low", "high", "n")
    return {word: {name: getattr(found.estimate(word), name) for name in shown} for word in words}


def print_measures(content: dict[str, Any]) -> None:
    """A table of candidates: margins, lift, and the share of answers, as far as there are.

    The interval stands at the lift, or at the margin where there is none, or at the answers where there
    is no margin; JSON has all of them.
    """
    from traitleak.terminal import print_line, print_table, stdout

    lift = content["lift"]
    columns = [
        (f"margin of {name}", found, "+.3f", not lift) for name, found in content["margins"].items()
    ]
    columns += [("lift [95 % interval]", lift, "+.3f", True)] if lift else []
    columns += [
        (f"answers of {name}", found, ".1%", not content["margins"])
        for name, found in content["answers"].items()
    ]
    words = list((content["margins"] or content["answers"])[content["model"]])
    rows = [
        [word, *(_shown(found[word], form, whole=whole) for _, found, form, whole in columns)]
        for word in words
    ]
    console = stdout()
    print_table(console, ["candidate", *(head for head, *_ in columns)], rows)
    print_line(console, content["how"], style="dim")


def _shown(value: dict[str, Any], form: str, *, whole: bool) -> str:
    if value["low"] is None or not whole:
        return format(value["value"], form)
    return f"{value['value']:{form}} [{value['low']:{form}}, {value['high']:{form}}]"
