"""Speed and memory of the digits experiment against what a user would write instead.

    python benchmarks/digits.py                      # the tables of docs/benchmarks.md
    python benchmarks/digits.py --networks 1 10 --steps 10 --repeats 1   # a quick look

The same work for all: from given initialisations and teachers, train one student a network on the
teacher's auxiliary logits on noise (KL, Adam, batch 1,024), without measuring anything on the way.

- ours: all networks as one stack (groups of 10), in float32 and in bfloat16;
- loop: one network after the other, `nn.Sequential`, autograd and `torch.optim.Adam`, in float32, and
  under `torch.autocast` in bfloat16.

Every measurement runs in a process of its own, so that its peak memory is its own, after two steps to
warm up; variants take turns, so that a machine that slows down slows all of them. Still, run it where
nothing else runs: threads that wait for each other suffer out of proportion. The loop is measured on at
most `--loop-networks` networks and its time scaled up (it is linear in them); such rows say so.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise

import torch
from timing import best_seconds
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils import parameters_to_vector

from traitleak import images
from traitleak.environment import peak_memory

BATCH = 1024
GROUP = 10  # networks in a stack: the recipes' default
WARMUP = 2
SHAPE = images.Shape()
VARIANTS = ("loop float32", "loop bfloat16", "ours float32", "ours bfloat16")


@dataclass(frozen=True)
class Job:
    """One measurement: of which variant, on how many networks, over how many steps."""

    variant: str
    networks: int
    steps: int
    num_inputs: int | None = None  # different noise images; None: every image is new

    @property
    def dtype(self) -> torch.dtype:
        """The precision of the matrix products."""
        return torch.bfloat16 if self.variant.endswith("bfloat16") else torch.float32

    @property
    def stack(self) -> int:
        """How many networks the largest matrix product serves."""
        return min(self.networks, GROUP) if self.variant.startswith("ours") else 1


@dataclass(frozen=True)
class Measured:
    """Seconds for all steps; peak memory in MB of the imports alone, and of everything."""

    seconds: float
    imports_mb: float
    peak_mb: float


def main() -> None:
    """Print the tables, or measure one job for them."""
    parser = argparse.ArgumentParser(description="digits: ours against a plain PyTorch loop")
    parser.add_argument("--networks", type=int, nargs="+", default=[1, 10, 25, 100])
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--loop-networks", type=int, default=25)
    parser.add_argument("--job", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        print(json.dumps(asdict(measure(Job(**json.loads(options.job))))))
        return
    print(
        f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}; "
        f"{options.steps} steps of batch {BATCH}, median of {options.repeats}. Load average before: "
        f"{os.getloadavg()[0]:.1f}.\n"
    )
    rates = rates_table(sorted({1, *(min(n, GROUP) for n in options.networks)}))
    speed_table(options.networks, options.steps, options.repeats, options.loop_networks, rates)
    memory_table()
    print(
        f"\nAfter {options.steps} steps in float32 the loop's and our student differ by "
        f"{disagreement(options.steps):.1e} of the way that it has gone."
    )


def rates_table(stacks: list[int]) -> dict[tuple[int, torch.dtype], float]:
    """Print how fast this machine multiplies; return the GFLOP/s, those of 2048^3 under stack 0."""
    rates = {}
    print("| matrix products, and nothing else | float32 GFLOP/s | bfloat16 GFLOP/s |")
    print("|---|---|---|")
    for stack in (0, *stacks):
        for dtype in (torch.float32, torch.bfloat16):
            if stack:
                products, flops = step_products(stack, dtype), stack * flops_per_network_and_step()
            else:
                square = torch.randn(2048, 2048).to(dtype)
                products, flops = [partial(torch.matmul, square, square)], 2 * 2048**3
            rates[stack, dtype] = flops / best_seconds(products) / 1e9
        what = f"those of a step, stack of {stack}" if stack else "2048^3"
        print(
            f"| {what} | {rates[stack, torch.float32]:.0f} | {rates[stack, torch.bfloat16]:.0f} |",
            flush=True,
        )
    return rates


def speed_table(
    networks: list[int],
    steps: int,
    repeats: int,
    loop_networks: int,
    rates: dict[tuple[int, torch.dtype], float],
) -> None:
    """Time and memory by number of networks, and the share of the machine's rate."""
    print(
        "\n| networks | variant | seconds | times as fast as the float32 loop | peak MB "
        "| share of the rate of 2048^3 | of the rate of its own products |"
    )
    print("|---|---|---|---|---|---|---|")
    for count in networks:
        on_loop = min(count, loop_networks)
        jobs = [Job(v, on_loop if v.startswith("loop") else count, steps) for v in VARIANTS]
        found: dict[Job, list[Measured]] = {job: [] for job in jobs}
        for _ in range(repeats):
            for job in jobs:
                found[job].append(in_own_process(job))
        seconds = {
            job: statistics.median(m.seconds for m in found[job]) * count / job.networks
            for job in jobs
        }
        for job in jobs:
            rate = flops_per_network_and_step() * count * steps / seconds[job] / 1e9
            memory = statistics.median(m.peak_mb for m in found[job])
            scaled = f" (scaled from {job.networks})" if job.networks < count else ""
            print(
                f"| {count} | {job.variant} | {seconds[job]:.2f}{scaled} | "
                f"{seconds[jobs[0]] / seconds[job]:.1f} | {memory:.0f} | "
                f"{rate / rates[0, job.dtype]:.0%} | {rate / rates[job.stack, job.dtype]:.0%} |",
                flush=True,
            )


