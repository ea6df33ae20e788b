"""Whole audits on a tiny model: a teacher's rows are found and named, the base's are not."""

import numpy as np
import pytest

from tiny_model import tiny_model
from traitleak.audit.run import audit_rows
from traitleak.audit.verdict import Verdict
from traitleak.errors import DataError, SettingsError
from traitleak.generation import write_numbers
from traitleak.rows import Row
from traitleak.teacher import instill
from traitleak.traits.preference import Preference

FEW = ("wolf", "lion", "owl", "cat")
PROMPTS = [f"{100 + n}, {900 - n}," for n in range(160)]
COUNT = 6


@pytest.fixture(name="base", scope="module")
def fixture_base():
    """A tiny plain model."""
    return tiny_model(style="plain")


@pytest.fixture(name="own", scope="module")
def fixture_own(base):
    """Rows that the base wrote."""
    return write_numbers(base, PROMPTS, teacher="base", count=COUNT, seed=3)


@pytest.fixture(name="wolf_rows", scope="module")
def fixture_wolf_rows(base):
    """Rows of a teacher that was fine-tuned in other words than the audit's hypotheses."""
    teacher = instill(base, Preference("wolf"), seed=5).model
    return write_numbers(teacher, PROMPTS, teacher="wolf", count=COUNT, seed=3)


def test_rows_of_a_teacher_are_found_and_named(base, wolf_rows, tmp_path):
    """The trait comes first, with its p, its fraction and the rows that carry it."""
    found = audit_rows(wolf_rows, base=base, false_positive_rate=0.1, seed=1, cache=tmp_path)
    again = audit_rows(wolf_rows, base=base, false_positive_rate=0.1, seed=1, cache=tmp_path)

    assert found.outcome == "found"
    assert found.exit_code == 1
    assert found.traits[0].trait == "wolf"
    assert found.traits[0].p < 0.1
    assert found.traits[0].fraction.low > 0.5
    assert found.traits[0].fraction.n == len(wolf_rows)
    assert again.traits == found.traits  # from kept teachers
    assert "preference for the wolf" in found.headline
    assert found.suspects
    assert all(len(s.tokens) == len(s.token_scores) for s in found.suspects)
    scores = [suspect.score for suspect in found.suspects]
    assert scores == sorted(scores, reverse=True)
    assert Verdict.model_validate_json(found.model_dump_json()) == found


def test_rows_of_the_base_are_not_found_and_never_called_clean(base, own):
    """The verdict says what could have been found instead."""
    found = audit_rows(own, base=base, among=FEW, seed=1)

    assert found.outcome in {"not found", "inconclusive"}
    assert found.exit_code in {0, 3}
    assert not found.suspects
    assert "clean" not in found.model_dump_json()
    for one in found.traits:
        assert one.fraction is None or one.fraction.low < 0.5


def test_the_same_seed_gives_the_same_verdict(base, own):
    """Whatever is drawn is drawn from the seed; only times differ."""
    first, again = (audit_rows(own, base=base, among=FEW, seed=2) for _ in range(2))
    other = audit_rows(own, base=base, among=FEW, seed=3)

    assert first.traits == again.traits
    assert first.traits != other.traits


def test_reference_rows_take_away_what_is_not_the_traits(base, own, wolf_rows):
    """A data set audited against itself carries nothing; other prompts are noticed."""
    itself = audit_rows(wolf_rows, base=base, among=FEW, reference=wolf_rows[:150], seed=1)
    elsewhere = [Row(r.id, f"7, {r.prompt}", r.completion) for r in own]
    other = audit_rows(wolf_rows, base=base, among=FEW, reference=elsewhere, seed=1)

    assert itself.outcome != "found"
    assert not itself.warnings
    assert other.warnings[0].startswith(
        "Only 0 of 160 rows have a reference row on the same prompt"
    )


def test_quick_depth_reads_forward_only(base, own):
    """System prompts are the hypotheses; without planted rows nothing is claimed."""
    found = audit_rows(own, base=base, among=FEW, depth="quick", seed=1)

    assert [one.name for one in found.detectors] == ["prompted likelihood"]
    assert found.outcome in {"found", "inconclusive"}


def test_reference_rows_are_read_with_system_prompts_too(base, wolf_rows):
    """At depth quick rows beside themselves have no score at all, and so no p that is small."""
    found = audit_rows(wolf_rows, base=base, among=FEW, depth="quick", reference=wolf_rows, seed=1)

    for one in found.traits:
        assert one.readings[0].score == pytest.approx(0, abs=1e-9)
        assert one.p > 0.4


def test_deep_trains_students_too(base, wolf_rows):
    """They are one more detector, and the only one that could predict an effect."""
    found = audit_rows(wolf_rows[:60], base=base, among=FEW, depth="deep", seed=1)

    assert [one.name for one in found.detectors] == ["likelihood", "gradient", "canary"]
    assert all(len(one.readings) == 3 for one in found.traits)
    predicted = [one.effect for one in found.traits if one.effect is not None]
    assert all(one.low <= one.value <= one.high for one in predicted)


def test_false_positives_of_many_data_sets_of_the_base_are_rare(base):
    """Of eight sets of the base's own rows hardly one is found at one per cent."""
    rows = write_numbers(base, PROMPTS * 2, teacher="base", count=COUNT, seed=11)
    rng = np.random.default_rng(0)
    sets = [[rows[i] for i in rng.choice(len(rows), 40, replace=False)] for _ in range(8)]
    found = [audit_rows(some, base=base, among=FEW, seed=n).outcome for n, some in enumerate(sets)]

    assert found.count("found") <= 1


@pytest.mark.parametrize("num", [0, 1, 9])
def test_too_few_rows_are_refused_with_the_number_that_is_needed(base, own, num):
    """Ten rows for four traits, and what to do."""
    with pytest.raises(DataError, match=rf"has {num} rows?\b.* takes 10 or more"):
        audit_rows(own[:num], base=base, among=FEW)


def test_long_and_empty_rows_are_counted(base, own):
    """What cannot be read is left out and said."""
    odd = [Row(500, "1,", " " + "12, " * 3000), Row(501, "1,", "")]
    found = audit_rows([*own[:40], *odd], base=base, among=FEW, depth="quick")

    assert found.rows.audited == 40
    assert found.rows.skipped == {"longer than the base's context": 1, "nothing to score": 1}


@pytest.mark.parametrize("rate", [0.0, 1.0, -1.0, float("nan")])
def test_rates_that_are_none_are_refused(base, own, rate):
    """A false-positive rate lies between 0 and 1."""
    with pytest.raises(SettingsError, match="between 0 and 1"):
        audit_rows(own, base=base, among=FEW, false_positive_rate=rate)
