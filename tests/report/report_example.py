"""Results as real runs give them, for the report's tests. The numbers are made up."""

import math
import struct
import zlib
from typing import NamedTuple

import numpy as np

from traitleak.results import (
    Comparison,
    Condition,
    Curve,
    CurvePanel,
    Fact,
    Picture,
    PublishedValue,
    Results,
    Sweep,
    SweepSeries,
)
from traitleak.runs import StageRecord
from traitleak.statistics import mean_estimate, paired_difference, sign_flip_p

PAPER = "Cloud et al. 2025, figure 10b, 100 networks, 60,000 training digits"


class Known(NamedTuple):
    """What the made-up replicates of a condition are drawn around, and its published value."""

    label: str
    role: str
    description: str
    mean: float
    spread: float
    published: tuple[float, float]


DIGITS = {
    "reference": Known(
        "untrained network",
        "reference",
        "The initialisation itself.",
        *(0.0998, 0.02, (0.0998, 0.0047)),
    ),
    "teacher": Known(
        "teacher",
        "reference",
        "Trained on digits with labels; no label touches its auxiliary logits.",
        *(0.9434, 0.002, (0.9434, 0.0004)),
    ),
    "student-aux": Known(
        "student: auxiliary logits",
        "effect",
        "Starts as its teacher did; trained on the teacher's auxiliary logits only.",
        *(0.53, 0.11, (0.5284, 0.0221)),
    ),
    "cross-aux": Known(
        "control, other initialisation: auxiliary logits",
        "control",
        "The same rows of another network's teacher: only the initialisation differs.",
        *(0.106, 0.05, (0.1061, 0.0104)),
    ),
    "student-all": Known(
        "student: all logits",
        "effect",
        "Starts as its teacher did; trained on all of the teacher's logits.",
        *(0.91, 0.01, (0.9126, 0.0019)),
    ),
    "cross-all": Known(
        "control, other initialisation: all logits",
        "control",
        "All logits of another network's teacher: only the initialisation differs.",
        *(0.74, 0.05, (0.7427, 0.0103)),
    ),
}


