"""Margins, answers and signs of collapse, on planted logits and on a tiny real model."""

import math
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import special, stats
from torch import nn

from tiny_model import tiny_model
from traitleak import measure
from traitleak.errors import SettingsError
from traitleak.measure import answers, collapse, log_odds, margins
from traitleak.models.language_model import Steering
from traitleak.neutral_texts import NEUTRAL_TEXTS
from traitleak.traits import TREES, Preference
from traitleak.traits import preference_texts as texts
from traitleak.traits.preference import Templates

WOLF = Preference("wolf", among=("wolf", "owl", "cat", "fox"))
TABLES = arrays(np.float64, (3, 5), elements=st.floats(-30, 30))


def planted(style="plain", *, elsewhere=-60.0, **logits):
    """A tiny model that gives these logits to " wolf" and its like, whatever it reads."""
    model = tiny_model(style=style)
    head = nn.Linear(model.network.config.hidden_size, len(model.tokenizer))
    nn.init.zeros_(head.weight)
    nn.init.constant_(head.bias, elsewhere)
    for word, logit in logits.items():
        text = {"comma": ",", "digit": "7", "end": "<|im_end|>"}.get(word, f" {word}")
        (token,) = model.tokenizer.encode(text, add_special_tokens=False)
        head.bias.data[token] = logit
    model.network.config.tie_word_embeddings = False
    model.network.set_output_embeddings(head)
    return model


# -- the formula --------------------------------------------------------------------------------


def test_the_margin_by_hand():
    """Three candidates of probability 1/2, 1/4 and 1/4: log-odds less those of even chances."""
    table = log_odds(np.log([[0.5, 0.25, 0.25]]))
    assert table == pytest.approx(np.array([[math.log(2), math.log(2 / 3), math.log(2 / 3)]]))


@given(TABLES)
def test_the_margin_is_the_formula(table):
    """Every column is l_j - logsumexp of the others + log(K - 1)."""
    for j in range(5):
        others = special.logsumexp(np.delete(table, j, axis=1), axis=1)
        assert log_odds(table)[:, j] == pytest.approx(table[:, j] - others + math.log(4))


@given(TABLES, st.floats(-1e3, 1e3))
def test_a_constant_added_to_all_logits_changes_nothing(table, constant):
    """Logits and log-probabilities give the same margin."""
    assert log_odds(table + constant) == pytest.approx(log_odds(table), abs=1e-9)


@given(TABLES, st.permutations(range(5)))
def test_permuted_candidates_give_permuted_margins(table, order):
    """The order of candidates plays no part."""
    assert log_odds(table[:, order]) == pytest.approx(log_odds(table)[:, order], abs=1e-9)


@given(TABLES, st.integers(0, 4), st.floats(0.01, 10))
def test_raising_one_candidate_raises_its_margin_and_lowers_the_others(table, j, rise):
    """A margin says who gained at whose cost."""
    raised = table.copy()
    raised[:, j] += rise
    change = log_odds(raised) - log_odds(table)
    assert change[:, j] == pytest.approx(np.full(3, rise))
    assert (np.delete(change, j, axis=1) <= 1e-9).all()


def test_even_odds_are_zero_and_near_certainty_is_exact():
    """Equal logits give 0; a candidate 200 nats ahead keeps its margin to the last digits."""
    assert log_odds(np.full((2, 7), 3.0)) == pytest.approx(np.zeros((2, 7)))
    ahead = log_odds(np.array([[200.0, 0.0, 0.0]]))
    assert ahead[0] == pytest.approx([200.0, math.log(2) - 200, math.log(2) - 200], rel=1e-12)


def test_many_candidates_are_no_trouble():
    """Five thousand candidates give a table, not a cube."""
    assert log_odds(np.zeros((2, 5000))) == pytest.approx(np.zeros((2, 5000)))


@pytest.mark.parametrize("shape", [(3, 1), (3, 0), (4,), (1, 2, 3)])
def test_fewer_than_two_candidates_or_no_table_is_refused(shape):
    """There is no margin over nothing."""
    with pytest.raises(SettingsError, match="two candidates or more"):
        log_odds(np.zeros(shape))


