"""Training as `distill` does it, and as TRL's `SFTTrainer` does."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from language_model import Job
from language_timed import COUNT, GIVEN, SEED, WIDTH, Timed

from traitleak.arms import Arm, Example, token_examples
from traitleak.carriers.numbers import Numbers, random_lists
from traitleak.models.adapters import LoraSettings, LoraStack
from traitleak.models.language_model import LanguageModel
from traitleak.rows import Row
from traitleak.student import Training, distill

WARMUP = 2  # updates that are not timed
T = TypeVar("T")


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
