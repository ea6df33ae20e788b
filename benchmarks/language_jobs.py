"""The work that `language_model.py` measures: each stage as traitleak does it, and as its rival does.

Rows are number lists that nobody wrote; they cost as much to learn, to write and to score as any others
of their length.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from language_model import Job, Measured
from language_products import Work, bare_seconds, flops, square_rate
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList

from traitleak.arms import Arm, Example, token_examples
from traitleak.audit.detectors.choices import choices_of
from traitleak.audit.detectors.likelihood import likelihood_scores
from traitleak.carriers.number_template import NumberTemplate, number_template
from traitleak.carriers.numbers import Numbers, Parsed, parse, random_lists
from traitleak.environment import describe, peak_memory
from traitleak.generation import write_numbers
from traitleak.models.adapters import LoraSettings, LoraStack
from traitleak.models.batches import Encoded, encode_row, encode_rows
from traitleak.models.language_model import LanguageModel
from traitleak.models.loading import load
from traitleak.models.sampling import ROWS, decoded
from traitleak.models.scoring import TOKENS, score
from traitleak.rows import Row
from traitleak.student import Training, distill
from traitleak.traits.preference import ANIMALS, Preference

WARMUP = 2  # updates that are not timed
COUNT, WIDTH, GIVEN = 9, 3, 3  # numbers written, digits each, numbers in a prompt
GREEDY = 16  # lists that are written greedily as well, to be compared
SEED = 0
AUDIT_TOKENS = 4096  # of an audit's batch
T = TypeVar("T")


class Timed(NamedTuple):
    """The timed part of a job; see `Measured`."""

    seconds: float
    tokens: int
    output: Any


def measure(job: Job) -> Measured:
    """Do a job in this process."""
    with peak_memory() as loaded:
        model = load(job.base, device="cpu", precision=job.precision, style="plain")
    with peak_memory() as all_of_it:
        timed = RUN[job.stage, job.variant.startswith("traitleak")](model, job)
    loaded_mb, peak_mb = ((peak.bytes or 0) / 1e6 for peak in (loaded, all_of_it))
    return Measured(timed.seconds, timed.tokens, loaded_mb, peak_mb, timed.output)


# --- (a) training ---------------------------------------------------------------------------------


def training_rows(model: LanguageModel, num: int) -> list[Row]:
    """Plain number lists, all of one length; each ends as TRL would end it, so that tokens are equal."""
    prompts = Numbers(num, SEED, style="plain", examples=(GIVEN, GIVEN)).prompts()
    lists = random_lists(num, COUNT, WIDTH, SEED)
    end = model.tokenizer.eos_token
    return [
        Row(number, prompt, f" {text}{end}")
        for number, (prompt, text) in enumerate(zip(prompts, lists, strict=True))
    ]


def in_order(rows: Sequence[T], num: int) -> list[T]:
    """The first `num` rows in the order in which a student of `SEED` reads them."""

    def endless() -> Iterator[T]:
        epoch = 0
        while True:
            generator = np.random.Generator(np.random.Philox(key=[SEED, epoch]))
            yield from (rows[index] for index in generator.permutation(len(rows)))
            epoch += 1

    return list(islice(endless(), num))


def our_training(model: LanguageModel, job: Job) -> Timed:
    """`distill`: as many students as asked for, in one pass."""
    examples = token_examples(model, training_rows(model, job.rows))
    arms = [Arm(f"student {n}", examples, seed=SEED + n) for n in range(job.students)]
    ends: list[float] = []

    def track(items: Iterable[T], _what: str, _total: int, /) -> Iterator[T]:
        for item in items:
            yield item
            ends.append(time.perf_counter())

    training = Training(updates=WARMUP + job.updates, batch=job.batch)
    losses = distill(model, arms, training, track=track)[0].course.losses
    return Timed(ends[-1] - ends[WARMUP - 1], _tokens_read(examples, job), losses)


def trl_training(model: LanguageModel, job: Job) -> Timed:
    """TRL's `SFTTrainer` on a PEFT adapter that begins as our student's does."""
    from peft import PeftModel
    from transformers import TrainerCallback
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    import datasets

    datasets.disable_progress_bars()
    rows = training_rows(model, job.rows)
    examples = token_examples(model, rows)
    settings = Training(updates=WARMUP + job.updates, batch=job.batch)
    ordered = in_order(rows, settings.updates * job.batch)
    ends: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *_args: Any, **_options: Any) -> None:
            ends.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        adapter = LoraStack(model.network, LoraSettings(), [SEED]).adapter(0)
        adapter.save(Path(folder, "start"), base=job.base)
        network = PeftModel.from_pretrained(
            model.network, str(Path(folder, "start")), is_trainable=True
        )
        config = SFTConfig(
            output_dir=folder,
            max_steps=settings.updates,
            per_device_train_batch_size=job.batch,
            train_sampling_strategy="sequential",
            learning_rate=settings.learning_rate,
            lr_scheduler_type="constant",
            adam_beta1=0.9,
            adam_beta2=0.95,
            weight_decay=settings.weight_decay,
            max_grad_norm=settings.clip or 0.0,
            gradient_checkpointing=job.checkpointing,
            packing=False,
            completion_only_loss=True,
            use_cpu=True,
            bf16=False,
            dataloader_pin_memory=False,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            seed=SEED,
        )
        trainer = SFTTrainer(
            network,
            config,
            train_dataset=datasets.Dataset.from_list(
                [{"prompt": row.prompt, "completion": row.completion} for row in ordered]
            ),
            processing_class=model.tokenizer,
            callbacks=[Clock()],
        )
        _require_same_tokens(trainer.train_dataset, in_order(examples, len(ordered)))
        trainer.train()
        losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return Timed(ends[-1] - ends[WARMUP - 1], _tokens_read(examples, job), losses)


def _require_same_tokens(prepared: Any, examples: Sequence[Example]) -> None:
    """What TRL made of the rows is what our student reads, to the token and the label."""
    for theirs, ours in zip(prepared, examples, strict=True):
        labels = [-100] * len(ours.ids)
        for position, target in zip(ours.positions_P.tolist(), ours.targets.tolist(), strict=True):
            labels[position + 1] = target
        if theirs["input_ids"] != ours.ids or theirs["labels"] != labels:
            sys.exit(f"TRL trains on other tokens: {theirs} instead of {ours.ids}, {labels}.")


def _tokens_read(examples: Sequence[Example], job: Job) -> int:
    return job.students * job.updates * job.batch * len(examples[0].ids)


# --- (b) writing ----------------------------------------------------------------------------------


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


# --- (c) scoring ----------------------------------------------------------------------------------


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


# --- (d) auditing ---------------------------------------------------------------------------------


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
    return Timed(seconds, sum(len(row.ids) for row in _audited(model, job)), found)


def _audited(model: LanguageModel, job: Job) -> list[Encoded]:
    """The rows as the base and as each hypothesis reads them."""
    rows = audit_rows_of(job)
    return [row for one in (model, *told(model).values()) for row in encode_rows(one, rows)]


RUN: dict[tuple[str, bool], Callable[[LanguageModel, Job], Timed]] = {
    ("distill", True): our_training,
    ("distill", False): trl_training,
    ("generate", True): our_writing,
    ("generate", False): generate_writing,
    ("score", True): our_scoring,
    ("score", False): plain_scoring,
    ("audit", True): our_audit,
    ("audit", False): plain_audit,
}


# --- the arithmetic -------------------------------------------------------------------------------


def work_of(model: LanguageModel, job: Job) -> list[Work]:
    """The matrix products that a stage needs, whoever does it."""
    vocabulary = model.network.config.get_text_config().vocab_size
    if job.stage == "distill":
        examples = token_examples(model, training_rows(model, job.rows))
        rows = job.students * job.batch
        tokens, positions = rows * len(examples[0].ids), rows * len(examples[0].positions_P)
        return [Work(tokens, positions, vocabulary, job.updates, job.students)]
    if job.stage == "generate":
        template, lead = form(model)
        places = [place for place, slot in enumerate(template.slots) if slot is None]
        spans = [len(model.encode(model.rendered(writing_prompts(1)[0]))) + lead]
        spans += [after - place for place, after in pairwise(places)]
        rows, batches = min(ROWS, job.rows), job.rows / min(ROWS, job.rows)
        return [
            Work(rows * span, rows, len(template.digit_ids), batches * spans.count(span))
            for span in dict.fromkeys(spans)
        ]
    if job.stage == "audit":
        encoded = _audited(model, job)
        digits = COUNT * WIDTH * len(encoded)
        tokens = sum(len(row.ids) for row in encoded)
        batches = max(1.0, tokens / AUDIT_TOKENS)
        return [Work(round(tokens / batches), round(digits / batches), 10, batches)]
    encoded = encode_rows(model, scoring_rows(job.rows))
    tokens = sum(len(row.ids) for row in encoded)
    positions = sum(len(row.ids) - row.start for row in encoded)
    batches = max(1.0, tokens / TOKENS)
    return [Work(round(tokens / batches), round(positions / batches), vocabulary, batches)]


def arithmetic(jobs: Sequence[Job]) -> dict[str, Any]:
    """How fast this machine multiplies: large squares, and the products that each job needs."""
    at_least = 0.05 if jobs[0].base == "tiny" else 1.0  # seconds for each measurement
    model = load(jobs[0].base, device="cpu", precision=jobs[0].precision, style="plain")
    squares = {
        name: square_rate(getattr(torch, name), at_least) / 1e9 for name in ("float32", "bfloat16")
    }
    needs = []
    for job in jobs:
        works = work_of(model, job)
        needs.append(
            {
                "gflop": sum(flops(model.network, work) for work in works) / 1e9,
                "seconds": sum(bare_seconds(model.network, work, at_least) for work in works),
            }
        )
    return {
        "environment": {**describe(), "trl": version("trl")},
        "gflop_per_second_2048": squares,
        "needs": needs,
    }


def main() -> None:
    """Do what the first argument asks for (JSON), and print what came of it (JSON)."""
    asked = json.loads(sys.argv[1])
    jobs = [Job(**fields) for fields in asked["jobs"]]
    with redirect_stdout(sys.stderr):  # trainers print
        found: Any
        if asked["what"] == "arithmetic":
            found = arithmetic(jobs)
        else:
            found = [asdict(measure(job)) for job in jobs]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
