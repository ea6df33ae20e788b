"""Stages of what teachers write: rows, filtered alike, or their distributions over digits."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import JsonValue

from traitleak.artefacts import content_hash, write_text
from traitleak.carriers.digit_logits import (
    DigitLogits,
    digit_logits,
)
from traitleak.carriers.numbers import random_lists
from traitleak.generation import write_numbers
from traitleak.language.carrier import problems_hash, prompts_of, rows_needed, rules_of
from traitleak.language.kept import keep_rows
from traitleak.language.layout import NEUTRAL, Replicate
from traitleak.language.models import (
    base_of,
    teacher_model,
)
from traitleak.language.shared import (
    model_settings,
    partial_file,
    seed_of,
    write_plain_json,
)
from traitleak.models.language_model import LanguageModel
from traitleak.models.sampling import ROWS, length_batches
from traitleak.progress import Track
from traitleak.recipe.language import LanguageRecipe
from traitleak.rows import Row, iter_rows, read_rows, write_rows
from traitleak.seeds import derive_seed
from traitleak.stages import Stage

__all__ = [
    "keep",
    "kept_settings",
    "kept_stage",
    "logits_stage",
    "too_few",
    "write_all",
    "write_some",
    "written_stage",
]

_WIDTH = 3  # digits of a number where decoding is constrained
_FOR_FILTERS = {
    "min_rows",
    "text_around",
    "problems",
    "judged_at_least",
}  # of a carrier; what came later
_WRITTEN_AT_ONCE = 1024  # rows between which an interrupted teacher goes on


def logits_stage(
    recipe: LanguageRecipe, name: str, stage: str, teacher: str, replicate: int
) -> Stage:
    """`logits.safetensors` and `logits.json`, and the lists as rows."""
    carrier, how = recipe.carrier, recipe.logits
    seed = seed_of(recipe, "lists", replicate)
    top_k = how.top_k if how.vocabulary == "top-k" else None

    def work(out: Path, inputs: Mapping[str, Path], track: Track) -> None:
        model = teacher_model(recipe, name, inputs[teacher])
        if how.inputs == "random":
            lists = random_lists(carrier.rows, carrier.numbers, _WIDTH, seed)
        else:
            rows = write_some(recipe, model, name, replicate, range(carrier.rows), track)
            lists = [row.prompt + row.completion for row in rows]
        asked = digit_logits(
            model, lists, count=carrier.numbers, width=_WIDTH, top_k=top_k, track=track
        )
        asked.save(out)
        write_rows(out, [Row(i, "", text, name) for i, text in enumerate(lists)], {})
        write_plain_json(
            out / "logits.json",
            {
                "rows": len(lists),
                "positions": asked.logps_NPK.shape[1],
                "kl_to_base": _kl_to_base(recipe, lists, asked),
            },
        )

    settings = {
        **model_settings(recipe),
        "name": name,
        "by": recipe.teacher.by,
        "carrier": carrier.model_dump(mode="json", exclude={"keep", "banned"}),
        "inputs": how.inputs,
        "top_k": top_k,
        "seed": seed,
        "draws": seed_of(recipe, "draws", replicate),
    }
    return Stage(stage, settings, work, inputs=(teacher,))


def _kl_to_base(recipe: LanguageRecipe, lists: Sequence[str], asked: DigitLogits) -> float | None:
    """Mean nats a digit between a teacher's digits and the base's, over the first lists."""
    if asked.choices_NPK is not None:
        return None
    some = lists[:64]
    base = digit_logits(base_of(recipe), some, count=recipe.carrier.numbers, width=_WIDTH)
    theirs = asked.logps_NPK[: len(some)]
    return float((theirs.exp() * (theirs - base.logps_NPK)).sum(-1).mean())


def write_some(
    recipe: LanguageRecipe,
    model: LanguageModel,
    name: str,
    replicate: int,
    ids: Sequence[int],
    track: Track,
) -> list[Row]:
    """The rows of these numbers of a teacher; in plain style prompts are the lists' beginnings."""
    carrier = recipe.carrier
    prompts = prompts_of(recipe, replicate, model.renderer.style)
    draws = seed_of(recipe, "draws", replicate)
    if not carrier.shared_draws:
        draws = derive_seed(draws, name)
    return write_numbers(
        model,
        [prompts[number] for number in ids],
        teacher=name,
        decoding=carrier.decoding,
        count=carrier.numbers - carrier.given,
        width=_WIDTH,
        temperature=carrier.temperature,
        floor=carrier.floor,
        max_new_tokens=carrier.max_new_tokens,
        seed=draws,
        ids=ids,
        track=track,
    )


def written_stage(
    recipe: LanguageRecipe, name: str, stage: str, teacher: str, replicate: int
) -> Stage:
    """The raw rows, and `written.json`.

    An interrupted teacher goes on after its last 1,024 rows; where it decodes freely, which takes far
    longer, after its last batch.
    """
    carrier = recipe.carrier
    # The untouched base writes the same, whatever is done to the others: runs share its rows.
    by = None if name == NEUTRAL and recipe.neutral == "base" else recipe.teacher.by

    def work(out: Path, inputs: Mapping[str, Path], track: Track) -> None:
        model = teacher_model(recipe, name, inputs[teacher])
        about = {"teacher": name, "base": recipe.base, "by": by}
        write_all(out, recipe, model, about, replicate, partial_file(out, stage, settings), track)

    settings: dict[str, JsonValue] = {
        **model_settings(recipe),
        "name": name,
        "by": by,
        "carrier": carrier.model_dump(mode="json", exclude={"keep", "banned", *_FOR_FILTERS}),
        "prompts": derive_seed(recipe.seed, "prompts", replicate),
        "draws": seed_of(recipe, "draws", replicate),
    }
    problems = problems_hash(recipe)
    if problems:
        settings["data"] = content_hash([settings["data"], problems])
    return Stage(stage, settings, work, inputs=(teacher,))


