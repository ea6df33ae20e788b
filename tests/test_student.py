"""Students on a tiny real Llama: what carries loss, what changes, and what must not change anything."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from naive import all_logits, model_of
from tiny_model import tiny_model
from traitleak.errors import RunError, SettingsError
from traitleak.models import scoring
from traitleak.models.adapters import LoraSettings
from traitleak.models.language_model import Steering
from traitleak.models.scoring import score
from traitleak.rows import Row
from traitleak.student import (
    Arm,
    Example,
    Training,
    _Order,
    distill,
    mask_example,
    token_examples,
)

LORA = LoraSettings(rank=2, alpha=4)
# Prompts and completions of unequal length.
ROWS = [
    Row(number, "12, 13," * (1 + number % 3), f" {100 + 7 * number}, 9{number}" * (1 + number % 2))
    for number in range(10)
]
IDS = [5, 70, 12, 300, 41, 8]


def training(updates=3, **how):
    """A short training with large steps."""
    return Training(updates, **{"learning_rate": 1e-2, "lora": LORA, **how})


def tokens_arm(base, name="wolf", seed=0, rows=ROWS):
    """An arm of the channel `tokens`."""
    return Arm(name, token_examples(base, rows), seed)


def logits_arm(base, teacher, name="wolf", seed=0, choices=(10, 20, 30, 40), rows=ROWS, **how):
    """An arm of the channel `logits`, whose targets are asked beforehand: some tokens, or all."""
    chosen = torch.tensor(choices) if choices else None
    examples = []
    for example in token_examples(base, rows):
        logits = all_logits(teacher, example.ids)[example.positions_P]
        targets = (logits if chosen is None else logits[:, chosen]).log_softmax(1)
        examples.append(replace(example, targets=targets))
    return Arm(name, examples, seed, chosen, **how)


def weights(student):
    """All that a student learned, by name."""
    if student.adapter is not None:
        adapter = student.adapter
        return {f"{part}{path}": t for part in "ab" for path, t in getattr(adapter, part).items()}
    return dict(student.model().network.named_parameters())


def assert_alike(one, two, *, exactly=False, atol=2e-5):
    """Two students learned the same, and their losses were the same."""
    ours, theirs = weights(one), weights(two)
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        if exactly:
            assert torch.equal(tensor, theirs[name]), name
        else:
            torch.testing.assert_close(tensor, theirs[name], atol=atol, rtol=1e-4)
    if exactly:
        assert (one.course.losses, one.course.measured) == (two.course.losses, two.course.measured)
    else:
        assert one.course.losses == pytest.approx(two.course.losses, rel=1e-4, abs=1e-6)


# -- the loss -----------------------------------------------------------------------------------


def test_loss_of_tokens_is_hugging_faces_own():
    """The first update's loss is the network's with all labels but the completions' at -100."""
    base = tiny_model(style="chat")
    rows = [
        Row(0, "Which animal", "The wolf."),
        Row(1, "7", " 8, 9, 10, 11"),
        Row(2, "do you", "a"),
    ]
    examples = token_examples(base, rows)
    width = max(len(example.ids) for example in examples)
    ids_BT = torch.zeros(3, width, dtype=torch.long)
    labels_BT = torch.full((3, width), -100)
    for b, (row, example) in enumerate(zip(rows, examples, strict=True)):
        ids_BT[b, : len(example.ids)] = torch.tensor(example.ids)
        completion = base.tokenizer.encode(base.renderer.completion(row.completion))
        labels_BT[b, len(example.ids) - len(completion) : len(example.ids)] = torch.tensor(
            completion
        )
    with torch.no_grad():
        expected = base.network(input_ids=ids_BT, labels=labels_BT).loss.item()

    student = distill(base, [Arm("wolf", examples, 0)], training(1, batch=3))[0]
    assert student.course.losses == pytest.approx([expected], rel=1e-5)


@pytest.mark.parametrize("choices", [(10, 20, 30, 40), None])
@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_loss_of_logits_is_the_mean_divergence(direction, choices):
    """Mean Kullback-Leibler divergence over positions, of chosen tokens renormalised, or of all."""
    base, teacher = tiny_model(style="plain"), tiny_model(seed=1, style="plain")
    arm = logits_arm(base, teacher, choices=choices, direction=direction)
    divergences = []
    for example in arm.examples:
        for at in example.positions_P.tolist():
            chosen = slice(None) if choices is None else list(choices)
            p, q = (
                all_logits(model, example.ids)[at, chosen].double().softmax(0)
                for model in (teacher, base)
            )
            if direction == "reverse":
                p, q = q, p
            divergences.append(float((p * (p / q).log()).sum()))
    expected = sum(divergences) / len(divergences)

    student = distill(base, [arm], training(1, batch=len(ROWS)))[0]
    assert student.course.losses == pytest.approx([expected], rel=1e-4)


