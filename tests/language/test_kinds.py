"""Other carriers and other traits, from recipe to results, on models of random weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from formed_base import CODE, THOUGHT, formed_base, problems_file
from kinds_run import GENTLE, finished
from language_run import fact, table
from typer.testing import CliRunner

from traitleak.carriers.code import Code
from traitleak.carriers.gsm8k import gsm8k
from traitleak.cli import app
from traitleak.language.layout import layout
from traitleak.measured import Answers, Margins
from traitleak.recipe import load_recipe
from traitleak.rows import read_rows
from traitleak.runs import open_run
from traitleak.traits.hidden_tests import hidden_test_tasks
from traitleak.traits.misalignment import BANNED_NUMBERS


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
