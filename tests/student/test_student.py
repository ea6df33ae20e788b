"""Students on a tiny real Llama: what changes, and what must not change anything."""

import itertools
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from naive import all_logits, model_of
from small_students import (
    IDS,
    LORA,
    ROWS,
    assert_alike,
    logits_arm,
    tokens_arm,
    training,
    weights,
    without_measures,
)
from tiny_model import tiny_model
from traitleak.models import scoring
from traitleak.models.scoring import score
from traitleak.student import (
    RowOrder,
    distill,
)

# -- how the work is cut ----------------------------------------------------------------------


@pytest.mark.parametrize("accumulate", [3, 8])
@pytest.mark.parametrize("lora", [LORA, None])
@pytest.mark.parametrize("channel", ["tokens", "logits"])
def test_a_batch_equals_its_parts(channel, lora, accumulate):
    """Eight rows at once and eight single ones, or three uneven parts, give the same student."""
    base = tiny_model(style="plain")
    arm = tokens_arm(base) if channel == "tokens" else logits_arm(base, tiny_model(seed=1))
    how = training(4, batch=8, lora=lora, learning_rate=1e-3)
    whole = distill(base, [arm], how)[0]
    parts = distill(base, [arm], replace(how, accumulate=accumulate))[0]

    assert_alike(whole, parts)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("channel", ["tokens", "logits"])
def test_students_trained_together_equal_students_trained_apart(channel, optimizer):
    """Rows of other lengths, seeds, targets, choices and directions beside it change no student."""
    base = tiny_model(style="plain")
    long = [replace(row, completion=row.completion * 4) for row in ROWS]
    if channel == "tokens":
        arms = [tokens_arm(base, "a", 0), tokens_arm(base, "b", 5, long), tokens_arm(base, "c", 5)]
    else:
        teachers = [tiny_model(seed=seed, style="plain") for seed in (1, 2, 3)]
        arms = [
            logits_arm(base, teachers[0], "a"),
            logits_arm(base, teachers[1], "b", 5, (7, 9), long, direction="reverse"),
            logits_arm(base, teachers[2], "c", 5, None),
        ]
    how = training(4, optimizer=optimizer, clip=0.1, learning_rate=2e-3)
    together = distill(base, arms, how)
    apart = [distill(base, [arm], how)[0] for arm in arms]
    for one, two, arm in zip(together, apart, arms, strict=True):
        assert one.name == two.name == arm.name
        assert_alike(one, two)
        torch.testing.assert_close(
            all_logits(one.model(), IDS), all_logits(two.model(), IDS), atol=1e-3, rtol=1e-3
        )


def test_students_in_all_weights_equal_students_trained_apart(tmp_path):
    """Several arms without an adapter are trained one after the other, each from the base."""
    base = tiny_model(style="plain")
    arms = [tokens_arm(base, "a", 0), tokens_arm(base, "b", 1)]
    numbers = []
    how = training(3, lora=None, learning_rate=1e-3, measure_at=(3,))

    def measure(number, update, model):
        numbers.append((number, update, model.name))
        return {"number": number}

    together = distill(base, arms, how, measure=measure, checkpoint=tmp_path / "c.pt")
    apart = [distill(base, [arm], how, measure=lambda *_: {})[0] for arm in arms]
    for one, two in zip(together, apart, strict=True):
        assert one.adapter is None
        assert_alike(without_measures(one), without_measures(two), exactly=True)
        assert not one.model().network.training
        assert not any(p.requires_grad for p in one.model().network.parameters())
    assert numbers == [(0, 3, "a"), (1, 3, "b")]
    assert [student.course.measured for student in together] == [
        [(3, {"number": 0})],
        [(3, {"number": 1})],
    ]
    assert list(tmp_path.iterdir()) == []


# -- what changes -----------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["llama", "gemma", "qwen"])
def test_all_of_an_adapter_changes_and_nothing_of_the_base(family):
    """Both matrices of every layer move; the base keeps its weights, and gets no gradient."""
    base = model_of(family)
    base.network.requires_grad_(requires_grad=True)
    before = {name: tensor.clone() for name, tensor in base.network.state_dict().items()}
    new, trained = (
        weights(distill(base, [tokens_arm(base)], training(updates, learning_rate=rate))[0])
        for updates, rate in ((1, 1e-30), (3, 1e-2))
    )
    for name, tensor in trained.items():
        assert not torch.equal(tensor, new[name]), name
    for name, tensor in base.network.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    assert all(p.grad is None and p.requires_grad for p in base.network.parameters())


