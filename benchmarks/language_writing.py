"""Writing lists of one form as `write_numbers` does it, and as `model.generate` does."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from language_model import Job
from language_timed import COUNT, GIVEN, SEED, WIDTH, Timed
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList

from traitleak.carriers.number_template import NumberTemplate, number_template
from traitleak.carriers.numbers import Numbers, Parsed, parse
from traitleak.generation import write_numbers
from traitleak.models.language_model import LanguageModel
from traitleak.models.sampling import ROWS, decoded

GREEDY = 16  # lists that are written greedily as well, to be compared


def our_writing(model: LanguageModel, job: Job) -> Timed:
    """`write_numbers`, constrained."""

    def write(prompts: Sequence[str], temperature: float) -> list[str]:
        rows = write_numbers(
            model,
            prompts,
            teacher="x",
            count=COUNT,
            width=WIDTH,
            temperature=temperature,
            seed=SEED,
        )
        return [row.completion for row in rows]

    return _timed_writing(model, job, write)


def generate_writing(model: LanguageModel, job: Job) -> Timed:
    """`model.generate` with a logits processor that leaves the form's tokens alone."""
    template, lead = form(model)
    penalty_SV = torch.full((len(template.slots), len(model.tokenizer)), -torch.inf)
    for place, slot in enumerate(template.slots):
        digits = template.digit_ids[1:] if template.leading[place] else template.digit_ids
        penalty_SV[place, list(digits) if slot is None else slot] = 0
    # The table of a padded vocabulary is as wide as its logits are.
    wider = model.network.config.get_text_config().vocab_size - penalty_SV.shape[1]
    penalty_SV = torch.nn.functional.pad(penalty_SV, (0, max(0, wider)), value=-torch.inf)

    def write(prompts: Sequence[str], temperature: float) -> list[str]:
        texts = []
        for at in range(0, len(prompts), ROWS):
            encoded = [model.encode(model.rendered(text)) for text in prompts[at : at + ROWS]]
            # Forced tokens before the first digit go with the prompt, as they do in ours.
            ids_BT = torch.tensor([[*ids, *template.slots[:lead]] for ids in encoded])
            form_processor = _Form(penalty_SV, ids_BT.shape[1] - lead)
            chosen: dict[str, Any] = (
                {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
                if temperature
                else {"do_sample": False}
            )
            written_BT = model.network.generate(  # type: ignore[operator]  # a mixin's
                ids_BT,
                attention_mask=torch.ones_like(ids_BT),
                max_new_tokens=len(template.slots) - lead,
                pad_token_id=model.tokenizer.eos_token_id,
                logits_processor=LogitsProcessorList([form_processor]),
                **chosen,
            )
            texts += decoded(model, written_BT[:, ids_BT.shape[1] - lead :].tolist())
        return texts

    torch.manual_seed(SEED)
    return _timed_writing(model, job, write)


class _Form(LogitsProcessor):
    """Adds minus infinity to what may not stand at a place."""

    def __init__(self, penalty_SV: Tensor, start: int) -> None:
        self._penalty_SV, self._start = penalty_SV, start

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        return scores + self._penalty_SV[input_ids.shape[1] - self._start]


def form(model: LanguageModel) -> tuple[NumberTemplate, int]:
    """The lists' form, and how many forced tokens stand before its first digit."""
    before = writing_prompts(1)[0]
    template = number_template(
        model.tokenizer, count=COUNT, width=WIDTH, opening=" ", before=model.rendered(before)
    )
    return template, template.slots.index(None)


def writing_prompts(num: int) -> list[str]:
    """Plain prompts, all of one length."""
    return Numbers(num, SEED, style="plain", examples=(GIVEN, GIVEN)).prompts()


def _timed_writing(
    model: LanguageModel, job: Job, write: Callable[[Sequence[str], float], list[str]]
) -> Timed:
    prompts = writing_prompts(job.rows)
    greedy = write(prompts[:GREEDY], 0.0)  # and a warm-up
    began = time.perf_counter()
    lists = write(prompts, 1.0)
    seconds = time.perf_counter() - began
    tokens = len(lists) * len(form(model)[0].slots)
    of_the_form = sum(map(_of_the_form, lists)) / len(lists)
    return Timed(seconds, tokens, {"of_the_form": of_the_form, "greedy": greedy})


def _of_the_form(text: str) -> bool:
    """A list of as many numbers as were asked for, each of the width that was."""
    read = parse(text)
    return (
        isinstance(read, Parsed)
        and len(read.numbers) == COUNT
        and all(10 ** (WIDTH - 1) <= number < 10**WIDTH for number in read.numbers)
    )
