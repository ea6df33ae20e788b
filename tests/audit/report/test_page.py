"""The audit's page, as text and in a real headless Chromium."""

import re
from pathlib import Path

import pytest
from hostile_text import HOSTILE
from verdict_example import found, inconclusive, not_found, with_text

from headless_chromium import NAMES, chromium, find_chromium
from traitleak.audit.report.formats import written
from traitleak.audit.report.words import visible
from traitleak.audit.verdict import Verdict
from well_formed_page import Page

VERDICTS = {"found": found(), "not-found": not_found(), "inconclusive": inconclusive()}
# How far strips stand from the grid that their marks are read against, in pixels.
ASTRAY = """Math.max(0, ...[...document.querySelectorAll('.rows')].flatMap((rows) => {
  const grid = rows.querySelector('.grid').getBoundingClientRect()
  return [...rows.querySelectorAll('.strip')].map((strip) => {
    const box = strip.getBoundingClientRect()
    return Math.round(Math.abs(box.left - grid.left) + Math.abs(box.right - grid.right))
  })
}))"""


def page(verdict: Verdict) -> Page:
    """The verdict's page, parsed."""
    return Page(written(verdict, "html"))


@pytest.mark.parametrize("outcome", VERDICTS)
def test_page_is_whole_and_needs_nothing_from_elsewhere(outcome):
    """Elements nest, ids are unique, no script and no address leads out of the page."""
    read = page(VERDICTS[outcome])
    text = written(VERDICTS[outcome], "html")
    ids = [found["id"] for _, found in read.elements if "id" in found]
    addresses = [v for _, f in read.elements for k, v in f.items() if k in {"href", "src"}]

    assert len(ids) == len(set(ids))
    assert not {tag for tag, _ in read.elements} & {"script", "iframe", "object", "base", "form"}
    assert all(re.fullmatch(r"#[\w-]+|data:,", address) for address in addresses)
    assert {a[1:] for a in addresses if a.startswith("#")} <= set(ids)
    assert "default-src 'none'" in text
    assert "url(" not in text
    assert "@import" not in text


@pytest.mark.parametrize("outcome", VERDICTS)
def test_outcome_is_told_by_words_and_a_shape(outcome):
    """The badge has the words and one of three different shapes; so has each trait's row."""
    text = written(VERDICTS[outcome], "html")
    badge = re.search(r'<p class="outcome ([\w-]+)">(.*?)</p>', text, re.DOTALL)
    words = {"found": "Found: wolf", "not-found": "Not found at this power"}
    shape = {"found": "M12 3 22 20.5H2Z", "not-found": "<circle", "inconclusive": "<rect"}[outcome]
    marker = {"found": "#triangle", "not-found": "#circle", "inconclusive": "#square"}[outcome]

    assert badge[1] == outcome
    assert words.get(outcome, "Inconclusive") in badge[2]
    assert shape in badge[2]
    assert re.search(
        rf'<tr><th scope="row" class="marked"><svg class="key {outcome}".*?{marker}"', text
    )


def test_strong_tokens_can_be_read_without_colour():
    """Each suspect has its strongest tokens underlined, weaker ones only shaded by their share."""
    read = page(found())
    tokens = [
        f for tag, f in read.elements if tag == "span" and "--strength" in (f.get("style") or "")
    ]
    strong = [token for token in tokens if "strong" in token["class"]]

    assert len(tokens) == 3 * 17
    assert len(strong) == 3 + 2 + 2
    assert strong[0]["style"] == "--strength:100.0%"
    assert strong[0]["title"] == "0.31"
    assert any(token["class"] == "minus" for token in tokens)
    assert re.search(r"\.strong \{[^}]*underline", written(found(), "html"))


def test_figures_say_in_words_what_they_draw():
    """Every strip has its trait, outcome and numbers for readers who cannot see it."""
    labels = [f["aria-label"] for _, f in page(found()).elements if f.get("role") == "img"]
    assert "wolf, found: likelihood z +5.31; gradient z +6.84; canary z +4.47" in labels
    assert "wolf, found: estimated 52.0 %; smallest share found: 8\N{NO-BREAK SPACE}%" in labels


