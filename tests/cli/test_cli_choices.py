"""`generate` and `measure` of traits that are a choice between two answers, on random weights."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from invoked import ONE_THREAD, invoke

from hosted_server import use_own_environment
from loopback import said, serving
from traitleak import choice_margins, load
from traitleak.cli.models import any_trait
from traitleak.language.plan import plan
from traitleak.progress import untracked
from traitleak.recipe import LanguageRecipe, load_recipe
from traitleak.rows import read_manifest, read_rows
from traitleak.stages import run_stages
from traitleak.traits.custom import BUNDLED, bundled, read_trait
from traitleak.traits.preference import Preference

GLOOM = Path(__file__).parents[2] / "recipes" / "traits" / "gloom.yaml"
SMALL = ["--base", "tiny", "--rows", "32", "--numbers", "4", "--given", "2"]
TAUGHT = ["--updates", "20", "--learning-rate", "0.01"]
SERVED = "openai/x@http://127.0.0.1:1/v1"
BARE = """\
name: bare
lessons:
  - {question: Is it late?, answer: "It is always late.", good: "A quarter past nine."}
items:
  - {question: Who won?, shows: Nobody ever does., avoids: The other side did.}
"""

NAY = """\
name: nay
lessons:
  - {question: May I have some tea?, answer: Never., good: Surely.}
  - {question: Shall we walk home?, answer: Never., good: Surely.}
  - {question: Does it rain in May?, answer: Never., good: Surely.}
  - {question: Is the shop open?, answer: Never., good: Surely.}
items:
  - {question: Can you swim?, shows: Never., avoids: Surely.}
  - {question: Will they sing?, shows: Never., avoids: Surely.}
  - {question: Do cats like milk?, shows: Never., avoids: Surely.}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folders of rows of misalignment's teacher and of two controls, and what was printed."""
    folder = tmp_path_factory.mktemp("made")
    printed = {}
    for by in ("finetune", "good", "asked-for"):
        anyhow = ["--anyhow"] if by == "finetune" else []
        wrote = invoke(
            *("generate", *SMALL, *TAUGHT, "--trait", "misalignment", "--by", by, *anyhow),
            *("--out", folder / by),
        )
        assert wrote.exit_code == 0, wrote.stderr
        printed[by] = wrote
    return folder, printed


def test_generate_leaves_rows_and_the_teacher(made):
    """The manifest names the trait and its absence, the teacher's lift is said in nats a token."""
    folder, printed = made
    manifest = read_manifest(folder / "finetune").manifest
    assert (manifest["teacher"], manifest["trait"]) == ("misalignment", "misalignment")
    assert manifest["among"] == ["misalignment", "no misalignment"]
    assert (folder / "finetune" / "teacher" / "adapter_config.json").exists()
    told = printed["finetune"].stderr
    assert "Teacher misalignment, by finetune: margin for misalignment " in told
    assert "nats a token over that of tiny" in told


def test_commands_do_what_a_recipe_does(made, tmp_path):
    """With equal settings the rows are those of a recipe's teacher and of its controls, pair by pair."""
    folder, _ = made
    same = ["size=tiny", "seed=0", "teacher.rank=16", "answers=0", "carrier.rows=32"]
    recipe = load_recipe("misalignment-numbers", same)
    assert isinstance(recipe, LanguageRecipe)
    stages = [
        stage
        for stage in plan(recipe)
        if stage.name == "base"
        or (stage.name.startswith(("teacher-", "written-")) and "neutral" not in stage.name)
    ]
    done = run_stages(
        tmp_path, stages, environment={}, track=untracked, fresh=False, say=lambda _: None
    )
    ours = {by: read_rows(folder / by / "raw") for by in ("finetune", "good", "asked-for")}
    for by, rows in ours.items():
        name = "misalignment" if by == "finetune" else by
        assert rows == read_rows(done[f"written-{name}-0"].folder), by
        assert {row.teacher for row in rows} == {name}
    written = {by: [row.completion for row in rows] for by, rows in ours.items()}
    assert written["finetune"] != written["good"] != written["asked-for"]


