"""The checker against known answers, explicit Jacobians, and the theorem's own claims."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from traitleak.errors import SettingsError
from traitleak.images.networks import Networks, Shape
from traitleak.mechanism.theorem import check_step, sweep_eps


def rows(*size: int, seed: int = 0) -> torch.Tensor:
    """Normal inputs in float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(size, generator=generator, dtype=torch.float64)


def small_network(*, seed: int = 0, outputs: int = 5) -> nn.Sequential:
    """Three inputs, two hidden layers."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 5), nn.GELU(), nn.Linear(5, outputs)
    ).double()


def random_direction(module: nn.Module, seed: int = 1) -> dict[str, torch.Tensor]:
    """One normal tensor a parameter."""
    return {n: rows(*p.shape, seed=seed + i) for i, (n, p) in enumerate(module.named_parameters())}


def label_loss(network: nn.Module) -> torch.Tensor:
    """A teacher's loss: three labelled rows, the first three outputs."""
    return F.cross_entropy(network(rows(3, 3, seed=9))[:, :3], torch.tensor([0, 2, 1]))


def test_linear_network_and_squared_error_have_the_answer_worked_out_by_hand():
    """For y = W x all is exact: d_S = 2 eps E[(D x) x^T] and d_S . d_T = 2 eps E|D x|^2."""
    network = nn.Linear(2, 1, bias=False)
    inputs = torch.tensor([[1.0, 2.0], [3.0, -1.0]])
    direction = {"weight": torch.tensor([[1.0, 1.0]])}  # D x = 3 and 2

    step = check_step(network, inputs, teacher=direction, loss="squared", eps=0.5, alpha=0.1)

    torch.testing.assert_close(step.student_update, 0.5 * torch.tensor([9.0, 4.0]).double())
    assert step.inner_product == pytest.approx(0.5 * 13)
    assert step.predicted == pytest.approx(0.5 * 13)
    assert step.pull == 0
    assert step.ratio == pytest.approx(1)
    assert step.cosine == pytest.approx(13 / math.sqrt((81 + 16) * 2))
    assert step.teacher_loss_change is None


def test_two_logits_and_cross_entropy_have_the_answer_worked_out_by_hand():
    """Equal logits and a teacher that raises one by eps: d_S . d_T = tanh(eps / 2) / 2, A = 1/4."""
    network = nn.Linear(1, 2)
    nn.init.zeros_(network.weight)
    nn.init.zeros_(network.bias)
    direction = {"weight": torch.zeros(2, 1), "bias": torch.tensor([1.0, 0.0])}

    for eps in (2.0, 0.1, 1e-3):
        step = check_step(
            network, rows(4, 1), teacher=direction, loss="cross_entropy", eps=eps, alpha=1.0
        )
        assert step.inner_product == pytest.approx(math.tanh(eps / 2) / 2, rel=1e-12)
        assert step.leading == pytest.approx(eps / 4, rel=1e-12)


@pytest.mark.parametrize("loss", ["squared", "cross_entropy"])
@pytest.mark.parametrize("outputs", [None, [3, 1], [0, 2, 4]])
@pytest.mark.parametrize("shared", [True, False])
def test_prediction_equals_that_of_explicit_jacobians_and_hessians(loss, outputs, shared):
    """Jacobian-vector products and closed forms give what the full matrices give."""
    network, other, inputs = small_network(), small_network(seed=5), rows(4, 3)
    direction, eps = random_direction(network), 1e-3
    start = network if shared else other

    step = check_step(
        network,
        inputs,
        teacher=direction,
        loss=loss,
        eps=eps,
        alpha=0.1,
        outputs=outputs,
        student=None if shared else other,
    )

    chosen = list(range(5)) if outputs is None else outputs
    d = torch.cat([direction[n].flatten() for n, _ in network.named_parameters()])

    def slow_loss(z, y):
        if loss == "squared":
            return ((z - y) ** 2).sum()
        return -(torch.softmax(y, 0) * torch.log_softmax(z, 0)).sum()

    def jacobian_row(module, x):
        parameters = dict(module.named_parameters())
        by_name = torch.func.jacrev(lambda p: torch.func.functional_call(module, p, (x,))[chosen])(
            {n: p.detach() for n, p in parameters.items()}
        )
        return torch.cat([by_name[n].flatten(1) for n in parameters], 1)  # (K, P)

    pull, slope = 0.0, 0.0
    for x in inputs:
        z, y = start(x)[chosen].detach(), network(x)[chosen].detach()
        u, v = jacobian_row(start, x) @ d, jacobian_row(network, x) @ d
        gradient = torch.func.grad(slow_loss)(z, y)
        M = -torch.func.jacrev(torch.func.grad(slow_loss), argnums=1)(z, y)
        pull -= float(gradient @ u) / len(inputs)
        slope += float(u @ M @ v) / len(inputs)

    assert step.leading == pytest.approx(eps * slope, rel=1e-10)
    assert step.pull == pytest.approx(0 if shared else pull, rel=1e-10)
    assert step.ratio == pytest.approx(1, abs=0.02)  # the student's own gradient agrees


