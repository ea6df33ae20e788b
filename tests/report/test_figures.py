"""The geometry of the report's figures, and how numbers are written in them."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from language_example import language_results
from report_example import crowded_results, digits_results, swept_results

from traitleak.report import formats
from traitleak.report.axes import interval_axis, linear_axis, log_axis
from traitleak.report.lines import curve_lines, is_numeric, sweep_lines
from traitleak.report.looks import styles
from traitleak.report.strips import condition_strips, sweep_strips
from traitleak.report.tables import condition_table, curve_table, sweep_table
from traitleak.results import Curve, CurvePanel, PublishedValue
from traitleak.statistics import mean_estimate

values = st.floats(-1e9, 1e9, allow_nan=False).filter(lambda v: v == 0 or abs(v) > 1e-9)


@given(st.lists(values, min_size=1, max_size=5), st.booleans())
def test_linear_axis_has_a_place_for_every_value(shown, tight):
    """Values and ticks lie on the axis, in order, and no two ticks have the same label."""
    axis = linear_axis(shown, tight=tight)
    labels = [text for _, text in axis.labels]
    hair = 1e-8 * (axis.high - axis.low)  # a value this far beyond a tick needs no further tick

    assert axis.low <= min(shown) + hair
    assert axis.high >= max(shown) - hair
    assert all(axis.low <= tick <= axis.high for tick in axis.ticks)
    assert list(axis.ticks) == sorted(axis.ticks)
    assert 1 <= len(set(labels)) == len(labels) <= 9


@given(st.lists(st.floats(1e-12, 1e12), min_size=1, max_size=5))
def test_log_axis_has_a_place_for_every_value(shown):
    """Values and ticks lie on the axis, and no two ticks have the same label."""
    axis = log_axis(shown)
    labels = [text for _, text in axis.labels]

    assert axis.low <= min(shown)
    assert axis.high >= max(shown)
    assert 1 <= len(set(labels)) == len(labels) <= 9


@pytest.mark.parametrize(
    ("axis", "labels"),
    [
        (linear_axis([0.1, 0.94]), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (linear_axis([0, 700_000]), ["0", "200,000", "400,000", "600,000", "800,000"]),
        (linear_axis([0, 295], tight=True), ["0", "50", "100", "150", "200", "250"]),
        (linear_axis([0, 450_000], tight=True), ["0", "100,000", "200,000", "300,000", "400,000"]),
        (linear_axis([0, 9e7], tight=True), ["0", "2·10⁷", "4·10⁷", "6·10⁷", "8·10⁷"]),
        (log_axis([0.011, 0.018]), ["0.012", "0.014", "0.016", "0.018"]),
        (linear_axis([2, 10], tight=True, at=[2, 2.1, 10]), ["2", "4", "6", "8", "10"]),
        (linear_axis([2, 10], tight=True, at=[2, 3, 5, 10]), ["2", "3", "5", "10"]),
        (linear_axis([-0.5, 1]), ["−0.50", "−0.25", "0.00", "0.25", "0.50", "0.75", "1.00"]),
        (log_axis([8, 64], at=[8, 16, 32, 64]), ["8", "16", "32", "64"]),
        (log_axis([1e-12, 1]), ["10⁻¹²", "10⁻¹⁰", "10⁻⁸", "10⁻⁶", "10⁻⁴", "10⁻²", "10⁰"]),
        (log_axis([1e-6, 1]), ["10⁻⁶", "10⁻⁵", "10⁻⁴", "10⁻³", "10⁻²", "10⁻¹", "10⁰"]),
    ],
)
def test_ticks_are_round_numbers(axis, labels):
    """Ticks are the numbers a person would choose."""
    assert [text for _, text in axis.labels] == labels


def test_places_follow_the_values():
    """A value a quarter up the axis stands at 25 per cent, on a log axis a decade in four too."""
    assert linear_axis([0, 1]).place(0.25) == 25
    assert log_axis([1, 1e4]).place(10) == 25
    assert linear_axis([0, 1]).place(7) == 100


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (formats.number(0.5284, 3), "0.528"),
        (formats.number(-0.04, 3), "−0.040"),
        (formats.number(-0.0001, 3), "0.000"),
        (formats.number(0.427, 3, signed=True), "+0.427"),
        (formats.number(12345.6, 0), "12,346"),
        (formats.number(2.1e-8, None), "2.1·10⁻⁸"),
        (formats.number(math.nan, 3), "not a number"),
        (formats.p_text(0.25), "0.250"),
        (formats.p_text(0.002), "0.002"),
        (formats.p_text(2**-10), "0.00098"),
        (formats.p_text(1e-6), "< 0.0001"),
        (formats.time_text(0.42), "0.4 s"),
        (formats.time_text(71.6), "1 min 12 s"),
        (formats.time_text(3600 * 2 + 60 * 5), "2 h 05 min"),
        (formats.memory_text(612_000_000), "612 MB"),
        (formats.memory_text(None), "not measured"),
        (formats.memory_text(1_020_000_000), "1.02 GB"),
        (formats.published_text(PublishedValue(value=0.0998, source="x")), "0.0998"),
    ],
)
def test_numbers_have_one_style(text, expected):
    """Numbers, p values, times and sizes are written in one way."""
    assert text.replace("\N{NO-BREAK SPACE}", " ") == expected


@pytest.mark.parametrize(
    ("shown", "decimals"), [([0.1, 0.94], 3), ([1.0], 3), ([12.3], 1), ([250.0], 0), ([0.004], 5)]
)
def test_decimals_suit_the_largest_number(shown, decimals):
    """Shares and margins have three decimals, larger numbers fewer, smaller ones more."""
    assert formats.decimals_for(shown) == decimals


def test_huge_numbers_are_powers_of_ten():
    """The perplexity of a broken teacher is read at a glance; a million keeps its digits."""
    assert formats.number(2.4447420818705570e20, 2) == "2.44·10²⁰"
    assert formats.number(-1e9, 0, signed=True) == "−1·10⁹"
    assert formats.number(1234567.0, 0) == "1,234,567"


def test_looks_tell_conditions_apart():
    """A role has its shape; conditions that stand together differ; a name keeps its look."""
    results = crowded_results()
    looks = styles(results)
    shapes = {c.role: looks[c.name].marker for c in results.conditions}

    assert shapes == {"effect": "circle", "control": "square", "reference": "triangle"}
    assert len(set(looks.values())) == len(results.conditions) == 14
    assert styles(results.model_copy(update={"curves": []})) == looks


def test_sixteen_controls_look_different():
    """Colours, then hollow markers, then another shape: ten targets are told apart."""
    results = crowded_results()
    control = next(c for c in results.conditions if c.role == "control")
    many = [control.model_copy(update={"name": str(n), "label": str(n)}) for n in range(16)]
    looks = styles(results.model_copy(update={"conditions": many}))

    assert len({looks[one.name] for one in many}) == 16
    assert {looks[one.name].marker for one in many} == {"square", "diamond"}


def test_strips_put_every_replicate_at_its_value():
    """Dots, mean, interval and published value stand where the axis says."""
    results = digits_results()
    figure = condition_strips(results, styles(results))

    for condition, row in zip(results.conditions, figure.rows, strict=True):
        (mark,) = row.marks
        estimate = condition.estimate
        dots = [place for place, _ in mark.dots]
        assert dots == pytest.approx([100 * v for v in estimate.replicates], abs=0.006)
        assert mark.mean[:3] == pytest.approx(
            [100 * v for v in (estimate.value, estimate.low, estimate.high)], abs=0.006
        )
        assert mark.published.value == pytest.approx(100 * condition.published.value, abs=0.006)
    assert figure.chance == (10, "chance\N{NO-BREAK SPACE}0.1")
    assert not figure.is_cut


def test_a_very_long_interval_is_cut_and_marked():
    """Two replicates' interval does not squash the axis; where it is cut, the figure knows."""
    results = digits_results()
    wide = results.conditions[2].model_copy(update={"estimate": mean_estimate([0.3, 0.7])})
    changed = results.model_copy(update={"conditions": [wide, *results.conditions[3:]]})
    figure = condition_strips(changed, styles(changed))

    assert wide.estimate.high > 3
    assert figure.is_cut
    assert figure.rows[0].marks[0].mean.cut_high
    assert float(figure.ticks[-1][1]) <= 2


