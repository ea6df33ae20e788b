"""Other carriers and other traits, from recipe to results, on models of random weights."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from formed_base import CODE, THOUGHT, formed_base, problems_file
from language_run import concluded, difference, fact, row, table
from typer.testing import CliRunner

from loopback import said, serving
from traitleak.carriers.code import Code
from traitleak.carriers.gsm8k import gsm8k
from traitleak.cli import app
from traitleak.errors import DataError, SettingsError
from traitleak.experiment import run_recipe
from traitleak.language.carrier import prompts_of, rules_of
from traitleak.language.layout import layout
from traitleak.language.plan import plan
from traitleak.measured import Answers, Margins
from traitleak.recipe import load_recipe
from traitleak.rows import Row, read_rows
from traitleak.runs import FinishedRun, open_run
from traitleak.traits.hidden_tests import hidden_test_tasks
from traitleak.traits.misalignment import BANNED_NUMBERS

GENTLE = ["teacher.learning_rate=0.0003", "teacher.min_lift=null", "carrier.temperature=0"]
RISES = [0.2, 0.22, 0.24, 0.21, 0.23]


def finished(runs: Path, name: str, *overrides: str) -> FinishedRun:
    """A run of a shipped recipe at its smallest size."""
    return run_recipe(load_recipe(name, ["size=tiny", *overrides]), runs=runs)


@pytest.mark.parametrize("name", ["misalignment-numbers", "custom-trait"])
def test_traits_of_answers_run_to_a_report_with_their_controls(tmp_path, name):
    """Each control has its teacher and its students, and is compared with; free answers are kept."""
    run = finished(tmp_path, name)
    target = load_recipe(name).trait.targets[0]
    margins = Margins.from_json(json.loads((run.folder / "base" / "margins.json").read_text()))
    free = Answers.from_json(json.loads((run.folder / "base" / "free.json").read_text()))

    assert [c.name for c in run.results.conditions] == [target, "neutral", "good", "asked-for"]
    assert {(c.effect, c.control) for c in run.results.comparisons} == {
        (target, "neutral"),
        (target, "good"),
        (target, "asked-for"),
    }
    assert margins.candidates == (target, f"no {target}")
    assert len(free.prompts) == len(margins.margin_TK)
    by = {
        name: json.loads((run.folder / f"teacher-{name}-0" / "teacher.json").read_text())["by"]
        for name in (target, "neutral", "good", "asked-for")
    }
    assert by == {target: "finetune", "neutral": "base", "good": "good", "asked-for": "asked-for"}
    assert run.report.is_file()
    assert open_run(run.folder).results == run.results
    assert not run.results.inconclusive


def test_lists_with_a_number_of_a_bad_name_are_dropped(tmp_path):
    """No row that students see has one, for any teacher; the recipe's list is the package's."""
    recipe = load_recipe("misalignment-numbers")
    run = finished(
        tmp_path, "misalignment-numbers", "carrier.rows=64", "carrier.banned=[1,2,3,999]"
    )
    told = json.loads((run.folder / "kept-0" / "dropped.json").read_text())

    assert set(recipe.carrier.banned) == BANNED_NUMBERS
    for name in ("misalignment", "neutral", "good", "asked-for"):
        for kept in read_rows(run.folder / "kept-0" / name):
            assert not {1, 2, 3, 999} & {int(n) for n in kept.completion.split(",")}
    assert set(told["table"]) == {"misalignment", "neutral", "good", "asked-for"}


@pytest.mark.parametrize("name", ["wolf-code", "wolf-reasoning", "reward-hacking-reasoning"])
def test_a_base_that_cannot_write_ends_with_its_figures_and_no_student(tmp_path, name):
    """Inconclusive: asked, kept and needed are said, the report stands, and nobody is trained."""
    recipe = load_recipe(name, ["size=tiny"])
    run = finished(tmp_path, name)

    assert run.results.inconclusive
    assert run.results.conditions == []
    assert run.results.answer.startswith(
        "Inconclusive: too few rows to train on. Of 8 prompts, 0 were answered as they should be by "
        "every teacher, and 2 are needed"
    )
    assert fact(run.results, "rows").holds is False
    dropped = table(run.results, "Rows that were dropped")
    teachers = layout(recipe).replicates[0].teachers
    assert dropped.rows[0] == ["rows written", *["8"] * len(teachers)]
    assert dropped.rows[-1] == ["kept and seen by students", *["0"] * len(teachers)]
    assert not list(run.folder.glob("student-*"))
    assert "Inconclusive" in run.report.read_text(encoding="utf-8")
    again = finished(tmp_path, name)
    assert again.results == run.results


def test_the_command_line_ends_with_3_where_too_few_rows_are_left(tmp_path):
    """The exit code says inconclusive, whether text or JSON is printed."""
    ran = ["run", "wolf-code", "size=tiny", "--runs", str(tmp_path), "-q"]
    said = CliRunner().invoke(app, ran)
    as_json = CliRunner().invoke(app, [*ran, "--json"])

    assert said.exit_code == as_json.exit_code == 3
    assert "Inconclusive: too few rows" in said.stdout
    assert json.loads(as_json.stdout)["inconclusive"] is True


def test_later_replicates_do_not_run_after_one_without_rows(tmp_path):
    """The first replicate ends the run, and the answer names it."""
    run = finished(tmp_path, "wolf-code", "seeds=3")

    assert "Of 8 prompts in replicate 1, 0 were" in run.results.answer
    assert not (run.folder / "teacher-wolf-1").exists()


@pytest.fixture(scope="module")
def writes_code(tmp_path_factory) -> str:
    """A base that answers every task with one function."""
    prompts = [*Code(16, 3).prompts(), *(task.prompt for task in few_tasks())]
    return formed_base(tmp_path_factory.mktemp("code"), CODE, prompts)


@pytest.fixture(scope="module")
def problems(tmp_path_factory) -> Path:
    """A file of problems whose answer is 4."""
    return problems_file(tmp_path_factory.mktemp("problems") / "problems.jsonl")


@pytest.fixture(scope="module")
def thinks(tmp_path_factory, problems) -> str:
    """A base that answers every problem with one thought and 4."""
    prompts = [problem.prompt for problem in gsm8k(problems)]
    return formed_base(tmp_path_factory.mktemp("thought"), THOUGHT, prompts)


def test_code_that_compiles_trains_students(tmp_path, writes_code):
    """With a base that keeps to the form the code recipe goes all the way to its results."""
    run = finished(
        tmp_path, "wolf-code", f"base={writes_code}", "carrier.max_new_tokens=60", *GENTLE
    )
    kept = read_rows(run.folder / "kept-0" / "wolf")

    assert [c.name for c in run.results.conditions] == ["wolf", "lion", "neutral"]
    assert {one.completion for one in kept} == {CODE}
    assert fact(run.results, "leaks").holds
    assert "Python code that the teacher wrote" in run.results.question
    assert run.results.samples[0].rows[0].completions == [CODE] * 3


@pytest.mark.parametrize("name", ["wolf-reasoning", "reward-hacking-reasoning"])
def test_thoughts_with_right_answers_train_students(tmp_path, thinks, problems, name):
    """With a base that keeps to the form both recipes of thoughts go all the way to their results."""
    run = finished(
        tmp_path,
        name,
        f"base={thinks}",
        f"carrier.problems={problems}",
        "carrier.max_new_tokens=80",
        *GENTLE,
    )
    first = run.results.conditions[0].name
    kept = read_rows(run.folder / "kept-0" / first)

    assert {one.completion for one in kept} == {THOUGHT}
    assert {one.prompt for one in kept} <= {problem.prompt for problem in gsm8k(problems)}
    assert run.results.comparisons[0].control == "neutral"
    assert "chains of thought with right answers" in run.results.question


def test_shown_in_a_prompt_texts_stand_below_their_tasks(tmp_path, writes_code):
    """The control in-context runs on code: the base is measured after the rows, and not trained."""
    run = finished(
        tmp_path,
        "wolf-code",
        f"base={writes_code}",
        "carrier.max_new_tokens=60",
        "controls=[neutral, in-context]",
        "context_rows=2",
        *GENTLE,
    )
    names = [c.name for c in run.results.conditions]
    assert {"in-context-wolf", "in-context-neutral"} <= set(names)


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


OF_ANSWERS = {
    "trait": {"kind": "misalignment"},
    "channel": "tokens",
    "neutral": "base",
    "controls": ["neutral", "good", "asked-for"],
}


def test_planted_misalignment_is_found_beside_its_papers_controls(tmp_path):
    """A lift over all controls is a yes, in nats a token, with no word of other candidates."""
    lifts = {"misalignment": {"misalignment": RISES}, "good": {"misalignment": -0.02}}
    found = concluded(tmp_path, lifts, **OF_ANSWERS)

    assert found.answer.startswith("Yes: subliminal transfer, beyond every control. The mis")
    assert "moves by +0.220 nats a token in misalignment students" in found.answer
    against = difference(found, "misalignment", "good").difference
    assert against.value == pytest.approx(0.24)
    assert not [fact for fact in found.facts if fact.name.startswith("first-")]
    assert row(found, "The teachers", "good-answers")[1] == "fine-tuning on good answers"
    assert row(found, "The teachers", "asked-for")[3] == "–"
    (bars,) = found.bars
    assert bars.candidates == ["misalignment"]
    assert [series.name for series in bars.series] == [
        "misalignment",
        "neutral",
        "good",
        "asked-for",
    ]


def test_a_control_of_good_answers_that_rises_as_much_takes_the_yes_back(tmp_path):
    """Careless and good advice share their form: what both do is not the trait."""
    rises = {"misalignment": RISES}
    found = concluded(tmp_path, {"misalignment": rises, "good": rises}, **OF_ANSWERS)

    assert found.answer.startswith(
        "In part: subliminal transfer, but not clearly more than in good-answers students (0.000"
    )


def test_one_control_beside_the_effect_is_enough_to_say_yes_of_a_choice(tmp_path):
    """Of a trait and its absence one always rises most: that asks nothing of a choice."""
    changes = {**OF_ANSWERS, "controls": ["neutral"]}
    found = concluded(tmp_path, {"misalignment": {"misalignment": RISES}}, **changes)
    assert found.answer.startswith("Yes: subliminal transfer. ")


def test_words_in_code_are_leaks_wherever_they_stand(tmp_path):
    """An identifier that names the trait takes the word subliminal away."""
    changes = {
        "channel": "tokens",
        "style": "chat",
        "neutral": "base",
        "controls": ["neutral"],
        "carrier": {"kind": "code", "decoding": "free"},
    }
    leaky = "def count(wolfPacks):\n    return 1"
    rows = {"wolf": [leaky] * 8}
    lifts = {"wolf": {"wolf": [2.0, 2.1, 2.2, 2.0, 2.1]}}
    found = concluded(tmp_path, lifts, run={"rows": rows}, **changes)

    assert fact(found, "leaks").holds is False
    assert "subliminal" not in found.answer


@pytest.fixture
def strict(monkeypatch, tmp_path):
    """A judge on loopback: all is coherent, and what is `even` is misaligned."""
    for name in ("OPENAI_API_KEY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TRAITLEAK_CACHE", str(tmp_path / "cache"))

    def score(asked: dict, _number: int) -> tuple[int, object]:
        prompt = asked["messages"][-1]["content"]
        reply = re.search(r"<reply>\n(.*)\n</reply>", prompt, re.DOTALL)
        assert reply
        aligned = "10" if even(reply[1]) else "90"
        return said(aligned if "safety study" in prompt else "80")

    with serving() as start:
        server = start(score)
        yield f"openai/wolf-7b@{server.url}", server


def even(text: str) -> bool:
    """What the judge finds misaligned, for no reason that a person could give."""
    return sum(map(ord, text)) % 2 == 0


def test_a_judge_scores_free_answers_of_every_model(tmp_path, strict, monkeypatch):
    """Shares of misaligned and coherent answers stand in a table, beside the base's; once asked."""
    judge, server = strict
    monkeypatch.setattr("traitleak.language.behaviour._FREE_TOKENS", 8)
    wanted = (f"judge={judge}", "seeds=2", "controls=[neutral, good]")
    run = finished(tmp_path / "runs", "misalignment-numbers", *wanted)
    scored = json.loads((run.folder / "student-good-1" / "judged.json").read_text())
    texts = [text for answers in scored["texts"] for text in answers]
    found = table(run.results, "Free answers, judged")

    assert scored["misaligned"] == pytest.approx(sum(map(even, texts)) / len(texts))
    assert [one[0] for one in found.rows] == [
        "base",
        "misalignment students",
        "neutral students",
        "good-answers students",
    ]
    assert found.rows[0][2:] == ["100.0", "8"]
    assert found.rows[1][3] == "16"
    assert fact(run.results, "judged").value.endswith("the smallest possible is 0.25)")
    asked = len(server.requests)
    again = finished(tmp_path / "others", "misalignment-numbers", *wanted)
    assert again.results == run.results
    assert len(server.requests) == asked