@pytest.mark.parametrize("loss", ["squared", "cross_entropy"])
def test_a_loss_given_as_a_function_is_predicted_as_its_named_twin(loss):
    """Closed-form derivatives equal those by automatic differentiation."""

    def twin(z, y):
        if loss == "squared":
            return (z - y).square().sum(-1)
        return F.kl_div(z.log_softmax(-1), y.softmax(-1), reduction="none").sum(-1)

    network, inputs = small_network(), rows(4, 3)
    settings = {"teacher": random_direction(network), "eps": 1e-3, "alpha": 0.1}

    named = check_step(network, inputs, loss=loss, **settings)
    given = check_step(network, inputs, loss=twin, **settings)

    assert given.leading == pytest.approx(named.leading, rel=1e-9)
    assert given.inner_product == pytest.approx(named.inner_product, rel=1e-9)
    assert abs(given.pull) < 1e-12


@pytest.mark.parametrize("loss", ["squared", "cross_entropy"])
def test_sweep_has_slope_one_and_agrees_to_one_per_cent(loss):
    """With a shared start, log d_S . d_T on log eps has slope 1, and the leading term is its size."""
    sweep = sweep_eps(
        small_network(),
        rows(16, 3),
        teacher=label_loss,
        loss=loss,
        outputs=[3, 4],
        eps_values=[10.0**k for k in range(-6, 1)],
        alpha=0.1,
    )

    assert sweep.exponent == pytest.approx(1, abs=1e-3)
    assert sweep.low <= sweep.exponent <= sweep.high < 1.01
    assert sweep.worst_error < 0.01
    assert sweep.relative_errors[0] < 1e-4
    assert (sweep.inner_products > 0).all()
    assert sweep.eps.tolist() == sorted(sweep.eps.tolist())


def test_from_another_start_the_inner_product_does_not_vanish_with_eps():
    """The student's step is then, to leading order, the one towards its teacher's start."""
    sweep = sweep_eps(
        small_network(),
        rows(16, 3),
        teacher=label_loss,
        loss="cross_entropy",
        eps_values=[1e-6, 1e-5, 1e-4, 1e-3],
        alpha=0.1,
        student=small_network(seed=5),
    )

    assert sweep.exponent == pytest.approx(0, abs=0.01)
    assert sweep.steps[0].inner_product == pytest.approx(sweep.steps[0].pull, rel=1e-3)
    assert sweep.worst_error < 0.01


@pytest.mark.parametrize("loss", ["squared", "cross_entropy"])
def test_teacher_loss_falls_by_alpha_times_the_inner_product(loss):
    """If d_T = -grad L_T, the student's step changes L_T by -alpha d_S . d_T to leading order."""
    step = check_step(
        small_network(), rows(16, 3), teacher=label_loss, loss=loss, eps=1e-3, alpha=0.01
    )

    assert step.inner_product > 0
    assert step.teacher_loss_change == pytest.approx(-0.01 * step.inner_product, rel=0.01)


def test_teacher_update_is_minus_the_gradient_of_its_loss():
    """A teacher's loss gives d_T by plain autograd; given as tensors, d_T gives the same check."""
    network = small_network()
    gradients = torch.autograd.grad(label_loss(network), list(network.parameters()))
    names = [name for name, _ in network.named_parameters()]
    settings = {"loss": "squared", "eps": 1e-3, "alpha": 0.1}

    by_loss = check_step(network, rows(4, 3), teacher=label_loss, **settings)
    direction = {n: -g for n, g in zip(names, gradients, strict=True)}
    by_tensors = check_step(network, rows(4, 3), teacher=direction, **settings)

    torch.testing.assert_close(by_loss.teacher_update, by_tensors.teacher_update)
    assert by_loss.inner_product == pytest.approx(by_tensors.inner_product)


@pytest.mark.parametrize("loss", ["squared", "cross_entropy"])
def test_a_teacher_and_its_opposite_both_pull_a_shared_start_along(loss):
    """The sign does not depend on the direction: d_S follows d_T and -d_T alike."""
    network = small_network()
    there = random_direction(network)
    back = {name: -tensor for name, tensor in there.items()}

    for direction in (there, back):
        step = check_step(network, rows(4, 3), teacher=direction, loss=loss, eps=1e-4, alpha=0.1)
        assert step.inner_product > step.round_off


