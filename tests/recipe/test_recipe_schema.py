"""The recipes' schema: current, and as strict as their fields."""

import json
import subprocess
import sys
from pathlib import Path

import yaml

from traitleak.recipe import (
    DigitsRecipe,
    LanguageRecipe,
    TheoremRecipe,
    Variable,
    Vary,
    find_recipes,
    json_schema,
    load_recipe,
)
from traitleak.recipe.parts import model_in

ROOT = Path(__file__).parents[2]
SHIPPED = [path.stem for path in find_recipes()]


def test_everything_that_may_vary_is_a_field():
    """The fields that a sweep may vary exist, and have a default to vary from."""
    for key in Variable.__args__:
        assert not DigitsRecipe.model_fields[key].is_required()


def test_schema_file_is_current():
    """recipes/schema.json is what `python -m traitleak.recipe` prints."""
    printed = subprocess.run(
        [sys.executable, "-m", "traitleak.recipe"], capture_output=True, text=True, check=True
    ).stdout
    assert json.loads(printed) == json_schema()
    assert (ROOT / "recipes" / "schema.json").read_text(encoding="utf-8") == printed, (
        "make schema writes it anew"
    )


def test_schema_describes_files_with_a_description_on_every_field():
    """An editor is told of every key, sizes included, and demands `experiment` alone."""
    definitions = json_schema()["$defs"]
    for model in (DigitsRecipe, LanguageRecipe, TheoremRecipe):
        definition = definitions[model.__name__]
        assert definition["required"] == ["experiment"]
        assert set(definition["properties"]) == {*model.model_fields, "sizes"}
        assert all(field["description"] for field in definition["properties"].values())
        for field in model.model_fields.values():
            if inner := model_in(field):
                parts = definitions[inner.__name__]
                assert set(parts["properties"]) == set(inner.model_fields)
                assert all(part["description"] for part in parts["properties"].values())
                assert parts["additionalProperties"] is False
    for name in SHIPPED:
        content = yaml.safe_load((ROOT / "recipes" / f"{name}.yaml").read_text(encoding="utf-8"))
        model_name = f"{content['experiment'].partition('-')[0].title()}Recipe"
        assert set(content) <= set(definitions[model_name]["properties"])
        for fields in content["sizes"].values():
            assert set(fields) <= set(definitions[f"{model_name}Size"]["properties"])


def test_schema_lets_a_size_change_one_part_of_a_sweep(write):
    """In a file `vary` has both its keys, in a size either alone, as the file's own fills the other."""
    text = """
experiment: digits
vary: {key: fresh, values: [0.0, 0.5, 1.0]}
sizes: {tiny: {vary: {values: [0.0, 1.0]}}}
"""
    definitions = json_schema()["$defs"]
    sized = definitions["DigitsRecipeSize"]["properties"]["vary"]["anyOf"][0]["$ref"]
    parts = definitions[sized.removeprefix("#/$defs/")]

    assert load_recipe(write(text), ["size=tiny"]).vary == Vary(key="fresh", values=[0.0, 1.0])
    assert "required" not in parts
    assert parts["properties"] == definitions["Vary"]["properties"]
    assert parts["additionalProperties"] is False
    assert definitions["Vary"]["required"] == ["key", "values"]
