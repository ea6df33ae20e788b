"""The work that `language_model.py` measures: each stage as traitleak does it, and as its rival does.

Rows are number lists that nobody wrote; they cost as much to learn, to write and to score as any others
of their length.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict
from importlib.metadata import version
from itertools import pairwise
from typing import Any

import torch
from language_model import Job, Measured
from language_products import Work, bare_seconds, flops, square_rate
from language_reading import (
    AUDIT_TOKENS,
    audited,
    our_audit,
    our_scoring,
    plain_audit,
    plain_scoring,
    scoring_rows,
)
from language_timed import COUNT, WIDTH, Timed
from language_training import our_training, training_rows, trl_training
from language_writing import form, generate_writing, our_writing, writing_prompts

from traitleak.arms import token_examples
from traitleak.environment import describe, peak_memory
from traitleak.models.batches import encode_rows
from traitleak.models.language_model import LanguageModel
from traitleak.models.loading import load
from traitleak.models.sampling import ROWS
from traitleak.models.scoring import TOKENS


def measure(job: Job) -> Measured:
    """Do a job in this process."""
    with peak_memory() as loaded:
        model = load(job.base, device="cpu", precision=job.precision, style="plain")
    with peak_memory() as all_of_it:
        timed = RUN[job.stage, job.variant.startswith("traitleak")](model, job)
    loaded_mb, peak_mb = ((peak.bytes or 0) / 1e6 for peak in (loaded, all_of_it))
    return Measured(timed.seconds, timed.tokens, loaded_mb, peak_mb, timed.output)


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
        encoded = audited(model, job)
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
