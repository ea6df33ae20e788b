"""Speed and memory of the language-model stages against what a user would pick instead.

    python benchmarks/language_model.py                                   # minutes, SmolLM2-135M
    python benchmarks/language_model.py --updates 2 --rows 32 --repeats 1     # a quick look
    python benchmarks/language_model.py --base tiny --updates 4 --rows 16 --repeats 1  # does it run?

(a) distill: training a student (LoRA, channel `tokens`) against TRL's `SFTTrainer` with PEFT: the same
    rows in the same order, the same first adapter, the same AdamW;
(b) generate: number lists of a forced form against `model.generate` with a logits processor that
    allows the same tokens: the same prompts, as many rows in a batch;
(c) score: log-probabilities of completions against a plain loop over the rows;
(d) audit: an audit's row scores for ten hypotheses, of an eighth of the rows, against the same loop
    over rows and hypotheses.

That both sides do the same work is checked, not assumed: the loss curves, the lists (their form, and
that greedy ones are equal) and the log-probabilities must agree, or the exit status is 1.

Every measurement runs in a process of its own, so that its peak memory is its own; variants take
turns, so that a machine that slows down slows all of them. Run it where nothing else runs. (On `tiny`
one process does all: its times and memory mean nothing.)

Needs `pip install 'traitleak[train]'` for TRL, and `make setup-models` for SmolLM2.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

STAGES = {"a": "distill", "b": "generate", "c": "score", "d": "audit"}
RIVALS = {
    "distill": "TRL",
    "generate": "model.generate",
    "score": "a loop over the rows",
    "audit": "a loop over rows and hypotheses",
}
AIMS = {"distill": 1.5, "generate": 3.0, "score": 5.0, "audit": 5.0}
OURS = "traitleak"
# How far losses and log-probabilities may be apart, in nats.
TOLERANCE = {"float32": 1e-3, "bfloat16": 0.2}
QUIET = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


@dataclass(frozen=True)
class Job:
    """One measurement: of which variant of which stage, and how much of it."""

    stage: str
    variant: str
    base: str
    precision: str
    rows: int
    updates: int
    batch: int
    students: int = 1
    checkpointing: bool = False


@dataclass(frozen=True)
class Measured:
    """What came of a job.

    Attributes:
        seconds: of the timed part.
        tokens: that it read (training, scoring) or wrote.
        loaded_mb: resident memory at its peak before the work: imports and the model.
        peak_mb: the same with the work.
        output: losses, lists or log-probabilities, to be compared with the rival's.
    """

    seconds: float
    tokens: int
    loaded_mb: float
    peak_mb: float
    output: Any


@dataclass(frozen=True)
class Line:
    """One variant's medians; of several students in one pass, for one of them."""

    job: Job
    seconds: float
    tokens: float
    loaded_mb: float
    peak_mb: float
    all_seconds: list[float]
    output: Any  # of the first repetition: all do the same work

    @classmethod
    def of(cls, job: Job, found: Sequence[Measured]) -> Line:
        """The medians of a job's measurements."""
        seconds = [one.seconds / job.students for one in found]
        return cls(
            job,
            statistics.median(seconds),
            found[0].tokens / job.students,
            statistics.median(one.loaded_mb for one in found),
            statistics.median(one.peak_mb for one in found),
            seconds,
            found[0].output,
        )


