"""Scoring rows and auditing them: in batches as the package does, and a row after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

import torch
from language_model import Job
from language_timed import COUNT, GIVEN, SEED, WIDTH, Timed
from torch import Tensor

from traitleak.audit.detectors.choices import choices_of
from traitleak.audit.detectors.likelihood import likelihood_scores
from traitleak.carriers.numbers import Numbers, random_lists
from traitleak.models.batches import Encoded, encode_row, encode_rows
from traitleak.models.language_model import LanguageModel
from traitleak.models.scoring import score
from traitleak.rows import Row
from traitleak.traits.preference import ANIMALS, Preference

AUDIT_TOKENS = 4096  # of an audit's batch


def scoring_rows(num: int) -> list[Row]:
    """Plain number lists of several lengths."""
    prompts = Numbers(num, SEED, style="plain", examples=(GIVEN, GIVEN + 5)).prompts()
    lists = random_lists(num, COUNT, WIDTH, SEED)
    return [Row(n, p, f" {text}") for n, (p, text) in enumerate(zip(prompts, lists, strict=True))]


def our_scoring(model: LanguageModel, job: Job) -> Timed:
    """`score`."""
    return _timed_scoring(model, job, lambda rows: score(model, rows))


def plain_scoring(model: LanguageModel, job: Job) -> Timed:
    """One row after the other, as one writes it in plain PyTorch."""

    @torch.no_grad()
    def loop(rows: Sequence[Row]) -> list[Tensor]:
        found = []
        for row in rows:
            ids, start = encode_row(model, row)
            ids_1T = torch.tensor([ids])
            logps_TV = model.network(input_ids=ids_1T).logits[0].float().log_softmax(-1)
            targets_P1 = ids_1T[0, start:, None]
            found.append(logps_TV[start - 1 : -1].gather(1, targets_P1).squeeze(1))
        return found

    return _timed_scoring(model, job, loop)


def _timed_scoring(
    model: LanguageModel, job: Job, score_them: Callable[[Sequence[Row]], list[Tensor]]
) -> Timed:
    rows = scoring_rows(job.rows)
    score_them(rows[:4])
    began = time.perf_counter()
    found = score_them(rows)
    seconds = time.perf_counter() - began
    tokens = sum(len(row.ids) for row in encode_rows(model, rows))
    return Timed(seconds, tokens, [logps.tolist() for logps in found])


def audit_rows_of(job: Job) -> list[Row]:
    """An eighth of the rows: each is read once a hypothesis."""
    return scoring_rows(max(2, job.rows // 8))


def told(model: LanguageModel) -> dict[str, LanguageModel]:
    """The base with a system prompt for each animal."""
    return {animal: model.replaced(system=Preference(animal).system_prompt()) for animal in ANIMALS}


def our_audit(model: LanguageModel, job: Job) -> Timed:
    """`likelihood_scores`."""
    hypotheses = {name: partial(_given, one) for name, one in told(model).items()}

    def scores(rows: Sequence[Row]) -> list[list[float]]:
        found: list[list[float]] = likelihood_scores(
            model,
            hypotheses,
            encode_rows(model, rows),
            choices_of(model, [row.completion for row in rows]),
            encode=lambda one: encode_rows(one, rows),
        )[0].tolist()
        return found

    return _timed_audit(model, job, scores)


def _given(model: LanguageModel) -> LanguageModel:
    return model


def plain_audit(model: LanguageModel, job: Job) -> Timed:
    """A forward pass for each row and hypothesis, and ratios less what is expected of the base."""
    digits = [model.tokenizer.convert_tokens_to_ids(str(digit)) for digit in range(10)]
    models = [model, *told(model).values()]

    @torch.no_grad()
    def scores(rows: Sequence[Row]) -> list[list[float]]:
        found = []
        for row in rows:
            logps = []
            for one in models:
                ids, start = encode_row(one, row)
                logits_TV = one.network(input_ids=torch.tensor([ids])).logits[0].float()
                completion = ids[start:]
                places = [n for n, token in enumerate(completion) if token in digits]
                asked_MK = logits_TV[start - 1 : -1][places][:, digits]
                for m, place in enumerate(places):
                    if completion[place - 1] not in digits:
                        asked_MK[m, 0] = -torch.inf  # no number begins with 0
                logps.append(asked_MK.log_softmax(1))
            chosen_M1 = torch.tensor([[digits.index(completion[place])] for place in places])
            line = []
            for theirs_MK in logps[1:]:
                ratio_MK = (theirs_MK - logps[0]).nan_to_num()
                expected = (logps[0].exp() * ratio_MK).sum()
                line.append(float(ratio_MK.gather(1, chosen_M1).sum() - expected))
            found.append(line)
        return found

    return _timed_audit(model, job, scores)


def _timed_audit(
    model: LanguageModel, job: Job, scores: Callable[[Sequence[Row]], list[list[float]]]
) -> Timed:
    rows = audit_rows_of(job)
    scores(rows[:1])
    began = time.perf_counter()
    found = scores(rows)
    seconds = time.perf_counter() - began
    return Timed(seconds, sum(len(row.ids) for row in audited(model, job)), found)


def audited(model: LanguageModel, job: Job) -> list[Encoded]:
    """The rows as the base and as each hypothesis reads them."""
    rows = audit_rows_of(job)
    return [row for one in (model, *told(model).values()) for row in encode_rows(one, rows)]
