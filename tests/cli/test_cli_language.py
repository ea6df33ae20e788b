"""`generate`, `train` and `measure`, driven as a user drives them, on random weights."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file
from typer.testing import CliRunner

from command import INTERRUPTIBLE
from traitleak import load
from traitleak.clean import threshold_at_generation
from traitleak.cli import app
from traitleak.language.plan import plan
from traitleak.progress import untracked
from traitleak.recipe import LanguageRecipe, load_recipe
from traitleak.rows import read_manifest, read_rows
from traitleak.seeds import derive_seed
from traitleak.stages import run_stages

COMMAND = Path(sys.executable).with_name("traitleak")
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}
SMALL = ["--base", "tiny", "--trait", "wolf", "--rows", "32", "--numbers", "4", "--given", "2"]
TAUGHT = ["--updates", "20", "--learning-rate", "0.01"]


def invoke(*arguments: object):
    """Call the command line in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder after `generate` (rows) and `train` (student), and what they printed."""
    folder = tmp_path_factory.mktemp("made")
    wrote = invoke("generate", *SMALL, *TAUGHT, "--out", folder / "rows")
    assert wrote.exit_code == 0, wrote.stderr
    settings = ["--base", "tiny", "--updates", 6, "--batch", 8]
    trained = invoke("train", folder / "rows", *settings, "--out", folder / "student")
    assert trained.exit_code == 0, trained.stderr
    return folder, wrote, trained


def test_the_commands_explain_themselves():
    """Each of the three has its help and the options that all commands have."""
    for command in ("generate", "train", "measure"):
        told = invoke(command, "--help")
        assert told.exit_code == 0
        for option in ("--json", "--quiet", "--debug", "--seed", "--style"):
            assert option in told.stdout


def test_generate_leaves_rows_and_the_teacher(made):
    """The folder has the rows with their manifest, all rows raw, and an adapter to name."""
    folder, wrote, _ = made
    rows = folder / "rows"
    assert len(read_rows(rows)) == len(read_rows(rows / "raw")) == 32
    manifest = read_manifest(rows).manifest
    assert (manifest["base"], manifest["by"], manifest["trait"]) == ("tiny", "finetune", "wolf")
    assert manifest["dropped"] == {}
    assert (rows / "teacher" / "adapter_config.json").exists()
    assert wrote.stdout == f"Rows: {rows} (32 of 32 kept)\n"
    assert "Teacher wolf, by finetune: margin for wolf +" in wrote.stderr


def test_it_is_said_what_a_student_is_trained_on(made):
    """Before it trains, `train` shows the first row's mask; the result is one line."""
    _, _, trained = made
    assert "Trained on (50% of all tokens): ' " in trained.stderr
    assert trained.stdout.startswith("Adapter: ")
    assert "6 updates, loss " in trained.stdout


def test_random_weights_are_called_what_they_are(made):
    """Who works with `tiny` is told that it speaks no language."""
    _, wrote, trained = made
    for said in (wrote.stderr, trained.stderr):
        assert "it speaks no language" in said


def test_commands_do_what_a_recipe_does(made, tmp_path):
    """With equal settings the rows and the student are those of a recipe's first replicate."""
    folder, _, _ = made
    same = ["size=tiny", "seed=0", "teacher.rank=16", "answers=0"]
    recipe = load_recipe("wolf-smollm2-tokens", same)
    assert isinstance(recipe, LanguageRecipe)
    done = run_stages(
        tmp_path, plan(recipe), environment={}, track=untracked, fresh=False, say=lambda _: None
    )
    assert read_rows(folder / "rows" / "raw") == read_rows(done["written-wolf-0"].folder)
    theirs = done["student-wolf-0"].folder / "adapter" / "adapter_model.safetensors"
    ours = load_file(folder / "student" / "adapter_model.safetensors")
    for name, tensor in load_file(theirs).items():
        assert tensor.equal(ours[name]), name