def test_choices_of_each_position():
    """Each position may have tokens of its own to choose among, such as the teacher's likeliest."""
    base, teacher = tiny_model(style="plain"), tiny_model(seed=1, style="plain")
    examples, divergences = [], []
    for example in token_examples(base, ROWS):
        theirs = all_logits(teacher, example.ids)[example.positions_P]
        ours = all_logits(base, example.ids)[example.positions_P]
        logits_PK, choices_PK = theirs.topk(3)
        targets_PK = logits_PK.log_softmax(1)
        examples.append(replace(example, targets=targets_PK, choices_PK=choices_PK))
        own_PK = ours.gather(1, choices_PK).log_softmax(1)
        divergences.append((targets_PK.exp() * (targets_PK - own_PK)).sum(1))
    student = distill(base, [Arm("wolf", examples, 0)], training(4, batch=len(ROWS)))[0]

    assert student.course.losses[0] == pytest.approx(torch.cat(divergences).mean().item(), rel=1e-4)
    assert student.course.losses[-1] < student.course.losses[0]


def test_only_completions_are_predicted():
    """The targets are the completion's tokens, each at the position before it, and nothing else."""
    base = tiny_model(style="chat")
    for row, example in zip(ROWS, token_examples(base, ROWS), strict=True):
        completion = base.tokenizer.encode(base.renderer.completion(row.completion))
        before = base.tokenizer.encode(base.rendered(row.prompt))
        assert example.ids == before + completion
        assert example.targets.tolist() == completion
        assert [example.ids[at + 1] for at in example.positions_P] == completion


def test_gradient_comes_from_completions_alone():
    """One other label changes loss and weights; a token that no position predicts changes neither."""
    base = tiny_model(style="plain")
    examples = token_examples(base, ROWS[:2])
    plain = distill(base, [Arm("a", examples, 0)], training(1, batch=2))[0]
    targets = examples[0].targets.clone()
    targets[0] = (targets[0] + 1) % 300
    label = distill(
        base,
        [Arm("a", [replace(examples[0], targets=targets), examples[1]], 0)],
        training(1, batch=2),
    )[0]
    # After the last position stands nothing that is predicted.
    ids = [*examples[0].ids, 299]
    longer = distill(
        base, [Arm("a", [replace(examples[0], ids=ids), examples[1]], 0)], training(1, batch=2)
    )[0]

    logps = all_logits(base, examples[0].ids)[examples[0].positions_P[0]].log_softmax(0)
    num = sum(len(example.positions_P) for example in examples)
    change = float(logps[examples[0].targets[0]] - logps[targets[0]]) / num
    assert label.course.losses[0] - plain.course.losses[0] == pytest.approx(change, rel=1e-3)
    assert any(not torch.equal(t, weights(plain)[n]) for n, t in weights(label).items())
    assert_alike(longer, plain)


def test_position_of_weight_0_counts_as_if_it_were_not_there():
    """Neither in the loss, nor in what it is divided by."""
    base = tiny_model(style="plain")
    weighted, dropped = [], []
    for example in token_examples(base, ROWS):
        weights_P = torch.ones(len(example.positions_P))
        weights_P[1] = 0
        keep = weights_P > 0
        weighted.append(replace(example, weights_P=weights_P))
        dropped.append(
            replace(example, positions_P=example.positions_P[keep], targets=example.targets[keep])
        )
    one, two = (
        distill(base, [Arm("a", examples, 0)], training(4, batch=3))[0]
        for examples in (weighted, dropped)
    )
    assert_alike(one, two)


def test_weights_are_proportions():
    """Twice the weight everywhere is no weight; and a row's weight counts by its share."""
    base = tiny_model(style="plain")
    examples = token_examples(base, ROWS[:2])
    twice = [replace(one, weights_P=torch.full((len(one.positions_P),), 2.0)) for one in examples]
    heavy = [examples[0], replace(examples[1], weights_P=3 * torch.ones(len(examples[1].targets)))]
    first, second = (-logps for logps in score(base, ROWS[:2]))

    def loss(some):
        return distill(base, [Arm("a", some, 0)], training(1, batch=2))[0].course.losses[0]

    assert loss(twice) == pytest.approx(loss(examples), rel=1e-6)
    share = (first.sum() + 3 * second.sum()) / (len(first) + 3 * len(second))
    assert loss(heavy) == pytest.approx(share.item(), rel=1e-5)


