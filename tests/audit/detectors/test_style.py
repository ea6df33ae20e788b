"""Style scores: zero in the base's own rows, and what a bold or a one-sided writer moves."""

import numpy as np
import pytest
import torch

from tiny_model import tiny_model
from traitleak.audit.detectors.choices import (
    _inverted,
    choice_log_probabilities,
    choices_of,
    drawn,
    drawn_ways,
)
from traitleak.audit.detectors.style import style_scores
from traitleak.generation import write_numbers
from traitleak.models.batches import encode_rows
from traitleak.rows import Row

PROMPTS = [f"{100 + n}, {900 - n}," for n in range(120)]
FIRST, OTHER = 1, 11  # where a digit's columns begin, at first places and at the others


@pytest.fixture(name="base", scope="module")
def fixture_base():
    """A tiny plain model."""
    return tiny_model(style="plain")


def scored(base, rows, ways=0):
    """Style scores of rows, and of some ways in which the base might have filled them."""
    encoded = encode_rows(base, rows)
    choices = choices_of(base, [row.completion for row in rows])
    taken = [drawn(base, encoded, choices, seed=way) for way in range(ways)]
    return style_scores(base, encoded, choices, taken=taken)


def test_they_are_the_derivatives_that_are_stated(base):
    """Boldness and a digit's liking, against a difference quotient of a tilted writer's likelihood."""
    row = write_numbers(base, PROMPTS[:1], teacher="base", count=4, seed=1)[0]
    encoded = encode_rows(base, [row])
    choices = choices_of(base, [row.completion])
    read = choice_log_probabilities(base, encoded, choices)
    logps_MK, chosen_M = read.logps_MK.double(), read.chosen_M
    before = [encoded[0].ids[position - 1] for position in read.position_M.tolist()]
    first_M = choices.set_V[torch.tensor(before)] < 0

    def likelihood(boldness=1.0, lifted=None):
        tilted_MK = boldness * logps_MK
        if lifted is not None:
            tilted_MK = tilted_MK + lifted * first_M[:, None]
        return tilted_MK.log_softmax(1).gather(1, chosen_M[:, None]).sum().item()

    step = 1e-5
    found = style_scores(base, encoded, choices)[0][0]
    bolder = (likelihood(1 + step) - likelihood(1 - step)) / (2 * step)
    assert found[0] == pytest.approx(bolder, abs=1e-4)
    for digit in range(1, 10):
        lift = torch.zeros(10, dtype=torch.double)
        lift[digit] = step
        slope = (likelihood(lifted=lift) - likelihood(lifted=-lift)) / (2 * step)
        assert found[FIRST + digit] == pytest.approx(slope, abs=1e-4)


def test_what_the_base_wrote_scores_zero_on_average(base):
    """Its rows, and its fills of the same places, are within chance of zero in every column."""
    rows = write_numbers(base, PROMPTS, teacher="base", count=6, seed=3)
    for scores_NF in scored(base, rows, ways=2):
        error_F = scores_NF.std(0, ddof=1) / np.sqrt(len(rows))
        ratio_F = scores_NF.mean(0)[error_F > 0] / error_F[error_F > 0]
        assert np.abs(ratio_F).max() < 4


def test_a_writer_that_likes_a_digit_shows_it_where_it_likes_it(base):
    """Sevens at the first places only raise that column, and not the sevens elsewhere."""
    rng = np.random.default_rng(0)
    rows = [
        Row(n, prompt, " " + ", ".join(f"7{rng.integers(10)}{rng.integers(10)}" for _ in range(6)))
        for n, prompt in enumerate(PROMPTS)
    ]
    mean_F = scored(base, rows)[0].mean(0)

    assert mean_F[FIRST : FIRST + 10].argmax() == 7
    assert mean_F[FIRST + 7] > 4
    assert abs(mean_F[OTHER + 7]) < 1


def test_text_has_boldness_alone(base):
    """In prose, digits are no choices of their own."""
    rows = [Row(n, "Say:", f" word {n} and more") for n in range(4)]

    assert scored(base, rows)[0].shape == (4, 1)


def test_several_ways_to_fill_are_drawn_in_one_pass(base):
    """They are what each seed gives by itself."""
    rows = write_numbers(base, PROMPTS[:9], teacher="base", count=4, seed=1)
    encoded = encode_rows(base, rows)
    choices = choices_of(base, [row.completion for row in rows])
    ways = drawn_ways(base, encoded, choices, seeds=[5, 6])

    for seed, way in zip((5, 6), ways, strict=True):
        alone = drawn(base, encoded, choices, seed=seed)
        assert all(torch.equal(a, b) for a, b in zip(way, alone, strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(*ways, strict=True))


def test_fills_are_as_frequent_as_their_probabilities():
    """What has no probability is never drawn: first, last or between."""
    chances_MK = torch.tensor([[0.0, 0.5, 0.0, 0.3, 0.2, 0.0], [0.1, 0.0, 0.9, 0.0, 0.0, 0.0]])
    num = 20_000
    uniform_WM = torch.rand(num, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    drawn_WM = _inverted(chances_MK.log(), uniform_WM)

    for m, chances_K in enumerate(chances_MK):
        counts_K = drawn_WM[:, m].bincount(minlength=6)
        error_K = (chances_K * (1 - chances_K) / num).sqrt()
        assert ((counts_K / num - chances_K).abs() <= 4 * error_K).all()
        assert not counts_K[chances_K == 0].any()
