"""The report in a real headless Chromium: it renders, fits, asks for nothing, complains of nothing."""

import pytest
from language_example import language_results, large_results
from report_example import REST, crowded_results, digits_results, swept_results

from headless_chromium import NAMES, chromium, find_chromium
from traitleak.report import write_report

pytestmark = pytest.mark.skipif(
    find_chromium() is None, reason=f"no Chromium on PATH (one of {', '.join(NAMES)})"
)
RESULTS = {
    "digits": digits_results(),
    "one-seed": digits_results(networks=1),
    "crowded": crowded_results(),
    "swept": swept_results(),
    "language": language_results(),
    "language-one-seed": language_results(seeds=1),
    "large": large_results(),
}
# Texts of SVG that leave the window, tick labels of one axis that touch each other, labels beside
# lines that touch, and numbers of the matrix and of strips that leave their place.
FAULTS = """(() => {
  const faults = []
  for (const svg of document.querySelectorAll('svg')) {
    const seen = []
    for (const text of svg.querySelectorAll('text')) {
      const box = text.getBoundingClientRect()
      if (!box.width) continue
      if (box.left < 0 || box.right > document.documentElement.clientWidth)
        faults.push('outside: ' + text.textContent)
      if (text.classList.contains('chance')) continue
      for (const [other, name] of seen)
        if (box.left < other.right && other.left < box.right &&
            box.top < other.bottom && other.top < box.bottom)
          faults.push('overlap: ' + text.textContent + ' / ' + name)
      seen.push([box, text.textContent])
    }
  }
  const touching = (found) => found.forEach((one, k) => found.slice(k + 1).forEach((other) => {
    const a = one.getBoundingClientRect(), b = other.getBoundingClientRect()
    if (a.left < b.right && b.left < a.right && a.top + 1 < b.bottom && b.top + 1 < a.bottom)
      faults.push('touching: ' + one.textContent.trim() + ' / ' + other.textContent.trim())
  }))
  for (const list of document.querySelectorAll('.ends')) touching([...list.children])
  for (const row of document.querySelectorAll('.paired .row'))
    touching([...row.querySelectorAll('.strip, .value, .label')])
  for (const cell of document.querySelectorAll('.heat tbody td, .paired .value span, .answers span'))
    if (cell.scrollWidth > cell.clientWidth + 1) faults.push('too wide: ' + cell.textContent.trim())
  return faults
})()"""
# The contrast of each cell's text with the cell.
CONTRASTS = """(() => {
  const luminance = (colour) => {
    const scale = colour.startsWith('color(') ? 1 : 255
    const parts = colour.match(/[\\d.]+(?:e-?\\d+)?/g).slice(0, 3).map((v) => v / scale)
    const [r, g, b] = parts.map((p) => p <= 0.04045 ? p / 12.92 : ((p + 0.055) / 1.055) ** 2.4)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  return [...document.querySelectorAll('.heat td[style]')].map((cell) => {
    const style = getComputedStyle(cell)
    const [dark, light] = [style.color, style.backgroundColor].map(luminance).sort((a, b) => a - b)
    return (light + 0.05) / (dark + 0.05)
  })
})()"""
WIDTH = "document.documentElement.scrollWidth"
OPEN_ALL = "document.querySelectorAll('details').forEach(d => { d.open = true })"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """One browser for all tests of this module."""
    with chromium(find_chromium(), tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", RESULTS)
def test_page_fits_and_asks_for_nothing(browser, folder, name, width):
    """No sideways scrolling, no clipped or touching labels, no console message, no request."""
    page = write_report(folder, RESULTS[name], **REST)
    browser.open(page, width=width)

    assert browser.evaluate(WIDTH) <= width
    assert browser.evaluate(FAULTS) == []
    browser.evaluate(OPEN_ALL)
    assert browser.evaluate(WIDTH) <= width
    assert browser.complaints == []
    assert [url for url in browser.requests if not url.startswith("data:")] == [page.as_uri()]


def test_page_follows_the_colour_scheme(browser, folder):
    """Paper, text and figures are dark on light in a light window and light on dark in a dark one."""
    page = write_report(folder, RESULTS["digits"], **REST)
    colours = """['body', '.strip .mark', '.strip .interval'].map((selector, k) => {
      const style = getComputedStyle(document.querySelector(selector))
      return k ? (k == 1 ? style.fill : style.stroke) : style.backgroundColor
    })"""
    browser.open(page, width=1280, scheme="light")
    light = browser.evaluate(colours)
    browser.open(page, width=1280, scheme="dark")
    dark = browser.evaluate(colours)

    def brightness(colour: str) -> int:
        return sum(map(int, colour.removeprefix("rgb(").removesuffix(")").split(",")))

    assert brightness(light[0]) > 700
    assert brightness(dark[0]) < 100
    assert brightness(dark[1]) > brightness(light[1])
    assert brightness(dark[2]) > brightness(light[2])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_cell_of_the_matrix_can_be_read(browser, folder, scheme):
    """Text keeps a contrast of 4.5 to the cell it stands on, and cells of other values look other."""
    page = write_report(folder, RESULTS["language"], **REST)
    browser.open(page, width=1280, scheme=scheme)
    contrasts = browser.evaluate(CONTRASTS)

    assert len(contrasts) == 11
    assert min(contrasts) >= 4.5
    assert max(contrasts) > 1.5 * min(contrasts)


def test_who_wrote_which_is_told_when_asked(browser, folder):
    """The teachers' names stand behind the letters only once the list is opened."""
    page = write_report(folder, RESULTS["language"], **REST)
    browser.open(page, width=1280)
    is_shown = "document.querySelector('.samples details li').checkVisibility()"

    assert not browser.evaluate(is_shown)
    assert "wolf teacher" not in browser.evaluate("document.querySelector('.samples').innerText")
    browser.evaluate(OPEN_ALL)
    assert browser.evaluate(is_shown)
    assert "wolf teacher" in browser.evaluate("document.querySelector('.samples').innerText")


def test_page_prints_on_white_with_its_details_open(browser, folder):
    """On paper the page is light whatever the window, and what was folded is shown."""
    page = write_report(folder, RESULTS["digits"], **REST)
    browser.open(page, width=700, scheme="dark", media="print")
    colours = "[getComputedStyle(document.body)].map(s => [s.backgroundColor, s.color])[0]"

    assert browser.evaluate(colours) == ["rgb(255, 255, 255)", "rgb(28, 31, 35)"]
    assert browser.evaluate("document.querySelector('pre').checkVisibility()")
    browser.open(page, width=1280, media="")
    assert browser.pdf().startswith(b"%PDF")


def test_these_checks_can_fail(browser, tmp_path):
    """A page that is too wide, writes on the console, asks for a file and overlaps is found out."""
    bad = tmp_path / "bad.html"
    bad.write_text(
        "<!DOCTYPE html><meta name=viewport content='width=device-width'>"
        "<div style='width:500px'>wide</div><script>console.error('x')</script><img src='gone.png'>"
        "<svg width='200' height='50'><text y='20'>one</text><text y='22'>two</text></svg>"
        "<ul class='ends'><li>first</li><li style='margin-top:-10px'>second</li></ul>"
        "<p class='answers'><span style='display:block;width:30px'>unbreakable</span></p>"
    )
    browser.open(bad, width=390)

    assert browser.evaluate(WIDTH) >= 500
    assert browser.complaints
    assert (tmp_path / "gone.png").as_uri() in browser.requests
    faults = ["overlap: two / one", "touching: first / second", "too wide: unbreakable"]
    assert browser.evaluate(FAULTS) == faults
