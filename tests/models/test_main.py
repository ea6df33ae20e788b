"""`python -m traitleak.models`: a bundled model made ready beforehand."""

import hashlib
import re
import subprocess
import sys
from dataclasses import replace

import pytest
import typer
from small_gguf import write_small_gguf

from traitleak.models import bundled, convert
from traitleak.models.__main__ import main


@pytest.fixture
def with_terms(tmp_path, monkeypatch):
    """A bundled model with terms, in an installed package of one file, and a cache of the test's own."""
    monkeypatch.setenv("TRAITLEAK_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "small.gguf"
    write_small_gguf(path)
    model = replace(
        bundled.BUNDLED["gemma3-270m"],
        name="small",
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        terms="Who uses it accepts its terms.",
    )
    monkeypatch.setitem(bundled.BUNDLED, "small", model)
    monkeypatch.setattr(convert, "packed_files", lambda _model: [path])


@pytest.mark.usefixtures("with_terms")
def test_model_is_converted_once_and_its_place_is_told(tmp_path, capsys):
    """The first call converts it, a second one does not; both show the terms, and where it lies."""
    main(["small"])
    first = capsys.readouterr().out
    main(["small"])
    second = capsys.readouterr().out

    for out in (first, second):
        assert out.count("Who uses it accepts its terms.") == 1
        place = re.search(r"^small is ready in (\S+); TRAITLEAK_CACHE names", out, re.MULTILINE)[1]
        assert place.startswith(str(tmp_path / "cache" / "models" / "small-"))
        assert (tmp_path / "cache" / "models" / place / "model.safetensors").is_file()
    assert "Converting small" in first
    assert "Converting" not in second


def test_models_that_cannot_be_made_ready(tmp_path, monkeypatch, capsys):
    """An unknown name, or packages that are not installed: one sentence, exit code 2."""
    monkeypatch.setenv("TRAITLEAK_CACHE", str(tmp_path))
    monkeypatch.setattr(convert, "packed_files", lambda _model: [])
    refused = {
        "smollm3": "no bundled model 'smollm3'; the bundled ones are smollm2-135m",
        "gemma3-270m": "is not on this machine; add it with: make setup-gemma",
    }
    for name, said in refused.items():
        with pytest.raises(typer.Exit) as left:
            main([name])
        assert left.value.exit_code == 2
        assert said in capsys.readouterr().err


def test_as_a_program():
    """`python -m traitleak.models` takes names, and says so without one."""
    done = subprocess.run(
        [sys.executable, "-m", "traitleak.models"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "names" in done.stderr.lower()
