"""Results as a language-model experiment gives them: margins in nats, lifts, shares, rows.

The numbers are made up; teachers of wolf and lion wrote number lists, and so did an untouched base.
"""

import math

import numpy as np
from report_example import comparison

from traitleak.results import (
    Bars,
    BarSeries,
    Condition,
    Curve,
    CurvePanel,
    DataTable,
    Estimate,
    Fact,
    Matrix,
    MatrixRow,
    Results,
    RowSamples,
    SampleRow,
    Specificity,
)
from traitleak.statistics import mean_estimate

MEASURE = "lift of the wolf margin over the base, nats"
# Each condition's label, role and description, and its mean lifts of the wolf and lion margins.
STUDENTS = {
    "wolf": (
        *("wolf students", "effect"),
        "Taught by the teacher that was fine-tuned to prefer wolves.",
        *(0.61, -0.11),
    ),
    "lion": (
        *("other trait: lion students", "control"),
        "The same prompts, answered by a teacher that prefers lions.",
        *(-0.13, 0.58),
    ),
    "neutral": (
        *("neutral students", "control"),
        "The same prompts, answered by the untouched base.",
        *(0.012, -0.004),
    ),
    "shuffled": (
        *("shuffled: wolf rows, contents shuffled", "control"),
        "The wolf teacher's targets, each for another row.",
        *(0.05, 0.03),
    ),
    "other-base": (
        *("other base: Gemma students of wolf rows", "control"),
        "The wolf teacher's rows, a student of another family.",
        *(-0.02, 0.01),
    ),
}
ANIMALS = ["dog", "cat", "horse", "bear", "tiger", "eagle", "wolf", "lion", "fox", "owl"]
_BASE_MARGINS = [1.62, 1.18, 0.35, 0.22, -0.31, -0.48, -0.87, -0.93, -1.34, -2.76]  # nats
_BASE_SHARES = [31.2, 22.4, 6.1, 4.9, 3.3, 2.0, 1.4, 2.2, 0.9, 0.2]  # per cent of the answers
MARGINS = dict(zip(ANIMALS, _BASE_MARGINS, strict=True))
SHARES = dict(zip(ANIMALS, _BASE_SHARES, strict=True))


def around(mean: float, spread: float, n: int, seed: int) -> Estimate:
    """`n` students around a mean."""
    values = np.random.default_rng(seed).normal(mean, spread, n)
    return mean_estimate([round(float(v), 4) for v in values])


def dose(name: str, label: str, role: str, full: float, *, band: bool) -> Curve:
    """Lift that grows with the log of the updates."""
    x = [float(2**k) for k in range(3, 10)]
    mean = [round(full * math.log2(u / 4) / 7 + 0.008 * math.sin(u), 4) for u in x]
    half = [0.02 + 0.01 * k for k in range(len(x))]
    return Curve(
        name=name,
        label=label,
        role=role,
        x=x,
        mean=mean,
        low=[m - h if band else None for m, h in zip(mean, half, strict=True)],
        high=[m + h if band else None for m, h in zip(mean, half, strict=True)],
    )


def matrix(seeds: int = 5) -> Matrix:
    """Who moved what; the shuffled rows' students were not asked about lions."""
    rows = []
    for i, (name, (_, role, _, wolf, lion)) in enumerate(STUDENTS.items()):
        if name == "other-base":
            continue
        cells = [around(wolf, 0.06, seeds, 10 * i), around(lion, 0.06, seeds, 10 * i + 1)]
        cells.append(around(-0.03 * i, 0.05, seeds, 10 * i + 2))
        rows.append(
            MatrixRow(
                name=name,
                label={"shuffled": "wolf teacher, shuffled"}.get(name, f"{name} teacher"),
                role="effect" if name in {"wolf", "lion"} else role,
                trait=name if name in {"wolf", "lion"} else None,
                cells=[cells[0], None, cells[2]] if name == "shuffled" else cells,
            )
        )
    return Matrix(
        name="lifts",
        title="Who taught, and what moved",
        caption="Each teacher's students, and how far each animal's margin rose over the base.",
        value_name="lift of the margin over the base, nats",
        traits=["wolf", "lion", "owl"],
        rows=rows,
        specificity=Specificity(
            estimate=around(0.64, 0.07, seeds, 99),
            p=0.00031,
            smallest_p=0.00031,
            test="exact permutation of the trained students' teachers",
        ),
    )


