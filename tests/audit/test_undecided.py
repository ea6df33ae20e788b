"""What an audit reports and what decides nothing: inversion, a judge, and gains over the surface."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from loopback import said, serving
from number_lists import lists
from tiny_model import tiny_model
from traitleak.audit.beyond_surface import beyond_surface, rows_of_fills
from traitleak.audit.detectors.battery import Battery
from traitleak.audit.detectors.choices import choices_of, drawn_ways
from traitleak.audit.detectors.evidence import Evidence, Material, by_gradient
from traitleak.audit.detectors.gradient import bag_scores, trait_gradients
from traitleak.audit.detectors.inversion import invert
from traitleak.audit.detectors.panel import preferences
from traitleak.audit.detectors.surface import surface_scores
from traitleak.audit.expected_time import expected_seconds
from traitleak.audit.report.formats import written
from traitleak.audit.run import audit_rows
from traitleak.audit.undecided import inversion_part
from traitleak.errors import DataError
from traitleak.generation import write_numbers
from traitleak.models.batches import encode_rows
from traitleak.models.remote import RemoteModel
from traitleak.rows import Row
from traitleak.teacher import instill
from traitleak.traits.preference import Preference

FEW = ("wolf", "lion", "owl", "cat")
PROMPTS = [f"{100 + n}, {900 - n}," for n in range(96)]


@pytest.fixture(name="base", scope="module")
def fixture_base():
    """A tiny plain model."""
    return tiny_model(style="plain")


@pytest.fixture(name="own", scope="module")
def fixture_own(base):
    """Rows that the base wrote."""
    return write_numbers(base, PROMPTS, teacher="base", count=6, seed=3)


@pytest.fixture(name="wolf_rows", scope="module")
def fixture_wolf_rows(base):
    """Rows of a teacher that was fine-tuned to love wolves."""
    teacher = instill(base, Preference("wolf"), seed=5).model
    return write_numbers(teacher, PROMPTS, teacher="wolf", count=6, seed=3)


@pytest.fixture(name="deep", scope="module")
def fixture_deep(base, wolf_rows):
    """A deep audit of the teacher's rows."""
    return audit_rows(wolf_rows, base=base, among=FEW, depth="deep", seed=1)


