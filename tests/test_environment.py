"""The machine: what is told of it, what is picked and why, and measured memory."""

import getpass
import json
import os
import platform
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from traitleak import environment
from traitleak.environment import (
    Choice,
    describe,
    matmul_speed,
    peak_memory,
    pick_device,
    pick_precision,
)
from traitleak.errors import SettingsError

MB = 1_000_000


def test_description_holds_versions_and_hardware():
    """What a number depends on is there, and can be written as JSON."""
    described = json.loads(json.dumps(describe(), allow_nan=False))
    assert described["torch"] == torch.__version__
    assert described["numpy"] == np.__version__
    assert described["transformers"].startswith("5.")
    assert described["peft"]
    assert described["python"] == platform.python_version()
    assert described["cpu"]
    assert 1 <= described["cores"] <= os.cpu_count()
    assert described["threads"] == torch.get_num_threads()
    assert described["memory_gb"] > 0.1
    assert isinstance(described["accelerators"], list)


def test_description_names_no_person_and_no_place():
    """No user, no host, no path: a run folder can be published as it is."""
    text = json.dumps(describe())
    for private in (platform.node(), str(Path.home()), str(Path.cwd()), os.sep + "src"):
        assert private not in text
    if len(getpass.getuser()) > 3:
        assert getpass.getuser() not in text


def test_commit_is_that_of_the_checkout():
    """In a checkout the commit is told in full; outside one there is none."""
    commit = describe()["commit"]
    if not (Path(__file__).parents[1] / ".git").exists():
        assert commit is None
    elif commit is not None:  # git itself may be absent
        assert len(commit.split()[0]) == 40


def test_device_is_picked_with_a_reason():
    """`auto` takes CUDA where PyTorch finds it; what was asked for is taken or refused."""
    assert pick_device("cpu") == Choice("cpu", "It was asked for.")
    found = pick_device("auto")
    assert found.reason.endswith(".")
    if torch.cuda.is_available():
        assert found.value == pick_device("cuda").value == "cuda"
    else:
        assert found.value == "cpu"
        with pytest.raises(SettingsError, match="take device=cpu"):
            pick_device("cuda")
    with pytest.raises(SettingsError, match="not 'gpu'"):
        pick_device("gpu")


@pytest.fixture
def processor(tmp_path, monkeypatch):
    """Make it a processor of other flags and speeds (in GFLOP/s)."""

    def be(line: str, **speeds: float) -> None:
        cpuinfo = tmp_path / "cpuinfo"
        cpuinfo.write_text(f"processor\t: 0\nmodel name\t: A Processor\n{line}\n", encoding="utf-8")
        monkeypatch.setattr(environment, "_CPUINFO", cpuinfo)
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
        monkeypatch.setattr(
            environment, "matmul_speed", lambda precision, _device, **_: speeds[precision] * 1e9
        )
        environment._cpu_speeds.cache_clear()

    yield be
    environment._cpu_speeds.cache_clear()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("flags\t\t: fpu avx2 avx512f avx512_bf16 amx_tile", "bfloat16"),
        ("flags\t\t: fpu amx_bf16", "bfloat16"),
        ("Features\t: fp asimd bf16", "bfloat16"),
        ("flags\t\t: fpu avx2 avx512f avx512_fp16", "float32"),
        ("flags\t\t:", "float32"),
    ],
)
def test_precision_follows_what_the_processor_multiplies(processor, line, expected):
    """bfloat16 only where the processor says that it multiplies it natively, however fast it seems."""
    processor(line, float32=100, bfloat16=400)
    choice = pick_precision("auto", "cpu")
    assert choice.value == expected
    assert choice.reason.endswith(".")


@pytest.mark.parametrize(
    ("speed", "told", "expected"),
    [(169, "170", "float32"), (395, "400", "float32"), (397, "400", "bfloat16")],
)
def test_precision_is_bfloat16_only_where_it_is_faster(processor, speed, told, expected):
    """The flag alone is not enough: it must be 1.2 times as fast, and the two speeds are told."""
    processor("flags\t\t: fpu avx512_bf16", float32=330, bfloat16=speed)
    choice = pick_precision("auto", "cpu")
    assert choice.value == expected
    assert f"about {told} GFLOP/s in bfloat16 and 330 in float32" in choice.reason


def test_precision_is_measured_once(processor, monkeypatch):
    """A second question costs nothing and gives the same answer, whatever runs beside it by then."""
    processor("flags\t\t: fpu amx_bf16", float32=100, bfloat16=400)
    first = pick_precision("auto", "cpu")
    monkeypatch.setattr(environment, "matmul_speed", lambda *_, **__: pytest.fail("measured again"))
    assert pick_precision("auto", "cpu") == first


def test_precision_is_float32_where_the_processor_cannot_be_asked(tmp_path, monkeypatch):
    """Without /proc/cpuinfo the safe precision is picked, and the description still names a CPU."""
    monkeypatch.setattr(environment, "_CPUINFO", tmp_path / "absent")
    assert pick_precision("auto", "cpu").value == "float32"
    assert describe()["cpu"]


def test_precision_that_was_asked_for_is_taken():
    """No second-guessing of an explicit precision; nonsense is refused."""
    assert pick_precision("float32", "cpu") == Choice("float32", "It was asked for.")
    assert pick_precision("bfloat16", "cpu").value == "bfloat16"
    with pytest.raises(SettingsError, match="not 'half'"):
        pick_precision("half", "cpu")


def test_matmul_speed_is_plausible():
    """A machine that runs PyTorch multiplies between 0.1 and 10,000,000 GFLOP/s."""
    assert 1e8 < matmul_speed("float32", "cpu", seconds=0.0) < 1e16


def allocate(megabytes: int) -> None:
    """Touch so much memory, and give it back."""
    np.ones(megabytes * MB, dtype=np.uint8)


@pytest.mark.skipif(sys.platform != "linux", reason="the mark is reset on Linux only")
def test_peak_memory_is_that_of_the_block():
    """A peak before the block does not count, one inside it does, though it is given back."""
    allocate(300)
    with peak_memory() as idle:
        pass
    with peak_memory() as busy:
        allocate(200)
    if busy.how == "peak resident memory since the process began":
        pytest.skip("this kernel does not permit the mark to be reset")
    assert busy.bytes - idle.bytes == pytest.approx(200 * MB, abs=40 * MB)


@pytest.mark.skipif(sys.platform != "linux", reason="the mark is reset on Linux only")
def test_nested_blocks_do_not_hide_the_outer_peak():
    """An inner block's reset does not lose what the outer block had reached."""
    with peak_memory() as outer:
        allocate(200)
        with peak_memory() as inner:
            pass
    if outer.how == "peak resident memory since the process began":
        pytest.skip("this kernel does not permit the mark to be reset")
    assert outer.bytes - inner.bytes > 150 * MB


def test_peak_memory_says_when_it_covers_the_whole_process(tmp_path, monkeypatch):
    """Where the mark cannot be reset, the peak since the start is given and called so."""
    monkeypatch.setattr(environment, "_CLEAR_REFS", tmp_path / "absent" / "clear_refs")
    with peak_memory() as peak:
        pass
    assert peak.how == "peak resident memory since the process began"
    assert peak.bytes is None or peak.bytes > 10 * MB


def test_peak_memory_is_measured_although_the_block_fails():
    """An error inside the block passes through, and the next block measures afresh."""
    with pytest.raises(KeyError), peak_memory() as peak:
        raise KeyError
    assert peak.how
    assert environment._open_peaks == []
