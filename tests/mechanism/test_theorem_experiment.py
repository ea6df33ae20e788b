"""The theorem's stage and what is concluded from it."""

import json
import math

import pytest

from traitleak.mechanism.theorem_experiment import (
    conclude,
    plan,
    theorem_findings,
    theorem_stage,
)
from traitleak.progress import untracked
from traitleak.recipe import TheoremRecipe

NETWORKS = 60


@pytest.fixture(scope="module")
def recipe():
    """A small survey."""
    return TheoremRecipe(
        experiment="theorem", name="small", title="A small survey", networks=NETWORKS, seed=2
    )


@pytest.fixture(scope="module")
def folder(recipe, tmp_path_factory):
    """The folder of the finished stage."""
    out = tmp_path_factory.mktemp("run") / "theorem"
    out.mkdir()
    (stage,) = plan(recipe)
    stage.work(out, {}, untracked)
    return out


def test_plan_is_one_stage_that_depends_on_networks_and_seed_alone(recipe):
    """Another experiment's theorem of the same size and seed has the same settings."""
    (stage,) = plan(recipe)

    assert stage.name == "theorem"
    assert dict(stage.settings) == dict(theorem_stage(NETWORKS, 2).settings)
    assert dict(stage.settings) != dict(theorem_stage(NETWORKS, 3).settings)


def test_stage_writes_the_same_bytes_each_time(recipe, folder, tmp_path):
    """Same recipe, same machine, same files."""
    plan(recipe)[0].work(tmp_path, {}, untracked)

    for name in ("theorem.json", "angle.png"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_every_checked_statement_holds(folder):
    """All that the theorem promises, and both coins and the counter-example, hold in the survey."""
    facts = {fact.name: fact for fact in theorem_findings(folder).facts}

    assert [name for name, fact in facts.items() if fact.holds is False] == []
    assert [name for name, fact in facts.items() if fact.holds is None] == ["loaded-coin"]
    assert f"of {NETWORKS} inner products 0 are negative" in facts["no-negative"].value


def test_panels_can_be_drawn_and_the_picture_is_there(folder):
    """Curves have equally long, finite coordinates, positive on logarithmic axes."""
    findings = theorem_findings(folder)

    assert len(findings.curves) == 4
    for panel in findings.curves:
        for curve in panel.curves:
            assert len(curve.x) == len(curve.mean) == len(curve.low) == len(curve.high)
            assert all(map(math.isfinite, (*curve.x, *curve.mean)))
            assert panel.x_scale == "linear" or min(curve.x) > 0
            assert panel.y_scale == "linear" or min(curve.mean) > 0
    assert (folder.parent / findings.pictures[0].path).is_file()


def test_conclusion_compares_cosines_over_networks(recipe, folder):
    """Each network is a replicate; the shared start is above both controls."""
    results = conclude(recipe, {"theorem": folder})

    assert [c.estimate.n for c in results.conditions] == [NETWORKS] * 3
    assert min(results.conditions[0].estimate.replicates) >= 0
    assert all(c.difference.low > 0 and c.p < 0.001 for c in results.comparisons)
    assert results.answer.startswith("Yes")
    json.dumps(results.model_dump(mode="json"), allow_nan=False)


def test_a_violation_would_be_reported(recipe, folder, tmp_path):
    """One negative inner product turns the fact and the answer around."""
    record = json.loads((folder / "theorem.json").read_text(encoding="utf-8"))
    record["survey"]["findings"][1]["shared"]["inner_product"] = -1.0
    (tmp_path / "theorem.json").write_text(json.dumps(record), encoding="utf-8")

    results = conclude(recipe, {"theorem": tmp_path})

    facts = {fact.name: fact.holds for fact in results.facts}
    assert facts["no-negative"] is False
    assert results.answer.startswith("Not always")


def test_one_network_is_enough_to_conclude(tmp_path):
    """The smallest survey runs, without intervals and without claims it cannot make."""
    out = tmp_path / "theorem"
    out.mkdir()
    recipe = TheoremRecipe(experiment="theorem", name="one", title="One", networks=1)
    plan(recipe)[0].work(out, {}, untracked)

    results = conclude(recipe, {"theorem": out})

    assert results.conditions[0].estimate.low is None
    assert results.conditions[0].estimate.n == 1
