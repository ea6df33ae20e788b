"""The control `shuffled-across`: the numbers of all rows dealt out anew, and what is said of it."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from language_run import PLANTED, concluded, difference, recipe, write_run

from traitleak.errors import RecipeError
from traitleak.experiment import run_recipe
from traitleak.language.conclude import conclude
from traitleak.language.kept import shuffled_across_rows, shuffled_rows
from traitleak.language.layout import layout
from traitleak.language.phrases import kind_of, label, taught_by
from traitleak.recipe import LanguageRecipe, load_recipe
from traitleak.rows import Row, read_rows

NUMBER = re.compile("[0-9]+")
ACROSS = {
    "channel": "tokens",
    "controls": ["neutral", "other-trait", "shuffled", "shuffled-across"],
}
FORMS = ["{}", " {}", "[{}]", "({}).", "Here they are: {}, as you asked.", "{}\n"]
SEPARATORS = [", ", ",", "; ", " ", "\n"]
DEALT = {**PLANTED, "shuffled-across-wolf": {"wolf": [0.1, 0.2, 0.0, 0.1, 0.1]}}

lists = st.builds(
    lambda form, separator, numbers: form.format(separator.join(numbers)),
    st.sampled_from(FORMS),
    st.sampled_from(SEPARATORS),
    st.lists(st.from_regex(r"[0-9]{1,4}", fullmatch=True), max_size=8),
)


def rows(*completions: str) -> list[Row]:
    """A teacher's rows, numbered from 0."""
    return [Row(i, f"{i}, {i + 1},", text, "wolf") for i, text in enumerate(completions)]


def numbers(some: list[Row]) -> Counter[str]:
    """All numbers as they are written, with how often."""
    return Counter(number for row in some for number in NUMBER.findall(row.completion))


def test_every_deal_of_three_numbers_over_two_rows_is_equally_likely():
    """Two rows of unlike forms: all six deals come, each about 100 times in 600 seeds."""
    before = rows("[1; 007]", " 32.")
    deals = Counter(
        tuple(row.completion for row in shuffled_across_rows(before, seed)) for seed in range(600)
    )

    assert set(deals) == {
        ("[1; 007]", " 32."),
        ("[007; 1]", " 32."),
        ("[1; 32]", " 007."),
        ("[32; 1]", " 007."),
        ("[007; 32]", " 1."),
        ("[32; 007]", " 1."),
    }
    assert all(70 <= times <= 130 for times in deals.values())  # 3.3 standard errors


def test_row_without_numbers_stays_as_it_is():
    """Nothing is dealt to it, and the others' numbers all go round among the others."""
    before = rows("none", "1, 2", "", "3")
    after = shuffled_across_rows(before, seed=1)

    assert (after[0], after[2]) == (before[0], before[2])
    assert numbers(after) == numbers(before)


@given(completions=st.lists(lists, max_size=8), seed=st.integers(0, 2**64 - 1))
def test_every_number_is_dealt_once_and_every_form_stays(completions, seed):
    """Whatever the lists: the same numbers as often, as many in each row, the same between them."""
    before = rows(*completions)
    after = shuffled_across_rows(before, seed)

    assert numbers(after) == numbers(before)
    for one, other in zip(before, after, strict=True):
        assert NUMBER.split(one.completion) == NUMBER.split(other.completion)
        assert replace(one, completion="") == replace(other, completion="")
    assert shuffled_across_rows(before, seed) == after


@given(completions=st.lists(lists, max_size=4), seed=st.integers(0, 2**64 - 1))
def test_shuffled_rows_of_any_form_keep_their_form_and_their_numbers(completions, seed):
    """Within rows, too, nothing but numbers moves, also where a list stands among words."""
    before = rows(*completions)

    for one, other in zip(before, shuffled_rows(before, seed), strict=True):
        assert numbers([one]) == numbers([other])
        assert NUMBER.split(one.completion) == NUMBER.split(other.completion)


def test_list_among_words_is_shuffled_as_any():
    """What stands around a list does not keep its numbers in place."""
    (after,) = shuffled_rows(rows("Sure: 1, 2, 3, 4, 5, 6, 7, 8. Done"), seed=1)

    assert after.completion.startswith("Sure: ")
    assert after.completion != "Sure: 1, 2, 3, 4, 5, 6, 7, 8. Done"