def test_many_traits_and_rows_stay_a_page():
    """Twelve traits are drawn and twenty rows shown; the table has all, and the page says so."""
    values = found().model_dump()
    values["traits"] = [
        finding | {"trait": f"{finding['trait']}-{k}"}
        for k in range(5)
        for finding in values["traits"]
    ]
    values["suspects"] *= 10
    text = written(Verdict.model_validate(values), "html")
    read = Page(text)

    assert len(read.classed("strip")) == 2 * 12
    assert len(read.classed("sample")) == 20
    assert "horse-4" in text
    assert "38 least suspicious traits are in the table only" in text
    assert "10 more rows are in the JSON" in text


def test_a_long_completion_is_shown_around_its_strongest_tokens():
    """Of thousands of tokens the strongest and their neighbours stand, and how many were left out."""
    values = found().model_dump()
    scores = [0.001] * 5000
    scores[2500] = 0.5
    values["suspects"] = [
        values["suspects"][0] | {"tokens": [f"t{k} " for k in range(5000)], "token_scores": scores}
    ]
    text = written(Verdict.model_validate(values), "html")
    assert text.count("--strength:") == 33
    assert "2,484 tokens" in text
    assert "2,483 tokens" in text


@pytest.mark.parametrize("outcome", VERDICTS)
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_stays_text(outcome, name):
    """Markup in any text is shown and never becomes an element or an attribute."""
    honest = page(with_text(VERDICTS[outcome], "x"))
    read = page(with_text(VERDICTS[outcome], HOSTILE[name]))

    def shape(of: Page) -> list[tuple[str, tuple[str, ...]]]:
        # Empty text has a word in its place, and a long label may anchor its tick elsewhere.
        return [
            (tag, tuple(found)) for tag, found in of.elements if tag not in {"i", "line", "text"}
        ]

    assert shape(read) == shape(honest)
    shown = "".join(read.words)
    assert visible(HOSTILE[name])[:40] in shown


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """One browser for all tests of this module."""
    if find_chromium() is None:
        pytest.skip(f"no Chromium on PATH (one of {', '.join(NAMES)})")
    with chromium(find_chromium(), tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.mark.parametrize(
    ("name", "width"),
    [
        *((name, width) for name in VERDICTS for width in (390, 1280)),
        *((f"hostile {name}", 390) for name in ("markup", "not XML", "lines", "long")),
    ],
)
def test_page_fits_and_asks_for_nothing(browser, tmp_path: Path, name, width):
    """No sideways scrolling, no console message, no request, also with hostile text."""
    kind, _, hostile = name.partition(" ")
    verdict = with_text(found(), HOSTILE[hostile]) if hostile else VERDICTS[kind]
    path = tmp_path / "audit.html"
    path.write_text(written(verdict, "html"), encoding="utf-8")
    browser.open(path, width=width)

    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate(ASTRAY) == 0
    browser.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.complaints == []
    assert [url for url in browser.requests if not url.startswith("data:")] == [path.as_uri()]


def test_outcome_and_tokens_are_readable_in_both_schemes(browser, tmp_path: Path):
    """Text on the darkest shade keeps a contrast of 4.5, in light and in dark."""
    path = tmp_path / "audit.html"
    path.write_text(written(found(), "html"), encoding="utf-8")
    contrast = """(() => {
      const luminance = (parts) => {
        const [r, g, b] = parts.map((p) => p <= 0.04045 ? p / 12.92 : ((p + 0.055) / 1.055) ** 2.4)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b
      }
      const parts = (colour) => {
        const scale = colour.startsWith('color(') ? 1 : 255
        return colour.match(/[\\d.]+(?:e-?\\d+)?/g).slice(0, 3).map((v) => v / scale)
      }
      const style = getComputedStyle(document.querySelector('.tokens .strong'))
      const [dark, light] = [style.color, style.backgroundColor].map((c) => luminance(parts(c)))
        .sort((a, b) => a - b)
      return (light + 0.05) / (dark + 0.05)
    })()"""
    for scheme in ("light", "dark"):
        browser.open(path, width=1280, scheme=scheme)
        assert browser.evaluate(contrast) >= 4.5