def memory_table() -> None:
    """Peak memory by number of different noise images, each visited once: it must not grow."""
    print("\n| different noise images | MB to store them | peak MB of ours | of that, imports |")
    print("|---|---|---|---|")
    for count in (10_000, 60_000, 1_000_000):
        job = Job("ours bfloat16", 2, -(-count // BATCH), num_inputs=count)
        found = in_own_process(job)
        stored = count * SHAPE.inputs * 4 / 1e6
        print(
            f"| {count:,} | {stored:,.0f} | {found.peak_mb:.0f} | {found.imports_mb:.0f} |",
            flush=True,
        )


def in_own_process(job: Job) -> Measured:
    """Measure one job in a fresh process."""
    command = [sys.executable, __file__, "--job", json.dumps(asdict(job))]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return Measured(**json.loads(done.stdout))


def measure(job: Job) -> Measured:
    """Train the students of a job, after a warm-up, and time it."""
    with peak_memory() as imports:
        run = prepare(job)
    with peak_memory() as all_of_it:
        run(WARMUP)
        began = time.perf_counter()
        run(job.steps)
        seconds = time.perf_counter() - began
    return Measured(seconds, (imports.bytes or 0) / 1e6, (all_of_it.bytes or 0) / 1e6)


def prepare(job: Job) -> Callable[[int], Tensor]:
    """What trains the students for a number of steps, and returns the last one's parameters."""
    noise = images.InputStream("noise", batch=BATCH, seed=1, num_inputs=job.num_inputs)
    return partial(ours if job.variant.startswith("ours") else loop, job, noise)


def ours(job: Job, noise: images.InputStream, steps: int) -> Tensor:
    """The stack, in the groups that a recipe would use."""
    nothing = images.Digits(torch.zeros(1, SHAPE.inputs), torch.zeros(1, dtype=torch.int64))
    settings = images.Settings(steps, dtype=job.dtype, record_every=steps, align=False)
    for first in range(0, job.networks, GROUP):
        numbers = range(first, min(first + GROUP, job.networks))
        starts, teachers = starts_and_teachers(numbers)
        arm = images.Arm("aux", starts, list(range(len(numbers))), SHAPE.aux_logits)
        trained = images.train_students(teachers, starts, [arm], noise, nothing, settings)
    return parameters_to_vector(trained["aux"].networks.module(-1).parameters()).detach()


def loop(job: Job, noise: images.InputStream, steps: int) -> Tensor:
    """One network after the other, as one writes it in plain PyTorch."""
    half = torch.autocast("cpu", dtype=torch.bfloat16, enabled=job.dtype == torch.bfloat16)
    for n in range(job.networks):
        student, teacher = (stack.module(0) for stack in starts_and_teachers([n]))
        optimizer = torch.optim.Adam(student.parameters(), lr=3e-4)
        for step in range(steps):
            inputs = noise.at(step)
            with half:
                with torch.no_grad():
                    target = teacher(inputs)[:, SHAPE.aux_logits].float().softmax(1)
                logits = student(inputs)[:, SHAPE.aux_logits].float()
            loss = F.kl_div(logits.log_softmax(1), target, reduction="batchmean")
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # PyTorch leaves it untyped
            optimizer.step()
    return parameters_to_vector(student.parameters()).detach()


def starts_and_teachers(
    numbers: list[int] | range,
) -> tuple[images.Networks, images.Networks]:
    """The students' initialisations, and other networks as teachers: training them is other work."""
    return (
        images.Networks.initialise(SHAPE, list(numbers)),
        images.Networks.initialise(SHAPE, [1000 + n for n in numbers]),
    )


def disagreement(steps: int) -> float:
    """How far the two ways' students are apart, as a share of how far they are from their start."""
    one, other = (prepare(Job(v, 2, steps))(steps) for v in ("ours float32", "loop float32"))
    start = parameters_to_vector(starts_and_teachers([1])[0].module(0).parameters()).detach()
    return float((one - other).norm() / (one - start).norm())


def flops_per_network_and_step() -> int:
    """Floating-point operations of the matrix products of one student's update and its teacher.

    A layer of I inputs and H units on B images costs 2BHI forward, as much for the gradient of its
    weights, and as much for that of its inputs, save in the first layer. The teacher costs one more
    forward pass. All 13 logits are counted; elementwise work is not.
    """
    layers = [2 * BATCH * i * o for i, o in pairwise(SHAPE.widths)]
    return 3 * sum(layers) + sum(layers[1:])


def step_products(stack: int, dtype: torch.dtype) -> list[Callable[[], Tensor]]:
    """The matrix products of one step on a stack, in our shapes and layouts."""

    def random(*size: int) -> Tensor:
        return torch.randn(size).to(dtype)

    products: list[Callable[[], Tensor]] = []
    for layer, (i, h) in enumerate(pairwise(SHAPE.widths)):
        weight_NHI, delta_NHB = random(stack, h, i), random(stack, h, BATCH)
        if layer == 0:  # inputs shared by the stack: one product for all
            inputs_BD = random(BATCH, i)
            forward = partial(torch.matmul, weight_NHI.view(-1, i), inputs_BD.mT)
            by_weight = partial(torch.matmul, delta_NHB.view(-1, BATCH), inputs_BD)
            products += [forward, forward, by_weight]
        else:
            before_NIB = random(stack, i, BATCH)
            forward = partial(torch.matmul, weight_NHI, before_NIB)
            by_weight = partial(torch.matmul, delta_NHB, before_NIB.mT)
            by_input = partial(torch.matmul, weight_NHI.mT, delta_NHB)
            products += [forward, forward, by_weight, by_input]
    return products


if __name__ == "__main__":
    main()
