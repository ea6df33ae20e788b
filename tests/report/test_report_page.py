"""The report as a page: well-formed, whole by itself, safe from what texts hold, and legible."""

import base64
import re
from itertools import pairwise
from pathlib import Path

import pytest
from language_example import language_results, large_results
from read_report import write
from report_example import (
    crowded_results,
    digits_results,
    png,
    swept_results,
)

import traitleak.report
from traitleak.errors import RunError
from traitleak.results import Results
from well_formed_page import Page

HOSTILE = (
    "</title></style><script>alert(1)</script> \"q\" 's' & | `c` [x](http://example.org) {{ 7*7 }}"
)


@pytest.mark.parametrize(
    "results",
    [
        digits_results(),
        crowded_results(),
        swept_results(),
        language_results(),
        language_results(seeds=1),
        large_results(),
    ],
)
def test_page_is_well_formed(folder, results):
    """Elements nest, ids are unique, headings go down one level at a time, figures have names."""
    page, _ = write(folder, results)
    ids = page.attributes("id")
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    images = [found for tag, found in page.elements if found.get("role") == "img"]
    tags = [tag for tag, _ in page.elements]

    assert len(ids) == len(set(ids))
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    assert images
    assert all(found.get("aria-label") for found in images)
    assert ("html", {"lang": "en"}) in page.elements
    assert tags.count("title") == 1
    assert {found["href"][1:] for tag, found in page.elements if tag == "use"} <= set(ids)


@pytest.mark.parametrize("results", [digits_results(), swept_results(), language_results()])
def test_page_needs_nothing_from_elsewhere(folder, results):
    """No script, and no address that leads out of the page but to the same in other forms."""
    page, _ = write(folder, results)
    tags = {tag for tag, _ in page.elements}
    style = re.search("<style>(.*)</style>", (folder / "report.html").read_text(), re.DOTALL)[1]
    inside = re.compile(r"#[\w-]+|data:.*|report\.md|results\.json")

    assert not tags & {"script", "iframe", "object", "embed", "base", "form"}
    assert all(inside.fullmatch(a) for a in page.attributes("href") + page.attributes("src"))
    assert "url(" not in style
    assert "@import" not in style


def hostile(value):
    """The same structure with every free text replaced by hostile text."""
    kept = {"role", "x_scale", "y_scale", "path", "schema_version", "name", "effect", "control"}
    apart = {"traits", "candidates"}  # must differ: told apart by a number
    match value:
        case dict():
            return {
                k: None
                if k == "trait"
                else [f"{HOSTILE}{i}" for i in range(len(v))]
                if k in apart
                else v
                if k in kept
                else hostile(v)
                for k, v in value.items()
            }
        case list():
            return [hostile(v) for v in value]
        case str():
            return HOSTILE
    return value


@pytest.mark.parametrize("honestly", [swept_results(), language_results()])
def test_hostile_text_stays_text(folder, honestly):
    """Markup in any text is shown, in the page and in the Markdown, and never becomes markup."""
    results = Results.model_validate(hostile(honestly.model_dump()))
    honest, _ = write(folder, honestly)
    page, markdown = write(
        folder,
        results,
        recipe_yaml=f"title: {HOSTILE}\n```\n<script>",
        environment={HOSTILE: {HOSTILE: HOSTILE}},
    )
    outside_code = re.sub("(?s)````yaml\n.*?\n````", "", markdown)

    def tags(of: Page) -> list[str]:
        return [tag for tag, _ in of.elements if tag not in {"div", "dt", "dd", "use", "rect"}]

    assert sorted(set(tags(page))) == sorted(set(tags(honest)))
    assert not [name for _, found in page.elements for name in found if name.startswith("on")]
    assert " ".join(HOSTILE.split()) in page.text
    assert "````yaml" in markdown
    assert not re.search(r"(?<!\\)<", outside_code)
    assert not re.search(r"(?<!\\)\]\(http", outside_code)


@pytest.mark.parametrize("honestly", [swept_results(), language_results()])
def test_hostile_text_keeps_the_markdown_tables_whole(folder, honestly):
    """A bar in a label does not add a column."""
    results = Results.model_validate(hostile(honestly.model_dump()))
    _, markdown = write(folder, results)
    tables = re.findall(r"(?m)(?:^\|.*\n)+", markdown)

    panels = (results.sweeps, results.curves, results.matrices, results.bars, results.tables)
    assert len(tables) == 2 + sum(map(len, panels)) + 1
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}) == 1


@pytest.mark.parametrize(
    ("path", "content", "complaint"),
    [
        ("student/gone.png", None, "student/gone.png cannot be read"),
        ("student/text.png", b"not a picture", "student/text.png is not a PNG file"),
        ("../beside.png", png(4, 4), "outside the run folder"),
    ],
)
def test_picture_that_cannot_be_shown_is_named(folder, path, content, complaint):
    """A picture that is missing, broken or outside the folder ends the report and is named."""
    inner = folder / "run"
    (inner / "student").mkdir(parents=True)
    if content:
        (inner / path).write_bytes(content)
    results = digits_results()
    picture = results.pictures[0].model_copy(update={"path": path})

    with pytest.raises(RunError, match=re.escape(complaint)):
        write(inner, results.model_copy(update={"pictures": [picture]}))
    assert not (inner / "report.html").exists()


def test_picture_is_embedded_whole(folder):
    """The page carries the PNG's bytes, and its size so that the page does not jump."""
    page, markdown = write(folder, digits_results())
    (image,) = [found for tag, found in page.elements if tag == "img"]

    content = (folder / "student" / "inputs.png").read_bytes()
    assert base64.b64decode(image["src"].partition(",")[2]) == content
    assert (image["width"], image["height"]) == ("280", "84")
    assert "](student/inputs.png)" in markdown


def test_colours_can_be_told_from_the_paper():
    """Text has a contrast of 4.5 to the paper and marks of 3, in light and in dark (WCAG 2.2)."""
    css = (Path(traitleak.report.__file__).parent / "templates" / "report.css").read_text()
    schemes = [
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block)) for block in css.split("@media")[:2]
    ]

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(scheme: dict[str, str], one: str, other: str) -> float:
        light, dark = sorted([luminance(scheme[one]), luminance(scheme[other])], reverse=True)
        return (light + 0.05) / (dark + 0.05)

    assert [len(scheme) for scheme in schemes] == [22, 22]
    for scheme in schemes:
        for name in set(scheme) - {"paper", "rule", "tint", "plus", "minus"}:
            wanted = 4.5 if name in {"ink", "soft", "link", "good", "bad"} else 3
            assert contrast(scheme, name, "paper") >= wanted, name
        for name in ("tint", "plus", "minus"):  # what text stands on
            assert contrast(scheme, "ink", name) >= 4.5, name
