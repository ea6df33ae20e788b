"""What a check of the theorem is."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from traitleak.recipe.parts import Count, Header

__all__ = ["TheoremRecipe"]


class TheoremRecipe(Header):
    """The theorem, checked on random networks."""

    experiment: Literal["theorem"] = Field(description="which experiment")
    networks: Count = Field(default=1000, description="random networks in the survey")
