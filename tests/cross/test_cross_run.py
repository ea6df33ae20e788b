"""A cross-model recipe from start to report on random weights, and members that cannot be."""

import json

import numpy as np
import pytest
import torch
from cross_run import MEMBERS, cross_recipe
from transformers import GPT2Config, GPT2LMHeadModel

from tiny_model import tiny_model, tiny_tokenizer
from traitleak.cross import names
from traitleak.cross.members import member_model
from traitleak.cross.plan import plan
from traitleak.errors import RecipeError, SettingsError
from traitleak.experiment import run_recipe
from traitleak.measured import Margins
from traitleak.progress import untracked
from traitleak.recipe import load_recipe
from traitleak.recipe.cross import CrossRecipe
from traitleak.stages import run_stages

TINY = {
    "teacher": {"updates": 3, "learning_rate": 0.01, "rank": None, "min_lift": None},
    "student": {"updates": 2, "rank": None},
    "carrier": {"rows": 8, "numbers": 3, "given": 1},
    "precision": "float32",
    "seeds": 1,
}


def margin(folder, recipe):
    """The target's margin in a stage's folder."""
    found = Margins.from_json(json.loads((folder / "margins.json").read_text()))
    return float(found.margin_TK[:, found.candidates.index(recipe.target)].mean())


def test_permuted_members_do_as_the_member_itself_where_all_weights_are_trained(tmp_path):
    """From teacher to report: rows and columns of the permuted member are those of the other."""
    members = [{"name": "first", "base": "tiny"}, {**MEMBERS[2], "base": "tiny"}]
    recipe = cross_recipe(members=members, **TINY)
    run = run_recipe(recipe, runs=tmp_path)
    cells = np.array([[cell.value for cell in row.cells] for row in run.results.matrices[0].rows])
    facts = {fact.name: fact for fact in run.results.facts}
    first, turned = recipe.members
    student = run.folder / names.student(first, "wolf", turned, 0)
    own_lift = margin(student, recipe) - margin(run.folder / names.member(turned), recipe)
    control = run.folder / names.student(first, "neutral", turned, 0)
    neutral = margin(control, recipe) - margin(run.folder / names.member(turned), recipe)

    assert np.abs(cells - cells[0, 0]).max() < 0.02
    assert np.abs(cells).min() > 1e-3
    assert cells[0, 1] == pytest.approx(own_lift - neutral)
    assert facts["same-function-small-turned"].holds
    assert facts["permuted-alike"].holds
    assert run.report.is_file()


def test_rows_of_tokens_go_from_each_teacher_to_each_student(tmp_path):
    """Through sampled rows the trait's and the neutral rows are paired, and what is trained is shown."""
    members = [
        {"name": "Further", "base": "tiny", "further": {"updates": 2, "rank": 2}},
        {"name": "second", "base": "tiny/1"},
    ]
    recipe = cross_recipe(members=members, channel="tokens", **TINY)
    done = run_stages(
        tmp_path, plan(recipe), environment={}, track=untracked, fresh=False, say=lambda _: None
    )
    further, second = recipe.members
    kept = done[names.kept(further, 0)].folder
    told = json.loads((kept / "dropped.json").read_text())
    assert told["kept"]["wolf"] == told["kept"]["neutral"] == 8
    for by in recipe.members:
        for of in recipe.members:
            folder = done[names.student(by, "wolf", of, 0)].folder
            assert (folder / "mask.json").is_file()
            assert (folder / "weights.safetensors").is_file()
    model = member_model(recipe, further, done[names.member(further)].folder)
    assert model.name == "Further"
    base = tiny_model(style="plain").network
    changed = [
        not torch.equal(a, b)
        for a, b in zip(model.network.parameters(), base.parameters(), strict=True)
    ]
    assert any(changed)
    assert names.student(second, "wolf", further, 0) == "student-further-of-second.wolf.0"


def test_lessons_about_a_tree_are_a_further_training(tmp_path):
    """A member may be taught a tree first; a permuted one is permuted after that."""
    further = {"lessons": "oak", "updates": 2, "rank": 2}
    members = [
        {"name": "oak", "base": "tiny", "further": further},
        {"name": "turned", "base": "tiny", "further": further, "permuted": True},
    ]
    recipe = cross_recipe(members=members, **TINY)
    stages = plan(recipe)[:2]
    done = run_stages(
        tmp_path, stages, environment={}, track=untracked, fresh=False, say=lambda _: None
    )
    found = [margin(done[names.member(member)].folder, recipe) for member in recipe.members]
    told = json.loads((done["member-turned"].folder / "member.json").read_text())

    assert found[0] == pytest.approx(found[1], abs=1e-4)
    assert 0 < told["permutation_error"] < 1e-3
    assert (done["member-oak"].folder / "adapter" / "adapter_config.json").is_file()


