"""Whose rows are read: a language recipe's teachers, those of a finished run, or two data sets.

Whatever they come from, readers find the same: rows of the trait's teacher and of a neutral one that
pair up by prompt, as they were written (`raw`) and as students would get them (`kept`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from traitleak.artefacts import content_hash
from traitleak.audit.detectors.pairs import paired_rows
from traitleak.datasets import open_dataset
from traitleak.errors import DataError, RunError, SettingsError
from traitleak.language.layout import NEUTRAL, layout
from traitleak.language.plan import plan
from traitleak.recipe import LanguageRecipe, ReadingRecipe, load_recipe
from traitleak.recipe.files import find_recipes
from traitleak.rows import Row, read_manifest, read_rows
from traitleak.runs import RECIPE
from traitleak.stages import Stage

__all__ = ["Source", "find_rows"]


@dataclass(frozen=True)
class Source:
    """Where the rows are.

    Attributes:
        language: the recipe that the rows come from; of data sets, one that says how their base and
            its students are handled.
        target: the trait.
        stages: what must be run first; empty where all is there.
        raw: for the trait's teacher and the neutral one, the stage or folder of what it wrote.
        kept: the same for what students get.
        students: for each replicate, the stage or folder of the base, of the student of the trait's
            rows, and of that of the neutral ones; empty where there are none.
        files: the two data sets, where the rows are theirs.
        fingerprint: of all that is read from elsewhere; "" for stages.
    """

    language: LanguageRecipe
    target: str
    stages: tuple[Stage, ...] = ()
    raw: tuple[str, str] = ("", "")
    kept: tuple[str, str] = ("", "")
    students: tuple[tuple[str, str, str], ...] = ()
    files: tuple[str, str] | None = None
    fingerprint: str = ""

    @property
    def row_stages(self) -> tuple[str, ...]:
        """The stages that the rows are read from."""
        return (
            tuple(dict.fromkeys(one.split("/")[0] for one in (*self.raw, *self.kept)))
            if self.stages
            else ()
        )

    @property
    def student_stages(self) -> tuple[str, ...]:
        """The stages that students' measures are read from."""
        found = [one for replicate in self.students for one in replicate]
        return tuple(dict.fromkeys(found)) if self.stages else ()

    def rows(
        self, which: str, folders: Mapping[str, Path], most: int
    ) -> tuple[list[Row], list[Row]]:
        """Rows of the trait's teacher and the neutral one, `raw` or `kept`, that share their prompts.

        Raises:
            DataError: a file is not there or is something else.
            SettingsError: no two rows share a prompt.
        """
        if self.files is not None:
            both = [[one.row for one in open_dataset(name)] for name in self.files]
        else:
            places = self.raw if which == "raw" else self.kept
            both = [read_rows(_place(place, folders)) for place in places]
            both = [[row for row in rows if row.completion] for rows in both]
        pairs = paired_rows(*both)[:most]
        names = (self.target, NEUTRAL)
        numbered = [
            [
                Row(number, row.prompt, row.completion, name, row.outside, row.finished)
                for number, row in enumerate(side)
            ]
            for name, side in zip(names, zip(*pairs, strict=True), strict=True)
        ]
        return numbered[0], numbered[1]

    def margins(self, folders: Mapping[str, Path]) -> list[tuple[Path, Path, Path]]:
        """For each replicate the folders of the base and of the two students."""
        return [
            (_place(base, folders), _place(own, folders), _place(other, folders))
            for base, own, other in self.students
        ]


def find_rows(recipe: ReadingRecipe) -> Source:
    """Where a recipe's rows are, before anything runs.

    Raises:
        RecipeError: the language recipe, or a change to it, cannot work.
        SettingsError: its teachers write no rows to read: another channel, no such target or
            replicate, or no neutral teacher.
        DataError: a run or data set is not there, or holds no rows.
    """
    rows = recipe.rows
    if rows.trait:
        return _of_files(recipe)
    if rows.run:
        return _of_run(recipe)
    found = load_recipe(_from_here(rows.recipe), rows.changes)
    language, target = _checked(found, f"rows.recipe={rows.recipe}", recipe)
    own, neutral = _students_of(language, target) if rows.students else ("", "")
    replicate = layout(language).replicates[rows.replicate]
    kept = str(replicate.kept)
    students = [
        (layout(language).base, one.students[own], one.students[neutral])
        for one in layout(language).replicates
        if own in one.students and neutral in one.students
    ]
    wanted = {kept, *(stage for one in students for stage in one)}
    return Source(
        language,
        target,
        stages=_needed(plan(language), wanted),
        raw=(replicate.writes[target], replicate.writes[NEUTRAL]),
        kept=(f"{kept}/{target}", f"{kept}/{NEUTRAL}"),
        students=tuple(students),
    )


def _from_here(name: str) -> str:
    """A recipe's name or path; paths are looked for from the working directory."""
    return name if name in {path.stem for path in find_recipes()} else str(Path(name).expanduser())


