"""Whatever is in a recipe: it reads back the same, or is refused in a sentence."""

from contextlib import suppress

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from traitleak.errors import RecipeError
from traitleak.recipe import (
    LanguageRecipe,
    load_recipe,
    resolved_yaml,
)
from traitleak.recipe.parts import model_in

# Values of every type that a field may have, most of them refused for any one field.
ANY_VALUE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 300),
    st.floats(0, 2, width=32),
    st.sampled_from(["", "finetune", "prompt", "free", "tokens", "chat", "linear", "wolf"]),
    st.text(max_size=12),
    st.lists(st.sampled_from(["wolf", "lion", "owl", "neutral", "shuffled"]), max_size=3),
    st.lists(st.integers(0, 30), max_size=3),
)
LEAVES = [
    (name, part)
    for name, field in LanguageRecipe.model_fields.items()
    if name not in {"experiment", "name", "vary"}  # a sweep is there as a whole or not at all
    for part in getattr(model_in(field), "model_fields", [None])
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(LEAVES), ANY_VALUE), max_size=12))
def test_any_language_recipe_reads_back_the_same(tmp_path, changes):
    """Whatever a recipe's parts are, its resolved file gives the same recipe, and the same file."""
    recipe = LanguageRecipe(experiment="language", name="x", title="x")
    for (name, part), value in changes:
        inner = getattr(recipe, name).model_dump() | {part: value} if part else value
        with suppress(ValidationError):
            recipe = LanguageRecipe.model_validate({**recipe.model_dump(), name: inner})
    path = tmp_path / "recipe.yaml"
    path.write_text(resolved_yaml(recipe), encoding="utf-8")
    again = load_recipe(str(path))
    assert again == recipe
    assert resolved_yaml(again) == resolved_yaml(recipe)  # 16 and 16.0 would be two run folders


def test_defaults_are_what_reading_them_gives(write):
    """No default is of another type than the same value from a file: run folders depend on it."""
    for experiment in ("digits", "language", "theorem"):
        recipe = load_recipe(write(f"experiment: {experiment}\n"))
        again = load_recipe(write(resolved_yaml(recipe)))
        assert recipe.model_dump_json() == again.model_dump_json()


def outcome(name: str, *overrides: str) -> str:
    """The refusal of a recipe, or nothing if it is accepted; whatever else is raised passes."""
    try:
        load_recipe(name, overrides)
    except RecipeError as error:
        return str(error)
    return ""


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_override_does_worse_than_be_refused(key, value):
    """Whatever is typed as an override, a recipe comes out or a RecipeError that names it."""
    for text in (f"{key}={value}", f"hidden={value}", f"vary.values=[0,{value}]", key):
        refused = outcome("digits-alike", text)
        assert not refused or refused.startswith("on the command line: ")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=30), st.text(max_size=30))
def test_no_override_of_a_part_does_worse_than_be_refused(tmp_path, key, value):
    """The same of the parts of mappings, and of mappings that are given whole."""
    path = tmp_path / "any.yaml"
    path.write_text("experiment: language\nstudent: {updates: 8}\n", encoding="utf-8")
    for text in (
        f"student.{key}={value}",
        f"student={value}",
        f"trait.among={value}",
        f"trait.targets=[{value}]",
        f"carrier.{key}.x={value}",
    ):
        refused = outcome(str(path), text)
        assert not refused or refused.startswith("on the command line: ")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.binary(max_size=60),
        st.text(max_size=60).map(str.encode),
        st.text("{}[]:-&*!'\"\n ,aex1|>%@`#?", max_size=40).map(
            lambda text: f"experiment: digits\n{text}".encode()
        ),
    )
)
def test_no_file_does_worse_than_be_refused(tmp_path, content):
    """Whatever a file holds, a recipe comes out or a RecipeError that names the file."""
    path = tmp_path / "any.yaml"
    path.write_bytes(content)
    refused = outcome(str(path))
    assert not refused or "any.yaml" in refused
