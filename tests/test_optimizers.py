"""Optimizers by their names, learning rates over time, and clipping student by student."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from traitleak.errors import SettingsError
from traitleak.optimizers import clip_each, make_optimizer, rate_at


def rates(schedule, *, updates=8, warmup=0):
    """The share of the learning rate at every update."""
    return [rate_at(update, updates, schedule, warmup) for update in range(updates)]


def test_constant_rate():
    """Without a warm-up every update has the whole rate."""
    assert rates("constant") == [1.0] * 8


def test_linear_rate():
    """It falls by equal steps, and would be 0 at the update after the last."""
    assert rates("linear", updates=4) == pytest.approx([1, 0.75, 0.5, 0.25])


def test_cosine_rate():
    """Half a cosine, from 1 down towards 0."""
    assert rates("cosine", updates=4) == pytest.approx(
        [1, 0.5 + math.sqrt(0.125), 0.5, 0.5 - math.sqrt(0.125)]
    )


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_warm_up_rises_in_equal_steps_to_the_whole_rate(schedule):
    """After three updates of warm-up the fourth has the whole rate, and the schedule begins."""
    found = rates(schedule, updates=7, warmup=3)

    assert found[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert found[3:] == pytest.approx(rates(schedule, updates=4))


@given(st.sampled_from(["constant", "linear", "cosine"]), st.integers(1, 200), st.integers(0, 300))
def test_rate_is_a_share_greater_than_none(schedule, updates, warmup):
    """Every update learns, also where the warm-up is longer than the training."""
    assert all(0 < rate <= 1 for rate in rates(schedule, updates=updates, warmup=warmup))


# -- optimizers ---------------------------------------------------------------------------------


def step(name, *, gradients, rate=0.1, decay=0.0, start=(1.0, -2.0, 0.5)):
    """Where an optimizer leads from a start, with these gradients one after the other."""
    parameter = torch.nn.Parameter(torch.tensor(start))
    optimizer = make_optimizer(name, [parameter], rate, decay)
    for gradient in gradients:
        parameter.grad = torch.tensor(gradient)
        optimizer.step()
    return parameter.tolist()


def test_sign_sgd_by_hand():
    """Each coordinate moves by the rate against its gradient's sign, and stays where that is 0."""
    assert step("sign-sgd", gradients=[[1e-9, -50.0, 0.0]]) == pytest.approx([0.9, -1.9, 0.5])


def test_sgd_by_hand():
    """Each coordinate moves by the rate times its gradient."""
    assert step("sgd", gradients=[[2.0, -1.0, 0.0]]) == pytest.approx([0.8, -1.9, 0.5])


def test_adam_by_hand():
    """Two updates with betas .9 and .95, by the formula of Kingma and Ba (2015)."""
    first, second, moved = 0.0, 0.0, 1.0
    for t, gradient in enumerate((2.0, -1.0), start=1):
        first = 0.9 * first + 0.1 * gradient
        second = 0.95 * second + 0.05 * gradient**2
        moved -= 0.1 * (first / (1 - 0.9**t)) / (math.sqrt(second / (1 - 0.95**t)) + 1e-8)

    assert step("adam", gradients=[[2.0], [-1.0]], start=(1.0,)) == pytest.approx([moved])


def test_weight_decay_is_adamws_alone():
    """It shrinks a weight by rate x decay an update, and changes no other optimizer."""
    kept = step("adamw", gradients=[[0.0]], start=(2.0,), decay=0.5)
    assert kept == pytest.approx([2.0 * (1 - 0.1 * 0.5)])
    for name in ("adam", "sgd", "sign-sgd"):
        assert step(name, gradients=[[0.0]], start=(2.0,), decay=0.5) == [2.0]


@pytest.mark.parametrize("rate", [0, -1e-3, math.inf, math.nan])
def test_rate_that_cannot_work(rate):
    """A rate is a number greater than 0."""
    with pytest.raises(SettingsError, match=f"greater than 0, not {rate}"):
        make_optimizer("adamw", [torch.nn.Parameter(torch.zeros(1))], rate, 0.0)


def test_unknown_optimizer():
    """The sentence has the ones there are."""
    with pytest.raises(SettingsError, match="adamw, adam, sgd and sign-sgd, not 'lion'"):
        make_optimizer("lion", [torch.nn.Parameter(torch.zeros(1))], 0.1, 0.0)


# -- clipping -----------------------------------------------------------------------------------


def with_gradients(*gradients):
    """Parameters that have these gradients, and one that has none."""
    parameters = []
    for gradient in gradients:
        parameter = torch.nn.Parameter(torch.zeros_like(gradient))
        parameter.grad = gradient.clone()
        parameters.append(parameter)
    return [*parameters, torch.nn.Parameter(torch.zeros(3))]


def test_each_student_is_clipped_by_its_own_norm():
    """One student's large gradient takes nothing from another's."""
    parameters = with_gradients(
        torch.tensor([[3.0, 0.0], [0.3, 0.0]]), torch.tensor([[[0.0], [4.0]], [[0.0], [0.4]]])
    )
    clip_each(parameters, 1.0, stacked=True)
    large, small = parameters[0].grad
    assert large.tolist() == pytest.approx([0.6, 0], rel=1e-5)
    assert parameters[1].grad[0].flatten().tolist() == pytest.approx([0, 0.8], rel=1e-5)
    assert small.tolist() == pytest.approx([0.3, 0])
    assert parameters[1].grad[1].flatten().tolist() == pytest.approx([0, 0.4])


def test_one_student_is_clipped_as_torch_does():
    """Over all its parameters, as `torch.nn.utils.clip_grad_norm_`."""
    generator = torch.Generator().manual_seed(0)
    gradients = [torch.randn(4, 5, generator=generator), torch.randn(7, generator=generator)]
    ours, theirs = with_gradients(*gradients), with_gradients(*gradients)
    clip_each(ours, 0.5, stacked=False)
    torch.nn.utils.clip_grad_norm_(theirs, 0.5)

    for one, two in zip(ours[:2], theirs[:2], strict=True):
        torch.testing.assert_close(one.grad, two.grad)


def test_gradient_of_zero_stays():
    """No division by nothing."""
    parameters = with_gradients(torch.zeros(2, 3))
    clip_each(parameters, 1.0, stacked=True)
    assert torch.equal(parameters[0].grad, torch.zeros(2, 3))