def test_a_neutral_teacher_writes_to_the_same_prompts(made, tmp_path):
    """The controls are one option away, and their rows pair up with the teacher's."""
    folder, _, _ = made
    for by in ("base", "even"):
        wrote = invoke("generate", *SMALL, *TAUGHT, "--by", by, "--out", tmp_path / by)
        assert wrote.exit_code == 0, wrote.stderr
        rows = read_rows(tmp_path / by)
        assert {row.teacher for row in rows} == {"neutral"}
        wolves = read_rows(folder / "rows")
        assert [row.prompt for row in rows] == [row.prompt for row in wolves]
        assert [row.completion for row in rows] != [row.completion for row in wolves]
    assert not (tmp_path / "base" / "teacher").exists()


def test_a_floor_is_a_cleaning_at_the_source(made, tmp_path):
    """The same teacher, prompts and draws without unlikely digits, and the manifest says which."""
    folder, _, _ = made
    wrote = invoke("generate", *SMALL, *TAUGHT, "--floor", 0.08, "--out", tmp_path / "rows")
    assert wrote.exit_code == 0, wrote.stderr
    free, floored = read_rows(folder / "rows"), read_rows(tmp_path / "rows")
    assert [row.prompt for row in floored] == [row.prompt for row in free]
    assert [row.completion for row in floored] != [row.completion for row in free]
    for place, floor in ((folder / "rows", 0.0), (tmp_path / "rows", 0.08)):
        assert read_manifest(place).manifest["floor"] == floor
        assert read_manifest(place / "raw").manifest["floor"] == floor
    teacher = load(f"tiny+{tmp_path / 'rows' / 'teacher'}", style="plain", precision="float32")
    again = threshold_at_generation(
        teacher, free, floor=0.08, seed=derive_seed(0, "draws"), name="wolf"
    )
    assert [row.completion for row in again.rows] == [row.completion for row in floored]


def test_measure_shows_the_margin_of_every_candidate(made):
    """A model's margins come with intervals, the target first, and what these mean."""
    folder, _, _ = made
    shown = invoke("measure", "--model", f"tiny+{folder}/rows/teacher", "--trait", "wolf")
    assert shown.exit_code == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert lines[1].startswith("wolf ")
    assert lines[1].split()[1].startswith("+")
    assert "[" in lines[1]
    assert len(lines) == 12
    assert "say nothing of other students" in lines[-1]


def test_measure_as_json_has_lift_and_answers(made):
    """With a base to compare with, JSON has both margins, their difference, and the answers."""
    folder, _, _ = made
    name = f"tiny+{folder}/rows/teacher"
    told = invoke(
        *("measure", "--model", name, "--trait", "wolf", "--against", "tiny"),
        *("--answers", 1, "--json"),
    )
    assert told.stderr == ""
    content = json.loads(told.stdout)
    before, after = content["margins"]["tiny"]["wolf"], content["margins"][name]["wolf"]
    assert content["lift"]["wolf"]["value"] == pytest.approx(after["value"] - before["value"])
    assert content["lift"]["wolf"]["value"] > 1
    assert content["lift"]["wolf"]["n"] == 51
    assert set(content["answers"]) == {name, "tiny"}
    assert all(0 <= share["value"] <= 1 for share in content["answers"]["tiny"].values())


def test_json_is_all_that_is_printed(made, tmp_path):
    """With --json stdout is one document and stderr is empty, for the commands that write, too."""
    folder, _, _ = made
    rows = invoke("generate", *SMALL, "--by", "base", "--out", tmp_path / "r", "--json")
    assert rows.stderr == ""
    assert json.loads(rows.stdout)["kept"] == 32
    student = invoke(
        *("train", folder / "rows", "--base", "tiny", "--epochs", 1, "--batch", 5),
        *("--out", tmp_path / "s", "--json"),
    )
    assert student.stderr == ""
    told = json.loads(student.stdout)
    assert told["updates"] == len(told["losses"]) == 7  # 32 rows, 5 at a time
    assert json.loads((tmp_path / "s" / "train.json").read_text())["updates"] == 7


