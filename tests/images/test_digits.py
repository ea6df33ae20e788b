"""The digits experiment: who starts where, who teaches whom, which stages there are, what is said."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from traitleak.experiment import run_recipe
from traitleak.images import digits
from traitleak.images.digits_results import conclude
from traitleak.images.digits_words import caveats, how, question
from traitleak.images.networks import Networks
from traitleak.recipe import DigitsRecipe, load_recipe
from traitleak.results import Results


def recipe(*overrides: str) -> DigitsRecipe:
    """The shipped digits recipe, made tiny."""
    loaded = load_recipe("digits", ["size=tiny", *overrides])
    assert isinstance(loaded, DigitsRecipe)
    return loaded


def arms(*overrides: str) -> tuple[Networks, dict[str, digits.Arm]]:
    """The starts of four networks, and the experiment's arms by name."""
    chosen = recipe("networks=4", *overrides)
    starts = digits._starts(chosen, range(4))
    return starts, {arm.name: arm for arm in digits._arms(chosen, starts, range(4), group=0)}


def equal(a: Networks, b: Networks) -> bool:
    """Whether two stacks have the same parameters, bit for bit."""
    return all(torch.equal(x, y) for x, y in zip(a.tensors, b.tensors, strict=True))


def test_students_have_their_own_teacher_and_controls_never():
    """The identity for students, a permutation without fixed point for both controls."""
    _, found = arms()

    for name in ("student-aux", "student-all"):
        assert list(found[name].teacher_of) == [0, 1, 2, 3]
    for name in ("cross-aux", "cross-all"):
        assert sorted(found[name].teacher_of) == [0, 1, 2, 3]
        assert all(i != teacher for i, teacher in enumerate(found[name].teacher_of))


def test_each_arm_is_trained_on_the_logits_that_it_names():
    """Auxiliary arms see the last three logits, the others all thirteen."""
    _, found = arms()

    for name, arm in found.items():
        assert arm.outputs == (slice(10, 13) if name.endswith("aux") else slice(0, 13))


def test_students_start_as_their_teachers_did():
    """By default every arm starts from the teachers' own initialisations."""
    starts, found = arms()

    assert all(equal(arm.start, starts) for arm in found.values())


@pytest.mark.parametrize("change", ["fresh=0.5", "shared=head", "shared=body"])
def test_a_changed_start_is_the_same_for_students_and_controls(change):
    """Students and controls differ in the teacher only, also where the start is not the teacher's."""
    starts, found = arms(change)

    assert not equal(found["student-aux"].start, starts)
    assert all(equal(arm.start, found["student-aux"].start) for arm in found.values())


@pytest.mark.parametrize(
    ("networks", "group", "sizes"),
    [(2, 10, [2]), (3, 2, [3]), (10, 10, [10]), (11, 10, [6, 5]), (21, 10, [7, 7, 7])],
)
def test_groups_hold_every_network_once_and_never_one_alone(networks, group, sizes):
    """A network alone would have no other to be its control."""
    groups = digits._groups(recipe(f"networks={networks}", f"group={group}"))

    assert [len(part) for part in groups] == sizes
    assert [n for part in groups for n in part] == list(range(networks))


def test_points_share_teachers_unless_they_need_others():
    """A sweep over the students' start has one stage of teachers, one over widths has several."""
    same = digits.layout(recipe("vary={key: fresh, values: [0.0, 1.0]}"))
    other = digits.layout(recipe("vary={key: hidden, values: [[8], [8, 8]]}"))

    assert [point.teachers for point in same.points] == [["teachers"], ["teachers"]]
    assert [point.students for point in same.points] == [
        ["students-fresh-0.0"],
        ["students-fresh-1.0"],
    ]
    assert [point.teachers for point in other.points] == [
        ["teachers-hidden-8"],
        ["teachers-hidden-8x8"],
    ]


def test_every_value_of_a_sweep_names_a_folder():
    """Numbers that print with a plus sign or as a list give stage names all the same."""
    for vary in (
        "{key: learning_rate, values: [1e16, 1e17]}",
        "{key: inputs, values: [digits, noise]}",
    ):
        for stage in digits.plan(recipe(f"vary={vary}", "optimizer=sgd")):
            assert set(stage.name) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-")


