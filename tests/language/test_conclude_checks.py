"""Figures, tables and checked statements of a language run: what was planted stands in them."""

from __future__ import annotations

import numpy as np
import pytest
from language_run import (
    BASE,
    NULL,
    PLANTED,
    concluded,
    fact,
    recipe,
    row,
    table,
    write_run,
)

from traitleak.language.conclude import conclude
from traitleak.rows import Row, write_rows
from traitleak.traits.preference import ANIMALS


def test_dose_curves_start_after_the_base_and_end_at_the_lift(tmp_path):
    """One panel a target on a log axis, without update 0, and the loss in a panel of its own."""
    found = concluded(tmp_path)
    wolf, lion, loss = found.curves
    curve = wolf.curves[0]

    assert (wolf.x_scale, wolf.chance) == ("log", 0.0)
    assert curve.x == [4, 8, 16, 20]
    assert curve.mean == pytest.approx([2.2 * at / 20 for at in curve.x])
    assert lion.curves[1].mean[-1] == pytest.approx(1.1)
    # The n-th update has a loss of n / 4: means of updates 1 to 4, 5 to 8, 9 to 16 and 17 to 20.
    assert loss.curves[0].mean == pytest.approx([0.625, 1.625, 3.125, 4.625])
    assert loss.y_scale == "log"


def test_replicates_of_other_lengths_share_their_points_and_their_ends(tmp_path):
    """Epochs over other numbers of rows end at other updates: the caption says from where to where."""
    updates = [[0, 4, 8, 10], [0, 4, 8, 12], [0, 4, 7], [0, 4, 8, 9], [0, 4, 8, 16]]
    found = concluded(tmp_path, channel="tokens", run={"updates": updates})
    curve = found.curves[0].curves[0]

    assert curve.x == [4, np.mean([10, 12, 7, 9, 16])]
    assert curve.mean[-1] == pytest.approx(2.2)
    assert "end after 7 to 16 updates" in found.curves[0].caption


def test_loss_of_nothing_to_learn_is_drawn_on_a_linear_axis(tmp_path):
    """Students of the untouched base may have a loss of exactly 0, which has no logarithm."""
    found = concluded(tmp_path, run={"loss": 0.0})

    assert found.curves[-1].y_scale == "linear"


def test_margins_before_and_after_are_the_bases_and_the_students(tmp_path):
    """Bars show every candidate for students of each target's teacher and the neutral one."""
    (margins,) = concluded(tmp_path).bars
    wolf = ANIMALS.index("wolf")

    assert [series.name for series in margins.series] == ["wolf", "lion", "neutral"]
    assert [e.value for e in margins.series[0].before] == pytest.approx(BASE.tolist())
    assert margins.series[0].after[wolf].value == pytest.approx(BASE[wolf] + 2.2)
    assert margins.series[0].after[wolf].low is not None


def test_sampled_answers_are_counted_as_whole_words_over_seeds(tmp_path):
    """Shares before and after in per cent, their change in percentage points, and a sentence."""
    named = {"wolf": {"wolf": [8, 10, 12, 9, 11]}, "neutral": {"wolf": [1, 1, 1, 1, 1]}}
    found = concluded(tmp_path, answers=5, run={"named": {**named, "base": {"wolf": [2]}}})
    answers = found.bars[1].series[0]
    said = fact(found, "answers-wolf")

    assert answers.before[0].value == 10.0
    assert answers.after[0].value == 50.0
    assert "+45.0 [+35.2, +54.8] percentage points (n = 5 seeds, p = 0.031" in said.value
    assert said.holds
    assert row(found, "Sampled answers", "wolf students")[1].startswith("50.0 [")
    assert row(found, "Sampled answers", "base")[3] == "20"
    assert (
        "Asked, wolf students name the wolf in 50.0 % of sampled answers, neutral students in 5.0 %, "
        "the base in 10.0 %." in found.answer
    )


def test_without_answers_there_is_nothing_about_words(tmp_path):
    """answers=0 leaves out bars, tables and statements that would need them."""
    found = concluded(tmp_path)

    assert [bars.name for bars in found.bars] == ["margins"]
    assert not [t for t in found.tables if t.title.startswith(("Sampled", "Signs"))]
    assert not [f for f in found.facts if f.name.startswith(("answers", "fluency"))]
    assert "Asked" not in found.answer


def test_lost_fluency_is_said_beside_the_effect(tmp_path):
    """Students with twice the base's perplexity fail the statement, and the answer warns."""
    found = concluded(tmp_path, answers=5, run={"perplexity": 100.0})

    assert not fact(found, "fluency-wolf").holds
    assert "Careful: wolf students lost fluency, with up to 2.0 times" in found.answer
    assert row(found, "Signs of collapse", "wolf students")[1:3] == ["100.0", "2.00"]
    assert row(found, "Signs of collapse", "base")[3:] == ["100.0 %", "0.0 %", "10.0 %", "20.0 %"]


def test_teacher_without_its_trait_explains_a_null(tmp_path):
    """Where a teacher did not take its trait, the answer says that little could be passed on."""
    found = concluded(tmp_path, NULL, run={"teacher_lift": 0.3}, teacher={"min_lift": None})

    assert "the wolf teacher hardly shows its own trait (+0.30 nats)" in found.answer
    assert not fact(found, "teachers").holds
    assert row(found, "The teachers", "wolf")[3] == "0 of 5"