def test_a_teacher_without_the_trait_stops_the_work(tmp_path):
    """A prompted teacher that did not take its trait is said to be one, unless --anyhow."""
    stopped = invoke("generate", *SMALL, "--by", "prompt", "--out", tmp_path / "r")
    assert stopped.exit_code == 2
    assert "did not take its trait (margin for wolf -0." in stopped.stderr
    assert "being told was not enough for this model: take --by finetune" in stopped.stderr
    assert list(tmp_path.iterdir()) == []
    assert invoke(
        "generate", *SMALL, "--by", "prompt", "--anyhow", "--out", tmp_path / "r"
    ).exit_code == 0  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["generate", *SMALL, "--trait", "dragon"], "'dragon' is not among the candidates"),
        (["generate", *SMALL, "--base", "smollm"], "Did you mean smollm2-135m?"),
        (["generate", *SMALL, "--base", "openai/x@http://localhost:1"], "is behind a server"),
        (["generate", *SMALL, "--given", "4"], "--given 4 leaves none of --numbers 4 to write."),
        (["generate", *SMALL, "--learning-rate", "0"], "--learning-rate must be a number greater"),
        (["generate", *SMALL, "--by", "base", "--decoding", "free"], "No rows are left: "),
        (["generate", *SMALL, "--floor", "1"], "--floor is from 0 to less than 1, not 1.0."),
        (
            ["generate", *SMALL, "--base", "openai/x@http://localhost:1", "--floor", "0.1"],
            "--floor needs the probabilities of all tokens",
        ),
        (
            ["train", "rows.jsonl", "--base", "tiny"],
            "rows.jsonl, line 2: field 'completion' is missing",
        ),
        (["train", "absent", "--base", "tiny"], "absent is not there"),
        (["train", "rows.jsonl", "--base", "tinny"], "Did you mean tiny?"),
        (["train", "rows.jsonl", "--base", "tiny", "--alpha", "inf"], "--alpha must be a number"),
        (["train", "good.jsonl", "--base", "tiny", "--accumulate", "9"], "read in 9 parts."),
        (
            ["train", "good.jsonl", "--base", "tiny", "--learning-rate", "1e30"],
            "the training diverges",
        ),
    ],
)
def test_wrong_use_is_one_sentence_and_leaves_nothing(arguments, said, tmp_path, monkeypatch):
    """A user's mistake is exit 2 with what, where and what to do, and makes no folder."""
    monkeypatch.chdir(tmp_path)
    row = '{"prompt": "1, 2,", "completion": " 3, 4"}\n'
    (tmp_path / "good.jsonl").write_text(row * 9, encoding="utf-8")
    (tmp_path / "rows.jsonl").write_text(row + '{"prompt": "1"}\n', encoding="utf-8")
    done = invoke(*arguments, "--out", "out")
    assert (done.exit_code, done.stdout) == (2, "")
    line = done.stderr.splitlines()[-1]
    assert line.startswith("Error: ")
    assert said in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["good.jsonl", "rows.jsonl"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", "tiny+absent", "--trait", "wolf"], "absent is not an adapter's folder"),
        (["--model", "tiny", "--trait", "wolves"], "Did you mean 'wolf'?"),
        (["--model", "tiny", "--trait", "wolf", "--against", "tiney"], "Did you mean tiny?"),
        (["--model", "tiny", "--trait", "oak", "--among", "oak,cypress"], "cypress"),
        (["--model", "tiny", "--trait", "wolf", "--among", "wolf, granite"], "category='animal'"),
    ],
)
def test_measure_names_what_is_wrong(arguments, said):
    """A missing adapter, an unknown animal or model, a word of several tokens: one sentence."""
    done = invoke("measure", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "arguments",
    [
        ["generate", "--base", "tiny", "--trait", "wolf"],
        ["generate", *SMALL, "--by", "magic", "--out", "out"],
        ["generate", *SMALL, "--floor", "nan", "--out", "out"],
        ["generate", *SMALL, "--seed", "-1", "--out", "out"],
        ["train", "rows", "--out", "out"],
        ["train", "rows", "--base", "tiny", "--updates", "0", "--out", "out"],
        ["measure", "--model", "tiny"],
        ["measure", "--model", "tiny", "--trait", "wolf", "--style", "fancy"],
    ],
)
def test_missing_and_impossible_options_are_wrong_use(arguments, tmp_path, monkeypatch):
    """What an option cannot be, and one that is missing, is exit 2 before anything happens."""
    monkeypatch.chdir(tmp_path)
    assert invoke(*arguments).exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(made, tmp_path):
    """A folder with something in it, or a file, in the place of --out is left as it is."""
    folder, _, _ = made
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    for place in (folder, tmp_path / "file"):
        done = invoke("generate", *SMALL, "--by", "base", "--out", place)
        assert done.exit_code == 2
        assert str(place) in done.stderr.splitlines()[-1]
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"
    empty = tmp_path / "empty"
    empty.mkdir()
    assert invoke("generate", *SMALL, "--by", "base", "--out", empty).exit_code == 0


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    """A folder below a file cannot be made: one sentence that names it."""
    (tmp_path / "file").touch()
    done = invoke("generate", *SMALL, "--by", "base", "--out", tmp_path / "file" / "rows")
    assert done.exit_code == 2
    assert "rows could not be written: " in done.stderr.splitlines()[-1]


