"""The page for people: blinded, balanced, scored as it says, and read back."""

import hashlib
import json
import re

import pytest
from rows_read import pairs_of
from scipy import stats

from headless_chromium import NAMES, chromium, find_chromium
from traitleak.errors import DataError, SettingsError
from traitleak.reading.inspection import inspection, inspection_page, read_saved, score
from traitleak.rows import Row

PAIRS = pairs_of(30, mark="1777", seed=4)
CONTENT = inspection(PAIRS, target="wolf", who="loves wolves above all else", most=12, seed=5)
NEEDS_BROWSER = pytest.mark.skipif(
    find_chromium() is None, reason=f"no Chromium on PATH (one of {', '.join(NAMES)})"
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """One browser for all tests of this module."""
    with chromium(find_chromium(), tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture
def page(tmp_path):
    """The page as a file."""
    path = tmp_path / "inspect.html"
    path.write_text(inspection_page(CONTENT), encoding="utf-8")
    return path


def data_in(html: str) -> dict:
    """What the page's script reads."""
    return json.loads(re.search(r'id="data">(.*?)</script>', html, re.DOTALL)[1])


def press(browser, *keys: str) -> None:
    """Press keys as a person does."""
    for key in keys:
        for kind in ("keyDown", "keyUp"):
            browser.call("Input.dispatchKeyEvent", type=kind, key=key)


def text_of(browser, name: str) -> str:
    """The text of an element."""
    return browser.evaluate(f"document.getElementById('{name}').textContent")


def test_every_row_is_shown_as_often_as_a_as_b():
    """Half of all pairs have the trait's row as A, each pair is one of those given, and none twice."""
    carrying = [pair.carrying for pair in CONTENT.pairs]
    given = {(own.prompt, own.completion, other.completion) for own, other in PAIRS}

    assert carrying.count("A") == carrying.count("B") == 6
    for pair in CONTENT.pairs:
        own, other = pair.texts if pair.carrying == "A" else pair.texts[::-1]
        assert (pair.prompt, own, other) in given
    assert len({pair.prompt for pair in CONTENT.pairs}) == 12


def test_order_depends_on_the_seed_alone():
    """The same seed gives the same bytes, another one another page."""
    again, other = (
        inspection(PAIRS, target="wolf", who=CONTENT.who, most=12, seed=s) for s in (5, 6)
    )

    assert inspection_page(again) == inspection_page(CONTENT)
    assert other.page != CONTENT.page


def test_the_key_is_salted_and_hashed():
    """The page holds no writer's name and no letter, and equal letters have different hashes."""
    html = inspection_page(CONTENT)
    shown = data_in(html)["pairs"]

    assert "carrying" not in html
    assert "neutral" not in html
    assert len({pair["key"] for pair in shown}) == 12
    for number, (pair, known) in enumerate(zip(shown, CONTENT.pairs, strict=True)):
        told = f"{pair['salt']}:{number}:{known.carrying}"
        assert pair["key"] == hashlib.sha256(told.encode()).hexdigest()
        assert set(pair) == {"prompt", "texts", "salt", "key"}


def test_rows_cannot_leave_their_place_in_the_page():
    """A row with markup stays a text."""
    sly = "</script><script>alert(1)</script> & <b>"
    content = inspection(
        [(Row(0, "p<i>", sly), Row(0, "p<i>", "2"))], target="<u>", who="is & was", seed=0
    )
    html = inspection_page(content)

    assert sly in data_in(html)["pairs"][0]["texts"]
    assert html.count("</script>") == 2
    assert "<u>" not in html


def test_answers_are_counted_and_pairs_passed_over_are_not(tmp_path):
    """Nine right, one wrong and two passed over are nine of ten."""
    answers = {str(pair.number): pair.carrying for pair in CONTENT.pairs[:9]}
    answers["9"] = "B" if CONTENT.pairs[9].carrying == "A" else "A"
    path = tmp_path / "answers.json"
    saved = {
        "kind": "traitleak inspection",
        "page": CONTENT.page,
        "reader": "K",
        "answers": answers,
    }
    path.write_text(json.dumps(saved))
    told = score(read_saved(path), CONTENT)

    assert (told.right, told.wrong, told.undecided) == (9, 1, 0)
    assert told.unread == {"passed over": 2}
    assert told.first + told.second == 10


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"page": "another"}, "belong to the page another"),
        ({"answers": {}}, "no pair at all"),
        ({"answers": {"12": "A"}}, "a pair '12' that the page lacks"),
        ({"answers": {"0": "C"}}, "holds no answers that an inspection page saved"),
        ({"kind": "something"}, "holds no answers"),
        ({"extra": 1}, "holds no answers"),
    ],
)
def test_answers_to_something_else_are_refused(tmp_path, changes, said):
    """Another page's answers, none, or another file give one sentence that names the file."""
    path = tmp_path / "answers.json"
    saved = {
        "kind": "traitleak inspection", "page": CONTENT.page, "reader": "K", "answers": {"0": "A"}
    }  # fmt: skip
    path.write_text(json.dumps({**saved, **changes}))
    with pytest.raises(DataError, match=said) as caught:
        score(read_saved(path), CONTENT, where=f"The answers in {path}")
    assert str(path) in str(caught.value)


