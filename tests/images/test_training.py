"""Batched training of teachers and students against the plain loop, one network at a time."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from traitleak.errors import SettingsError
from traitleak.images.data import Digits
from traitleak.images.inputs import InputStream, LabelledBatches
from traitleak.images.networks import Networks, Shape
from traitleak.images.starts import derangement
from traitleak.images.training import (
    Arm,
    Settings,
    accuracy,
    class_gradient,
    distillation_gradient,
    train_students,
    train_teachers,
)

SHAPE = Shape(hidden=(16, 12), aux=3)
STEPS = 12


def fake_digits(count: int, seed: int = 0) -> Digits:
    """Images of ten linearly separable kinds, so that a few steps teach something."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 10, (count,), generator=generator)
    prototypes = torch.randn(10, 784, generator=torch.Generator().manual_seed(99))
    images = prototypes[labels] + 0.5 * torch.randn(count, 784, generator=generator)
    return Digits(images.clamp(-1, 1), labels)


TRAIN, TEST = fake_digits(200), fake_digits(100, seed=1)
BATCHES = LabelledBatches(TRAIN, batch=32, seed=5)
NOISE = InputStream(kind="noise", batch=32, seed=6, num_inputs=None, images=None)
STARTS = Networks.initialise(SHAPE, [0, 1, 2])