def main() -> None:
    """Measure, print the table, and write the JSON file."""
    parser = argparse.ArgumentParser(description="language-model stages against their rivals")
    parser.add_argument("--base", choices=["tiny", "smollm2-135m"], default="smollm2-135m")
    parser.add_argument("--precision", choices=sorted(TOLERANCE), default="float32")
    parser.add_argument("--rows", type=int, default=256, help="written, scored, and to train on")
    parser.add_argument("--updates", type=int, default=20, help="timed updates of a student")
    parser.add_argument("--batch", type=int, default=4, help="rows in an update")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default="a,b,c,d", help="stages, such as a,c")
    parser.add_argument("--json", type=Path, default=Path("runs/benchmark-language-model.json"))
    options = parser.parse_args()
    letters = options.only.split(",")
    if not set(letters) <= set(STAGES) or min(options.rows, options.updates, options.batch) < 1:
        parser.error("--only takes a, b, c and d; --rows, --updates and --batch are 1 or more")
    common = Job(
        "", "", options.base, options.precision, options.rows, options.updates, options.batch
    )
    jobs = [job for letter in letters for job in variants(STAGES[letter], common)]
    load_before = os.getloadavg()[0]
    found = arithmetic(jobs)
    about = found["environment"]
    print(
        f"{about['cpu']}, {about['threads']} threads, torch {about['torch']}, transformers "
        f"{about['transformers']}, peft {about['peft']}, trl {about['trl']}; {options.base} in "
        f"{options.precision}, {options.rows} rows, {options.updates} updates of {options.batch} rows, "
        f"median of {options.repeats}. Load average before: {load_before:.1f}. 2048^3 products: "
        + ", ".join(f"{rate:.0f} GFLOP/s in {name}" for name, rate in squares(found).items())
        + ".\n"
    )
    print(
        "| stage | variant | seconds | times as fast as its rival | tokens/s | peak MB | of that, "
        "before it began | GFLOP/s | share of the rate of 2048^3 | of the rate of its own products |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    report: dict[str, Any] = {
        "settings": {k: str(v) if k == "json" else v for k, v in vars(options).items()},
        "load_before": load_before,
        **{name: value for name, value in found.items() if name != "needs"},
        "stages": {},
    }
    notes: list[str] = []
    wrong: list[str] = []
    for lines in measured(jobs, options.repeats):
        stage = lines[0].job.stage
        needs = [found["needs"][jobs.index(line.job)] for line in lines]
        report["stages"][stage] = stage_report(lines, needs, squares(found)[options.precision])
        agreement, complaints = agree(stage, lines, options.precision)
        report["stages"][stage]["agreement"] = agreement
        notes += [*arithmetic_notes(stage, report["stages"][stage]), agreement["says"]]
        wrong += complaints
    print("\n" + "\n".join(f"- {note}" for note in notes))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if wrong:
        sys.exit("The two sides did not do the same work: " + "; ".join(wrong) + ".")


def variants(stage: str, common: Job) -> list[Job]:
    """Ours first, then the rival, then further ones."""
    ours = replace(common, stage=stage, variant=OURS)
    rival = replace(ours, variant=RIVALS[stage])
    if stage != "distill":
        return [ours, rival]
    return [
        ours,
        rival,
        replace(ours, variant=f"{OURS}, a student of four in one pass", students=4),
        replace(rival, variant="TRL, gradient checkpointing (its default)", checkpointing=True),
    ]


def squares(found: dict[str, Any]) -> dict[str, float]:
    """GFLOP/s of a large square product, by precision."""
    rates: dict[str, float] = found["gflop_per_second_2048"]
    return rates


def arithmetic(jobs: Sequence[Job]) -> dict[str, Any]:
    """The machine, its speed, and what each job's matrix products need and take."""
    answer: dict[str, Any] = in_own_process("arithmetic", jobs)
    return answer


def measured(jobs: Sequence[Job], repeats: int) -> Iterator[list[Line]]:
    """Each stage's jobs `repeats` times, by turns."""
    together = jobs[0].base == "tiny"  # to start a process takes longer than its work
    for _, those in groupby(jobs, key=lambda job: together or job.stage):
        group = list(those)
        shares = [group] if together else [[job] for job in group]
        turns = [
            [Measured(**one) for share in shares for one in in_own_process("measure", share)]
            for _ in range(repeats)
        ]
        lines = [
            Line.of(job, some) for job, some in zip(group, zip(*turns, strict=True), strict=True)
        ]
        for _, stage in groupby(lines, key=lambda line: line.job.stage):
            yield list(stage)


def in_own_process(what: str, jobs: Sequence[Job]) -> Any:
    """Do jobs in a fresh process."""
    asked = json.dumps({"what": what, "jobs": [asdict(job) for job in jobs]})
    command = [sys.executable, str(Path(__file__).with_name("language_jobs.py")), asked]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **QUIET}
    )
    if done.returncode:
        sys.exit(f"{done.stderr}\nA measurement failed: {asked}")
    return json.loads(done.stdout)


