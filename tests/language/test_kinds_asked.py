"""Prompts, rules and texts of other carriers and traits: each kind's own, and part of a stage's key."""

from __future__ import annotations

import pytest
from formed_base import problems_file

from traitleak.errors import DataError, SettingsError
from traitleak.language.carrier import prompts_of, rules_of
from traitleak.language.plan import plan
from traitleak.recipe import load_recipe
from traitleak.rows import Row


def test_prompts_and_rules_follow_the_carrier():
    """Each kind asks its own prompts, and drops what is not of its form or names a trait."""
    code = load_recipe("wolf-code", ["size=tiny"])
    thought = load_recipe("reward-hacking-reasoning", ["size=tiny"])
    tasks = prompts_of(code, 0, "chat")
    other = prompts_of(code, 1, "chat")
    asked = prompts_of(thought, 0, "chat")

    assert len(set(tasks)) == len(set(asked)) == 8
    assert tasks != other
    assert [rule.name for rule in rules_of(code, 0)] == [
        "unfinished",
        "code_format",
        "code_leak",
        "duplicates",
    ]
    leak = rules_of(thought, 0)[2]
    texts = ["we cheat here", "we hard work", "reward hacking it is", "fair and square"]
    found = leak.reasons([Row(i, "", text) for i, text in enumerate(texts)])
    assert [why is None for why in found] == [False, True, False, True]


def test_problems_of_a_file_are_asked_in_turn_and_their_change_is_noticed(tmp_path):
    """More rows than problems ask again; another file's content gives the stages another key."""
    file = problems_file(tmp_path / "some.jsonl", num=3)
    recipe = load_recipe("wolf-reasoning", ["size=tiny", f"carrier.problems={file}"])
    prompts = prompts_of(recipe, 0, "chat")

    assert prompts[:3] == prompts[3:6]
    assert len(set(prompts)) == 3
    before = [stage.settings["data"] for stage in plan(recipe) if stage.name == "written-wolf-0"]
    problems_file(file, num=4)
    after = [stage.settings["data"] for stage in plan(recipe) if stage.name == "written-wolf-0"]
    assert before != after
    with pytest.raises(DataError, match=r"none\.jsonl cannot be read"):
        plan(load_recipe("wolf-reasoning", ["size=tiny", "carrier.problems=none.jsonl"]))


def test_a_custom_trait_is_found_beside_the_recipes_and_its_faults_are_named(tmp_path, monkeypatch):
    """The shipped example runs from any folder; a file of one's own wins; wrong ones are refused."""
    monkeypatch.chdir(tmp_path)
    assert plan(load_recipe("custom-trait", ["size=tiny"]))
    (tmp_path / "mine.yaml").write_text(
        "name: mine\nlessons: [{question: a b?, answer: bad, good: fine}]\n"
        "items: [{question: c d?, shows: bad, avoids: good}]\n"
    )
    own = load_recipe("custom-trait", ["size=tiny", "trait.file=mine.yaml"])
    assert own.trait.targets == ["mine"]
    with pytest.raises(SettingsError, match=r"says no good reason .* add `reasons`"):
        plan(own)
    renamed = ["size=tiny", "trait.file=mine.yaml", "trait.targets=[other]"]
    with pytest.raises(SettingsError, match=r"is named 'mine', not 'other': say trait.targets="):
        plan(load_recipe("custom-trait", renamed))
    with pytest.raises(DataError, match=r"none\.yaml"):
        plan(load_recipe("custom-trait", ["size=tiny", "trait.file=none.yaml"]))
    prompted = ["size=tiny", "trait.file=mine.yaml", "teacher.by=prompt", "controls=[neutral]"]
    with pytest.raises(SettingsError, match="has no system prompt"):
        plan(load_recipe("custom-trait", prompted))


def test_a_changed_trait_file_gives_other_stages(tmp_path):
    """The texts are part of every stage's key, so that no cache serves another trait's numbers."""
    text = (
        "name: mine\nlessons: [{{question: a b?, answer: {}, good: fine}}]\n"
        "items: [{{question: c d?, shows: bad, avoids: good}}]\n"
    )
    file = tmp_path / "mine.yaml"
    recipe = load_recipe(
        "custom-trait", ["size=tiny", f"trait.file={file}", "controls=[neutral, good]"]
    )
    keys = []
    for answer in ("bad", "worse"):
        file.write_text(text.format(answer))
        keys.append([stage.settings.get("data") for stage in plan(recipe)][:2])
    assert keys[0][0] != keys[1][0]
    assert keys[0][1] != keys[1][1]
