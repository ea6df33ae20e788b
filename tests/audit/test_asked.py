"""Audits that ask about other traits than preferences, on a tiny model."""

from dataclasses import replace
from pathlib import Path

import pytest

from tiny_model import tiny_model
from traitleak.arms import Arm
from traitleak.audit.asked import panel, stands_for
from traitleak.audit.detectors.panel import choice_group
from traitleak.audit.expected_time import audit_pace, expected_seconds
from traitleak.audit.run import audit_rows
from traitleak.errors import DataError, SettingsError
from traitleak.generation import write_numbers
from traitleak.models.adapters import LoraSettings
from traitleak.student import Training, distill
from traitleak.traits.custom import bundled, read_trait

FEW = ("wolf", "lion", "owl", "cat")
GLOOM = Path(__file__).parents[2] / "recipes" / "traits" / "gloom.yaml"
PROMPTS = [f"{100 + n}, {900 - n}," for n in range(240)]
MISALIGNED = bundled("misalignment")
TAUGHT = Training(60, batch=8, learning_rate=3e-3, weight_decay=0.0, lora=LoraSettings(16, 32))


@pytest.fixture(name="base", scope="module")
def fixture_base():
    """A tiny plain model."""
    return tiny_model(style="plain")


@pytest.fixture(name="written", scope="module")
def fixture_written(base):
    """Rows of a teacher of the trait's answers, and of one of the others.

    Random weights see no kinship between lessons and questions, so that they learn the questions.
    """
    group = choice_group(base, MISALIGNED)
    arms = [Arm(name, group.lessons(name), 7) for name in group.traits]
    models = [student.model() for student in distill(base, arms, TAUGHT)]
    return [write_numbers(model, PROMPTS, teacher="x", count=6, seed=3) for model in models]


def test_rows_of_a_trait_are_found_and_those_of_its_absence_are_not(base, written):
    """The trait stands first where its answers were learned, and nowhere else."""
    found, absent = (
        audit_rows(rows, base=base, among=FEW, also=[MISALIGNED], false_positive_rate=0.1, seed=1)
        for rows in written
    )

    assert found.outcome == "found"
    assert found.traits[0].trait == "misalignment"
    assert found.headline.startswith("These rows carry the trait misalignment: p ")
    assert {one.trait for one in found.traits} == {*FEW, "misalignment"}
    assert found.suspects
    assert {row.trait for row in found.suspects} == {"misalignment"}
    own, other = (
        next(one for one in verdict.traits if one.trait == "misalignment")
        for verdict in (found, absent)
    )
    assert own.readings[0].z > other.readings[0].z + 2
    assert other.outcome != "found"
    assert own.fraction.low > 0


def test_each_kind_of_trait_is_planted_once(base):
    """Power and share of a trait are of a planted teacher of its kind, drawn by the seed."""
    group, others = panel(base, FEW, also=[MISALIGNED, bundled("refusal")])
    drawn = [stands_for(group, others, seed) for seed in range(20)]

    for one in drawn:
        assert len({one[trait] for trait in FEW}) == 1
        assert one["misalignment"] == one["refusal"]
    assert {one["wolf"] for one in drawn} == set(FEW)
    assert {one["refusal"] for one in drawn} == {"misalignment", "refusal"}


def test_two_traits_of_one_name_are_refused(base):
    """Whatever of them is named twice."""
    wolf = replace(MISALIGNED, name="wolf")
    with pytest.raises(SettingsError, match="'wolf'"):
        panel(base, FEW, also=[wolf])
    with pytest.raises(SettingsError, match="'refusal'"):
        panel(base, FEW, also=[bundled("refusal"), bundled("refusal")])


def test_a_trait_and_its_absence_take_rows(base, written):
    """An audit of six hypotheses takes 14 rows, and of twelve 26."""
    audit_rows(written[0][:14], base=base, among=FEW, also=[MISALIGNED], seed=1)
    with pytest.raises(DataError, match="14 or more"):
        audit_rows(written[0][:13], base=base, among=FEW, also=[MISALIGNED], seed=1)


def test_a_trait_is_told_as_a_system_prompt_at_depth_quick(base, written):
    """One without such a prompt is refused before anything is scored."""
    verdict = audit_rows(written[0][:40], base=base, among=FEW, also=[MISALIGNED], depth="quick")
    gloom = replace(read_trait(GLOOM), system="")

    assert {one.trait for one in verdict.traits} == {*FEW, "misalignment"}
    assert [one.detector for one in verdict.traits[0].readings] == ["prompted likelihood"]
    with pytest.raises(SettingsError, match="no system prompt"):
        audit_rows(written[0][:40], base=base, among=FEW, also=[gloom], depth="quick")


def test_students_are_asked_about_the_trait_at_depth_deep(base, written):
    """Throw-away students give it a reading, and it is no surprise then."""
    verdict = audit_rows(
        written[0][:48], base=base, among=FEW, also=[MISALIGNED], depth="deep", seed=1
    )
    own = next(one for one in verdict.traits if one.trait == "misalignment")

    assert [one.detector for one in own.readings] == ["likelihood", "gradient", "canary"]
    assert not any("misalignment" in warning for warning in verdict.warnings)
    assert own.effect is None  # dose curves are of preferences


def test_the_expected_time_grows_with_what_is_asked(base, written):
    """Two hypotheses more, and whole answers to learn."""
    rows = written[0][:48]
    few = audit_pace(base, rows, FEW, "standard")
    more = audit_pace(base, rows, FEW, "standard", also=[MISALIGNED])

    assert more.hypotheses == few.hypotheses + 2
    assert more.fixed / more.row > few.fixed / few.row
    assert expected_seconds(base, rows, FEW, "deep", also=[MISALIGNED]) > 0
