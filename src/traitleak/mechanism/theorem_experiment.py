"""The theorem as an experiment: one stage that measures, and sentences and figures from what it kept.

The stage leaves `theorem.json`, all numbers, and `angle.png`, the two updates of a network of eight
parameters. Another experiment may include the stage, and its findings in its own report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pydantic import TypeAdapter

from traitleak.mechanism.cases import EPS, Arm
from traitleak.mechanism.didactic import Angles, draw_angles, measure_angles
from traitleak.mechanism.survey import SignTest, Survey, survey_networks
from traitleak.mechanism.sweeps import (
    CounterExample,
    SweepTable,
    counter_example,
    sweep_aux_logits,
)
from traitleak.mechanism.theorem_panels import panels
from traitleak.progress import Track
from traitleak.recipe import TheoremRecipe
from traitleak.results import Comparison, Condition, CurvePanel, Fact, Picture, Results, Role
from traitleak.stages import Stage
from traitleak.statistics import mean_estimate, paired_difference, sign_flip_p

__all__ = ["TheoremFindings", "conclude", "plan", "theorem_findings", "theorem_stage"]

_STAGE = "theorem"
_AGREEMENT = 0.01  # of measured and predicted, at small eps
_LOADED = 0.001  # a coin with a smaller p is called loaded: a fair one is, once in a thousand runs


class _Arm(NamedTuple):
    label: str
    role: Role
    description: str


_ARMS: dict[Arm, _Arm] = {
    "shared": _Arm(
        "shared start",
        "effect",
        "The student starts as its teacher did and steps towards its outputs: the theorem's case.",
    ),
    "other": _Arm(
        "control: another start",
        "control",
        "The same teacher, inputs and loss; the student starts from another network.",
    ),
    "sharpened": _Arm(
        "control: sharpened targets",
        "control",
        "A shared start, but the student fits twice the teacher's logits, so that its loss is not "
        "least at the teacher's outputs as the theorem assumes.",
    ),
}


@dataclass(frozen=True)
class _Record:
    """What `theorem.json` holds."""

    survey: Survey
    sweeps: dict[str, SweepTable]
    counter_example: CounterExample | None
    angles: Angles


_RECORD = TypeAdapter(_Record)


class TheoremFindings(NamedTuple):
    """What the theorem's stage adds to a report."""

    facts: list[Fact]
    curves: list[CurvePanel]
    pictures: list[Picture]


def plan(recipe: TheoremRecipe) -> list[Stage]:
    """The stages of the experiment: one."""
    return [theorem_stage(recipe.networks, recipe.seed)]


def theorem_stage(networks: int, seed: int) -> Stage:
    """The stage that checks the theorem; about 8 ms a network and 2 s on one core.

    Args:
        networks: how many random networks the survey draws, at least 1.
        seed: of all that is drawn.
    """

    def work(out: Path, _inputs: Mapping[str, Path], track: Track) -> None:
        found = survey_networks(networks, seed=seed, track=track)
        record = _Record(
            survey=found,
            sweeps=sweep_aux_logits(seed=seed),
            counter_example=counter_example(found, seed=seed),
            angles=measure_angles(seed=seed),
        )
        (out / "theorem.json").write_bytes(_RECORD.dump_json(record))
        draw_angles(record.angles, out / "angle.png")

    return Stage(_STAGE, {"networks": networks, "seed": seed}, work)


def theorem_findings(folder: Path) -> TheoremFindings:
    """Facts, figures and the picture of a finished stage.

    Args:
        folder: the stage's folder, which lies in the run folder.
    """
    record = _read(folder)
    return TheoremFindings(
        facts=[
            *_sign_facts(record.survey),
            *_sweep_facts(record.sweeps),
            *_control_facts(record.survey, record.counter_example),
            _angle_fact(record.angles),
        ],
        curves=panels(record.survey, record.sweeps, record.counter_example),
        pictures=[
            Picture(
                title="Two updates of a network with eight parameters",
                caption="One teacher, and students that each see its answer at one random point and "
                "take one step. An update is eight numbers; it is drawn at the angle that it has to "
                "the teacher's. Bold: the first student drawn, not a chosen one.",
                path=f"{folder.name}/angle.png",
            )
        ],
    )