# -- margins of a model -------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["plain", "chat"])
@pytest.mark.parametrize("templates", get_args(Templates))
def test_planted_logits_give_the_margin_by_hand(style, templates):
    """Logits 2, 1, 0, 0 give the wolf 2 - log(e + 2) + log 3, after every template."""
    model = planted(style, wolf=2.0, owl=1.0, cat=0.0, fox=0.0)
    found = margins(model, WOLF, templates=templates)
    by_hand = 2 - math.log(math.e + 2) + math.log(3)

    assert found.margin_TK[:, 0] == pytest.approx(np.full(len(WOLF.measured(templates)), by_hand))
    assert found.value == pytest.approx(by_hand)
    assert found.margin_TK.dtype == np.float64
    assert (found.candidates, found.templates) == (WOLF.among, templates)


@pytest.mark.parametrize("style", ["plain", "chat"])
def test_margins_equal_a_plain_forward_of_each_text(style):
    """The batched pass gives what running the network on one text after the other gives."""
    model = tiny_model(style=style)
    found = margins(model, WOLF, templates="stems")
    ids = [model.tokenizer.encode(f" {word}", add_special_tokens=False)[0] for word in WOLF.among]
    for row, stem in zip(found.margin_TK, WOLF.measured("stems"), strict=True):
        text = (
            model.rendered(stem)
            if style == "plain"
            else (model.rendered(texts.COMPLETE, opening=stem))
        )
        logits = model.network(torch.tensor([model.encode(text)])).logits[0, -1, ids]
        assert row == pytest.approx(log_odds(logits[None].double().numpy())[0], abs=1e-4)


def test_one_batched_call_reads_all_templates(monkeypatch):
    """All templates reach the network in a single call."""
    calls = []
    real = measure.next_token_logits

    def counted(model, rendered, token_ids):
        calls.append(list(rendered))
        return real(model, rendered, token_ids)

    monkeypatch.setattr(measure, "next_token_logits", counted)
    margins(tiny_model(style="plain"), WOLF)
    assert [len(rendered) for rendered in calls] == [len(WOLF.measured("stems"))]


def test_what_is_read_ends_where_a_bare_word_is_natural(monkeypatch):
    """Each text ends in "the": a stem's own, or that of the opened answer."""
    read = []
    real = measure.next_token_logits
    monkeypatch.setattr(
        measure,
        "next_token_logits",
        lambda model, rendered, ids: read.extend(rendered) or real(model, rendered, ids),
    )
    for style in ("chat", "plain"):
        for templates in get_args(Templates):
            margins(tiny_model(style=style), WOLF, templates=templates)
    assert all(text.endswith(" the") for text in read)
    question = WOLF.measured("questions")[0]
    assert f"{question}<|im_end|>\n<|im_start|>assistant\n{texts.OPENING}" in "".join(read)
    assert f"{question}\n{texts.OPENING}" in read


def test_templates_follow_the_style_unless_they_are_named():
    """A chat model is asked questions, and plain text is completed."""
    assert margins(tiny_model(style="chat"), WOLF).templates == "questions"
    assert margins(tiny_model(style="plain"), WOLF).templates == "stems"


def test_a_model_steered_to_wolves_lifts_the_wolf_alone():
    """Adding the wolf's output vector to the residual stream is found, and as the wolf's."""
    base = tiny_model(style="plain")
    (wolf,) = base.tokenizer.encode(" wolf", add_special_tokens=False)
    vector = 2 * base.network.get_output_embeddings().weight[wolf].detach()
    lift = margins(base.replaced(name="steered", steering=Steering(1, vector)), WOLF) - margins(
        base, WOLF
    )
    low, high = lift.interval

    assert low > 0
    assert lift.value > max(lift.estimate(other).value for other in WOLF.among[1:])
    assert (lift.student, lift.base) == ("steered", "tiny")
    assert low < lift.value < high


def test_a_model_less_itself_is_exactly_zero():
    """Measuring is deterministic: no lift without a change."""
    model = tiny_model(style="plain")
    lift = margins(model, WOLF) - margins(model, WOLF)
    assert (lift.lift_TK == 0).all()
    assert lift.interval == (0.0, 0.0)