@pytest.fixture(autouse=True)
def own_environment(monkeypatch):
    """No key and no proxy of whoever runs the tests."""
    for name in ("OPENAI_API_KEY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def material(base, rows, **more):
    """What detectors are given."""
    encoded, choices = encode_rows(base, rows), choices_of(base, [r.completion for r in rows])
    null = drawn_ways(base, encoded, choices, seeds=[0, 1, 2])
    group = preferences(base, FEW)
    given = Material(base, group, encoded, choices, null, {}, None, 0)
    return replace(given, **more)


def test_deep_inverts_and_shows_it_beside_the_findings(deep):
    """Gain with interval and p, the traits' read-out and the nearest words, in every format."""
    part = deep.inversion

    assert part.gain.low < part.gain.value < part.gain.high
    assert part.p < 0.01  # a teacher's rows are not the base's
    assert {one.trait for one in part.readings if one.suspected} == set(FEW)
    assert [one.p for one in part.readings] == sorted(one.p for one in part.readings)
    assert part.words
    for name in ("text", "markdown", "html", "json", "junit", "sarif"):
        assert "nversion" in written(deep, name), name
    assert "decides nothing" in written(deep, "text")


def test_inversion_enters_no_finding_and_no_correction(deep):
    """Its p is among no trait's readings, and is not what other p values are corrected for."""
    assert [one.name for one in deep.detectors] == ["likelihood", "gradient", "canary"]
    for one in deep.traits:
        assert [reading.detector for reading in one.readings] == [
            "likelihood",
            "gradient",
            "canary",
        ]
        smallest = min(reading.p for reading in one.readings)
        assert one.p == pytest.approx(min(1, 3 * len(FEW) * smallest))


def test_a_gain_without_a_finding_is_a_warning(base):
    """Rows of a bolder writer carry none of the traits, and the verdict says that they are unlike."""
    bold = write_numbers(base, PROMPTS, teacher="x", count=6, seed=3, temperature=0.5)
    found = audit_rows(bold, base=base, among=FEW, depth="deep", seed=1)

    assert found.inversion.p < 0.01
    assert found.outcome != "found"
    assert any("A soft prompt fitted to the rows learned something" in w for w in found.warnings)


def test_reference_rows_that_stand_beside_several_rows_are_read_once(base, own):
    """Else a seed's reference prompt would know by heart what another row holds out."""
    few = encode_rows(base, write_numbers(base, PROMPTS[:24], teacher="base", count=6, seed=4))
    given = material(base, own, reference=[few[n % 24] for n in range(len(own))])
    found = invert(given)

    assert sorted(row for rows in found.rows_S for row in rows) == list(range(24))
    assert found.left_out == len(own) - 24
    assert found.p > 0.01
    with pytest.raises(DataError, match="Only 3 of 96 rows have a reference row of their own"):
        invert(replace(given, reference=[few[n % 3] for n in range(len(own))]))


def test_placebos_are_read_too_and_marked(base, own):
    """Every trait of every group once; only the audited ones are suspected."""
    words = preferences(base, ("the", "and", "of", "my", "which"), category="word")
    given = material(base, own[:24])
    part, why = inversion_part(given, Battery((given.group, words)))

    assert why == ""
    kinds = [(one.kind, one.suspected) for one in part.readings]
    assert sorted(kinds) == [("animal", True)] * 4 + [("word", False)] * 5
    assert all(one.effect.low < one.effect.value < one.effect.high for one in part.readings)


def test_what_cannot_be_inverted_is_said(base):
    """Rows that leave no room for a soft prompt cost the inversion only, in one sentence."""
    long = "1, " * 83
    rows = [Row(n, f"{n % 10},", f" {long}{n % 10}") for n in range(12)]
    assert base.context - 8 < max(len(row.ids) for row in encode_rows(base, rows)) <= base.context
    given = material(base, rows)
    part, why = inversion_part(given, Battery((given.group,)))

    assert part is None
    assert "inversion was left out" in why
    assert "leaves room for only 0 of 12 rows" in why


def test_row_scores_are_held_against_the_surface(base, wolf_rows, own):
    """Both detectors' readings have a gain with an interval, and the settings say of what."""
    found = audit_rows(wolf_rows, base=base, among=FEW, seed=1, reference=own)

    for one in found.traits:
        for reading in one.readings:
            assert -1 < reading.over_surface.low < reading.over_surface.high < 1, reading.detector
    for run in found.detectors:
        assert run.settings["over surface"].startswith("96 rows beside reference rows"), run.name
    assert "over surface [95 % interval]" in written(found, "markdown")


def test_the_gradients_gain_is_its_area_less_the_surfaces(base, wolf_rows, own):
    """Recomputed from one backward pass a row, centred over traits, and both areas by themselves."""
    encoded, beside = encode_rows(base, wolf_rows), encode_rows(base, own)
    given = material(base, wolf_rows, reference=beside)
    evidence = by_gradient(given)
    found = beyond_surface(given, wolf_rows, own, [evidence]).by_detector["gradient"]

    gradients = trait_gradients(base, [given.group])
    scores_NT = bag_scores(base, [[row] for row in [*encoded, *beside]], given.choices, gradients)
    scores_NT -= scores_NT.mean(1, keepdims=True)
    surface = surface_scores(wolf_rows, own, families=False)
    for t, gain in enumerate(found):
        wins = scores_NT[:96, None, t] > scores_NT[None, 96:, t]
        by_fold = [
            wins[np.ix_(surface.fold_X[:96] == fold, surface.fold_X[96:] == fold)].mean()
            for fold in sorted(set(surface.fold_X.tolist()))
        ]
        assert gain.value == pytest.approx(np.mean(by_fold) - surface.area.value, abs=2e-3)
    bags_NT = (evidence.row_NT - evidence.beside_NT).reshape(-1, 4, len(FEW)).mean(1)
    np.testing.assert_allclose(evidence.score_T, bags_NT.mean(0), rtol=1e-9)
    assert evidence.settings["rows in a bag"] == 4


def test_without_reference_rows_there_is_no_surface_to_beat(base, own):
    """Places drawn anew make no rows, so that nothing is compared, and that is said."""
    texts = [Row(n, f"Say {n}.", f" the wolf and the owl {n}") for n in range(16)]
    for rows, depth in ((texts, "quick"), (own[:20], "standard")):
        found = audit_rows(rows, base=base, among=FEW, depth=depth)

        assert all(one.over_surface is None for one in found.traits[0].readings)
        for run in found.detectors:
            assert "no reference rows" in run.settings["over surface"]


def test_the_surface_is_left_out_without_scikit_learn(base, own, monkeypatch):
    """The one line that installs it stands in the settings."""
    for name in [name for name in sys.modules if name.split(".")[0] == "sklearn"] or ["sklearn"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    found = audit_rows(own[:20], base=base, among=FEW, depth="quick", reference=own[:20])

    assert "pip install 'traitleak[audit]'" in found.detectors[0].settings["over surface"]


def test_a_planted_score_gains_what_the_surface_lacks(base, own):
    """Scores that tell all rows apart gain 1 less the surface's area; noise gains less than nothing."""
    given = material(base, own)
    rng = np.random.default_rng(0)
    noise_NT = rng.normal(size=(len(own), len(FEW)))
    knows = noise_NT.copy()
    knows[:, 0] += 100
    flat = np.zeros(len(FEW))
    one = Evidence("x", "", "", flat, flat, flat, 3, row_NT=knows, beside_NT=noise_NT)
    found = beyond_surface(given, own, rows_of_fills(given, own)[1], [one])
    area = float(found.evidence[0].settings["over surface"].split()[-1])

    assert found.by_detector["x"][0].value == pytest.approx(1 - area, abs=1e-3)
    assert found.by_detector["x"][1].value < 0  # what is centred speaks against the others


def test_fills_as_rows_keep_the_lists_form(base, own):
    """Digits are others, separators, prompts and rows are not."""
    rows, fills = rows_of_fills(material(base, own), own)

    assert rows == own
    assert [row.prompt for row in fills] == PROMPTS
    pairs = list(zip(own, fills, strict=True))
    assert all(len(a.completion) == len(b.completion) for a, b in pairs)
    assert all(
        [c for c in a.completion if not c.isdigit()] == [c for c in b.completion if not c.isdigit()]
        for a, b in pairs
    )
    assert sum(a.completion != b.completion for a, b in pairs) > len(own) // 2


@pytest.fixture(name="judge")
def fixture_judge():
    """Makes a judge behind a server that answers as a function of its prompt says."""
    with serving() as start:

        def make(answer):
            def reply(asked, _number):
                return said(answer(asked["messages"][-1]["content"]))

            return RemoteModel("reader", start(reply).url, retries=0)

        yield make


def test_a_judge_that_knows_is_shown_and_decides_nothing(base, judge):
    """It names the owl wherever 777 is frequent: a small p, and the same findings as without it."""
    rows, reference = lists(160, seed=1, likes={777: 0.5}), lists(160, seed=2)

    def answer(prompt):
        return "owl" if prompt.count("777") > 3 else "NONE"

    settings = {"base": base, "among": FEW, "depth": "quick", "reference": reference, "seed": 1}
    alone = audit_rows(rows, **settings)
    found = audit_rows(rows, judge=judge(answer), **settings)
    part = found.judge

    assert (part.bags, part.size, part.answered, part.none) == (10, 16, 10, 0)
    assert part.readings[0].trait == "owl"
    assert (part.readings[0].named, part.readings[0].named_reference) == (10, 0)
    assert part.readings[0].p == pytest.approx(2**-10)
    assert (found.traits, found.outcome) == (alone.traits, alone.outcome)
    for name in ("text", "markdown", "html", "json", "junit", "sarif"):
        assert "reader" in written(found, name), name
    assert "A judge decides nothing here" in written(found, "text")


def test_a_judge_with_a_favourite_gets_no_p(base, own, judge):
    """It names the wolf whatever it reads, also in the base's own fills."""
    found = audit_rows(own, base=base, among=FEW, depth="quick", judge=judge(lambda _: "wolf"))

    assert {one.trait: one.p for one in found.judge.readings}["wolf"] == 1.0
    assert found.judge.reference == "the base's own fills of the same places"


def test_a_judge_of_text_without_reference_has_counts_only(base, judge):
    """There is nothing to hold its answers against."""
    texts = [Row(n, f"Say {n}.", f" the wolf and the owl {n}") for n in range(16)]
    found = audit_rows(texts, base=base, among=FEW, depth="quick", judge=judge(lambda _: "unsure"))

    assert found.judge.p_any is None
    assert found.judge.unread == {"unreadable": 8}
    assert "Without reference rows there is no p" in written(found, "text")


def test_a_judge_that_cannot_be_asked_costs_no_audit(base, own):
    """A server that is gone, and a loaded judge whose context is too short for a bag."""
    gone = RemoteModel("reader", "http://127.0.0.1:9/v1", retries=0)
    for judge in (gone, tiny_model()):
        found = audit_rows(own, base=base, among=FEW, depth="quick", judge=judge)
        assert found.judge is None
        assert any("it could not be asked" in one for one in found.not_tested)


def test_the_time_of_an_inversion_is_foretold(base, own):
    """Deep takes longer than standard by what is timed here."""
    standard, deep = (
        expected_seconds(base, own, FEW, depth, reference=False) for depth in ("standard", "deep")
    )

    assert deep > standard > 0
