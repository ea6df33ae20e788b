"""The public surface: sorted, complete, importable."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import traitleak
import traitleak.images
import traitleak.mechanism


@pytest.mark.parametrize("module", [traitleak, traitleak.images, traitleak.mechanism])
def test_all_is_sorted_and_every_name_exists(module):
    """`__all__` lists each public name once, sorted, and each can be imported."""
    assert sorted(set(module.__all__)) == sorted(module.__all__)
    for name in module.__all__:
        assert getattr(module, name) is not None


def test_names_for_type_checkers_are_the_public_names():
    """What type checkers see is what `__all__` offers, from the same modules."""
    source = Path(traitleak.__file__).read_text(encoding="utf-8")
    block = next(node for node in ast.parse(source).body if isinstance(node, ast.If))
    seen = {alias.asname: node.module for node in block.body for alias in node.names}
    assert set(seen) == set(traitleak.__all__)
    for name, module in seen.items():
        assert traitleak._MODULE_OF[name] in {module, f"{module}.{name}"}


def test_importing_the_package_imports_no_heavy_library():
    """`import traitleak` alone must not load PyTorch: the command line starts through it."""
    code = "import sys, traitleak; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_version_is_the_changelogs_newest():
    """The package, its metadata and the changelog name the same version."""
    root = Path(__file__).parents[1]
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = next(line for line in changelog.splitlines() if line.startswith("## "))

    assert f'version = "{traitleak.__version__}"' in (root / "pyproject.toml").read_text("utf-8")
    assert traitleak.__version__ in newest
    assert f"version: {traitleak.__version__}" in (root / "CITATION.cff").read_text("utf-8")