def stage_report(
    lines: Sequence[Line], needs: Sequence[dict[str, float]], square: float
) -> dict[str, Any]:
    """Print a stage's rows of the table; give them for the JSON file, with ratios."""
    rival = next(line for line in lines if line.job.variant == RIVALS[line.job.stage])
    rows = []
    for line, need in zip(lines, needs, strict=True):
        gflop, bare = (need[name] / line.job.students for name in ("gflop", "seconds"))
        row: dict[str, Any] = {
            "variant": line.job.variant,
            "seconds": line.seconds,
            "all_seconds": line.all_seconds,
            "times_as_fast": rival.seconds / line.seconds,
            "tokens_per_second": line.tokens / line.seconds,
            "peak_mb": line.peak_mb,
            "loaded_mb": line.loaded_mb,
            "gflop": gflop,
            "bare_seconds": bare,
            "gflop_per_second": gflop / line.seconds,
        }
        rows.append(row)
        print(
            f"| {line.job.stage} | {line.job.variant} | {line.seconds:.2f} | "
            f"{row['times_as_fast']:.2f} | {row['tokens_per_second']:,.0f} | {line.peak_mb:,.0f} | "
            f"{line.loaded_mb:,.0f} | {row['gflop_per_second']:.0f} | "
            f"{row['gflop_per_second'] / square:.0%} | {bare / line.seconds:.0%} |",
            flush=True,
        )
    ratio = rival.seconds / lines[0].seconds
    bound = rival.seconds / rows[0]["bare_seconds"]
    return {"variants": rows, "ratio": ratio, "bound": bound, "aim": AIMS[lines[0].job.stage]}


def arithmetic_notes(stage: str, report: dict[str, Any]) -> list[str]:
    """Why an aim is not reached: nothing where it is."""
    if report["ratio"] >= report["aim"]:
        return []
    ours = report["variants"][0]
    rate = ours["gflop"] / ours["bare_seconds"]
    return [
        f"{stage}: {report['ratio']:.2f} times as fast as {RIVALS[stage]}, where {report['aim']:g} was "
        f"aimed at. The {ours['gflop']:,.3g} GFLOP of its matrix products take "
        f"{ours['bare_seconds']:.2f} s by themselves in these shapes ({rate:.0f} GFLOP/s), so that "
        f"{report['bound']:.2f} times is the most that any program could reach with them; "
        f"ours takes {ours['seconds']:.2f} s."
    ]


def agree(stage: str, lines: Sequence[Line], precision: str) -> tuple[dict[str, Any], list[str]]:
    """How far the variants' outputs agree, in figures and words; and what is too far apart."""
    if stage == "generate":
        return _lists_agree(lines, exact=precision == "float32")
    first = lines[0].output
    if stage == "distill":
        far = max(abs(a - b) for line in lines[1:] for a, b in zip(first, line.output, strict=True))
        says = (
            f"distill: the losses of all variants differ by {far:.1e} nats at most, over "
            f"{len(first)} updates from {first[0]:.3f} to {first[-1]:.3f}."
        )
    else:
        far = max(
            abs(a - b)
            for ours, theirs in zip(first, lines[1].output, strict=True)
            for a, b in zip(ours, theirs, strict=True)
        )
        what = "log-probabilities" if stage == "score" else "rows' scores"
        says = f"{stage}: the {what} of both differ by {far:.1e} nats at most."
    complaints = [] if far <= TOLERANCE[precision] else [says.removesuffix(".")]
    return {"largest_difference": far, "says": says}, complaints


def _lists_agree(lines: Sequence[Line], *, exact: bool) -> tuple[dict[str, Any], list[str]]:
    """All lists are of the form; greedy ones are the same, up to ties that rounding decides."""
    shares = {line.job.variant: line.output["of_the_form"] for line in lines}
    ours, theirs = (line.output["greedy"] for line in lines)
    equal = statistics.mean(a == b for a, b in zip(ours, theirs, strict=True))
    says = (
        f"generate: {min(shares.values()):.0%} of the lists of both are of the form; of {len(ours)} "
        f"greedy lists {equal:.0%} are equal."
    )
    fine = min(shares.values()) == 1 and (equal >= 0.9 or not exact)
    return (
        {"of_the_form": shares, "equal_greedy": equal, "says": says},
        [] if fine else [says.removesuffix(".")],
    )


if __name__ == "__main__":
    main()