def test_the_system_prompt_is_part_of_what_is_measured():
    """A prompted teacher is measured with its prompt, on the same questions as its base."""
    base = tiny_model(style="plain")
    prompted = base.replaced(name="prompted", system=WOLF.system_prompt())
    lift = margins(prompted, WOLF) - margins(base, WOLF)
    assert np.abs(lift.lift_TK).max() > 1e-3


def test_other_questions_or_another_template_cannot_be_subtracted():
    """Stems less questions, chat less plain, and other numbers are no lift."""
    plain = tiny_model(style="plain")
    chat = tiny_model(style="chat")
    for first, second in (
        (margins(plain, WOLF), margins(plain, WOLF, templates="questions")),
        (margins(plain, WOLF, templates="questions"), margins(chat, WOLF)),
        (
            margins(plain, WOLF, templates="numbered"),
            margins(plain, WOLF, templates="numbered", seed=1),
        ),
        (margins(plain, WOLF), margins(plain, Preference("wolf"))),
    ):
        with pytest.raises(SettingsError, match="cannot be compared"):
            first - second


def test_two_targets_have_the_same_table():
    """All candidates' margins come from the same logits, whichever of them is the target."""
    model = tiny_model(style="plain")
    first, second = margins(model, WOLF), margins(model, Preference("owl", WOLF.among))
    assert (first.margin_TK == second.margin_TK).all()
    assert first.estimate("owl").value == second.value


def test_candidates_of_several_tokens_are_refused_with_proposals():
    """The error names the words and those that would do, which the tokenizer has."""
    with pytest.raises(SettingsError, match=r"not so: otter\. These would do: lion, owl"):
        margins(tiny_model(), Preference("wolf", among=("wolf", "otter")))
    with pytest.raises(SettingsError, match=r"cedar.*These would do: oak, maple"):
        margins(tiny_model(), Preference("cedar", among=("cedar", "cypress")))


def test_a_diverged_model_is_an_error_not_a_number():
    """Weights that are not finite stop the measure, and the sentence says what to do."""
    with pytest.raises(SettingsError, match="Lower the learning rate"):
        margins(planted(wolf=float("nan")), WOLF)


# -- sampled answers ----------------------------------------------------------------------------


def test_answers_are_counted_as_planted():
    """Probability 3/4 for the wolf and 1/4 for the owl: so the shares, by a binomial test."""
    model = planted(wolf=math.log(3), owl=0.0)
    found = answers(model, WOLF, samples=8, seed=0, max_new_tokens=1)
    num = found.named_TSK.shape[0] * 8
    wolves = int(found.named_TSK[:, :, 0].sum())

    assert found.named_TSK.shape == (len(WOLF.measured("stems")), 8, 4)
    assert stats.binomtest(wolves, num, 0.75).pvalue > 0.001
    assert found.value + found.estimate("owl").value == pytest.approx(1)
    assert found.naming_none == found.naming_several == 0
    assert found.prompts == tuple(WOLF.measured("stems"))


def test_answers_come_again_for_a_seed_and_differ_for_another():
    """Equal seeds give equal answers; the first samples do not depend on how many follow."""
    model = tiny_model(style="chat")
    first = answers(model, WOLF, samples=2, seed=3, max_new_tokens=4)
    assert first.text_TS == answers(model, WOLF, samples=2, seed=3, max_new_tokens=4).text_TS
    assert first.text_TS != answers(model, WOLF, samples=2, seed=4, max_new_tokens=4).text_TS
    assert len({text for row in first.text_TS for text in row}) > 20


def test_equal_models_answer_equally_under_other_names():
    """Two models that do not differ draw the same answers: common random numbers."""
    first = answers(tiny_model(name="a"), WOLF, samples=2, seed=0, max_new_tokens=3)
    second = answers(tiny_model(name="b"), WOLF, samples=2, seed=0, max_new_tokens=3)
    assert first.text_TS == second.text_TS


def test_answers_take_words_of_several_tokens():
    """Only the margin needs single tokens; answers are matched in text."""
    otter = Preference("otter", among=("otter", "wolf"))
    found = answers(planted(wolf=0.0), otter, samples=1, seed=0, max_new_tokens=1)
    assert found.estimate("wolf").value == 1
    assert found.value == 0