@pytest.mark.parametrize(
    "change",
    [
        *("loss=squared", "optimizer=sgd", "learning_rate=0.1", "steps=21", "inputs=gaussian"),
        *("num_inputs=7", "shared_inputs=false", "fresh=0.5", "shared=head", "seed=1"),
        *("batch=32", "record_every=7", "precision=bfloat16", "networks=4"),
    ],
)
def test_students_settings_name_all_that_changes_them(change):
    """Each field that trains students differently gives other settings, or a cache would lie."""
    plain = digits.plan(recipe("precision=float32"))[-1]
    changed = digits.plan(recipe("precision=float32", change))[-1]

    assert changed.name == plain.name
    assert changed.settings != plain.settings


@pytest.mark.parametrize(
    "change", ["hidden=[8]", "aux_logits=4", "teacher_steps=21", "seed=1", "batch=32", "networks=4"]
)
def test_teachers_settings_name_all_that_changes_them(change):
    """Each field that trains teachers differently gives other settings."""
    plain, changed = digits.plan(recipe())[0], digits.plan(recipe(change))[0]

    assert changed.settings != plain.settings


def accuracies(**changes: list[float]) -> dict[str, list[float]]:
    """Outcomes of six networks: a clear effect, unless changed."""
    spread = [0.00, 0.01, 0.02, 0.03, 0.04, 0.05]
    centres = {"reference": 0.1, "teacher": 0.9, "student-aux": 0.5, "student-all": 0.8}
    found = {name: [centre + s for s in spread] for name, centre in centres.items()}
    found |= {"cross-aux": [0.1 + s for s in reversed(spread)], "cross-all": [0.6] * 6}
    return found | changes


def written(folder: Path, chosen: DigitsRecipe, outcomes: Mapping[str, list[float]]) -> Results:
    """`conclude` on stage folders that hold these outcomes."""
    folders = {}
    for point in digits.layout(chosen).points:
        for names, conditions in (
            (point.teachers, ["reference", "teacher"]),
            (point.students, ["student-aux", "student-all", "cross-aux", "cross-all"]),
        ):
            first = 0
            for name, group in zip(names, digits._groups(chosen), strict=True):
                place = folder / name
                place.mkdir(exist_ok=True)
                part = slice(first, first + len(group))
                first += len(group)
                content = {c: outcomes[c][part] for c in conditions}
                (place / "outcome.json").write_text(json.dumps(content))
                lines = [{"condition": c, "step": 0, "accuracy": content[c]} for c in conditions]
                (place / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)))
                folders[name] = place
    return conclude(chosen, folders)


def test_conclusions_read_every_condition_over_all_groups(tmp_path):
    """Values of several groups are joined in network order, for conditions and for curves."""
    outcomes = accuracies()
    results = written(tmp_path, recipe("networks=6", "group=3"), outcomes)

    for condition in results.conditions:
        assert condition.estimate.replicates == pytest.approx(outcomes[condition.name])
    curves = {curve.name: curve for curve in results.curves[0].curves}
    assert curves["teacher"].mean == [pytest.approx(sum(outcomes["teacher"]) / 6)]


def test_comparisons_pair_networks(tmp_path):
    """The difference is taken network by network: student minus control."""
    outcomes = accuracies()
    comparison = written(tmp_path, recipe("networks=6"), outcomes).comparisons[0]

    assert (comparison.effect, comparison.control) == ("student-aux", "cross-aux")
    assert comparison.difference.replicates == pytest.approx(
        [s - c for s, c in zip(outcomes["student-aux"], outcomes["cross-aux"], strict=True)]
    )
    assert comparison.p == pytest.approx(2**-6)


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "Yes"),
        ({"student-aux": [0.11, 0.14, 0.12, 0.11, 0.13, 0.10]}, "Not found at this size"),
        ({"cross-aux": [0.6] * 6}, "Not found at this size"),
        ({"reference": [0.6] * 6}, "Not found at this size"),
    ],
)
def test_a_null_is_said_as_a_null(tmp_path, changes, verdict):
    """Only students above both the control and untrained networks are a yes."""
    answer = written(tmp_path, recipe("networks=6"), accuracies(**changes)).answer

    assert answer.startswith(f"{verdict}: ")


