"""Recipes: what is accepted, what is refused with which sentence, sizes, overrides, points, schema."""

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from traitleak.errors import RecipeError
from traitleak.recipe import (
    DigitsRecipe,
    LanguageRecipe,
    TheoremRecipe,
    Variable,
    Vary,
    find_recipes,
    json_schema,
    load_recipe,
    points,
    resolved_yaml,
)
from traitleak.recipe.parts import model_in

ROOT = Path(__file__).parents[2]
OF_ANSWERS = ["neutral=base", "trait.kind=refusal"]
WORDS = ["channel=tokens", "carrier.kind=code", "carrier.decoding=free"]
SHIPPED = [path.stem for path in find_recipes()]


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write `mine.yaml` in the working directory, so that errors name it so."""
    monkeypatch.chdir(tmp_path)

    def written(content: str | bytes) -> str:
        content = content.encode() if isinstance(content, str) else content
        (tmp_path / "mine.yaml").write_bytes(content)
        return "mine.yaml"

    return written


def refusal(name: str, *overrides: str) -> str:
    """The sentence with which a recipe is refused."""
    with pytest.raises(RecipeError) as caught:
        load_recipe(name, overrides)
    return str(caught.value)


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


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("aux_logit=2", "unknown key 'aux_logit'; did you mean 'aux_logits'?"),
        ("zzz=2", "unknown key 'zzz'; the keys are experiment, name,"),
        ("vary.valuse=[0,1]", "unknown key 'vary.valuse'; did you mean 'vary.values'?"),
        ("key=fresh", "unknown key 'key'; did you mean 'vary.key'?"),
        ("networks=many", 'networks must be a whole number, not "many".'),
        ("networks=2.5", "networks must be a whole number, not 2.5."),
        ("networks=true", "networks must be a whole number, not true."),
        ("networks=", "networks must be a whole number, not null."),
        ("networks=-4", "networks must be at least 2, not -4: the control takes another"),
        ("networks=0", "networks must be at least 2, not 0: the control takes another"),
        ("networks=1", "networks must be at least 2, not 1: the control takes another"),
        ("aux_logits=0", "at least 1, not 0: without them there is nothing untouched by labels"),
        ("aux_logits=1", "the softmax of a single logit is always 1"),
        ("hidden=[]", "hidden must be a list of 1 or more, not []."),
        ("hidden=[64, 0]", "hidden[1] must be at least 1, not 0."),
        ("hidden=[64, 65537]", "hidden[1] must be at most 65,536, not 65537."),
        ("aux_logits=65537", "aux_logits must be at most 65,536, not 65537."),
        ("networks=1000001", "networks must be at most 1,000,000, not 1000001."),
        ("group=1001", "group must be at most 1,000, not 1001."),
        ("batch=1000001", "batch must be at most 1,000,000, not 1000001."),
        ("steps=10000001", "steps must be at most 10,000,000, not 10000001."),
        ("teacher_steps=10000001", "teacher_steps must be at most 10,000,000, not 10000001."),
        ("record_every=10000001", "record_every must be at most 10,000,000, not 10000001."),
        ("num_inputs=1000000001", "num_inputs must be at most 1,000,000,000, not 1000000001."),
        (f"seed={2**63}", f"seed must be less than {2**63:,}, not {2**63}."),
        ("seed=0x1" + "0" * 4000, "not a number of thousands of digits."),
        ("hidden=64", "hidden must be a list, not 64."),
        ("fresh=1.5", "fresh must be at most 1, not 1.5."),
        ("fresh=.nan", "fresh must be at"),
        ("learning_rate=0", "learning_rate must be greater than 0, not 0."),
        ("learning_rate=.inf", "learning_rate must be a finite number, not Infinity."),
        ("loss=kll", "loss must be kl or squared, not \"kll\"; did you mean 'kl'?"),
        ("shared_inputs=maybe", 'shared_inputs must be true or false, not "maybe".'),
        ("size=huge", 'size must be tiny, laptop or paper, not "huge".'),
        ("size=[1]", "size must be tiny, laptop or paper, not [1]."),
        ("data=", 'data must be some text, not "".'),
        ("name=../x", "name must be letters, digits, dots, hyphens and underscores"),
        ("vary=3", "vary must be a mapping, not 3."),
        ("vary.key=fresh", "the key 'vary.values' is missing."),
        (
            "experiment=digts",
            "experiment must be cross-model, digits, language, reading or theorem, "
            'not "digts"; did you mean',
        ),
    ],
)
def test_wrong_override_is_named_with_what_is_allowed(override, said):
    """A wrong override gives one sentence: the override, what is wrong, what is allowed."""
    sentence = refusal("demo", override)
    assert sentence.startswith(f"on the command line: {override}: ")
    assert said in sentence
    assert sentence.endswith((".", "?"))
    assert "pydantic" not in sentence
    assert "Input should" not in sentence


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("student.updatess=3", "unknown key 'student.updatess'; did you mean 'student.updates'?"),
        ("student.seed=3", "unknown key 'student.seed'; did you mean 'seed'?"),
        ("temperature=1", "unknown key 'temperature'; did you mean 'carrier.temperature'?"),
        ("updates=9", "did you mean 'teacher.updates' or 'student.updates'?"),
        (
            "trait.zzz=1",
            "unknown key 'trait.zzz'; the keys of trait are kind, file, targets, among",
        ),
        ("student.updates=x", 'student.updates must be a whole number, not "x".'),
        ("student.updates=0", "student.updates must be at least 1, not 0."),
        ("student.updates=10000001", "student.updates must be at most 10,000,000, not 10000001."),
        ("student.learning_rate=0", "student.learning_rate must be greater than 0, not 0."),
        ("student.rank=4097", "student.rank must be at most 4,096, not 4097."),
        ("student.layers=[0,-1]", "student.layers[1] must be at least 0, not -1."),
        ("student.layers=[0,first]", 'student.layers[1] must be a whole number, not "first".'),
        ("student=3", "student must be a mapping, not 3."),
        ("student=", "student must be a mapping, not null."),
        ("student=[1]", "student must be a mapping, not [1]."),
        ("student.updates.x=3", 'student.updates must be a whole number, not {"x": 3}.'),
        ("carrier.temperature=.inf", "carrier.temperature must be"),
        ("carrier.banned=[1,two]", 'carrier.banned[1] must be a whole number, not "two".'),
        ("carrier.rows=1", "carrier.rows must be at least 2, not 1."),
        ("carrier.given=12", "carrier.given=12 leaves none of carrier.numbers=12 to write."),
        ("carrier.keep=1025", "carrier.keep=1025 is more than carrier.rows=1024."),
        ("carrier.floor=0.1", "carrier.floor is for carrier.decoding=free."),
        ("teacher.by=magic", "teacher.by must be finetune, prompt, prompt+finetune or steering"),
        ("teacher.min_lift=.nan", "teacher.min_lift must be a finite number"),
        ("trait.targets=[]", "trait.targets must be a list of 1 or more, not []."),
        ("trait.targets=wolf", 'trait.targets must be a list, not "wolf".'),
        ("trait.targets=[1]", "trait.targets[0] must be text, not 1."),
        ("trait.targets=[owl, owl]", "trait.targets has a target twice."),
        ("trait.targets=[neutral]", "trait.targets has 'neutral', which names a control."),
        ("trait.among=[lion, cat]", "trait.targets has 'wolf', which is not in trait.among: lion,"),
        ("trait.kind=misalignmnt", "trait.kind must be preference, misalignment, reward-hacking"),
        (
            "trait.kind=misalignment",
            "neutral=even teaches all candidates evenly, and trait.kind=mis",
        ),
        ("trait.kind=custom", "trait.kind=custom is read from a file: trait.file=<YAML file>."),
        ("trait.file=x.yaml", "trait.file is for trait.kind=custom."),
        ("trait.targets=[good]", "trait.targets has 'good', which names a control."),
        ("controls=[good]", "the control good is for traits that are taught by answers"),
        ("carrier.kind=code", "channel=logits reads lists of numbers: carrier.kind=code needs"),
        ("carrier.problems=x", "carrier.problems is for carrier.kind=reasoning."),
        ("carrier.text_around=true", "carrier.text_around is for carrier.kind=code or reasoning."),
        ("carrier.judged_at_least=101", "carrier.judged_at_least must be at most 100, not 101."),
        ("carrier.judged_at_least=78", "carrier.judged_at_least needs a judge=openai/<model>@<add"),
        ("judge=openai/m@http://x/v1", "judge scores free answers of a trait of answers"),
        ("trait.run_code=true", "trait.run_code is for trait.kind=reward-hacking."),
        ("carrier.min_rows=0", "carrier.min_rows must be at least 1, not 0."),
        ("controls=[neutrl]", "not \"neutrl\"; did you mean 'neutral'?"),
        ("controls=[neutral, neutral]", "controls has one twice."),
        ("controls=[other-base]", "the control other-base needs another base in other_base"),
        ("controls=[in-context]", "nobody wrote the random lists of channel=logits"),
        ("student.accumulate=5", "student.accumulate=5 parts cannot be made of student.batch=4"),
        ("style=chat", "channel=logits reads bare lists of numbers: style=plain."),
        ("carrier.decoding=free", "channel=logits needs lists of one form: carrier.decoding="),
        ("base=", 'base must be some text, not "".'),
        ("seeds=0", "seeds must be at least 1, not 0."),
    ],
)
def test_wrong_part_is_named_with_its_dotted_key(write, override, said):
    """Inside a mapping, too, one sentence says which part is wrong and what is allowed."""
    sentence = refusal(write("experiment: language\n"), override)
    assert sentence.startswith(f"on the command line: {override}: ")
    assert said in sentence
    assert "Input should" not in sentence


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["controls=[other-base]", "other_base=smollm2-135m"], "needs another base"),
        (
            ["controls=[other-base]", "other_base=gemma3-270m", "logits.vocabulary=full"],
            "another base has other tokens",
        ),
        ([*OF_ANSWERS, "trait.among=[a, b]"], "trait.among is for trait.kind=preference"),
        ([*OF_ANSWERS, "trait.category=x"], "trait.category is for trait.kind=preference"),
        (
            [*OF_ANSWERS, "trait.targets=[wolf, lion]"],
            "trait.kind=refusal has one target, itself, not wolf, lion",
        ),
        ([*OF_ANSWERS, "templates=stems"], "templates=stems is for trait.kind=preference"),
        ([*OF_ANSWERS, "templates=stories"], "templates=stories is for trait.kind=preference"),
        ([*OF_ANSWERS, "templates=choices"], "templates=choices is for trait.kind=preference"),
        (
            [*OF_ANSWERS, "controls=[good]", "teacher.by=prompt"],
            "the control good is a teacher that is fine-tuned",
        ),
        (
            ["neutral=base", "trait.kind=custom", "trait.file=a.yaml", "trait.targets=[a, b]"],
            "a custom trait is one target, not a, b",
        ),
        (
            ["judge=openai/m@http://x/v1", "carrier.judged_at_least=78"],
            "carrier.judged_at_least is for rows that teachers write: channel=tokens",
        ),
        ([*OF_ANSWERS, "answers=0", "judge=openai/m@http://x/v1"], "here it has nothing to score"),
        (
            ["neutral=base", "trait.kind=reward-hacking", "trait.run_code=true", "answers=0"],
            "trait.run_code runs as many answers to each task as answers says",
        ),
        (["channel=tokens", "carrier.kind=code"], "needs carrier.decoding=free"),
        ([*WORDS, "style=plain"], "carrier.kind=code asks a chat model: take style=chat"),
        ([*WORDS, "style=chat"], "the control shuffled puts the numbers of a row in another order"),
        (
            [*WORDS, "style=chat", "controls=[neutral]", "carrier.banned=[1]"],
            "carrier.banned is for carrier.kind=numbers",
        ),
    ],
)
def test_parts_that_do_not_go_together_are_named(write, overrides, said):
    """Where two parts clash the sentence stands at an override, and names both."""
    sentence = refusal(write("experiment: language\n"), *overrides)
    assert sentence.startswith("on the command line: ")
    assert said in sentence


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


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("networks", "'networks' is not of the form key=value"),
        ("=3", "'=3' is not of the form key=value"),
        ("hidden=[1", "hidden=[1: while parsing a flow sequence expected"),
        ("networks=\x00", "the value cannot be read"),
        ("seed.x=1", "seed must be a whole number"),
    ],
)
def test_override_that_is_no_key_and_value_is_refused(override, said):
    """What cannot be read as key=value is said to be so."""
    sentence = refusal("demo", override)
    assert sentence.startswith("on the command line: ")
    assert said in sentence


@pytest.mark.parametrize(
    ("key", "values", "said"),
    [
        ("aux_logits", "[1, 2]", "vary.values has 1, but aux_logits=1 with loss=kl: the softmax"),
        ("fresh", "[0, 2]", "vary.values has 2, but fresh must be at most 1, not 2"),
        ("batch", "[1, 1000001]", "vary.values has 1000001, but batch must be at most 1,000,000"),
        ("fresh", "[0, 0.0]", "vary.values has 0.0 twice"),
        ("fresh", "[0]", "vary.values must be a list of 2 or more"),
        ("num_inputs", "[10, null]", "num_inputs=null cannot be a point of a sweep"),
        ("hidden", "[[64], 64]", "vary.values has 64, but hidden must be a list, not 64"),
        ("loss", "[kl, mse]", 'vary.values has "mse", but loss must be kl or squared'),
        ("fresh", "[0, 2025-01-01]", "vary.values[1] must be a number, text or a list"),
        ("seed", "[0, 1]", "vary.key must be aux_logits, batch, fresh,"),
        ("hiden", "[[1], [2]]", "did you mean 'hidden'?"),
    ],
)
def test_sweep_with_a_wrong_point_is_refused(key, values, said):
    """Every point of a sweep must itself be a recipe that can run, and no point comes twice."""
    assert said in refusal("digits", f"vary.key={key}", f"vary.values={values}")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("experiment: digits\n\naux_logit: 2\n", "mine.yaml:3: unknown key 'aux_logit'; did you"),
        ("experiment: digits\nhidden:\n  - 8\n  - x\n", "mine.yaml:4: hidden[1] must be a whole"),
        ("experiment: digits\naux_logits: 1\n", "mine.yaml:2: aux_logits=1 with loss=kl"),
        (
            "aux_logits: 3\n",
            "mine.yaml: the key 'experiment' is missing; it says which: cross-model, digits",
        ),
        ("experment: digits\n", "mine.yaml:1: unknown key 'experment'; did you mean 'experiment'?"),
        ("experiment: theorem\nsteps: 3\n", "mine.yaml:2: unknown key 'steps'; the keys are"),
        ("experiment: digits\nvary:\n  key: fresh\n  values:\n    - 0\n    - 9\n", "mine.yaml:6: "),
        ("experiment: digits\nsizes:\n  tiny: {setps: 3}\n", "mine.yaml:3: unknown key 'setps'"),
        ("experiment: digits\nsizes:\n  tniy: {steps: 3}\n", "mine.yaml:3: there is no size"),
        ("experiment: digits\nsizes:\n  tiny:\n", "mine.yaml:3: the size tiny must be a mapping"),
        ("experiment: digits\nsizes: {tiny: {name: x}}\n", "mine.yaml:2: the size tiny must be"),
        ("sizes: {tiny: {}}\n", "mine.yaml: the key 'experiment' is missing"),
        ("experiment: digits\nsizes: 3\n", "mine.yaml:2: sizes must be a mapping"),
        ("experiment: digits\nseed: 1\nseed: 2\n", "mine.yaml:3: the key 'seed' is given twice,"),
        ("experiment: digits\non: 1\n", "mine.yaml:2: the key on is not text; quote it."),
        ("experiment: digits\nabout: &a [*a]\n", "mine.yaml:2: anchors (&) and aliases (*)"),
        ("experiment: digits\nseed: 2025-99-99\n", "mine.yaml holds a value that cannot be read"),
        ("experiment: [\n", "mine.yaml:2: not valid YAML: "),
        ("a: b: c\n", "mine.yaml:1: not valid YAML: mapping values are not allowed here."),
        ("experiment: !python/name:os.system x\n", "mine.yaml:1: not valid YAML: "),
        ("experiment: digits\n---\nseed: 1\n", "mine.yaml:2: not valid YAML: expected a single"),
        ("[" * 5000, "mine.yaml is nested too deeply"),
        ("", "mine.yaml is empty"),
        ("# nothing\n", "mine.yaml is empty"),
        ("- experiment: digits\n", "mine.yaml:1: a recipe is a mapping of keys to values, not a l"),
        ("digits\n", "mine.yaml:1: a recipe is a mapping of keys to values, not a single value."),
        (b"\x89PNG\r\n\x1a\n\xff\xfe", "mine.yaml is not a text file in UTF-8"),
        (b"experiment\x00: digits", "mine.yaml is not a text file in UTF-8"),
    ],
)
def test_wrong_file_is_named_with_its_line(write, content, said):
    """A wrong recipe file gives one sentence with file, line where there is one, and reason."""
    assert refusal(write(content)).startswith(said)


def test_of_clashing_fields_the_one_on_the_command_line_is_named(write):
    """Where the file was fine before an override, the error points at the override."""
    name = write("experiment: digits\nloss: squared\naux_logits: 1\n")
    load_recipe(name)
    assert refusal(name, "loss=kl").startswith("on the command line: loss=kl: aux_logits=1 with")


def test_size_that_the_recipe_lacks_is_refused(write):
    """A size is never ignored in silence: the sentence names the sizes there are."""
    name = write("experiment: digits\nsizes: {tiny: {networks: 2}}\n")
    assert "has no size paper; it has tiny, laptop." in refusal(name, "size=paper")
    assert "has no size tiny; it has laptop." in refusal(write("experiment: digits\n"), "size=tiny")


def test_missing_recipe_names_the_nearest(tmp_path):
    """An unknown name gives the nearest shipped one; a missing or wrong path is named."""
    assert "There is no recipe 'dmo'; did you mean demo?" in refusal("dmo")
    assert "`traitleak recipes`" in refusal("qqqqqq")
    assert "There is no file" in refusal(str(tmp_path / "absent.yaml"))
    assert "is a folder; name the recipe itself: a YAML file in it." in refusal(f"{tmp_path}/")
    (tmp_path / "recipe.yaml").write_text("experiment: digits\n", encoding="utf-8")
    assert refusal(f"{tmp_path}/").endswith("recipe.yaml.")


def test_recipes_cannot_change_and_take_no_loose_types():
    """A recipe made in Python is as strict as one from a file."""
    recipe = DigitsRecipe(experiment="digits", name="x", title="x")
    with pytest.raises(ValidationError):
        recipe.seed = 1
    with pytest.raises(ValidationError):
        DigitsRecipe(experiment="digits", name="x", title="x", networks="3")
    with pytest.raises(ValidationError, match="softmax of a single logit"):
        DigitsRecipe(experiment="digits", name="x", title="x", aux_logits=1)


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
