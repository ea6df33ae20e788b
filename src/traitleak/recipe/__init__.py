"""What an experiment is: strict models with a description on every field, read from YAML.

`python -m traitleak.recipe` prints the JSON Schema of recipe files.
"""

from traitleak.recipe.cross import CrossRecipe
from traitleak.recipe.digits import DigitsRecipe, Variable, Vary, points
from traitleak.recipe.files import find_recipes
from traitleak.recipe.language import LanguageRecipe
from traitleak.recipe.load import Recipe, json_schema, load_recipe, resolved_yaml
from traitleak.recipe.reading import ReadingRecipe
from traitleak.recipe.theorem import TheoremRecipe

__all__ = [
    "CrossRecipe",
    "DigitsRecipe",
    "LanguageRecipe",
    "ReadingRecipe",
    "Recipe",
    "TheoremRecipe",
    "Variable",
    "Vary",
    "find_recipes",
    "json_schema",
    "load_recipe",
    "points",
    "resolved_yaml",
]
