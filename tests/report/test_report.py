"""The report's page and Markdown against the results they were written from."""

import base64
import html
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from language_example import language_results, large_results
from report_example import (
    ENVIRONMENT,
    RECIPE,
    REST,
    STAGES,
    comparison,
    crowded_results,
    digits_results,
    png,
    swept_results,
)

import traitleak.report
from traitleak.errors import RunError
from traitleak.report import write_report
from traitleak.results import Results

HOSTILE = (
    "</title></style><script>alert(1)</script> \"q\" 's' & | `c` [x](http://example.org) {{ 7*7 }}"
)
VOID = {"meta", "link", "img", "br"}


class Page(HTMLParser):
    """A page's elements and text; complains where an element is not closed in its place."""

    def __init__(self, path: Path) -> None:
        """Read the page at `path`."""
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attrs):
        """Note an element."""
        assert len({name for name, _ in attrs}) == len(attrs), f"an attribute twice in {tag}"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        """Note an element without content."""
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        """See that the innermost element is the one that ends."""
        assert self._open.pop() == tag

    def handle_data(self, data):
        """Note text that is not style."""
        if self._open[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self) -> str:
        """All text, with single spaces."""
        return " ".join("".join(self.words).split())

    def attributes(self, name: str) -> list[str]:
        """Every value of an attribute."""
        return [
            value or "" for _, found in self.elements for key, value in found.items() if key == name
        ]

    def count(self, tag: str, css_class: str) -> int:
        """How many elements have a class."""
        return sum(
            found == tag and css_class in (attributes.get("class") or "").split()
            for found, attributes in self.elements
        )


def plain(markdown: str) -> str:
    """Markdown's text without its escapes and line breaks."""
    return " ".join(re.sub(r"\\([^\w\s])", r"\1", markdown).split())


def write(folder: Path, results: Results, **changes) -> tuple[Page, str]:
    """Write a report; its page and its Markdown."""
    path = write_report(folder, results, **(REST | changes))
    return Page(path), (folder / "report.md").read_text(encoding="utf-8")


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


@pytest.mark.parametrize("results", [swept_results(), language_results()])
def test_same_results_give_the_same_bytes(folder, results):
    """Nothing in the report depends on the time, the run or the order of a set."""
    first = [write_report(folder, results, **REST).read_bytes()]
    first.append((folder / "report.md").read_bytes())
    second = [write_report(folder, results, **REST).read_bytes()]
    second.append((folder / "report.md").read_bytes())

    assert first == second


def test_report_leaves_two_files_of_modest_size(folder):
    """Only the page and the Markdown are there afterwards; the page stays below 600 kB."""
    before = set(folder.rglob("*"))
    path = write_report(folder, swept_results(), **REST)

    assert set(folder.rglob("*")) - before == {path, folder / "report.md"}
    assert path == folder / "report.html"
    assert path.stat().st_size < 600_000


def test_everything_that_was_found_is_said(folder):
    """Question, answer, conditions, facts, figures, pictures, how and caveats are in both forms."""
    results = swept_results()
    page, markdown = write(folder, results)
    expected = [results.title, results.question, results.answer, results.measure]
    expected += [text for c in results.conditions for text in (c.label, c.description)]
    expected += [text for f in results.facts for text in (f.statement, f.value)]
    expected += [text for p in (*results.curves, *results.sweeps) for text in (p.title, p.caption)]
    expected += [s.label for sweep in results.sweeps for s in sweep.series]
    expected += [str(value) for sweep in results.sweeps for value in sweep.values]
    expected += [text for p in results.pictures for text in (p.title, p.caption)]
    expected += [*results.how, *results.caveats, results.conditions[0].published.source]
    expected += [stage.name for stage in STAGES]
    expected += ["1 min 27 s in all, peak memory 1.02 GB", "✓ holds", "✗ fails", "torch 2.13.0"]
    expected += RECIPE.splitlines()

    for text in expected:
        assert " ".join(text.split()) in page.text, text
        assert " ".join(text.split()) in plain(markdown), text


def test_each_replicate_and_each_published_value_is_drawn(folder):
    """The main figure has a dot for every replicate and a diamond for every published value."""
    page, _ = write(folder, digits_results().model_copy(update={"curves": []}))
    legend = 3

    assert sum(tag == "circle" and "cx" in found for tag, found in page.elements) == 60 + legend
    assert page.count("g", "published") == 6


def rows_of(markdown: str, head: str) -> list[list[str]]:
    """The cells of the Markdown table whose first head is `head`."""
    table = markdown.split(f"| {head} |")[1].split("\n\n", maxsplit=1)[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in table]


def numbers(text: str) -> list[float]:
    """The numbers of a cell."""
    return [float(n) for n in re.findall(r"[-+]?\d+\.\d+", text.replace("−", "-"))]


