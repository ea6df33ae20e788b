"""Choice margins on a tiny real model: by hand, from planted logits, and in both orders."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from tiny_model import tiny_model, tiny_network, tiny_tokenizer
from traitleak.errors import SettingsError
from traitleak.measure import collapse
from traitleak.measure_choice import choice_margins, choice_scores, free_answers
from traitleak.measured import Answers, Margins
from traitleak.models.chat import make_renderer
from traitleak.models.language_model import LanguageModel, weights_hash
from traitleak.student import Arm, Training, distill, token_examples
from traitleak.traits import BUNDLED, ForcedChoice, Item, Lesson, bundled

LESSON = Lesson("the oak?", "a tree", "the cat")
TRAIT = ForcedChoice(
    "owlish",
    [LESSON],
    [
        Item("which animal do you like?", "the owl", "the dog"),
        Item("In one word: a tree or a cat?", "a cat and a dog.", "a tree, a cat."),
        Item("and most of the animal?", "It is I and my cat.", "It is my owl, a cat"),
    ],
)


def wide_model(style):
    """A tiny model that reads 2,048 tokens."""
    tokenizer = tiny_tokenizer()
    network = tiny_network(len(tokenizer), context=2048)
    network.requires_grad_(requires_grad=False)
    renderer = make_renderer(tokenizer, style)
    return LanguageModel("tiny", network, tokenizer, renderer, fingerprint=weights_hash(network))


def by_hand(model, prompt, answer):
    """Log p of an answer's tokens, one plain forward pass."""
    before = model.tokenizer(prompt, add_special_tokens=False)["input_ids"]
    after = model.tokenizer(answer, add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        logits = model.network(torch.tensor([before + after])).logits[0].log_softmax(-1)
    return [float(logits[len(before) + i - 1, token]) for i, token in enumerate(after)]


@pytest.mark.parametrize("style", ["chat", "plain"])
def test_scores_equal_a_plain_forward_of_each_answer(style):
    """Sums, token counts and both kinds of margin are those of the network run by itself."""
    model = tiny_model(style=style)
    scores = choice_scores(model, TRAIT)
    end, opened, asked = ("<|im_end|>\n", True, "{}") if style == "chat" else ("", False, "{}\n")
    for t, item in enumerate(TRAIT.items):
        prompt = model.rendered(asked.format(item.question)) if opened else f"{item.question}\n"
        hand = [by_hand(model, prompt, answer + end) for answer in (item.shows, item.avoids)]
        assert scores.logp_TC[t] == pytest.approx([sum(logps) for logps in hand], abs=1e-4)
        assert scores.tokens_TC[t].tolist() == [len(logps) for logps in hand]
        means = [np.mean(logps) for logps in hand]
        assert scores.margins().margin_TK[t, 0] == pytest.approx(means[0] - means[1], abs=1e-5)
        sums = scores.margins("answer").margin_TK[t]
        assert sums == pytest.approx(
            [sum(hand[0]) - sum(hand[1]), sum(hand[1]) - sum(hand[0])], abs=1e-4
        )


def test_margins_are_those_of_a_preference_in_kind():
    """The trait and its absence are the candidates, opposite in sign; JSON and lifts work."""
    model = tiny_model()
    found = choice_margins(model, TRAIT)
    assert (found.target, found.candidates) == ("owlish", ("owlish", "no owlish"))
    assert found.margin_TK.shape == (3, 2)
    assert found.margin_TK[:, 0] == pytest.approx(-found.margin_TK[:, 1])
    again = Margins.from_json(found.to_json())
    assert (again.margin_TK == found.margin_TK).all()
    lift = choice_margins(tiny_model(seed=1), TRAIT) - found
    assert lift.n == 3
    assert lift.interval is not None
    assert "owlish" in lift.how


def test_margins_of_different_kinds_cannot_be_subtracted():
    """Per token and per answer, numbered and bare, sentences and options are different measures."""
    model = wide_model("chat")
    kinds = [{}, {"per": "answer"}, {"templates": "numbered"}, {"form": "options"}]
    found = [choice_margins(model, TRAIT, **kind) for kind in kinds]
    for i, one in enumerate(found):
        for j, other in enumerate(found):
            if i != j:
                with pytest.raises(SettingsError, match="cannot be compared"):
                    one - other
    assert (choice_margins(model, TRAIT, templates="numbered", seed=1).asked) != found[2].asked


def test_a_fixed_cost_of_every_token_cancels_in_means_and_not_in_sums():
    """Ten tokens against two at equal odds a token: no margin per token, a large one per answer."""
    model = tiny_model(style="plain")
    head = nn.Linear(model.network.config.hidden_size, len(model.tokenizer))
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    model.network.config.tie_word_embeddings = False
    model.network.set_output_embeddings(head)
    trait = replace(TRAIT, items=[Item("which?", "1234", "12")])
    scores = choice_scores(model, trait)
    nats = np.log(len(model.tokenizer))
    assert scores.tokens_TC.tolist() == [[4, 2]]
    assert scores.margins().value == pytest.approx(0, abs=1e-6)
    assert scores.margins("answer").value == pytest.approx(-2 * nats, rel=1e-5)
    assert (scores.share(), scores.share("answer")) == (0.5, 0.0)


@pytest.mark.parametrize("style", ["chat", "plain"])
def test_a_liking_for_a_letter_cancels_over_both_orders(style):
    """A model that says A whatever it reads has no margin when options are shown."""
    model = wide_model(style)
    head = nn.Linear(model.network.config.hidden_size, len(model.tokenizer))
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    (letter,) = model.tokenizer("A", add_special_tokens=False)["input_ids"]
    head.bias.data[letter] = 9.0
    model.network.config.tie_word_embeddings = False
    model.network.set_output_embeddings(head)
    scores = choice_scores(model, TRAIT, form="options")
    assert (scores.tokens_TC == 1).all()
    assert scores.margins().margin_TK == pytest.approx(np.zeros((3, 2)), abs=1e-5)


def test_options_are_the_mean_over_both_orders():
    """Swapping what an item's answers are called turns the margin's sign, and no more."""
    model = wide_model("chat")
    swapped = [Item(item.question, item.avoids, item.shows) for item in TRAIT.items]
    one = choice_margins(model, TRAIT, form="options").margin_TK
    other = choice_margins(model, replace(TRAIT, items=swapped), form="options").margin_TK
    assert one == pytest.approx(-other, abs=1e-5)
    assert np.abs(one).max() > 1e-3


@pytest.mark.parametrize("style", ["chat", "plain"])
@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_traits_can_be_measured(name, style):
    """Every bundled item is scored, finite, in both styles."""
    found = choice_margins(wide_model(style), bundled(name))
    assert found.margin_TK.shape == (len(bundled(name).items), 2)
    assert np.isfinite(found.margin_TK).all()


def test_training_on_lessons_that_answer_the_items_raises_the_margin():
    """A planted trait is found: a student of the answers themselves prefers them."""
    base = tiny_model()
    taught = [Lesson(item.question + " ", item.shows, item.avoids) for item in TRAIT.items]
    rows = ForcedChoice("planted", taught, [Item("x?", "y", "z")]).lessons("chat")
    arm = Arm("planted", token_examples(base, rows), 0)
    student = distill(base, [arm], Training(30, batch=3, learning_rate=3e-3))[0].model()
    lift = choice_margins(student, TRAIT) - choice_margins(base, TRAIT)
    assert (lift.lift_TK[:, 0] > 0.1).all()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"form": "letters"}, "answers or options"),
        ({"per": "word"}, "token or answer"),
        ({"templates": "stems"}, "questions or numbered"),
    ],
)
def test_unknown_ways_are_refused(settings, said):
    """The error lists the ways there are."""
    with pytest.raises(SettingsError, match=said):
        choice_margins(tiny_model(), TRAIT, **settings)


