"""Who is asked, and what is made of an answer: evidence for the letter A over the letter B.

A model that is loaded is not sampled from: its evidence is log p(A) - log p(B), in nats. A model
behind a server answers in words, and its evidence is 1, -1, or 0 where no letter can be read. A
request that still fails after the server's retries does not end the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from traitleak.audit.detectors.judge import Judge
from traitleak.environment import pick_device, pick_precision
from traitleak.errors import SettingsError
from traitleak.models.language_model import LanguageModel
from traitleak.models.loading import load
from traitleak.models.names import parse_name
from traitleak.models.remote import RemoteModel, remote_model
from traitleak.models.remote_cache import RequestCache, requests_folder
from traitleak.models.remote_cost import Tally
from traitleak.progress import Track, untracked
from traitleak.reading.noted import Noted
from traitleak.reading.prefix import logits_after
from traitleak.reading.words import LETTERS, read_letter

__all__ = ["TEMPERATURE", "Asked", "Judge", "ask", "judge_named"]

TEMPERATURE = 0.0
"""At which judges behind servers are asked."""

_PLAIN = "\nAnswer:"  # begins the answer of a model without a chat template


class Asked(NamedTuple):
    """What a judge said.

    Attributes:
        evidence_N: for A over B, one number a prompt; 0 where there is none.
        unread: answers without a letter, by reason.
        missing_N: which prompts a server gave no answer to.
        why: the first reason for that; "" where all were answered.
    """

    evidence_N: NDArray[np.float64]
    unread: dict[str, int]
    missing_N: NDArray[np.bool_]
    why: str = ""


def judge_named(name: str, *, device: str = "auto", precision: str = "float32") -> Judge:
    """A judge by its name, loaded once; what a server answered is kept on disk, and not asked again.

    One behind a server comes with a tally of its own.

    Raises:
        SettingsError: no model has such a name.
        DataError: its weights are not on this machine.
    """
    if parse_name(name).kind == "openai":
        return remote_model(name, cache=RequestCache(requests_folder()), tally=Tally())
    picked = pick_device(device).value
    return _loaded(name, picked, pick_precision(precision, picked).value)


@lru_cache(maxsize=2)
def _loaded(name: str, device: str, precision: str) -> LanguageModel:
    model = load(name, device=device, precision=precision)
    model.network.requires_grad_(requires_grad=False)
    return model


def ask(
    judge: Judge,
    groups: Sequence[Sequence[str]],
    *,
    max_new_tokens: int = 16,
    seed: int = 0,
    noted: Noted | None = None,
    track: Track = untracked,
) -> Asked:
    """Ask for a letter, A or B, after each prompt.

    Args:
        judge: who is asked.
        groups: users' turns, unrendered; those that begin alike in one group: a loaded judge reads
            their beginning once.
        max_new_tokens: of an answer in words; a judge that thinks aloud needs hundreds.
        seed: sent to a server; answers are at `TEMPERATURE`.
        noted: keeps a loaded judge's answers as they come, for a run that is killed; those of a server
            are kept in any case.
        track: shows how far it is.

    Returns:
        The evidence in the order of the prompts, group after group.

    Raises:
        SettingsError: no prompts, one that is longer than a loaded judge's context, or a judge whose
            tokenizer cannot tell A from B.
        ServerError: a server answered nothing.

    Known failure: a model that would never answer with either letter still has log-odds of the two.
    """
    prompts = [prompt for group in groups for prompt in group]
    if not all(groups) or not prompts:
        raise SettingsError("There is nothing to ask a judge.")
    if isinstance(judge, RemoteModel):
        said = judge.sample(
            prompts,
            max_new_tokens=max_new_tokens,
            temperature=TEMPERATURE,
            seed=seed,
            keep_going=True,
            track=track,
        )
        missing_N = np.array([bool(one.failed) for one in said])
        read = [read_letter(one) for one in said]
        evidence = [0.0 if letter is None else 1.0 if letter == "A" else -1.0 for letter, _ in read]
        pairs = zip(read, said, strict=True)
        unread: Counter[str] = Counter(why for (_, why), one in pairs if why and not one.failed)
        first = next((one.failed for one in said if one.failed), "")
        return Asked(np.array(evidence), dict(unread), missing_N, first)
    found = []
    for group in groups:
        asked = [_before_letter(judge, prompt) for prompt in group]
        contexts, letters = [one.context for one in asked], [one.letters for one in asked]
        found.append(logits_after(judge, contexts, letters, noted=noted, track=track))
    logits_N2 = torch.cat(found).double().numpy()
    return Asked(logits_N2[:, 0] - logits_N2[:, 1], {}, np.zeros(len(prompts), bool))


class _Question(NamedTuple):
    """The tokens after which the two letters part, and the two tokens."""

    context: list[int]
    letters: list[int]


def _before_letter(judge: LanguageModel, prompt: str) -> _Question:
    plain = judge.renderer.style == "plain"
    text = judge.rendered(prompt, opening=_PLAIN if plain else "")
    first, second = (judge.encode(f"{text}{' ' if plain else ''}{letter}") for letter in LETTERS)
    length = min(len(first), len(second))
    at = next((place for place in range(length) if first[place] != second[place]), None)
    if not at:
        raise SettingsError(
            f"The tokenizer of {judge.name} writes A and B alike; take another judge."
        )
    return _Question(first[:at], [first[at], second[at]])