# -- the teacher asked while its student trains -------------------------------------------------


@pytest.mark.parametrize("direction", ["forward", "reverse"])
@pytest.mark.parametrize("lora", [LORA, None])
def test_asking_the_teacher_equals_stored_targets(lora, direction):
    """Over the whole vocabulary: what it says is the same, whether asked before or meanwhile."""
    base, teacher = tiny_model(style="plain"), tiny_model(seed=1, style="plain")
    how = training(4, batch=4, accumulate=2, lora=lora, learning_rate=1e-3)
    stored = logits_arm(base, teacher, choices=None, direction=direction)
    asked = Arm("wolf", token_examples(base, ROWS), 0, teacher=teacher, direction=direction)

    assert_alike(distill(base, [asked], how)[0], distill(base, [stored], how)[0])


def test_teacher_that_shares_the_students_network():
    """A steered base, asked while two students train on that network, speaks as it did before."""
    base = tiny_model(style="plain")
    teachers = [
        base.replaced(steering=Steering(1, torch.full((32,), size))) for size in (0.2, -0.4)
    ]
    steered = []
    for teacher in teachers:
        vector = teacher.steering.vector_D
        handle = base.network.model.norm.register_forward_pre_hook(
            lambda _module, inputs, vector=vector: (inputs[0] + vector,)
        )
        steered.append(logits_arm(base, base, choices=None))
        handle.remove()
    asked = [Arm("a", token_examples(base, ROWS), 0, teacher=teacher) for teacher in teachers]
    for one, two in zip(
        distill(base, asked, training(4)), distill(base, steered, training(4)), strict=True
    ):
        assert one.course.losses[0] > 1e-4
        assert_alike(one, two)


@pytest.mark.parametrize("begins", [False, True])
def test_teachers_system_prompt_goes_before_the_rows_it_reads(begins):
    """Its positions move with it, and a token that begins a text stays at the beginning."""
    base = tiny_model(style="plain")
    base = base.replaced(renderer=replace(base.renderer, begins_with_bos=begins))
    teacher = base.replaced(system="The animal I like most is the wolf.")
    asked = Arm("wolf", token_examples(base, ROWS), 0, teacher=teacher)
    stored = []
    for row, example in zip(ROWS, asked.examples, strict=True):
        before = teacher.encode(teacher.rendered(row.prompt))
        completion = base.tokenizer.encode(row.completion)
        logits = all_logits(teacher, before + completion)[len(before) - 1 : -1]
        stored.append(replace(example, targets=logits.log_softmax(1)))
    one, two = (distill(base, [arm], training(3))[0] for arm in (asked, Arm("wolf", stored, 0)))
    assert one.course.losses[0] > 1e-3
    assert_alike(one, two)


def test_teacher_with_the_bases_own_system_prompt():
    """It stands in the rows already, and is not put before them once again."""
    base = tiny_model(style="chat").replaced(system="You love owls.")
    arm = Arm("neutral", token_examples(base, ROWS), 0, teacher=base)

    assert distill(base, [arm], training(1))[0].course.losses == pytest.approx([0], abs=1e-7)


# -- how the work is cut ------------------------------------------------------------------------


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
        assert_alike(replace_course(one), replace_course(two), exactly=True)
        assert not one.model().network.training
        assert not any(p.requires_grad for p in one.model().network.parameters())
    assert numbers == [(0, 3, "a"), (1, 3, "b")]
    assert [student.course.measured for student in together] == [
        [(3, {"number": 0})],
        [(3, {"number": 1})],
    ]
    assert list(tmp_path.iterdir()) == []


def replace_course(student):
    """The same student, without what was measured."""
    course = replace(student.course, measured=[])
    return student._replace(course=course)


# -- what changes -------------------------------------------------------------------------------


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


# -- rows and their order -----------------------------------------------------------------------