def test_few_networks_are_too_few_whatever_they_show(tmp_path):
    """Four pairs cannot give p below .05, so nothing is claimed."""
    outcomes = {name: values[:4] for name, values in accuracies().items()}
    answer = written(tmp_path, recipe("networks=4"), outcomes).answer

    assert answer.startswith("Too few networks to say (4 pairs cannot give a p below 0.0625)")


@pytest.mark.parametrize(
    ("change", "published"),
    [("networks=6", True), ("num_inputs=7", False), ("fresh=0.5", False), ("loss=squared", False)],
)
def test_published_values_stand_beside_the_papers_setting_only(tmp_path, change, published):
    """The paper's numbers are shown where all but digits and number of networks is the paper's."""
    papers = ["hidden=[256,256]", "teacher_steps=295", "steps=295", "batch=1024", "networks=6"]
    results = written(tmp_path, recipe(*papers, change), accuracies())

    assert all((c.published is not None) == published for c in results.conditions)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("fresh=0.0", "start as their teacher did"),
        ("fresh=0.25", "start with a blend, 75% their teacher's initialisation and 25% another"),
        ("shared=head", "start with the last layer of their teacher's initialisation"),
        ("shared=body", "start with all but the last layer"),
    ],
)
def test_the_answer_says_how_students_start(tmp_path, change, words):
    """No report says that students start as their teachers where they do not."""
    results = written(tmp_path, recipe("networks=6", change), accuracies())

    assert words in results.answer
    assert any(words in sentence for sentence in results.how)
    assert any(words in condition.description for condition in results.conditions)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["inputs=noise", "num_inputs=100", "batch=64"], "128 distinct images, revisited every 2"),
        (["num_inputs=null"], "every image new"),
        (["inputs=digits"], "every training digit once an epoch)"),
        (["inputs=shuffled-digits"], "its pixels shuffled anew"),
        (["loss=squared"], "squared error to the teacher's logits"),
    ],
)
def test_how_says_what_the_students_saw(changes, words):
    """The description of the inputs and of the loss is that of the recipe."""
    assert any(words in sentence for sentence in how(recipe(*changes), "some digits"))


def test_words_follow_the_recipe():
    """One logit is singular; shared noise and few digits are named as caveats."""
    assert "one auxiliary logit " in question(recipe("aux_logits=1", "loss=squared"))
    assert any("shared_inputs=false" in c for c in caveats(recipe()))
    assert not any("shared_inputs=false" in c for c in caveats(recipe("shared_inputs=false")))
    assert any("data=full" in c for c in caveats(recipe()))


def test_a_sweep_has_every_condition_at_every_value(tmp_path):
    """Each point of a sweep holds its own estimates, and the range is told."""
    results = written(
        tmp_path,
        recipe("networks=6", "vary={key: learning_rate, values: [0.001, 0.1]}"),
        accuracies(),
    )
    sweep = results.sweeps[0]

    assert sweep.x_scale == "log"
    assert sweep.values == [0.001, 0.1]
    assert {len(series.estimates) for series in sweep.series} == {2}
    assert len(results.comparisons) == 4
    assert "Over the sweep the students' mean runs from" in results.answer


@pytest.mark.slow
def test_the_demo_shows_transfer_with_intervals_that_do_not_touch(tmp_path):
    """The shipped demo: students far above both controls, and every checked statement holds."""
    results = run_recipe(load_recipe("demo"), runs=tmp_path).results
    found = {condition.name: condition.estimate for condition in results.conditions}
    student = found["student-aux"]

    assert student.low is not None
    for control in ("cross-aux", "reference"):
        high = found[control].high
        assert high is not None
        assert student.low > high + 0.1
    assert found["teacher"].value > 0.9
    assert abs(found["cross-aux"].value - 0.1) < 0.05
    assert all(fact.holds is not False for fact in results.facts)
    assert results.answer.startswith("Yes: ")


@pytest.mark.slow
def test_both_precisions_give_the_same_accuracies(tmp_path):
    """At full size bfloat16 products change a condition's mean over three networks by little."""
    full, half = (
        run_recipe(load_recipe("digits", ["networks=3", f"precision={name}"]), runs=tmp_path)
        for name in ("float32", "bfloat16")
    )
    for a, b in zip(full.results.conditions, half.results.conditions, strict=True):
        assert a.estimate.value == pytest.approx(b.estimate.value, abs=0.02)
