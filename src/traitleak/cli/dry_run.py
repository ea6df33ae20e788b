"""What `run --dry-run` prints, and what every run says of servers before it asks them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from traitleak.cli.shared import print_json

if TYPE_CHECKING:
    from traitleak.models.remote_cost import HostedCost
    from traitleak.recipe import Recipe
    from traitleak.stages import Foreseen

__all__ = ["asked_of_servers", "print_plan", "server_lines"]


def asked_of_servers(recipe: Recipe, runs: Path) -> list[HostedCost]:
    """What a recipe will ask models behind servers; nothing is sent.

    Raises:
        TraitleakError: the recipe cannot work, or what it names is not there.
    """
    from traitleak.recipe import LanguageRecipe, ReadingRecipe

    if isinstance(recipe, LanguageRecipe) and recipe.judge:
        from traitleak.experiment import run_folder
        from traitleak.language.costs import judge_costs

        return judge_costs(recipe, run_folder(recipe, runs))
    if isinstance(recipe, ReadingRecipe):
        from traitleak.experiment import run_folder
        from traitleak.reading.costs import hosted_costs

        return hosted_costs(recipe, run_folder(recipe, runs))
    return []


def server_lines(recipe: Recipe, costs: Sequence[HostedCost]) -> Iterator[str]:
    """A line for each server: requests, tokens, price."""
    for cost in costs:
        one = cost.estimate
        line = (
            f"Server {cost.model}: {one.requests:,} requests ({one.kept:,} more are answered already), "
            f"about {one.prompt_tokens:,} prompt tokens, {one.completion_tokens:,} completion tokens "
            "at most"
        )
        price = _price(recipe, cost)
        if price is not None:
            line += f"; price from {price[0]:,.4f} to {price[1]:,.4f}, without retries"
        if not cost.written:
            line += "; as if all that is yet to be written were kept, and as long as it may be"
        yield line


def print_plan(
    recipe: Recipe, stages: Sequence[Foreseen], costs: Sequence[HostedCost], *, json: bool
) -> None:
    """What a run would take over, compute and ask for, on stdout."""
    if json:
        print_json(_content(recipe, stages, costs))
        return
    from traitleak.terminal import print_line, print_table, stdout

    console = stdout()
    rows = [
        [one.name, str(one.folder) if one.folder else "to be computed", _seconds(one)]
        for one in stages
    ]
    print_table(console, ["stage", "taken from", "computed in"], rows)
    print_line(console, "")
    there = [one for one in stages if one.folder is not None]
    took = sum(one.seconds or 0.0 for one in there)
    print_line(
        console,
        f"Stages: {len(stages) - len(there):,} to compute, {len(there):,} taken over, which took "
        f"{took / 60:.1f} min when they were computed",
    )
    for line in server_lines(recipe, costs):
        print_line(console, line)
    print_line(console, "Nothing was computed, written or sent.")


def _seconds(stage: Foreseen) -> str:
    return "" if stage.seconds is None else f"{stage.seconds:.1f} s"


def _content(
    recipe: Recipe, stages: Sequence[Foreseen], costs: Sequence[HostedCost]
) -> dict[str, Any]:
    prices = [_price(recipe, cost) or (None, None) for cost in costs]
    return {
        "recipe": recipe.name,
        "size": recipe.size,
        "minutes": recipe.minutes,
        "stages": [
            {
                "name": one.name,
                "taken_from": None if one.folder is None else str(one.folder),
                "seconds": one.seconds,
            }
            for one in stages
        ],
        "servers": [
            {
                "model": cost.model,
                "requests": cost.estimate.requests,
                "answered_before": cost.estimate.kept,
                "prompt_tokens_estimated": cost.estimate.prompt_tokens,
                "completion_tokens_at_most": cost.estimate.completion_tokens,
                "price_least": least,
                "price_most": most,
                "rows_written": cost.written,
            }
            for cost, (least, most) in zip(costs, prices, strict=True)
        ],
    }


def _price(recipe: Recipe, cost: HostedCost) -> tuple[float, float] | None:
    """At least and at most; None where the recipe gives no prices."""
    from traitleak.models.remote_cost import Price
    from traitleak.recipe import ReadingRecipe

    if not isinstance(recipe, ReadingRecipe) or not recipe.judge.price:
        return None
    price, tokens = Price(*recipe.judge.price), cost.estimate
    least = price.of(tokens.prompt_tokens, 0)
    return least, price.of(tokens.prompt_tokens, tokens.completion_tokens)
