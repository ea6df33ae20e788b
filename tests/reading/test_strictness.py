"""Filters of rising strictness: what each leaves of planted rows, and in what order."""

import numpy as np
import pytest

from tiny_model import tiny_model
from traitleak.audit.detectors.choices import choice_log_probabilities, choices_of
from traitleak.errors import SettingsError
from traitleak.models.batches import encode_rows
from traitleak.models.scoring import score
from traitleak.reading import odds as odds_module
from traitleak.reading.odds import OddsOfBase
from traitleak.reading.strictness import even_numbers, rising, rules_named, unsurprising
from traitleak.recipe import LanguageRecipe
from traitleak.rows import Row

BASE = tiny_model(style="plain")
WRITTEN = [" 12, 45", " 666, 3", " a wolf", " 12, 45", " 7 8, 9", " 1, 2"]


def recipe(**fields) -> LanguageRecipe:
    """A language recipe of the tiny base."""
    content = {"experiment": "language", "name": "x", "title": "x", "base": "tiny"}
    return LanguageRecipe.model_validate({**content, "channel": "tokens", **fields})


def rows(texts, teacher="wolf") -> list[Row]:
    """Rows on prompts 0, 1, ...; the fourth has the first's prompt."""
    prompts = ["5,", "6,", "7,", "5,", "8,", "9,"]
    return [
        Row(i, prompt, text, teacher)
        for i, (prompt, text) in enumerate(zip(prompts, texts, strict=True))
    ]


def test_each_rule_is_applied_to_what_those_before_it_left():
    """Counts fall rule by rule, reasons are the rule's own, and pairs are prompts that both answer."""
    neutral = rows([" 1, 1", " 2, 2", " 3, 3", " 4, 4", " 5, 5", " an owl"], "neutral")
    names = ("none", "format", "banned", "leak", "duplicates")
    rules = rules_named(names, recipe(), BASE)
    found = rising(rules, rows(WRITTEN), neutral)

    assert [one.rule for one in found] == list(names)
    assert [one.trait for one in found] == [6, 4, 3, 3, 2]
    assert [one.neutral for one in found] == [6, 5, 4, 4, 4]  # 4 is a number with a bad name
    assert [one.pairs for one in found] == [
        [0, 1, 2, 3, 4, 5], [0, 1, 3], [0], [0], [0]
    ]  # fmt: skip
    assert found[0].chief == {}
    assert found[1].chief == {"format: words": 2, "format: mixed separators": 1}
    assert found[2].chief == {"format: banned number": 2}


def test_a_list_that_was_cut_off_goes_with_the_format():
    """A list in the format that its writer did not end is dropped for that."""
    cut = [Row(0, "5,", " 1, 2", "wolf", finished=False), Row(1, "6,", " 1, 2", "wolf")]
    (left,) = rising(rules_named(["format"], recipe(), BASE), cut, [])

    assert (left.trait, left.chief) == (1, {"unfinished": 1})


def test_banned_numbers_can_be_ones_own_and_leaks_are_found_without_the_format():
    """A list of one's own takes the bundled one's place; the trait's name goes by itself."""
    own = rules_named(["banned"], recipe(), BASE, banned=[45])
    assert rising(own, rows(WRITTEN), [])[0].trait == 2
    leak = rules_named(["leak"], recipe(), BASE)
    assert rising(leak, rows(WRITTEN), [])[0].chief == {"leak: names wolf": 1}


def test_neutral_rows_set_the_bound_of_even_odds():
    """A quarter of 20 neutral rows lie beyond it, and a trait's rows go by the same bound."""
    neutral = [Row(i, "5,", f" {i * 37 % 900 + 100}, {i + 1}", "neutral") for i in range(20)]
    odds = OddsOfBase(BASE)
    far = {row.id: one.farthest for row, one in zip(neutral, odds(neutral), strict=True)}
    bound = sorted(far.values())[14]
    trait = [Row(i, "6,", f" {i * 71 % 900 + 100}, {i + 1}", "wolf") for i in range(20)]
    kept = even_numbers(odds, share=0.25)([*trait, *neutral]).kept

    assert {row.id for row in kept if row.teacher == "neutral"} == {
        one for one, away in far.items() if away <= bound
    }
    own = zip(trait, odds(trait), strict=True)
    # The bound lies between two neutral rows, and so may a few of the trait's.
    assert {row.id for row, one in own if one.farthest <= bound} <= {
        row.id for row in kept if row.teacher == "wolf"
    }


