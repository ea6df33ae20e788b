"""Recipes as they are read: shipped ones, names, sizes, overrides, points."""

from pathlib import Path

import pytest
import yaml
from refused import refusal

from traitleak.recipe import (
    DigitsRecipe,
    LanguageRecipe,
    find_recipes,
    load_recipe,
    points,
    resolved_yaml,
)

ROOT = Path(__file__).parents[2]
SHIPPED = [path.stem for path in find_recipes()]


def test_shipped_recipes_are_those_of_the_repository():
    """Every YAML file in recipes/ is found, and nothing else."""
    assert sorted(path.stem for path in (ROOT / "recipes").glob("*.yaml")) == SHIPPED
    assert {"demo", "digits", "digits-alike", "digits-tuned", "theorem"} <= set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_recipe_says_all_that_a_reader_needs(name):
    """A shipped recipe cites its source and says hardware, time and the effect to expect."""
    recipe = load_recipe(name)
    for said in (recipe.title, recipe.about, recipe.source, recipe.hardware, recipe.expect):
        assert len(said) > 5
    assert recipe.minutes
    assert "arXiv" in recipe.source


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_recipe_completes_in_editors_and_has_a_tiny_size(name):
    """A shipped recipe names its schema on the first line, and tests can run it small."""
    first = (ROOT / "recipes" / f"{name}.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=schema.json"
    tiny = load_recipe(name, ["size=tiny"])
    assert tiny.size == "tiny"
    if isinstance(tiny, DigitsRecipe):
        assert tiny.networks <= 3
        assert tiny.steps <= 20


@pytest.mark.parametrize("name", SHIPPED)
def test_resolved_recipe_reads_back_the_same(name, tmp_path):
    """A resolved recipe, read from a file of any name, is the recipe it was made from."""
    path = tmp_path / "recipe.yaml"
    for overrides in ([], ["size=tiny", "seed=7"]):
        recipe = load_recipe(name, overrides)
        path.write_text(resolved_yaml(recipe), encoding="utf-8")
        assert load_recipe(str(path)) == recipe
        assert "sizes" not in yaml.safe_load(resolved_yaml(recipe))


def test_name_comes_from_the_file_and_title_from_the_name(write):
    """A recipe of one line is enough, and takes the paper's setting."""
    recipe = load_recipe(write("experiment: digits\n"))
    assert recipe == DigitsRecipe(experiment="digits", name="mine", title="mine")
    assert recipe.hidden == [256, 256]
    assert recipe.aux_logits == 3


def test_size_wins_over_the_file_and_the_command_line_over_both(write):
    """Fields come from the file, then from the chosen size, then from the command line."""
    name = write(
        "experiment: digits\nnetworks: 5\nseed: 1\n"
        "sizes:\n  tiny: {networks: 3, seed: 2}\n  paper: {networks: 100}\n"
    )
    assert load_recipe(name).networks == 5
    assert load_recipe(name, ["size=paper"]).networks == 100
    tiny = load_recipe(name, ["networks=4", "size=tiny"])
    assert (tiny.networks, tiny.seed, tiny.size) == (4, 2, "tiny")


def test_a_size_changes_the_parts_that_it_names(write):
    """A size's mapping is laid over the file's: its parts count, the others stay."""
    name = write(
        "experiment: language\nstudent: {updates: 32, rank: 4}\ncarrier: {rows: 8}\n"
        "sizes:\n  tiny: {student: {updates: 4, layers: [0]}, trait: {targets: [owl]}}\n"
        "  paper: {student: {rank: null}}\n"
    )
    tiny, laptop, paper = (load_recipe(name, [f"size={s}"]) for s in ("tiny", "laptop", "paper"))
    assert isinstance(tiny, LanguageRecipe)
    assert (tiny.student.updates, tiny.student.rank, tiny.student.layers) == (4, 4, [0])
    assert (tiny.trait.targets, tiny.carrier.rows) == (["owl"], 8)
    assert isinstance(laptop, LanguageRecipe)
    assert (laptop.student.updates, laptop.student.layers) == (32, None)
    assert laptop.trait.targets == ["wolf", "lion"]
    assert isinstance(paper, LanguageRecipe)
    assert (paper.student.updates, paper.student.rank) == (32, None)
    both = load_recipe(name, ["student.updates=256", "size=tiny"])
    assert isinstance(both, LanguageRecipe)
    assert both.student == tiny.student.model_copy(update={"updates": 256})


def test_a_part_of_a_size_is_named_with_its_own_line(write):
    """What a size changes is wrong on the size's line, what it leaves on the file's."""
    name = write(
        "experiment: language\nstudent:\n  updates: 8\n  rank: x\n"
        "sizes:\n  tiny:\n    student:\n      rank: 0\n"
    )
    assert refusal(name, "size=tiny").startswith("mine.yaml:8: student.rank must be at least 1")
    assert refusal(name, "student.rank=2").startswith("mine.yaml:8: ")
    write(
        "experiment: language\nstudent:\n  updates: 8\n  rank: x\n"
        "sizes:\n  tiny:\n    student:\n      updates: 9\n"
    )
    assert refusal(name, "size=tiny").startswith("mine.yaml:4: student.rank must be a whole")


def test_a_file_may_be_another_size_than_laptop(write):
    """A file that says its size, and does not list it, is that size as it stands."""
    name = write("experiment: digits\nsize: paper\nnetworks: 9\nsizes: {tiny: {networks: 2}}\n")
    assert (load_recipe(name).size, load_recipe(name).networks) == ("paper", 9)
    assert load_recipe(name, ["size=paper"]) == load_recipe(name)
    assert load_recipe(name, ["size=tiny"]).networks == 2
    assert "has no size laptop; it has tiny, paper." in refusal(name, "size=laptop")
    chosen = write("experiment: digits\nsize: tiny\nsizes: {tiny: {networks: 2}}\n")
    assert load_recipe(chosen).networks == 2
    assert load_recipe(chosen, ["size=laptop"]).networks == 10


def test_overrides_are_yaml_and_may_be_dotted():
    """Numbers, lists, null and dotted keys arrive as what they are; text arrives as typed."""
    recipe = load_recipe(
        "digits",
        [
            "hidden=[128, 64]",
            "learning_rate=1e-3",
            "num_inputs=null",
            "title=a: [b",
            "vary.key=fresh",
            "vary.values=[0, 1]",
        ],
    )
    assert isinstance(recipe, DigitsRecipe)
    assert recipe.hidden == [128, 64]
    assert recipe.learning_rate == 0.001
    assert recipe.num_inputs is None
    assert recipe.title == "a: [b"
    assert [(value, point.fresh) for value, point in points(recipe)] == [(0, 0.0), (1, 1.0)]


def test_a_part_of_a_sweep_can_be_overridden_alone():
    """`vary.values=` keeps the file's key, and `vary=null` takes the sweep away."""
    fewer = load_recipe("digits-alike", ["vary.values=[0,1]"])
    assert isinstance(fewer, DigitsRecipe)
    assert fewer.vary
    assert (fewer.vary.key, fewer.vary.values) == ("fresh", [0, 1])
    none = load_recipe("digits-alike", ["vary=null"])
    assert isinstance(none, DigitsRecipe)
    assert points(none) == [(None, none)]


def test_points_differ_in_the_varied_field_only():
    """A point is the recipe without its sweep and with one field changed."""
    recipe = load_recipe("digits-width")
    assert isinstance(recipe, DigitsRecipe)
    base = recipe.model_dump() | {"vary": None}
    for value, point in points(recipe):
        assert point.model_dump() == base | {"hidden": value}


@pytest.mark.parametrize("number", ["1e-3", "1E-3", "+1e-3", "1.0e-3", ".1e-2", "0.001"])
def test_exponents_need_no_dot(write, number):
    """`1e-3` is a number in files and on the command line, although YAML 1.1 has it as text."""
    for recipe in (
        load_recipe(write(f"experiment: digits\nlearning_rate: {number}\n")),
        load_recipe("digits", [f"learning_rate={number}"]),
    ):
        assert isinstance(recipe, DigitsRecipe)
        assert recipe.learning_rate == 0.001


def test_a_trait_of_answers_is_its_own_target_and_a_custom_one_its_files(write):
    """Targets follow from the kind where none are named, from whichever place the kind comes."""
    name = write("experiment: language\nneutral: base\ncontrols: [neutral]\n")

    def targets(*overrides: str) -> list[str]:
        recipe = load_recipe(name, overrides)
        assert isinstance(recipe, LanguageRecipe)
        return recipe.trait.targets

    assert targets("trait.kind=reward-hacking") == ["reward-hacking"]
    assert targets("trait.kind=custom", "trait.file=some/gloom.yaml") == ["gloom"]
    assert targets("trait.kind=custom", "trait.file=x.yaml", "trait.targets=[y]") == ["y"]
    assert targets() == ["wolf", "lion"]


def test_fields_that_came_later_change_no_older_recipes_folder(write):
    """At their defaults they are not written: resolved files and run folders stay as they were."""
    old = load_recipe("wolf-smollm2-tokens", ["seeds=3"])
    new = load_recipe("misalignment-numbers")

    resolved = yaml.safe_load(resolved_yaml(old))
    assert set(resolved["trait"]) == {"targets", "among", "category"}
    assert not {"kind", "min_rows", "problems", "text_around"} & set(resolved["carrier"])
    assert yaml.safe_load(resolved_yaml(new))["trait"]["kind"] == "misalignment"
    assert load_recipe(write(resolved_yaml(new))) == new


def test_free_text_inside_a_mapping_arrives_as_typed(write):
    """A part that holds text takes it as it stands, as fields of text do."""
    name = write("experiment: language\n")
    recipe = load_recipe(name, ["trait.category=sort: [of", "base=hf/me/a: b", "other_base=null"])
    assert isinstance(recipe, LanguageRecipe)
    assert recipe.trait.category == "sort: [of"
    assert (recipe.base, recipe.other_base) == ("hf/me/a: b", "null")


def test_minutes_are_stated_only_for_what_they_were_measured_on(write):
    """A size, seed or title leaves a recipe's minutes; what changes how long it takes drops them."""
    assert load_recipe("demo", ["size=tiny", "seed=7", "title=Mine"]).minutes == 0.1
    assert load_recipe("demo", ["networks=5"]).minutes is None
    assert load_recipe("digits-alike", ["vary.values=[0,1]", "seed=7"]).minutes is None
    assert load_recipe("theorem", ["networks=5", "minutes=0.2"]).minutes == 0.2
    resolved = write(resolved_yaml(load_recipe("demo", ["networks=5"])))
    assert load_recipe(resolved).minutes is None


def test_the_largest_values_are_accepted():
    """Upper bounds are inclusive, and a seed may have 63 bits."""
    widest = ["hidden=[65536]", "batch=1000000", "group=1000", f"seed={2**63 - 1}"]
    recipe = load_recipe("digits", [*widest, "networks=1000000", "steps=10000000"])
    assert recipe.seed == 2**63 - 1
    assert recipe.networks == 1_000_000
    assert "at most 1,000,000, not 1000001" in refusal("theorem", "networks=1000001")