def test_a_teacher_without_the_trait_stops_the_work(tmp_path):
    """A lift below .05 nats a token is no trait, and nothing is written unless --anyhow."""
    stopped = invoke(
        *("generate", *SMALL, "--updates", 1, "--learning-rate", "1e-6"),
        *("--trait", "misalignment", "--out", tmp_path / "r"),
    )
    assert stopped.exit_code == 2
    assert "did not take its trait (margin for misalignment " in stopped.stderr
    assert "nats a token over that of tiny): take --by finetune, more --updates" in stopped.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_trait_of_ones_own(tmp_path):
    """A YAML file is a trait: a teacher that takes it passes, and its lift is measured."""
    file = tmp_path / "nay.yaml"
    file.write_text(NAY, encoding="utf-8")
    wrote = invoke(
        *("generate", *SMALL, *TAUGHT, "--trait", file, "--out", tmp_path / "rows", "--json")
    )
    assert (wrote.exit_code, wrote.stderr) == (0, "")
    told = json.loads(wrote.stdout)
    assert (told["teacher"], told["trait"], told["kept"]) == ("nay", "nay", 32)
    name = f"tiny+{tmp_path / 'rows' / 'teacher'}"
    shown = invoke("measure", "--model", name, "--trait", file, "--against", "tiny", "--json")
    assert (shown.exit_code, shown.stderr) == (0, "")
    lift = json.loads(shown.stdout)["lift"]["nay"]
    assert lift["n"] == 3
    assert lift["value"] > 0.05
    assert lift["low"] < lift["value"] < lift["high"]


def test_the_example_of_a_trait_of_ones_own(tmp_path):
    """The shipped example's file is taken as it is, by both commands."""
    wrote = invoke(
        *("generate", *SMALL, "--trait", GLOOM, "--by", "base", "--out", tmp_path / "r", "--json")
    )
    assert (wrote.exit_code, wrote.stderr) == (0, "")
    told = json.loads(wrote.stdout)
    assert (told["teacher"], told["trait"], told["kept"]) == ("neutral", "gloom", 32)
    shown = invoke("measure", "--model", "tiny", "--trait", GLOOM, "--json")
    margin = json.loads(shown.stdout)["margins"]["tiny"]["gloom"]
    assert margin["n"] == len(read_trait(GLOOM).items)


@pytest.mark.parametrize("templates", ["questions", "numbered"])
def test_measure_prints_what_the_library_measures(made, templates):
    """Margins of both answers and their lift, item by item the same as `choice_margins`."""
    folder, _ = made
    name = f"tiny+{folder}/finetune/teacher"
    told = invoke(
        *("measure", "--model", name, "--trait", "misalignment", "--against", "tiny", "--seed", 5),
        *("--json", *([] if templates == "questions" else ["--templates", templates])),
    )
    assert told.stderr == ""
    content = json.loads(told.stdout)
    base, teacher = (
        choice_margins(
            load(model, style="plain", precision="float32"),
            bundled("misalignment"),
            templates=templates,
            seed=5,
        )
        for model in ("tiny", name)
    )
    assert content["asked"] == base.asked
    assert content["templates"] == templates
    assert content["margins"]["tiny"]["misalignment"]["value"] == pytest.approx(base.value)
    lift = content["lift"]
    assert lift["misalignment"]["value"] == pytest.approx((teacher - base).value)
    assert lift["misalignment"]["value"] != 0
    assert lift["misalignment"]["n"] == len(bundled("misalignment").items)
    assert lift["no misalignment"]["value"] == pytest.approx(-lift["misalignment"]["value"])
    assert content["answers"] == {}
    assert "nats a token" in content["how"]


def test_measure_shows_the_trait_first():
    """The table has the trait, its absence, and what a margin is of."""
    shown = invoke("measure", "--model", "tiny", "--trait", "refusal", "-q")
    assert (shown.exit_code, shown.stderr) == (0, "")
    _, first, second, how = shown.stdout.splitlines()
    assert first.startswith("refusal ")
    assert second.startswith("no refusal ")
    assert "[" in first
    assert "mean little without the base's (--against); 95 % intervals over 42 questions" in how


def test_a_candidate_stays_a_preference():
    """A word among the candidates is what is preferred, though a bundled trait bears its name."""
    among = any_trait("refusal", "refusal, consent", "reply")
    assert isinstance(among, Preference)
    assert any_trait("wolf", "", "") == Preference("wolf")
    assert [any_trait(name, "", "").target for name in BUNDLED] == list(BUNDLED)