def test_a_line_breaks_where_the_condition_does_not_exist():
    """A missing estimate is a gap in the line, not a value."""
    sweep = swept_results().sweeps[0]
    series = sweep.series[1]
    holed = series.model_copy(
        update={"estimates": [*series.estimates[:3], None, *series.estimates[4:]]}
    )
    looks = styles(swept_results())
    whole = sweep_lines(sweep.model_copy(update={"series": [series]}), looks).lines[0]
    broken = sweep_lines(sweep.model_copy(update={"series": [holed]}), looks).lines[0]

    assert (whole.mean.count("M"), whole.band.count("M"), len(whole.markers)) == (1, 1, 7)
    assert (broken.mean.count("M"), broken.band.count("M"), len(broken.markers)) == (2, 2, 6)


def panel(**changes) -> CurvePanel:
    """One curve on two axes."""
    curve = {"name": "a", "label": "a", "role": "effect", "x": [1.0, 2.0, 3.0]}
    curve |= {"mean": [1.0, 2.0, 4.0], "low": [None] * 3, "high": [None] * 3}
    axes = {"name": "p", "title": "p", "caption": "", "x_label": "x", "y_label": "y"}
    curve |= {k: v for k, v in changes.items() if k in curve}
    axes |= {k: v for k, v in changes.items() if k not in curve}
    return CurvePanel(**axes, curves=[Curve(**curve)])