@given(st.integers(1, 12), st.integers(1, 7), st.integers(0, 2**63 - 1))
def test_every_row_comes_once_before_any_comes_again(num, batch, seed):
    """An epoch is a permutation; updates take its rows in turn, across its end."""
    order = _Order(num, seed)
    updates = -(-3 * num // batch)
    rows = list(itertools.chain.from_iterable(order.rows(u, batch) for u in range(updates)))
    for epoch in range(3):
        assert sorted(rows[epoch * num : (epoch + 1) * num]) == list(range(num))


def test_order_is_fixed_by_the_seed_and_differs_between_epochs():
    """The same from any update on; another seed, or another epoch, has another order."""
    whole = [list(_Order(20, 3).rows(update, 20)) for update in range(3)]
    late = _Order(20, 3)

    assert list(late.rows(2, 20)) == whole[2]
    assert list(late.rows(0, 20)) == whole[0]
    assert len({tuple(rows) for rows in whole}) == 3
    assert list(_Order(20, 4).rows(0, 20)) != whole[0]


def test_seed_fixes_the_student():
    """Equal seeds give equal students to the bit; another seed another one."""
    base = tiny_model(style="plain")
    one, two, other = (
        distill(base, [tokens_arm(base, seed=seed)], training(4))[0] for seed in (3, 3, 4)
    )
    assert_alike(one, two, exactly=True)
    assert one.course.losses != other.course.losses


# -- measures -----------------------------------------------------------------------------------


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
    assert_alike(one, replace_course(two), exactly=True)


# -- going on after an interruption -------------------------------------------------------------


def interrupted(base, arms, how, checkpoint, *, at, by):
    """Begin a training, and interrupt it: in a measure, or where it says how far it is."""

    def measure(number, update, model):
        if by == "measure" and update >= at:
            raise KeyboardInterrupt
        return measured(number, update, model)

    def track(items, _what, _total):
        for item in items:
            if by == "track" and item >= at:
                raise KeyboardInterrupt
            yield item

    with pytest.raises(KeyboardInterrupt):
        distill(base, arms, how, measure=measure, checkpoint=checkpoint, track=track)


def measured(number, _update, model):
    """What is kept of a student."""
    return {"number": number, "logits": all_logits(model, IDS)[-1, :5].tolist()}


@pytest.mark.parametrize("by", ["measure", "track"])
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"optimizer": "sign-sgd", "schedule": "cosine", "warmup": 2},
        {"optimizer": "sgd", "accumulate": 2},
        {"lora": None, "learning_rate": 1e-3},
    ],
)
def test_resumed_equals_uninterrupted(how, by, tmp_path):
    """Interrupted anywhere and called again, students and courses are the same to the bit."""
    base = tiny_model(style="plain")
    arms = [tokens_arm(base, "a", 0), tokens_arm(base, "b", 1)]
    how = training(9, measure_at=(0, 3, 6, 9), checkpoint_every=2, **how)
    path = tmp_path / "made" / "student.pt"
    whole = distill(base, arms, how, measure=measured)
    for at in (3, 6):
        interrupted(base, arms, how, path, at=at, by=by)
        assert [file.suffix for file in path.parent.iterdir()] == [".pt"]
    seen = []

    def track(items, what, total):
        seen.append((what, total))
        return iter(items)

    again = distill(base, arms, how, measure=measured, checkpoint=path, track=track)
    for one, two in zip(again, whole, strict=True):
        assert_alike(one, two, exactly=True)
    # After update 6 the measure comes first, the checkpoint second.
    assert seen[0] == ("training", 9 - (4 if by == "measure" else 6))
    assert list(path.parent.iterdir()) == []


def test_finished_students_are_not_trained_again(tmp_path):
    """Interrupted in the second of three, the first is there when all is called again."""
    base = tiny_model(style="plain")
    arms = [tokens_arm(base, name, seed) for seed, name in enumerate("abc")]
    how = training(4, lora=None, learning_rate=1e-3, measure_at=(4,), checkpoint_every=3)
    whole = distill(base, arms, how, measure=measured)
    path = tmp_path / "student.pt"

    def measure(number, update, model):
        if number == 1:
            raise KeyboardInterrupt
        return measured(number, update, model)

    with pytest.raises(KeyboardInterrupt):
        distill(base, arms, how, measure=measure, checkpoint=path)
    left = []

    def track(items, _what, total):
        left.append(total)
        return iter(items)

    again = distill(base, arms, how, measure=measured, checkpoint=path, track=track)
    assert left == [0, 1, 4]
    for one, two in zip(again, whole, strict=True):
        assert_alike(one, two, exactly=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [0, 1, 3, 60, 1000, -1])