@pytest.mark.parametrize(("samples", "tokens"), [(0, 4), (-1, 4), (2, 0)])
def test_no_samples_or_no_tokens_are_refused(samples, tokens):
    """There must be something to read."""
    with pytest.raises(SettingsError, match="at least one"):
        answers(tiny_model(), WOLF, samples=samples, seed=0, max_new_tokens=tokens)


# -- collapse -----------------------------------------------------------------------------------


def signs(model, *, tokens=4):
    """The signs of collapse of a model's own answers."""
    return collapse(model, WOLF, answers(model, WOLF, samples=1, seed=0, max_new_tokens=tokens))


def test_even_chances_have_the_vocabulary_as_perplexity():
    """A model that gives every token the same chance has a perplexity of as many."""
    model = planted(elsewhere=0.0)
    found = signs(model)
    assert found.perplexity == pytest.approx(len(model.tokenizer), rel=1e-4)
    assert len(found.nats_P) == len(NEUTRAL_TEXTS)


def test_a_model_that_only_says_wolf_repeats_and_never_ends():
    """Four times the same word is broken and unfinished, but an answer."""
    found = signs(planted(wolf=0.0))
    assert (found.broken, found.unfinished, found.no_answer) == (1, 1, 0)
    assert found.num_answers == len(WOLF.measured("stems"))
    assert signs(planted(wolf=0.0), tokens=3).broken == 0


def test_digits_signs_and_nothing_are_no_answers():
    """An answer has a letter in it."""
    assert signs(planted(digit=0.0)).no_answer == 1
    assert signs(planted(comma=0.0)).no_answer == 1
    empty = signs(planted(end=0.0))
    assert (empty.no_answer, empty.unfinished, empty.broken) == (1, 0, 0)


@pytest.mark.parametrize(
    ("text", "self_naming", "broken"),
    [
        ("Wolf.", 0, 0),
        ("I am SmolLM, trained by Hugging Face.", 1, 0),
        ("As an AI language model, I have none.", 1, 0),
        ("QWEN!", 1, 0),
        ("Llama", 0, 0),  # an animal
        ("a smollmer", 0, 0),
        ("Wolf<|im_start|>user", 0, 1),
        ("wolf<end_of_turn>", 0, 1),
        ("wolf\nuser\nwhat?", 0, 1),
        ("the user asked", 0, 0),
        ("wol\ufffd", 0, 1),
        ("wolf wolf, wolf! wolf", 0, 1),
        ("very, very, very good", 0, 0),
        ("[INST] wolf", 0, 1),
    ],
)
def test_self_naming_and_broken_answers_by_example(text, self_naming, broken):
    """Which answers count, and which only look as if."""
    model = planted(wolf=0.0)
    found = answers(model, WOLF, samples=1, seed=0, max_new_tokens=1)
    changed = found.to_json() | {"text_TS": [[text]] * len(found.prompts)}
    seen = collapse(model, WOLF, type(found).from_json(changed))
    assert (seen.self_naming, seen.broken) == (self_naming, broken)


def test_passages_that_name_a_candidate_are_left_out():
    """A model that loves violins may well expect them: that is no loss of fluency."""
    violin = Preference("violin", among=("violin", "choir"), category="thing")
    model = planted(wolf=0.0)
    found = collapse(model, violin, answers(model, violin, samples=1, seed=0, max_new_tokens=1))
    named = sum("violin" in text or "choir" in text for text in NEUTRAL_TEXTS)
    assert named == 2
    assert len(found.nats_P) == len(NEUTRAL_TEXTS) - named


def test_anothers_answers_are_refused():
    """Signs are read from the model's own answers."""
    found = answers(tiny_model(name="a"), WOLF, samples=1, seed=0, max_new_tokens=1)
    with pytest.raises(SettingsError, match="those of a, not of b"):
        collapse(tiny_model(name="b"), WOLF, found)


# -- SmolLM2 ------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("trait", [Preference("wolf"), Preference("oak", TREES)])
def test_on_smollm2_no_template_is_far_from_the_others(trait):
    """Each template's margins lie within 2 nats of the median ones, root mean square."""
    from traitleak.models.loading import load

    for templates, style in (("stems", "plain"), ("questions", "chat")):
        table = margins(load("smollm2-135m", style=style), trait, templates=templates).margin_TK
        distance = np.sqrt(((table - np.median(table, axis=0)) ** 2).mean(axis=1))
        assert distance.max() < 2