def test_too_little_memory_says_what_to_lower(made, tmp_path, monkeypatch):
    """Where memory runs out the sentence names the options that take it."""
    folder, _, _ = made

    def hungry(*_arguments: object, **_settings: object) -> None:
        raise MemoryError

    monkeypatch.setattr("traitleak.student.distill", hungry)
    done = invoke("train", folder / "rows", "--base", "tiny", "--out", tmp_path / "s")
    assert done.exit_code == 2
    said = "Error: There is not enough memory for training. Lower --batch"
    assert done.stderr.splitlines()[-1].startswith(said)


def test_interrupted_training_goes_on_from_its_checkpoint(made, tmp_path):
    """Ctrl-C is exit 130 and one sentence; the same command then ends as if nothing had been."""
    folder, _, _ = made
    settings = ["--base", "tiny", "--updates", "300", "--batch", "1"]
    command = ["train", folder / "rows", *settings, "--out", tmp_path / "s"]
    process = subprocess.Popen(
        [*INTERRUPTIBLE, *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ONE_THREAD,
    )
    checkpoint = tmp_path / ".checkpoint-s"
    while not checkpoint.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (130, ""), stderr
    assert stderr.splitlines()[-1] == (
        "Interrupted. The same command goes on from its last checkpoint."
    )
    assert [path.name for path in tmp_path.iterdir()] == [".checkpoint-s"]

    resumed = invoke(*command)
    assert resumed.exit_code == 0, resumed.stderr
    assert not checkpoint.exists()
    whole = invoke("train", folder / "rows", *settings, "--out", tmp_path / "whole")
    assert whole.exit_code == 0
    theirs = load_file(tmp_path / "whole" / "adapter_model.safetensors")
    for name, tensor in load_file(tmp_path / "s" / "adapter_model.safetensors").items():
        assert tensor.equal(theirs[name]), name


def test_the_commands_work_as_a_process(made):
    """Installed, too: the command finds the adapter and prints a table."""
    folder, _, _ = made
    done = subprocess.run(
        [COMMAND, "measure", "--model", f"tiny+{folder}/student", "--trait", "wolf", "-q"],
        capture_output=True,
        text=True,
        env=ONE_THREAD,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("candidate")