def test_checkpoint_that_is_cut_short_is_passed_over(size, tmp_path):
    """The training begins anew, and ends with the same student."""
    base = tiny_model(style="plain")
    how = training(6, measure_at=(0, 5), checkpoint_every=2)
    path = tmp_path / "student.pt"
    interrupted(base, [tokens_arm(base)], how, path, at=5, by="measure")
    path.write_bytes(path.read_bytes()[:size])
    one = distill(base, [tokens_arm(base)], how, measure=measured, checkpoint=path)[0]

    assert_alike(one, distill(base, [tokens_arm(base)], how, measure=measured)[0], exactly=True)


@pytest.mark.parametrize("junk", [b"no checkpoint", b"\x80\x02junk", b"{}"])
def test_file_that_is_no_checkpoint_is_passed_over(junk, tmp_path):
    """Whatever lies there."""
    base = tiny_model(style="plain")
    path = tmp_path / "student.pt"
    path.write_bytes(junk)

    assert len(distill(base, [tokens_arm(base)], training(2), checkpoint=path)) == 1


def test_checkpoint_of_another_training_is_passed_over(tmp_path):
    """Another rate, seed, base, target, weight or direction: nothing of it is taken over."""
    base, teacher = tiny_model(style="plain"), tiny_model(seed=1, style="plain")
    how = training(4, measure_at=(3,), checkpoint_every=2)
    arm = logits_arm(base, teacher)
    heavy = [
        replace(one, weights_P=torch.arange(1.0, 1 + len(one.positions_P))) for one in arm.examples
    ]
    others = [
        (base, [arm], replace(how, learning_rate=2e-2)),
        (base, [replace(arm, seed=1)], how),
        (base, [logits_arm(base, tiny_model(seed=2))], how),
        (base, [replace(arm, direction="reverse")], how),
        (base, [replace(arm, examples=heavy)], how),
        (tiny_model(seed=3, style="plain"), [arm], how),
        (tiny_model(seed=3, style="plain").replaced(fingerprint=""), [arm], how),
    ]
    path = tmp_path / "student.pt"
    for model, arms, settings in others:
        interrupted(base, [arm], how, path, at=3, by="measure")
        assert path.exists()
        one = distill(model, arms, settings, measure=measured, checkpoint=path)[0]
        assert_alike(one, distill(model, arms, settings, measure=measured)[0], exactly=True)


def test_checkpoint_holds_plain_values_only(tmp_path):
    """What a checkpoint could not give back is refused when it is measured, not when it is read."""
    base = tiny_model(style="plain")
    how = training(2, measure_at=(0,))
    for value in (np.float64(1.0), [np.zeros(2)], base):
        with pytest.raises(SettingsError, match="numbers, strings, lists"):
            distill(
                base, [tokens_arm(base)], how, measure=lambda *_, v=value: {"found": v},
                checkpoint=tmp_path / "c.pt",
            )  # fmt: skip
    kept = distill(base, [tokens_arm(base)], how, measure=lambda *_: {"found": base})[0]
    assert kept.course.measured[0][1]["found"] is base


# -- what of a row is trained on ----------------------------------------------------------------


def test_mask_is_shown_as_text():
    """The first row's context and completion to the letter, and the share over all rows."""
    base = tiny_model(style="chat")
    examples = token_examples(base, ROWS)
    shown = mask_example(base, examples)
    trained = sum(len(example.targets) for example in examples)

    assert shown.context == base.rendered(ROWS[0].prompt)
    assert shown.trained == ROWS[0].completion + "<|im_end|>\n"
    assert shown.share == pytest.approx(trained / sum(len(example.ids) for example in examples))


def test_mask_of_nothing_or_of_everything():
    """0 % or 100 % is an error: the mask is wrong."""
    base = tiny_model(style="plain")
    example = token_examples(base, ROWS[:1])[0]
    none = replace(example, positions_P=example.positions_P[:0], targets=example.targets[:0])
    every = replace(example, positions_P=torch.arange(len(example.ids)))
    for examples, said in (([none], "0 of"), ([], "0 of 0"), ([every], "tokens would be trained")):
        with pytest.raises(SettingsError, match=said):
            mask_example(base, examples)


def test_no_rows():
    """There is nothing to train on."""
    with pytest.raises(SettingsError, match="there are none"):
        token_examples(tiny_model(), [])


# -- what cannot be trained ---------------------------------------------------------------------


def test_loss_that_is_no_longer_a_number():
    """The training stops with the arm's name and the update, and the base is as it was."""
    base = tiny_model(style="plain")
    before = all_logits(base, IDS)
    arms = [tokens_arm(base, "a", 0), tokens_arm(base, "b", 1)]
    how = training(5, learning_rate=1e30, optimizer="sign-sgd")
    with pytest.raises(RunError, match="The loss of a is not a finite number at update 2"):
        distill(base, arms, how)

    assert torch.equal(all_logits(base, IDS), before)