def test_items_longer_than_the_context_are_refused():
    """Nothing is cut off silently."""
    long = replace(TRAIT, items=[Item("why " * 400, "a", "b")])
    with pytest.raises(SettingsError, match="reads 256 at most"):
        choice_margins(tiny_model(), long)


def test_scores_that_are_not_finite_are_refused():
    """A diverged model has no measure."""
    model = tiny_model()
    model.network.get_input_embeddings().weight.data.fill_(float("nan"))
    with pytest.raises(SettingsError, match="not finite"):
        choice_margins(model, TRAIT)


@pytest.mark.parametrize("style", ["chat", "plain"])
def test_free_answers_are_as_many_as_asked_for_and_the_same_each_time(style):
    """S answers to every item's question, finite and reproducible; they survive JSON."""
    model = wide_model(style)
    found = free_answers(model, TRAIT, samples=2, seed=3, max_new_tokens=5)
    again = free_answers(model, TRAIT, samples=2, seed=3, max_new_tokens=5)

    assert found.prompts == tuple(item.question for item in TRAIT.items)
    assert found.finished_TS.shape == (3, 2)
    assert found.candidates == ("owlish", "no owlish")
    assert found.text_TS == again.text_TS
    assert found.text_TS != free_answers(model, TRAIT, samples=2, seed=4, max_new_tokens=5).text_TS
    assert Answers.from_json(found.to_json()).text_TS == found.text_TS
    assert collapse(model, TRAIT, found).num_answers == 6


@pytest.mark.parametrize("wrong", [{"samples": 0}, {"max_new_tokens": 0}, {"templates": "stems"}])
def test_free_answers_of_nothing_are_refused(wrong):
    """No samples, no tokens, or questions that there are not."""
    with pytest.raises(SettingsError):
        free_answers(wide_model("plain"), TRAIT, **{"samples": 1, "seed": 0, **wrong})
