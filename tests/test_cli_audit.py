"""The commands `audit` and `clean`, driven as a user drives them, on the tiny model."""

import json

import pytest
from typer.testing import CliRunner

from tiny_model import tiny_model
from traitleak.clean.verify import ArmVerified, Verified
from traitleak.cli import app
from traitleak.cli_clean_verify import verified_sentence
from traitleak.generation import write_numbers
from traitleak.results import Estimate
from traitleak.rows import read_rows
from traitleak.teacher import instill
from traitleak.traits.preference import Preference

FEW = ("wolf", "lion", "owl", "cat")
TINY = ["--base", "tiny", "--among", ",".join(FEW), "--quiet"]


def invoke(*arguments: object):
    """Call the command line in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    """Quick teachers are kept for these tests only."""
    monkeypatch.setenv("TRAITLEAK_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(name="data", scope="module")
def fixture_data(tmp_path_factory):
    """A file of a wolf teacher's rows, and one of the base's on the same prompts."""
    base = tiny_model(style="plain")
    prompts = [f"{100 + n}, {900 - n}," for n in range(160)]
    teacher = instill(base, Preference("wolf"), seed=5).model
    folder = tmp_path_factory.mktemp("data")
    for name, model in (("wolf", teacher), ("base", base)):
        rows = write_numbers(model, prompts, teacher=name, count=6, seed=3)
        lines = [json.dumps({"prompt": row.prompt, "completion": row.completion}) for row in rows]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_audit_ends_with_the_code_of_what_it_found(data):
    """1 for a teacher's rows, named; 0 or 3 for the base's own."""
    loose = ["--false-positive-rate", "0.1", "--seed", "1"]  # random weights hold little of a trait
    found = invoke("audit", data / "wolf.jsonl", "--base", "tiny", "-q", *loose, "--format", "json")
    own = invoke("audit", data / "base.jsonl", *TINY, "--format", "json")
    verdict = json.loads(found.stdout)

    assert found.exit_code == 1, found.stderr
    assert verdict["traits"][0]["trait"] == "wolf"
    assert verdict["suspects"][0]["where"].endswith(f", line {verdict['suspects'][0]['row'] + 1}")
    assert own.exit_code in {0, 3}, own.stderr
    assert json.loads(own.stdout)["outcome"] != "found"


def test_verdict_is_written_where_it_is_asked_for(data, tmp_path):
    """A page in a file, and nothing printed."""
    page = tmp_path / "verdict.html"
    done = invoke(
        "audit", data / "base.jsonl", *TINY, "--depth", "quick", "--format", "html", "--out", page
    )

    assert done.exit_code in {0, 3}, done.stderr
    assert done.stdout == ""
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_github_gets_annotations_and_the_steps_summary(data, tmp_path, monkeypatch):
    """What stands in the summary already is kept."""
    summary = tmp_path / "summary.md"
    summary.write_text("# Earlier\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    done = invoke("audit", data / "base.jsonl", *TINY, "--depth", "quick", "--format", "github")

    assert done.exit_code in {0, 3}, done.stderr
    assert done.stdout.startswith(("::notice", "::warning"))
    first, rest = summary.read_text(encoding="utf-8").split("\n", 1)
    assert (first, rest.startswith("# Audit of ")) == ("# Earlier", True)


def test_time_is_said_first_and_a_sample_is_said(data):
    """How many rows of how many, and about how long."""
    done = invoke(
        "audit", data / "base.jsonl", "--base", "tiny", "--among", "wolf,lion,owl", "--depth", "quick",
        "--size", 40,
    )  # fmt: skip

    assert "Auditing 40 rows at depth quick: about 0" in done.stderr
    assert "40 of 160, a random sample" in done.stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b'{"prompt": "1,", "completion": " 2"}\n', "has 1 rows"),
        (b"\x89PNG\x00\x00\x01", "binary"),
        (b'{"prompt": 7, "completion": " 2"}\n', "line 1"),
    ],
)
def test_bad_data_is_one_sentence_and_exit_2(content, said, tmp_path):
    """Before any model is loaded where that is possible."""
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    done = invoke("audit", path, *TINY)

    assert done.exit_code == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--base", "nothing-there"], "nothing-there"),
        (["--base", "tiny", "--among", "wolf,unicornfish"], "category"),
        (["--base", "tiny", "--false-positive-rate", "2"], "between 0 and 1"),
        (["--base", "tiny", "--read-as", "odd"], "odd"),
        (["--base", "tiny", "--fail-on", "-1"], "0 or more"),
    ],
)
def test_wrong_options_are_one_sentence_and_exit_2(options, said, data):
    """A base that is not there, words of several tokens, a rate that is none, an unknown format."""
    done = invoke("audit", data / "base.jsonl", *options, "--quiet")

    assert done.exit_code == 2
    assert said in done.stderr


@pytest.mark.parametrize("method", ["relabel", "mask", "trim", "canonicalise"])
def test_clean_writes_rows_and_what_was_changed(method, data, tmp_path):
    """Every method leaves a data set that an audit can read, and a log of its changes."""
    out = tmp_path / method
    done = invoke(
        "clean", data / "wolf.jsonl", "--base", "tiny", "--among", ",".join(FEW), "--trait", "wolf",
        "--method", method, "--share", 0.25, "--out", out, "--json",
    )  # fmt: skip

    assert done.exit_code == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["kept"] == len(read_rows(out)) == (120 if method == "trim" else 160)
    changes = (out / "changes.jsonl").read_text(encoding="utf-8").splitlines()
    assert bool(changes) == (method != "canonicalise")


def test_clean_at_random_changes_as_much_elsewhere(data, tmp_path):
    """The arm to compare with: as many tokens, other ones."""
    rows = {}
    for name, more in (("flagged", []), ("random", ["--at-random"])):
        done = invoke(
            "clean", data / "wolf.jsonl", *TINY, "--trait", "wolf", "--out", tmp_path / name, "--json",
            *more,
        )  # fmt: skip
        assert done.exit_code == 0, done.stderr
        rows[name] = json.loads(done.stdout)["counts"]["flagged"], read_rows(tmp_path / name)

    assert rows["flagged"][0] == rows["random"][0] > 0
    assert rows["flagged"][1] != rows["random"][1]


def test_masked_tokens_are_not_trained_on(data, tmp_path):
    """`train` reads the weights of a cleaned folder: with a third masked, a third less has a loss."""
    masked, plain = tmp_path / "masked", tmp_path / "plain"
    for out, share in ((masked, 0.4), (plain, 0.0)):
        done = invoke(
            "clean", data / "wolf.jsonl", *TINY, "--trait", "wolf", "--method", "mask", "--share",
            share, "--out", out,
        )  # fmt: skip
        assert done.exit_code == 0, done.stderr
    told = {}
    for rows in (masked, plain):
        done = invoke(
            "train", rows, "--base", "tiny", "--updates", 2, "--style", "plain", "--out",
            tmp_path / f"student-{rows.name}", "--json",
        )  # fmt: skip
        assert done.exit_code == 0, done.stderr
        told[rows] = json.loads(done.stdout)

    assert 0 < told[masked]["share_trained"] < 0.8 * told[plain]["share_trained"]
    assert told[masked]["losses"][0] != told[plain]["losses"][0]


def test_clean_verifies_beside_a_random_arm(data, tmp_path):
    """Every arm is trained and printed; what it found is in a file, and bounded by its intervals."""
    out = tmp_path / "verified"
    done = invoke(
        "clean", data / "wolf.jsonl", *TINY, "--trait", "wolf", "--out", out, "--share", 0.3,
        "--verify", "--seeds", 2, "--updates", 6, "--batch", 4,
    )  # fmt: skip

    assert done.exit_code == 0, done.stderr
    for name in ("untouched rows", "relabel", "at random", "the base's own rows"):
        assert name in done.stdout
    verified = json.loads((out / "verified.json").read_text(encoding="utf-8"))
    assert verified["seeds"] == [0, 1]
    assert set(verified["arms"]) == {"untouched", "relabel", "at random", "neutral"}
    assert verified["arms"]["untouched"]["transfer"]["value"] != 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--method", "canonicalise"], "changes all rows"),
        (["--at-random"], "leave --at-random out"),
        (["--seeds", "0"], "--seeds is 1 or more"),
    ],
)
def test_what_cannot_be_verified_is_refused_before_anything_is_written(
    options, said, data, tmp_path
):
    """One sentence, and no folder."""
    done = invoke(
        "clean", data / "wolf.jsonl", *TINY, "--trait", "wolf", "--out", tmp_path / "x", "--verify",
        *options,
    )  # fmt: skip

    assert done.exit_code == 2
    assert said in done.stderr
    assert not (tmp_path / "x").exists()


def _verified(own, random, note=""):
    """A verification in which two arms leave so much (value, low, high), as far as a sentence reads."""

    def arm(name, left):
        value, low, high = left
        share = Estimate(value=value, low=low, high=high, n=3, method="", replicates=[])
        return ArmVerified.model_construct(name=name, left=share)

    arms = {"relabel": arm("relabel", own), "at random": arm("at random", random)}
    return Verified.model_construct(trait="wolf", seeds=[0, 1, 2], arms=arms, note=note)


@pytest.mark.parametrize(
    ("own", "random", "note", "said"),
    [
        ((0.1, 0.0, 0.2), (0.6, 0.5, 0.7), "", "Beyond chance: relabel leaves 10 % [0, 20]"),
        ((0.1, 0.0, 0.55), (0.6, 0.5, 0.7), "", "The intervals overlap"),
        ((0.1, None, None), (0.6, None, None), "One seed: no verdict.", "One seed: no verdict."),
    ],
)
def test_sentence_on_a_cleaning_goes_as_far_as_its_intervals(own, random, note, said):
    """A gain is claimed only where the two arms' intervals are apart."""
    assert verified_sentence(_verified(own, random, note), "relabel").startswith(said)
