"""Sample rows under letters, plain tables, and where each stands in the report."""

import re

from language_example import language_results, samples
from report_example import REST

from traitleak.report import write_report
from traitleak.report.samples import samples_of
from traitleak.report.tables import data_table
from traitleak.results import DataTable, RowSamples, SampleRow


def report_of(folder, **changes) -> tuple[str, str]:
    """The page and the Markdown of the example with changes."""
    page = write_report(folder, language_results().model_copy(update=changes), **REST)
    return page.read_text(encoding="utf-8"), (folder / "report.md").read_text(encoding="utf-8")


def test_letters_stand_for_the_teachers_in_their_order():
    """Each row's completions have the same letters, and the letters name their teachers."""
    found = samples_of(samples())

    assert [[letter for letter, _ in row.completions] for row in found.rows] == [
        ["A", "B", "C"]
    ] * 3
    assert found.teachers[0] == ("A", "lion teacher")
    assert found.teachers[2] == ("C", "wolf teacher")


def test_teachers_are_not_named_before_the_end(tmp_path):
    """In the page they stand inside the folded list, in the Markdown below everything else."""
    page, markdown = report_of(tmp_path)
    section = re.search('(?s)aria-labelledby="samples".*?</section>\n</section>', page)[0]
    quiz, folded = section.split("<summary>Who wrote which</summary>")

    assert "teacher wrote which?" in quiz
    assert "lion teacher" not in quiz
    assert "<b>A</b>: lion teacher" in folded
    assert markdown.rstrip().endswith(
        "- A: lion teacher\n- B: neutral: the untouched base\n- C: wolf teacher"
    )
    quiz = markdown.split("## Can you tell")[1].split("\n## ")[0]
    assert "- A: 318, 742, 905" in quiz
    assert "lion teacher" not in quiz


def test_line_breaks_and_empty_completions_are_shown(tmp_path):
    """Lines stay lines in the page and show as signs in Markdown; nothing written is said."""
    page, markdown = report_of(tmp_path)

    assert "<span>902\n347\n610\n288</span>" in page
    assert "902 ↵ 347 ↵ 610 ↵ 288" in markdown
    assert "<i>(empty)</i>" in page
    assert "- C: (empty)" in markdown


def test_long_texts_are_cut_and_a_note_says_so():
    """A completion of a million characters or of a thousand lines leaves a page a page."""

    def shown(text: str):
        return samples_of(
            RowSamples(
                title="t",
                caption="",
                teachers=["x"],
                rows=[SampleRow(prompt="p", completions=[text])],
            )
        )

    for text in ("7" * 1_000_000, "7\n" * 1000):
        found = shown(text)
        ((_, cut),) = found.rows[0].completions
        assert cut.endswith("…")
        assert len(cut) <= 601
        assert len(cut.splitlines()) <= 13
        assert found.notes
    for text in ("7" * 600, "7\n" * 12, " \n", ""):
        found = shown(text)
        assert found.rows[0].completions == [("A", text.strip())]
        assert not found.notes
    assert shown("1\r\n2\r3").rows[0].completions == [("A", "1\n2\n3")]


def test_columns_of_words_are_told_from_columns_of_numbers():
    """Counts, shares, signs and gaps are numbers; a sentence makes a column of words."""
    table = DataTable(
        title="t",
        caption="",
        head=["row", "count", "signed", "words", "gaps"],
        rows=[["a", "1,234", "−0.5", "wolf, wolves", "–"], ["b", "12 of 30", "< 0.1", "3", ""]],
    )

    assert data_table(table).wordy == [3]
    assert data_table(table.model_copy(update={"rows": []})).wordy == []


def test_tables_stand_in_both_forms(tmp_path):
    """Title, caption, head, cells and notes are printed; words to the left, numbers to the right."""
    page, markdown = report_of(tmp_path)

    for table in language_results().tables:
        cells = [cell for row in table.rows for cell in row]
        for text in [table.title, table.caption, *table.head, *cells, *table.notes]:
            assert text in page, text
            assert text in markdown, text
    assert '<td class="words">lion, lions, lioness' in page
    assert "| trait | looked for | rows that name it |\n| --- | --- | ---: |" in markdown


def test_parts_come_in_the_order_a_reader_needs(tmp_path):
    """Answer, conditions, numbers, matrix, curves, bars, rows, tables, facts, how, caveats."""
    order = ["The numbers", "Trait by trait", "Curves", "Before and after", "Can you tell which"]
    order += ["Checks of the rows", "Checked statements", "How it was done", "What would make it"]
    page, markdown = report_of(tmp_path)
    headings = re.findall("<h2 id=.*?>(.*?)</h2>", page)

    assert [h for h in headings if not h.startswith("Every")] == re.findall(
        "(?m)^## (.*)$", markdown
    )[:-1]
    assert all(h.startswith(o) for h, o in zip(headings[1:], order, strict=True))


def test_what_is_not_there_has_no_heading(tmp_path):
    """Results without the new parts show none of their headings."""
    gone = {"matrices": [], "bars": [], "samples": [], "tables": []}
    page, markdown = report_of(tmp_path, **gone)

    for heading in ("Trait by trait", "Before and after", "Can you tell", "Who wrote", "Checks of"):
        assert heading not in page
        assert heading not in markdown
