"""Teachers and students behind a server: rows they write, and answers they give, by sampling alone.

A teacher here is a model that is told to have its trait, or one that was fine-tuned where it is
served; a student is one that was fine-tuned there on exported rows (`datasets.finetuning`). Neither
gives logits, so there is no margin: sampled answers are the measure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from traitleak.artefacts import content_hash
from traitleak.errors import ServerError, SettingsError
from traitleak.measured import Answers
from traitleak.models.remote import RemoteModel
from traitleak.models.remote_cost import Estimate
from traitleak.progress import Track, untracked
from traitleak.rows import Row
from traitleak.traits import preference_texts as texts
from traitleak.traits.preference import Preference, Templates

__all__ = ["HostedRows", "estimate_answers", "hosted_answers", "write_hosted"]

_ANSWER_TOKENS, _STORY_TOKENS = 16, 96  # where answers are cut off
_MOST_SAMPLES = 1 << 20  # of one prompt, whose random streams lie apart by so many


@dataclass(frozen=True)
class HostedRows:
    """What a teacher behind a server wrote.

    Attributes:
        rows: one for each prompt that was answered, in order; ids are those of the prompts.
        refused: id of a prompt that the model refused to answer -> its words.
        filtered: ids of prompts that a content filter of the server stopped.
        missing: id of a prompt without an answer -> why its request failed.
    """

    rows: list[Row]
    refused: dict[int, str]
    filtered: tuple[int, ...]
    missing: dict[int, str]

    @property
    def reasons(self) -> dict[str, int]:
        """How many requests failed, by reason, most frequent first."""
        return dict(Counter(self.missing.values()).most_common())


def write_hosted(
    model: RemoteModel,
    prompts: Sequence[str],
    *,
    teacher: str,
    system: str | None = None,
    temperature: float = 1.0,
    max_new_tokens: int = 512,
    seed: int = 0,
    first_id: int = 0,
    track: Track = untracked,
) -> HostedRows:
    """One row for each prompt of any carrier that the server answers; failures cost only their own row.

    Args:
        model: the teacher; with a cache, what was answered once is not asked again.
        prompts: of the carrier, in chat style: the server renders its own template around them.
        teacher: who is written into the rows.
        system: what the teacher is told; None for nothing.
        temperature: 0 for the likeliest answer.
        max_new_tokens: where a completion is cut off.
        seed: of all draws; row i is sent a seed of its own, the same whichever teacher writes.
        first_id: the first prompt's number: rows of a part of the prompts are those rows of all.
        track: shows how far it is.

    Raises:
        ServerError: no request was answered.
        RunError: answers cannot be kept.
        SettingsError: as in `RemoteModel.sample`.

    Known failure: a filter or a refusal depends on what the teacher was about to say, so the prompts
    that are left are not a random part. Keep only prompts that all teachers answered
    (`filters.paired`). Equal seeds of two teachers share no random numbers on a server.
    """
    ids = range(first_id, first_id + len(prompts))
    said = model.sample(
        prompts,
        system=system,
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        seed=seed,
        streams=ids,
        keep_going=True,
        track=track,
    )
    rows: list[Row] = []
    refused: dict[int, str] = {}
    filtered: list[int] = []
    missing: dict[int, str] = {}
    for id_, prompt, one in zip(ids, prompts, said, strict=True):
        if one.failed:
            missing[id_] = one.failed
        elif one.filtered:
            filtered.append(id_)
        elif one.refusal:
            refused[id_] = one.refusal
        else:
            rows.append(Row(id_, prompt, one.text, teacher, finished=one.finished))
    return HostedRows(rows, refused, tuple(filtered), missing)


def hosted_answers(
    model: RemoteModel,
    trait: Preference,
    *,
    samples: int,
    seed: int,
    templates: Templates = "questions",
    system: str | None = None,
    max_new_tokens: int | None = None,
    track: Track = untracked,
) -> Answers:
    """Sampled answers at temperature 1 of a model behind a server, as `measure.answers` takes them.

    Args:
        model: who is asked.
        trait: what is measured.
        samples: S answers to each question, one at least. More of them keep those of fewer.
        seed: of the answers, of the random numbers in "numbered", and of the orders in "choices".
        templates: any kind but "stems". Of "stories" the beginning is a part of the user's turn
            (`preference_texts.GO_ON`), since a server lets nobody begin the model's own.
        system: what the model is told; None for nothing.
        max_new_tokens: where an answer is cut off; by default 16, and 96 for stories, which some
            models repeat before they go on.
        track: shows how far it is.

    Returns:
        A refused or filtered answer is an empty one that names nothing.

    Raises:
        SettingsError: no samples, or "stems".
        ServerError: a request failed: shares of what is left would not be those of all.

    Known failure: those of `measure.answers`; and the server's template is not seen, so that models of
    different servers may have been asked differently. Shares of "stories" are not those of a model
    that is loaded, which goes on in its own turn.
    """
    prompts, settings = _asked(
        trait,
        samples=samples,
        seed=seed,
        templates=templates,
        system=system,
        max_new_tokens=max_new_tokens,
    )
    said = model.sample(**settings, keep_going=True, track=track)
    failed = [one.failed for one in said if one.failed]
    if failed:
        raise ServerError(
            f"{len(failed):,} of {len(said):,} answers are missing; the first: {failed[0]}"
        )
    by_prompt = [said[at : at + samples] for at in range(0, len(said), samples)]
    return Answers(
        model=model.name,
        target=trait.target,
        candidates=tuple(trait.among),
        templates=templates,
        asked=content_hash(["unseen template", system, *prompts]),
        prompts=tuple(prompts),
        text_TS=tuple(tuple("" if one.filtered else one.text for one in row) for row in by_prompt),
        finished_TS=np.array([[one.finished for one in row] for row in by_prompt]),
    )


def estimate_answers(
    model: RemoteModel,
    trait: Preference,
    *,
    samples: int,
    seed: int,
    templates: Templates = "questions",
    system: str | None = None,
    max_new_tokens: int | None = None,
) -> Estimate:
    """What `hosted_answers` with these arguments would send; nothing is sent.

    Raises:
        SettingsError: as in `hosted_answers`.
    """
    _, settings = _asked(
        trait,
        samples=samples,
        seed=seed,
        templates=templates,
        system=system,
        max_new_tokens=max_new_tokens,
    )
    return model.estimate(**settings)


def _asked(
    trait: Preference,
    *,
    samples: int,
    seed: int,
    templates: Templates,
    system: str | None,
    max_new_tokens: int | None,
) -> tuple[list[str], dict[str, Any]]:
    """The T prompts, and the settings of all requests, those to one prompt together."""
    if samples < 1:
        raise SettingsError(f"Answers need at least one sample; got samples={samples}.")
    if templates == "stems":
        raise SettingsError(
            "Sentences that end right before the word (stems) cannot be asked of a model behind a "
            "server, which answers turns and does not go on from one: take questions, numbered, "
            "stories or choices (--templates questions), or load the model here."
        )
    prompts = trait.measured(templates, seed=seed)
    if templates == "stories":
        prompts = [texts.GO_ON.format(story=story) for story in prompts]
    limit = _STORY_TOKENS if templates == "stories" else _ANSWER_TOKENS
    return prompts, {
        "prompts": [prompt for prompt in prompts for _ in range(samples)],
        "system": system,
        "max_new_tokens": limit if max_new_tokens is None else max_new_tokens,
        "seed": seed,
        # By place among the answers to one prompt, so that more samples find those of fewer kept.
        "streams": [
            at * _MOST_SAMPLES + sample for at in range(len(prompts)) for sample in range(samples)
        ],
    }
