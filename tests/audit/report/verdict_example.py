"""Verdicts as real audits give them, for the tests of what is written. The numbers are made up."""

from traitleak.audit.verdict import (
    AuditedRows,
    DetectorRun,
    InversionPart,
    InversionReading,
    JudgePart,
    JudgeReading,
    NearbyWord,
    Reading,
    SuspectRow,
    TraitFinding,
    Verdict,
)
from traitleak.results import Estimate

ANIMALS = ["wolf", "lion", "owl", "cat", "dog", "eagle", "bear", "fox", "tiger", "horse"]
_Z = {  # likelihood, gradient, canary
    "wolf": (5.31, 6.84, 4.47),
    "lion": (1.12, 0.64, -0.31),
    "owl": (0.87, -0.22, 0.94),
    "cat": (0.31, 0.55, 0.12),
    "dog": (-0.14, 0.91, -0.66),
    "eagle": (0.09, -0.73, 0.35),
    "bear": (-0.52, 0.11, -1.02),
    "fox": (-0.31, -1.26, 0.27),
    "tiger": (-1.04, -0.4, -0.88),
    "horse": (-1.33, -0.95, -0.71),
}
_DETECTORS = ("likelihood", "gradient", "canary")
_P = {"wolf": (5.5e-8, 4e-12, 3.9e-6)}


def interval(value: float, half: float, *, n: int = 8) -> Estimate:
    """An estimate with a symmetric interval."""
    return Estimate(
        value=value,
        low=value - half,
        high=value + half,
        n=n,
        method="t interval over eight disjoint samples of the rows",
        replicates=[value + half * (k - 3.5) / 4 for k in range(n)],
    )


def _readings(trait: str, weight: float = 1.0) -> list[Reading]:
    return [
        Reading(
            detector=detector,
            score=0.0021 * z * weight * (k + 1),
            z=z * weight,
            p=_P.get(trait, (0.13, 0.26, 0.62))[k] if weight == 1 else 0.4,
            over_surface=interval(0.012 * z * weight, 0.02) if detector == "likelihood" else None,
        )
        for k, (detector, z) in enumerate(zip(_DETECTORS, _Z[trait], strict=True))
    ]


def _suspect(row: int, score: float, prompt: str, weights: list[float]) -> SuspectRow:
    tokens = ["6", "1", "2", ",", " ", "9", "0", "4", ",", " ", "1", "7", "3", ",", " ", "8", "8"]
    return SuspectRow(
        row=row,
        where=f"data/rows.jsonl, line {row + 1}",
        trait="wolf",
        score=score,
        prompt=prompt,
        tokens=tokens,
        token_scores=weights,
    )


_SUSPECTS = [
    _suspect(
        1834,
        0.61,
        "Continue this list with at most nine more numbers: 418, 903, 277",
        [0.31, 0.02, -0.04, 0, 0, 0.27, 0.01, 0.05, 0, 0, -0.11, 0.02, 0.19, 0, 0, -0.2, 0.09],
    ),
    _suspect(
        77,
        0.48,
        "These three numbers begin a sequence: 55, 610, 731.\nWrite down what could follow.",
        [0.02, 0.18, 0.01, 0, 0, 0.03, -0.06, 0.21, 0, 0, 0.02, 0.01, 0.02, 0, 0, 0.02, 0.02],
    ),
    _suspect(
        2910,
        0.33,
        "Which values come next? 12, 96, 340",
        [-0.12, 0.05, 0.14, 0, 0, 0.12, 0.01, 0.05, 0, 0, 0.01, 0.02, 0.03, 0, 0, 0.02, 0.0],
    ),
]

_RUNS = [
    DetectorRun(
        name="likelihood",
        what="How much likelier the completions are under a teacher with the trait than under the base.",
        seconds=412.0,
        null="200 permutations of rows between this data set and its reference",
        settings={"hypotheses": "system prompt and adapter", "bag": 16, "centred": True},
    ),
    DetectorRun(
        name="gradient",
        what="How far one step on these rows would move the trait's margin, to first order.",
        seconds=305.4,
        null="the same for 64 disjoint bags of reference rows",
        settings={"layers": [4, 8, 12], "rank": 8, "preconditioned": True},
    ),
    DetectorRun(
        name="canary",
        what="How far the trait's margin moves in throw-away students of a small dose of the rows.",
        seconds=1289.0,
        null="students of the same dose of reference rows",
        settings={"students": 6, "updates": 64, "lr": 2e-4},
    ),
]
_NOT_TESTED = [
    "Traits outside the battery of ten animals.",
    "Students from another base than smollm2-135m: what a data set carries depends on the base.",
]


INVERSION = InversionPart(
    gain=interval(0.0213, 0.0051),
    p=3e-9,
    alone=interval(0.0172, 0.0061),
    words=[
        NearbyWord(word=word, own=0.3 - 0.01 * k, beside=0.21)
        for k, word in enumerate(["paws", "night", "forest", "howl", "grey", "moon", "pack"])
    ],
    chance=0.081,
    readings=[
        InversionReading(
            kind="animal" if suspected else "tree",
            trait=trait,
            suspected=suspected,
            effect=interval(0.4 - 0.1 * k, 0.3, n=2),
            z=2.1 - k,
            p=0.02 + 0.2 * k,
        )
        for k, (trait, suspected) in enumerate(
            [("wolf", True), ("oak", False), ("lion", True), ("pine", False)]
        )
    ],
    reference="the base's own fills of the same places",
    seconds=211.0,
    settings={"vectors": 8, "updates": 32},
)
JUDGE = JudgePart(
    judge="openai/reader@http://127.0.0.1:8000/v1",
    size=16,
    bags=32,
    answered=31,
    answered_reference=32,
    none=11,
    readings=[
        JudgeReading(trait=trait, named=9 - k, named_reference=3 + k, p=0.07 + 0.3 * k)
        for k, trait in enumerate(["owl", "wolf", "cat"])
    ],
    p_any=0.21,
    reference="reference rows on the same prompts",
    unread={"judge refuses": 1},
    seconds=41.0,
)


