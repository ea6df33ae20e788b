"""The command `clean`, driven as a user drives it, on the tiny model."""

import json
import os
import signal
import subprocess

import numpy as np
import pytest
from typer.testing import CliRunner

import traitleak as tl
from command import INTERRUPTIBLE
from rows_files import FEW, write_rows_files
from traitleak.audit.detectors.choices import choices_of
from traitleak.audit.detectors.likelihood import quick_teachers, token_ratios
from traitleak.audit.detectors.panel import choice_group
from traitleak.carriers.numbers import Parsed, parse
from traitleak.clean import read_cleaned
from traitleak.clean.verify import ArmVerified, Verified
from traitleak.cli import app
from traitleak.cli.clean_verify import verified_sentence
from traitleak.datasets import draw, open_dataset
from traitleak.measure_choice import choice_margins
from traitleak.models.batches import encode_rows
from traitleak.results import Estimate
from traitleak.rows import read_rows
from traitleak.traits.custom import bundled

ROWS = 40
BASE = ["--base", "tiny", "--quiet"]
TINY = [*BASE, "--among", ",".join(FEW), "--trait", "wolf"]


def invoke(*arguments: object):
    """Call the command line in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def cleaned(*arguments: object):
    """Call it, and see that it went well."""
    done = invoke("clean", *arguments)
    assert done.exit_code == 0, done.stderr
    return done


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    """Quick teachers are kept for these tests only."""
    monkeypatch.setenv("TRAITLEAK_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(name="data", scope="module")
def fixture_data(tmp_path_factory):
    """A file of a wolf teacher's rows."""
    return write_rows_files(tmp_path_factory.mktemp("data"), num=ROWS) / "wolf.jsonl"


