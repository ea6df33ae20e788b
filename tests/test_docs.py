"""What the documentation shows exists and runs."""

import re
import shlex
from pathlib import Path

import pytest

from traitleak.language.plan import plan
from traitleak.progress import untracked
from traitleak.recipe import LanguageRecipe, find_recipes, load_recipe
from traitleak.stages import run_stages

ROOT = Path(__file__).parents[1]
SIZES = ("laptop", "tiny")
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
    """The session of the README runs as it stands, here with random weights and few steps."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    session = re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0]
    for shown, here in (
        ('"smollm2-135m"', '"tiny"'),
        ("(256, ", "(8, "),
        ("updates=64", "updates=2"),
    ):
        assert shown in session
        session = session.replace(shown, here)
    exec(session, {})  # noqa: S102

    assert re.match(
        r"[-\d.]+ \([-\d.]+, [-\d.]+\) logit margin of 'owl', 51", capsys.readouterr().out
    )


def test_the_recipe_that_the_recipes_page_shows_runs(tmp_path):
    """The page's language recipe can be loaded at both sizes, and trains a student at the small one."""
    page = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    shown = next(
        b for b in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "experiment: language" in b
    )
    (tmp_path / "mine.yaml").write_text(shown, encoding="utf-8")
    laptop, tiny = (load_recipe(str(tmp_path / "mine.yaml"), [f"size={s}"]) for s in SIZES)
    assert isinstance(laptop, LanguageRecipe)
    assert isinstance(tiny, LanguageRecipe)
    assert (laptop.student.updates, tiny.student.updates) == (256, 4)
    assert tiny.trait.targets == laptop.trait.targets == ["oak", "maple"]
    done = run_stages(
        tmp_path, plan(tiny), environment={}, track=untracked, fresh=False, say=lambda _: None
    )
    assert (done["student-oak-0"].folder / "adapter" / "adapter_config.json").exists()


def test_commands_that_the_pages_show_name_recipes_and_fields_that_exist():
    """Every `traitleak run` of a shipped recipe that a page shows is accepted as it is written."""
    shipped = {path.stem for path in find_recipes()}
    shown = set()
    for page in PAGES:
        for line in re.findall(r"traitleak run ([^`#\n]+)", page.read_text(encoding="utf-8")):
            name, *overrides = shlex.split(line)
            overrides = [o for o in overrides if "=" in o and "<" not in o and "FOLDER" not in o]
            if name in shipped:
                assert load_recipe(name, overrides).name == name, page
                shown.add(name)

    assert {"digits", "wolf-smollm2", "wolf-smollm2-tokens"} <= shown


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