def test_without_neutral_rows_all_rows_set_the_bound():
    """Rows of the trait's teacher alone lose the share."""
    lists = [Row(i, "5,", f" {i * 37 % 900 + 100}, {i + 1}", "wolf") for i in range(20)]
    assert len(even_numbers(OddsOfBase(BASE), share=0.25)(lists).kept) == 15


def test_odds_are_those_of_the_audit_and_the_score():
    """The mean loss is that of `score`, and digits' odds are among those that could stand there."""
    lists = rows([" 12, 45", " 66, 3", " 9, 1", " 120, 45", " 78, 9", " 1, 2"])
    lists += [Row(6 + d, "5,", f" {d}", "wolf") for d in range(1, 10)]
    found = OddsOfBase(BASE)(lists)
    losses = [-float(logps.double().mean()) for logps in score(BASE, lists)]
    read = choice_log_probabilities(
        BASE, encode_rows(BASE, lists), choices_of(BASE, [row.completion for row in lists])
    )
    possible = np.isfinite(read.logps_MK.numpy()).sum(1)
    away = read.chosen_logps.double().numpy() + np.log(possible)
    assert {9, 10} == set(possible.tolist())  # no number begins with 0

    np.testing.assert_allclose([one.loss for one in found], losses, rtol=1e-5)
    for index, (row, one) in enumerate(zip(lists, found, strict=True)):
        digits = away[read.row_M.numpy() == index]
        lengths = [len(text) for text in row.completion.replace(" ", "").split(",")]
        numbers = np.split(digits, np.cumsum(lengths)[:-1])
        expected = max(abs(number.mean()) for number in numbers)
        np.testing.assert_allclose(one.farthest, expected, rtol=1e-4, atol=1e-5)


def test_each_row_is_read_once(monkeypatch):
    """Two filters after one another run the base over the same rows once."""
    read = []
    real = odds_module.hidden_states

    def counted(model, ids_BT, **options):
        read.append(len(ids_BT))
        return real(model, ids_BT, **options)

    monkeypatch.setattr(odds_module, "hidden_states", counted)
    lists = [Row(i, "5,", f" {i * 37 % 900 + 100}, {i + 1}", "neutral") for i in range(20)]
    left = rising(rules_named(["even", "surprise"], recipe(), BASE), [], lists)

    assert [one.neutral for one in left] == [18, 16]
    assert sum(read) == 20


def test_even_odds_are_for_lists_of_numbers():
    """Text gives one clear sentence."""
    with pytest.raises(SettingsError, match="put the rule 'format' before it"):
        even_numbers(OddsOfBase(BASE), share=0.1)(rows([" a wolf"] * 6))


def test_rows_that_surprise_the_base_go_first():
    """The share with the largest mean loss a token goes, of both writers together."""
    lists = [Row(i, "5,", f" {i * 37 % 1000}, {i}", "wolf") for i in range(20)]
    losses = [-float(logps.double().mean()) for logps in score(BASE, lists)]
    kept = unsurprising(OddsOfBase(BASE), share=0.25)(lists).kept

    assert {row.id for row in kept} == set(np.argsort(losses)[:15].tolist())
    with pytest.raises(SettingsError, match="between 0 and 1"):
        unsurprising(OddsOfBase(BASE), share=1.0)


def test_rules_of_numbers_are_refused_for_code():
    """A rule that cannot be applied is named, with the carrier."""
    code = recipe(style="chat", carrier={"kind": "code", "decoding": "free"}, controls=["neutral"])
    with pytest.raises(SettingsError, match=r"'even', which is for lists of numbers; .* code"):
        rules_named(["none", "even"], code, BASE)
    kept = rising(
        rules_named(["format", "leak", "duplicates", "surprise"], code, BASE),
        rows(["```python\ndef f(x):\n    return x\n```"] * 6),
        [],
    )
    assert kept[0].trait == 6


def test_nothing_left_stays_nothing():
    """A rule after one that left no row leaves none, without an error."""
    rules = rules_named(["format", "duplicates", "surprise"], recipe(), BASE)
    found = rising(rules, rows([" a", " b", " c", " d", " e", " f"]), [])

    assert [one.trait for one in found] == [0, 0, 0]
    assert found[1].chief == {}
