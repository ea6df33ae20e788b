"""What a reading run says in sentences: its question, answer, checks, method and caveats."""

from __future__ import annotations

from traitleak.reading.found import Found, Reading
from traitleak.reading.sources import Source
from traitleak.recipe.reading import ReadingRecipe
from traitleak.report.formats import estimate_text, p_text
from traitleak.results import Estimate, Fact
from traitleak.statistics import paired_difference

__all__ = ["answer", "caveats", "describe", "facts", "how", "question"]

_ASKED = {
    "judge": "Shown both rows of a prompt, in both orders.",
    "labelled": "Shown labelled rows of both writers, then one without a label.",
    "classifier": "A regression on values, learned from the other half of the prompts.",
    "person": "A person who read blinded pairs on a page.",
}


def question(target: str) -> str:
    """What was asked."""
    return (
        f"Can a reader tell rows of the {target} teacher from a neutral one's on the same prompts, and "
        "do the rows act on a model that only reads them?"
    )


def describe(reader: Reading) -> str:
    """What a reader was shown."""
    return _ASKED[reader.name.split("-")[0]]


def answer(found: Found, unit: str) -> str:
    """What was found; nulls are said as nulls."""
    said = []
    if found.readers:
        telling = found.telling
        best = max(found.readers, key=lambda one: one.told.share)
        if telling:
            names = "; ".join(
                f"{one.label} {estimate_text(one.told.estimate(), 3)}" for one in telling
            )
            said.append(
                f"{len(telling)} of {len(found.readers)} readers told the rows apart more often than "
                f"chance: {names}."
            )
        else:
            said.append(
                f"None of {len(found.readers)} readers told the rows apart, at this number of pairs; "
                f"the best was {best.label}, right in {estimate_text(best.told.estimate(), 3)} of "
                f"{best.told.pairs:,} pairs (p = {p_text(best.told.p)})."
            )
    if found.doses:
        most = found.doses[-1]
        moved = paired_difference(most.trait, most.neutral)
        said.append(
            f"{most.rows:,} {found.target} rows in the prompt moved the margin by "
            f"{estimate_text(moved, 3, signed=True)} {unit} more than neutral ones{_clear(moved)}."
        )
    if found.trained and found.trained.transfer:
        trained = found.trained.transfer
        said.append(
            "Training on the rows moved it by "
            f"{estimate_text(trained, 3, signed=True)}, n = {trained.n}."
        )
    said += _after_filters(found, unit)
    return " ".join(said) or "Nothing was tried."


def _after_filters(found: Found, unit: str) -> list[str]:
    if found.left is None:
        return []
    last = found.left[-1]
    again = found.retrained.get(last.rule)
    if again is not None and again.transfer is not None:
        return [
            f"After all {len(found.left)} rules students of what was left showed a transfer of "
            f"{estimate_text(again.transfer, 3, signed=True)} {unit}{_clear(again.transfer)}, n = "
            f"{again.transfer.n}."
        ]
    return [
        f"The strictest filters left {last.trait:,} of {found.written:,} {found.target} rows and "
        f"{last.neutral:,} neutral ones."
    ]


def _clear(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    inside = estimate.low <= 0 <= estimate.high
    return ", not clear of zero" if inside else ""


def facts(found: Found) -> list[Fact]:
    """Checks of the rows and of the readers' habits."""
    kept, alike = int(found.rows["kept"]), int(found.rows["kept alike"])
    checked = [
        Fact(
            name="pairs",
            statement="Readers got pairs of rows that share their prompt.",
            value=f"{kept:,} pairs; in {alike:,} both writers wrote the same, which nobody can tell",
            holds=kept > 0,
        )
    ]
    judges = [one for one in found.readers if not one.name.startswith("person")]
    for one in judges:
        place = one.told.place
        if place is None:
            continue
        checked.append(
            Fact(
                name=f"place-{one.name}",
                statement=f"{one.label}: it goes by what is written, not by place or letter.",
                value=f"{100 * place:.0f} % of its answers were the first or A, which cancels as "
                f"each is asked both ways; {one.told.undecided:,} of {one.told.pairs:,} pairs undecided",
                holds=0.1 <= place <= 0.9,
            )
        )
    return checked


def how(recipe: ReadingRecipe, source: Source, found: Found) -> list[str]:
    """How it was done."""
    if source.files is not None:
        where = f"the data sets {source.files[0]} and {source.files[1]}"
    elif source.stages:
        where = f"the recipe {recipe.rows.recipe}, replicate {recipe.rows.replicate}"
    else:
        where = f"the run {recipe.rows.run}, replicate {recipe.rows.replicate}"
    said = [
        f"Rows are those of {where}; readers got {int(found.rows['kept']):,} pairs, one a prompt."
    ]
    if "judge" in recipe.readers or "labelled" in recipe.readers:
        said.append(
            "A judge that is loaded answers by log p(A) - log p(B) and is not sampled from; one behind "
            "a server answers in words, at temperature 0. Each pair is asked about in both orders, or "
            "with the writers named both ways, and what it said is added up."
        )
    if "classifier" in recipe.readers:
        said.append(
            "The classifier learned from half of the prompts and was tried on bags of the other half."
        )
    if "inspection" in recipe.readers:
        said.append(
            "The page for people is inspection/inspect.html in the run folder: the file it saves goes "
            "into inspect.answers."
        )
    if found.doses is not None:
        said.append(
            f"Rows in the prompt: {recipe.dose.draws} draws a dose, the same prompts for both writers; "
            "the margin is read off as for students, by its own questions."
        )
    if found.left is not None:
        said.append(
            "Filters get the rows as they were written, of both writers alike; bounds that are shares "
            "are shares of all of them."
        )
    return said


def caveats(found: Found) -> list[str]:
    """What would make it wrong."""
    said = [
        "All rows are of one teacher with the trait and one without: a reader that tells them apart may "
        "know the two writers, not the trait. Another replicate (rows.replicate) is another teacher.",
        "What was not told apart here may be told by a better reader, or with more pairs: the interval "
        "says how good a reader this may still be.",
    ]
    if found.doses:
        said.append(
            "Draws of rows come from one teacher; the interval over draws says nothing of others."
        )
    if found.retrained:
        said.append(
            "Students of filtered rows share their teacher, and most rows where few are left."
        )
    return said