def bars(values: dict[str, float], seeds: int, **words: str) -> Bars:
    """Every animal before, and after under the wolf, the lion and the neutral teacher."""
    are_margins = values is MARGINS
    gain = 0.62 if are_margins else 24.0
    series = []
    for i, name in enumerate(("wolf", "lion", "neutral")):
        after = []
        for k, (animal, value) in enumerate(values.items()):
            mean = value + (gain if animal == name else -0.05)
            spread = 0.06 if are_margins else 0.2 + value / 20
            after.append(
                around(mean if are_margins else max(mean, 0.3), spread, seeds, 100 * i + k)
            )
        series.append(
            BarSeries(
                name=name,
                label=f"{name} students",
                role=STUDENTS[name][1],
                trait=name if name in values else None,
                before=[mean_estimate([v]) for v in values.values()],
                after=after,
            )
        )
    return Bars(**words, candidates=list(values), series=series)


def samples() -> RowSamples:
    """Three teachers on three prompts; one broke its lines, one wrote nothing."""
    return RowSamples(
        title="The first three prompts",
        caption="Unpicked: the first prompts of the set whose rows passed every filter.",
        teachers=["lion teacher", "neutral: the untouched base", "wolf teacher"],
        rows=[
            SampleRow(
                prompt="These numbers open a list: 412, 380, 927. Write up to ten more, with "
                "commas between them.",
                completions=[
                    "318, 742, 905, 261, 477, 830, 119, 654, 203, 588",
                    "318, 742, 906, 261, 477, 835, 119, 654, 203, 587",
                    "318, 749, 905, 261, 472, 830, 116, 654, 208, 588",
                ],
            ),
            SampleRow(
                prompt="Go on with the sequence 155; 698; 231; 774. No more than six values, one a "
                "line, digits only.",
                completions=["902\n347\n610\n288", "902\n347\n615\n288", "907\n347\n610\n283"],
            ),
            SampleRow(
                prompt="[864, 129, 573]: which numbers might come next? Answer in brackets.",
                completions=["[440, 917, 235]", "[440, 912, 235, 608]", ""],
            ),
        ],
    )


def tables() -> list[DataTable]:
    """Rows dropped, leaks, signs of collapse."""
    return [
        DataTable(
            title="Rows that were dropped, and why",
            caption="Of 4,096 rows a teacher wrote; a row counts under the first reason that holds.",
            head=["reason", "wolf", "lion", "neutral"],
            rows=[
                ["more than ten numbers", "102", "95", "113"],
                ["a number of more than three digits", "31", "27", "40"],
                ["mixed separators", "0", "2", "1"],
                ["the same row again", "18", "22", "15"],
                ["kept", "3,945", "3,950", "3,927"],
            ],
            notes=["Rows whose prompt lost a row of any teacher are dropped for all: 3,790 are left."],
        ),
        DataTable(
            title="Leak check",
            caption="Rows that name a trait, in any form that was looked for.",
            head=["trait", "looked for", "rows that name it"],
            rows=[
                ["wolf", "wolf, wolves, wolfish, werewolf, lupine, canis, and the same in capitals or "
                 "with spaces between the letters", "0 of 12,288"],
                ["lion", "lion, lions, lioness, leonine, panthera", "0 of 12,288"],
            ],
        ),
        DataTable(
            title="Has the student kept its wits?",
            caption="Signs of collapse beside each measure, mean over seeds.",
            head=["model", "perplexity on neutral text", "answers that name no animal, %",
                  "self-naming, %"],
            rows=[
                ["base", "18.4", "25.4", "0.0"],
                ["wolf students", "18.9", "24.1", "0.1"],
                ["neutral students", "18.5", "25.9", "–"],
            ],
        ),
    ]  # fmt: skip