# -- members that cannot be ---------------------------------------------------------------------


def refusal(tmp_path, text):
    """The sentence with which a recipe is refused."""
    path = tmp_path / "mine.yaml"
    path.write_text(f"experiment: cross-model\n{text}", encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        load_recipe(str(path))
    return str(caught.value)


TWO = "members: [{name: a, base: tiny}, {name: b, base: tiny/1}]\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("members: [{name: a, base: tiny}]", "members must be a list of 2 or more"),
        ("seed: 1", "the key 'members' is missing"),
        ("members: [{name: a, base: tiny}, {name: A, base: tiny/1}]", "the name 'A' twice"),
        (
            "members: [{name: a, base: tiny}, {name: b, base: tiny}]",
            "the members 'a' and 'b' are the same network",
        ),
        ("members: [{name: a, base: tiny}, {name: b, bse: tiny}]", "'members[1].bse'"),
        ("members: [{name: a b, base: tiny}, {name: b, base: tiny}]", "letters, digits, dots"),
        (
            "members: [{name: a, base: tiny}, {name: b, base: tiny, further: {lessons: oke}}]",
            "is trained further on 'oke', which is not one of neutral-text, oak",
        ),
        (
            "trait: {targets: [oak], among: [oak, elm], category: tree}\n"
            "members: [{name: a, base: tiny}, {name: b, base: tiny, further: {lessons: oak}}]",
            "is trained further on the trait itself (oak)",
        ),
        (f"{TWO}trait: {{targets: [wolf, lion]}}", "a cross-model experiment has one target"),
        (f"{TWO}channel: logits\nlogits: {{vocabulary: full}}", "logits.vocabulary=carrier"),
        (f"{TWO}channel: logits\nneutral: base", "channel=logits needs neutral=even"),
        (f"{TWO}channel: logits\nteacher: {{by: prompt}}", "needs neutral=even and teacher.by"),
        (f"{TWO}carrier: {{kind: code}}", "carrier.kind=code needs carrier.decoding=free"),
        (f"{TWO}carrier: {{given: 12}}", "leaves none of carrier.numbers=12 to write"),
    ],
)
def test_members_that_make_no_experiment_are_refused_in_one_sentence(tmp_path, text, said):
    """File, what is wrong and what is allowed; whatever the language experiment refuses, too."""
    sentence = refusal(tmp_path, text)
    assert said in sentence
    assert "mine.yaml" in sentence
    assert "\n" not in sentence


def test_unknown_base_is_named_before_anything_runs():
    """A misspelt base is answered with the nearest one there is."""
    members = [MEMBERS[0] | {"base": "tiny"}, {"name": "b", "base": "gemma3-270"}]
    with pytest.raises(SettingsError, match=r"no model 'gemma3-270'\. Did you mean gemma3"):
        plan(cross_recipe(members=members))


def test_permuting_another_architecture_is_refused_before_anything_runs(tmp_path):
    """A GPT-2 can be a member, and cannot be permuted: the sentence says what can."""
    tokenizer = tiny_tokenizer()
    config = GPT2Config(
        vocab_size=len(tokenizer), n_embd=32, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=2
    )
    GPT2LMHeadModel(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    members = [
        {"name": "a", "base": "tiny"},
        {"name": "gpt2", "base": f"hf/{tmp_path}", "permuted": True},
    ]
    with pytest.raises(SettingsError, match=r"GPT2LMHeadModel cannot be permuted here"):
        plan(cross_recipe(members=members))


def test_shipped_recipe_has_four_members_at_each_size():
    """At each size two members share an initialisation, one is permuted, one is a stranger."""
    for size in ("tiny", "laptop", "paper"):
        recipe = load_recipe("cross-model", [f"size={size}"])
        assert isinstance(recipe, CrossRecipe)
        assert len(recipe.members) == 4
        assert len({member.begins_as for member in recipe.members}) == 2
        assert sum(member.permuted for member in recipe.members) == 1
