"""The doctor: what is missing is said, with what to do about it."""

from importlib import metadata

import pytest

from traitleak.doctor import examine


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


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    """A file where the folder for runs should be is found out before a run."""
    (tmp_path / "runs").write_text("no folder", encoding="utf-8")
    findings = list(examine(tmp_path / "runs"))
    assert [f.remedy for f in findings if f.fine is False] == ["name another with --runs"]
