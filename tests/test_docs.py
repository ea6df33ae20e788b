"""What the documentation shows exists and runs."""

import re
from pathlib import Path

import pytest

from traitleak.recipe import find_recipes

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_have_no_gaps_and_no_dead_links(page: Path):
    """No placeholder is left, and every relative link leads to a file."""
    text = page.read_text(encoding="utf-8")

    assert not re.findall(r"@[A-Z_]{3,}@", text)
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_readmes_python_session_runs(capsys):
    """The session of the README runs as it stands, here with few steps."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    session = re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0]
    assert "images.Settings()" in session
    exec(session.replace("images.Settings()", "images.Settings(steps=2)"), {})  # noqa: S102

    assert set(eval(capsys.readouterr().out)) == {"own", "other"}  # noqa: S307


def test_every_file_of_the_readmes_tree_exists():
    """Each module that the annotated tree names is there."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    tree = text[text.index("src/traitleak/\n") :].split("```")[0]
    for name in re.findall(r"\b(\w+\.py)\b", tree):
        assert list((ROOT / "src").rglob(name)), name


def test_every_shipped_recipe_is_in_the_experiments_page():
    """A recipe that was never run for the page is not shipped."""
    pages = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    for path in find_recipes():
        assert path.stem in pages
