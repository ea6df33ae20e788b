"""What is written of a verdict for people, and as JSON."""

import io
import json
import re

import pytest
from hostile_text import HOSTILE, unseen
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from verdict_example import ANIMALS, found, inconclusive, not_found, with_text

from traitleak.audit.report.formats import print_verdict, written
from traitleak.audit.verdict import Verdict
from traitleak.errors import SettingsError

VERDICTS = {"found": found(), "not found": not_found(), "inconclusive": inconclusive()}
FORMATS = ["text", "json", "markdown", "html", "junit", "sarif", "github"]
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("outcome", VERDICTS)
def test_every_format_tells_outcome_headline_traits_and_what_was_not_tested(outcome, format_):
    """Whatever the format, nothing that a reader must know is left out, and the bytes are fixed."""
    verdict = VERDICTS[outcome]
    text = written(verdict, format_)
    assert text == written(verdict, format_)
    assert text.endswith("\n")
    assert verdict.headline in text
    assert outcome in text.lower()
    if format_ != "github":  # its step summary is the Markdown
        assert verdict.not_tested[0] in text
        assert all(finding.trait in text for finding in verdict.traits)
    assert all(sentence in text for sentence in verdict.warnings)


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("outcome", VERDICTS)
def test_rows_are_never_called_clean(outcome, format_):
    """No format has the word for data, and people read what "not found" is relative to."""
    text = written(VERDICTS[outcome], format_).lower()
    assert not re.search(r"\bclean\b", text.replace("traitleak clean", ""))
    if outcome == "not found" and format_ != "json":
        assert "not found at this power" in text


@pytest.mark.parametrize("format_", ["text", "markdown", "html", "junit"])
def test_the_power_stands_beside_what_was_not_found(format_):
    """The smallest share that would have been found is said of a trait and of all together."""
    text = written(not_found(), format_).replace("\N{NO-BREAK SPACE}", " ")
    assert "nine of ten such data sets if 16 % of rows carried it" in text
    assert "8 %" in text
    without = written(inconclusive(), format_)
    assert "not even all rows" in without or "even if all rows" in without


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("outcome", VERDICTS)
def test_hostile_text_is_seen_and_never_acts(outcome, name, format_):
    """No control, bidirectional or zero-width character and no surrogate is left in any format."""
    text = written(with_text(VERDICTS[outcome], HOSTILE[name]), format_)
    assert unseen(text) == set()
    text.encode("utf-8")


@settings(deadline=None, max_examples=20)
@given(ANY_TEXT)
def test_any_text_is_written_in_every_format(text):
    """Whatever Unicode a data set holds, each format is written and prints safely."""
    verdict = with_text(found(), text)
    for format_ in FORMATS:
        assert unseen(written(verdict, format_)) == set()


@pytest.mark.parametrize("outcome", VERDICTS)
def test_json_is_read_back(outcome):
    """The JSON is the verdict, whole and unchanged."""
    verdict = VERDICTS[outcome]
    assert Verdict.model_validate_json(written(verdict, "json")) == verdict


@settings(deadline=None, max_examples=30)
@given(ANY_TEXT)
def test_json_keeps_text_as_it_was(text):
    """Escapes are JSON's own: a reader gets the very text, though the file prints safely."""
    verdict = with_text(found(), text)
    assert Verdict.model_validate(json.loads(written(verdict, "json"))) == verdict


def test_json_has_no_number_that_json_lacks():
    """Infinity becomes null, as strict readers refuse it."""
    values = found().model_dump()
    values["traits"][0]["readings"][0]["z"] = float("inf")
    values["detectors"][0]["settings"] = {"scale": [float("nan")]}
    read = json.loads(
        written(Verdict.model_validate(values), "json"),
        parse_constant=pytest.fail,
    )
    assert read["traits"][0]["readings"][0]["z"] is None
    assert read["detectors"][0]["settings"] == {"scale": [None]}