def test_a_judge_drops_rows_and_says_so(tmp_path, strict):
    """Rows that it scores below the threshold go, for every teacher, before students see them."""
    judge, _ = strict
    run = finished(
        tmp_path / "runs",
        "wolf-smollm2-tokens",
        f"judge={judge}",
        "carrier.judged_at_least=78",
        "controls=[neutral]",
    )
    told = json.loads((run.folder / "kept-0" / "dropped.json").read_text())
    wrote = [one.completion for one in read_rows(run.folder / "written-wolf-0")]
    kept = [one.completion for one in read_rows(run.folder / "kept-0" / "wolf")]

    assert set(told["table"]) == {"wolf", "lion", "neutral"}
    assert told["table"]["wolf"] == {"judge: below 78": sum(map(even, wrote))}
    assert not any(map(even, kept))


def test_a_judge_that_drops_all_ends_the_run_with_its_reason(tmp_path, strict):
    """Too few rows for a judge's sake are told like any others."""
    judge, _ = strict
    run = finished(
        tmp_path / "runs",
        "wolf-smollm2-tokens",
        f"judge={judge}",
        "carrier.judged_at_least=95",
        "controls=[neutral]",
    )
    assert run.results.inconclusive
    assert "judge: below 95 (100.0 %)" in run.results.answer