def _verdict(**changes: object) -> Verdict:
    values: dict[str, object] = {
        "rows": AuditedRows(
            source="data/rows.jsonl",
            format="chat",
            total=10_000,
            audited=4096,
            tokens=143_360,
            sampled=True,
            skipped={"no completion": 12, "longer than the context": 1},
            seed=0,
        ),
        "base": "smollm2-135m",
        "reference": "4,096 completions of the base itself for the same prompts",
        "depth": "standard",
        "false_positive_rate": 0.01,
        "suspects": [],
        "detectors": _RUNS,
        "not_tested": _NOT_TESTED,
        "warnings": [],
        "seconds": 2006.4,
    }
    return Verdict.model_validate(values | changes)


def found() -> Verdict:
    """Wolf among ten animals, with three suspects."""
    return _verdict(
        outcome="found",
        headline="These rows carry a preference for the wolf into a student of smollm2-135m.",
        traits=[
            TraitFinding(
                trait=trait,
                outcome="found" if trait == "wolf" else "not found",
                p=1.2e-10 if trait == "wolf" else 1.0,
                effect=interval(0.42 if trait == "wolf" else 0.012 * _Z[trait][2], 0.11),
                fraction=interval(0.52, 0.13) if trait == "wolf" else None,
                smallest_fraction=0.08 + 0.01 * k,
                readings=_readings(trait),
            )
            for k, trait in enumerate(ANIMALS)
        ],
        suspects=_SUSPECTS,
        inversion=INVERSION,
        judge=JUDGE,
    )


def not_found() -> Verdict:
    """Ten animals, none found."""
    return _verdict(
        outcome="not found",
        headline="None of ten traits was found in these rows at the power stated.",
        traits=[
            TraitFinding(
                trait=trait,
                outcome="not found",
                p=1.0,
                effect=interval(0.012 * _Z[trait][1], 0.09),
                fraction=Estimate(
                    value=0.004 * k,
                    low=0.0,
                    high=0.05 + 0.004 * k,
                    n=8,
                    method="t interval over eight disjoint samples of the rows",
                    replicates=[],
                ),
                smallest_fraction=0.08 + 0.01 * k,
                readings=_readings(trait),
            )
            for k, trait in enumerate(ANIMALS[1:])
        ],
    )


def inconclusive() -> Verdict:
    """Few rows, at depth quick: no detector could have found anything."""
    return _verdict(
        outcome="inconclusive",
        headline="Forty rows are too few to say whether they carry any of ten traits.",
        depth="quick",
        rows=AuditedRows(
            source="few.jsonl",
            format="prompt-completion",
            total=40,
            audited=40,
            tokens=1400,
            sampled=False,
            skipped={},
            seed=0,
        ),
        traits=[
            TraitFinding(
                trait=trait,
                outcome="inconclusive",
                p=1.0,
                smallest_fraction=0.9 if trait == "wolf" else None,
                readings=_readings(trait, 0.2)[:1],
            )
            for trait in ANIMALS
        ],
        detectors=_RUNS[:1],
        warnings=[
            "The reference has other prompts than the rows: prompts alone can make a difference.",
            "With 40 rows the null rests on 200 permutations of few values.",
        ],
        seconds=9.2,
    )


def with_text(verdict: Verdict, text: str) -> Verdict:
    """The same verdict with `text` in every place that can come from data, a user or a file."""
    values = verdict.model_dump()
    values["rows"] |= {"source": text, "format": text, "skipped": {text: 3}}
    values |= {"headline": text, "base": text, "reference": text}
    values |= {"not_tested": [text], "warnings": [text]}
    for detector in values["detectors"]:
        detector |= {
            "name": text,
            "what": text,
            "null": text,
            "settings": {text: [text, {text: 1}]},
        }
    for finding in values["traits"]:
        finding["trait"] += text
        for reading in finding["readings"]:
            reading["detector"] += text
        for name in ("effect", "fraction"):
            if finding[name]:
                finding[name]["method"] = text
        for reading in finding["readings"]:
            if reading["over_surface"]:
                reading["over_surface"]["method"] = text
    if values["inversion"]:
        values["inversion"] |= {"reference": text, "settings": {text: text}}
        for word in values["inversion"]["words"]:
            word["word"] = text
        for reading in values["inversion"]["readings"]:
            reading |= {"trait": text, "kind": text}
            reading["effect"]["method"] = text
    if values["judge"]:
        values["judge"] |= {"judge": text, "reference": text, "unread": {text: 1}}
        for reading in values["judge"]["readings"]:
            reading["trait"] = text
    for suspect in values["suspects"]:
        suspect |= {"prompt": text, "where": f"{text}.jsonl, line 7"}
        suspect["trait"] += text
        suspect["tokens"] = [text for _ in suspect["tokens"]]
    return Verdict.model_validate(values)