@pytest.mark.parametrize("format_", FORMATS)
def test_numbers_that_are_not_finite_stop_no_format(format_):
    """A z, effect or score that overflowed is written as such, not as a crash after the work."""
    values = found().model_dump()
    for finding in values["traits"]:
        for name in ("effect", "fraction"):
            if finding[name]:
                finding[name] |= {"value": float("nan"), "low": float("-inf"), "high": float("inf")}
        for reading in finding["readings"]:
            reading |= {"z": float("inf"), "score": float("nan"), "p": 0.0}
    values["suspects"][0] |= {"score": float("inf")}
    values["suspects"][0]["token_scores"][:2] = [float("nan"), float("-inf")]
    assert "wolf" in written(Verdict.model_validate(values), format_)


@pytest.mark.parametrize("format_", FORMATS)
def test_a_verdict_without_traits_detectors_and_rows_is_written(format_):
    """An audit that could test nothing says so in every format."""
    values = inconclusive().model_dump() | {"traits": [], "detectors": [], "not_tested": []}
    verdict = Verdict.model_validate(values | {"headline": "There was nothing to audit."})
    assert "nothing to audit" in written(verdict, format_)


def test_an_unknown_format_is_refused_by_name():
    """The error says what there is to choose from."""
    with pytest.raises(SettingsError, match=r"no format 'pdf'.*text, json, markdown"):
        written(found(), "pdf")


def printed(verdict: Verdict, **how) -> str:
    """What a console of some kind shows."""
    console = Console(file=io.StringIO(), width=80, **how)
    print_verdict(console, verdict)
    return console.file.getvalue()


def test_text_on_a_narrow_terminal_keeps_every_figure():
    """Words wrap, nothing is cut off."""
    words = printed(found()).split()
    for word in [*ANIMALS, "0.0001", "+0.42", "[39,", "likelihood", "canary", "«6»12,"]:
        assert word in words


@pytest.mark.parametrize("name", HOSTILE)
def test_a_terminal_is_not_commanded_by_data(name):
    """Without colour no escape is printed; with colour only rich's own."""
    assert "\x1b" not in printed(with_text(found(), HOSTILE[name]))
    coloured = printed(
        with_text(found(), HOSTILE[name]), force_terminal=True, color_system="standard"
    )
    assert unseen(re.sub(r"\x1b\[[\d;]*m", "", coloured)) == set()


def test_text_in_a_ci_log_is_no_command():
    """GitHub's runner finds no line that begins with `::`, and `##[` nowhere."""
    text = written(with_text(found(), HOSTILE["commands"]), "text")
    assert "##[" not in text
    assert not [line for line in text.splitlines() if line.strip().startswith("::")]


def test_rich_markup_in_data_stays_text():
    """Brackets in a prompt are printed, not obeyed."""
    assert "[bold]rich[/bold]" in written(with_text(found(), HOSTILE["template"]), "text")


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_keeps_the_markdown_whole(name):
    """Tables keep their columns, lines stay lines, and no markup comes from data."""
    honest = written(with_text(found(), "x"), "markdown")
    markdown = written(with_text(found(), HOSTILE[name]), "markdown")
    for table in re.findall(r"(?m)(?:^\|.*\n)+", markdown):
        assert len({len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) for row in table.splitlines()}) == 1

    def headings(text: str) -> list[str]:
        return [re.match("#+", line)[0] for line in text.splitlines() if line.startswith("#")]

    def unescaped(text: str) -> str:
        return re.sub(r"\\.", "", text)

    assert headings(markdown) == headings(honest)
    assert "<" not in unescaped(markdown)
    assert "`" not in unescaped(markdown)
    assert "](" not in unescaped(markdown)


def test_markdown_marks_the_strongest_tokens():
    """Guillemets show them where there is no colour."""
    assert "«6»12, «9»04, 17«3», 88" in written(found(), "markdown")
