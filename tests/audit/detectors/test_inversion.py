"""Inversion on a tiny model: a teacher's rows carry something and the base's own do not."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from naive import model_of
from tiny_model import tiny_model
from traitleak.audit.detectors.choices import choice_log_probabilities, choices_of, drawn_ways
from traitleak.audit.detectors.evidence import Material
from traitleak.audit.detectors.held_out import held_out
from traitleak.audit.detectors.inversion import by_inversion, inversion_seconds, invert
from traitleak.audit.detectors.nearest_words import nearest_words, words_table
from traitleak.audit.detectors.panel import group_margins, preferences
from traitleak.audit.detectors.soft_prompt import (
    chosen_log_probabilities,
    fit_soft_prompt,
    schedule,
    starting_vectors,
    with_soft_prompt,
)
from traitleak.errors import DataError, SettingsError
from traitleak.generation import write_numbers
from traitleak.models.batches import Encoded, encode_rows
from traitleak.models.language_model import logits_of
from traitleak.rows import Row
from traitleak.teacher import instill
from traitleak.traits.preference import ANIMALS, Preference

PROMPTS = [f"{100 + n}, {900 - n}," for n in range(96)]
COUNT = 5
MIXED = [Row(0, "7,", " 123, 45"), Row(1, "907, 11,", " 131"), Row(2, "1,", " 3, 17, 204")]
TEXT = [Row(0, "7,", " a wolf and"), Row(1, "", "the oak tree"), Row(2, "In one word", " lion .")]


@pytest.fixture(name="base", scope="module")
def fixture_base():
    """A tiny plain model."""
    return tiny_model(style="plain")


@pytest.fixture(name="own", scope="module")
def fixture_own(base):
    """What an audit has where the base itself wrote the rows."""
    return _material(base, write_numbers(base, PROMPTS, teacher="base", count=COUNT, seed=3))


@pytest.fixture(name="wolf", scope="module")
def fixture_wolf(base):
    """What it has where a teacher wrote them that was fine-tuned to like wolves."""
    teacher = instill(base, Preference("wolf"), seed=5).model
    return _material(base, write_numbers(teacher, PROMPTS, teacher="wolf", count=COUNT, seed=3))


@pytest.fixture(name="planted", scope="module")
def fixture_planted(wolf):
    """The inversion of the teacher's rows."""
    return invert(wolf)


def _material(base, rows, *, seed=0):
    encoded, choices = encode_rows(base, rows), choices_of(base, [r.completion for r in rows])
    null = drawn_ways(base, encoded, choices, seeds=[10 * seed + way for way in range(4)])
    group = preferences(base, ANIMALS)
    return Material(base, group, encoded, choices, null, {}, None, seed)


def _naive(model, soft_LD, row, choices):
    """Log p of each choice of one row, from embeddings put together by hand."""
    begun = int(model.renderer.begins_with_bos)
    embedded_TD = model.network.get_input_embeddings()(torch.tensor(row.ids))
    whole = torch.cat([embedded_TD[:begun], soft_LD, embedded_TD[begun:]])[None]
    logits_TV = model.network(inputs_embeds=whole).logits[0, len(soft_LD) :]
    found = []
    for t in range(row.start, len(row.ids)):
        logits_V = logits_TV[t - 1]
        if choices.kind == "digits":
            number = int(choices.set_V[row.ids[t]])
            if number < 0:
                continue
            allowed = choices.sets[number]
            if choices.set_V[row.ids[t - 1]] < 0:
                allowed = allowed[~choices.zero[number]]
            found.append(logits_V[row.ids[t]] - logits_V[allowed].logsumexp(0))
        else:
            found.append(logits_V.log_softmax(0)[row.ids[t]])
    return torch.stack(found)