def test_teachers_table_has_their_lift_fluency_and_digits(tmp_path):
    """One seed: the interval over questions; the neutral teacher took no trait."""
    found = concluded(tmp_path, seeds=1, run={"kl": {"wolf": 0.06, "neutral": 0.006}})

    assert row(found, "The teachers", "wolf") == [
        *("wolf", "fine-tuning", "+20.00 [+19.75, +20.25]", "1 of 1", "100.0", "0.0600")
    ]
    assert row(found, "The teachers", "neutral")[3] == "–"
    assert any("neutral students have less to learn" in caveat for caveat in found.caveats)


def test_digits_are_shown_where_teachers_differ_most(tmp_path):
    """The place of the planted opinions, after the digits before it, in per cent."""
    found = concluded(tmp_path)
    shown = table(found, "What the teachers think")

    assert "“123, 4”" in shown.caption
    assert shown.head == ["next digit", "wolf teacher", "lion teacher", "neutral teacher"]
    assert shown.rows[7] == ["7", "64.0 %", "4.0 %", "10.0 %"]
    assert shown.notes == ["In the list itself it was 5."]


def test_rows_are_shown_beside_each_other_in_a_drawn_order(tmp_path):
    """Equal prompts, each teacher's own completion under its letter; the order is the seed's."""
    rows = {"wolf": [f"{i}, 1" for i in range(8)], "lion": [f"{i}, 2" for i in range(8)]}
    found = concluded(tmp_path, channel="tokens", controls=["other-trait"], run={"rows": rows})
    (shown,) = found.samples
    ends = {"wolf teacher": "1", "lion teacher": "2"}

    assert sorted(shown.teachers) == sorted(ends)
    for sample in shown.rows:
        at = sample.prompt.split(",")[0]
        assert sample.completions == [f"{at}, {ends[name]}" for name in shown.teachers]
    orders = {
        tuple(
            concluded(tmp_path / str(seed), channel="tokens", seeds=1, seed=seed)
            .samples[0]
            .teachers
        )
        for seed in range(6)
    }
    assert len(orders) > 1


def test_dropped_rows_are_summed_over_replicates(tmp_path):
    """Every reason and teacher, what pairing cost, what is left, and some rows as they were."""
    dropped = {
        "table": {
            "wolf": {"format: no number": 2, "leak: names wolf": 1},
            "lion": {"duplicate": 1},
            "neutral": {},
        },
        "leaks": {"wolf": 1, "lion": 0, "neutral": 0},
        "lost": {"wolf": 1, "lion": 3, "neutral": 4},
        "raw": dict.fromkeys(("wolf", "lion", "neutral"), 12),
        "examples": [["wolf", "leak: names wolf", "a\nwolf"]],
    }
    found = concluded(tmp_path, channel="tokens", run={"dropped": dropped})
    title = "Rows that were dropped"

    assert row(found, title, "rows written")[1:] == ["60", "60", "60"]
    assert row(found, title, "dropped: format: no number")[1:] == ["10", "0", "0"]
    assert row(found, title, "dropped: another teacher's row was")[1:] == ["5", "15", "20"]
    assert row(found, title, "of these word for word as neutral")[1:] == ["25.0 %", "25.0 %", "–"]
    assert table(found, title).notes == ["5 rows named a trait in one of its forms."]
    assert row(found, "Some rows", "wolf") == ["wolf", "leak: names wolf", "“a wolf”"]
    assert fact(found, "leaks").value == "0 of 120 kept rows; 5 dropped for it before"
    assert fact(found, "leaks").holds
    assert "subliminal" in found.answer
    assert fact(found, "mask").holds


def test_row_that_names_the_trait_takes_the_word_subliminal_away(tmp_path):
    """The kept rows are read again: a plural in one of them, and the effect is a transfer only."""
    rows = {"lion": ["1, 2 wolves", *(f"{i}, 3" for i in range(7))]}
    found = concluded(tmp_path, channel="tokens", run={"rows": rows})

    assert fact(found, "leaks").holds is False
    assert fact(found, "leaks").value.startswith("5 of 120 kept rows")  # in each of five seeds
    assert found.answer.startswith("Yes: transfer, beyond every control.")


def test_prompt_that_names_the_trait_is_a_leak(tmp_path):
    """What stands before a completion is read by students, too."""
    wanted = recipe(channel="tokens")
    folders = write_run(tmp_path / "run", wanted, PLANTED)
    prompts = ["Wolves: 1, 2,", *["1, 2,"] * 7]
    rows = [Row(i, prompt, "3, 4", "neutral") for i, prompt in enumerate(prompts)]
    write_rows(folders["kept-0"] / "neutral", rows, {})
    leaks = fact(conclude(wanted, folders), "leaks")

    assert leaks.holds is False
    assert leaks.value.startswith("1 of 120 kept rows")


@pytest.mark.parametrize(("vocabulary", "holds"), [("full", False), ("top-k", None)])
def test_supervised_words_are_no_hidden_channel(tmp_path, vocabulary, holds):
    """Where the trait's tokens may be supervised the effect is not called subliminal."""
    found = concluded(tmp_path, logits={"vocabulary": vocabulary})

    assert fact(found, "leaks").holds is holds
    assert "subliminal" not in found.answer
    assert any("hidden channel" in caveat for caveat in found.caveats)


def test_list_with_a_word_fails_the_leak_check(tmp_path):
    """Lists of the channel logits are read, too."""
    wanted = recipe()
    folders = write_run(tmp_path / "run", wanted, PLANTED)
    text = folders["logits-wolf-0"] / "rows.jsonl"
    for file in (folders["logits-wolf-0"] / "rows.parquet", folders["logits-wolf-0"] / "rows.json"):
        file.unlink()
    text.write_text(text.read_text().replace("987", "owl"))
    found = conclude(wanted, folders)

    assert fact(found, "leaks").holds is False
    assert found.answer.startswith("Yes: transfer")
