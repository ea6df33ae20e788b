"""The command `audit`, driven as a user drives them, on the tiny model."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from loopback import said as completion
from loopback import serving
from rows_files import FEW, write_rows_files
from traitleak.audit.expected_time import audit_pace
from traitleak.cli import app

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
    return write_rows_files(tmp_path_factory.mktemp("data"))


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


def test_other_traits_are_asked_about_by_name_or_file(data):
    """Bundled ones, and one of a user's own."""
    gloom = Path(__file__).parents[2] / "recipes" / "traits" / "gloom.yaml"
    done = invoke(
        "audit", data / "base.jsonl", *TINY, "--also", f"refusal, {gloom}", "--format", "json"
    )

    assert done.exit_code in {0, 3}, done.stderr
    assert {"refusal", "gloom", *FEW} == {one["trait"] for one in json.loads(done.stdout)["traits"]}


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


def test_as_many_rows_are_drawn_as_fit_into_the_minutes(data, monkeypatch):
    """By the pace that is timed first; all where there are no more; the verdict says how many."""
    paces = []

    def paced(*arguments, **settings):
        paces.append(audit_pace(*arguments, **settings))
        return replace(paces[-1], row=0.0, hypothesis=0.2, fixed=0.0)  # 3 hypotheses: .6 s a row

    monkeypatch.setattr("traitleak.audit.expected_time.audit_pace", paced)
    options = ["--base", "tiny", "--among", "wolf,lion,owl", "--depth", "quick"]
    some = invoke("audit", data / "base.jsonl", *options, "--minutes", 0.505)
    every = invoke("audit", data / "base.jsonl", *options, "--minutes", 30)
    few = invoke("audit", data / "base.jsonl", *options, "--minutes", 0.05)

    assert "Auditing 50 rows at depth quick: about 0.5 minutes" in some.stderr
    assert "50 of 160, a random sample" in some.stdout
    assert "Auditing 160 rows at depth quick: about 1.6 minutes" in every.stderr
    assert few.exit_code == 2
    assert "In 0.05 minutes 5 rows can be audited here, and 3 traits take 8 or more: give 0.08" in (
        few.stderr
    )
    assert all(one.row > 0 and one.hypothesis > 0 and one.hypotheses == 3 for one in paces)


def test_all_rows_are_audited_where_that_is_asked_for(tmp_path):
    """More than a sample has by default, which is said where it is drawn."""
    path = tmp_path / "rows.jsonl"
    lines = [{"prompt": f"{n},", "completion": f" {n % 7}, {n % 9}"} for n in range(300)]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    options = [*TINY, "--depth", "quick", "--format", "json"]
    sample, every = (
        invoke("audit", path, *options),
        invoke("audit", path, *options, "--size", "all"),
    )

    for done, audited in ((sample, 256), (every, 300)):
        assert done.exit_code in {0, 3}, done.stderr
        told = json.loads(done.stdout)["rows"]
        assert (told["audited"], told["total"], told["sampled"]) == (audited, 300, audited < 300)


def test_a_judge_is_asked_where_it_is_named(data, monkeypatch):
    """What it named stands in the verdict, and its time is not in the estimate."""
    for name in ("OPENAI_API_KEY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving() as start:
        server = start(lambda _asked, _number: completion("lion"))
        done = invoke(
            "audit", data / "base.jsonl", "--base", "tiny", "--among", ",".join(FEW), "--depth",
            "quick", "--size", 40, "--judge", f"openai/reader@{server.url}",
        )  # fmt: skip

    assert done.exit_code in {0, 3}, done.stderr
    assert "and the judge's time" in done.stderr
    assert "lion was named in 8 of them, and in 8 of 8 bags" in " ".join(done.stdout.split())
    assert len(server.requests) == 16


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b'{"prompt": "1,", "completion": " 2"}\n', "has 1 row that can be audited"),
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
        (
            ["--base", "tiny", "--size", "0"],
            "a number of rows from 1 to 1,000,000, or all; got '0'",
        ),
        (["--base", "tiny", "--size", "-5"], "or all; got '-5'"),
        (["--base", "tiny", "--size", "2.5"], "or all; got '2.5'"),
        (["--base", "tiny", "--size", "9" * 40], "or all; got"),
        (["--base", "tiny", "--size", "many"], "or all; got 'many'"),
        (
            ["--base", "tiny", "--system", "Hi.", "--depth", "quick"],
            "--system is for depth standard",
        ),
        (["--base", "tiny", "--system", "Hi.", "--reference", "x.jsonl"], "--system is for depth"),
        (["--base", "tiny", "--minutes", "0"], "--minutes must be a number greater than 0"),
        (["--base", "tiny", "--minutes", "nan"], "--minutes must be a number greater than 0"),
        (["--base", "tiny", "--minutes", "5", "--size", "9"], "leave --size out"),
        (["--base", "tiny", "--minutes", "5", "--depth", "deep"], "name --size in the place of"),
        (["--base", "tiny", "--judge", "nobody-knows"], "nobody-knows"),
        (["--base", "tiny", "--judge", "openai/reader"], "openai/reader"),
        (["--base", "tiny", "--also", "misalignmant"], "Did you mean 'misalignment'?"),
        (["--base", "tiny", "--also", "missing.yaml"], "missing.yaml"),
        (["--base", "tiny", "--also", "refusal,refusal"], "'refusal': ask about each once"),
    ],
)
def test_wrong_options_are_one_sentence_and_exit_2(options, said, data):
    """A base that is not there, words of several tokens, a rate that is none, an unknown format."""
    done = invoke("audit", data / "base.jsonl", *options, "--quiet")

    assert done.exit_code == 2
    assert said in done.stderr