def test_one_row_is_shuffled_within_itself():
    """Where there is one row, its own numbers are the pool; without rows there is nothing."""
    (only,) = shuffled_across_rows(rows("1, 2, 3, 4, 5, 6, 7, 8"), seed=0)

    assert sorted(NUMBER.findall(only.completion)) == list("12345678")
    assert only.completion != "1, 2, 3, 4, 5, 6, 7, 8"
    assert shuffled_across_rows([], seed=0) == []


def test_many_rows_keep_hardly_any_of_their_own_numbers():
    """Of a thousand rows of nine different numbers a number stays in its row by chance alone."""
    before = rows(*(", ".join(str(9 * i + j) for j in range(9)) for i in range(1000)))
    after = shuffled_across_rows(before, seed=2)
    own = [
        number in NUMBER.findall(one.completion)
        for one, other in zip(before, after, strict=True)
        for number in NUMBER.findall(other.completion)
    ]

    assert sum(own) < 40  # 9 are expected, and their number spreads like a Poisson draw's
    assert shuffled_across_rows(before, seed=3) != after


def test_arms_are_read_as_what_they_are():
    """A control whose name begins like another's is told from it, whatever the targets are called."""
    assert kind_of("shuffled-across-wolf", ["wolf", "lion"]) == ("shuffled-across", "wolf")
    assert kind_of("shuffled-wolf", ["wolf"]) == ("shuffled", "wolf")
    assert kind_of("other-base-neutral", ["wolf"]) == ("other-base", "neutral")
    targets = ["across-wolf", "wolf"]
    assert kind_of("shuffled-across-wolf", targets) == ("shuffled", "across-wolf")
    assert kind_of("shuffled-across-across-wolf", targets) == ("shuffled-across", "across-wolf")
    assert kind_of("shuffled-wolf", ["shuffled-wolf"]) == ("own", "shuffled-wolf")
    assert label("shuffled-across-wolf", ["wolf"]) == "students of across-shuffled wolf rows"
    assert taught_by("shuffled-across-wolf", ["wolf"]) == "wolf teacher, shuffled across"


def test_stages_of_all_else_are_those_of_a_run_without_it():
    """The control adds one student a replicate, and renames nothing."""
    without = layout(recipe(channel="tokens")).replicates[0]
    beside = layout(recipe(**ACROSS)).replicates[0]
    students = dict(beside.students)

    assert students.pop("shuffled-across-wolf") == "student-shuffled-across-wolf-0"
    assert students == without.students
    assert (beside.teachers, beside.writes, beside.kept) == (
        without.teachers,
        without.writes,
        without.kept,
    )


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ["channel=logits"],
            "it is for channel=tokens; with channel=logits the control shuffled already mixes across "
            "lists",
        ),
        (
            ["carrier.kind=code", "carrier.decoding=free", "style=chat"],
            "the control shuffled-across deals out the numbers of rows anew: it is for "
            "carrier.kind=numbers",
        ),
        (["vary.key=channel", "vary.values=[tokens, logits]"], "already mixes across lists"),
    ],
)
def test_what_has_no_rows_of_numbers_is_refused(overrides, said):
    """Of logits, of code and of a sweep that comes to logits one sentence says why."""
    with pytest.raises(RecipeError) as refusal:
        load_recipe("wolf-smollm2-tokens", ["controls=[neutral, shuffled-across]", *overrides])

    assert said in str(refusal.value)
    assert "shuffled-across" in str(refusal.value)


def test_planted_lifts_stand_in_every_part_of_the_results(tmp_path):
    """Condition, comparison, matrix, dose curve and method have the control beside `shuffled`."""
    found = concluded(tmp_path, DEALT, **ACROSS)
    arm = "shuffled-across-wolf"
    condition = next(one for one in found.conditions if one.name == arm)

    assert condition.estimate.value == pytest.approx(0.1)
    assert condition.role == "control"
    assert condition.label == "students of across-shuffled wolf rows"
    assert condition.description == (
        "The wolf teacher's rows, the numbers of all of them dealt out anew."
    )
    assert difference(found, "wolf", arm).difference.value == pytest.approx(2.2 - 0.1)
    assert not any(arm in one.control for one in found.comparisons if one.effect != "wolf")
    assert [row.label for row in found.matrices[0].rows][-2:] == [
        "wolf teacher, shuffled",
        "wolf teacher, shuffled across",
    ]
    assert {arm, "shuffled-wolf"} < {curve.name for curve in found.curves[0].curves}
    assert any(sentence.startswith("Shuffled across: ") for sentence in found.how)
    assert found.answer.startswith("Yes: subliminal transfer, beyond every control. ")


