"""What is said of a recipe that is refused."""

import pytest

from traitleak.errors import RecipeError
from traitleak.recipe import load_recipe


def refusal(name: str, *overrides: str) -> str:
    """The sentence with which a recipe is refused."""
    with pytest.raises(RecipeError) as caught:
        load_recipe(name, overrides)
    return str(caught.value)