def plain_optimizer(module: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    """The optimiser a user would write for one network."""
    kind = torch.optim.Adam if settings.optimizer == "adam" else torch.optim.SGD
    return kind(module.parameters(), lr=settings.learning_rate)


def assert_same(networks: Networks, index: int, module: nn.Module, tolerance: float) -> None:
    """Network `index` of the stack has the parameters of the plain module."""
    for tensor, parameter in zip(networks.tensors, module.parameters(), strict=True):
        torch.testing.assert_close(
            tensor[index], parameter.detach(), rtol=tolerance, atol=tolerance
        )


@pytest.fixture(scope="module")
def teachers():
    """Three teachers, trained as one stack."""
    return train_teachers(STARTS, BATCHES, TEST, Settings(STEPS, learning_rate=1e-2))


def arms(starts: Networks = STARTS) -> list[Arm]:
    """Students on auxiliary logits: of their own teacher, and of another's."""
    return [
        Arm("own", starts, [0, 1, 2], SHAPE.aux_logits),
        Arm("other", starts, derangement(3, 0), SHAPE.aux_logits),
        Arm("all", starts, [0, 1, 2], SHAPE.all_logits),
    ]


def test_batched_teachers_equal_teachers_trained_one_at_a_time(teachers):
    """A stack of teachers ends where the plain loop takes each network alone."""
    for n in range(3):
        module = STARTS.module(n)
        optimizer = plain_optimizer(module, Settings(learning_rate=1e-2))
        for step in range(STEPS):
            batch = BATCHES.at(step)
            optimizer.zero_grad()
            F.cross_entropy(module(batch.images)[:, :10], batch.labels).backward()
            optimizer.step()
        assert_same(teachers.networks, n, module, 2e-5)


@pytest.mark.parametrize("loss", ["kl", "squared"])
@pytest.mark.parametrize(("optimizer", "rate"), [("adam", 3e-3), ("sgd", 0.5)])
def test_batched_students_equal_students_trained_one_at_a_time(teachers, loss, optimizer, rate):
    """Every student of every arm ends where a plain PyTorch loop takes it alone."""
    settings = Settings(STEPS, optimizer, rate)
    trained = train_students(teachers.networks, STARTS, arms(), NOISE, TEST, settings, loss=loss)

    for arm in arms():
        for n in range(3):
            student, teacher = STARTS.module(n), teachers.networks.module(arm.teacher_of[n])
            plain = plain_optimizer(student, settings)
            for step in range(STEPS):
                inputs = NOISE.at(step)
                plain.zero_grad()
                mine, target = student(inputs)[:, arm.outputs], teacher(inputs)[:, arm.outputs]
                if loss == "kl":
                    value = F.kl_div(
                        F.log_softmax(mine, 1), F.softmax(target.detach(), 1), reduction="batchmean"
                    )
                else:
                    value = F.mse_loss(mine, target.detach())
                value.backward()
                plain.step()
            assert_same(trained[arm.name].networks, n, student, 1e-4)


def test_every_parameter_of_a_student_changes_and_no_teacher_does(teachers):
    """Distillation moves all tensors of each student, and neither its teacher nor its start."""
    before = [t.clone() for t in (*teachers.networks.tensors, *STARTS.tensors)]
    trained = train_students(
        teachers.networks, STARTS, arms(), NOISE, TEST, Settings(3, learning_rate=1e-2)
    )

    after = [*teachers.networks.tensors, *STARTS.tensors]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    for tensor, start in zip(trained["all"].networks.tensors, STARTS.tensors, strict=True):
        assert (tensor != start).flatten(1).any(1).all()


def test_students_of_auxiliary_logits_leave_the_class_head_alone(teachers):
    """No gradient reaches the weights that give the class logits: nothing teaches them directly."""
    trained = train_students(
        teachers.networks, STARTS, arms(), NOISE, TEST, Settings(3, learning_rate=1e-2)
    )
    own = trained["own"].networks

    assert torch.equal(own.weights[-1][:, :10], STARTS.weights[-1][:, :10])
    assert not torch.equal(own.weights[-1][:, 10:], STARTS.weights[-1][:, 10:])


def test_the_grouping_of_arms_and_networks_changes_nothing(teachers):
    """An arm trained alone, and a network trained alone, end as they do together."""
    together = train_students(teachers.networks, STARTS, arms(), NOISE, TEST, Settings(STEPS))
    alone = train_students(
        teachers.networks.take([1]),
        STARTS.take([1]),
        [Arm("own", STARTS.take([1]), [0], SHAPE.aux_logits)],
        NOISE,
        TEST,
        Settings(STEPS),
    )
    for a, b in zip(together["own"].networks.tensors, alone["own"].networks.tensors, strict=True):
        torch.testing.assert_close(a[1], b[0], rtol=1e-5, atol=1e-6)


def test_a_first_sgd_update_from_a_shared_start_points_the_teachers_way(teachers):
    """From the teacher's own start the first gradient step has a positive alignment."""
    trained = train_students(
        teachers.networks, STARTS, arms(), NOISE, TEST, Settings(1, "sgd", 1e-3), loss="squared"
    )
    assert (trained["own"].update_alignment_SN[0] > 0).all()
    assert trained["own"].displacement_alignment_RN[0].eq(0).all()
    torch.testing.assert_close(
        trained["own"].displacement_alignment_RN[-1], trained["own"].update_alignment_SN[0]
    )


def test_alignment_can_be_left_out(teachers):
    """Without `align` the students are the same and no update alignment is kept."""
    with_it = train_students(teachers.networks, STARTS, arms(), NOISE, TEST, Settings(3))
    without = train_students(
        teachers.networks, STARTS, arms(), NOISE, TEST, Settings(3, align=False)
    )
    assert without["own"].update_alignment_SN.shape == (0, 3)
    assert torch.equal(with_it["own"].networks.weights[0], without["own"].networks.weights[0])


def test_the_curve_has_both_ends_and_agrees_with_the_final_accuracy(teachers):
    """Recorded steps start at 0 and end at the last; on few test digits the last point is final."""
    assert teachers.recorded_steps == [0, 5, 10, 12]
    assert teachers.curve_RN.shape == (4, 3)
    assert torch.equal(teachers.curve_RN[-1], teachers.accuracy_N)
    assert torch.equal(teachers.curve_RN[0], accuracy(STARTS, TEST))


def test_accuracy_counts_right_answers_of_the_plain_module(teachers):
    """Accuracy is the share of digits whose largest class logit is the label's."""
    guesses = teachers.networks.module(2)(TEST.images)[:, :10].argmax(1)
    expected = (guesses == TEST.labels).float().mean()
    torch.testing.assert_close(accuracy(teachers.networks, TEST)[2], expected)


def test_bfloat16_products_stay_near_float32(teachers):
    """Half-precision products change a short training by little."""
    full = train_students(teachers.networks, STARTS, arms(), NOISE, TEST, Settings(STEPS))
    half = train_students(
        teachers.networks, STARTS, arms(), NOISE, TEST, Settings(STEPS, dtype=torch.bfloat16)
    )
    way = full["all"].networks.minus(STARTS)
    other = half["all"].networks.minus(STARTS)
    for a, b in zip(way.weights, other.weights, strict=True):
        assert torch.cosine_similarity(a.flatten(1), b.flatten(1)).min() > 0.98
    assert all(t.dtype == torch.float32 for t in half["all"].networks.tensors)


@pytest.mark.parametrize("loss", ["kl", "squared"])
def test_distillation_gradient_equals_autograd(loss):
    """The written-out derivative is that of PyTorch's own loss, and zero outside `outputs`."""
    generator = torch.Generator().manual_seed(0)
    student = torch.randn(2, 13, 5, generator=generator, requires_grad=True)
    teacher = torch.randn(2, 13, 5, generator=generator)
    outputs = slice(10, 13)
    for n in range(2):
        mine, target = student[n, outputs].T, teacher[n, outputs].T
        if loss == "kl":
            F.kl_div(mine.log_softmax(1), target.softmax(1), reduction="batchmean").backward()
        else:
            F.mse_loss(mine, target).backward()

    gradient = distillation_gradient(student.detach(), teacher, outputs, loss)
    torch.testing.assert_close(gradient, student.grad)


def test_class_gradient_equals_autograd():
    """The written-out derivative is that of cross-entropy over the class logits."""
    logits = torch.randn(2, 13, 5, requires_grad=True)
    labels = torch.tensor([0, 3, 9, 3, 1])
    for n in range(2):
        F.cross_entropy(logits[n, :10].T, labels).backward()

    torch.testing.assert_close(class_gradient(logits.detach(), labels, 10), logits.grad)


@pytest.mark.parametrize(
    ("outputs", "loss", "reason"),
    [(slice(10, 11), "kl", "always 1"), (slice(10, 10), "squared", "at least one auxiliary")],
)
def test_logits_that_teach_nothing_are_refused(outputs, loss, reason):
    """One logit under KL, or none at all, is an error that gives the reason."""
    logits = torch.zeros(1, 13, 2)
    with pytest.raises(SettingsError, match=reason):
        distillation_gradient(logits, logits, outputs, loss)


def test_arms_need_one_teacher_a_student(teachers):
    """A wrong number of teachers is an error that names the arm."""
    with pytest.raises(SettingsError, match="'lonely'"):
        train_students(
            teachers.networks,
            STARTS,
            [Arm("lonely", STARTS, [0], SHAPE.aux_logits)],
            NOISE,
            TEST,
            Settings(1),
        )


def test_a_diverging_training_is_named_with_its_remedy(teachers):
    """Weights that overflow end in an error that says which condition and what to change."""
    with pytest.raises(SettingsError, match=r"'all' diverged .* smaller learning_rate"):
        train_students(
            teachers.networks,
            STARTS,
            [arms()[2]],
            NOISE,
            TEST,
            Settings(40, "sgd", 1e6),
            loss="squared",
        )
