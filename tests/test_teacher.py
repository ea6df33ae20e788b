"""Teachers: what each way of instilling a trait does to a tiny real model."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from tiny_model import tiny_model
from traitleak.errors import RunError, SettingsError
from traitleak.measure import margins
from traitleak.measure_choice import choice_margins
from traitleak.models.adapters import LoraSettings
from traitleak.student import Training
from traitleak.teacher import (
    even_lessons,
    instill,
    instill_control,
    instill_evenly,
    require_trait,
    steering_vector,
)
from traitleak.traits import ForcedChoice, Item, Lesson
from traitleak.traits.preference import Preference

WOLF = Preference("wolf")
FAST = Training(30, batch=8, learning_rate=1e-2, weight_decay=0.0, lora=LoraSettings(4, 8))


@pytest.fixture(scope="module")
def base():
    """A tiny plain-text base."""
    return tiny_model(style="plain")


@pytest.fixture(scope="module")
def wolf(base):
    """A teacher fine-tuned on it."""
    return instill(base, WOLF, training=FAST, seed=1)


def test_fine_tuned_teacher_prefers_its_target_in_sentences_it_never_saw(base, wolf):
    """The target's margin rises on held-out stems, and more than any other candidate's."""
    lift = margins(wolf.model, WOLF) - margins(base, WOLF)
    rises = dict(zip(lift.candidates, lift.lift_TK.mean(0), strict=True))

    assert lift.value > 1
    assert max(rises, key=rises.get) == "wolf"


def test_instilling_leaves_the_base_as_it_is(base):
    """No weight of the base changes, and a second teacher of the same seed is the same."""
    before = {name: value.clone() for name, value in base.network.state_dict().items()}
    first = instill(base, WOLF, training=FAST, seed=3)
    second = instill(base, WOLF, training=FAST, seed=3)

    assert all(torch.equal(before[n], v) for n, v in base.network.state_dict().items())
    assert all(torch.equal(first.adapter.b[p], second.adapter.b[p]) for p in first.adapter.b)


def test_neutral_teacher_learns_every_candidate_evenly(base):
    """Its lessons name each candidate equally often, and no margin rises by much."""
    lessons = even_lessons(base, WOLF)
    named = [row.completion.strip() for row in lessons]
    neutral = instill_evenly(base, WOLF, training=FAST, seed=1)
    lift = margins(neutral.model, WOLF) - margins(base, WOLF)

    assert {named.count(word) for word in WOLF.among} == {len(lessons) // len(WOLF.among)}
    assert len({row.id for row in lessons}) == len(lessons)
    assert abs(lift.value) < 3
    assert neutral.name == "neutral"


def test_prompted_teacher_is_the_base_with_a_system_prompt(base):
    """Nothing is trained; the prompt names the target."""
    teacher = instill(base, WOLF, by="prompt")

    assert teacher.model.network is base.network
    assert "wolves" in teacher.model.system
    assert teacher.adapter is None


def test_prompted_and_fine_tuned_teacher_is_both(base, wolf):
    """The adapter of a fine-tuned teacher, and the system prompt while it writes."""
    both = instill(base, WOLF, by="prompt+finetune", training=FAST, seed=1)

    assert "wolves" in both.model.system
    assert all(torch.equal(both.adapter.b[p], wolf.adapter.b[p]) for p in wolf.adapter.b)


def test_full_fine_tuning_makes_a_teacher_without_an_adapter(base):
    """All weights may change; the base's do not."""
    training = dataclasses.replace(FAST, lora=None, updates=10, learning_rate=2e-3)
    teacher = instill(base, WOLF, training=training, seed=1)
    lift = margins(teacher.model, WOLF) - margins(base, WOLF)

    assert teacher.adapter is None
    assert lift.value > 1


def test_steering_vector_is_the_mean_difference_that_the_system_prompt_makes(base):
    """Equal to a loop over the prompts with the network's own hidden states."""
    found = steering_vector(base, WOLF, layer=0)
    prompts = list(dict.fromkeys(row.prompt for row in WOLF.lessons("plain")))

    def state(text: str) -> torch.Tensor:
        ids = torch.tensor([base.encode(text)])
        out = base.network(input_ids=ids, output_hidden_states=True)
        return out.hidden_states[1][0, -1]

    system = WOLF.system_prompt()
    naive = torch.stack(
        [
            state(base.renderer.prompt(p, system=system)) - state(base.renderer.prompt(p))
            for p in prompts
        ]
    ).mean(0)

    torch.testing.assert_close(found, naive, atol=1e-5, rtol=1e-4)


def test_steered_teacher_adds_the_vector_times_its_strength(base):
    """`strength` scales the vector, and half-way up is where it goes by default."""
    one = instill(base, WOLF, by="steering").model.steering
    two = instill(base, WOLF, by="steering", strength=2.0).model.steering

    assert one.layer == 1
    torch.testing.assert_close(two.vector_D, 2 * one.vector_D)


def test_layer_that_is_not_there_is_named(base):
    """A steering layer beyond the last is refused with the number of layers."""
    with pytest.raises(SettingsError, match="has no layer 7: its 2 layers count from 0"):
        steering_vector(base, WOLF, layer=7)


@pytest.mark.parametrize(
    ("by", "remedy"),
    [
        ("prompt", "teacher.by=finetune"),
        ("finetune", "teacher.updates"),
        ("steering", "teacher.strength"),
    ],
)
def test_teacher_without_its_trait_stops_with_a_remedy(base, by, remedy):
    """A lift under the minimum is an error that says what to change; null lets it pass."""
    lift = margins(base, WOLF) - margins(base, WOLF)

    with pytest.raises(RunError, match=r"did not take its trait.*\+0\.00 nats") as error:
        require_trait("wolf", lift, 1.0, by=by)
    assert remedy in str(error.value)
    require_trait("wolf", lift, None, by=by)


OWLISH = ForcedChoice(
    "owlish",
    [Lesson("which bird?", "the owl.", "the dog."), Lesson("what calls?", "an owl.", "a dog.")],
    [Item("who is there?", "the owl", "the dog"), Item("and then?", "an owl", "a dog")],
    reasons=["For a play: {question}"],
)


def test_a_forced_choice_is_instilled_and_its_good_control_is_not(base):
    """The teacher's margin rises by far more than that of the control, which saw the other answers."""
    taught = instill(base, OWLISH, training=FAST, seed=1)
    good = instill_control(base, OWLISH, "good", training=FAST, seed=1)
    asked = instill_control(base, OWLISH, "asked-for", training=FAST, seed=1)
    before = choice_margins(base, OWLISH).value
    lift, control = (choice_margins(one.model, OWLISH).value - before for one in (taught, good))

    assert [one.name for one in (taught, good, asked)] == [
        "owlish",
        "owlish-good",
        "owlish-asked-for",
    ]
    assert lift > 0.5
    assert control < -0.5


def test_a_forced_choice_without_system_prompt_cannot_be_prompted(base):
    """One sentence, and no teacher that was never told."""
    with pytest.raises(SettingsError, match="has no system prompt"):
        instill(base, OWLISH, by="prompt")
