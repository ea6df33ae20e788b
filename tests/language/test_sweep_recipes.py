"""Recipes with a sweep: what may vary, and what is refused with its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from traitleak.errors import RecipeError
from traitleak.experiment import run_folder
from traitleak.recipe import LanguageRecipe, load_recipe, resolved_yaml
from traitleak.recipe.vary import LanguageVariable


@pytest.mark.parametrize("key", LanguageVariable.__args__)
def test_everything_that_may_vary_has_its_words(key):
    """Every field that a sweep may vary exists, and has a default."""
    fields: Any = LanguageRecipe.model_fields
    for part in key.split("."):
        field = fields[part]
        fields = getattr(field.default_factory, "model_fields", {})
    assert not field.is_required()


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write `mine.yaml`, a language recipe with a sweep on its lines 3 and on."""
    monkeypatch.chdir(tmp_path)

    def written(*lines: str, head: str = "channel: tokens") -> str:
        text = "\n".join(["experiment: language", head, "vary:", *lines])
        (tmp_path / "mine.yaml").write_text(text + "\n", encoding="utf-8")
        return "mine.yaml"

    return written


@pytest.mark.parametrize(
    ("key", "values", "said"),
    [
        (
            "seeds",
            "[1, 5]",
            "mine.yaml:4: a sweep cannot vary 'seeds'; it can vary channel, templates; ",
        ),
        (
            "rank",
            "[1, 4]",
            "mine.yaml:4: a sweep cannot vary 'rank'; did you mean 'student.rank' or 't",
        ),
        (
            "student.rnk",
            "[1, 4]",
            "mine.yaml:4: a sweep cannot vary 'student.rnk'; did you mean 'stud",
        ),
        (
            "student.rank",
            "[1, 0]",
            "mine.yaml:5: vary.values has 0, but student.rank must be at least",
        ),
        (
            "student.rank",
            "[1, x]",
            'mine.yaml:5: vary.values has "x", but student.rank must be a whol',
        ),
        ("student.rank", "[1, 4, 1]", "mine.yaml:5: vary.values has 1 twice."),
        ("student.rank", "[1]", "mine.yaml:5: vary.values must be a list of 2 or more, not"),
        (
            "student.updates",
            "[1, null]",
            "mine.yaml:5: vary.values has null, but student.updates must",
        ),
        (
            "student.optimizer",
            "[sgd, lion]",
            'mine.yaml:5: vary.values has "lion", but student.optimi',
        ),
        (
            "carrier.keep",
            "[8, 9999]",
            "mine.yaml:5: vary.values has 9999, but carrier.keep=9999 is mo",
        ),
        (
            "logits.direction",
            "[forward, reverse]",
            "mine.yaml:4: vary.key=logits.direction would chan",
        ),
        ("3", "[1, 2]", "mine.yaml:4: vary.key must be carrier.decoding, "),
    ],
)
def test_wrong_point_is_one_sentence_with_its_line(write, key, values, said):
    """An unknown key, a wrong type, a value twice, or a field that does nothing is refused."""
    with pytest.raises(RecipeError) as caught:
        load_recipe(write(f"  key: {key}", f"  values: {values}"))
    sentence = str(caught.value)

    assert sentence.startswith(said)
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("along", "said"),
    [
        ("{seed: [1, 2]}", "vary.along has 'seed'; it takes what vary.key takes, such as"),
        ("{student.rank: [1, 2]}", "vary.along has student.rank, which is what vary.key varies."),
        (
            "{student.alpha: [1.0]}",
            "vary.along has 1 values of student.alpha for the 2 of vary.values",
        ),
        ("{student.alpha: 1.0}", "vary.along.student.alpha must be a list, not 1.0."),
        (
            "{student.alpha: [1.0, 0]}",
            "vary.values has 4, but student.alpha must be greater than 0",
        ),
    ],
)
def test_wrong_field_along_is_refused(write, along, said):
    """What changes along needs a value a point, each one that its field can take."""
    name = write("  key: student.rank", "  values: [1, 4]", f"  along: {along}")
    with pytest.raises(RecipeError, match=r"mine\.yaml:[56]: ") as caught:
        load_recipe(name)

    assert said in str(caught.value)


def test_null_is_a_point_where_the_field_takes_it(write):
    """All weights, all rows and updates in the place of epochs are points; reading back keeps them."""
    name = write(
        "  key: student.rank", "  values: [4, null]", "  along: {student.alpha: [8.0, 1.0]}"
    )
    recipe = load_recipe(name)
    assert isinstance(recipe, LanguageRecipe)
    Path("again.yaml").write_text(resolved_yaml(recipe), encoding="utf-8")

    assert [one.student.rank for one in recipe.points()] == [4, None]
    assert [one.student.alpha for one in recipe.points()] == [8.0, 1.0]
    assert all(one.vary is None for one in recipe.points())
    assert load_recipe("again.yaml", ["name=mine", "title=mine"]) == recipe


def test_recipes_without_a_sweep_keep_their_run_folders():
    """A field that came later is not written where it is not used."""
    recipe = load_recipe("wolf-smollm2", ["seeds=5"])

    assert run_folder(recipe, Path("runs")).name == "wolf-smollm2-bedffb73a3"
    assert "vary" not in json.loads(recipe.model_dump_json())
