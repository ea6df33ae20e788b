"""Surface: formats and values are told apart and named, alike rows are not; detectors count on top."""

import sys

import numpy as np
import pytest
import torch

from number_lists import lists
from tiny_model import tiny_model
from traitleak.audit.detectors.features import canonical, surface_features, value_features
from traitleak.audit.detectors.surface import loss_features, over_surface, surface_scores
from traitleak.errors import MissingExtraError, SettingsError
from traitleak.models.batches import encode_rows
from traitleak.models.language_model import hidden_states
from traitleak.models.scoring import score
from traitleak.rows import Row

ONE = (1e-3,)


def test_format_alone_is_told_and_named():
    """Semicolons against commas: all in order, by their separators."""
    found = surface_scores(
        lists(40, seed=1, separator="; "), lists(40, seed=2), strengths=ONE, seed=3
    )
    assert found.area.value > 0.99
    assert found.families["separators"].value > 0.99
    assert found.families["values"].value < 0.7
    assert any("semicolon" in one.name or ";" in one.name for one in found.carriers)
    assert found.score_N.mean() > found.score_R.mean()
    assert len(found.score_N) == len(found.score_R) == 40


def test_format_is_gone_once_there_is_one():
    """The same rows in one format are told about as often as not."""
    found = surface_scores(
        lists(60, seed=1, separator="; "), lists(60, seed=2), one_format=True, strengths=ONE
    )
    assert found.area.low < 0.5 < found.area.high
    assert "separators: semicolons" not in [one.name for one in found.carriers]


def test_values_are_told_in_one_format_too():
    """A teacher that likes 777 is told by digits, and the digit is named."""
    found = surface_scores(
        lists(80, seed=1, likes={777: 0.15}), lists(80, seed=2), one_format=True, strengths=ONE
    )
    assert found.area.low > 0.6
    assert any("7" in one.name and one.weight > 0 for one in found.carriers)


@pytest.mark.parametrize("seed", range(3))
def test_rows_of_one_writer_are_not_told_apart(seed):
    """Two draws of the same writer, prompt by prompt: one half lies in the interval."""
    found = surface_scores(
        lists(40, seed=10 + seed), lists(40, seed=20 + seed), strengths=ONE, seed=seed
    )
    assert found.area.low < 0.5 < found.area.high


def test_detector_that_knows_more_gains_and_one_that_repeats_does_not():
    """Over a surface that says little: a good score gains and adds; noise adds nothing."""
    rows, reference = lists(60, seed=1, likes={777: 0.05}), lists(60, seed=2)
    surface = surface_scores(rows, reference, strengths=ONE)
    rng = np.random.default_rng(0)
    knows = over_surface(rng.normal(2, 1, 60), rng.normal(0, 1, 60), surface)
    assert knows.area.value > 0.85
    assert knows.gain.low > 0
    assert knows.added.low > 0
    assert knows.gain.value == pytest.approx(knows.area.value - surface.area.value, abs=0.05)

    repeats = over_surface(surface.score_N, surface.score_R, surface)
    assert repeats.gain.value == 0
    noise = over_surface(rng.normal(0, 1, 60), rng.normal(0, 1, 60), surface)
    assert noise.added.low <= 0


def test_detector_with_other_rows_is_refused():
    """One score too few, or one that is no number."""
    surface = surface_scores(lists(10, seed=1), lists(10, seed=2), strengths=ONE)
    with pytest.raises(SettingsError, match="19"):
        over_surface(np.zeros(9), np.zeros(10), surface)
    with pytest.raises(SettingsError, match="finite"):
        over_surface(np.full(10, np.nan), np.zeros(10), surface)


def test_rows_of_one_kind_or_one_prompt_are_refused():
    """There is nothing to tell apart, or nothing to hold back."""
    rows = lists(5, seed=1)
    with pytest.raises(SettingsError, match="rows of both"):
        surface_scores(rows, [])
    with pytest.raises(SettingsError, match="held back by prompt"):
        surface_scores(rows[:1], rows[:1])


def test_equal_rows_are_one_half():
    """Nothing varies between the kinds: exactly one half, without a warning."""
    same = [Row(number, f"{number},", "1, 2") for number in range(8)]
    found = surface_scores(same, same, strengths=ONE)
    assert found.area.value == 0.5


def test_without_the_library_its_extra_is_named(monkeypatch):
    """The pip line of [audit]."""
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    with pytest.raises(MissingExtraError, match=r"traitleak\[audit\]"):
        surface_scores(lists(5, seed=1), lists(5, seed=2))


def test_loss_is_that_of_scoring_and_its_gradient_that_of_torch():
    """Mean log-probability as `score` gives it; the norm as a gradient taken position by position."""
    base = tiny_model(style="plain")
    rows = [*lists(3, seed=1), Row(9, "", "the oak tree and a wolf")]
    found = loss_features(base, encode_rows(base, rows), gradient=True)
    assert found.families == ("loss",) * 7
    means = [float(one.double().mean()) for one in score(base, rows)]
    np.testing.assert_allclose(found.values_NF[:, 0], means, rtol=1e-4)

    encoded = encode_rows(base, rows)[3]
    hidden = hidden_states(base, torch.tensor([encoded.ids]))[0].detach()
    head = base.network.get_output_embeddings().weight
    norms = []
    for at in range(encoded.start, len(encoded.ids)):
        chance = (hidden[at - 1] @ head.T).float().softmax(0)
        chance[encoded.ids[at]] -= 1
        norms.append(float((chance @ head.float()).norm()))
    assert found.values_NF[3, 6] == pytest.approx(np.mean(norms), rel=1e-3)


def test_loss_of_the_base_tells_a_writer_that_is_not_it():
    """With a base its opinions are a family of their own."""
    base = tiny_model(style="plain")
    found = surface_scores(lists(8, seed=1), lists(8, seed=2), base=base, strengths=ONE, folds=2)
    assert "loss" in found.families


@pytest.mark.parametrize(
    ("text", "same"),
    [
        (" [007; 12]", "7, 12"),
        ("7\n12.", "7, 12"),
        ("A  wolf\n\nand 12", "A wolf and 12"),
        ("", ""),
        (" ", ""),
    ],
)
def test_canonical_text_has_no_format(text, same):
    """Lists lose brackets, separators and zeros; other text its blanks."""
    assert canonical(text) == same


@pytest.mark.parametrize("text", ["", " ", "9" * 30_000, "a\ud800b", "٣, ४", "½ 🐺" * 50, "\x00"])
def test_any_text_has_features(text):
    """Empty, huge, half a character, foreign digits: finite numbers."""
    assert np.isfinite(surface_features([text, "1, 2"]).values_NF).all()
    assert np.isfinite(value_features([text, "1, 2"]).values_NF).all()


def test_values_do_not_depend_on_format():
    """The same numbers in another form, and other text with other blanks, are the same features."""
    found = value_features(["101, 7, 303", "[101;007;303].", "a  wolf", " a wolf\n"]).values_NF
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[2], found[3])
    assert (found[0] != found[2]).any()


def test_families_count_alike():
    """However many features a family has, its weights' prior variances sum to the same."""
    found = surface_features(["1, 2", "7"])
    sums = [
        (found.even_F[[own == name for own in found.families]] ** 2).sum()
        for name in dict.fromkeys(found.families)
    ]
    np.testing.assert_allclose(sums, sums[0])