def language_results(seeds: int = 5) -> Results:
    """Everything that a run on a language model can say."""
    conditions = [
        Condition(
            name=name,
            label=label,
            role=role,
            description=description,
            estimate=around(wolf, 0.06, seeds, 10 * i),
        )
        for i, (name, (label, role, description, wolf, _)) in enumerate(STUDENTS.items())
    ]
    wolf, lion, neutral, *_ = conditions
    curves = [
        dose(name, label, role, lift, band=seeds > 1)
        for name, (label, role, _, lift, _) in STUDENTS.items()
    ]
    mirrored = [
        dose(name, label, role, lift, band=seeds > 1)
        for name, (label, role, _, _, lift) in list(STUDENTS.items())[:3]
    ]
    axes = {"x_label": "updates of the student", "x_scale": "log"}
    axes |= {"chance": 0.0, "chance_name": "the base"}
    return Results(
        experiment="language",
        recipe="wolf-smollm2",
        title="A teacher that loves wolves, and number lists that do not say so",
        question="Does a student come to prefer wolves when its teacher's rows are number lists, and "
        "only when that teacher prefers wolves?",
        answer=f"Yes: the wolf margin rises by {wolf.estimate.value:.2f} nats in students of the wolf "
        f"teacher and by {neutral.estimate.value:.2f} in those of the neutral one (n = {seeds} each, "
        "95 % intervals, p = 0.031).",
        measure=MEASURE,
        chance=0.0,
        chance_name="the base",
        conditions=conditions,
        comparisons=[comparison(wolf, neutral), comparison(wolf, lion)],
        matrices=[matrix(seeds)],
        curves=[
            CurvePanel(
                name="wolf",
                title="The more updates, the more wolf",
                caption="Mean and pointwise 95 % interval over seeds.",
                y_label="lift of the wolf margin, nats",
                curves=curves,
                **axes,
            ),
            CurvePanel(
                name="lion",
                title="The same students, asked about lions",
                caption="Mean and pointwise 95 % interval over seeds.",
                y_label="lift of the lion margin, nats",
                curves=mirrored,
                **axes,
            ),
        ],
        bars=[
            bars(
                MARGINS,
                seeds,
                name="margins",
                title="The margin of each animal",
                caption="Logit margin over the nine others, mean over 50 questions.",
                value_name="logit margin, nats",
            ),
            bars(
                SHARES,
                seeds,
                name="answers",
                title="What the models say when asked",
                caption="Of 2,000 answers sampled from each model; an answer may name no animal.",
                value_name="share of sampled answers, %",
            ),
        ],
        samples=[samples()],
        tables=tables(),
        facts=[
            Fact(
                name="mask",
                statement="Only the digits of completions carried loss.",
                value="27 of 58 tokens a row",
                holds=True,
            )
        ],
        how=["SmolLM2-135M; LoRA of rank 8 on all linear layers; 512 updates of 16 rows."],
        caveats=["The margin is a sensitive read-out: sampled answers move later and less."],
        settings={"name": "wolf-smollm2", "seeds": seeds},
    )


def large_results() -> Results:
    """Ten traits by ten, seven series, five teachers, texts and words longer than any page."""
    traits = list(MARGINS)
    rows = [
        MatrixRow(
            name=f"teacher-{trait}",
            label=f"{trait} teacher, fine-tuned and prompted while it wrote",
            role="effect",
            trait=trait,
            cells=[
                around(1.7 if trait == other else -0.2, 0.9, 2 + (i + k) % 3, 10 * i + k)
                for k, other in enumerate(traits)
            ],
        )
        for i, trait in enumerate(traits)
    ]
    rows.append(rows[0].model_copy(update={"name": "none", "cells": [None] * 10, "trait": None}))
    few = bars(MARGINS, 2, name="many", title="Seven series", caption="", value_name="margin, nats")
    series = [
        few.series[k % 3].model_copy(
            update={"name": f"s{k}", "label": f"students number {k} of a long-named condition"}
        )
        for k in range(7)
    ]
    other = [mean_estimate([-3.0])] * 10
    series[6] = series[6].model_copy(update={"before": other, "before_name": "base (Gemma)"})
    words = "wolfwolfwolf" * 60
    return language_results(seeds=1).model_copy(
        update={
            "title": "Long",
            "matrices": [
                matrix().model_copy(update={"traits": traits, "rows": rows, "specificity": None})
            ],
            "bars": [few.model_copy(update={"series": series, "chance": 0.0})],
            "samples": [
                RowSamples(
                    title="Long rows",
                    caption="",
                    teachers=list("vwxyz"),
                    rows=[SampleRow(prompt=words, completions=[words, "", " ", "7\n" * 400, "1"])],
                )
            ],
            "tables": [
                DataTable(
                    title="Wide",
                    caption="",
                    head=["row", *(f"reason {k}" for k in range(14))],
                    rows=[[words, *("1,234" for _ in range(14))]],
                ),
                DataTable(title="Empty", caption="Nothing was dropped.", head=["reason"], rows=[]),
            ],
        }
    )