def conclude(recipe: TheoremRecipe, folders: Mapping[str, Path]) -> Results:
    """Read the stage of `plan` and say what it shows."""
    folder = folders[_STAGE]
    record, findings = _read(folder), theorem_findings(folder)
    cosines = {arm: [m.cosine for m in record.survey.measured(arm)] for arm in _ARMS}
    return Results(
        experiment="theorem",
        recipe=recipe.name,
        title=recipe.title,
        question="If a student starts as its teacher did and takes one small step towards the "
        "teacher's outputs, on any inputs, does that step go the way its teacher went?",
        answer=_answer(record),
        measure="cosine of the student's update with its teacher's",
        chance=0.0,
        conditions=[
            Condition(
                name=arm,
                label=kind.label,
                role=kind.role,
                description=kind.description,
                estimate=mean_estimate(cosines[arm]),
            )
            for arm, kind in _ARMS.items()
        ],
        comparisons=[_comparison(arm, cosines) for arm in _ARMS if arm != "shared"],
        curves=findings.curves,
        facts=findings.facts,
        pictures=findings.pictures,
        how=_how(recipe),
        caveats=[
            "The theorem is about one small gradient step. Training is many steps, often with Adam, "
            "on sampled and filtered data: for these it is a reason to look, not a proof.",
            "Nobody says how small a step is small enough for a given network; the sweep shows where "
            "it ends for one.",
            "The networks are random and tiny (at most three hidden layers of 16 units), and untrained.",
            "A positive inner product says that the teacher's loss falls, not that it falls by much: "
            "many of the cosines are small.",
        ],
        settings=recipe.model_dump(mode="json"),
    )


def _read(folder: Path) -> _Record:
    return _RECORD.validate_json((folder / "theorem.json").read_bytes())


def _comparison(control: Arm, cosines: Mapping[Arm, list[float]]) -> Comparison:
    difference = paired_difference(cosines["shared"], cosines[control])
    return Comparison(
        effect="shared",
        control=control,
        difference=difference,
        p=sign_flip_p(difference.replicates),
        test="one-sided sign flips of paired networks",
    )


def _sign_facts(found: Survey) -> list[Fact]:
    positive, negative = found.count("shared", 1), found.count("shared", -1)
    lowered = found.lowered("shared")
    return [
        Fact(
            name="no-negative",
            statement="With a shared start, no student's update points against its teacher's.",
            value=f"of {len(found.findings):,} inner products {negative} are negative, {positive} "
            f"positive and {found.count('shared', 0)} zero (there the teacher's update does not move "
            "the outputs that the student sees)",
            holds=negative == 0,
        ),
        Fact(
            name="teacher-loss",
            statement="Every step with a positive inner product lowers the teacher's own loss, which "
            "the student never sees.",
            value=f"{lowered} of {positive}",
            holds=lowered == positive,
        ),
    ]


