"""What a report says, against the results that it was written from."""

import html
import re

import pytest
from language_example import language_results
from read_report import plain, write
from report_example import (
    ENVIRONMENT,
    RECIPE,
    REST,
    STAGES,
    comparison,
    crowded_results,
    digits_results,
    swept_results,
)

from traitleak.errors import RunError
from traitleak.report import write_report


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


def test_folder_that_is_gone_is_named(tmp_path):
    """A report that cannot be written says which one."""
    results = digits_results().model_copy(update={"pictures": []})

    with pytest.raises(RunError, match=r"report\.html could not be"):
        write_report(tmp_path / "gone", results, **REST)


def test_environment_is_flat_text(folder):
    """Nested versions and hardware are printed as words, not as Python."""
    page, _ = write(folder, digits_results())

    assert "cores 2, gpu –" in page.text
    assert "acceleratorsnone" in page.text.replace(" ", "")
    assert "deterministicyes" in page.text.replace(" ", "")
    assert "{'" not in html.unescape(page.text)
    for name in ENVIRONMENT:
        assert name in page.text.split("Versions, hardware and seeds")[1]