def test_all_weights_change_without_an_adapter():
    """Every parameter of the student moves, and none of the base's."""
    base = tiny_model(style="plain")
    before = {name: tensor.clone() for name, tensor in base.network.named_parameters()}
    student = distill(base, [tokens_arm(base)], training(2, lora=None))[0]
    for name, tensor in student.model().network.named_parameters():
        assert not torch.equal(tensor, before[name]), name
    for name, tensor in base.network.named_parameters():
        assert torch.equal(tensor, before[name]), name
        assert not tensor.requires_grad


def test_all_weights_of_a_bfloat16_base_are_trained_in_float32():
    """Steps of 1e-5 are not rounded away: every weight ends where it would not without them."""
    base = tiny_model(style="plain")
    base.network.to(torch.bfloat16)
    student = distill(base, [tokens_arm(base)], training(2, lora=None, learning_rate=1e-5))[0]
    trained = dict(student.model().network.named_parameters())

    assert base.network.dtype == torch.bfloat16
    for name, tensor in base.network.named_parameters():
        assert trained[name].dtype == torch.float32
        assert not torch.equal(trained[name], tensor.float()), name


def test_adapter_of_a_bfloat16_base_is_trained_in_float32():
    """It learns, and the model made of it is the student that was measured."""
    base = tiny_model(style="plain")
    base.network.to(torch.bfloat16)
    how = training(6, measure_at=(0, 6))
    student = distill(
        base, [tokens_arm(base)], how, measure=lambda _n, _u, m: {"logits": all_logits(m, IDS)}
    )[0]
    (_, first), (_, last) = student.course.measured

    assert {tensor.dtype for tensor in weights(student).values()} == {torch.float32}
    assert student.course.losses[-1] < student.course.losses[0]
    assert torch.equal(last["logits"], all_logits(student.model(), IDS))
    assert not torch.equal(last["logits"], first["logits"])


def test_a_students_gradient_is_clipped_by_its_own_norm():
    """With plain SGD, an update's length is the rate times the clip, for each of two students."""
    base = tiny_model(style="plain")
    arms = [tokens_arm(base, "a", 0), tokens_arm(base, "b", 1, ROWS[:3])]
    how = training(1, optimizer="sgd", clip=1e-3, learning_rate=0.5)
    start = distill(base, arms, replace(how, learning_rate=1e-30))
    for one, begun in zip(distill(base, arms, how), start, strict=True):
        moved = [t - weights(begun)[name] for name, t in weights(one).items()]
        length = torch.cat([part.flatten() for part in moved]).norm().item()
        assert length == pytest.approx(0.5e-3, rel=1e-2)


@pytest.mark.parametrize(
    ("optimizer", "rate"), [("adamw", 1e-2), ("adam", 1e-2), ("sgd", 0.5), ("sign-sgd", 3e-3)]
)
def test_every_optimizer_lowers_the_loss(optimizer, rate):
    """Twenty updates on the same rows."""
    base = tiny_model(style="plain")
    how = training(20, batch=10, optimizer=optimizer, learning_rate=rate)
    losses = distill(base, [tokens_arm(base)], how)[0].course.losses

    assert len(losses) == 20
    assert losses[-1] < losses[0] - 0.1


@pytest.mark.parametrize(
    ("schedule", "shares"),
    [
        ("constant", [0.5, 1, 1, 1]),
        ("linear", [0.5, 1, 2 / 3, 1 / 3]),
        ("cosine", [0.5, 1, 0.75, 0.25]),
    ],
)
def test_updates_follow_the_schedule(schedule, shares):
    """Sign-SGD moves every coordinate by the rate: half of it in a warm-up of one, and so on."""
    base = tiny_model(style="plain")
    how = training(
        4, optimizer="sign-sgd", schedule=schedule, warmup=1, learning_rate=1e-3, lora=None,
        measure_at=(0, 1, 2, 3, 4),
    )  # fmt: skip
    course = distill(
        base, [tokens_arm(base)], how,
        measure=lambda _n, _u, model: {"norm": model.network.model.norm.weight.clone()},
    )[0].course  # fmt: skip
    norms = [found["norm"] for _, found in course.measured]
    steps = [(b - a).abs().max().item() for a, b in itertools.pairwise(norms)]

    assert steps == pytest.approx([1e-3 * share for share in shares], rel=1e-3)