def _sweep_facts(sweeps: Mapping[str, SweepTable]) -> list[Fact]:
    both, other = (sweeps["cross_entropy"], sweeps["squared"]), sweeps["other"]
    return [
        Fact(
            name="exponent",
            statement="The inner product grows like the teacher's step, eps, to the power 1 (that of "
            "the two displacements to the power 2); from another start it does not grow.",
            value=f"cross-entropy {_exponent(both[0])}, squared error {_exponent(both[1])}; another "
            f"start {_exponent(other)}. Interval: 95 %, of the straight line's fit up to "
            f"eps = {both[0].fit_up_to:.2g}; what remains is the next power of eps",
            holds=all(abs(table.exponent - 1) < _AGREEMENT for table in both),
        ),
        Fact(
            name="leading-term",
            statement="Its size is the one predicted from the Jacobian, to 1 % at small eps.",
            value=f"largest error cross-entropy {_percent(both[0].worst_error)}, squared error "
            f"{_percent(both[1].worst_error)}",
            holds=max(table.worst_error for table in both) < _AGREEMENT,
        ),
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"


def _exponent(table: SweepTable) -> str:
    return f"{table.exponent:.5f} [{table.low:.5f}, {table.high:.5f}]"


def _control_facts(found: Survey, example: CounterExample | None) -> list[Fact]:
    coin, loaded = found.sign_test("other"), found.unturned_sign_test("other", "shrink")
    negative, clear = found.count("sharpened", -1), found.sign_test("sharpened").count
    shown = (
        ""
        if example is None
        else f"; number {example.index}, the first, has a cosine of "
        f"{example.cosines['sharpened'][0]:.2f} at the smallest eps".replace("-", "−")
    )
    return [
        Fact(
            name="coin-toss",
            statement="From another start the sign is a coin toss.",
            value=f"{_tosses(coin)}; teachers went up or down their loss by a fair coin",
            holds=coin.p >= _LOADED if coin.count else None,
        ),
        Fact(
            name="loaded-coin",
            statement="Without that coin the toss may be loaded, for the student follows what its "
            "teacher was at first: students from another start whose teachers shrink all parameters.",
            value=_tosses(loaded),
            holds=None,
        ),
        Fact(
            name="counter-example",
            statement="A student's loss that is not least at the teacher's outputs (twice the "
            "teacher's logits as targets) breaks it, shared start or not.",
            value=f"{negative} of {clear} inner products are negative{shown}",
            holds=negative > 0 if clear else None,
        ),
    ]


def _tosses(test: SignTest) -> str:
    if not test.count:
        return "no inner product among these networks"
    return (
        f"{test.positive} of {test.count} inner products are positive, a share of "
        f"{test.positive / test.count:.3f} [{test.low:.3f}, {test.high:.3f}], exact binomial "
        f"p = {test.p:.2g}"
    )


def _angle_fact(angles: Angles) -> Fact:
    within = {
        kind: sum(angle <= 90 for angle in getattr(angles, kind)) for kind in ("shared", "other")
    }
    return Fact(
        name="eight-parameters",
        statement="Two inputs, eight parameters, one output: with a shared start, the angle between "
        "the two updates is at most 90 degrees.",
        value=f"{within['shared']} of {len(angles.shared)} students with a shared start, "
        f"{within['other']} of {len(angles.other)} from another",
        holds=within["shared"] == len(angles.shared),
    )


def _answer(record: _Record) -> str:
    found, coin = record.survey, record.survey.sign_test("other")
    negative, positive = found.count("shared", -1), found.count("shared", 1)
    worst = max(record.sweeps[loss].worst_error for loss in ("cross_entropy", "squared"))
    kept = negative == 0 and found.lowered("shared") == positive
    return (
        f"{'Yes' if kept else 'Not always'}: of {len(found.findings):,} random networks with a shared "
        f"start {negative} stepped against their teachers, {found.lowered('shared')} of the "
        f"{positive} with a positive inner product lowered the teacher's loss, and at small eps its "
        f"size is the predicted one to {_percent(worst)}; from another start {coin.positive} of "
        f"{coin.count} went the teacher's way (p = {coin.p:.2g} against a fair coin)."
    )


def _how(recipe: TheoremRecipe) -> list[str]:
    return [
        f"{recipe.networks:,} random networks in float64: up to three hidden layers of 2 to 16 units, "
        "tanh, GELU, ReLU or softplus; 1 to 32 inputs for the student, of four kinds; squared error or "
        "cross-entropy on a random subset of the outputs; five kinds of teacher's loss.",
        f"The teacher moves by {EPS:g} of its parameters' norm, the student takes one gradient step.",
        "The prediction is made from Jacobian-vector products and second derivatives in closed form, "
        "the measurement by the gradient of the student's loss; they share the forward pass alone.",
        "A sign counts where the inner product exceeds its estimated rounding error.",
        "Intervals: Student's t over networks; p of the comparisons: sign flips, exact "
        "up to 20 networks, 100,000 random ones beyond.",
    ]