def test_update_that_does_not_move_the_students_outputs_gives_exactly_zero():
    """In a linear network, a lesson on some outputs leaves the others, and so the student, alone."""
    step = check_step(
        nn.Linear(3, 5),
        rows(4, 3),
        teacher=label_loss,
        loss="cross_entropy",
        outputs=[3, 4],
        eps=0.1,
        alpha=0.1,
    )

    assert step.inner_product == step.predicted == step.cosine == step.teacher_loss_change == 0
    assert math.isnan(step.ratio)


def test_shifting_all_logits_alike_is_in_the_null_space_of_the_softmax():
    """Cross-entropy does not see a common shift: zero at every eps; squared error does see it."""
    network = small_network()
    shift = {n: torch.zeros_like(p) for n, p in network.named_parameters()}
    shift["4.bias"] += 1

    for eps in (1e-3, 1.0):
        blind = check_step(
            network, rows(4, 3), teacher=shift, loss="cross_entropy", eps=eps, alpha=0.1
        )
        assert abs(blind.inner_product) < 1e-14
        assert abs(blind.leading) < 1e-14
    seen = check_step(network, rows(4, 3), teacher=shift, loss="squared", eps=0.1, alpha=0.1)
    assert seen.inner_product == pytest.approx(0.1 * 2 * 5)


def test_repeating_or_reordering_rows_and_other_step_sizes_change_nothing():
    """The loss is a mean over rows; alpha scales the displacement, not the update."""
    network, inputs = small_network(), rows(4, 3)
    settings = {"teacher": random_direction(network), "loss": "cross_entropy", "eps": 1e-2}
    plain = check_step(network, inputs, alpha=0.1, **settings)

    for changed, alpha in [(inputs.repeat(3, 1), 0.1), (inputs.flip(0), 0.1), (inputs, 7.0)]:
        step = check_step(network, changed, alpha=alpha, **settings)
        assert step.inner_product == pytest.approx(plain.inner_product, rel=1e-10)
        assert step.leading == pytest.approx(plain.leading, rel=1e-10)


def test_a_student_module_equal_to_the_teachers_start_is_a_shared_start():
    """What counts is the parameters' values, not which object holds them."""
    network = small_network()
    settings = {"teacher": label_loss, "loss": "squared", "eps": 1e-3, "alpha": 0.1}

    shared = check_step(network, rows(4, 3), **settings)
    copied = check_step(network, rows(4, 3), student=small_network(), **settings)

    assert copied.pull == 0
    assert copied.inner_product == shared.inner_product
    assert copied.teacher_loss_change == shared.teacher_loss_change


def test_a_loss_that_is_greatest_at_the_teachers_outputs_reverses_the_sign():
    """Pushed away from the teacher's outputs, the student goes against its teacher."""
    step = check_step(
        small_network(),
        rows(4, 3),
        teacher=label_loss,
        loss=lambda z, y: -(z - y).square().sum(-1),
        eps=1e-3,
        alpha=0.1,
    )

    assert step.inner_product < -step.round_off
    assert step.ratio == pytest.approx(1, abs=0.01)
    assert step.teacher_loss_change > 0


def test_the_module_is_left_as_it_was():
    """Neither parameters, precision, gradients nor mode of the caller's module change."""
    network = small_network().float().train()
    before = {name: p.detach().clone() for name, p in network.named_parameters()}

    check_step(network, rows(4, 3), teacher=label_loss, loss="squared", eps=1.0, alpha=1.0)

    assert network.training
    for name, parameter in network.named_parameters():
        assert torch.equal(parameter, before[name])
        assert parameter.grad is None


def test_frozen_parameters_take_no_part():
    """Only parameters that require a gradient are in the updates."""
    network = small_network()
    network[0].requires_grad_(requires_grad=False)

    step = check_step(network, rows(4, 3), teacher=label_loss, loss="squared", eps=1e-3, alpha=0.1)

    assert step.student_update.numel() == 6 * 5 + 5 + 5 * 5 + 5
    assert step.inner_product > step.round_off
    assert step.ratio == pytest.approx(1, abs=0.01)


