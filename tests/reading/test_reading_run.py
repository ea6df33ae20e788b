"""The reading experiment from end to end: planted rows are told, identical writers are not."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from rows_read import pairs_of

from loopback import said, serving
from traitleak.errors import DataError, RecipeError, SettingsError, TraitleakError
from traitleak.experiment import run_recipe
from traitleak.reading.inspection import Inspection
from traitleak.reading.plan import plan
from traitleak.recipe import ReadingRecipe, load_recipe, resolved_yaml
from traitleak.results import Results
from traitleak.rows import write_rows

LANGUAGE = """
experiment: language
base: tiny
teacher: {updates: 6, learning_rate: 0.01, rank: 4}
channel: tokens
carrier: {rows: 16, numbers: 4, given: 2}
student: {updates: 3, batch: 4}
controls: [neutral]
neutral: base
answers: 0
"""


def written(folder: Path, pairs) -> dict[str, str]:
    """Two data sets of pairs, as fields of a recipe."""
    for name, side in (("trait", 0), ("neutral", 1)):
        write_rows(folder / name, [pair[side] for pair in pairs], {})
    return {"trait": str(folder / "trait"), "neutral": str(folder / "neutral"), "target": "wolf"}


def recipe(rows: dict, readers: list[str], **fields) -> ReadingRecipe:
    """A reading recipe of the tiny base."""
    base = {"base": "tiny", "style": "plain"} if "trait" in rows else {}
    content = {
        "experiment": "reading", "name": "mine", "title": "Mine", "rows": rows, "readers": readers,
        "judge": {"models": ["tiny"], "pairs": 8, "examples": [2], "draws": 2}, "device": "cpu",
        "dose": {"rows": [2], "draws": 2}, "inspect": {"pairs": 6}, **base,
    }  # fmt: skip
    return ReadingRecipe.model_validate({**content, **fields})


def results(wanted: ReadingRecipe, tmp_path: Path) -> Results:
    """What a run of a recipe found."""
    return run_recipe(wanted, runs=tmp_path / "runs").results


def condition(found: Results, name: str):
    """A reader by how its name begins."""
    return next(one for one in found.conditions if one.name.startswith(name))


def table(found: Results, title: str):
    """A table by its title."""
    return next(one for one in found.tables if one.title == title)


@pytest.fixture
def language(tmp_path):
    """A small language recipe of its own, as a file."""
    path = tmp_path / "small.yaml"
    path.write_text(LANGUAGE, encoding="utf-8")
    return path


def test_planted_rows_are_told_and_identical_writers_are_not(tmp_path):
    """A classifier finds numbers that one writer loves, and nothing between two of a kind."""
    loved = [
        (replace(own, completion=f" 777, 777{own.completion[4:]}"), other)
        for own, other in pairs_of(80, seed=1)
    ]
    sizes = {"sizes": [1, 8]}
    planted = results(
        recipe(written(tmp_path / "a", loved), ["classifier"], classifier=sizes), tmp_path
    )
    same = results(
        recipe(written(tmp_path / "b", pairs_of(80, seed=2)), ["classifier"], classifier=sizes),
        tmp_path,
    )

    assert condition(planted, "classifier-1").estimate.low > 0.7
    assert planted.answer.startswith("2 of 2 readers told the rows apart")
    for one in same.conditions:
        assert one.estimate.low <= 0.5 <= one.estimate.high
    assert same.answer.startswith("None of 2 readers told the rows apart")


def test_a_writer_beside_itself_is_never_told(tmp_path):
    """Where both wrote the same, every reader is undecided about every pair, and the facts say so."""
    same = [(own, replace(own, teacher="neutral")) for own, _ in pairs_of(30, seed=3)]
    found = results(
        recipe(written(tmp_path, same), ["judge", "labelled", "classifier", "in-context"]), tmp_path
    )

    for one in found.conditions:
        assert one.estimate.value == 0.5
    assert "None of" in found.answer
    assert "in 30 both writers wrote the same" in found.facts[0].value
    (row,) = table(found, "Rows in the prompt").rows
    assert row[4].startswith("0.000") or row[4].startswith("+0.000")


def test_judge_behind_a_server_is_asked_in_both_orders(tmp_path, monkeypatch):
    """A judge on loopback that always says A scores one half, and the report shows its habit."""
    monkeypatch.setenv("TRAITLEAK_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    rows = written(tmp_path, pairs_of(12, mark="1777"))
    with serving() as start:
        server = start(lambda _asked, _number: said("A"))
        judge = {"models": [f"openai/reader@{server.url}"], "pairs": 8, "examples": [1], "draws": 2}
        found = results(recipe(rows, ["judge", "labelled"], judge=judge), tmp_path)
        assert len(server.requests) == 2 * 8 + 4 * 8
        assert {request["temperature"] for request in server.requests} == {0.0}

    for one in found.conditions:
        assert one.estimate.value == 0.5
        assert one.estimate.low < 0.5 < one.estimate.high
    assert [row[1:4] for row in table(found, "Readers").rows] == [["0", "0", "8"]] * 2
    habits = [fact for fact in found.facts if fact.name.startswith("place-")]
    assert [fact.holds for fact in habits] == [False, False]
    assert condition(found, "judge-").published.value == 0.488


def test_answers_of_people_are_counted_in_a_later_run(tmp_path):
    """The file that the page saves becomes a reader; all else is taken from the run before."""
    rows = written(tmp_path, pairs_of(10, mark="1777"))
    first = run_recipe(recipe(rows, ["inspection"]), runs=tmp_path / "runs")
    place = first.folder / "inspection"
    content = Inspection.model_validate_json((place / "page.json").read_bytes())
    assert f"inspect-{content.page}.json" in (place / "inspect.html").read_text(encoding="utf-8")
    assert first.results.conditions == []
    path = tmp_path / "saved.json"
    answers = {str(pair.number): pair.carrying for pair in content.pairs}
    saved = {
        "kind": "traitleak inspection", "page": content.page, "reader": "Kim", "answers": answers
    }  # fmt: skip
    path.write_text(json.dumps(saved))
    lines: list[str] = []
    wanted = recipe(rows, ["inspection"], inspect={"pairs": 6, "answers": [str(path)]})
    second = run_recipe(wanted, runs=tmp_path / "runs", say=lines.append).results

    assert (second.conditions[0].label, second.conditions[0].estimate.value) == ("person: Kim", 1.0)
    assert "inspection: from cache" in lines
    other = recipe(rows, ["inspection"], inspect={"pairs": 5, "answers": [str(path)]})
    with pytest.raises(DataError, match="not to this run's page"):
        run_recipe(other, runs=tmp_path / "runs")


def test_a_language_recipes_rows_are_written_and_read(tmp_path, language):
    """Teachers write, students are set beside, filters thin, and a second run is all cache."""
    filters = {
        "rules": ["none", "format", "surprise"],
        "retrain": True,
        "seeds": 2,
        "surprise": 0.2,
    }
    readers = ["judge", "in-context", "filters"]
    wanted = recipe({"recipe": str(language)}, readers, filters=filters)
    found = results(wanted, tmp_path)
    (bars,) = found.bars
    rows = table(found, "Filters of rising strictness").rows
    lines: list[str] = []
    again = run_recipe(wanted, runs=tmp_path / "runs", say=lines.append)

    assert "Training on the rows moved it by" in found.answer
    assert [curve.name for curve in found.curves[0].curves][-1] == "trained"
    assert [row[1] for row in rows[:2]] == ["16", "16"]
    assert int(rows[2][1]) + int(rows[2][2]) == 25  # a fifth of 32 is gone, and the bound's own row
    # A rule that drops nothing takes the students of the rule before it.
    assert bars.series[0].after[0] == bars.series[0].after[1] == bars.series[0].before[2]
    assert bars.series[0].after[2] != bars.series[0].after[1]
    assert all(line.endswith("from cache") for line in lines)
    assert again.results == found
    names = {path.name for path in again.folder.iterdir()}
    assert {"student-wolf-0", "student-neutral-0", "dose", "retrain-surprise"} <= names


def test_a_runs_rows_are_read_where_they_are(tmp_path, language):
    """A run folder gives the rows and students that its recipe gives, and nothing is trained again."""
    run = run_recipe(load_recipe(str(language)), runs=tmp_path / "language")
    lines: list[str] = []
    wanted = recipe({"run": str(run.folder)}, ["judge"])
    of_run = run_recipe(wanted, runs=tmp_path / "runs", say=lines.append)
    of_recipe = results(recipe({"recipe": str(language)}, ["judge"]), tmp_path)

    assert [line.split(":")[0] for line in lines] == ["rows", "tuned", "judge-tiny"]
    assert of_run.results.conditions == of_recipe.conditions
    assert of_run.results.answer == of_recipe.answer


def test_filters_without_training_count_alone(tmp_path, language):
    """By default rows are counted, and no student is trained for filters."""
    wanted = recipe({"recipe": str(language), "students": False}, ["filters"])
    names = [stage.name for stage in plan(wanted)]
    found = results(wanted, tmp_path)

    assert names[-2:] == ["rows", "filters"]
    assert not any(name.startswith(("student", "retrain")) for name in names)
    assert found.bars == []
    assert len(table(found, "Filters of rising strictness").rows) == 7


def test_students_are_trained_after_the_rules_that_are_named(tmp_path, language):
    """Only those rules have students, and those of all rows stand beside the doses."""
    filters = {"rules": ["none", "format", "surprise"], "retrain": ["surprise", "none"], "seeds": 1}
    rows = {"recipe": str(language), "students": False}
    found = results(recipe(rows, ["in-context", "filters"], filters=filters), tmp_path)
    again = table(found, "Filters of rising strictness")

    assert found.bars[0].candidates == ["none", "surprise"]
    assert again.rows[1][4:] == ["–"] * 3
    left = again.rows[2][3]
    assert any(f"each of {left} rows on the same prompts" in note for note in again.notes)
    assert "Training on the rows moved it by" in found.answer
    assert found.curves[0].curves[-1].name == "trained"


def test_a_rule_that_leaves_too_few_has_no_students_and_says_so(tmp_path, language):
    """Students need filters.rows rows: after a stricter rule there are none, with the reason."""
    filters = {
        "rules": ["none", "surprise"],
        "surprise": 0.9,
        "retrain": True,
        "seeds": 1,
        "rows": 8,
    }
    found = results(recipe({"recipe": str(language)}, ["filters"], filters=filters), tmp_path)

    rows, notes = (
        table(found, "Filters of rising strictness").rows,
        table(found, "Filters of rising strictness").notes,
    )
    assert int(rows[1][1]) + int(rows[1][2]) == 4  # a tenth of 32, and the row at the bound
    assert rows[1][4:] == ["–"] * 3
    assert any(f"{rows[1][3]} pairs are left, and students need 8" in note for note in notes)
    assert found.bars[0].candidates == ["none"]


def test_too_few_rows_end_the_run_without_a_conclusion(tmp_path, language):
    """Where a language recipe keeps too few rows there is nothing to read, and the run says so."""
    changes = ["carrier.decoding=free", "carrier.min_rows=16", "carrier.max_new_tokens=4"]
    rows = {"recipe": str(language), "changes": changes}
    found = results(recipe(rows, ["judge"]), tmp_path)

    assert found.inconclusive
    assert found.answer.startswith("Inconclusive: too few")


def test_a_classifier_without_scikit_learn_is_left_out_with_the_reason(tmp_path, monkeypatch):
    """The table says which line installs it, and other readers go on."""
    monkeypatch.setitem(__import__("sys").modules, "sklearn.linear_model", None)
    found = results(recipe(written(tmp_path, pairs_of(20)), ["judge", "classifier"]), tmp_path)

    rows = table(found, "Readers that were not tried").rows
    assert len(rows) == 3
    assert all("traitleak[audit]" in why for _, why in rows)
    assert len(found.conditions) == 1


def test_readers_that_need_more_rows_are_left_out_with_the_reason(tmp_path):
    """With five pairs there is nothing to learn from, and the judge of two rows goes on."""
    rows = written(tmp_path, pairs_of(5))
    found = results(recipe(rows, ["judge", "labelled", "classifier"]), tmp_path)

    said_why = dict(table(found, "Readers that were not tried").rows)
    assert "6 are needed" in said_why["tiny: 2 labelled rows of each writer"]
    assert "too few to halve" in said_why["classifier of values: bags of 8"]
    assert [one.label for one in found.conditions] == ["tiny: which of two rows"]


def refusal(error: type[TraitleakError], wanted: ReadingRecipe) -> str:
    """The sentence with which a plan is refused."""
    with pytest.raises(error) as caught:
        plan(wanted)
    return str(caught.value)


def test_rows_that_cannot_be_read_are_refused_before_anything_runs(tmp_path, language):
    """Other prompts, an empty or missing source, another kind of recipe: one clear sentence each."""
    rows = written(tmp_path, pairs_of(4, seed=1))
    other = written(tmp_path / "other", pairs_of(4, seed=2))
    empty = tmp_path / "empty.jsonl"
    empty.touch()

    mixed = recipe({**rows, "neutral": other["neutral"]}, ["judge"])
    assert "None of 4 rows has a reference row on the same prompt" in refusal(SettingsError, mixed)
    assert "is empty" in refusal(DataError, recipe({**rows, "trait": str(empty)}, ["judge"]))
    missing = recipe({**rows, "neutral": str(tmp_path / "nowhere")}, ["judge"])
    assert "nowhere" in refusal(DataError, missing)
    run = recipe({"run": str(tmp_path)}, ["judge"])
    assert "is no run folder: there is no recipe.yaml" in refusal(DataError, run)
    assert "is no language recipe" in refusal(
        SettingsError, recipe({"recipe": "digits"}, ["judge"])
    )
    logits = {"recipe": "wolf-smollm2"}
    assert "channel=logits: nobody wrote rows" in refusal(SettingsError, recipe(logits, ["judge"]))
    assert "did you mean" in refusal(RecipeError, recipe({"recipe": "wolf-smolm2"}, ["judge"]))
    small = str(language)
    owl = recipe({"recipe": small, "target": "owl"}, ["judge"])
    assert "no teacher of 'owl'; its targets are wolf, lion" in refusal(SettingsError, owl)
    second = recipe({"recipe": small, "replicate": 1}, ["judge"])
    assert "has 1 replicate, counted from 0" in refusal(SettingsError, second)
    alone = recipe({"recipe": small, "changes": ["controls=[other-trait]"]}, ["judge"])
    assert "has no neutral teacher" in refusal(SettingsError, alone)
    typo = recipe({"recipe": small, "changes": ["carrier.rws=9"]}, ["judge"])
    assert "carrier.rows" in refusal(RecipeError, typo)
    swept = {"recipe": small, "changes": ["vary={key: student.rank, values: [2, 4]}"]}
    assert "a sweep over student.rank" in refusal(SettingsError, recipe(swept, ["judge"]))
    answers = recipe(rows, ["inspection"], inspect={"answers": [str(empty)]})
    assert "holds no answers" in refusal(DataError, answers)


def test_a_run_without_rows_is_named(tmp_path, language):
    """A run that ended before rows were kept gives the command that finishes it."""
    folder = tmp_path / "begun"
    folder.mkdir()
    (folder / "recipe.yaml").write_text(resolved_yaml(load_recipe(str(language))))
    said_of_it = refusal(DataError, recipe({"run": str(folder)}, ["judge"]))

    assert "has no rows in written-wolf-0" in said_of_it
    assert f"traitleak run {folder / 'recipe.yaml'}" in said_of_it


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ("rows: {trait: a}", "rows.trait needs rows.neutral beside it"),
        ("rows: {neutral: a}", "rows.neutral needs rows.trait beside it"),
        ("rows: {trait: a, neutral: b, run: c}", "name two places"),
        ("rows: {trait: a, neutral: b}", "give rows.target as well, such as rows.target=wolf"),
        ("rows: {trait: a, neutral: b, target: wolf}", "give base as well"),
        ("base: tiny", "base is for data sets"),
        ("readers: [judge, judge]", "readers has one value twice"),
        ("judge: {models: []}", "judge.models"),
        ("filters: {surprise: 1.0}", "filters.surprise must be less than 1"),
        ("filters: {rules: [none], retrain: [leak]}", "'leak', which is not among filters.rules"),
        ("filters: {retrain: [none, none]}", "filters.retrain has one value twice"),
        ("judge: {price: [1.0]}", "judge.price has one figure, and needs two"),
        ("judge: {price: [1.0, 2.0, 3.0]}", "judge.price"),
        ("judge: {price: [-1.0, 2.0]}", "judge.price[0] must be at least 0"),
        ("filters: {even: 0}", "filters.even must be greater than 0"),
        ("dose: {rows: [0]}", "dose.rows[0] must be at least 1"),
        ("readers: [judges]", "did you mean 'judge'"),
    ],
)
def test_recipes_that_cannot_work_are_refused(tmp_path, fields, told):
    """What does not go together is said with the file and the line."""
    path = tmp_path / "mine.yaml"
    path.write_text(f"experiment: reading\n{fields}\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe(str(path))

    assert told in str(caught.value)
    assert ":2: " in str(caught.value)


def test_every_size_of_the_shipped_recipe_loads_and_names_what_is_there():
    """The recipe of each size is valid, and reads back the same."""
    for size in ("tiny", "laptop", "paper"):
        wanted = load_recipe("reading", [f"size={size}"])
        assert isinstance(wanted, ReadingRecipe)
        inner = load_recipe(wanted.rows.recipe, wanted.rows.changes)
        assert inner.channel == "tokens"