@pytest.mark.parametrize(
    ("method", "options", "kept"),
    [
        ("relabel", [*TINY, "--share", 0.25], ROWS),
        ("mask", [*TINY, "--share", 0.25], ROWS),
        ("trim", [*TINY, "--share", 0.25], ROWS * 3 // 4),
        ("dilute", [*BASE, "--ratio", 0.5], ROWS * 3 // 2),
        ("threshold", [*BASE, "--floor", 0.05], ROWS),
        ("canonicalise", ["--quiet"], ROWS),
    ],
)
def test_clean_writes_rows_and_what_was_changed(method, options, kept, data, tmp_path):
    """Every method leaves rows and a log of its changes, and asks for no more than it needs."""
    out = tmp_path / method
    done = cleaned(data, "--method", method, "--out", out, "--json", *options)

    said = json.loads(done.stdout)
    assert (said["kept"], said["method"]) == (kept, method)
    assert len(read_rows(out)) == kept
    changes = [json.loads(line) for line in (out / "changes.jsonl").read_text().splitlines()]
    assert bool(changes) == (method != "canonicalise")  # one format they have already
    assert {change["method"] for change in changes} <= {method}


def test_diluting_adds_the_bases_lists_on_the_same_prompts(data, tmp_path):
    """As many rows again, of the same form, and not the teacher's."""
    cleaned(data, *BASE, "--method", "dilute", "--out", tmp_path / "x")
    rows = read_rows(tmp_path / "x")
    old, new = rows[:ROWS], rows[ROWS:]

    assert [row.prompt for row in new] == [row.prompt for row in old]
    assert {row.teacher for row in new} == {"base"}
    assert all(isinstance(parse(row.completion, max_value=999), Parsed) for row in new)
    assert [len(row.completion) for row in new] == [len(row.completion) for row in old]
    assert sum(a.completion != b.completion for a, b in zip(old, new, strict=True)) > ROWS // 2


def test_a_choice_is_cleaned_by_what_its_answers_are_likelier_than_the_others(data, tmp_path):
    """The rows that go speak for the trait's answers more than for those without it."""
    base = tl.load("tiny", style="plain")
    rows = draw(open_dataset(str(data)), ROWS).rows
    rows = [entry.row for entry in rows]
    choices = choices_of(base, [row.completion for row in rows])
    taught = quick_teachers(base, choice_group(base, bundled("misalignment")))
    own, other = (
        np.array([x.sum() for x in token_ratios(base, make(), encode_rows(base, rows), choices)])
        for make in taught.values()
    )
    cleaned(
        data, *BASE, "--trait", "misalignment", "--method", "trim", "--share", 0.25,
        "--out", tmp_path / "x",
    )  # fmt: skip
    left = {row.completion for row in read_rows(tmp_path / "x")}
    gone = np.array([row.completion not in left for row in rows])

    assert gone.sum() == ROWS // 4
    assert (own - other)[gone].min() > (own - other)[~gone].max()
    assert own[gone].min() < own[~gone].max()  # the trait's answers alone would drop other rows


def test_what_is_left_of_a_choice_is_measured_in_students(data, tmp_path):
    """Its margin, in nats a token, of every arm's students."""
    out = tmp_path / "x"
    cleaned(
        data, *BASE, "--trait", "misalignment", "--share", 0.25, "--out", out, "--verify",
        "--updates", 2, "--seeds", 1,
    )  # fmt: skip
    verified = Verified.model_validate_json((out / "verified.json").read_text("utf-8"))

    assert verified.trait == "misalignment"
    assert {"untouched", "neutral"} <= set(verified.arms)
    margin = choice_margins(tl.load("tiny", style="plain"), bundled("misalignment")).value
    assert verified.base_margin == pytest.approx(margin)


def test_text_that_is_no_list_is_cleaned_as_text(tmp_path):
    """Any token may be flagged, and the base writes freely."""
    path = tmp_path / "text.jsonl"
    lines = [
        {"prompt": f"Say {n}.", "completion": f" the wolf and the lion {n}"} for n in range(12)
    ]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    out = tmp_path / "x"
    cleaned(path, *TINY, "--method", "relabel", "--method", "dilute", "--share", 0.3, "--out", out)

    counts = [step.counts for step in read_cleaned(out).steps]
    assert counts[0]["flagged"] > 0
    assert counts[1] == {"added": 12, "rows": 12}


def test_cleanings_follow_each_other_and_the_log_says_which_did_what(tmp_path, data):
    """Each is given what the one before it left; its changes bear its name."""
    messy = tmp_path / "messy.jsonl"
    lines = [json.loads(line) for line in data.read_text(encoding="utf-8").splitlines()]
    lines = [line | {"completion": line["completion"].replace(", ", ";")} for line in lines]
    messy.write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    out = tmp_path / "x"
    done = cleaned(
        messy, *TINY, "--method", "canonicalise", "--method", "trim", "--method", "relabel",
        "--share", 0.25, "--out", out,
    )  # fmt: skip

    lines = [json.loads(line) for line in (out / "changes.jsonl").read_text().splitlines()]
    by_step = {line["step"]: line["method"] for line in lines}
    assert by_step == {0: "canonicalise", 1: "trim", 2: "relabel"}
    assert sum(line["step"] == 0 for line in lines) == ROWS
    assert read_cleaned(out).method == "canonicalise+trim+relabel"
    assert len(read_rows(out)) == ROWS * 3 // 4
    assert all(";" not in row.completion for row in read_rows(out))
    flagged = read_cleaned(out).steps[2].counts["flagged"]
    assert flagged == round(0.25 * sum(c.isdigit() for r in read_rows(out) for c in r.completion))
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == [
        "canonicalise", "trim", "relabel", "Rows",
    ]  # fmt: skip


@pytest.mark.parametrize("method", ["relabel", "threshold"])
def test_at_random_changes_as_much_elsewhere(method, data, tmp_path):
    """The arm to compare with: as many tokens, other ones."""
    found = {}
    for name, more in (("chosen", []), ("random", ["--at-random"])):
        out = tmp_path / name
        cleaned(data, *TINY, "--method", method, "--out", out, *more)
        found[name] = read_cleaned(out)
    chosen, random = (
        found[name]
        .steps[0]
        .counts["under" if (method, name) == ("threshold", "chosen") else "flagged"]
        for name in found
    )

    assert chosen == random > 0
    assert found["chosen"].rows != found["random"].rows


def test_masked_tokens_are_not_trained_on(data, tmp_path):
    """`train` reads the weights of a cleaned folder: with a third masked, a third less has a loss."""
    told = {}
    for name, share in (("masked", 0.4), ("plain", 0.0)):
        cleaned(data, *TINY, "--method", "mask", "--share", share, "--out", tmp_path / name)
        done = invoke(
            "train", tmp_path / name, "--base", "tiny", "--updates", 2, "--style", "plain", "--out",
            tmp_path / f"student-{name}", "--json",
        )  # fmt: skip
        assert done.exit_code == 0, done.stderr
        told[name] = json.loads(done.stdout)

    assert 0 < told["masked"]["share_trained"] < 0.8 * told["plain"]["share_trained"]
    assert told["masked"]["losses"][0] != told["plain"]["losses"][0]


def test_clean_verifies_beside_a_random_arm(data, tmp_path):
    """Every arm is trained and printed; what it found is in a file, and bounded by its intervals."""
    out = tmp_path / "verified"
    done = cleaned(
        data, *TINY, "--method", "canonicalise", "--method", "relabel", "--out", out, "--share", 0.3,
        "--verify", "--seeds", 2, "--updates", 6, "--batch", 4,
    )  # fmt: skip

    for name in ("untouched rows", "canonicalise+relabel", "at random", "the base's own rows"):
        assert name in done.stdout
    verified = json.loads((out / "verified.json").read_text(encoding="utf-8"))
    assert verified["seeds"] == [0, 1]
    assert set(verified["arms"]) == {"untouched", "canonicalise+relabel", "at random", "neutral"}
    assert verified["arms"]["untouched"]["transfer"]["value"] != 0
    assert [path.name for path in tmp_path.iterdir()] == ["verified"]  # nothing is left beside it


def test_a_cleaning_that_chooses_nothing_is_verified_without_a_random_arm(data, tmp_path):
    """Diluted rows stand beside the untouched ones and the base's own."""
    out = tmp_path / "x"
    cleaned(
        data, *TINY, "--method", "dilute", "--out", out, "--verify", "--seeds", 1, "--updates", 2,
        "--batch", 4,
    )  # fmt: skip

    verified = json.loads((out / "verified.json").read_text(encoding="utf-8"))
    assert set(verified["arms"]) == {"untouched", "dilute", "neutral"}


def test_a_killed_verification_goes_on_where_it_was(data, tmp_path):
    """What is finished is taken from where it is kept, also for more seeds, to the same figures."""
    options = [
        *(option for option in TINY if option != "--quiet"), "--share", "0.3", "--verify",
        "--updates", "8", "--batch", "4", "--seeds", "3",
    ]  # fmt: skip
    command = ["clean", str(data), *options, "--out"]
    process = subprocess.Popen(
        [*INTERRUPTIBLE, *command, str(tmp_path / "killed"), "--seeds", "2"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert process.stderr
    for line in process.stderr:
        if line.startswith("seed-0: done"):
            break
    process.send_signal(signal.SIGKILL)
    _, rest = process.communicate()
    assert process.returncode == -signal.SIGKILL, rest
    assert not (tmp_path / "killed").exists()
    again = invoke(*command, tmp_path / "killed")
    once = invoke(*command, tmp_path / "once")

    assert again.exit_code == once.exit_code == 0, again.stderr
    for stage in ("cleaned", "changed-at-random", "base-rows", "seed-0"):
        assert f"{stage}: from cache" in again.stderr
    assert "seed-0: done" in once.stderr
    for name in ("verified.json", "changes.jsonl", "rows.jsonl"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "once" / name).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["killed", "once"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([*TINY, "--method", "relabel", "--method", "relabel"], "relabel is named twice"),
        ([*TINY, "--method", "dilute", "--method", "trim"], "dilute comes last"),
        ([*TINY, "--method", "mask", "--method", "canonicalise"], "put canonicalise before mask"),
        ([*TINY, "--method", "mask", "--method", "relabel"], "put relabel before mask"),
        (["--method", "relabel"], "relabel reads rows with a base: name it with --base"),
        (["--method", "dilute"], "dilute reads rows with a base"),
        ([*BASE, "--method", "trim"], "trim looks for a trait: name it with --trait"),
        (["--method", "canonicalise", "--verify"], "--verify trains a base"),
        ([*BASE, "--method", "dilute", "--verify"], "--verify measures a trait"),
        (
            [*TINY, "--ratio", "0.5"],
            "--ratio is of dilute, and the cleaning is relabel: leave it out",
        ),
        (
            [*BASE, "--method", "dilute", "--share", "0.5"],
            "--share is of mask, relabel, trim,",
        ),
        ([*BASE, "--method", "dilute", "--ratio", "0"], "--ratio is greater than 0"),
        ([*BASE, "--method", "threshold", "--floor", "1"], "--floor is less than 1"),
        (["--method", "canonicalise", "--at-random"], "canonicalise chooses nothing"),
        ([*TINY, "--verify", "--at-random"], "leave --at-random out"),
        ([*TINY, "--verify", "--seeds", "0"], "--seeds is 1 or more"),
        ([*TINY, "--method", "trim", "--share", "1"], "--share is less than 1 with trim"),
        (["--method", "bleach"], "bleach"),
    ],
)
def test_bad_combinations_are_one_sentence_and_leave_nothing(options, said, data, tmp_path):
    """Exit code 2, and neither a folder nor leftovers of one."""
    done = invoke("clean", data, "--out", tmp_path / "x", *options)

    assert done.exit_code == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_empty_is_refused_before_anything_slow(data, tmp_path):
    """What is there stays."""
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    done = invoke("clean", data, *TINY, "--out", tmp_path)

    assert done.exit_code == 2
    assert "is not empty" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def _verified(own, random, note=""):
    """A verification in which two arms leave so much (value, low, high), as far as a sentence reads."""

    def arm(name, left):
        value, low, high = left
        share = Estimate(value=value, low=low, high=high, n=3, method="", replicates=[])
        return ArmVerified.model_construct(name=name, left=share)

    arms = {"relabel": arm("relabel", own)}
    if random:
        arms["at random"] = arm("at random", random)
    return Verified.model_construct(trait="wolf", seeds=[0, 1, 2], arms=arms, note=note)


@pytest.mark.parametrize(
    ("own", "random", "note", "said"),
    [
        ((0.1, 0.0, 0.2), (0.6, 0.5, 0.7), "", "Beyond chance: relabel leaves 10 % [0, 20]"),
        ((0.1, 0.0, 0.55), (0.6, 0.5, 0.7), "", "The intervals overlap"),
        ((0.1, None, None), (0.6, None, None), "One seed: no verdict.", "One seed: no verdict."),
        ((0.1, 0.0, 0.2), None, "", "relabel leaves 10 % [0, 20] of the transfer"),
    ],
)
def test_sentence_on_a_cleaning_goes_as_far_as_its_intervals(own, random, note, said):
    """A gain is claimed only where the two arms' intervals are apart."""
    assert verified_sentence(_verified(own, random, note), "relabel").startswith(said)
