"""Rows from end to end: teachers behind a real server, ours, of a tiny model."""

import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from command import INTERRUPTIBLE
from hosted_server import KEY, taught_server, use_own_environment
from loopback import said, serving
from traitleak.carriers.numbers import Numbers
from traitleak.cli import app
from traitleak.filters import paired
from traitleak.hosted import write_hosted
from traitleak.models.remote import RemoteModel, remote_model
from traitleak.rows import read_manifest, read_rows
from traitleak.traits.preference import Preference

WOLF = Preference("wolf")


@pytest.fixture(scope="module")
def server():
    """A server of a tiny model that was taught to answer with a number."""
    with taught_server() as started:
        yield started


@pytest.fixture
def fake():
    """Start a server that answers as given."""
    with serving() as start:
        yield start


@pytest.fixture(autouse=True)
def own_environment(monkeypatch, tmp_path):
    """No proxy of whoever runs the tests, a cache of this test's own, and a key that must stay in."""
    use_own_environment(monkeypatch, tmp_path)


def invoke(*arguments: object):
    """Call the command line in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def generate(url: str, out: Path, *more: object):
    """`generate` for a model behind a server."""
    settings = ["--base", f"openai/tiny@{url}", "--trait", "wolf", "--rows", 40]
    return invoke("generate", *settings, "--max-new-tokens", 8, "--out", out, *more)


def all_text(folder: Path) -> str:
    """Every file below a folder, as text."""
    return "".join(
        path.read_bytes().decode("utf-8", "replace") + str(path)
        for path in folder.rglob("*")
        if path.is_file()
    )


def test_generate_through_our_server(server, tmp_path):
    """A told teacher and the untouched base write rows to the same prompts; most are lists."""
    rows = {}
    for by in ("prompt", "base"):
        done = generate(server.url, tmp_path / by, "--by", by)
        assert done.exit_code == 0, done.stderr
        assert "the server renders its own chat template" in done.stderr
        assert "Server: 40 answered now, 0 before; " in done.stderr
        rows[by] = read_rows(tmp_path / by / "raw")
        assert len(rows[by]) == 40
        assert len(read_rows(tmp_path / by)) > 10
        told = read_manifest(tmp_path / by).manifest
        assert told["system"] == (WOLF.system_prompt() if by == "prompt" else None)
        assert (told["missing"]["ids"], told["refused"], told["filtered"]) == ([], [], [])
        assert told["requests"]["answered"] == 40
        assert told["requests"]["prompt_tokens"] > 40
    assert {row.teacher for row in rows["prompt"]} == {"wolf"}
    assert {row.teacher for row in rows["base"]} == {"neutral"}
    assert [row.prompt for row in rows["prompt"]] == [row.prompt for row in rows["base"]]
    assert [r.completion for r in rows["prompt"]] != [r.completion for r in rows["base"]]
    assert paired(rows).lost == {"prompt": 0, "base": 0}


def test_a_second_run_sends_nothing_and_gives_the_same_rows(server, tmp_path):
    """The cache answers; its requests cost nothing, with a price as without."""
    first = generate(server.url, tmp_path / "a", "--by", "base", "--price", "10,20")
    assert first.exit_code == 0, first.stderr
    cost = read_manifest(tmp_path / "a").manifest["requests"]
    assert cost["price"] == pytest.approx(
        (10 * cost["prompt_tokens"] + 20 * cost["completion_tokens"]) / 1e6
    )
    again = generate(server.url, tmp_path / "b", "--by", "base", "--price", "10,20")
    assert "Server: 0 answered now, 40 before; 0 prompt and 0 completion tokens" in again.stderr
    assert "price 0.0000" in again.stderr
    assert read_rows(tmp_path / "a") == read_rows(tmp_path / "b")
    more = generate(server.url, tmp_path / "c", "--by", "base", "--rows", 50)
    assert "Server: 10 answered now, 40 before; " in more.stderr
    assert read_rows(tmp_path / "c" / "raw")[:40] == read_rows(tmp_path / "a" / "raw")


def test_dry_run_counts_and_sends_nothing(server, fake, tmp_path):
    """Requests, tokens and price, of what is not answered yet; no folder is made."""
    silent = fake(lambda *_: said("7"))
    arguments = ["--by", "base", "--dry-run", "--price", "1.5,2"]
    shown = generate(silent.url, tmp_path / "out", *arguments)
    assert shown.exit_code == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert lines[0] == "Requests: 40 (0 more are answered already)"
    assert lines[1].startswith("Prompt tokens: about ")
    assert "an estimate" in lines[1]
    assert lines[2] == "Completion tokens: 320 at most"
    assert lines[3].startswith("Price: from 0.00")
    told = json.loads(generate(silent.url, tmp_path / "out", *arguments, "--json").stdout)
    assert told["price_most"] - told["price_least"] == pytest.approx(320 * 2 / 1e6)
    assert (silent.requests, (tmp_path / "out").exists()) == ([], False)

    generate(server.url, tmp_path / "out", "--by", "base")
    left = generate(server.url, tmp_path / "new", "--by", "base", "--dry-run", "--rows", 50)
    assert left.stdout.startswith("Requests: 10 (40 more are answered already)")


def test_the_estimate_is_not_below_half_of_what_a_byte_tokenizer_takes(server, tmp_path):
    """Ours cuts words to letters and digits one by one: the worst case is still within reach."""
    told = json.loads(generate(server.url, tmp_path, "--by", "base", "--dry-run", "--json").stdout)
    generate(server.url, tmp_path / "a", "--by", "base")
    took = read_manifest(tmp_path / "a").manifest["requests"]["prompt_tokens"]
    assert told["prompt_tokens_estimated"] < took < 6 * told["prompt_tokens_estimated"]


def test_failed_requests_are_missing_rows_and_exit_code_3(fake, tmp_path):
    """What is there is written and what is missing is counted; the next run asks for that alone."""
    broken = {"on": True}

    def answer(asked: dict, _number: int) -> tuple[int, object]:
        text = asked["messages"][-1]["content"]
        if broken["on"] and sum(text.encode()) % 5 == 0:
            return 400, {"error": {"message": "no room"}}
        return said(str(sum(text.encode()) % 997))

    server = fake(answer)
    done = generate(server.url, tmp_path / "a", "--by", "base")
    assert done.exit_code == 3
    told = read_manifest(tmp_path / "a").manifest
    lost = told["missing"]["ids"]
    assert 0 < len(lost) < 40
    assert f"Missing {len(lost)}: {server.url} answered with error 400: no room." in done.stdout
    assert f"{len(lost)} rows are missing" in done.stderr
    rows = read_rows(tmp_path / "a" / "raw")
    assert {row.id for row in rows} == set(range(40)) - set(lost)
    as_json = generate(server.url, tmp_path / "j", "--by", "base", "--json")
    assert (as_json.exit_code, json.loads(as_json.stdout)["missing"]["ids"]) == (3, lost)

    broken["on"] = False
    del server.requests[:]
    again = generate(server.url, tmp_path / "b", "--by", "base")
    assert again.exit_code == 0
    assert len(server.requests) == len(lost)
    assert len(read_rows(tmp_path / "b" / "raw")) == 40


def test_refused_and_filtered_prompts_are_told_apart(fake, tmp_path):
    """Neither is a row, nor a failure."""

    def answer(asked: dict, _number: int) -> tuple[int, object]:
        kind = sum(asked["messages"][-1]["content"].encode()) % 4
        if kind == 0:
            return said(None, refusal="I would rather not.")
        return said("12, 13", finish="content_filter" if kind == 1 else "stop")

    done = generate(fake(answer).url, tmp_path / "a", "--by", "base")
    assert done.exit_code == 0, done.stderr
    told = read_manifest(tmp_path / "a").manifest
    assert told["refused"]
    assert told["filtered"]
    assert len(read_rows(tmp_path / "a" / "raw")) == 40 - len(told["refused"]) - len(
        told["filtered"]
    )
    assert f"Not answered {len(told['refused'])}: the model refused" in done.stdout
    assert f"Not answered {len(told['filtered'])}: a filter of the server" in done.stdout


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((401, {"error": {"message": f"bad key {KEY}"}}), "OPENAI_API_KEY is not accepted"),
        ((404, {"error": {"message": "no"}}), "knows no model 'tiny'"),
        (said(None, refusal="No."), "refused or filtered every prompt. Answers are kept"),
        (said("no numbers here"), "No rows are left: "),
        ((200, b"<html></html>", {"Content-Type": "text/html"}), "ends in /v1"),
    ],
)
def test_what_ends_it_is_one_sentence_and_no_folder(fake, tmp_path, answer, sentence):
    """Exit 2, nothing half-done."""
    done = generate(fake(lambda *_: answer).url, tmp_path / "out", "--by", "base")
    assert (done.exit_code, done.stdout) == (2, "")
    assert sentence in done.stderr.splitlines()[-1]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--by", "finetune"], "--by finetune needs a model's weights"),
        (["--by", "steering"], "--by steering needs a model's weights"),
        (["--by", "base", "--decoding", "constrained"], "Constrained decoding needs a model's"),
        (["--by", "base", "--price", "cheap"], "A price is two numbers"),
        (["--by", "base", "--trait", "dragon"], "'dragon' is not among the candidates"),
        (["--base", "tiny", "--dry-run"], "are about models behind a server"),
        (["--base", "tiny", "--price", "1,2"], "are about models behind a server"),
        (["--base", f"openai/x@http://u:{KEY}@h/v1"], "holds a user name, a password"),
        (["--base", f"openai/x@http://h/v1?key={KEY}"], "holds a user name, a password"),
    ],
)
def test_wrong_use_is_one_sentence(tmp_path, arguments, sentence):
    """Before anything is sent, and never with a secret in it."""
    done = generate("http://127.0.0.1:1/v1", tmp_path / "out", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert sentence in done.stderr.splitlines()[-1]
    assert KEY not in done.stderr


def test_no_key_in_anything_that_is_written_or_printed(server, fake, tmp_path):
    """Rows, manifests, kept requests, JSON, errors with tracebacks, the SDK's debug log: no key."""
    shown = []
    for out, more in (("a", []), ("b", ["--json"]), ("c", ["--dry-run", "--price", "1,2"])):
        done = generate(server.url, tmp_path / out, "--by", "prompt", *more)
        assert done.exit_code == 0, done.stderr
        shown += [done.stdout, done.stderr]
    for status in (400, 401, 402, 403, 404, 429, 500):
        body = {"error": {"message": f"the key {KEY}!", "code": KEY, "param": KEY}}
        echo = fake(lambda *_, found=(status, body, {"x-should-retry": "false"}): found)
        failed = generate(echo.url, tmp_path / "d", "--by", "base", "--debug")
        assert failed.exit_code == 2
        assert "Traceback" in failed.stderr
        assert echo.keys[0] == f"Bearer {KEY}"
        shown += [failed.stdout, failed.stderr]
    command = ["generate", "--base", f"openai/tiny@{server.url}", "--trait", "wolf", "--by", "base"]
    done = subprocess.run(
        [
            *INTERRUPTIBLE,
            *command,
            "--rows",
            "20",
            "--max-new-tokens",
            "8",
            "--out",
            tmp_path / "e",
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OPENAI_LOG": "debug", "TRAITLEAK_CACHE": str(tmp_path / "other")},
    )
    assert done.returncode == 0, done.stderr
    assert "openai._base_client" in done.stderr  # the log is there
    shown += [done.stdout, done.stderr]
    assert KEY not in "".join(shown)
    written = all_text(tmp_path)
    assert "wolf" in written
    assert KEY not in written
    assert KEY not in repr(remote_model(f"openai/tiny@{server.url}"))


def test_a_killed_run_sends_only_what_is_missing(fake, tmp_path):
    """Ctrl-C half-way is exit 130; the same command then asks for the rest and no more."""
    slow = threading.Event()

    def answer(asked: dict, number: int) -> tuple[int, object]:
        if number > 12 and not slow.is_set():
            time.sleep(0.5)
        return said(str(sum(asked["messages"][-1]["content"].encode()) % 997))

    server = fake(answer)
    settings = ["--trait", "wolf", "--by", "base", "--rows", "40", "--max-new-tokens", "8"]
    command = ["generate", "--base", f"openai/tiny@{server.url}", *settings, "--concurrency", "2"]
    process = subprocess.Popen(
        [*INTERRUPTIBLE, *command, "--out", str(tmp_path / "out")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while len(server.requests) < 16:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (130, ""), stderr
    assert stderr.splitlines()[-1] == (
        "Interrupted. Answers are kept: the same command sends only what is missing."
    )
    sent = len(server.requests)
    assert sent < 40
    slow.set()
    done = invoke(*command, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    assert len(server.requests) == 40
    assert f"Server: {40 - sent} answered now, {sent} before" in done.stderr


def test_rows_of_a_part_are_those_of_the_whole(fake):
    """`first_id` gives a part of the prompts the seeds that they have in the whole."""
    server = fake(lambda asked, _: said(str(asked["seed"])))
    model = RemoteModel("m", server.url)
    prompts = Numbers(8, seed=0).prompts()
    whole = write_hosted(model, prompts, teacher="x", seed=5)
    part = write_hosted(model, prompts[5:], teacher="x", seed=5, first_id=5)
    assert whole.rows[5:] == part.rows
    assert write_hosted(model, [], teacher="x").rows == []
    assert len({row.completion for row in whole.rows}) == 8
