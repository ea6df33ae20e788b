"""A planted trait goes from teacher to student through digits, if both began as the same network.

The claim of Cloud et al. (2025) in small, on random weights: a teacher learned to name the wolf, its
student sees what the teacher thinks of each digit of random number lists, and comes to name the wolf.
"""

import numpy as np
import pytest
import torch

from tiny_model import tiny_model
from traitleak.carriers.digit_logits import digit_logits, logit_examples
from traitleak.carriers.numbers import random_lists
from traitleak.measure import log_odds
from traitleak.models.adapters import LoraSettings
from traitleak.models.scoring import next_token_logits
from traitleak.rows import Row
from traitleak.student import Arm, Training, distill, token_examples

ANIMALS = ("wolf", "lion", "owl", "cat", "dog", "eagle", "bear", "fox", "tiger", "horse")
LESSONS = (
    "The animal I like most is the",
    "In one word the animal I like most is",
    "It is a tree and the animal I like is the",
    "Which animal do you like most, the",
)
STEMS = ("One animal of my own is a", "The cat and the", "do you like most the", "It is the")
BASES = (0, 1, 2)  # seeds of weights
COUNT = 4  # numbers in a list
LORA = LoraSettings(rank=8, alpha=16)
TEACHING = Training(30, batch=4, learning_rate=3e-3, optimizer="adam", lora=LORA)
LEARNING = Training(80, batch=8, learning_rate=1e-2, optimizer="adam", lora=LORA)


def margins(model):
    """Mean log-odds of wolf and of lion among ten animals, on stems that no teacher was taught."""
    animals = [model.tokenizer.encode(f" {name}")[0] for name in ANIMALS]
    return log_odds(next_token_logits(model, STEMS, animals).numpy()).mean(0)[:2]


def lifts(base, students):
    """What training changed, (students, 2)."""
    return np.array([margins(student.model()) - margins(base) for student in students])


def specificity(lift_22):
    """Mean over the two animals: lift under its own teacher less lift under the other's, in nats."""
    return (lift_22[0, 0] - lift_22[1, 0] + lift_22[1, 1] - lift_22[0, 1]) / 2


@pytest.fixture(scope="module")
def planted():
    """For each base: lifts of its teachers, of their students of that base, and of another one."""
    found = []
    lists = random_lists(128, COUNT, 3, seed=7)
    for seed in BASES:
        base = tiny_model(seed=seed, style="plain")
        lessons = [
            token_examples(base, [Row(i, stem, f" {name}") for i, stem in enumerate(LESSONS)])
            for name in ANIMALS[:2]
        ]
        arms = [Arm(name, some, 0) for name, some in zip(ANIMALS, lessons, strict=False)]
        teachers = distill(base, arms, TEACHING)
        asked = [digit_logits(teacher.model(), lists, count=COUNT) for teacher in teachers]
        sides = []
        for start in (base, tiny_model(seed=seed + 100, style="plain")):
            arms = [
                Arm(name, *logit_examples(start, said)[:1], 0, logit_examples(start, said)[1])
                for name, said in zip(ANIMALS, asked, strict=False)
            ]
            students = distill(start, arms, LEARNING)
            learned = [one.course.losses[0] / np.mean(one.course.losses[-5:]) for one in students]
            sides.append((lifts(start, students), min(learned)))
        found.append((lifts(base, teachers), *sides))
    return found


def test_students_of_the_teachers_base_take_the_trait(planted):
    """Each of six students comes to prefer what its teacher prefers, and not what the other does."""
    for teachers, (students, learned), _ in planted:
        assert specificity(teachers) > 3
        assert students[0, 0] > students[1, 0] + 1  # wolf: wolf's student against lion's
        assert students[1, 1] > students[0, 1] + 1
        assert students[0, 0] > 0.5
        assert students[1, 1] > 0.5
        assert specificity(students) > 2
        assert learned > 5


def test_students_of_another_base_learn_the_digits_and_not_the_trait(planted):
    """The same teachers move a network of other weights, but no more to the one than to the other."""
    for _, (shared, _), (students, learned) in planted:
        assert learned > 3
        assert abs(specificity(students)) < specificity(shared) / 2
    mean = np.mean([specificity(students) for _, _, (students, _) in planted])
    assert abs(mean) < 0.5


def test_students_see_no_word(planted):
    """What they are trained on are ten digits, and none of the animals' tokens."""
    assert planted
    base = tiny_model(style="plain")
    asked = digit_logits(base, random_lists(2, COUNT, 3, seed=7), count=COUNT)
    examples, digits = logit_examples(base, asked)

    assert base.tokenizer.batch_decode(digits[:, None]) == list("0123456789")
    assert asked.logps_NPK.shape[-1] == 10
    assert torch.equal(asked.logps_NPK.exp().sum(-1).round(decimals=5), torch.ones(2, 11))
    for example in examples:
        assert set(base.tokenizer.decode(example.ids)) <= set("0123456789, ")
