"""What is refused in a recipe, and with which sentence."""

import pytest
from pydantic import ValidationError
from refused import refusal

from traitleak.recipe import (
    DigitsRecipe,
    load_recipe,
)

OF_ANSWERS = ["neutral=base", "trait.kind=refusal"]
WORDS = ["channel=tokens", "carrier.kind=code", "carrier.decoding=free"]


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
