"""What is printed of recipes and of finished runs."""

import io

import pytest
from rich.console import Console

from traitleak.recipe import find_recipes, load_recipe
from traitleak.summary import duration, print_recipes


def test_recipes_are_listed_with_all_that_helps_to_choose():
    """Name, hardware, time and expected effect of every recipe stand in the list, however narrow."""
    console = Console(file=io.StringIO(), width=80)
    recipes = [load_recipe(path.stem) for path in find_recipes()]
    print_recipes(console, recipes)
    text = console.file.getvalue()
    words = text.split()
    for recipe in recipes:
        assert recipe.name in words
        assert recipe.title.split()[0] in words
        assert recipe.expect.split()[1] in words
        assert duration(recipe.minutes) in text
    assert text.count("2 CPU cores") == len(recipes)


@pytest.mark.parametrize(
    ("minutes", "text"),
    [(None, "not known"), (0.1, "6 s"), (1.5, "1.5 min"), (60, "60 min"), (100, "1.7 h")],
)
def test_duration_is_in_the_unit_a_person_would_use(minutes, text):
    """Seconds below a minute, hours where minutes are too many."""
    assert duration(minutes) == text
