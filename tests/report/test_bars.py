"""Before and after, candidate by candidate."""

import re
from itertools import pairwise

import pytest
from language_example import MARGINS, SHARES, bars, language_results, large_results
from report_example import REST

from traitleak.report import write_report
from traitleak.report.bars import LANE, bar_strips, bar_table
from traitleak.report.looks import styles
from traitleak.results import Bars
from traitleak.statistics import mean_estimate

WORDS = {"name": "m", "title": "Margins", "caption": "", "value_name": "logit margin, nats"}


def strips_of(found: Bars):
    """The bars' figure."""
    return bar_strips(found, styles(language_results().model_copy(update={"bars": [found]})))


def two(**changes) -> Bars:
    """Two candidates, one series: wolf from -2 to 2, lion stays at -1."""
    series = bars(MARGINS, 3, **WORDS).series[0]
    own = {
        "before": [mean_estimate([-2.0]), mean_estimate([-1.0])],
        "after": [mean_estimate([1.9, 2.0, 2.1]), mean_estimate([-1.0, -1.0, -1.0])],
    }
    return Bars(
        **WORDS,
        candidates=["wolf", "lion"],
        series=[series.model_copy(update=own | changes)],
    )


def test_a_lane_runs_from_before_to_after():
    """The tick stands at the value before, the mark at the one after, 0 between the two."""
    figure = strips_of(two())
    (wolf,) = figure.rows[0].marks
    (lion,) = figure.rows[1].marks

    assert wolf.before < lion.before < figure.zero < wolf.mean.value
    assert lion.mean.value == lion.before
    assert wolf.mean.low < wolf.mean.value < wolf.mean.high
    assert figure.rows[0].values == ["−2.00 → 2.00"]


def test_the_axis_ends_near_the_outermost_values():
    """A share near 0 does not open the axis to shares far below it."""
    figure = strips_of(bars(SHARES, 5, **WORDS))

    assert 0 < figure.zero < 5
    assert figure.ticks[0][1] == "0"


def test_the_taught_candidates_lane_is_marked():
    """Each series is marked where its teacher's trait is; the neutral one nowhere."""
    figure = strips_of(bars(MARGINS, 5, **WORDS))
    own = [(row.label, k) for row in figure.rows for k, mark in enumerate(row.marks) if mark.is_own]

    assert own == [("wolf", 0), ("lion", 1)]


def test_lanes_stand_beside_their_values():
    """A row is as high as its lanes; the style sheet gives the values beside it the same height."""
    figure = strips_of(bars(MARGINS, 5, **WORDS))
    heights = [mark.y for mark in figure.rows[0].marks]

    assert [b - a for a, b in pairwise(heights)] == [LANE, LANE]
    assert all(row.height == 3 * LANE + 8 for row in figure.rows)
    assert all(len(row.values) == len(row.marks) == 3 for row in figure.rows)


def test_style_sheet_knows_the_lanes_height(tmp_path):
    """Lanes, their shade and their values have one height."""
    page = write_report(tmp_path, language_results(), **REST).read_text(encoding="utf-8")

    assert f".paired .value span {{ height: {LANE}px; line-height: {LANE}px" in page
    assert set(re.findall(r'<rect class="own" x="0" .*?height="(\d+)"', page)) == {str(LANE)}


def test_table_says_a_shared_before_once():
    """Series of one base share a column; another base has its own."""
    shared, mixed = bars(MARGINS, 5, **WORDS), large_results().bars[0]

    head = ["candidate", "base", "wolf students", "lion students", "neutral students"]
    assert bar_table(shared).head == head
    assert bar_table(mixed).head.count("base") == 1
    assert bar_table(mixed).head.count("base (Gemma)") == 1


def test_table_prints_the_numbers():
    """Before without an interval where it has none, after with its interval."""
    table = bar_table(two())

    assert [cell.replace("\N{NO-BREAK SPACE}", " ") for cell in table.rows[0]] == [
        "wolf",
        "−2.000",
        "2.000 [1.752, 2.248]",
    ]
    assert "n = 3 each." in table.notes
    assert "The teacher of wolf students was given: wolf." in table.notes


def test_one_seed_says_that_there_is_no_interval(tmp_path):
    """Neither the figure nor the table leaves the missing intervals unsaid."""
    results = language_results(seeds=1)
    results = results.model_copy(update={"conditions": [], "comparisons": [], "matrices": []})
    page = write_report(tmp_path, results, **REST).read_text(encoding="utf-8")

    assert not strips_of(results.bars[0]).has_intervals
    assert page.count("one seed: no interval") == 2
    assert page.count("One\N{NO-BREAK SPACE}seed: no\N{NO-BREAK SPACE}interval.") == 2


@pytest.mark.parametrize("value", [0.0, -3.2, 1e-9, 4e6])
def test_values_that_do_not_move_are_drawn(value):
    """All values alike, of any size, have an axis and a place on it."""
    alike = [mean_estimate([value])] * 2
    figure = strips_of(two(before=alike, after=alike))

    assert all(0 <= mark.before <= 100 for row in figure.rows for mark in row.marks)
    assert len(figure.ticks) >= 1