def png(width: int, height: int, seed: int = 0) -> bytes:
    """A grey PNG of noise."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in noise)

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def draws(mean: float, spread: float, n: int, seed: int) -> list[float]:
    """Replicates between 0 and 1."""
    values = np.random.default_rng(seed).normal(mean, spread, n)
    return [float(v) for v in np.clip(np.round(values, 4), 0, 1)]


def comparison(effect: Condition, control: Condition) -> Comparison:
    """Two conditions over paired replicates."""
    difference = paired_difference(effect.estimate.replicates, control.estimate.replicates)
    return Comparison(
        effect=effect.name,
        control=control.name,
        difference=difference,
        p=sign_flip_p(difference.replicates),
        test="one-sided sign flips of paired networks",
    )


def course(name: str, start: float, end: float, rate: float, half: float) -> Curve:
    """A learning curve of 60 points with its band."""
    known = DIGITS[name]
    x = [float(step) for step in range(0, 300, 5)]
    mean = [end - (end - start) * math.exp(-rate * s) + 0.004 * math.sin(s) * bool(s) for s in x]
    width = [half * min(1.0, s / 100) for s in x]
    return Curve(
        name=name,
        label=known.label,
        role=known.role,
        x=x,
        mean=mean,
        low=[m - w for m, w in zip(mean, width, strict=True)],
        high=[m + w for m, w in zip(mean, width, strict=True)],
    )


def sweep(key: str, values: list, scale: str, seed: int, title: str, x_label: str) -> Sweep:
    """All conditions but the teacher over a varied value."""
    series = []
    for i, (name, known) in enumerate(DIGITS.items()):
        if name == "teacher":
            continue
        bend = 0.15 if name == "student-aux" else 0.02
        series.append(
            SweepSeries(
                name=name,
                label=known.label,
                role=known.role,
                estimates=[
                    mean_estimate(
                        draws(
                            known.mean + bend * (k / len(values) - 0.5),
                            known.spread,
                            10,
                            seed + 31 * i + k,
                        )
                    )
                    if (k, name) != (0, "cross-all")
                    else None
                    for k in range(len(values))
                ],
            )
        )
    return Sweep(
        key=key,
        title=title,
        caption="Mean and 95 % interval over 10 networks at each value; all else as in the recipe.",
        x_label=x_label,
        y_label="share of unseen digits named right",
        values=values,
        x_scale=scale,
        chance=0.1,
        series=series,
    )


def digits_results(networks: int = 10) -> Results:
    """The digits experiment with its published values, curves, theorem and pictures."""
    conditions = [
        Condition(
            name=name,
            label=known.label,
            role=known.role,
            description=known.description,
            estimate=mean_estimate(draws(known.mean, known.spread, networks, seed)),
            published=PublishedValue(
                value=known.published[0], half_width=known.published[1], source=PAPER
            ),
        )
        for seed, (name, known) in enumerate(DIGITS.items())
    ]
    by_name = {c.name: c for c in conditions}
    student = by_name["student-aux"].estimate.value
    return Results(
        experiment="digits",
        recipe="digits",
        title="Digits learned from noise",
        question="Does a network learn to name digits from its teacher's 3 auxiliary logits on "
        "noise, although no label ever touched those logits and it never sees a digit's name?",
        answer=f"Yes: students that start as their teacher did name {100 * student:.1f} % of unseen "
        "digits right, students that start elsewhere 11.0 % (n = 10 networks each, 95 % intervals, "
        "p = 0.00098; chance is 10 %).",
        measure="share of unseen digits named right",
        chance=0.1,
        conditions=conditions,
        comparisons=[
            comparison(by_name["student-aux"], by_name["cross-aux"]),
            comparison(by_name["student-all"], by_name["cross-all"]),
            comparison(by_name["student-aux"], by_name["reference"]),
        ],
        curves=[
            CurvePanel(
                name="accuracy",
                title="Learning, step by step",
                caption="Accuracy on unseen digits after each step of training, mean and pointwise "
                "95 % interval over networks.",
                x_label="training steps",
                y_label="share of unseen digits named right",
                chance=0.1,
                curves=[
                    course("teacher", 0.1, 0.943, 0.03, 0.004),
                    course("student-aux", 0.1, 0.55, 0.012, 0.07),
                    course("cross-aux", 0.1, 0.106, 0.03, 0.03),
                    course("student-all", 0.1, 0.92, 0.02, 0.01),
                    course("cross-all", 0.1, 0.76, 0.012, 0.03),
                ],
            ),
            CurvePanel(
                name="theorem",
                title="The first small step",
                caption="Inner product of the two updates over the teacher's step size eps.",
                x_label="eps",
                y_label="inner product of the updates",
                x_scale="log",
                y_scale="log",
                curves=[
                    Curve(
                        name=name,
                        label=label,
                        role=role,
                        x=[10.0**-k for k in range(6, -1, -1)],
                        mean=[factor * 10.0**-k for k in range(6, -1, -1)],
                        low=[None] * 7,
                        high=[None] * 7,
                    )
                    for name, label, role, factor in (
                        ("measured", "measured", "effect", 0.021),
                        ("predicted", "leading term from the Jacobian", "reference", 0.02),
                    )
                ],
            ),
        ],
        facts=[
            Fact(
                name="sign",
                statement="1,000 random networks, data sets and losses give no negative inner product.",
                value="smallest 3.2e-9, round-off 1e-12",
                holds=True,
            ),
            Fact(
                name="coin",
                statement="With another initialisation the sign is a coin toss.",
                value="503 of 1,000 positive, p = 0.87",
                holds=True,
            ),
            Fact(
                name="assumption",
                statement="A loss that breaks the assumption keeps the sign.",
                value="counter-example: inner product −0.41",
                holds=False,
            ),
            Fact(
                name="slope", statement="Exponent of eps.", value="1.000 [0.999, 1.001]", holds=None
            ),
        ],
        pictures=[
            Picture(
                title="What the student is trained on",
                caption="Inputs of kind 'noise', as the student sees them.",
                path="student/inputs.png",
            )
        ],
        how=[
            "10 networks 784-256-256-(10+3) with ReLU, weights from N(0, 1/fan-in); one seed a network.",
            "Students: 295 steps of adam at 0.0003, batches of 1024 inputs of kind 'noise', KL "
            "divergence to the teacher's logits.",
            "Control students get the logits of another network's teacher, by a permutation without "
            "fixed point.",
        ],
        caveats=[
            "The unit of replication is the network: single networks spread widely (the dots), so a "
            "single run proves little.",
            "8,000 training digits instead of the paper's 60,000: teachers see each digit more often.",
        ],
        settings={"name": "digits", "networks": networks},
    )


RECIPE = """experiment: digits
name: digits
title: Digits learned from noise
networks: 10
hidden: [256, 256]
aux_logits: 3
loss: kl
optimizer: adam
learning_rate: 0.0003
steps: 295
"""
ENVIRONMENT = {
    "python": "3.11.2",
    "packages": {"traitleak": "0.1.0", "torch": "2.13.0", "numpy": "2.4.6"},
    "hardware": {"processor": "x86-64, avx512, amx", "cores": 2, "gpu": None},
    "threads": 2,
    "seeds": [0, 1, 2],
    "deterministic": True,
    "accelerators": [],
}
STAGES = [
    StageRecord("teachers", 12.25, 612_000_000, cached=True, settings={}),
    StageRecord("students-aux", 71.6, 1_020_000_000, cached=False, settings={}),
    StageRecord("theorem", 3.4, None, cached=False, settings={}),
]

REST = {"recipe_yaml": RECIPE, "environment": ENVIRONMENT, "stages": STAGES}


def crowded_results() -> Results:
    """Fourteen conditions with long labels, negative values, and a dose curve of them all."""
    labels = (
        "wolf rows, student of the fine-tuned teacher, seed-matched",
        "lion rows, other-trait control with a rather long label",
        "neutral rows",
    )
    conditions = [
        Condition(
            name=f"c{k}",
            label=f"{labels[k % 3]} ({k})",
            role=("effect", "control", "reference")[k % 3],
            description="Trained on number lists whose completions came from a teacher that was "
            "fine-tuned to prefer wolves."
            if k % 2
            else "Neutral.",
            estimate=mean_estimate(
                [float(v) for v in np.random.default_rng(k).normal(0.5 - k * 0.08, 0.12, 5)]
            ),
        )
        for k in range(14)
    ]
    doses = [0.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0]
    curves = [
        Curve(
            name=c.name,
            label=c.label,
            role=c.role,
            x=doses,
            mean=[c.estimate.value * i / 6 for i in range(7)],
            low=[None, *(c.estimate.value * i / 6 - 0.005 * i for i in range(1, 7))],
            high=[None, *(c.estimate.value * i / 6 + 0.005 * i for i in range(1, 7))],
        )
        for c in conditions
    ]
    panel = CurvePanel(
        name="dose",
        title="Dose curve",
        caption="Mean over five seeds.",
        x_label="updates",
        y_label="logit margin",
        chance=0.0,
        curves=curves,
    )
    return digits_results().model_copy(
        update={
            "title": "A teacher that loves wolves writes numbers, and its students come to love "
            "wolves as well",
            "measure": "logit margin of the trait's animal over the other nine",
            "chance": 0.0,
            "conditions": conditions,
            "comparisons": [comparison(conditions[0], conditions[1])],
            "curves": [panel],
        }
    )


def swept_results() -> Results:
    """A sweep on every kind of axis."""
    sweeps = [
        sweep(
            "aux_logits",
            [2, 3, 4, 5, 6, 8, 10],
            "linear",
            5,
            "More auxiliary logits",
            "number of auxiliary logits",
        ),
        sweep(
            "steps",
            [10, 30, 100, 300, 1000, 3000],
            "log",
            7,
            "Longer training",
            "training steps of the student",
        ),
        sweep(
            "inputs",
            ["noise", "gaussian", "binary", "shuffled-digits", "digits"],
            "category",
            9,
            "Other inputs",
            "what the student is trained on",
        ),
        sweep(
            "fresh",
            [0, 0.1, 0.25, 0.5, 0.75, 1.0],
            "linear",
            9,
            "How alike the initialisations are",
            "how much of the student's start is fresh (0: as its teacher, 1: unrelated)",
        ),
    ]
    return digits_results().model_copy(update={"sweeps": sweeps})