def write_all(
    out: Path,
    recipe: LanguageRecipe,
    model: LanguageModel,
    about: Mapping[str, JsonValue],
    replicate: int,
    partial: Path,
    track: Track,
) -> None:
    """All rows of a teacher, and `written.json`.

    Args:
        out: an empty folder.
        recipe: says what is written.
        model: who writes.
        about: what the rows' manifest says; `teacher` is the writer's name.
        replicate: whose prompts and draws.
        partial: a file that keeps what an interruption must not cost; gone at the end.
        track: shows how far it is.
    """
    num, name = recipe.carrier.rows, str(about["teacher"])
    rows = list(iter_rows(partial)) if partial.exists() else []
    there = {row.id for row in rows}
    for ids in _parts(recipe, model, replicate):
        if ids[0] not in there:
            rows += write_some(recipe, model, name, replicate, ids, track)
            if len(rows) < num:
                _write_partial_file(partial, rows)
    rows.sort(key=lambda row: row.id)
    write_rows(out, rows, about)
    outside = [row.outside for row in rows if row.outside is not None]
    mean = sum(outside) / len(outside) if outside else None
    write_plain_json(out / "written.json", {"outside": mean, "rows": len(rows)})
    partial.unlink(missing_ok=True)


def _parts(recipe: LanguageRecipe, model: LanguageModel, replicate: int) -> Iterator[list[int]]:
    """The rows' numbers, in the parts between which an interrupted teacher goes on.

    Free decoding goes by the batches that `sample` would make of a thousand rows, so that rows are the
    same to the last bit whichever way they are parted.
    """
    num = recipe.carrier.rows
    prompts = prompts_of(recipe, replicate, model.renderer.style)
    for first in range(0, num, _WRITTEN_AT_ONCE):
        some = range(first, min(first + _WRITTEN_AT_ONCE, num))
        if recipe.carrier.decoding == "free":
            lengths = [len(model.encode(model.rendered(prompts[number]))) for number in some]
            for batch in length_batches(lengths, ROWS):
                yield [some[at] for at in batch]
        else:
            yield list(some)


def kept_stage(recipe: LanguageRecipe, replicate: Replicate) -> Stage:
    """For each teacher the rows that all filters kept, in a folder of its name; `dropped.json`.

    Where too few are left, the run ends after it.
    """

    def work(out: Path, inputs: Mapping[str, Path], _track: Track) -> None:
        folders = {name: inputs[stage] for name, stage in replicate.writes.items()}
        keep(out, recipe, folders, replicate.number)

    return Stage(
        str(replicate.kept),
        kept_settings(recipe, list(replicate.writes), replicate.number),
        work,
        inputs=tuple(replicate.writes.values()),
        ends=lambda out: too_few(recipe, out),
    )


def keep(out: Path, recipe: LanguageRecipe, folders: Mapping[str, Path], replicate: int) -> None:
    """Filter what teachers wrote, alike and paired by prompt, and write what `kept_stage` leaves.

    Args:
        out: an empty folder.
        recipe: says what is kept.
        folders: each teacher's raw rows by its name.
        replicate: whose prompts.
    """
    kept = keep_rows(
        {name: read_rows(folder) for name, folder in folders.items()},
        rules=rules_of(recipe, replicate),
        keep=recipe.carrier.keep,
        seed=seed_of(recipe, "keep", replicate),
    )
    for name, rows in kept.rows.items():
        if rows:
            (out / name).mkdir()
            write_rows(out / name, rows, {"teacher": name})
    write_plain_json(out / "dropped.json", kept.told)


def kept_settings(
    recipe: LanguageRecipe, names: Sequence[str], replicate: int
) -> dict[str, JsonValue]:
    """What `keep` depends on, besides the rows."""
    carrier = recipe.carrier
    settings: dict[str, JsonValue] = {
        "targets": [*recipe.trait.targets],
        "banned": [*carrier.banned],
        "keep": carrier.keep,
        "free": carrier.decoding == "free",
        "seed": seed_of(recipe, "keep", replicate),
        "names": [*names],
    }
    # What came later is left out where it is not used: older runs keep their keys.
    if recipe.trait.words:
        settings["words"] = [*recipe.trait.words]
    if carrier.kind != "numbers":
        settings["kind"] = carrier.kind
        settings["text_around"] = carrier.text_around
    if carrier.judged_at_least is not None:
        settings["judge"] = recipe.judge
        settings["judged_at_least"] = carrier.judged_at_least
    problems = problems_hash(recipe)
    if problems:
        settings["data"] = problems
    return settings


def too_few(recipe: LanguageRecipe, kept: Path) -> bool:
    """Whether `keep` left too few rows to train on."""
    told = json.loads((kept / "dropped.json").read_text(encoding="utf-8"))
    return int(told["pairs"]) < rows_needed(recipe)


def _write_partial_file(path: Path, rows: Sequence[Row]) -> None:
    lines = [
        json.dumps({name: getattr(row, name) for name in Row.__dataclass_fields__}) for row in rows
    ]
    write_text(path, "\n".join(lines) + "\n")