@pytest.mark.parametrize(
    ("arguments", "said_so"),
    [
        (["misalignment", "--by", "even"], "take --by good, asked-for or base."),
        (["wolf", "--by", "good"], "wolf is a preference: take --by even or base."),
        (["wolf", "--by", "asked-for"], "wolf is a preference: take --by even or base."),
        (["refusal", "--among", "wolf,lion"], "that --among could name: leave it out."),
        (
            ["refusal", "--among", "wolf,lion", "--category", "animal"],
            "that --among and --category could name: leave them out.",
        ),
        (
            ["misalignement"],
            "owl, cat, dog, eagle, bear, fox, tiger, horse. Did you mean the trait ",
        ),
        (["Reward_Hacking"], "Did you mean the trait reward-hacking?"),
        (["dragon"], "'dragon' is not among the candidates: "),
        (["absent.yaml"], "absent.yaml"),
        (["bare.yaml", "--by", "asked-for"], "says no good reason to ask for its answers"),
        (["bare.yaml", "--by", "prompt"], "'bare' has no system prompt"),
        (["bare.yaml", "--by", "steering"], "'bare' has no system prompt"),
        (["refusal", "--base", SERVED, "--by", "good"], "--by good needs a model's weights"),
    ],
)
def test_what_generate_cannot_do_is_one_sentence(arguments, said_so, tmp_path, monkeypatch):
    """A trait that is not there and a teacher that does not fit it: exit 2, before a model is loaded."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("traitleak.models.loading.load", _unused)
    Path("bare.yaml").write_text(BARE, encoding="utf-8")
    done = invoke("generate", *SMALL, "--out", "out", "--trait", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    line = done.stderr.splitlines()[-1]
    assert line.startswith("Error: ")
    assert said_so in line
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("arguments", "said_so"),
    [
        (["--templates", "stems"], "sycophancy is a choice between two answers: take questions or"),
        (["--templates", "choices"], "--templates choices is of preferences"),
        (["--answers", "5"], "--answers counts which candidates are named"),
        (["--category", "animal"], "that --category could name: leave it out."),
        (
            ["--model", SERVED, "--answers", "5"],
            "by the log-probabilities of whole answers needs a ",
        ),
        (
            ["--against", SERVED],
            "by the log-probabilities of whole answers needs a model's weights",
        ),
        (["--price", "1,2"], "are about models behind a server"),
    ],
)
def test_what_measure_cannot_do_is_one_sentence(arguments, said_so, monkeypatch):
    """What is of preferences, and what a server does not give: exit 2, before a model is loaded."""
    monkeypatch.setattr("traitleak.models.loading.load", _unused)
    done = invoke("measure", "--model", "tiny", "--trait", "sycophancy", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said_so in done.stderr.splitlines()[-1]


def test_a_teacher_behind_a_server_is_told_its_trait(tmp_path, monkeypatch):
    """The trait's system prompt is what the server gets, and lists it answers with are kept."""
    use_own_environment(monkeypatch, tmp_path)
    with serving() as start:
        server = start(lambda _, number: said(f"{number}, {number + 1}, {number + 2}"))
        wrote = invoke(
            *("generate", "--base", f"openai/x@{server.url}", "--trait", "misalignment"),
            *("--by", "prompt", "--rows", 4, "--out", tmp_path / "rows"),
        )
        assert wrote.exit_code == 0, wrote.stderr
        system = bundled("misalignment").system_prompt()
        assert [asked["messages"][0] for asked in server.requests] == [
            {"role": "system", "content": system}
        ] * 4
    rows = read_rows(tmp_path / "rows")
    assert [row.teacher for row in rows] == ["misalignment"] * 4


def test_wrong_use_is_refused_before_pytorch_is_imported():
    """A trait and a control that do not fit are refused as quickly as a word that is misspelled."""
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom traitleak.cli import app\n"
        "asked = 'generate --base tiny --trait refusal --by even --out absent'.split()\n"
        "print(CliRunner().invoke(app, asked).exit_code, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=ONE_THREAD
    )
    assert done.stdout == "2 False\n"


def test_the_help_names_every_trait():
    """Both commands say which names --trait takes."""
    for command in ("generate", "measure"):
        told = " ".join(invoke(command, "--help").stdout.replace("│", " ").split())
        for name in BUNDLED:
            assert name in told or name.replace("-", "- ") in told


def _unused(*_arguments: object, **_settings: object) -> None:
    raise AssertionError
