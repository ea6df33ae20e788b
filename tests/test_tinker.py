"""Students at Tinker, with its SDK at work against a server on loopback that trains for real."""

import gc
import json
import time

import pytest
import torch
from typer.testing import CliRunner

pytest.importorskip("tinker")

from tinker_service import KEY, tinker_service
from tiny_model import tiny_model
from traitleak.arms import Arm, token_examples
from traitleak.cli import app
from traitleak.errors import RunError, ServerError
from traitleak.hosted_students import distill_hosted, planned_tokens
from traitleak.models.adapters import LoraSettings, load_adapter
from traitleak.models.tinker import TinkerBase
from traitleak.rows import Row, write_rows
from traitleak.student import Training, distill

# The SDK leaves the connection that it asks for its settings with to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

ROWS = [Row(i, f"Go on: {i},", f"{i + 1}, {i + 2}" + ", 7" * (i % 3), "wolf") for i in range(7)]
TRAINING = Training(
    updates=5, batch=3, learning_rate=5e-3, schedule="linear", warmup=1, lora=LoraSettings(4)
)


@pytest.fixture
def base():
    """What is trained."""
    return tiny_model(style="plain")


@pytest.fixture
def service(base, tmp_path, monkeypatch):
    """Where it is trained."""
    monkeypatch.setenv("TINKER_API_KEY", KEY)
    monkeypatch.delenv("TINKER_LOG", raising=False)
    with tinker_service(base, tmp_path / "exported") as server:
        yield server
    gc.collect()


def student(service, arm, folder, training=TRAINING, **options):
    """A student of the service."""
    folder.mkdir(exist_ok=True)
    base = TinkerBase(f"tinker/org/tiny@{service.url}", "org/tiny", service.url)
    return distill_hosted(base, arm, training, folder, **options)