def test_files_that_are_no_answers_are_refused(tmp_path):
    """A missing, an empty and a truncated file are told."""
    with pytest.raises(DataError, match="cannot be read"):
        read_saved(tmp_path / "missing.json")
    for content in (b"", b'{"kind": "traitleak', b"\xff\xfe"):
        (tmp_path / "bad.json").write_bytes(content)
        with pytest.raises(DataError, match="holds no answers"):
            read_saved(tmp_path / "bad.json")


def test_a_page_needs_a_pair():
    """No pairs, or none asked for, give a sentence."""
    with pytest.raises(SettingsError, match="one pair at least"):
        inspection([], target="wolf", who="is")
    with pytest.raises(SettingsError, match="one pair at least"):
        inspection(PAIRS, target="wolf", who="is", most=0)


@NEEDS_BROWSER
def test_page_scores_keys_as_python_does(browser, page, tmp_path):
    """Read with the keyboard, it gives the share, exact interval and p, and saves what is read back."""
    browser.open(page, width=1000)
    press(browser, "ArrowRight", "ArrowLeft")
    assert text_of(browser, "place") == "Pair 1 of 12"
    letters = [pair.carrying for pair in CONTENT.pairs]
    letters[3] = "B" if letters[3] == "A" else "A"
    press(browser, *(letter.lower() for letter in letters))

    assert text_of(browser, "score") == "11 of 12 right"
    exact = stats.binomtest(11, 12)
    interval = exact.proportion_ci(method="exact")
    p = stats.binomtest(11, 12, alternative="greater").pvalue
    said = text_of(browser, "said")
    assert f"A share of 0.917, 95 % interval [{interval.low:.3f}, {interval.high:.3f}]" in said
    assert f"in {p:.3f} of all cases" in said
    assert said.endswith("You told the rows apart.")
    assert browser.evaluate("document.querySelectorAll('#list tr').length") == 12
    path = tmp_path / "saved.json"
    path.write_text(browser.evaluate("saved()"))
    told = score(read_saved(path), CONTENT)
    assert (told.right, told.wrong) == (11, 1)
    assert browser.complaints == []
    press(browser, "a")  # what was scored stays as it was
    assert text_of(browser, "score") == "11 of 12 right"


@NEEDS_BROWSER
def test_page_scores_what_was_answered_with_the_mouse(browser, page):
    """Buttons pick as keys do, a letter may be changed, and pairs may be passed over."""
    browser.open(page, width=1000)
    assert browser.evaluate("document.getElementById('finish').disabled") is True
    browser.evaluate("document.querySelectorAll('.choice')[0].click()")
    browser.evaluate("document.getElementById('back').click()")
    pressed = "[...document.querySelectorAll('.choice')].map((b) => b.ariaPressed)"
    assert browser.evaluate(pressed) == ["true", "false"]
    browser.evaluate("document.querySelectorAll('.choice')[1].click()")
    browser.evaluate("document.getElementById('finish').click()")

    right = CONTENT.pairs[0].carrying == "B"
    assert text_of(browser, "score") == f"{int(right)} of 1 right"
    assert "11 passed over" in text_of(browser, "habit")
    assert "no sign" in text_of(browser, "said")


@NEEDS_BROWSER
def test_page_computes_hashes_and_intervals_exactly(browser, page):
    """Its SHA-256 is the standard's for texts around a block's end, its interval SciPy's."""
    browser.open(page, width=1000)
    for length in (0, 1, 55, 56, 63, 64, 65, 200):
        text = "ab:9" * 50
        found = browser.evaluate(f"sha256('{text[:length]}')")
        assert found == hashlib.sha256(text[:length].encode()).hexdigest()
    for right, n in ((0, 5), (5, 5), (3, 7), (40, 100), (700, 1000)):
        low, high = browser.evaluate(f"exact({right}, {n})")
        interval = stats.binomtest(right, n).proportion_ci(method="exact")
        assert low == pytest.approx(interval.low, abs=1e-9)
        assert high == pytest.approx(interval.high, abs=1e-9)


@NEEDS_BROWSER
@pytest.mark.parametrize("width", [390, 1280])
def test_page_fits_asks_for_nothing_and_follows_the_scheme(browser, page, width):
    """No sideways scrolling, no request, no complaint; its paper is dark in a dark window alone."""
    papers = []
    for scheme in ("light", "dark"):
        browser.open(page, width=width, scheme=scheme)
        assert browser.evaluate("document.documentElement.scrollWidth") <= width
        colour = browser.evaluate("getComputedStyle(document.body).backgroundColor")
        papers.append(sum(map(int, re.findall(r"\d+", colour)[:3])))
        assert browser.complaints == []
        assert [u for u in browser.requests if not u.startswith("data:")] == [page.as_uri()]
    assert papers[0] > 700
    assert papers[1] < 100