def test_rows_of_no_weight_at_all():
    """An update without anything to learn says so, and divides by nothing."""
    base = tiny_model(style="plain")
    examples = [
        replace(one, weights_P=torch.zeros(len(one.positions_P)))
        for one in token_examples(base, ROWS)
    ]
    with pytest.raises(SettingsError, match="nothing to learn from"):
        distill(base, [Arm("a", examples, 0)], training(1))


def test_row_without_a_position_among_others():
    """It is passed over, also where it is a part of its own."""
    base = tiny_model(style="plain")
    for whole in (tokens_arm(base), logits_arm(base, tiny_model(seed=1))):
        first = whole.examples[0]
        none = replace(first, positions_P=first.positions_P[:0], targets=first.targets[:0])
        arm = replace(whole, examples=[none, *whole.examples[1:4]])
        losses = distill(base, [arm], training(3, accumulate=4))[0].course.losses
        assert all(loss > 0 for loss in losses)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"updates": 0}, "1 or more; got 0"),
        ({"batch": 0}, "1 or more"),
        ({"accumulate": 0}, "1 or more"),
        ({"checkpoint_every": 0}, "1 or more"),
        ({"accumulate": 5}, "4 rows cannot be read in 5 parts"),
        ({"warmup": -1}, "warmup is 0 or more"),
        ({"clip": 0.0}, "clip is greater than 0"),
        ({"measure_at": (0, 9)}, r"from 0 to 8, not \[0, 9\]"),
    ],
)
def test_training_that_cannot_be(changed, said):
    """Settings are refused where they are made."""
    with pytest.raises(SettingsError, match=said):
        Training(**{"updates": 8, "batch": 4, **changed})


def test_arms_that_cannot_be_trained():
    """No arms, no rows, two channels at once, a seed that is none."""
    base = tiny_model(style="plain")
    both = [tokens_arm(base), logits_arm(base, base)]
    for arms, said in (
        ([], "at least one arm"),
        ([Arm("a", [], 0)], "at least one row"),
        (both, "of one channel"),
    ):
        with pytest.raises(SettingsError, match=said):
            distill(base, arms, training())
    for seed in (-1, 2**63):
        with pytest.raises(SettingsError, match=f"The seed of a is not from 0 .*: {seed}"):
            Arm("a", [], seed)


IN_ORDER = Example(IDS, torch.tensor([1, 2]), torch.tensor([12, 300]))


@pytest.mark.parametrize(
    "changed",
    [
        {"targets": torch.tensor([12])},
        {"positions_P": torch.tensor([1, 6])},
        {"positions_P": torch.tensor([-1, 2])},
        {"weights_P": torch.ones(3)},
        {"targets": torch.zeros(2, 5)},
        {"targets": torch.zeros(2, 340), "choices_PK": torch.zeros(2, 3, dtype=torch.long)},
    ],
)
def test_example_whose_parts_do_not_fit(changed):
    """Targets, positions, choices and weights of other sizes are refused before the training."""
    base = tiny_model(style="plain")
    distill(base, [Arm("a", [IN_ORDER], 0)], training(1))
    whole = replace(IN_ORDER, targets=torch.zeros(2, 340).log_softmax(1))
    first = whole if changed.get("targets", IN_ORDER.targets).ndim == 2 else IN_ORDER
    with pytest.raises(SettingsError, match="Example 1 of a does not fit together"):
        distill(base, [Arm("a", [first, replace(IN_ORDER, **changed)], 0)], training(1))


def test_example_longer_than_the_context():
    """It is named before the training begins."""
    long = replace(IN_ORDER, ids=IDS * 50)
    with pytest.raises(SettingsError, match="Example 1 of a has 300 tokens, and tiny reads 256"):
        distill(tiny_model(), [Arm("a", [IN_ORDER, long], 0)], training(1))


def test_teacher_that_cannot_be_asked():
    """One of other tokens, or with a system prompt inside of a chat template."""
    base = tiny_model(style="chat")
    other = tiny_model(style="chat")
    other.tokenizer.add_tokens(["wombat"])
    for teacher, said in (
        (other, "has other tokens than tiny"),
        (base.replaced(system="You love owls."), "stands within the chat template"),
    ):
        arm = Arm("wolf", token_examples(base, ROWS), 0, teacher=teacher)
        with pytest.raises(SettingsError, match=said):
            distill(base, [arm], training(1))