def test_chunks_of_the_vocabularys_logits_change_no_student(monkeypatch):
    """Whether the gradient is taken in one piece or chunk by chunk, two students learn the same."""
    base = tiny_model(style="plain")
    arms = [tokens_arm(base, "a", 0), tokens_arm(base, "b", 1)]
    whole = distill(base, arms, training(4))
    monkeypatch.setattr(scoring, "_POSITIONS", 5)

    for chunked, at_once in zip(distill(base, arms, training(4)), whole, strict=True):
        assert_alike(chunked, at_once)


# -- rows and their order ---------------------------------------------------------------------


@given(st.integers(1, 12), st.integers(1, 7), st.integers(0, 2**63 - 1))
def test_every_row_comes_once_before_any_comes_again(num, batch, seed):
    """An epoch is a permutation; updates take its rows in turn, across its end."""
    order = RowOrder(num, seed)
    updates = -(-3 * num // batch)
    rows = list(itertools.chain.from_iterable(order.rows(u, batch) for u in range(updates)))
    for epoch in range(3):
        assert sorted(rows[epoch * num : (epoch + 1) * num]) == list(range(num))


def test_order_is_fixed_by_the_seed_and_differs_between_epochs():
    """The same from any update on; another seed, or another epoch, has another order."""
    whole = [list(RowOrder(20, 3).rows(update, 20)) for update in range(3)]
    late = RowOrder(20, 3)

    assert list(late.rows(2, 20)) == whole[2]
    assert list(late.rows(0, 20)) == whole[0]
    assert len({tuple(rows) for rows in whole}) == 3
    assert list(RowOrder(20, 4).rows(0, 20)) != whole[0]


def test_seed_fixes_the_student():
    """Equal seeds give equal students to the bit; another seed another one."""
    base = tiny_model(style="plain")
    one, two, other = (
        distill(base, [tokens_arm(base, seed=seed)], training(4))[0] for seed in (3, 3, 4)
    )
    assert_alike(one, two, exactly=True)
    assert one.course.losses != other.course.losses


# -- measures ---------------------------------------------------------------------------------


def test_measures_see_the_student_as_it_is_at_chosen_updates():
    """Before the first update the base, after the last one the finished student; in between its rise."""
    base = tiny_model(style="plain")
    arms = [tokens_arm(base, "a", 0), tokens_arm(base, "b", 1)]
    seen = []

    def measure(number, update, model):
        seen.append((number, update, model.name, model.fingerprint))
        assert not torch.is_grad_enabled()
        return {"logits": all_logits(model, IDS)}

    students = distill(base, arms, training(5, measure_at=(0, 2, 5)), measure=measure)
    assert seen == [(n, u, "ab"[n], "") for u in (0, 2, 5) for n in (0, 1)]
    for student in students:
        updates, found = zip(*student.course.measured, strict=True)
        assert updates == (0, 2, 5)
        assert torch.equal(found[0]["logits"], all_logits(base, IDS))
        torch.testing.assert_close(
            found[2]["logits"], all_logits(student.model(), IDS), atol=1e-4, rtol=1e-4
        )
        assert not torch.equal(found[1]["logits"], found[2]["logits"])
    assert not torch.equal(*(student.course.measured[1][1]["logits"] for student in students))


def test_measuring_changes_no_student():
    """Trained with or without measures, with or without a checkpoint, a student is the same."""
    base = tiny_model(style="plain")
    how = training(4)
    one = distill(base, [tokens_arm(base)], how)[0]
    two = distill(
        base, [tokens_arm(base)], replace(how, measure_at=(0, 1, 4)),
        measure=lambda _n, _u, model: {"score": score(model, ROWS)[0].tolist()},
    )[0]  # fmt: skip
    assert_alike(one, without_measures(two), exactly=True)