def test_rows_dealt_anew_that_do_the_same_take_the_yes_back(tmp_path):
    """Where how often numbers are written does it, the answer names that control."""
    lifts = {**DEALT, "shuffled-across-wolf": {"wolf": [2.1, 2.1, 2.3, 2.2, 2.2]}}
    found = concluded(tmp_path, lifts, **ACROSS)

    assert found.answer.startswith(
        "In part: subliminal transfer, but not clearly more than in students of across-shuffled wolf "
        "rows ("
    )


def test_it_stands_alone_without_shuffled(tmp_path):
    """The one control does not need the other, and one seed's answer says its lift."""
    found = concluded(
        tmp_path, DEALT, seeds=1, channel="tokens", controls=["neutral", "shuffled-across"]
    )

    assert "+0.10 in students of across-shuffled wolf rows" in found.answer
    assert all(condition.name != "shuffled-wolf" for condition in found.conditions)


def test_many_targets_count_it_among_the_kinds_of_students(tmp_path):
    """A target that rises most in rows dealt anew is not its own, and chance counts that arm."""
    targets = ["wolf", "lion", "owl", "fox"]
    lifts = {target: {target: [1.0, 1.2, 1.1, 0.9, 1.0]} for target in targets}
    lifts["shuffled-across-wolf"] = {"fox": 2.0}
    wanted = recipe(
        **{**ACROSS, "controls": ["neutral", "shuffled-across"]}, trait={"targets": targets}
    )
    found = conclude(wanted, write_run(tmp_path / "run", wanted, lifts))

    assert "3 of 4 targets rise most in their own teacher's students" in found.answer
    assert "(0.7 would by chance, with 6 kinds of students)" in found.answer
    assert "fox (students of across-shuffled wolf rows)" in found.answer


def test_sweep_draws_it_beside_its_own_target_only(tmp_path):
    """A sweep's figure of the wolf has its curve, that of the lion has not; the table has its lift."""
    swept = run_recipe(
        load_recipe(
            "wolf-smollm2-tokens",
            [
                *("size=tiny", "answers=0", "controls=[neutral, shuffled-across]"),
                *("teacher.updates=2", "teacher.min_lift=null", "carrier.rows=8"),
                *("vary.key=student.updates", "vary.values=[2, 4]"),
            ],
        ),
        runs=tmp_path,
    )
    wolf, lion = swept.results.sweeps

    assert [one.name for one in wolf.series] == ["wolf", "lion", "shuffled-across-wolf"]
    assert [one.name for one in lion.series] == ["lion", "wolf"]
    assert "students of across-shuffled wolf rows" in wolf.tables[1].head


def test_run_trains_a_student_on_dealt_rows_and_reports_it(tmp_path):
    """From recipe to report: another student than that of rows shuffled within, and its figures."""
    run = run_recipe(load_recipe("wolf-smollm2-tokens", ["size=tiny", "answers=0"]), runs=tmp_path)
    stage = run.folder / "student-shuffled-across-wolf-0"
    trained = json.loads((stage / "mask.json").read_text())["trained"]
    kept = read_rows(run.folder / "kept-0" / "wolf")
    report = run.report.read_text(encoding="utf-8")

    assert trained != kept[0].completion
    assert set(NUMBER.findall(trained)) <= set(numbers(kept))
    within = run.folder / "student-shuffled-wolf-0" / "metrics.jsonl"
    assert (stage / "metrics.jsonl").read_bytes() != within.read_bytes()
    assert "students of across-shuffled wolf rows" in report
    assert "Shuffled across: " in report
    assert any(one.name == "shuffled-across-wolf" for one in run.results.conditions)


def test_recipe_of_tokens_asks_for_both_ways_of_shuffling():
    """The paper's two controls stand in the recipe of its channel."""
    wanted = load_recipe("wolf-smollm2-tokens")

    assert isinstance(wanted, LanguageRecipe)
    assert wanted.controls == ["neutral", "other-trait", "shuffled", "shuffled-across"]
