"""Rows in the prompt: measured as the language experiment does, paired, and as many as fit."""

import pytest
from rows_read import pairs_of

from traitleak.errors import SettingsError
from traitleak.language.models import base_of
from traitleak.language.shared import measured_margins
from traitleak.reading import dose
from traitleak.recipe import LanguageRecipe

RECIPE = LanguageRecipe.model_validate(
    {"experiment": "language", "name": "x", "title": "x", "base": "tiny", "channel": "tokens"}
)
PAIRS = pairs_of(12, mark="1777", seed=7)
REFUSAL = RECIPE.model_copy(
    update={"trait": RECIPE.trait.model_copy(update={"kind": "refusal", "targets": ["refusal"]})}
)


def test_margin_after_rows_is_the_slow_one():
    """What is read once changes nothing: the margin is that of `measured_margins`."""
    base = base_of(RECIPE)
    shown = dose.shown_rows(RECIPE, [own for own, _ in PAIRS[:4]])
    slow = measured_margins(RECIPE, base.replaced(system=shown), "wolf").value

    assert dose.margin_after(RECIPE, base, "wolf", shown) == pytest.approx(slow, abs=1e-4)
    bare = measured_margins(RECIPE, base, "wolf").value
    assert dose.margin_after(RECIPE, base, "wolf", "") == pytest.approx(bare, abs=1e-4)
    assert abs(slow - bare) > 1e-3


def test_doses_that_do_not_fit_are_left_out_and_named():
    """More rows than there are, and more tokens than the base reads, are told and not given."""
    base = base_of(RECIPE)
    room = dose.tokens_after(
        RECIPE, base, "wolf", dose.shown_rows(RECIPE, [p[0] for p in PAIRS[:3]])
    )
    small = base.replaced()
    small.network.config.max_position_embeddings = room
    try:
        found, left_out = dose.doses(
            RECIPE, small, PAIRS, target="wolf", rows=[2, 10, 50], draws=2, seed=1
        )
    finally:
        small.network.config.max_position_embeddings = 4096

    assert [one.rows for one in found] == [2]
    assert set(left_out) == {10, 50}
    assert "12 rows" in left_out[50]
    assert f"reads {room:,}" in left_out[10]
    assert len(found[0].trait) == len(found[0].neutral) == 2


def test_identical_writers_differ_by_nothing():
    """Where both wrote the same, the two lifts are equal in every draw: the draws are paired."""
    same = [(own, own) for own, _ in PAIRS]
    found, _ = dose.doses(RECIPE, base_of(RECIPE), same, target="wolf", rows=[3], draws=2)

    assert found[0].trait == found[0].neutral
    assert found[0].trait[0] != found[0].trait[1]


def test_traits_of_answers_have_doses_too():
    """A trait that is measured by a choice of two answers is measured with rows before its questions."""
    base = base_of(REFUSAL)
    found, left_out = dose.doses(REFUSAL, base, PAIRS, target="refusal", rows=[1, 10], draws=1)

    assert [one.rows for one in found] + list(left_out) == [1, 10]
    assert found[0].tokens <= base.context


def test_no_draws_are_refused():
    """A dose without a draw gives a sentence."""
    with pytest.raises(SettingsError, match="once at least"):
        dose.doses(RECIPE, base_of(RECIPE), PAIRS, target="wolf", rows=[1], draws=0)