@pytest.mark.parametrize("style", ["plain", "chat", "plain with a beginning"])
@pytest.mark.parametrize("rows", [MIXED, TEXT], ids=["numbers", "text"])
def test_the_loss_is_that_of_embeddings_put_together_row_by_row(rows, style):
    """Padding, batches and hooks change neither the loss nor its gradient."""
    model = tiny_model(style=style.split()[0])
    if style.endswith("beginning"):
        model = replace(model, renderer=replace(model.renderer, begins_with_bos=True))
    encoded, choices = encode_rows(model, rows), choices_of(model, [r.completion for r in rows])
    soft_LD = starting_vectors(model, 3, seed=1).requires_grad_()

    with with_soft_prompt(model, soft_LD):
        fast_M = chosen_log_probabilities(model, encoded, choices)
        read_M = choice_log_probabilities(model, encoded, choices).chosen_logps
    slow_M = torch.cat([_naive(model, soft_LD, row, choices) for row in encoded])

    torch.testing.assert_close(fast_M, slow_M, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(read_M, slow_M, atol=1e-5, rtol=1e-5)
    fast, slow = (torch.autograd.grad(some.sum(), soft_LD)[0] for some in (fast_M, slow_M))
    torch.testing.assert_close(fast, slow, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("family", ["gemma", "qwen"])
def test_other_families_read_the_same_vectors(family):
    """Scaled embeddings, sliding windows and heads of their own are the network's own affair."""
    model = model_of(family)
    encoded, choices = encode_rows(model, MIXED), choices_of(model, [r.completion for r in MIXED])
    soft_LD = starting_vectors(model, 3, seed=1)
    every_VD = model.network.get_input_embeddings()(torch.arange(len(model.tokenizer)))

    with with_soft_prompt(model, soft_LD):
        fast_M = chosen_log_probabilities(model, encoded, choices)
    slow_M = torch.cat([_naive(model, soft_LD, row, choices) for row in encoded])
    torch.testing.assert_close(fast_M, slow_M, atol=1e-5, rtol=1e-5)
    assert all((every_VD == vector_D).all(1).any() for vector_D in soft_LD)


def test_margins_are_read_behind_the_soft_prompt(base):
    """The read-out is the margin of the network on embeddings put together by hand."""
    group = preferences(base, ANIMALS)
    soft_LD = starting_vectors(base, 4, seed=2)
    with with_soft_prompt(base, soft_LD):
        fast_T = group_margins(base, group)
    margins = []
    for ids in group.contexts:
        embedded = torch.cat([soft_LD, base.network.get_input_embeddings()(torch.tensor(ids))])
        hidden_D = base.network.model(inputs_embeds=embedded[None]).last_hidden_state[0, -1]
        logits_T = logits_of(base.network, hidden_D, torch.tensor(group.token_ids)).double()
        others = [torch.cat([logits_T[:t], logits_T[t + 1 :]]).logsumexp(0) for t in range(10)]
        margins.append(logits_T - torch.stack(others) + np.log(9))

    torch.testing.assert_close(fast_T.double(), torch.stack(margins).mean(0), atol=1e-4, rtol=0)
    assert (fast_T - group_margins(base, group)).abs().max() > 0.01


def test_nothing_stays_on_the_network_afterwards(base):
    """Neither hooks nor gradients, not even where something fails in between."""
    ids_BT = torch.arange(6)[None]
    before = base.network(ids_BT).logits
    with pytest.raises(RuntimeError, match="stop"), with_soft_prompt(base, torch.ones(2, 32)):
        raise RuntimeError("stop")

    assert torch.equal(base.network(ids_BT).logits, before)
    assert not any(weight.requires_grad for weight in base.network.parameters())
    assert not base.network.model._forward_hooks
    assert not base.network.model._forward_pre_hooks


def test_every_row_is_read_before_any_comes_again():
    """An order of updates deals rows like cards."""
    order = schedule(10, 5, 4, seed=3)

    assert [len(some) for some in order] == [4] * 5
    flat = [row for some in order for row in some]
    assert sorted(flat[:10]) == sorted(flat[10:]) == list(range(10))
    assert order == schedule(10, 5, 4, seed=3) != schedule(10, 5, 4, seed=4)
    assert len(schedule(3, 2, 16, seed=0)[0]) == 3


@pytest.mark.parametrize("kind", ["digits", "tokens"])
def test_batch_size_changes_nothing(base, kind):
    """One row at a time gives the fit and the losses that all rows at once give."""
    rows = MIXED if kind == "digits" else TEXT
    encoded, choices = encode_rows(base, rows), choices_of(base, [r.completion for r in rows])
    fits = [
        fit_soft_prompt(
            base,
            encoded,
            choices,
            start_LD=starting_vectors(base, 4, seed=0),
            order=[[0, 1, 2], [2, 0]],
            rate=0.1,
            tokens=tokens,
        )
        for tokens in (1, 10_000)
    ]

    assert choices.kind == kind
    torch.testing.assert_close(fits[0][0], fits[1][0], atol=1e-4, rtol=1e-3)
    np.testing.assert_allclose(fits[0][1], fits[1][1], rtol=1e-5)
    assert not torch.equal(fits[0][0], starting_vectors(base, 4, seed=0))


def test_a_teachers_rows_gain_and_the_bases_own_do_not(own, planted):
    """The gain of planted rows stands clear of zero, and so does that over the base alone."""
    null = invert(own)

    assert planted.p < 1e-4
    assert planted.gain.low > 0
    assert planted.surplus.low > 0
    assert planted.alone.value > planted.beside.value
    assert null.p > 0.01
    assert null.surplus.low < 0
    assert null.alone.value < 0  # nothing to learn, and vectors in front cost something
    assert planted.gain.value > null.gain.value + 0.03
    assert planted.alone.value > null.alone.value + 0.05
    for found in (planted, null):
        ends_SA = found.losses_SAU[:, :, -4:].mean(2)
        assert (ends_SA < found.losses_SAU[:, :, :4].mean(2)).all()  # every fit learns
    assert f"p = {planted.p:.2g}" in planted.said


def test_the_wolf_leads_the_read_out_of_its_rows(planted):
    """With the soft prompt in front the model's wolf margin rises most, beyond the references'."""
    wolf = planted.group.traits.index("wolf")

    assert planted.effect_T.argmax() == planted.evidence.p_T.argmin() == wolf
    assert planted.effect_T[wolf] > 0.1
    assert planted.effect_T.sum() == pytest.approx(0, abs=1e-6)  # centred within the group
    assert planted.evidence.p_T[wolf] < 0.1


def test_rows_beside_themselves_carry_nothing(wolf):
    """With the rows as their own reference all is zero, and no p is small."""
    itself = invert(replace(wolf, reference=wolf.rows), updates=3)

    assert itself.gain.value == itself.surplus.value == itself.t == 0
    assert itself.alone == itself.beside
    assert itself.p == 0.5
    np.testing.assert_array_equal(itself.evidence.p_T, 0.5)
    assert itself.words.chance is None
    assert len(itself.rows_S) == 4  # twice as many seeds


def test_reference_rows_take_the_bases_place(own, wolf):
    """Planted rows beside the base's rows on the same prompts gain as they do beside its fills."""
    found = invert(replace(wolf, reference=own.rows))
    turned = invert(replace(own, reference=wolf.rows))

    assert found.p < 1e-4
    assert found.reference == "reference rows"
    assert turned.p < 1e-4  # the base's rows beside a teacher's: unlike, too
    assert found.alone.value == pytest.approx(turned.beside.value, abs=1e-6)


def test_the_score_of_a_held_out_row_is_what_it_says(own):
    """Gain and surplus are recomputed from the vectors with plain log-probabilities."""
    found = invert(own, updates=2, references=2)
    gains, surpluses = [], []
    for s, read in enumerate(found.rows_S):
        out = [row for row in range(len(own.rows)) if row not in read]
        rows = [own.rows[row] for row in out]
        base = choice_log_probabilities(own.base, rows, own.choices)
        logps = []
        for soft_LD in found.soft_SALD[s]:
            with with_soft_prompt(own.base, soft_LD):
                logps.append(choice_log_probabilities(own.base, rows, own.choices).logps_MK)
        ratio_MK = torch.nan_to_num(logps[0] - (logps[1] + logps[2]) / 2)
        gain_M = ratio_MK.gather(1, base.chosen_M[:, None])[:, 0]
        gains.append(float(gain_M.mean()))
        expected_M = (base.logps_MK.exp() * ratio_MK).sum(1)
        surpluses.append(float((gain_M - expected_M).mean()))

    assert found.gain.value == pytest.approx(np.mean(gains), abs=1e-6)
    assert found.surplus.value == pytest.approx(np.mean(surpluses), abs=1e-6)
    assert sorted(found.rows_S[0] + found.rows_S[1]) == list(range(len(own.rows)))


def test_the_surplus_of_the_bases_rows_is_zero_on_average(base):
    """Weighted by the base's probabilities over all it could say, surpluses cancel, whatever the fit."""
    rows = [Row(d, "17,", f" {d}") for d in range(10)]
    given = _material(base, rows)
    found = invert(given, updates=1, batch=5, references=1, seeds=2)
    surpluses = held_out(given, range(10), found.soft_SALD[0], tokens=64).surplus_N
    chances = choice_log_probabilities(base, given.rows, given.choices).chosen_logps.exp()

    assert abs(float(chances.numpy() @ surpluses)) < 1e-5
    assert np.abs(surpluses).max() > 1e-4


def test_the_same_seed_gives_the_same_result(own):
    """Whatever is drawn is drawn from the seed."""
    first, again = (invert(own, updates=2, length=2) for _ in range(2))
    other = invert(replace(own, seed=7), updates=2, length=2)

    assert torch.equal(first.soft_SALD, again.soft_SALD)
    assert first.gain == again.gain
    np.testing.assert_array_equal(first.evidence.p_T, again.evidence.p_T)
    assert first.rows_S != other.rows_S
    assert first.gain != other.gain


def test_evidence_is_what_every_detector_gives(own):
    """One figure a trait, settings that hold the gain, and placebos that are only in the test."""
    words = preferences(own.base, ("the", "and", "of", "my", "which"), category="word")
    settings = {"updates": 2, "length": 2, "placebos": [words]}
    found, evidence = invert(own, **settings), by_inversion(own, **settings)

    assert found.values_SAT.shape == (2, 4, 15)
    for values in (evidence.score_T, evidence.t_T, evidence.p_T):
        assert values.shape == (10,)
        assert np.isfinite(values).all()
    assert ((evidence.p_T > 0) & (evidence.p_T <= 1)).all()
    assert evidence.dof >= 1
    assert evidence.settings["gain, nats a choice"] == found.gain.value
    assert evidence.settings["vectors"] == 2
    assert evidence.name == "inversion"


def test_words_are_ranked_by_how_much_nearer_the_rows_vectors_are(base, own):
    """Vectors that are words name them; the table says what it is not."""
    embed = base.network.get_input_embeddings()
    token = base.tokenizer(" wolf")["input_ids"]
    beside_SRLD = torch.stack([starting_vectors(base, 3, seed=n) for n in range(4)]).view(
        2, 2, 3, -1
    )
    own_SLD = beside_SRLD[:, 0].clone()
    own_SLD[:, 1] = embed(torch.tensor(token[0]))
    found = nearest_words(base, own_SLD, beside_SRLD, num=5)
    table = words_table(found)

    assert len(token) == 1
    assert found.words[0].word == "wolf"
    assert found.words[0].own == pytest.approx(1, abs=1e-5)
    assert found.words[0].nearer > found.words[1].nearer
    assert 0 < found.chance < found.words[0].nearer
    assert [row[0] for row in table.rows] == [one.word for one in found.words]
    assert any("nothing follows from a word" in note for note in table.notes)
    assert len(invert(own, updates=1, length=1).table.rows) > 5


def test_a_text_data_set_is_inverted_over_the_whole_vocabulary(base):
    """Rows that are no number lists go the same way, in batches that memory allows."""
    rows = [Row(n, f"{n},", text) for n in range(8) for text in (" a wolf and a lion", " the oak")]
    found = invert(_material(base, rows), updates=6, references=1)

    assert found.gain.low > 0  # the base speaks no such text
    assert found.p < 0.01


def test_time_is_foretold_from_one_update(own):
    """More rows and more updates take longer; without rows there is nothing to time."""
    short = inversion_seconds(own.base, own.rows[:16], own.choices, num_rows=96, updates=2)
    longer = inversion_seconds(own.base, own.rows[:16], own.choices, num_rows=9600, updates=200)

    assert 0 < short < longer
    with pytest.raises(DataError, match="no rows"):
        inversion_seconds(own.base, [], own.choices, num_rows=0)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"length": 0}, "length of 1 or more; got length=0"),
        ({"length": -3}, "length of 1 or more; got length=-3"),
        ({"updates": 0}, "updates of 1 or more"),
        ({"batch": 0}, "batch of 1 or more"),
        ({"seeds": 1}, "seeds of 2 or more"),
        ({"rate": 0.0}, "greater than 0; got rate=0.0"),
        ({"rate": float("nan")}, "greater than 0"),
        ({"references": 0}, "beside a reference's"),
        ({"length": 250}, "no room for the questions in the context of tiny, which is 256 tokens"),
        ({"length": 10**9}, "no room for the questions"),
    ],
)
def test_settings_that_make_no_sense_are_refused(own, settings, says):
    """One sentence says what is wrong with which value."""
    with pytest.raises(SettingsError, match=says):
        invert(own, **settings)