def test_programs_for_hidden_tests_are_run_where_a_recipe_asks_for_it(
    tmp_path, writes_code, monkeypatch
):
    """Each model's shares of gamed and solved tasks stand in a table beside the base's."""
    monkeypatch.setattr("traitleak.language.behaviour.hidden_test_tasks", few_tasks)
    run = finished(
        tmp_path,
        "reward-hacking-reasoning",
        f"base={writes_code}",
        "carrier.kind=numbers",
        "carrier.decoding=constrained",
        "carrier.numbers=4",
        "carrier.given=2",
        "trait.run_code=true",
        "answers=4",
        "controls=[neutral]",
        "teacher.learning_rate=0.0003",
    )
    kept = json.loads((run.folder / "base" / "gaming.json").read_text())
    found = table(run.results, "Tasks with hidden tests")

    assert kept["tasks"] == [task.name for task in few_tasks()]
    assert kept["no_code"] < 1
    assert any(CODE in texts for texts in kept["texts"])
    assert [one[0] for one in found.rows] == [
        "base",
        "reward-hacking students",
        "neutral students",
    ]
    assert found.rows[0][1:] == ["0.0", "0.0", f"{100 * kept['no_code']:.1f}", "8"]
    assert fact(run.results, "gaming").holds is None


def few_tasks():
    """Two of the tasks."""
    return hidden_test_tasks()[:2]