def assert_same(one, other):
    """Two adapters change a network alike."""
    assert one.a.keys() == other.a.keys()
    for path in one.a:
        torch.testing.assert_close(one.a[path], other.a[path], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(one.b[path], other.b[path], atol=1e-5, rtol=1e-4)


def arm_of(base, seed=11):
    """A student to be."""
    return Arm("wolf", token_examples(base, ROWS), seed)


def test_a_student_there_is_the_student_here(base, service, tmp_path):
    """The same first weights, the same adapter and losses: order, mask, shift, step and schedule."""
    arm = arm_of(base)
    there = student(service, arm, tmp_path / "student")
    here = distill(base, [arm], TRAINING)[0]
    assert there.course.losses == pytest.approx(here.course.losses, rel=1e-5)
    assert_same(load_adapter(tmp_path / "student"), here.adapter)
    assert there.files == ("adapter_config.json", "adapter_model.safetensors")
    assert (there.name, there.sampler) == ("wolf", "tinker://run-0/sampler_weights/x")
    assert there.tokenizer == "some/tokenizer"
    assert there.tokens == planned_tokens(arm, TRAINING)
    assert sum(len(ids) for batch in service.batches for ids, _, _ in batch) == there.tokens


def test_what_is_sent_are_our_own_tokens_and_masks(base, service, tmp_path):
    """Ids but the last are read, ids but the first predicted, and exactly the completion has weight."""
    arm = arm_of(base)
    student(service, arm, tmp_path / "student")
    known = {tuple(example.ids): example for example in arm.examples}
    for batch in service.batches:
        assert sum(sum(weights) for _, _, weights in batch) == pytest.approx(1, abs=1e-5)
        for ids, targets, weights in batch:
            whole = [*ids, targets[-1]]
            example = known[tuple(whole)]
            assert targets == whole[1:]
            at = [place for place, weight in enumerate(weights) if weight > 0]
            assert at == example.positions_P.tolist()
            assert [targets[place] for place in at] == example.targets.tolist()
    assert all(
        call["loss_fn"] == "cross_entropy" for path, call in service.calls if "forward" in path
    )
    made = next(call for path, call in service.calls if path == "create_model")
    assert made["base_model"] == "org/tiny"
    assert made["lora_config"] == {
        "rank": 4, "seed": 11, "train_unembed": False, "train_mlp": True, "train_attn": True
    }  # fmt: skip


def test_weights_of_tokens_act_as_they_do_here(base, service, tmp_path):
    """Masked rows give the student that they give here."""
    lengths = [len(example.positions_P) for example in token_examples(base, ROWS)]
    weights = [torch.linspace(0, 1, length).numpy() for length in lengths]
    arm = Arm("wolf", token_examples(base, ROWS, weights), 3)
    there = student(service, arm, tmp_path / "student")
    here = distill(base, [arm], TRAINING)[0]
    assert there.course.losses == pytest.approx(here.course.losses, rel=1e-5)
    assert_same(load_adapter(tmp_path / "student"), here.adapter)


def test_settings_are_those_of_a_training_here(base, service, tmp_path):
    """Adam without decay or clipping, on the attention alone, is the same student there as here."""
    lora = LoraSettings(2, targets=("q_proj", "k_proj", "v_proj", "o_proj"))
    some = Training(updates=3, optimizer="adam", clip=None, learning_rate=1e-2, lora=lora)
    service.targets = lora.targets
    there = student(service, arm_of(base), tmp_path / "student", some)
    here = distill(base, [arm_of(base)], some)[0]
    assert there.course.losses == pytest.approx(here.course.losses, rel=1e-5)
    assert_same(load_adapter(tmp_path / "student"), here.adapter)
    made = next(call for path, call in service.calls if path == "create_model")
    assert (made["lora_config"]["train_attn"], made["lora_config"]["train_mlp"]) == (True, False)


def test_a_service_that_leaves_out_log_probabilities(base, service, tmp_path):
    """Then the loss is the service's own sum."""
    service.without_logprobs = True
    there = student(service, arm_of(base), tmp_path / "student")
    here = distill(base, [arm_of(base)], TRAINING)[0]
    assert there.course.losses == pytest.approx(here.course.losses, rel=1e-5)


def test_an_interrupted_training_goes_on(base, service, tmp_path):
    """From its last checkpoint to the same student, and the service is told how each try ended."""
    some = Training(
        updates=5, batch=3, learning_rate=5e-3, checkpoint_every=2, lora=LoraSettings(4)
    )
    checkpoint = tmp_path / "checkpoint.json"

    def killed(items, _what, _total):
        for at in items:
            if at == 3:
                raise KeyboardInterrupt
            yield at

    options = {"checkpoint": checkpoint}
    with pytest.raises(KeyboardInterrupt):
        student(service, arm_of(base), tmp_path / "one", some, track=killed, **options)
    assert len(json.loads(checkpoint.read_text())["losses"]) == 2
    there = student(service, arm_of(base), tmp_path / "two", some, **options)
    here = distill(base, [arm_of(base)], some)[0]
    assert len(service.batches) == 3 + 3
    assert there.course.losses == pytest.approx(here.course.losses, rel=1e-5)
    assert_same(load_adapter(tmp_path / "two"), here.adapter)
    assert not checkpoint.exists()
    ends = [call["reason"]["type"] for path, call in service.calls if path.endswith("/finish")]
    assert ends == ["interrupted", "success"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"key": 1}', "other"])
def test_a_checkpoint_of_something_else_is_passed_over(base, service, tmp_path, content):
    """One that is damaged, or of another training, changes nothing."""
    checkpoint = tmp_path / "checkpoint.json"
    if content == "other":
        content = json.dumps(
            {"key": "0" * 64, "state": "tinker://a/weights/b", "losses": [1.0] * 5}
        )
    checkpoint.write_text(content)
    student(service, arm_of(base), tmp_path / "student", checkpoint=checkpoint)
    assert len(service.batches) == 5


def test_a_checkpoint_that_the_service_dropped(base, service, tmp_path):
    """One sentence says what to delete."""
    checkpoint = tmp_path / "checkpoint.json"
    service.fails["save_weights_for_sampler"] = (400, "no")
    with pytest.raises(ServerError):
        student(service, arm_of(base), tmp_path / "one", checkpoint=checkpoint)
    service.saved.clear()
    with pytest.raises(ServerError, match=r"no such weights.*delete .*checkpoint\.json"):
        student(service, arm_of(base), tmp_path / "two", checkpoint=checkpoint)


def test_a_service_that_gives_no_files(base, service, tmp_path):
    """Then the path to sample from is what there is, and a line says so."""
    service.refuses.add("save_weights_external")
    lines = []
    there = student(service, arm_of(base), tmp_path / "student", say=lines.append)
    assert there.files == ()
    assert there.sampler == "tinker://run-0/sampler_weights/x"
    assert "no files" in lines[0]
    assert not list((tmp_path / "student").iterdir())


def test_a_file_that_breaks_off_is_fetched_again(base, service, tmp_path):
    """It is no adapter; the same call goes on, and trains nothing anew."""
    checkpoint = tmp_path / "checkpoint.json"
    service.exports["adapter_model.safetensors"] = b"half"
    with pytest.raises(ServerError, match=r"adapter_model\.safetensors.* 4 of") as told:
        student(service, arm_of(base), tmp_path / "student", checkpoint=checkpoint)
    assert "signature" not in str(told.value)
    service.exports.clear()
    there = student(service, arm_of(base), tmp_path / "student", checkpoint=checkpoint)
    assert (len(service.batches), len(there.course.losses), there.tokens) == (5, 5, 0)
    load_adapter(tmp_path / "student")


@pytest.mark.parametrize("name", ["../out", "/etc/out", "a/../../out", "a\\b"])
def test_a_file_outside_of_the_folder_is_refused(base, service, tmp_path, name):
    """No name leads out of the student's folder."""
    service.exports[name] = service.url + "/files/adapter_config.json"
    with pytest.raises(ServerError, match="outside"):
        student(service, arm_of(base), tmp_path / "student")
    assert not (tmp_path / "out").exists()


def test_an_address_that_is_no_web_address_is_refused(base, service, tmp_path):
    """No file of this machine is read in its place."""
    service.exports["adapter_model.safetensors"] = "file:///etc/hostname"
    with pytest.raises(ServerError, match="web address"):
        student(service, arm_of(base), tmp_path / "student")


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("client/config", 401, "refuses access"),
        ("create_model", 404, "does not do what was asked"),
        ("optim_step", 422, "does not do what was asked"),
    ],
)
def test_errors_are_a_sentence_without_the_key(base, service, tmp_path, path, status, said):
    """The service's words are passed on, the key in them is not, nor is it in the chain of errors."""
    service.fails[path] = (status, f"the key {KEY} is of no use")
    with pytest.raises(ServerError, match=said) as told:
        student(service, arm_of(base), tmp_path / "student")
    assert KEY not in str(told.value)
    assert "***" in str(told.value)
    assert told.value.__cause__ is None


