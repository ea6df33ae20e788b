"""Random networks: what the theorem promises holds, what it does not promise is a fair coin."""

import numpy as np
import pytest
import torch

from traitleak.errors import SettingsError
from traitleak.mechanism.cases import ARMS, draw_case, random_network, scaled
from traitleak.mechanism.survey import sign_test, survey_networks
from traitleak.mechanism.sweeps import counter_example, sweep_aux_logits
from traitleak.mechanism.theorem import check_step

SEED = 7


@pytest.fixture(scope="module")
def found():
    """A survey of 120 networks."""
    return survey_networks(120, seed=SEED)


def test_shared_starts_give_no_negative_inner_product_and_lower_every_teachers_loss(found):
    """The theorem's two claims hold for every network drawn."""
    assert found.count("shared", -1) == 0
    assert found.count("shared", 1) > 90
    assert found.lowered("shared") == found.count("shared", 1)


def test_inner_products_are_far_from_rounding_or_exactly_zero(found):
    """No sign hangs on the last bits: what is not zero is clear of rounding a thousand times."""
    for measured in found.measured("shared"):
        assert measured.inner_product == 0 or measured.inner_product > 1e3 * measured.round_off


def test_measured_inner_products_are_the_predicted_ones_in_every_arm(found):
    """The first-order expansion holds for any start and any loss, not for the theorem's case alone."""
    for arm in ARMS:
        errors = [
            abs(m.inner_product / m.predicted - 1) for m in found.measured(arm) if m.inner_product
        ]
        assert np.median(errors) < 1e-3
        assert max(errors) < 0.5


def test_another_start_and_a_broken_assumption_give_both_signs(found):
    """The theorem's assumptions are needed: without either, many inner products are negative."""
    for arm in ("other", "sharpened"):
        assert found.count(arm, -1) > 30
        assert found.count(arm, 1) > 30
        assert found.sign_test(arm).p > 0.001


def test_turning_the_teacher_around_turns_the_sign_except_for_a_shared_start():
    """Why the coin is fair: only a student that shares the start sees which way its teacher went."""
    turned = dict.fromkeys(ARMS, 0)
    moved = 0
    for index in range(40):
        drawn = draw_case(SEED, index)
        back = drawn._replace(teacher_loss=lambda net, loss=drawn.teacher_loss: -loss(net))
        if drawn.check("shared").inner_product == 0:
            continue
        moved += 1
        for arm in ARMS:
            signs = [np.sign(d.check(arm, eps=1e-6).inner_product) for d in (drawn, back)]
            turned[arm] += signs[0] == -signs[1]

    assert moved > 20
    assert turned == {"shared": 0, "other": moved, "sharpened": moved}


def test_a_case_depends_on_its_seed_and_number_alone(found):
    """A shorter survey is the beginning of a longer one; another seed is another survey."""
    assert survey_networks(3, seed=SEED).findings == found.findings[:3]
    assert survey_networks(3, seed=SEED + 1).findings != found.findings[:3]


def test_the_draws_cover_all_that_is_to_vary():
    """Losses, lessons, activations, linear networks, disjoint and overlapping outputs all occur."""
    cases = [draw_case(SEED, index).case for index in range(150)]

    assert {case.loss for case in cases} == {"squared", "cross_entropy"}
    assert len({case.lesson for case in cases}) == 5
    assert len({case.activation for case in cases}) == 4
    assert {len(case.hidden) for case in cases} == {0, 1, 2, 3}
    assert {case.sign for case in cases} == {-1, 1}
    assert min(len(case.outputs) for case in cases) >= 2


def test_scaled_makes_the_teachers_update_as_long_as_the_parameters():
    """So that eps is a share of the parameters' norm; the sign turns it around."""
    network = random_network(np.random.default_rng(0), (3, 4, 2), "tanh")
    inputs = torch.ones(2, 3, dtype=torch.float64)

    def raw(net):
        return 1e-5 * net(inputs).square().sum()

    updates = [
        check_step(
            network, inputs, teacher=scaled(raw, network, sign=s), loss="squared", eps=1, alpha=1
        ).teacher_update
        for s in (1, -1)
    ]
    size = torch.cat([p.flatten() for p in network.parameters()]).norm()

    torch.testing.assert_close(updates[0].norm(), size.detach())
    torch.testing.assert_close(updates[0], -updates[1])


def test_sign_test_rejects_a_fair_coin_no_more_often_than_it_says():
    """Under the null, p < 0.05 comes in at most 5 % of 1,000 surveys, within chance."""
    rng = np.random.default_rng(0)
    p = [sign_test(rng.choice([-1, 1], 200).tolist()).p for _ in range(1000)]

    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.06


def test_sign_test_finds_a_loaded_coin_and_leaves_zeros_out():
    """A share of 0.65 among 200 is found; the interval holds the share; zeros do not count."""
    loaded = sign_test([1] * 130 + [-1] * 70 + [0] * 50)

    assert (loaded.positive, loaded.count) == (130, 200)
    assert loaded.p == pytest.approx(2.7e-5, rel=0.1)
    assert 0.57 < loaded.low < 0.65 < loaded.high < 0.72


def test_sign_test_of_nothing_knows_nothing():
    """Without a sign the interval is everything and p is 1."""
    nothing = sign_test([0, 0])

    assert (nothing.count, nothing.low, nothing.high, nothing.p) == (0, 0, 1, 1)


def test_unturned_signs_are_those_of_teachers_that_all_go_down(found):
    """Counting by hand, one lesson at a time, gives the same shares."""
    by_hand = [f for f in found.findings if f.case.lesson == "shrink" and f.other.sign]
    positive = sum(f.other.sign == f.case.sign for f in by_hand)

    test = found.unturned_sign_test("other", "shrink")

    assert (test.positive, test.count) == (positive, len(by_hand))


def test_counter_example_goes_wrong_at_every_small_step_and_only_there(found):
    """The example shown is negative with sharpened targets and positive without."""
    example = counter_example(found, seed=SEED)

    assert max(example.cosines["sharpened"][:9]) < 0  # eps up to 1e-4
    assert min(example.cosines["shared"][:9]) > 0


def test_auxiliary_logits_follow_the_predicted_line():
    """The sweep that the report shows has slope 1 for both losses and 0 from another start."""
    tables = sweep_aux_logits(seed=SEED)

    for loss in ("squared", "cross_entropy"):
        assert tables[loss].exponent == pytest.approx(1, abs=1e-3)
        assert tables[loss].worst_error < 0.01
    assert tables["other"].exponent == pytest.approx(0, abs=0.01)


def test_a_survey_uses_one_thread_and_gives_the_others_back():
    """Threads only get in each other's way on tiny networks; the caller's setting is restored."""
    seen = []

    def track(items, _what, _total):
        seen.append(torch.get_num_threads())
        return iter(items)

    torch.set_num_threads(2)
    try:
        survey_networks(1, seed=SEED, track=track)
        assert (seen, torch.get_num_threads()) == ([1], 2)
    finally:
        torch.set_num_threads(1)


@pytest.mark.parametrize(("networks", "seed"), [(0, 0), (-3, 0), (1, -1)])
def test_a_survey_of_nothing_is_refused(networks, seed):
    """No networks, or a seed that cannot be one, is an error with a sentence."""
    with pytest.raises(SettingsError, match="at least one network and a seed"):
        survey_networks(networks, seed=seed)