def _checked(found: object, where: str, recipe: ReadingRecipe) -> tuple[LanguageRecipe, str]:
    if not isinstance(found, LanguageRecipe):
        raise SettingsError(f"{where} is no language recipe, so no teacher writes rows in it.")
    if found.vary is not None:
        raise SettingsError(
            f"{where} is a sweep over {found.vary.key}; its points have rows of their own. Name one "
            "with rows.changes: vary=null, and the point's own value."
        )
    if found.channel != "tokens":
        raise SettingsError(
            f"{where} has channel={found.channel}: nobody wrote rows in it that could be read; take a "
            "recipe with channel=tokens."
        )
    target = recipe.rows.target or found.trait.targets[0]
    if target not in found.trait.targets:
        raise SettingsError(
            f"{where} has no teacher of {target!r}; its targets are {', '.join(found.trait.targets)}."
        )
    if recipe.rows.replicate >= found.seeds:
        raise SettingsError(
            f"{where} has {found.seeds} replicate{'s' if found.seeds > 1 else ''}, counted from 0; "
            f"rows.replicate={recipe.rows.replicate} is none of them."
        )
    if NEUTRAL not in layout(found).replicates[0].writes:
        raise SettingsError(
            f"{where} has no neutral teacher; its controls must have 'neutral', so that there are rows "
            "to tell the trait's from."
        )
    return found, target


def _students_of(language: LanguageRecipe, target: str) -> tuple[str, str]:
    arms = layout(language).replicates[0].students
    return (target, NEUTRAL) if target in arms and NEUTRAL in arms else ("", "")


def _needed(stages: Sequence[Stage], wanted: set[str]) -> tuple[Stage, ...]:
    """The stages that are wanted, and those that they read from, in their order."""
    needed = set(wanted)
    for stage in reversed(stages):
        if stage.name in needed:
            needed.update(stage.inputs)
    return tuple(stage for stage in stages if stage.name in needed)


def _of_run(recipe: ReadingRecipe) -> Source:
    folder = Path(recipe.rows.run).expanduser()
    if not (folder / RECIPE).is_file():
        raise DataError(
            f"rows.run={recipe.rows.run} is no run folder: there is no {RECIPE} in it. Name a folder "
            "that `traitleak run` left."
        )
    language, target = _checked(load_recipe(str(folder / RECIPE)), f"The run {folder}", recipe)
    replicates = layout(language).replicates
    replicate = replicates[recipe.rows.replicate]
    raw = tuple(str(folder / replicate.writes[name]) for name in (target, NEUTRAL))
    kept = tuple(str(folder / str(replicate.kept) / name) for name in (target, NEUTRAL))
    own, neutral = _students_of(language, target)
    students = [
        tuple(str(folder / name) for name in (layout(language).base, *pair))
        for one in replicates
        if own and recipe.rows.students
        for pair in [(one.students[own], one.students[neutral])]
    ]
    there = [one for one in students if all((Path(f) / "margins.json").is_file() for f in one)]
    hashes = [_rows_hash(Path(place), folder) for place in (*raw, *kept)]
    hashes += [_text_hash(Path(place) / "margins.json") for one in there for place in one]
    return Source(
        language,
        target,
        raw=(raw[0], raw[1]),
        kept=(kept[0], kept[1]),
        students=tuple((one[0], one[1], one[2]) for one in there),
        fingerprint=content_hash(hashes),
    )


def _rows_hash(place: Path, run: Path) -> str:
    try:
        return content_hash(read_manifest(place).model_dump(mode="json"))
    except RunError as error:
        raise DataError(
            f"The run {run} has no rows in {place.relative_to(run)}: too few passed its filters, or it "
            f"was not finished. Run it again (traitleak run {run / RECIPE}), or name another."
        ) from error


def _text_hash(path: Path) -> str:
    return content_hash(path.read_text(encoding="utf-8"))


def _of_files(recipe: ReadingRecipe) -> Source:
    rows = recipe.rows
    language = LanguageRecipe.model_validate(
        {
            "experiment": "language",
            "name": recipe.name,
            "title": recipe.title,
            "base": recipe.base,
            "style": recipe.style,
            "trait": {"targets": [rows.target]},
            "channel": "tokens",
            "carrier": {"decoding": "free"},
            "controls": ["neutral"],
            "precision": recipe.precision,
            "device": recipe.device,
            "seed": recipe.seed,
            **({"student": recipe.student.model_dump()} if recipe.student else {}),
        }
    )
    source = Source(language, rows.target, files=(rows.trait, rows.neutral))
    own, other = source.rows("raw", {}, rows.most)  # whatever is wrong with them is said now
    texts = [[row.prompt, row.completion] for row in (*own, *other)]
    return Source(language, rows.target, files=source.files, fingerprint=content_hash(texts))


def _place(place: str, folders: Mapping[str, Path]) -> Path:
    """A stage's folder or one in it, or a folder elsewhere."""
    stage, _, inner = place.partition("/")
    if stage in folders:
        return folders[stage] / inner if inner else folders[stage]
    return Path(place)