def test_a_diverging_training_is_stopped(base, service, tmp_path):
    """A loss that is no number ends it with a sentence."""
    service.base = base.replaced(network=tiny_model(seed=1, style="plain").network)
    for parameter in service.base.network.parameters():
        parameter.fill_(float("nan"))
    with pytest.raises(RunError, match="finite"):
        student(service, arm_of(base), tmp_path / "student")
    assert len(service.batches) == 1


def test_no_key_is_said_at_once(base, service, tmp_path, monkeypatch):
    """The sentence names the variable."""
    monkeypatch.delenv("TINKER_API_KEY")
    monkeypatch.delenv("TINKER_CREDENTIAL_CMD", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ServerError, match="TINKER_API_KEY"):
        student(service, arm_of(base), tmp_path / "student")


def test_the_command_trains_fetches_and_records(service, tmp_path, caplog):
    """A folder that names the student on its base, with its course, and the key nowhere."""
    write_rows(tmp_path / "rows", ROWS, {})
    out = tmp_path / "student"
    arguments = [
        "train", tmp_path / "rows", "--base", f"tinker/org/tiny@{service.url}", "--tokenizer", "tiny",
        "--out", out, "--updates", 3, "--rank", 4, "--price", 2.5, "--seed", 5,
    ]  # fmt: skip
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    told = json.loads((out / "train.json").read_text())
    sent = sum(len(ids) for batch in service.batches for ids, _, _ in batch)
    assert (told["tokens_sent"], told["price"]) == (sent, sent * 2.5 / 1e6)
    assert (told["base"], told["tokenizer"]) == (f"tinker/org/tiny@{service.url}", "tiny")
    assert (told["tokenizer_there"], told["rank"], told["updates"]) == ("some/tokenizer", 4, 3)
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [line["update"] for line in lines] == [1, 2, 3]
    assert "some/tokenizer" in done.stderr
    assert "try_again" not in caplog.text
    assert load_adapter(out).settings.rank == 4
    assert service.keys == {KEY}
    assert not any(path == "telemetry" for path, _ in service.calls)
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert KEY.encode() not in written
    assert KEY not in done.output


def test_a_service_that_is_not_there_is_said_at_once(base, service, tmp_path):
    """The sentence comes before the SDK's five minutes of retries."""
    there = TinkerBase("tinker/org/tiny", "org/tiny", "http://127.0.0.1:9")
    begun = time.monotonic()
    with pytest.raises(ServerError, match=r"127\.0\.0\.1:9 cannot be reached"):
        distill_hosted(there, arm_of(base), TRAINING, tmp_path)
    assert time.monotonic() - begun < 30
    assert not service.calls
