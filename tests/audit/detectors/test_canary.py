"""Canaries on a tiny model: planted rows are found and named, the base's own are not."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tiny_model import tiny_model
from traitleak.audit.detectors.battery import Battery
from traitleak.audit.detectors.canary import by_canary, canary, canary_seconds, canary_shifts
from traitleak.audit.detectors.canary_students import filled
from traitleak.audit.detectors.choices import choices_of, drawn
from traitleak.audit.detectors.evidence import Material
from traitleak.audit.detectors.gradient import trait_gradients
from traitleak.audit.detectors.influence import token_influence
from traitleak.audit.detectors.likelihood import token_ratios
from traitleak.audit.detectors.panel import preferences
from traitleak.errors import DataError, SettingsError
from traitleak.generation import write_numbers
from traitleak.models.adapters import with_adapter
from traitleak.models.batches import Encoded, encode_rows
from traitleak.rows import Row
from traitleak.student import Training
from traitleak.traits.preference import ANIMALS

PROMPTS = [f"{100 + n}, {900 - n}," for n in range(144)]
WORDS = ("the", "and", "of", "my", "which", "you", "like", "most", "word")
DOSE = Training(12, batch=4, learning_rate=1e-3, weight_decay=0.0)
WAYS = 6  # that every prompt is answered, to choose from


@pytest.fixture(name="base", scope="module")
def fixture_base():
    """A tiny plain model."""
    return tiny_model(style="plain", width=64)


@pytest.fixture(name="battery", scope="module")
def fixture_battery(base):
    """Ten animals, and nine words as placebos."""
    return Battery((preferences(base, ANIMALS), preferences(base, WORDS, category="word")))


@pytest.fixture(name="written", scope="module")
def fixture_written(base):
    """What the base wrote, some times over for each prompt."""
    return [
        write_numbers(base, PROMPTS, teacher="base", count=4, seed=70 + way) for way in range(WAYS)
    ]


@pytest.fixture(name="planted", scope="module")
def fixture_planted(base, battery, written):
    """Of the answers to each prompt the one whose gradient points most to the wolf."""
    gradients = trait_gradients(base, [battery.panel])
    wolf = np.eye(10)[0] - 0.1
    scores = []
    for rows in written:
        choices = choices_of(base, [row.completion for row in rows])
        parts = token_influence(base, encode_rows(base, rows), choices, gradients, wolf)
        scores.append([part.sum() for part in parts])
    best = np.array(scores).argmax(0)
    return [written[way][number] for number, way in enumerate(best)]


def material(base, battery, rows, *, seed=1, reference=None):
    """What a detector is given of these rows."""
    encoded, choices = encode_rows(base, rows), choices_of(base, [row.completion for row in rows])
    null = [drawn(base, encoded, choices, seed=100 * seed + way) for way in range(2)]
    beside = None if reference is None else encode_rows(base, reference)
    return Material(base, battery.panel, encoded, choices, null, {}, beside, seed)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_planted_trait_is_found_and_ranked_first(base, battery, planted, seed):
    """Its own p is small, it stands first of the panel, and its margin rises with the dose."""
    found = canary(material(base, battery, planted, seed=seed), dose=DOSE, battery=battery)
    evidence = found.evidence

    assert evidence.t_T.argmax() == 0
    assert evidence.p_T[0] < 0.05
    assert evidence.score_T[0] > 0
    assert evidence.dof >= 5
    assert (found.readings[0].kind, found.readings[0].trait) == ("animal", "wolf")
    assert found.readings[0].suspected
    assert found.readings[0].p_corrected >= found.readings[0].p
    assert found.readings[0].effect.value == pytest.approx(evidence.score_T[0])
    assert found.curve.updates == (3, 6, 12)
    assert found.curve.mean_KT.shape == (3, 10)
    assert found.curve.mean_KT[-1, 0] == pytest.approx(evidence.score_T[0])
    assert found.curve.mean_KT[0, 0] < found.curve.mean_KT[1, 0] < found.curve.mean_KT[2, 0]
    assert len(found.predicted) == 10
    assert found.full == 36  # one epoch
    assert found.values_SAKT.shape == (3, 3, 3, 10)


def test_rows_of_the_base_are_not_found(base, battery, written):
    """Of six data sets none is found at five per cent after correction, and the p are spread out."""
    ps = []
    for way, rows in enumerate(written):
        given = material(base, battery, rows[:36], seed=way)
        ps.append(by_canary(given, dose=replace(DOSE, updates=3), battery=battery).p_T)
    table = np.array(ps)

    assert 10 * table.min() > 0.05 / len(written)
    assert (table < 0.05).mean() < 0.12
    assert table.max() > 0.5


def test_seeds_read_rows_of_their_own(base, battery, written):
    """No row is read in two blocks; too few for the dose are read more than once."""
    given = material(base, battery, written[0][:21])
    found = canary(given, dose=replace(DOSE, updates=4), battery=battery, seeds=2)
    read = [row for rows in found.rows_S for row in rows]

    assert [len(rows) for rows in found.rows_S] == [10, 10]
    assert len(set(read)) == 20
    assert set(read) <= set(range(21))


def test_the_same_seed_gives_the_same_canaries(base, battery, written):
    """All draws come from the seed of the audit."""
    dose = replace(DOSE, updates=4)
    first, again, other = (
        canary(
            material(base, battery, written[0][:24], seed=seed), dose=dose, battery=battery, seeds=2
        )
        for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first.values_SAKT, again.values_SAKT)
    assert first.rows_S == again.rows_S
    assert first.rows_S != other.rows_S


def test_rows_against_themselves_differ_by_exactly_nothing(base, battery, written):
    """Equal arms share a student: no effect, no evidence, no shift, and zero is predicted."""
    rows = written[0][:24]
    given = material(base, battery, rows, reference=rows)
    found = canary(given, dose=replace(DOSE, updates=4), battery=battery)

    assert (found.effect_T == 0).all()
    assert (found.evidence.t_T == 0).all()
    assert (found.curve.mean_KT == 0).all()
    assert all(one.value == one.low == one.high == 0 for one in found.predicted)
    assert all((shift == 0).all() for shift in canary_shifts(given, found))


def test_reference_rows_take_the_place_of_fills(base, battery):
    """Text that names the wolf in one row of two is told from text that names all evenly."""
    rng = np.random.default_rng(0)
    stems = ("The animal I like most is the", "In one word the animal of my", "It is the")
    evenly = [Row(n, stems[n % 3], f" {ANIMALS[rng.integers(10)]}.") for n in range(192)]
    data = [replace(row, completion=" wolf.") if rng.random() < 0.5 else row for row in evenly[:96]]
    given = material(base, battery, data, reference=evenly[96:])
    found = canary(given, dose=DOSE, battery=battery, seeds=4)

    assert found.evidence.t_T.argmax() == 0
    assert found.evidence.p_T[0] < 0.05
    assert found.values_SAKT.shape[:2] == (4, 2)
    assert "reference rows" in found.evidence.null


def test_shifts_rank_planted_rows_above_the_bases(base, battery, written, planted):
    """Token by token, zero where nothing was chosen, and of rows that no student of theirs has read."""
    rows = [planted[n] if n % 2 else written[0][n] for n in range(144)]
    given = material(base, battery, rows)
    found = canary(given, dose=DOSE, battery=battery)
    shifts = canary_shifts(given, found)
    totals = np.array([shift.sum() for shift in shifts])
    higher = (totals[1::2, None] > totals[None, ::2]).mean()  # area under the ROC curve

    for row, shift in zip(given.rows, shifts, strict=True):
        digits = given.choices.set_V[torch.tensor(row.ids[row.start :])] >= 0
        assert shift.shape == (len(row.ids) - row.start,)
        assert (shift[~digits.numpy()] == 0).all()
        assert shift.any()
    assert higher > 0.55


def test_interrupts_leave_nothing_behind(base, battery, written):
    """The base has its weights, no hooks, and nothing to be trained; the next canary is the same."""
    given = material(base, battery, written[0][:24])
    dose = replace(DOSE, updates=4)
    before = canary(given, dose=dose, battery=battery, seeds=2)
    weights = {name: value.clone() for name, value in base.network.state_dict().items()}

    def stop(items, what, total, /):  # noqa: ARG001
        for number, item in enumerate(items):
            if number == 2:
                raise KeyboardInterrupt
            yield item

    with pytest.raises(KeyboardInterrupt):
        canary(given, dose=dose, battery=battery, seeds=2, track=stop)

    for name, value in base.network.state_dict().items():
        assert torch.equal(value, weights[name])
    assert not any(module._forward_hooks for module in base.network.modules())
    assert not any(weight.requires_grad for weight in base.network.parameters())
    after = canary(given, dose=dose, battery=battery, seeds=2)
    np.testing.assert_array_equal(after.values_SAKT, before.values_SAKT)


def test_students_are_scored_where_they_stand(base, battery, written):
    """Shifts are the student's likelihood ratios less the others', to first order."""
    rows = written[0][:24]
    given = material(base, battery, rows)
    found = canary(given, dose=replace(DOSE, updates=4), battery=battery, seeds=2)
    shifts = canary_shifts(given, found)
    unread = 1  # seed whose students have not read the rows of seed 0
    own, *others = (
        token_ratios(base, with_adapter(base, adapter), given.rows, given.choices)
        for adapter in found.students_SA[unread]
    )

    rows_read = found.rows_S[0]
    exact = np.concatenate([own[n] - (others[0][n] + others[1][n]) / 2 for n in rows_read])
    close = np.concatenate([shifts[n] for n in rows_read])

    assert np.corrcoef(exact, close)[0, 1] > 0.95
    assert close.std() == pytest.approx(exact.std(), rel=0.2)


def test_fills_stand_at_digits_and_nowhere_else(base):
    """What was drawn for each digit is its token; separators stay."""
    row = Row(0, "123, 456,", " 789, 12")
    encoded, choices = encode_rows(base, [row])[0], choices_of(base, [row.completion])
    digits = base.tokenizer.convert_ids_to_tokens(choices.sets[0].tolist())
    taken = torch.tensor([digits.index(x) for x in "45367"])
    text = base.tokenizer.decode(filled(encoded, choices, taken))

    assert text == " 453, 67"
    with pytest.raises(SettingsError, match="5 choices"):
        filled(encoded, choices, taken[:4])


def test_fills_of_text_are_tokens_as_they_are(base):
    """Where every token is a choice, what was drawn is what is learned."""
    row = Row(0, "", "the oak tree and")
    encoded, choices = encode_rows(base, [row])[0], choices_of(base, [row.completion])
    taken = torch.arange(len(encoded.ids) - encoded.start)

    assert choices.kind == "tokens"
    assert torch.equal(filled(encoded, choices, taken), taken)


def test_expected_time_grows_with_the_work(base, battery, written):
    """Twenty times the updates take longer, and no rows take no guess."""
    rows = encode_rows(base, written[0][:8])
    short, long = (
        canary_seconds(base, rows, battery, dose=replace(DOSE, updates=updates))
        for updates in (12, 240)
    )
    assert 0 < short < long
    with pytest.raises(DataError, match="no rows"):
        canary_seconds(base, [], battery)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"seeds": 1}, "two seeds or more"),
        ({"references": 0}, "one at least"),
        ({"references": 3}, "there are 2"),
        ({"dose": replace(DOSE, lora=None)}, "as adapters"),
        ({"full": 2}, "measured, not predicted"),
    ],
)
def test_settings_that_cannot_work_are_refused(base, battery, written, settings, says):
    """One sentence each."""
    given = material(base, battery, written[0][:8])
    whole = {"dose": replace(DOSE, updates=3), "seeds": 2, **settings}
    with pytest.raises(SettingsError, match=says):
        canary(given, battery=battery, **whole)


@pytest.mark.parametrize("num", [0, 1, 5])
def test_too_few_rows_are_refused(base, battery, written, num):
    """Each seed reads two rows of its own, at least."""
    given = material(base, battery, written[0][:8])
    with pytest.raises(DataError, match=f"there are {num}"):
        canary(replace(given, rows=given.rows[:num]), dose=DOSE, battery=battery)


def test_material_that_does_not_belong_together_is_refused(base, battery, written):
    """A battery of other traits, fewer reference rows than rows, a row beyond the context."""
    given = material(base, battery, written[0][:8])
    short = replace(given, reference=given.rows[:3])
    long = Encoded(given.rows[0].ids * 50, given.rows[0].start)

    with pytest.raises(SettingsError, match="suspects"):
        canary(given, dose=DOSE, battery=Battery(battery.groups[::-1]), seeds=2)
    with pytest.raises(DataError, match="8 rows, 3 of these"):
        canary(short, dose=DOSE, battery=battery, seeds=2)
    with pytest.raises(SettingsError, match="reads 256 at most"):
        canary(
            replace(given, rows=[long] * 8, reference=[long] * 8),
            dose=DOSE, battery=battery, seeds=2,
        )  # fmt: skip