@pytest.mark.parametrize("results", [digits_results(), crowded_results()])
def test_tables_print_the_results_numbers(folder, results):
    """Means, intervals, n, published values, differences and p are the results', to the last digit."""
    page, markdown = write(folder, results)
    conditions = rows_of(markdown, "condition")
    comparisons = rows_of(markdown, "comparison")

    for condition, row in zip(results.conditions, conditions, strict=True):
        e = condition.estimate
        assert numbers(row[2]) == [round(v, 3) for v in (e.value, e.low, e.high)]
        assert row[3] == str(e.n)
        if condition.published:
            assert numbers(row[4]) == [condition.published.value, condition.published.half_width]
    for found, row in zip(results.comparisons, comparisons, strict=True):
        d = found.difference
        assert numbers(row[1]) == [round(v, 3) for v in (d.value, d.low, d.high)]
        assert float(row[3]) == pytest.approx(found.p, abs=5e-4)
    for row in (*conditions, *comparisons):
        for cell in row:
            assert plain(cell) in page.text


def test_a_null_is_shown_like_any_other_result(folder):
    """A difference around zero keeps its row, its interval and its p."""
    results = digits_results()
    null = comparison(results.conditions[0], results.conditions[3])
    page, markdown = write(folder, results.model_copy(update={"comparisons": [null]}))
    (row,) = rows_of(markdown, "comparison")

    assert null.difference.low < 0 < null.difference.high
    assert numbers(row[1]) == pytest.approx(
        [null.difference.value, null.difference.low, null.difference.high], abs=5e-4
    )
    assert plain(row[1]) in page.text


def test_one_replicate_says_that_there_is_no_interval(folder):
    """With one seed, every number says so; no interval and no dots are drawn."""
    page, markdown = write(folder, digits_results(networks=1).model_copy(update={"curves": []}))

    assert page.text.count("one seed: no interval") == 6 + 3 + 1
    assert plain(markdown).count("one seed: no interval") == 6 + 3
    assert "Student's t" not in page.text
    assert page.count("g", "dots") == 0


def test_results_without_conditions_have_no_empty_figure(folder):
    """A run of checks alone, such as the theorem's, shows its facts and curves only."""
    results = digits_results().model_copy(
        update={"conditions": [], "comparisons": [], "pictures": [], "caveats": []}
    )
    page, markdown = write(folder, results, stages=[], environment={})
    titles = ["Every condition", "The numbers", "What it looks like", "What would make it wrong"]

    assert page.count("figure", "strips") == 0
    assert page.count("figure", "lines") == 2
    for title in titles:
        assert title not in page.text
        assert title not in markdown


def test_comparison_at_a_sweeps_point_keeps_the_point(folder):
    """A condition's name with a point in brackets is printed as its label with the point."""
    results = digits_results()
    there = results.comparisons[0].model_copy(update={"effect": "teacher (aux_logits=5)"})
    page, _ = write(folder, results.model_copy(update={"comparisons": [there]}))

    assert "teacher (aux_logits=5) minus control, other initialisation" in page.text


def test_sources_and_methods_that_differ_are_told_apart(folder):
    """Where published values have several sources, each names its conditions."""
    results = digits_results()
    first, *others = results.conditions
    other = first.published.model_copy(update={"source": "Somebody 2026"})
    changed = [first.model_copy(update={"published": other}), *others]
    page, _ = write(folder, results.model_copy(update={"conditions": changed}))

    assert "Published values (untrained network): Somebody 2026." in page.text
    assert "Published values (teacher, student: auxiliary logits," in page.text


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


def test_folder_that_is_gone_is_named(tmp_path):
    """A report that cannot be written says which one."""
    results = digits_results().model_copy(update={"pictures": []})

    with pytest.raises(RunError, match=r"report\.html could not be"):
        write_report(tmp_path / "gone", results, **REST)


def test_picture_is_embedded_whole(folder):
    """The page carries the PNG's bytes, and its size so that the page does not jump."""
    page, markdown = write(folder, digits_results())
    (image,) = [found for tag, found in page.elements if tag == "img"]

    content = (folder / "student" / "inputs.png").read_bytes()
    assert base64.b64decode(image["src"].partition(",")[2]) == content
    assert (image["width"], image["height"]) == ("280", "84")
    assert "](student/inputs.png)" in markdown


def test_environment_is_flat_text(folder):
    """Nested versions and hardware are printed as words, not as Python."""
    page, _ = write(folder, digits_results())

    assert "cores 2, gpu –" in page.text
    assert "acceleratorsnone" in page.text.replace(" ", "")
    assert "deterministicyes" in page.text.replace(" ", "")
    assert "{'" not in html.unescape(page.text)
    for name in ENVIRONMENT:
        assert name in page.text.split("Versions, hardware and seeds")[1]


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