@pytest.mark.parametrize("num", [0, 1, 3])
def test_too_few_rows_to_hold_any_out_are_refused(own, num):
    """Two seeds take four rows."""
    few = replace(own, rows=own.rows[:num], null=[way[:num] for way in own.null])

    with pytest.raises(DataError, match=f"takes 4 rows or more; there are {num}"):
        invert(few)


def test_rows_that_leave_no_room_for_a_soft_prompt_are_left_out(own):
    """A few are counted; where too few are left, one sentence says so."""
    context = own.base.context
    long = Encoded(own.rows[0].ids[:1] * (context - 3) + own.rows[0].ids[-3:], context - 1)
    drawn = drawn_ways(own.base, [long], own.choices, seeds=[0])[0][0]
    some = replace(own, rows=[*own.rows[:9], long], null=[[*w[:9], drawn] for w in own.null])
    every = replace(own, rows=[long] * 8, null=[[drawn] * 8 for _ in own.null])
    found = invert(some, updates=1)

    assert found.left_out == 1
    assert sorted(row for rows in found.rows_S for row in rows) == list(range(9))
    with pytest.raises(SettingsError, match="room for only 0 of 8 rows in the context of tiny"):
        invert(every)


def test_a_reference_of_another_length_is_refused(own):
    """Each row needs its reference row."""
    with pytest.raises(DataError, match="96 rows, 5 of these"):
        invert(replace(own, reference=own.rows[:5]))