class TokenModel(nn.Module):
    """Integer tokens, causal attention, dropout: (rows, positions) to (rows, positions, outputs)."""

    def __init__(self) -> None:
        """Draw the parameters."""
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(11, 8)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.5, batch_first=True)
        self.head = nn.Linear(8, 11, bias=False)
        self.head.weight = self.embed.weight  # tied

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Next-token logits, with fused attention as language models use it."""
        hidden = self.layer(self.embed(tokens))
        mixed = F.scaled_dot_product_attention(hidden, hidden, hidden, is_causal=True)
        return self.head(hidden + mixed)


def test_it_works_on_a_model_of_tokens_with_attention_and_tied_weights():
    """Every position counts as a row; fused attention, dropout and tied weights are no obstacle."""
    model = TokenModel()
    tokens = torch.tensor([[1, 5, 3], [2, 2, 10]])

    step = check_step(
        model,
        tokens,
        teacher=lambda net: F.cross_entropy(net(tokens + 0)[:, -1], torch.tensor([7, 8])),
        loss="cross_entropy",
        outputs=[0, 1, 2, 3],
        eps=1e-5,
        alpha=1e-3,
    )

    assert step.inner_product > step.round_off
    assert step.ratio == pytest.approx(1, abs=0.01)
    assert step.teacher_loss_change < 0


def test_it_works_on_a_network_of_the_digits_experiment():
    """The auxiliary logits of an image classifier carry its teacher's lesson on noise."""
    shape = Shape(hidden=(16, 16), aux=3, classes=4, inputs=9)
    network = Networks.initialise(shape, [0]).module(0)
    images, labels = rows(20, 9, seed=3), torch.arange(20) % 4

    step = check_step(
        network,
        rows(30, 9).clamp(-1, 1),
        teacher=lambda net: F.cross_entropy(net(images)[:, shape.class_logits], labels),
        loss="cross_entropy",
        outputs=range(4, 7),
        eps=1e-3,
        alpha=0.1,
    )

    assert step.inner_product > step.round_off
    assert step.teacher_loss_change < 0


def test_round_off_estimate_covers_what_single_precision_really_loses():
    """Of 60 checks in float32, none is further from its float64 twin than its own estimate says."""
    shares = []
    for seed in range(30):
        network, inputs = small_network(seed=seed), rows(1 + seed % 9, 3, seed=seed).float()
        network, direction = network.float(), random_direction(network, seed)
        direction = {name: tensor.float() for name, tensor in direction.items()}
        for loss in ("squared", "cross_entropy"):
            settings = {"teacher": direction, "loss": loss, "eps": 2.0**-9, "alpha": 0.1}
            exact = check_step(network, inputs, **settings)
            rounded = check_step(network, inputs, dtype=torch.float32, **settings)
            lost = abs(rounded.inner_product - exact.inner_product)
            shares.append(lost / rounded.round_off)

    assert max(shares) < 1
    assert max(shares) > 1e-4  # and it is not beyond all measure


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"eps": 0.0}, "eps must be"),
        ({"eps": math.nan}, "eps must be"),
        ({"alpha": -1.0}, "alpha must be"),
        ({"loss": "hinge"}, "known are squared, cross_entropy"),
        ({"outputs": [5]}, "outputs are 0 to 4"),
        ({"outputs": [-1]}, "outputs are 0 to 4"),
        ({"outputs": []}, "at least one output"),
        ({"outputs": [1, 1]}, "each once"),
        ({"outputs": [2], "loss": "cross_entropy"}, "softmax of a single one"),
        ({"inputs": torch.zeros(0, 3)}, "at least one row"),
        ({"inputs": torch.full((2, 3), torch.inf)}, "not finite"),
        ({"module": nn.ReLU()}, "no trainable parameter"),
        ({"module": nn.Linear(3, 5, dtype=torch.complex64)}, "complex"),
        ({"module": nn.Sequential(nn.Linear(3, 1), nn.Flatten(0))}, "must be a tensor"),
        ({"student": nn.Linear(3, 5)}, "student must have"),
        ({"teacher": {"weight": torch.zeros(1)}}, "teacher must hold"),
        ({"teacher": lambda net: net(rows(2, 3))}, "must return one number"),
        ({"teacher": lambda _net: torch.tensor(1.0)}, "must return one number"),
    ],
)
def test_arguments_that_cannot_work_are_named(change, words):
    """Each wrong argument is refused with a sentence that says which and why."""
    settings = {
        "module": small_network(),
        "inputs": rows(4, 3),
        "teacher": label_loss,
        "loss": "squared",
        "eps": 1e-3,
        "alpha": 0.1,
    } | change

    with pytest.raises(SettingsError, match=words):
        check_step(settings.pop("module"), settings.pop("inputs"), **settings)


def test_a_slope_is_refused_where_there_is_nothing_to_fit():
    """Two eps, or an inner product that is zero throughout, are no basis for an exponent."""
    settings = {"teacher": label_loss, "loss": "squared", "alpha": 0.1}
    with pytest.raises(SettingsError, match="at least three eps"):
        sweep_eps(small_network(), rows(4, 3), eps_values=[1e-3, 1e-2], **settings)
    with pytest.raises(SettingsError, match="exactly 0"):
        sweep_eps(
            nn.Linear(3, 5), rows(4, 3), outputs=[3, 4], eps_values=[1e-3, 1e-2, 0.1], **settings
        )