def lines_of(found: CurvePanel):
    """The panel's figure."""
    looks = styles(digits_results().model_copy(update={"curves": [found]}))
    return curve_lines(found, looks)


def test_lines_run_through_their_points():
    """A path goes from left to right, and up where the values rise."""
    (line,) = lines_of(panel(mean=[0.0, 1.0, 2.0])).lines

    assert line.mean == "M0 1000L500 500L1000 0"


@pytest.mark.parametrize(
    "changes",
    [
        {"mean": [math.nan] * 3},
        {"mean": [math.nan] * 3, "x_scale": "log", "y_scale": "log"},
        {"mean": [-1.0, 0.0, 1.0], "y_scale": "log"},
        {"x": [0.0, 1.0, 10.0], "x_scale": "log"},
        {"mean": [1.0, 1.0, 1.0]},
        {"x": [], "mean": [], "low": [], "high": []},
        {"low": [-1.0, -1.0, -1.0], "high": [2.0, 3.0, 5.0], "y_scale": "log"},
        {"chance": -5.0, "y_scale": "log"},
    ],
)
def test_values_without_a_place_leave_the_rest_drawn(changes):
    """What an axis cannot show is left out; every number that is drawn lies inside the figure."""
    figure = lines_of(panel(**changes))
    drawn = [
        float(n) for line in figure.lines for n in re.findall(r"[\d.]+", line.mean + line.band)
    ]

    assert all(0 <= number <= 1000 for number in drawn)
    assert "nan" not in repr(figure)


def test_a_very_wide_band_leaves_the_lines_room():
    """Two replicates' band is cut at the axis, which the means still fill by half."""
    figure = lines_of(panel(mean=[0.0, 1.0, 2.0], low=[-9.0] * 3, high=[9.0] * 3))
    heights = [float(pair.split()[1]) for pair in figure.lines[0].mean[1:].split("L")]

    assert heights[0] - heights[-1] >= 500


def test_a_long_curve_is_thinned_and_keeps_its_end():
    """Five thousand points become at most 301, the first and the last among them."""
    x = [float(k) for k in range(5000)]
    figure = lines_of(panel(x=x, mean=x, low=[None] * 5000, high=[None] * 5000))
    points = figure.lines[0].mean.split("L")

    assert len(points) <= 301
    assert points[0] == "M0 1000"
    assert points[-1].startswith("1000 ")


def test_labels_beside_lines_do_not_overlap():
    """Fourteen long labels find room, in the order of the lines' ends."""
    results = crowded_results()
    figure = curve_lines(results.curves[0], styles(results))
    ends = [line.end for line in figure.lines]
    tops = [line.top for line in figure.lines]
    heights = [2 * (line.middle - line.top) for line in figure.lines]

    assert ends == sorted(ends)
    assert tops[0] >= 0
    assert tops[-1] + heights[-1] <= figure.height + 0.1
    for top, height, following in zip(tops, heights, tops[1:], strict=False):
        assert top + height <= following + 0.1


def test_a_sweep_is_drawn_on_the_axis_that_can_carry_it():
    """Numbers give lines; words, booleans and a 0 on a log axis give strips."""
    linear, log, category, _ = swept_results().sweeps
    with_zero = log.model_copy(update={"values": [0, *log.values[1:]]})
    switches = category.model_copy(update={"values": [True, False], "x_scale": "linear"})

    assert is_numeric(linear)
    assert is_numeric(log)
    assert not is_numeric(category)
    assert not is_numeric(with_zero)
    assert not is_numeric(switches)


def test_strips_of_a_sweep_leave_out_what_does_not_exist():
    """A value's row has one mark for each series that exists there."""
    results = swept_results()
    category = results.sweeps[2]
    rows = sweep_strips(category, styles(results)).rows

    assert [row.label for row in rows] == category.values
    assert [len(row.marks) for row in rows] == [4, 5, 5, 5, 5]


def test_a_sweep_without_any_estimate_is_an_empty_figure():
    """A series that exists nowhere breaks neither the figure nor its table."""
    results = swept_results()
    looks = styles(results)
    for sweep in results.sweeps:
        nothing = sweep.series[0].model_copy(update={"estimates": [None] * len(sweep.values)})
        empty = sweep.model_copy(update={"series": [nothing]})

        if is_numeric(empty):
            assert sweep_lines(empty, looks).lines == []
        else:
            assert [row.marks for row in sweep_strips(empty, looks).rows] == [[]] * 5
        assert {row[1] for row in sweep_table(empty).rows} == {"–"}


@pytest.mark.parametrize(
    ("axis", "level", "zero"),
    [
        (linear_axis([-3, 3]), None, 50),
        (linear_axis([-1, 3]), 0.1, 25),
        (linear_axis([-3, 3]), 0.0, None),
        (linear_axis([0, 3]), None, None),
        (linear_axis([-3, -1]), None, None),
        (log_axis([0.1, 3]), None, None),
    ],
)
def test_zero_is_marked_inside_an_axis(axis, level, zero):
    """Margins of both signs get a line at 0, unless the level of comparison is drawn there."""
    assert axis.zero(level) == zero


def test_a_tight_axis_ends_just_beyond_its_values():
    """Two per cent of the range lie beyond the outermost values, and ticks stay round and inside."""
    axis = interval_axis([0.0, 10.0], [None, 10.5], tight=True)

    assert (axis.low, axis.high) == pytest.approx((-0.21, 10.71))
    assert axis.ticks == (0, 2, 4, 6, 8, 10)


def test_numbers_around_a_level_of_0_have_their_sign():
    """Lifts say their side in the figure and in the tables; shares of a chance above 0 have none."""
    lifts, shares = language_results(), digits_results()
    looks = styles(lifts)

    assert condition_strips(lifts, looks).rows[0].values[0].startswith("+0.")
    assert condition_table(lifts, looks).rows[0][2].startswith("+0.")
    assert curve_lines(lifts.curves[0], looks).lines[0].value == "+0.611"
    assert curve_table(lifts.curves[0]).rows[2][2].startswith("+0.611 [+0.5")
    assert condition_strips(shares, styles(shares)).rows[0].values[0].startswith("0.")
    assert condition_table(shares, styles(shares)).rows[0][2].startswith("0.")


def test_a_level_is_named_as_the_results_name_it():
    """The line at 0 is called the base where results say so, and its value is left to the axis."""
    results = language_results()
    looks = styles(results)

    assert condition_strips(results, looks).chance[1] == "the base"
    assert curve_lines(results.curves[0], looks).chance[1] == "the base"


def test_a_dose_curve_has_its_ticks_at_the_doses():
    """A log axis over powers of two is labelled there; a first dose of 0 has no place on it."""
    results = language_results()
    curves = results.curves[0]
    ticks = ["8", "16", "32", "64", "128", "256", "512"]
    from_0 = [c.model_copy(update={"x": [0.0, *c.x[1:]]}) for c in curves.curves]

    figure = curve_lines(curves, styles(results))
    shorter = curve_lines(curves.model_copy(update={"curves": from_0}), styles(results))
    assert [text for _, text in figure.x_ticks] == ticks
    assert [text for _, text in shorter.x_ticks] == ticks[1:]


def test_matrix_rows_and_bars_look_as_their_condition():
    """The same name has the same colour and shape in every figure of the page."""
    results = language_results()
    alone = results.model_copy(update={"matrices": [], "bars": [], "curves": []})
    looks = styles(results)

    for name, style in styles(alone).items():
        assert looks[name] == style
